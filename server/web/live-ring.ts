/**
 * The last five minutes of the machine, as live viewers see them: tables of its own that outlive the agent's, and the newest
 * samples, bounded in time and number.
 */
import { ProfileBuilder } from '@/profile/builder';
import { type Chunk, encodeChunk } from '@/profile/chunk';
import { type EventRows, type Events, Merger } from '@/profile/merge';
import { EMPTY_PATCH, type Profile } from '@/profile/profile';
import {
  type Columns,
  EVENT_TABLES,
  type EventTable,
  isEventTable,
  SCHEMA,
  TABLE_NAMES,
  type TableName,
} from '@/profile/schema';
import { Table } from '@/profile/table';
import type { LiveTarget } from './live-source';

export interface RingBounds {
  readonly seconds: number;
  /** Samples and other events but counted latencies; 27 bytes each, a wait 45. */
  readonly samples: number;
  /** Rows of latencies, 40 bytes each. A bound of their own: sources with many processes must not push samples out. */
  readonly latencies: number;
  /**
   * Size of the tables, as `sizeOf` weighs them, from which on they are made anew from the samples that are left, whenever
   * they have grown by half since: what goes must make room for what comes, or memory would grow for long.
   */
  readonly compactFrom: number;
  /** Their size at which the oldest samples go. */
  readonly tables: number;
}

const BOUNDS: RingBounds = {
  seconds: 300,
  samples: 1_000_000,
  latencies: 1_000_000,
  compactFrom: 50_000,
  tables: 500_000,
};

/** What the tables take in memory, in units of about 60 bytes, interning included. */
const sizeOf = ({ stacks, frames, strings, threads, processes }: Profile): number =>
  stacks.length + 3 * frames.length + 2 * strings.length + threads.length + 2 * processes.length;

/** What viewers need next: a chunk that continues what they have, or, after the tables were made anew, a snapshot. */
export type RingUpdate =
  | { readonly kind: 'chunk'; readonly chunk: Chunk }
  | { readonly kind: 'restart' };

/** What happened in one chunk. */
interface Slice {
  readonly events: Events;
  readonly startNs: number;
  readonly endNs: number;
}

/** Events but latencies, which have a bound of their own. */
const eventCount = (events: Events): number =>
  EVENT_TABLES.reduce((sum, name) => (name === 'latencies' ? sum : sum + events[name].length), 0);

const NO_LATENCIES: EventRows<'latencies'> = new Table('latencies');

export class LiveRing implements LiveTarget {
  readonly #bounds: RingBounds;
  readonly #onUpdate: (update: RingUpdate) => void;
  #builder = new ProfileBuilder();
  #source: Profile | undefined;
  #merger: Merger | undefined;
  #slices: Slice[] = [];
  #eventCount = 0;
  #latencyCount = 0;
  #newest: Chunk | undefined;
  #snapshot: Uint8Array<ArrayBuffer> | undefined;
  #compactAt: number;

  constructor(onUpdate: (update: RingUpdate) => void, bounds: RingBounds = BOUNDS) {
    this.#onUpdate = onUpdate;
    this.#bounds = bounds;
    this.#compactAt = bounds.compactFrom;
  }

  restart(source: Profile): void {
    this.#source = source;
    this.#merger = new Merger(this.#builder, source);
  }

