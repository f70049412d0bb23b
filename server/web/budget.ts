/**
 * Keeps what Hearth costs below what the user allows: above the budget, samples are taken less often, fewer of the
 * short waits, and fewer of the latency events that are most, a step at a time, and at once where more comes than can be read;
 * below it, a step back. Weights say how much
 * a sample, a wait or an event stands for, so they stay right. Where all steps are taken and what can be switched off still
 * costs more than the budget by itself, the dearest of it is switched off, until the user switches it on again. For memory see
 * memory-budget.ts.
 */
import {
  LATENCY_TEXTS,
  type LatencySource,
  LONG_LATENCY_NS,
  THINNED_SOURCES,
} from '@/profile/latency/sources';
import { type Extra, extraTitle, programCosts } from '@/profile/program-cost';
import type {
  BudgetStatus,
  CollectorStatus,
  Measured,
  ProcessCost,
  StoppedExtra,
} from '@/profile/status';
import { type History, MemoryBudget } from './memory-budget';

export interface Budget {
  /** Percent of all CPUs together; 0: no limit. */
  readonly cpuPercent: number;
  /** Of the agent, the web process and the BPF maps. */
  readonly memoryBytes: number;
}

export const DEFAULT_BUDGET: Budget = { cpuPercent: 1, memoryBytes: 300e6 };

/** What the user asked for. */
export interface Wish {
  readonly frequencyHz: number;
  /** Undefined while off-CPU profiling is off. */
  readonly thresholdNs: number | undefined;
  /** Those of THINNED_SOURCES that are measured. */
  readonly latencies: readonly LatencySource[];
}

/** What is in force. */
export interface Setting {
  readonly frequencyHz: number;
  readonly thresholdNs: number | undefined;
  /** Of how many latency events one is timed; undefined while none of those sources is measured. */
  readonly latencyOneIn: number | undefined;
}

const LEAST_HZ = 11;
const MOST_THRESHOLD_NS = 160e6;
const MAX_STEPS = 4;
/** Readings, one a second. Tables of all that runs are made after the start: that passes by itself. */
const STARTING = 30;
/** After a step, until its effect is seen whole. */
const SETTLING = 5;
/** The mean of so many is what counts: programs that come and go make single seconds dear. */
const MEAN_OF = 15;
const CALM = 60;
/** A step back doubles the cost at most, and must not lead to the next step down. */
const STEP_COST = 2;
const HEADROOM = 0.8;
const KEPT_CHANGES = 20;
/** What found the ring full: more comes than the agent can read. */
const RING_LOSSES = [
  'sample-ring-full',
  'stack-ring-full',
  'wait-ring-full',
  'latency-sample-ring-full',
  'process-event-ring-full',
];
/** In each of two readings after each other: thousands of threads that end at once are no reason to sample less. */
const OVERRUN = 100;

/**
 * Those that are thinned where anything is: waits, too, which off-CPU profiling has measured. Alone these are not worth it, for
 * its programs have to time them anyway.
 */
function thinnedOf({ thresholdNs, latencies }: Wish): readonly LatencySource[] {
  const others: readonly LatencySource[] = thresholdNs === undefined ? [] : ['waits'];
  return THINNED_SOURCES.filter((source) => [...latencies, ...others].includes(source));
}

/** What is in force after so many steps: with each, half the frequency, twice the threshold, half the latency events. */
export function settingAfter(wish: Wish, steps: number): Setting {
  const { frequencyHz, thresholdNs } = wish;
  const factor = 2 ** steps;
  return {
    frequencyHz: Math.max(Math.min(frequencyHz, LEAST_HZ), Math.floor(frequencyHz / factor)),
    thresholdNs:
      thresholdNs === undefined
        ? undefined
        : Math.min(Math.max(thresholdNs, MOST_THRESHOLD_NS), thresholdNs * factor),
    latencyOneIn: wish.latencies.length === 0 ? undefined : factor,
  };
}

/** 'a, b and c' */
const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;

const mean = (readings: readonly number[]): number =>
  readings.reduce((sum, reading) => sum + reading, 0) / readings.length;

/** After how many steps nothing changes any more. */
function mostSteps(wish: Wish): number {
  const last = JSON.stringify(settingAfter(wish, MAX_STEPS));
  let steps = 0;
  while (JSON.stringify(settingAfter(wish, steps)) !== last) steps++;
  return steps;
}

/**
 * What a reading leads to: another number of steps, for what is used or for what can't be read, or more than the budget with
 * no step left; with the mean cost, in percent.
 */
export interface Decision {
  readonly kind: 'step' | 'overrun' | 'stuck';
  readonly percent: number;
}

/** How many steps to take, by what Hearth costs. It knows no clock: it is given a reading a second. */
export class BudgetSteps {
  limitPercent: number;
  #most: number;
  #steps = 0;
  #toSkip = STARTING;
  #calm = 0;
  #readings: number[] = [];

