/**
 * C++ and Rust names (legacy and v0) as people read them, by the demanglers that the Firefox Profiler uses, which are
 * WebAssembly (npm gecko-profiler-demangle). The package's own JavaScript is made for webpack and for one instance
 * that never fails; hostile names can make a demangler run out of stack or memory, so we bind it ourselves, bound its
 * memory, and start it anew after a failure.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** Longer names stay as they are. */
const MAX_NAME_LENGTH = 16 * 1024;
/** In bytes; a longer text helps nobody. */
const MAX_DEMANGLED_LENGTH = 32 * 1024;
/** In pages of 64 KiB. The text of a name that refers to itself over and over is limited by this, and so is the time. */
const MAX_MEMORY_PAGES = 512;
const MEMORY_SECTION = 5;
/** Names remembered in each of two generations; an average entry takes about 300 bytes. */
const REMEMBERED = 4 * 1024;

interface DemanglerExports {
  readonly memory: WebAssembly.Memory;
  readonly __wbindgen_export_0: WebAssembly.Table;
  __wbindgen_malloc(bytes: number, align: number): number;
  __wbindgen_free(pointer: number, bytes: number, align: number): void;
  __wbindgen_start(): void;
  /** Takes and returns text as pointer and length. */
  demangle_any(pointer: number, length: number): [pointer: number, length: number];
}

export class Demangler {
  readonly #module: WebAssembly.Module;
  #exports: DemanglerExports | undefined;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();
  #recent = new Map<string, string>();
  #older = new Map<string, string>();

  constructor() {
    const path = createRequire(import.meta.url).resolve('gecko-profiler-demangle/index_bg.wasm');
    this.#module = new WebAssembly.Module(withMaxMemory(readFileSync(path), MAX_MEMORY_PAGES));
  }

  /** The demangled name; the name itself where it is not mangled, or can't be demangled. */
  demangle(name: string): string {
    if (!isMangled(name)) return name;
    let result = this.#recent.get(name);
    if (result !== undefined) return result;
    result = this.#older.get(name) ?? this.#compute(name);
    if (this.#recent.size >= REMEMBERED) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(name, result);
    return result;
  }

  #compute(name: string): string {
    if (name.length > MAX_NAME_LENGTH) return name;
    try {
      const text = this.#call(name);
      // What it can't demangle it returns as it is, or without the underscore that macOS puts in front.
      return text === '' || text === name.slice(1) ? name : text;
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError || error instanceof RangeError)) throw error;
      // Out of memory or stack, or a panic: what the instance holds is not to be trusted any more.
      this.#exports = undefined;
      return name;
    }
  }

  #call(name: string): string {
    this.#exports ??= instantiate(this.#module);
    const exports = this.#exports;
    const bytes = this.#encoder.encode(name);
    const pointer = exports.__wbindgen_malloc(bytes.length, 1) >>> 0;
    // The memory's buffer is another one after it has grown: no view lasts.
    new Uint8Array(exports.memory.buffer).set(bytes, pointer);
    // The callee frees what it is given; what it returns is ours.
    const [resultPointer, resultLength] = exports.demangle_any(pointer, bytes.length);
    try {
      if (resultLength > MAX_DEMANGLED_LENGTH) return name;
      return this.#decoder.decode(
        new Uint8Array(exports.memory.buffer, resultPointer >>> 0, resultLength),
      );
    } finally {
      exports.__wbindgen_free(resultPointer, resultLength, 1);
    }
  }
}

/** `_Z`, with more underscores where macOS or a block made them, and Rust's `_R`. */
function isMangled(name: string): boolean {
  return /^_{1,4}(?:Z|R[0-9A-Z])/.test(name);
}

/** The same module, but its memory has a maximum. */
function withMaxMemory(wasm: Uint8Array, pages: number): Uint8Array<ArrayBuffer> {
  const header = 8;
  for (let at = header; at < wasm.length; ) {
    const [length, contents] = readUnsigned(wasm, at + 1);
    if (wasm[at] === MEMORY_SECTION) {
      // One memory, without a maximum: 1, 0, least number of pages.
      if (wasm[contents] !== 1 || wasm[contents + 1] !== 0) break;
      const [least] = readUnsigned(wasm, contents + 2);
      const limits = [1, 1, ...unsigned(least), ...unsigned(pages)];
      const end = contents + length;
      return new Uint8Array(
        Buffer.concat([
          wasm.subarray(0, at + 1),
          Uint8Array.from([...unsigned(limits.length), ...limits]),
          wasm.subarray(end),
        ]),
      );
    }
    at = contents + length;
  }
  throw new Error('the demangler is not the one that we know: its memory is another one');
}

function readUnsigned(bytes: Uint8Array, from: number): [value: number, next: number] {
  let value = 0;
  for (let at = from, shift = 0; ; at++, shift += 7) {
    value |= (bytes[at] & 0x7f) << shift;
    if (bytes[at] < 0x80) return [value >>> 0, at + 1];
  }
}

function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function instantiate(module: WebAssembly.Module): DemanglerExports {
  const imports = {
    './index_bg.js': {
      // The values that wasm-bindgen expects at the start of its table of JavaScript values.
      __wbindgen_init_externref_table: (): void => {
        const table = exports.__wbindgen_export_0;
        const first = table.grow(4);
        table.set(0, undefined);
        [undefined, null, true, false].forEach((value, i) => {
          table.set(first + i, value);
        });
      },
    },
  };
  const instance = new WebAssembly.Instance(module, imports);
  const exports = instance.exports as unknown as DemanglerExports;
  exports.__wbindgen_start();
  return exports;
}
