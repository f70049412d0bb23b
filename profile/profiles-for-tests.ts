/** Profiles written down in a few words, and at random, for tests. */

import { ProfileBuilder, UNNAMED } from './builder';
import type { Chunk, ChunkHeader, Loss } from './chunk';
import type { Labels } from './labels';
import type { LatencySource } from './latency/sources';
import type { Profile } from './profile';
import {
  type FrameIndex,
  FrameKind,
  MappingKind,
  NONE,
  type StackIndex,
  type ThreadIndex,
  ThreadState,
} from './schema';

/**
 * A frame in a word: `name`, `name@module`, `name@module#offset`; `k:name` for a kernel function, `j:name` for JIT code;
 * `?@module#offset` without a name; `outer>inner` for a function inlined into another; `[...]` why unwinding stopped.
 */
export type FrameText = string;

export interface TestSample {
  readonly pid?: number;
  readonly process?: string;
  readonly tid?: number;
  readonly container?: string;
  readonly cgroup?: string;
  /** Root first; undefined where the stack was lost. */
  readonly stack: readonly FrameText[] | undefined;
  readonly weight?: number;
  readonly timeNs?: number;
  readonly type?: readonly [name: string, unit: string];
}

export interface TestWait extends Omit<TestSample, 'weight' | 'type'> {
  readonly waitClass?: ThreadState;
  readonly durationNs: number;
  readonly weight?: number;
  readonly waker?: Pick<TestSample, 'pid' | 'process' | 'tid'> & {
    readonly stack: readonly FrameText[];
  };
}

export const HEADER: Omit<ChunkHeader, 'sequence'> = {
  startNs: 0,
  endNs: 1_000_000_000,
  wallOffsetNs: 1_700_000_000_000_000_000,
  frequencyHz: 100,
};

export interface TestLatency extends TestSample {
  readonly source: LatencySource;
  readonly label: string;
  readonly durationNs: number;
}

export class TestProfile {
  readonly builder = new ProfileBuilder();
  readonly #processes = new Map<string, number>();
  readonly #threads = new Map<string, ThreadIndex>();

  get profile(): Profile {
    return this.builder.profile;
  }

  add(sample: TestSample): this {
    const { builder } = this;
    const [name, unit] = sample.type ?? ['cpu', 'nanoseconds'];
    const stack = sample.stack === undefined ? NONE : this.stack(sample.stack);
    builder.sample({
      timeNs: sample.timeNs ?? 0,
      weight: sample.weight ?? 10,
      thread: this.#thread(sample),
      stack,
      sampleType: builder.sampleType(name, unit),
      cpu: 0,
    });
    return this;
  }

  /** A wait that ended at `timeNs`, else began with the profile; it stands for itself alone unless it has a weight. */
  addWait(wait: TestWait): this {
    const { waker } = wait;
    this.builder.wait({
      timeNs: wait.timeNs ?? wait.durationNs,
      weight: wait.weight ?? wait.durationNs,
      durationNs: wait.durationNs,
      thread: this.#thread(wait),
      stack: wait.stack === undefined ? NONE : this.stack(wait.stack),
      waitClass: wait.waitClass ?? ThreadState.Sleep,
      wakerThread: waker === undefined ? NONE : this.#thread(waker),
      wakerStack: waker === undefined ? NONE : this.stack(waker.stack),
    });
    return this;
  }

  /** An event of a latency source that ended at `timeNs`; it stands for itself alone unless it has a weight. */
  addLatency(event: TestLatency): this {
    const { builder } = this;
    builder.latencySample({
      timeNs: event.timeNs ?? 0,
      weight: event.weight ?? event.durationNs,
      durationNs: event.durationNs,
      thread: this.#thread(event),
      stack: event.stack === undefined ? NONE : this.stack(event.stack),
      source: builder.string(event.source),
      label: builder.string(event.label),
    });
    return this;
  }

  /** A slice of a thread's time that ends at `timeNs`, what the scheduler says of it, and what its clock left out. */
  addTimes(
    timeNs: number,
    tid: number,
    ns: Partial<Record<keyof typeof ThreadState, number>>,
    scheduler: Partial<Record<keyof typeof ThreadState, number>> = {},
    schedulerClock: Partial<Record<keyof typeof ThreadState, number>> = {},
  ): this {
    const thread = this.#thread({ tid, stack: undefined });
    for (const [name, value] of Object.entries(ns)) {
      const state = name as keyof typeof ThreadState;
      this.builder.threadTime({
        timeNs,
        thread,
        state: ThreadState[state],
        ns: value,
        count: 1,
        schedulerNs: scheduler[state] ?? 0,
        schedulerClockNs: schedulerClock[state] ?? 0,
      });
    }
    return this;
  }

