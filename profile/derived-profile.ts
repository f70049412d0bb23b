/**
 * Waiting as samples: profiles whose samples are the waits of another one, alone or with its samples, so that all that
 * reads samples (call trees, windows, lists, exports) reads waits too.
 */
import { ProfileBuilder } from './builder';
import type { Chunk } from './chunk';
import { bucketOf } from './latency/buckets';
import { STACK_SOURCES, waitStates } from './latency/sources';
import { type EventRows, type Events, Merger } from './merge';
import { processName } from './names';
import type { Profile } from './profile';
import { partWithin, SampleSpans } from './sample-spans';
import {
  type FrameIndex,
  FrameKind,
  NONE,
  type StackIndex,
  ThreadState,
  WAIT_NAMES,
} from './schema';
import type { LatencyFilter, ProfileMode, WaitFilter } from './view';
import { ALL_WAITS, selectedWaits, type WaitSelection, wentOn } from './waits';
import { ALL_TIME, threadFilter } from './weights';

export type DerivedMode = Exclude<ProfileMode, 'cpu'>;

/** The names of their sample types. */
const SAMPLE_TYPES: Readonly<Record<DerivedMode, string>> = {
  'off-cpu': 'off-cpu',
  wall: 'wall',
  'off-wake': 'off-cpu',
  latency: 'latency',
};

/** What of the source becomes samples; undefined: all. */
export interface DerivedFilter {
  readonly waits?: WaitFilter | undefined;
  /** Of mode 'latency', which has nothing without it. */
  readonly latency?: LatencyFilter | undefined;
}

/**
 * A profile with samples of one type, in nanoseconds:
 *
 * - off-cpu: a sample for each wait, of the part since the profile began; its stack ends in a frame of kind Wait that says what was waited for.
 * - wall: the same, and the source's samples, which must be of CPU time in nanoseconds.
 * - off-wake: who wakes whom. The waiter's stack from its root to its leaf; then a frame of kind Waker; then the waker's
 *   stack upside down, so that where the waker did it is next to where the waiter waited.
 * - latency: a sample for each event of a latency source that has a stack and passes the filter; it ends in a frame of kind
 *   Wait that says which event it is. Those of the run queue are waits.
 *
 * It holds the waits as its own, too, with these stacks, and such events as waits. A source that grows is followed chunk by chunk.
 */
export class DerivedProfile {
  readonly mode: DerivedMode;
  readonly #source: Profile;
  readonly #selection: WaitSelection;
  readonly #builder = new ProfileBuilder();
  readonly #merger: Merger;
  readonly #type: number;
  readonly #filter: DerivedFilter;
  #takenProcesses = 0;
  /** Of its samples: waits have a length; undefined of latencies, whose events are told apart by when they end. */
  readonly spans: SampleSpans | undefined;

  /** Of all that the source holds now. Waits that `filter` leaves out are there, but are no samples. */
  constructor(
    source: Profile,
    mode: DerivedMode,
    selection: WaitSelection = ALL_WAITS,
    filter: DerivedFilter = {},
  ) {
    this.mode = mode;
    this.spans = mode === 'latency' ? undefined : new SampleSpans();
    this.#filter = filter;
    this.#source = source;
    this.#selection = selection;
    this.#merger = new Merger(this.#builder, source);
    this.#type = this.#builder.sampleType(SAMPLE_TYPES[mode], 'nanoseconds');
    this.#take(source);
    this.#describe();
  }

  get profile(): Profile {
    return this.#builder.profile;
  }

  /** Takes over what a chunk has added to the source, to which it has been applied. */
  append(chunk: Chunk): void {
    this.#take(chunk.tables);
    this.#merger.rename(chunk.patch);
    this.#describe();
  }

  #take(events: Events): void {
    // In the source's order, which is that of time: of a pid's rows the last one has the newest name.
    while (this.#takenProcesses < this.#source.processes.length)
      this.#merger.process(this.#takenProcesses++);
    if (this.mode === 'latency') this.#takeLatency(events);
    else this.#takeWaits(events);
  }

  #takeLatency({ waits, latencySamples }: Events): void {
    const filter = this.#filter.latency;
    if (filter === undefined) return;
    if (STACK_SOURCES.includes(filter.source)) {
      this.#addLatencySamples(latencySamples, filter);
      return;
    }
    const waitClasses = waitStates(filter.source, filter.label);
    if (waitClasses === undefined) return;
    const { stack, waitClass, durationNs } = waits.columns;
    for (const row of selectedWaits(this.#source, { ...this.#selection, waitClasses }, waits)) {
      if (!isInBuckets(durationNs[row], filter)) continue;
      const own = this.#merger.stack(stack[row]);
      this.#addWait(waits, row, this.#append(own, WAIT_NAMES[waitClass[row]], FrameKind.Wait));
    }
  }