  constructor(limitPercent: number, most = MAX_STEPS) {
    this.limitPercent = limitPercent;
    this.#most = most;
  }

  get steps(): number {
    return this.#steps;
  }

  /** A new agent, or another wish, with so many steps at most: as at the start. */
  begin(isNewAgent: boolean, most = this.#most): void {
    this.#most = most;
    this.#steps = 0;
    this.#settle(isNewAgent ? STARTING : SETTLING);
  }

  /** Less can be lowered than before: steps that change nothing any more are undone without a word. */
  limitTo(most: number): void {
    this.#most = most;
    this.#steps = Math.min(this.#steps, most);
  }

  /** Takes a reading in percent of the machine; `isOverrun`: more comes than can be read. Undefined: all stays as it is. */
  read(percent: number, isOverrun = false): Decision | undefined {
    // What comes is lost meanwhile: this doesn't wait for a mean.
    if (isOverrun && this.limitPercent > 0 && this.#steps < this.#most) {
      this.#steps++;
      this.#settle(SETTLING);
      return { kind: 'overrun', percent };
    }
    if (this.#toSkip > 0) {
      this.#toSkip--;
      return undefined;
    }
    this.#readings.push(percent);
    if (this.#readings.length > MEAN_OF) this.#readings.shift();
    if (this.#readings.length < MEAN_OF) return undefined;
    const { limitPercent } = this;
    const used = mean(this.#readings);
    if (limitPercent > 0 && used > limitPercent) {
      this.#settle(SETTLING);
      if (this.#steps >= this.#most) return { kind: 'stuck', percent: used };
      this.#steps++;
      return { kind: 'step', percent: used };
    }
    const isCalm = limitPercent === 0 || used * STEP_COST < limitPercent * HEADROOM;
    this.#calm = isCalm ? this.#calm + 1 : 0;
    if (this.#calm < CALM || this.#steps === 0) return undefined;
    this.#steps--;
    this.#settle(SETTLING);
    return { kind: 'step', percent: used };
  }

  #settle(readings: number): void {
    this.#toSkip = readings;
    this.#readings = [];
    this.#calm = 0;
  }
}

/** What the budget can do. */
export interface BudgetActions {
  /** What is given up where memory is short. */
  readonly history: History;
  /** Puts a setting into force. */
  apply(setting: Setting): void;
  /** Switches off what is measured by the same programs. */
  stop(extras: readonly Extra[]): void;
}

/** The wish, the budget, and what follows from them. */
export class BudgetKeeper {
  #budget: Budget;
  #wish: Wish;
  readonly #steps: BudgetSteps;
  readonly #actions: BudgetActions;
  #usedBytes: number | undefined;
  readonly #memory: MemoryBudget;
  /** What the ring had no room for since the agent began, and in how many readings after each other it was much. */
  #ringLosses = 0;
  #overruns = 0;
  /** The last readings, whether they count for the budget or not. */
  #recent: number[] = [];
  #stopped: readonly StoppedExtra[] = [];
  #changes: { readonly timeMs: number; readonly text: string }[] = [];

  constructor(budget: Budget, wish: Wish, actions: BudgetActions) {
    this.#budget = budget;
    this.#wish = wish;
    this.#steps = new BudgetSteps(budget.cpuPercent, mostSteps(wish));
    this.#actions = actions;
    this.#memory = new MemoryBudget(budget.memoryBytes, actions.history);
  }

  get setting(): Setting {
    return settingAfter(this.#wish, this.#steps.steps);
  }

  get status(): BudgetStatus {
    return {
      ...this.#budget,
      usedPercent: this.#recent.length === 0 ? undefined : mean(this.#recent),
      usedBytes: this.#usedBytes,
      isLowered: this.#steps.steps > 0,
      wishedHz: this.#wish.frequencyHz,
      stopped: this.#stopped,
      changes: this.#changes,
    };
  }

  setBudget(budget: Budget): void {
    this.#budget = budget;
    this.#steps.limitPercent = budget.cpuPercent;
    this.#memory.budgetBytes = budget.memoryBytes;
    if (budget.cpuPercent === 0) this.#begin(false);
  }

  /** What the user wants now counts; the budget is kept from here on. */
  wish(change: Partial<Wish>): void {
    this.#wish = { ...this.#wish, ...change };
    if (change.thresholdNs !== undefined) this.#wants(['offCpu']);
    this.#begin(false);
  }

  /** What latencies are measured now. Others of those that can be thinned are another wish. */
  measure(sources: readonly LatencySource[]): void {
    this.#wants(sources);
    const latencies = THINNED_SOURCES.filter((source) => sources.includes(source));
    if (latencies.join() !== this.#wish.latencies.join()) this.wish({ latencies });
  }

  agentStarted(): void {
    this.#begin(true);
  }

  /** To be called with each status, about once a second. */
  read(collector: CollectorStatus, web: ProcessCost): void {
    const value = (measured: Measured): number => ('value' in measured ? measured.value : 0);
    const cores = value(collector.agent.cpu) + value(web.cpu) + value(collector.bpfCpu);
    this.#usedBytes =
      value(collector.agent.residentBytes) +
      value(web.residentBytes) +
      value(collector.bpfMapBytes);
    const remembered = this.#memory.read(this.#usedBytes);
    if (remembered !== undefined) this.#changed(remembered);
    const percent = (cores / collector.cpus) * 100;
    this.#recent = [...this.#recent, percent].slice(-MEAN_OF);
    const before = this.#steps.steps;
    const lost = this.#newRingLosses(collector);
    this.#overruns = lost < OVERRUN ? 0 : this.#overruns + 1;
    const decision = this.#steps.read(percent, this.#overruns > 1);
    if (decision === undefined) return;
    if (decision.kind === 'stuck') {
      this.#stopDearest(collector);
      return;
    }
    const isLowered = this.#steps.steps > before;
    const why =
      decision.kind === 'overrun'
        ? `${lost} events found the ring full, for more comes than can be read`
        : `Hearth used ${decision.percent.toFixed(1)} % of the machine, the budget is ${this.#budget.cpuPercent} %`;
    this.#changed(`sampling ${isLowered ? 'lowered' : 'raised'} to ${this.#settingText()}: ${why}`);
    this.#actions.apply(this.setting);
  }

  /** Since the last reading; of a new agent none. */
  #newRingLosses({ losses }: CollectorStatus): number {
    const before = this.#ringLosses;
    this.#ringLosses = RING_LOSSES.reduce((sum, reason) => sum + (losses[reason] ?? 0), 0);
    return Math.max(0, this.#ringLosses - before);
  }

  /** Where what can be switched off costs more than the budget by itself. Else it would not help: Hearth says what it uses. */
  #stopDearest(collector: CollectorStatus): void {
    const percent = (cpu: number): number => (100 * cpu) / collector.cpus;
    const costs = programCosts(collector).sort((a, b) => b.cpu - a.cpu);
    if (percent(costs.reduce((sum, { cpu }) => sum + cpu, 0)) <= this.#budget.cpuPercent) return;
    const [{ extras: dearest, cpu }] = costs;
    // Without off-CPU profiling, the run queue is counted by programs of its own, which cost less.
    const extras: readonly Extra[] = dearest.includes('offCpu') ? ['offCpu'] : dearest;
    const timeMs = Date.now();
    const reason = `took ${percent(cpu).toFixed(1)} % of the machine in BPF programs alone, the budget is ${this.#budget.cpuPercent} %`;
    this.#wants(extras);
    this.#stopped = [...this.#stopped, ...extras.map((extra) => ({ extra, timeMs, reason }))];
    const { latencies, thresholdNs } = this.#wish;
    this.#wish = {
      ...this.#wish,
      thresholdNs: extras.includes('offCpu') ? undefined : thresholdNs,
      latencies: latencies.filter((source) => !extras.includes(source)),
    };
    this.#steps.limitTo(mostSteps(this.#wish));
    this.#changed(`${listed(extras.map(extraTitle))} switched off: measuring ${reason}`);
    this.#actions.stop(extras);
  }

  /** What was switched off is wanted again. */
  #wants(extras: readonly Extra[]): void {
    this.#stopped = this.#stopped.filter(({ extra }) => !extras.includes(extra));
  }

  #changed(text: string): void {
    this.#changes = [...this.#changes, { timeMs: Date.now(), text }].slice(-KEPT_CHANGES);
  }

  /** '49 Hz, waits all taken from 20 ms on, system calls and futex waits: one in 2 timed, those of 200 ms and more all' */
  #settingText(): string {
    const { frequencyHz, thresholdNs, latencyOneIn } = this.setting;
    const parts = [`${frequencyHz} Hz`];
    if (thresholdNs !== undefined) parts.push(`waits all taken from ${thresholdNs / 1e6} ms on`);
    if (latencyOneIn !== undefined) {
      const names = thinnedOf(this.#wish).map((source) => LATENCY_TEXTS[source].title);
      const timed =
        latencyOneIn === 1
          ? 'all timed'
          : `one in ${latencyOneIn} timed, those of ${LONG_LATENCY_NS / 1e6} ms and more all`;
      parts.push(`${listed(names)}: ${timed}`);
    }
    return parts.join(', ');
  }

  #begin(isNewAgent: boolean): void {
    this.#steps.begin(isNewAgent, mostSteps(this.#wish));
    this.#actions.apply(this.setting);
  }
}
