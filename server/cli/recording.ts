/** Folds the chunks of a collector into one profile that holds the samples of one stretch of time, and what they need. */
import { ProfileBuilder } from '@/profile/builder';
import type { Chunk, Increment } from '@/profile/chunk';
import { rowsWhere } from '@/profile/increment-rows';
import { Merger } from '@/profile/merge';
import type { Profile } from '@/profile/profile';
import { EVENT_TABLES, type EventTable } from '@/profile/schema';
import { waitsWithin } from '@/profile/waits';

export class Recording {
  readonly #builder = new ProfileBuilder();
  #merger = new Merger(this.#builder);
  #startNs = Number.POSITIVE_INFINITY;
  #endNs = Number.POSITIVE_INFINITY;

  get profile(): Profile {
    return this.#builder.profile;
  }

  /** Samples count from `timeNs` (CLOCK_MONOTONIC) on; before the first call none does. */
  begin(timeNs: number): void {
    this.#startNs = timeNs;
    this.#builder.profile.startNs = timeNs;
  }

  /** Samples from `timeNs` on count no more. */
  end(timeNs: number): void {
    this.#endNs = timeNs;
  }

  /** The chunks of a stream, each once and in their order, those from before the beginning too. */
  add(chunk: Chunk): void {
    // A collector that has bounded its tables goes on with new ones, empty again.
    if (chunk.header.sequence === 0) this.#merger = new Merger(this.#builder);
    this.#merger.append(withEventsIn(chunk, this.#startNs, this.#endNs));
    if (chunk.header.endNs <= this.#startNs) return;
    const { profile } = this.#builder;
    profile.addLosses(chunk.losses);
    profile.header = { ...chunk.header, endNs: Math.min(chunk.header.endNs, this.#endNs) };
  }
}

/**
 * The chunk with what happened in [startNs, endNs) only: of waits the part that is in it. A slice of a thread's time may begin
 * before, and end after.
 */
function withEventsIn(chunk: Chunk, startNs: number, endNs: number): Chunk {
  const tables = { ...chunk.tables, waits: waitsWithin(startNs, endNs, chunk.tables.waits) };
  const kept = EVENT_TABLES.map((name) => [name, rowsIn(name, tables[name], startNs, endNs)]);
  return { ...chunk, tables: { ...tables, ...Object.fromEntries(kept) } };
}

function rowsIn<T extends EventTable>(
  name: T,
  increment: Increment<T>,
  startNs: number,
  endNs: number,
): Increment<T> {
  const { timeNs } = increment.columns;
  return rowsWhere(
    name,
    increment,
    (row) => timeNs[row] >= startNs && (name === 'threadTimes' || timeNs[row] < endNs),
  );
}
