/** A map that forgets what was used longest ago when its values take more than so many bytes. */
export class ByteLru<K, V extends { readonly bytes: number }> {
  readonly #maxBytes: number;
  /** In order of last use, the latest last. */
  readonly #values = new Map<K, V>();
  readonly #onEvict: (value: V) => void;

  /** `onEvict` is called for what is forgotten, to free what it holds. */
  constructor(maxBytes: number, onEvict: (value: V) => void = () => {}) {
    this.#maxBytes = maxBytes;
    this.#onEvict = onEvict;
  }

  get bytes(): number {
    let sum = 0;
    for (const value of this.#values.values()) sum += value.bytes;
    return sum;
  }

  get(key: K): V | undefined {
    const value = this.#values.get(key);
    if (value !== undefined) {
      this.#values.delete(key);
      this.#values.set(key, value);
    }
    return value;
  }

  /** The value just set stays, however large it is. */
  set(key: K, value: V): void {
    this.delete(key);
    this.#values.set(key, value);
    this.trim();
  }

  /** Makes the bound hold again after values have grown; the one used last stays. */
  trim(): void {
    let bytes = this.bytes;
    for (const [key, value] of this.#values) {
      if (bytes <= this.#maxBytes || this.#values.size === 1) return;
      bytes -= value.bytes;
      this.delete(key);
    }
  }

  delete(key: K): void {
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#values.delete(key);
    this.#onEvict(value);
  }

  values(): IterableIterator<V> {
    return this.#values.values();
  }

  get size(): number {
    return this.#values.size;
  }
}
