/**
 * Merging: appends the chunks of one profile to another that has indices of its own. It is how a recording, which
 * starts in the middle of the live stream and outlives the agent, or a filtered copy gets whole and small tables: only rows
 * that a sample needs are taken.
 */
import type { ProfileBuilder } from './builder';
import { applyChunk, type Chunk } from './chunk';
import { Profile, type SymbolPatch } from './profile';
import {
  type Columns,
  EVENT_TABLES,
  type EventTable,
  type FrameIndex,
  type FrameKind,
  type MappingKind,
  NONE,
  type ProcessIndex,
  type StackIndex,
  type ThreadIndex,
} from './schema';

export interface EventRows<T extends EventTable> {
  readonly length: number;
  readonly columns: Columns<T>;
}

/** Rows of the event tables. */
export type Events = { readonly [T in EventTable]: EventRows<T> };

/** Source index to target index + 1; 0 means that the row was not taken yet. */
class IndexMap {
  #map = new Uint32Array(64);

  get(source: number): number | undefined {
    const value = source < this.#map.length ? this.#map[source] : 0;
    return value === 0 ? undefined : value - 1;
  }

  set(source: number, target: number): number {
    if (source >= this.#map.length) {
      const grown = new Uint32Array(Math.max(source + 1, this.#map.length * 2));
      grown.set(this.#map);
      this.#map = grown;
    }
    this.#map[source] = target + 1;
    return target;
  }
}

export class Merger {
  readonly source: Profile;
  readonly #target: ProfileBuilder;
  readonly #frames = new IndexMap();
  readonly #stacks = new IndexMap();
  readonly #processes = new IndexMap();
  readonly #threads = new IndexMap();
  #sampleTypes: number[] = [];

  /** `source` is the profile that the chunks have made so far; make a new Merger where their stream starts over. */
  constructor(target: ProfileBuilder, source: Profile = new Profile()) {
    this.#target = target;
    this.source = source;
  }

  /** Applies a chunk to the source and takes over what it adds. */
  append(chunk: Chunk): void {
    applyChunk(this.source, chunk);
    for (const name of EVENT_TABLES) this.source[name].clear();
    this.take(chunk);
  }

  /**
   * Takes over what happened in a chunk, and better symbols for frames that were taken already. The chunk must have been applied
   * to the source: several targets can share one.
   */
  take(chunk: Chunk): void {
    this.takeEvents(chunk.tables);
    this.rename(chunk.patch);
  }

  /** Takes over the source's symbols for those frames of a patch that were taken already. */
  rename({ frame: frames }: SymbolPatch): void {
    for (const frame of frames) {
      const taken = this.#frames.get(frame);
      if (taken !== undefined) this.#symbolize(frame, taken);
    }
  }

  /** Takes over events whose indices are the source's. */
  takeEvents({ samples, waits, threadTimes, latencies, latencySamples }: Events): void {
    this.#takeSamples(samples.columns, samples.length);
    this.#takeWaits(waits.columns, waits.length);
    this.#takeThreadTimes(threadTimes.columns, threadTimes.length);
    this.#takeLatencies(latencies.columns, latencies.length);
    this.#takeLatencySamples(latencySamples.columns, latencySamples.length);
  }

  #takeLatencySamples(columns: Columns<'latencySamples'>, length: number): void {
    for (let i = 0; i < length; i++) {
      this.#target.latencySample({
        timeNs: columns.timeNs[i],
        weight: columns.weight[i],
        durationNs: columns.durationNs[i],
        thread: this.thread(columns.thread[i]),
        stack: this.stack(columns.stack[i]),
        source: this.#string(columns.source[i]),
        label: this.#string(columns.label[i]),
      });
    }
  }

