/** A profile: its tables, and what was said about how it was collected. */
import type { ChunkHeader, Loss } from './chunk';
import type { LatencySource } from './latency/sources';
import { NONE, type StringIndex, TABLE_NAMES } from './schema';
import { Table } from './table';

/** New symbol columns for frames that exist already: a name came late, or better symbols were found. */
export interface SymbolPatch {
  readonly frame: Uint32Array;
  readonly functionName: Uint32Array;
  readonly file: Uint32Array;
  readonly line: Uint32Array;
  readonly inlinedInto: Uint32Array;
}

export const EMPTY_PATCH: SymbolPatch = {
  frame: new Uint32Array(0),
  functionName: new Uint32Array(0),
  file: new Uint32Array(0),
  line: new Uint32Array(0),
  inlinedInto: new Uint32Array(0),
};

/** How much was sampled from a time on; as in ChunkHeader. */
export interface SamplingRates {
  readonly timeNs: number;
  readonly frequencyHz: number;
  readonly thresholdNs: number | undefined;
  /** 1: all latency events were timed. */
  readonly latencyOneIn: number;
  /** Empty: of none. */
  readonly latencySources: readonly LatencySource[];
}

/** Lines of an imported file that are no stack with a weight. */
export interface SkippedLines {
  readonly count: number;
  /** Number, from 1, of the first of them. */
  readonly first: number;
}

export class Profile {
  readonly strings: string[] = [];
  readonly sampleTypes = new Table('sampleTypes', 2);
  readonly mappings = new Table('mappings');
  readonly frames = new Table('frames');
  readonly stacks = new Table('stacks');
  readonly processes = new Table('processes');
  readonly threads = new Table('threads');
  readonly samples = new Table('samples');
  readonly waits = new Table('waits');
  readonly threadTimes = new Table('threadTimes');
  readonly latencies = new Table('latencies');
  readonly latencySamples = new Table('latencySamples');
  /** In the order of time; the first is that of the start. */
  readonly rates: SamplingRates[] = [];
  /** Losses summed over all chunks, by reason. */
  readonly losses = new Map<string, number>();
  /** The newest chunk's header; undefined for an empty profile. Times are CLOCK_MONOTONIC. */
  header: ChunkHeader | undefined;
  /** undefined where there are none, or it is no import. */
  skippedLines: SkippedLines | undefined;
  /** Start of the first chunk. */
  startNs = 0;
  /** Counts the symbol patches that were applied: what was derived from names before is stale when it changes. */
  symbolGeneration = 0;

  /** What the tables take in memory, but for what happened: in units of about 60 bytes, with what interns them. */
  get size(): number {
    const { stacks, frames, strings, threads, processes } = this;
    return (
      stacks.length + 3 * frames.length + 2 * strings.length + threads.length + 2 * processes.length
    );
  }

  /** Gives back the room that the tables have for more. */
  trim(): void {
    for (const name of TABLE_NAMES) this[name].trim();
  }

  string(index: StringIndex): string {
    return index === NONE ? '' : this.strings[index];
  }

  patchSymbols(patch: SymbolPatch): void {
    if (patch.frame.length === 0) return;
    const frames = this.frames.columns;
    for (let i = 0; i < patch.frame.length; i++) {
      const frame = patch.frame[i];
      frames.functionName[frame] = patch.functionName[i];
      frames.file[frame] = patch.file[i];
      frames.line[frame] = patch.line[i];
      frames.inlinedInto[frame] = patch.inlinedInto[i];
    }
    this.symbolGeneration++;
  }

  addLosses(losses: readonly Loss[]): void {
    for (const { reason, count } of losses) {
      this.losses.set(reason, (this.losses.get(reason) ?? 0) + count);
    }
  }
}
