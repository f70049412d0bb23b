/** How long before its time each sample of a profile began: waits are samples when they end. */
import { resized } from './resized';

export class SampleSpans {
  /** By row, forgotten ones left out. */
  #lengthNs = new Float64Array(64);
  #length = 0;

  /** Of the next sample; 0: it has no length. */
  push(lengthNs: number): void {
    if (this.#length === this.#lengthNs.length)
      this.#lengthNs = resized(this.#lengthNs, this.#length * 2);
    this.#lengthNs[this.#length++] = lengthNs;
  }

  at(row: number): number {
    return this.#lengthNs[row];
  }

  /** Drops those of the first rows, which the profile has dropped. */
  forget(rows: number): void {
    this.#lengthNs.copyWithin(0, rows, this.#length);
    this.#length -= rows;
  }
}

/** Which part, 0 to 1, of what took so long until this time is in a range. */
export function partWithin(
  untilNs: number,
  lengthNs: number,
  { startNs, endNs }: { readonly startNs: number; readonly endNs: number },
): number {
  if (lengthNs <= 0) return untilNs >= startNs && untilNs < endNs ? 1 : 0;
  const insideNs = Math.min(endNs, untilNs) - Math.max(startNs, untilNs - lengthNs);
  return Math.max(0, Math.min(1, insideNs / lengthNs));
}