  #takeLatencies(columns: Columns<'latencies'>, length: number): void {
    for (let i = 0; i < length; i++) {
      const process = columns.process[i];
      this.#target.latency({
        timeNs: columns.timeNs[i],
        source: this.#string(columns.source[i]),
        label: this.#string(columns.label[i]),
        process: process === NONE ? NONE : this.process(process),
        bucket: columns.bucket[i],
        count: columns.count[i],
        sum: columns.sum[i],
        oneIn: columns.oneIn[i],
        durationNs: columns.durationNs[i],
      });
    }
  }

  #takeWaits(columns: Columns<'waits'>, length: number): void {
    for (let i = 0; i < length; i++) {
      const waker = columns.wakerThread[i];
      this.#target.wait({
        timeNs: columns.timeNs[i],
        weight: columns.weight[i],
        durationNs: columns.durationNs[i],
        thread: this.thread(columns.thread[i]),
        stack: this.stack(columns.stack[i]),
        waitClass: columns.waitClass[i],
        wakerThread: waker === NONE ? NONE : this.thread(waker),
        wakerStack: this.stack(columns.wakerStack[i]),
      });
    }
  }

  #takeThreadTimes(columns: Columns<'threadTimes'>, length: number): void {
    for (let i = 0; i < length; i++) {
      this.#target.threadTime({
        timeNs: columns.timeNs[i],
        thread: this.thread(columns.thread[i]),
        state: columns.state[i],
        ns: columns.ns[i],
        count: columns.count[i],
        schedulerNs: columns.schedulerNs[i],
        schedulerClockNs: columns.schedulerClockNs[i],
      });
    }
  }

  #takeSamples(columns: Columns<'samples'>, length: number): void {
    for (let i = 0; i < length; i++) {
      this.#target.sample({
        timeNs: columns.timeNs[i],
        weight: columns.weight[i],
        thread: this.thread(columns.thread[i]),
        stack: this.stack(columns.stack[i]),
        sampleType: this.#sampleType(columns.sampleType[i]),
        cpu: columns.cpu[i],
      });
    }
  }

  /** The target's index for a stack of the source. */
  stack(index: StackIndex): StackIndex {
    if (index === NONE) return NONE;
    const known = this.#stacks.get(index);
    if (known !== undefined) return known;
    // Walk up to the nearest ancestor that was taken, then take the rest from there down: stacks may be deep.
    const { parent, frame } = this.source.stacks.columns;
    const path: StackIndex[] = [];
    let at: StackIndex = index;
    let target: StackIndex | undefined;
    while (at !== NONE) {
      target = this.#stacks.get(at);
      if (target !== undefined) break;
      path.push(at);
      at = parent[at];
    }
    let result = target ?? NONE;
    for (let i = path.length - 1; i >= 0; i--) {
      result = this.#stacks.set(path[i], this.#target.stack(result, this.frame(frame[path[i]])));
    }
    return result;
  }

  frame(index: FrameIndex): FrameIndex {
    const known = this.#frames.get(index);
    if (known !== undefined) return known;
    const { source } = this;
    const columns = source.frames.columns;
    const mapping = this.#mapping(columns.mapping[index]);
    const kind = columns.kind[index] as FrameKind;
    const offset = columns.offset[index];
    if (offset < 0)
      return this.#frames.set(index, this.#target.namedFrame(this.#symbol(index), mapping, kind));
    const frame = this.#frames.set(index, this.#target.frameAt(mapping, offset, kind));
    if (columns.functionName[index] !== NONE) this.#symbolize(index, frame);
    return frame;
  }

  thread(index: ThreadIndex): ThreadIndex {
    const known = this.#threads.get(index);
    if (known !== undefined) return known;
    const { tid, process, name } = this.source.threads.columns;
    return this.#threads.set(
      index,
      this.#target.thread({
        tid: tid[index],
        process: this.process(process[index]),
        name: this.#string(name[index]),
      }),
    );
  }

  process(index: ProcessIndex): ProcessIndex {
    const known = this.#processes.get(index);
    if (known !== undefined) return known;
    const row = this.source.processes.columns;
    return this.#processes.set(
      index,
      this.#target.process({
        pid: row.pid[index],
        parentPid: row.parentPid[index],
        startNs: row.startNs[index],
        name: this.#string(row.name[index]),
        commandLine: this.#string(row.commandLine[index]),
        container: this.#string(row.container[index]),
        cgroup: this.#string(row.cgroup[index]),
      }),
    );
  }

  #mapping(index: number): number {
    if (index === NONE) return NONE;
    const { buildId, path, kind } = this.source.mappings.columns;
    return this.#target.mapping(
      this.source.string(buildId[index]),
      this.source.string(path[index]),
      kind[index] as MappingKind,
    );
  }

  #symbol(index: FrameIndex) {
    const { functionName, file, line, inlinedInto } = this.source.frames.columns;
    return {
      functionName: this.#string(functionName[index]),
      file: this.#string(file[index]),
      line: line[index],
      inlinedInto: inlinedInto[index] === NONE ? NONE : this.frame(inlinedInto[index]),
    };
  }

  #symbolize(sourceFrame: FrameIndex, targetFrame: FrameIndex): void {
    this.#target.symbolize(targetFrame, this.#symbol(sourceFrame));
  }

  #sampleType(index: number): number {
    const { name, unit } = this.source.sampleTypes.columns;
    this.#sampleTypes[index] ??= this.#target.sampleType(
      this.source.string(name[index]),
      this.source.string(unit[index]),
    );
    return this.#sampleTypes[index];
  }

  #string(index: number): number {
    return index === NONE ? NONE : this.#target.string(this.source.strings[index]);
  }
}