  /** Gives a frame, found by its text, another name, as late symbols do. */
  rename(text: FrameText, name: string): this {
    const { builder } = this;
    builder.symbolize(this.frame(text), { ...UNNAMED, functionName: builder.string(name) });
    return this;
  }

  cut(losses: readonly Loss[] = []): Chunk {
    return this.builder.cutChunk(HEADER, losses);
  }

  stack(texts: readonly FrameText[]): StackIndex {
    let stack: StackIndex = NONE;
    for (const text of texts) stack = this.builder.stack(stack, this.frame(text));
    return stack;
  }

  frame(text: FrameText): FrameIndex {
    const { builder } = this;
    if (text.startsWith('[')) {
      const functionName = builder.string(text);
      return builder.namedFrame({ ...UNNAMED, functionName }, NONE, FrameKind.Stop);
    }
    const match = /^(k:|j:)?([^@#]*)(?:@([^#]*))?(?:#(\d+))?$/.exec(text);
    if (match === null) throw new Error(`not a frame: ${text}`);
    const [, prefix, names, module, offset] = match;
    const kind =
      prefix === 'k:' ? FrameKind.Kernel : prefix === 'j:' ? FrameKind.Jit : FrameKind.Native;
    const mapping =
      kind === FrameKind.Kernel
        ? builder.mapping('ab12', '[kernel]', MappingKind.Kernel)
        : kind === FrameKind.Jit
          ? builder.mapping('', '[jit]', MappingKind.Jit)
          : builder.mapping('ab12', `/usr/bin/${module ?? 'prog'}`, MappingKind.Executable);
    const chain = names.split('>');
    const innermost = chain[chain.length - 1];
    let outer: FrameIndex = NONE;
    for (const name of chain.slice(0, -1)) {
      const functionName = builder.string(name);
      outer = builder.namedFrame({ ...UNNAMED, functionName, inlinedInto: outer }, mapping, kind);
    }
    const known = builder.profile.frames.length;
    const frame = builder.frameAt(mapping, offset === undefined ? hash(names) : +offset, kind);
    if (frame === known && innermost !== '?') {
      const functionName = builder.string(innermost);
      const file = builder.string(`${innermost}.c`);
      builder.symbolize(frame, { functionName, file, line: 7, inlinedInto: outer });
    }
    return frame;
  }

  #thread({ pid = 1, process = 'prog', tid = pid, container, cgroup }: TestSample): ThreadIndex {
    const { builder } = this;
    const processKey = `${pid} ${process}`;
    let row = this.#processes.get(processKey);
    if (row === undefined) {
      row = builder.process({
        pid,
        parentPid: 0,
        name: builder.string(process),
        commandLine: builder.string(`/usr/bin/${process} --run`),
        container: container === undefined ? NONE : builder.string(container),
        cgroup: cgroup === undefined ? NONE : builder.string(cgroup),
        startNs: 5,
      });
      this.#processes.set(processKey, row);
    }
    const threadKey = `${row} ${tid}`;
    let thread = this.#threads.get(threadKey);
    if (thread === undefined) {
      thread = builder.thread({ tid, process: row, name: builder.string(`${process}/${tid}`) });
      this.#threads.set(threadKey, thread);
    }
    return thread;
  }
}

/** A stable offset for a function that was written without one. */
function hash(text: string): number {
  let value = 17;
  for (const character of text) value = (value * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003;
  return value;
}

export type Step =
  | { readonly do: 'sample'; readonly sample: TestSample }
  | { readonly do: 'rename'; readonly frame: FrameText; readonly name: string }
  | { readonly do: 'cut' };

const FRAME_TEXTS: readonly FrameText[] = [
  'main',
  'main#900',
  'work',
  'work#901',
  'loop>step',
  'loop>step>leaf',
  'work@libz.so',
  '?@libz.so#4096',
  '?@libz.so#8192',
  'k:read',
  'k:?#77',
  'j:compiled',
  '\ufeffname with; odd\ncharacters €',
];

/** Steps that make a profile, drawn from any numbers: the same numbers, the same steps. */
export function randomSteps(choices: readonly number[]): Step[] {
  let at = 0;
  const draw = (below: number): number => {
    const choice = Math.abs(choices[at++] ?? 0);
    return choice % below;
  };
  const steps: Step[] = [];
  while (at < choices.length) {
    const action = draw(12);
    if (action === 11) steps.push({ do: 'cut' });
    else if (action === 10) {
      const frame = FRAME_TEXTS[draw(FRAME_TEXTS.length)];
      steps.push({ do: 'rename', frame, name: ['renamed', 'work', 'main'][draw(3)] });
    } else {
      const depth = draw(6);
      const stack = Array.from({ length: depth }, () => FRAME_TEXTS[draw(FRAME_TEXTS.length)]);
      if (depth > 0 && draw(4) === 0) stack.unshift('[unwinding stopped: no frame pointer]');
      const pid = 1 + draw(3);
      const sample: TestSample = {
        pid,
        process: ['prog', 'sh'][draw(2)],
        tid: pid * 10 + draw(2),
        ...(pid === 3 ? { container: 'box' } : {}),
        ...(pid > 1 ? { cgroup: '/some.slice' } : {}),
        stack: depth === 0 ? undefined : stack,
        weight: 1 + draw(1000),
        // Nearly in order, as collectors send them.
        timeNs: Math.max(0, at * 10 - draw(60)),
      };
      steps.push({ do: 'sample', sample });
    }
  }
  return steps;
}

/** Follows steps, and gives the chunks that were cut; the last one ends the profile. */
export function chunksOf(steps: readonly Step[]): Chunk[] {
  const test = new TestProfile();
  const chunks: Chunk[] = [];
  for (const step of steps) {
    if (step.do === 'sample') test.add(step.sample);
    else if (step.do === 'rename') test.rename(step.frame, step.name);
    else chunks.push(test.cut([{ reason: 'sample-ring-full', count: 3 }]));
  }
  chunks.push(test.cut());
  return chunks;
}

/** Everything in a profile's tables, for comparing. */
export function contentsOf(profile: Profile): unknown {
  const rows = (table: {
    readonly length: number;
    readonly columns: Readonly<Record<string, unknown>>;
  }): unknown =>
    Object.fromEntries(
      Object.entries(table.columns).map(([name, column]) => [
        name,
        Array.from((column as Float64Array).subarray(0, table.length)),
      ]),
    );
  return {
    strings: profile.strings,
    sampleTypes: rows(profile.sampleTypes),
    mappings: rows(profile.mappings),
    frames: rows(profile.frames),
    stacks: rows(profile.stacks),
    processes: rows(profile.processes),
    threads: rows(profile.threads),
    samples: rows(profile.samples),
    losses: [...profile.losses],
    header: profile.header,
    startNs: profile.startNs,
  };
}

/** Each sample as text that says all about it without an index. */
export function describeSamples(profile: Profile): string[] {
  const { samples, threads, processes, stacks, frames, mappings, sampleTypes } = profile;
  const frameText = (frame: FrameIndex): string => {
    const { functionName, file, line, inlinedInto, mapping, offset, kind } = frames.columns;
    const module =
      mapping[frame] === NONE ? '' : profile.string(mappings.columns.path[mapping[frame]]);
    const outer = inlinedInto[frame] === NONE ? '' : `${frameText(inlinedInto[frame])}>`;
    return `${outer}${profile.string(functionName[frame])}(${profile.string(file[frame])}:${line[frame]} ${module}+${offset[frame]} ${kind[frame]})`;
  };
  return Array.from({ length: samples.length }, (_, row) => {
    const { timeNs, weight, thread, stack, sampleType, cpu } = samples.columns;
    const path: string[] = [];
    for (let at = stack[row]; at !== NONE; at = stacks.columns.parent[at])
      path.unshift(frameText(stacks.columns.frame[at]));
    const process = threads.columns.process[thread[row]];
    const { pid, parentPid, name, commandLine, container, cgroup, startNs } = processes.columns;
    return [
      `${timeNs[row]} ${weight[row]} cpu ${cpu[row]}`,
      `${profile.string(sampleTypes.columns.name[sampleType[row]])}/${profile.string(sampleTypes.columns.unit[sampleType[row]])}`,
      `tid ${threads.columns.tid[thread[row]]} ${profile.string(threads.columns.name[thread[row]])}`,
      `pid ${pid[process]} < ${parentPid[process]} ${profile.string(name[process])} ${profile.string(commandLine[process])} ${profile.string(container[process])} ${profile.string(cgroup[process])} ${startNs[process]}`,
      ...path,
    ].join(' | ');
  });
}

/** What all labels of a table are called. */
export const textsOf = (labels: Labels): string[] =>
  Array.from({ length: labels.length }, (_, label) => labels.textOf(label));
