/** Folds the chunks of a collector into one profile that holds the samples of one stretch of time, and what they need. */
import { ProfileBuilder } from '@/profile/builder';
import type { Chunk } from '@/profile/chunk';
import { Merger } from '@/profile/merge';
import type { Profile } from '@/profile/profile';
import { type ColumnArray, type Columns, type ColumnType, SCHEMA } from '@/profile/schema';

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
    this.#merger.append(withSamplesIn(chunk, this.#startNs, this.#endNs));
    if (chunk.header.endNs <= this.#startNs) return;
    const { profile } = this.#builder;
    profile.addLosses(chunk.losses);
    profile.header = { ...chunk.header, endNs: Math.min(chunk.header.endNs, this.#endNs) };
  }
}

/** The chunk with the samples of [startNs, endNs) only. */
function withSamplesIn(chunk: Chunk, startNs: number, endNs: number): Chunk {
  const { base, length, columns } = chunk.tables.samples;
  const kept = Uint32Array.from({ length }, (_, i) => i).filter(
    (i) => columns.timeNs[i] >= startNs && columns.timeNs[i] < endNs,
  );
  if (kept.length === length) return chunk;
  const pick = (column: ColumnArray<ColumnType>): ColumnArray<ColumnType> => {
    const picked = column.slice(0, kept.length);
    kept.forEach((from, to) => {
      picked[to] = column[from];
    });
    return picked;
  };
  const names = Object.keys(SCHEMA.samples) as (keyof Columns<'samples'>)[];
  const samples = {
    base,
    length: kept.length,
    columns: Object.fromEntries(
      names.map((name) => [name, pick(columns[name])]),
    ) as unknown as Columns<'samples'>,
  };
  return { ...chunk, tables: { ...chunk.tables, samples } };
}