  take(chunk: Chunk): void {
    this.#merger?.take(chunk);
    const isRestart = this.#compact();
    const { sequence: _, ...header } = chunk.header;
    const own = this.#builder.cutChunk(header, chunk.losses);
    this.#newest = own;
    this.#snapshot = undefined;
    this.#slices.push({
      events: own.tables,
      startNs: header.startNs,
      endNs: header.endNs,
    });
    this.#eventCount += eventCount(own.tables);
    this.#latencyCount += own.tables.latencies.length;
    this.#expire(header.endNs);
    this.#onUpdate(isRestart ? { kind: 'restart' } : { kind: 'chunk', chunk: own });
  }

  /** All that the ring holds, as one chunk whose tables start at 0; undefined before the first chunk. */
  snapshot(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#newest === undefined) return undefined;
    this.#snapshot ??= encodeChunk(this.#snapshotChunk(this.#newest));
    return this.#snapshot;
  }

  #snapshotChunk(newest: Chunk): Chunk {
    const { profile } = this.#builder;
    const joined = <T extends EventTable>(name: T): Table<T> => {
      const table = new Table(name);
      for (const { events } of this.#slices)
        table.pushRange(events[name].columns, 0, events[name].length);
      return table;
    };
    const all = <T extends TableName>(table: Table<T>) => ({
      base: 0,
      length: table.length,
      columns: Object.fromEntries(
        Object.keys(SCHEMA[table.name]).map((column) => [
          column,
          (table.columns as unknown as Record<string, Uint32Array>)[column].subarray(
            0,
            table.length,
          ),
        ]),
      ) as unknown as Columns<T>,
    });
    return {
      header: { ...newest.header, startNs: this.#slices[0]?.startNs ?? newest.header.startNs },
      losses: [...profile.losses].map(([reason, count]) => ({ reason, count })),
      strings: { base: 0, values: profile.strings },
      tables: Object.fromEntries(
        TABLE_NAMES.map((name) => [
          name,
          all<TableName>(isEventTable(name) ? joined<EventTable>(name) : profile[name]),
        ]),
      ) as unknown as Chunk['tables'],
      patch: EMPTY_PATCH,
    };
  }

  #expire(nowNs: number): void {
    const oldestNs = nowNs - this.#bounds.seconds * 1e9;
    let expired = 0;
    while (
      expired < this.#slices.length - 1 &&
      (this.#slices[expired].endNs < oldestNs || this.#eventCount > this.#bounds.samples)
    ) {
      this.#uncount(this.#slices[expired]);
      expired++;
    }
    if (expired > 0) this.#slices.splice(0, expired);
    this.#expireLatencies();
  }

  /** Drops the oldest latencies above their bound, and leaves what else happened then. */
  #expireLatencies(): void {
    for (let i = 0; i < this.#slices.length - 1; i++) {
      if (this.#latencyCount <= this.#bounds.latencies) return;
      const slice = this.#slices[i];
      this.#latencyCount -= slice.events.latencies.length;
      this.#slices[i] = { ...slice, events: { ...slice.events, latencies: NO_LATENCIES } };
    }
  }

  #uncount({ events }: Slice): void {
    this.#eventCount -= eventCount(events);
    this.#latencyCount -= events.latencies.length;
  }

  /** Makes the tables anew where they have grown too large; true if so. */
  #compact(): boolean {
    if (sizeOf(this.#builder.profile) <= this.#compactAt) return false;
    this.#rebuild();
    while (sizeOf(this.#builder.profile) > this.#bounds.tables && this.#slices.length > 0) {
      const oldest = this.#slices.splice(0, Math.ceil(this.#slices.length / 2));
      for (const slice of oldest) this.#uncount(slice);
      this.#rebuild();
    }
    // What is left is needed: wait until there is something to win.
    this.#compactAt = Math.max(this.#bounds.compactFrom, 1.5 * sizeOf(this.#builder.profile));
    return true;
  }

  /** New tables with only what the samples need. */
  #rebuild(): void {
    const old = this.#builder.profile;
    const header = old.header;
    const builder = new ProfileBuilder();
    const merger = new Merger(builder, old);
    const remap = (events: Events): Events => {
      merger.takeEvents(events);
      const copy = <T extends EventTable>(name: T): EventRows<T> => {
        const table = builder.profile[name] as unknown as Table<T>;
        const { columns, length } = table;
        const copies = Object.fromEntries(
          Object.entries(columns).map(([column, values]) => [
            column,
            (values as Uint32Array).slice(0, length),
          ]),
        ) as unknown as Columns<T>;
        table.clear();
        return { length, columns: copies };
      };
      return {
        samples: copy('samples'),
        waits: copy('waits'),
        threadTimes: copy('threadTimes'),
        latencies: copy('latencies'),
        latencySamples: copy('latencySamples'),
      };
    };
    this.#slices = this.#slices.map((slice) => ({ ...slice, events: remap(slice.events) }));
    // What the newest chunk brought is not cut yet.
    merger.takeEvents(old);
    builder.profile.header = header;
    builder.profile.startNs = old.startNs;
    for (const [reason, count] of old.losses) builder.profile.losses.set(reason, count);
    this.#builder = builder;
    if (this.#source !== undefined) this.#merger = new Merger(builder, this.#source);
  }
}