  #addLatencySamples(
    { columns, length }: EventRows<'latencySamples'>,
    filter: LatencyFilter,
  ): void {
    const passes = threadFilter(this.#source, this.#selection);
    const { startNs, endNs } = this.#selection.range ?? ALL_TIME;
    for (let row = 0; row < length; row++) {
      const [timeNs, durationNs] = [columns.timeNs[row], columns.durationNs[row]];
      if (timeNs < startNs || timeNs >= endNs || !isInBuckets(durationNs, filter)) continue;
      if (this.#source.string(columns.source[row]) !== filter.source) continue;
      const label = this.#source.string(columns.label[row]);
      if (filter.label !== undefined && label !== filter.label) continue;
      if (!passes(columns.thread[row])) continue;
      const own = this.#merger.stack(columns.stack[row]);
      const stack = this.#append(own, `[${label}]`, FrameKind.Wait);
      const thread = this.#merger.thread(columns.thread[row]);
      const weight = columns.weight[row];
      this.#builder.sample({ timeNs, weight, thread, stack, sampleType: this.#type, cpu: 0xffff });
      this.#builder.wait({
        timeNs,
        weight,
        durationNs,
        thread,
        stack,
        waitClass: ThreadState.Other,
        wakerThread: NONE,
        wakerStack: NONE,
      });
    }
  }

  #takeWaits(events: Events): void {
    if (this.mode === 'wall') this.#addSamples(events.samples);
    for (const row of selectedWaits(this.#source, this.#selection, events.waits)) {
      const { waitClass, stack } = events.waits.columns;
      const own = this.#merger.stack(stack[row]);
      if (this.mode !== 'off-wake') {
        const name = WAIT_NAMES[waitClass[row]];
        this.#addWait(events.waits, row, this.#append(own, name, FrameKind.Wait));
      } else if (waitClass[row] > ThreadState.Throttled) {
        this.#addWait(events.waits, row, this.#wokenBy(events.waits, row, own));
      }
    }
  }

  #describe(): void {
    const { profile } = this.#builder;
    const { header, startNs, losses } = this.#source;
    profile.header = header;
    profile.startNs = startNs;
    for (const [reason, count] of losses) profile.losses.set(reason, count);
    profile.rates.splice(0, profile.rates.length, ...this.#source.rates);
  }

  #addSamples({ columns, length }: EventRows<'samples'>): void {
    const passes = threadFilter(this.#source, this.#selection);
    const { startNs, endNs } = this.#selection.range ?? ALL_TIME;
    for (let row = 0; row < length; row++) {
      const thread = columns.thread[row];
      if (columns.timeNs[row] < startNs || columns.timeNs[row] >= endNs) continue;
      if (!passes(thread)) continue;
      this.#builder.sample({
        timeNs: columns.timeNs[row],
        weight: columns.weight[row],
        thread: this.#merger.thread(thread),
        stack: this.#merger.stack(columns.stack[row]),
        sampleType: this.#type,
        cpu: columns.cpu[row],
      });
      this.spans?.push(0);
    }
  }

  #wokenBy(waits: EventRows<'waits'>, row: number, waiter: StackIndex): StackIndex {
    const { columns } = waits;
    const { parent, frame } = this.#source.stacks.columns;
    const [waker, wakerStack] = [columns.wakerThread[row], columns.wakerStack[row]];
    const name = wentOn(waits, row, this.#source.header)
      ? 'not woken when the recording ended'
      : this.#wakerName(waker, wakerStack);
    let at = this.#append(waiter, `[${name}]`, FrameKind.Waker);
    for (let caller = wakerStack; caller !== NONE; caller = parent[caller])
      at = this.#builder.stack(at, this.#merger.frame(frame[caller]));
    return at;
  }

  #wakerName(waker: number, stack: StackIndex): string {
    if (waker === NONE) return stack === NONE ? 'waker not known' : 'woken by an interrupt';
    const { process, name } = this.#source.threads.columns;
    return `woken by ${processName(this.#source, process[waker])}, thread ${this.#source.string(name[waker])}`;
  }

  #passes(durationNs: number, state: number): boolean {
    if (this.#filter.waits === undefined) return true;
    const { states, minNs, maxNs } = this.#filter.waits;
    return (
      durationNs >= minNs && durationNs < maxNs && (states.length === 0 || states.includes(state))
    );
  }

  #append(parent: StackIndex, text: string, kind: FrameKind): StackIndex {
    const functionName = this.#builder.string(text);
    const symbol = { functionName, file: NONE, line: 0, inlinedInto: NONE };
    const frame: FrameIndex = this.#builder.namedFrame(symbol, NONE, kind);
    return this.#builder.stack(parent, frame);
  }

  #addWait({ columns }: EventRows<'waits'>, row: number, stack: StackIndex): void {
    const [timeNs, weight] = [columns.timeNs[row], columns.weight[row]];
    const [waker, wakerStack] = [columns.wakerThread[row], columns.wakerStack[row]];
    const thread = this.#merger.thread(columns.thread[row]);
    const durationNs = columns.durationNs[row];
    if (this.#passes(durationNs, columns.waitClass[row])) {
      const sample = { timeNs, weight, thread, stack, sampleType: this.#type, cpu: 0xffff };
      if (this.spans === undefined) this.#builder.sample(sample);
      else {
        // What was waited before the profile begins is none of its time.
        const held = { startNs: this.#source.startNs, endNs: Number.POSITIVE_INFINITY };
        const part = partWithin(timeNs, durationNs, held);
        this.#builder.sample({ ...sample, weight: Math.round(weight * part) });
        this.spans.push(durationNs * part);
      }
    }
    this.#builder.wait({
      timeNs,
      weight,
      thread,
      stack,
      durationNs,
      waitClass: columns.waitClass[row],
      wakerThread: waker === NONE ? NONE : this.#merger.thread(waker),
      wakerStack: wakerStack === NONE ? NONE : this.#merger.stack(wakerStack),
    });
  }
}

function isInBuckets(durationNs: number, { buckets }: LatencyFilter): boolean {
  if (buckets === undefined) return true;
  const bucket = bucketOf(Math.max(0, durationNs));
  return bucket >= buckets[0] && bucket <= buckets[1];
}

/** The profile of a whole source. */
export const derivedProfile = (
  source: Profile,
  mode: DerivedMode,
  selection?: WaitSelection,
  filter?: DerivedFilter,
): Profile => new DerivedProfile(source, mode, selection, filter).profile;
