/**
 * Keeps what Hearth costs below what the user allows: above the budget, samples are taken less often, fewer of the
 * short waits, and fewer of the latency events that are most, a step at a time; below it, a step back. Weights say how much
 * a sample, a wait or an event stands for, so they stay right.
 */
import {
  LATENCY_TEXTS,
  type LatencySource,
  LONG_LATENCY_NS,
  THINNED_SOURCES,
} from '@/profile/latency/sources';
import type { BudgetStatus, CollectorStatus, Measured, ProcessCost } from '@/profile/status';

export interface Budget {
  /** Percent of all CPUs together; 0: no limit. */
  readonly cpuPercent: number;
  /** Of the agent, the web process and the BPF maps. Beyond it Hearth says so, and what to do. */
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

/** What is in force after so many steps: with each, half the frequency, twice the threshold, half the latency events. */
export function settingAfter(
  { frequencyHz, thresholdNs, latencies }: Wish,
  steps: number,
): Setting {
  const factor = 2 ** steps;
  return {
    frequencyHz: Math.max(Math.min(frequencyHz, LEAST_HZ), Math.floor(frequencyHz / factor)),
    thresholdNs:
      thresholdNs === undefined
        ? undefined
        : Math.min(Math.max(thresholdNs, MOST_THRESHOLD_NS), thresholdNs * factor),
    latencyOneIn: latencies.length === 0 ? undefined : factor,
  };
}

/** 'a, b and c' */
const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;

const mean = (readings: readonly number[]): number =>
  readings.reduce((sum, reading) => sum + reading, 0) / readings.length;

/** How many steps to take, by what Hearth costs. It knows no clock: it is given a reading a second. */
export class BudgetSteps {
  limitPercent: number;
  #steps = 0;
  #toSkip = STARTING;
  #calm = 0;
  #readings: number[] = [];

  constructor(limitPercent: number) {
    this.limitPercent = limitPercent;
  }

  get steps(): number {
    return this.#steps;
  }

  /** A new agent, or another wish: as at the start. */
  begin(isNewAgent: boolean): void {
    this.#steps = 0;
    this.#settle(isNewAgent ? STARTING : SETTLING);
  }

  /** Takes a reading in percent of the machine. Where the number of steps has changed by it: the mean that it is for. */
  read(percent: number): number | undefined {
    if (this.#toSkip > 0) {
      this.#toSkip--;
      return undefined;
    }
    this.#readings.push(percent);
    if (this.#readings.length > MEAN_OF) this.#readings.shift();
    if (this.#readings.length < MEAN_OF) return undefined;
    const { limitPercent } = this;
    const used = mean(this.#readings);
    if (limitPercent > 0 && used > limitPercent) return this.#step(1) ? used : undefined;
    const isCalm = limitPercent === 0 || used * STEP_COST < limitPercent * HEADROOM;
    this.#calm = isCalm ? this.#calm + 1 : 0;
    return this.#calm >= CALM && this.#step(-1) ? used : undefined;
  }

  #step(by: 1 | -1): boolean {
    const steps = Math.min(MAX_STEPS, Math.max(0, this.#steps + by));
    if (steps === this.#steps) return false;
    this.#steps = steps;
    this.#settle(SETTLING);
    return true;
  }

  #settle(readings: number): void {
    this.#toSkip = readings;
    this.#readings = [];
    this.#calm = 0;
  }
}

/** The wish, the budget, and what follows from them. */
export class BudgetKeeper {
  #budget: Budget;
  #wish: Wish;
  readonly #steps: BudgetSteps;
  readonly #apply: (setting: Setting) => void;
  #usedBytes: number | undefined;
  /** The last readings, whether they count for the budget or not. */
  #recent: number[] = [];
  #changes: { readonly timeMs: number; readonly text: string }[] = [];

  /** `apply` is told each setting that comes into force. */
  constructor(budget: Budget, wish: Wish, apply: (setting: Setting) => void) {
    this.#budget = budget;
    this.#wish = wish;
    this.#steps = new BudgetSteps(budget.cpuPercent);
    this.#apply = apply;
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
      changes: this.#changes,
    };
  }

  setBudget(budget: Budget): void {
    this.#budget = budget;
    this.#steps.limitPercent = budget.cpuPercent;
    if (budget.cpuPercent === 0) this.#begin(false);
  }

  /** What the user wants now counts; the budget is kept from here on. */
  wish(change: Partial<Wish>): void {
    this.#wish = { ...this.#wish, ...change };
    this.#begin(false);
  }

  /** What latencies are measured now. Others of those that can be thinned are another wish. */
  measure(sources: readonly LatencySource[]): void {
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
    const percent = (cores / collector.cpus) * 100;
    this.#recent = [...this.#recent, percent].slice(-MEAN_OF);
    const before = this.#steps.steps;
    const cause = this.#steps.read(percent);
    if (cause === undefined) return;
    const isLowered = this.#steps.steps > before;
    const used = `Hearth used ${cause.toFixed(1)} % of the machine, the budget is ${this.#budget.cpuPercent} %`;
    const text = `sampling ${isLowered ? 'lowered' : 'raised'} to ${this.#settingText()}: ${used}`;
    this.#changes = [...this.#changes, { timeMs: Date.now(), text }].slice(-KEPT_CHANGES);
    this.#apply(this.setting);
  }

  /** '49 Hz, waits all taken from 20 ms on, system calls and futex waits: one in 2 timed, those of 200 ms and more all' */
  #settingText(): string {
    const { frequencyHz, thresholdNs, latencyOneIn } = this.setting;
    const parts = [`${frequencyHz} Hz`];
    if (thresholdNs !== undefined) parts.push(`waits all taken from ${thresholdNs / 1e6} ms on`);
    if (latencyOneIn !== undefined) {
      const names = this.#wish.latencies.map((source) => LATENCY_TEXTS[source].title);
      const timed =
        latencyOneIn === 1
          ? 'all timed'
          : `one in ${latencyOneIn} timed, those of ${LONG_LATENCY_NS / 1e6} ms and more all`;
      parts.push(`${listed(names)}: ${timed}`);
    }
    return parts.join(', ');
  }

  #begin(isNewAgent: boolean): void {
    this.#steps.begin(isNewAgent);
    this.#apply(this.setting);
  }
}
