/** A map that forgets what was used longest ago when its values take more than so many bytes. */
export class ByteLru<K, V extends { readonly bytes: number }> {
  readonly #maxBytes: number;
  /** In order of last use, the latest last. */
  readonly #values = new Map<K, { readonly value: V; usedMs: number }>();
  readonly #onEvict: (value: V) => void;

  /** `onEvict` is called for what is forgotten, to free what it holds. */
  constructor(maxBytes: number, onEvict: (value: V) => void = () => {}) {
    this.#maxBytes = maxBytes;
    this.#onEvict = onEvict;
  }

  get bytes(): number {
    let sum = 0;
    for (const { value } of this.#values.values()) sum += value.bytes;
    return sum;
  }

  get(key: K): V | undefined {
    const entry = this.#values.get(key);
    if (entry === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, entry);
    entry.usedMs = performance.now();
    return entry.value;
  }

  /** The value just set stays, however large it is. */
  set(key: K, value: V): void {
    this.delete(key);
    this.#values.set(key, { value, usedMs: performance.now() });
    this.trim();
  }

  /** Makes the bound hold again after values have grown; the one used last stays. */
  trim(): void {
    let bytes = this.bytes;
    for (const [key, { value }] of this.#values) {
      if (bytes <= this.#maxBytes || this.#values.size === 1) return;
      bytes -= value.bytes;
      this.delete(key);
    }
  }

  /** Forgets what was not used since `beforeMs` (of performance.now). */
  forgetUnused(beforeMs: number): void {
    for (const [key, { usedMs }] of this.#values) {
      if (usedMs >= beforeMs) return;
      this.delete(key);
    }
  }

  delete(key: K): void {
    const entry = this.#values.get(key);
    if (entry === undefined) return;
    this.#values.delete(key);
    this.#onEvict(entry.value);
  }

  values(): V[] {
    return [...this.#values.values()].map(({ value }) => value);
  }

  get size(): number {
    return this.#values.size;
  }
}
