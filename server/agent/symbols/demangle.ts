/**
 * C++ and Rust names (legacy and v0) as people read them, by the demanglers that the Firefox Profiler uses, which are
 * WebAssembly (npm gecko-profiler-demangle). The package's own JavaScript is made for webpack and for one instance
 * that never fails; hostile names can make a demangler run out of stack or memory, so we bind it ourselves, bound its
 * memory, and start it anew after a failure.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ByteSink } from './byte-sink';

/** Longer names stay as they are. */
const MAX_NAME_LENGTH = 16 * 1024;
/** In bytes; a longer text helps nobody. */
const MAX_DEMANGLED_LENGTH = 32 * 1024;
/** In pages of 64 KiB. The text of a name that refers to itself over and over is limited by this, and so is the time. */
const MAX_MEMORY_PAGES = 512;
const MEMORY_SECTION = 5;
const [UNDERSCORE, LETTER_Z, LETTER_R] = [0x5f, 0x5a, 0x52];
/** Names remembered in each of two generations; an average entry takes about 300 bytes. */
const REMEMBERED = 1024;

/** Of C++ and Rust, with what most names have. */
const USUAL_NAMES = [
  '_ZNSt6vectorIN2v88internal6HandleINS1_6ObjectEEESaIS4_EE17_M_realloc_insertIJRKS4_EEEvN9__gnu_cxx17__normal_iteratorIPS4_S6_EEDpOT_',
  '_ZNK4node11Environment3runEPKcmb.cold',
  '_ZN4core3ptr45drop_in_place$LT$alloc..string..String$GT$17h0123456789abcdefE',
];

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
  readonly #sink = new ByteSink();
  #memory = new Uint8Array(0);
  #recent = new Map<string, string>();
  #older = new Map<string, string>();

  constructor() {
    const path = createRequire(import.meta.url).resolve('gecko-profiler-demangle/index_bg.wasm');
    this.#module = new WebAssembly.Module(withMaxMemory(readFileSync(path), MAX_MEMORY_PAGES));
    // Now, so that the first name does not wait: functions are compiled when they are first called.
    for (const name of USUAL_NAMES) this.#compute(name);
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

  /** The same for UTF-8, which is appended to `sink`: nothing becomes a string on the way. */
  demangleTo(name: Uint8Array, sink: ByteSink): void {
    if (!isMangledBytes(name) || !this.#tryTo(name, sink)) sink.append(name);
  }

  #compute(name: string): string {
    this.#sink.length = 0;
    if (!this.#tryTo(Buffer.from(name), this.#sink)) return name;
    return Buffer.from(this.#sink.bytes.buffer, 0, this.#sink.length).toString('utf8');
  }

  /** False where the name can't be demangled, and nothing was appended. */
  #tryTo(name: Uint8Array, sink: ByteSink): boolean {
    if (name.length > MAX_NAME_LENGTH) return false;
    try {
      return this.#call(name, sink);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError || error instanceof RangeError)) throw error;
      // Out of memory or stack, or a panic: what the instance holds is not to be trusted any more.
      this.#exports = undefined;
      return false;
    }
  }

  #call(name: Uint8Array, sink: ByteSink): boolean {
    this.#exports ??= instantiate(this.#module);
    const exports = this.#exports;
    const pointer = exports.__wbindgen_malloc(name.length, 1) >>> 0;
    const memory = this.#currentMemory(exports);
    for (let i = 0; i < name.length; i++) memory[pointer + i] = name[i];
    // The callee frees what it is given; what it returns is ours.
    const [resultPointer, length] = exports.demangle_any(pointer, name.length);
    const start = resultPointer >>> 0;
    const result = this.#currentMemory(exports);
    // What it can't demangle it returns as it is, or without the underscore that macOS puts in front.
    const isDemangled =
      length > 0 && length <= MAX_DEMANGLED_LENGTH && !isTail(result, start, length, name);
    if (isDemangled) sink.append(result, start, start + length);
    exports.__wbindgen_free(resultPointer, length, 1);
    return isDemangled;
  }

  /** The memory's buffer is another one after it has grown: no view lasts. */
  #currentMemory({ memory }: DemanglerExports): Uint8Array {
    if (this.#memory.buffer !== memory.buffer) this.#memory = new Uint8Array(memory.buffer);
    return this.#memory;
  }
}

/** `_Z`, with more underscores where macOS or a block made them, and Rust's `_R`. */
function isMangled(name: string): boolean {
  return /^_{1,4}(?:Z|R[0-9A-Z])/.test(name);
}

function isMangledBytes(name: Uint8Array): boolean {
  let at = 0;
  while (at < 4 && name[at] === UNDERSCORE) at++;
  if (at === 0) return false;
  if (name[at] === LETTER_Z) return true;
  const next = name[at + 1];
  return (
    name[at] === LETTER_R && ((next >= 0x30 && next <= 0x39) || (next >= 0x41 && next <= 0x5a))
  );
}

/** Whether a result is the whole name, or all but its first byte. */
function isTail(bytes: Uint8Array, start: number, length: number, name: Uint8Array): boolean {
  const skipped = name.length - length;
  if (skipped !== 0 && skipped !== 1) return false;
  for (let i = 0; i < length; i++) if (bytes[start + i] !== name[skipped + i]) return false;
  return true;
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
