/** The kernel's functions, those of modules and BPF programs too, from /proc/kallsyms. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { ByteSink } from './byte-sink';
import { SymbolError } from './protocol';
import { lastAtOrBelow } from './sorted-order';

/** The kernel gives a page at a time, whatever is asked for. */
const PIECE_BYTES = 64 * 1024;
/** Of a line: the longest name has 512 bytes. */
const MAX_LINE_BYTES = 4096;
const FIRST_SYMBOLS = 128 * 1024;
const MAX_BYTES = 256 * 1024 * 1024;
/** How far a function may reach where the next symbol is not of the same module, and says nothing of its end. */
const LAST_FUNCTION_BYTES = 64 * 1024;
const BPF_MODULE = 'bpf';
const GAP = 0xffffffff;
const [TAB, NEWLINE, SPACE, ZERO, UNDERSCORE] = [0x09, 0x0a, 0x20, 0x30, 0x5f];
/** Where code ends; nothing is called so. */
const END_MARKERS: ReadonlySet<string> = new Set(['_etext', '_einittext', '_end', '__init_end']);
/** Where code starts: the names of whatever comes first are better. */
const START_MARKERS: ReadonlySet<string> = new Set(['_text', '_stext', '_sinittext']);

export interface KernelFunction {
  readonly functionName: string;
  /** Undefined for the kernel itself; `bpf` for BPF programs. */
  readonly module: string | undefined;
}

/**
 * A table of /proc/kallsyms. Addresses are exact doubles of the signed 64-bit value. kallsyms has no sizes: a function
 * reaches up to the next symbol.
 */
export class KernelSymbols {
  /** Of _text, or _stext where there is no _text: offsets of kernel frames count from it. */
  readonly base: number;
  /** Where functions and gaps start, rising. */
  readonly #starts: Float64Array;
  /** GAP where no function is. */
  readonly #nameOffsets: Uint32Array;
  readonly #modules: Uint16Array;
  readonly #names: Buffer;
  /** The first is the kernel itself. */
  readonly #moduleNames: readonly string[];

  /** Reads all symbols; takes some 70 ms. Throws SymbolError where the kernel hides its addresses. */
  static read(path = '/proc/kallsyms'): KernelSymbols {
    try {
      const lines = new Lines();
      readPieces(path, (piece) => lines.add(piece));
      return KernelSymbols.#of(lines);
    } catch (error) {
      if (error instanceof SymbolError) throw error;
      throw new SymbolError('io', `cannot read ${path}: ${(error as Error).message}`);
    }
  }

  /** Takes the text of kallsyms. */
  static parse(text: Buffer): KernelSymbols {
    const lines = new Lines();
    lines.add(text);
    return KernelSymbols.#of(lines);
  }

  static #of(lines: Lines): KernelSymbols {
    lines.finish();
    if (lines.length === 0) throw new SymbolError('io', 'the kernel shows no symbols in kallsyms');
    if (lines.hidden) {
      throw new SymbolError(
        'kernel-hidden',
        'the kernel hides its addresses (all are zero in /proc/kallsyms): run Hearth with CAP_SYSLOG, and with ' +
          'kernel.kptr_restrict at 0 or 1 (sysctl kernel.kptr_restrict=1)',
      );
    }
    return new KernelSymbols(lines);
  }

  private constructor(lines: Lines) {
    this.base = lines.base;
    this.#moduleNames = lines.moduleNames;
    this.#names = Buffer.from(lines.names.take().buffer);
    const order = orderByAddress(lines);
    const starts = new Float64Array(order.length * 2);
    const nameOffsets = new Uint32Array(order.length * 2);
    const modules = new Uint16Array(order.length * 2);
    let length = 0;
    const emit = (start: number, name: number, module: number): void => {
      starts[length] = start;
      nameOffsets[length] = name;
      modules[length++] = module;
    };
    for (let from = 0, to = 0; from < order.length; from = to) {
      const address = lines.address[order[from]];
      let best = order[from];
      for (to = from + 1; to < order.length && lines.address[order[to]] === address; to++) {
        if (lines.rank[order[to]] > lines.rank[best]) best = order[to];
      }
      const isFunction = lines.rank[best] > NOT_A_FUNCTION;
      emit(address, isFunction ? lines.name[best] : GAP, lines.module[best]);
      if (!isFunction) continue;
      const next = to < order.length ? lines.address[order[to]] : Infinity;
      const module = lines.module[best];
      const sameModule = to < order.length && lines.module[order[to]] === module;
      const sized = sameModule && this.#moduleNames[module] !== BPF_MODULE;
      if (!sized && next - address > LAST_FUNCTION_BYTES) {
        emit(address + LAST_FUNCTION_BYTES, GAP, module);
      }
    }
    this.#starts = starts.slice(0, length);
    this.#nameOffsets = nameOffsets.slice(0, length);
    this.#modules = modules.slice(0, length);
  }

  /** How many functions there are, and gaps between them. */
  get length(): number {
    return this.#starts.length;
  }

  get bytes(): number {
    const columns = [this.#starts, this.#nameOffsets, this.#modules, this.#names];
    return columns.reduce((sum, column) => sum + column.byteLength, 0);
  }

  /** The entry that has `address`, or -1. */
  find(address: number): number {
    const entry = lastAtOrBelow(this.#starts, address);
    return entry < 0 || this.#nameOffsets[entry] === GAP ? -1 : entry;
  }

  functionAt(entry: number): KernelFunction {
    const offset = this.#nameOffsets[entry];
    const module = this.#modules[entry];
    return {
      functionName: this.#names.toString('latin1', offset, this.#names.indexOf(0, offset)),
      module: module === 0 ? undefined : this.#moduleNames[module],
    };
  }

  /** The addresses [start, end) of an entry. */
  range(entry: number): readonly [start: number, end: number] {
    return [
      this.#starts[entry],
      this.#starts[entry + 1] ?? this.#starts[entry] + LAST_FUNCTION_BYTES,
    ];
  }

  isBpf(entry: number): boolean {
    return this.#moduleNames[this.#modules[entry]] === BPF_MODULE;
  }
}

const NOT_A_FUNCTION = 0;
const RANK_OF_BYTE = new Uint8Array(256);
for (const [type, rank] of [
  ['w', 2],
  ['W', 2],
  ['t', 3],
  ['T', 4],
] as const) {
  RANK_OF_BYTE[type.charCodeAt(0)] = rank;
}

/** The lines of kallsyms, as columns of which the first `length` values count. */
class Lines {
  length = 0;
  /** Every address is zero. */
  hidden = true;
  address = new Float64Array(FIRST_SYMBOLS);
  /** Higher is better where symbols share an address. */
  rank = new Uint8Array(FIRST_SYMBOLS);
  name = new Uint32Array(FIRST_SYMBOLS);
  module = new Uint16Array(FIRST_SYMBOLS);
  /** Zero-terminated. */
  readonly names = new ByteSink(FIRST_SYMBOLS * 24);
  readonly #modules = new Map<string, number>([['', 0]]);
  #rest: Buffer = Buffer.alloc(0);
  #textBase = Number.NaN;
  #fallbackBase = Number.NaN;

  get base(): number {
    if (!Number.isNaN(this.#textBase)) return this.#textBase;
    return Number.isNaN(this.#fallbackBase) ? this.address[0] : this.#fallbackBase;
  }

  get moduleNames(): readonly string[] {
    return [...this.#modules.keys()];
  }

  /** Adds text that follows what was added before; it may end within a line. */
  add(piece: Buffer): void {
    const text = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    let at = 0;
    for (;;) {
      const end = text.indexOf(NEWLINE, at);
      if (end < 0) break;
      this.#addLine(text, at, end);
      at = end + 1;
    }
    // A copy, for the piece is the caller's. (No line is that long: such text is none of the kernel's.)
    this.#rest = Buffer.from(text.subarray(Math.max(at, text.length - MAX_LINE_BYTES)));
  }

  /** The last line may have no end. */
  finish(): void {
    if (this.#rest.length > 0) this.#addLine(this.#rest, 0, this.#rest.length);
    this.#rest = Buffer.alloc(0);
  }

  /** Lines are `ffffffff81000000 T _text`, with `\t[module]` behind where it is not the kernel itself. */
  #addLine(text: Buffer, at: number, lineEnd: number): void {
    const nameAt = at + 19;
    if (nameAt >= lineEnd || text[at + 16] !== SPACE || text[at + 18] !== SPACE) return;
    if (this.length === this.address.length) this.#grow();
    const value = hexWord(text, at) * 2 ** 32 + (hexWord(text, at + 8) >>> 0);
    if (value !== 0) this.hidden = false;
    let nameEnd = nameAt;
    let underscores = 0;
    while (nameEnd < lineEnd && text[nameEnd] !== TAB) {
      if (text[nameEnd] === UNDERSCORE && underscores === nameEnd - nameAt) underscores++;
      nameEnd++;
    }
    const module =
      nameEnd + 3 < lineEnd ? moduleIndex(text, nameEnd + 2, lineEnd - 1, this.#modules) : 0;
    const byType = RANK_OF_BYTE[text[at + 17]];
    // Among equals, the name with fewer underscores in front.
    let rank = byType === 0 ? NOT_A_FUNCTION : byType * 8 + 7 - Math.min(7, underscores);
    if (module === 0 && underscores > 0) {
      const marker = text.toString('latin1', nameAt, Math.min(nameEnd, nameAt + 16));
      if (marker === '_text') this.#textBase = value;
      if (marker === '_stext') this.#fallbackBase = value;
      if (END_MARKERS.has(marker)) rank = NOT_A_FUNCTION;
      else if (START_MARKERS.has(marker)) rank = 1;
    }
    this.address[this.length] = value;
    this.rank[this.length] = rank;
    this.module[this.length] = module;
    // Names of what is no function are never shown.
    this.name[this.length++] = rank === NOT_A_FUNCTION ? 0 : this.names.length;
    if (rank === NOT_A_FUNCTION) return;
    this.names.append(text, nameAt, nameEnd);
    this.names.appendByte(0);
  }

  #grow(): void {
    const size = this.length * 2;
    const grown = <T extends Float64Array | Uint8Array | Uint32Array | Uint16Array>(
      column: T,
      empty: T,
    ): T => {
      empty.set(column);
      return empty;
    };
    this.address = grown(this.address, new Float64Array(size));
    this.rank = grown(this.rank, new Uint8Array(size));
    this.name = grown(this.name, new Uint32Array(size));
    this.module = grown(this.module, new Uint16Array(size));
  }
}

/** Eight hexadecimal digits as a signed 32-bit integer. */
function hexWord(text: Buffer, at: number): number {
  let value = 0;
  for (let i = at; i < at + 8; i++) {
    const digit = text[i];
    value = (value << 4) | (digit < 0x3a ? digit - ZERO : (digit | 0x20) - 0x57);
  }
  return value;
}

function moduleIndex(text: Buffer, start: number, end: number, known: Map<string, number>): number {
  const moduleName = text.toString('latin1', start, end);
  let index = known.get(moduleName);
  if (index === undefined) {
    index = Math.min(known.size, 0xffff);
    known.set(moduleName, index);
  }
  return index;
}

/** Indices by rising address. The kernel's own symbols come sorted already; those of modules and BPF follow them. */
function orderByAddress({ address, length }: Lines): Uint32Array {
  const order = new Uint32Array(length);
  let sorted = 0;
  while (sorted < length && (sorted === 0 || address[sorted] >= address[sorted - 1])) sorted++;
  const rest: number[] = [];
  for (let i = sorted; i < length; i++) rest.push(i);
  rest.sort((a, b) => address[a] - address[b] || a - b);
  for (let at = 0, first = 0, second = 0; at < length; at++) {
    const takeFirst =
      second === rest.length || (first < sorted && address[first] <= address[rest[second]]);
    order[at] = takeFirst ? first++ : rest[second++];
  }
  return order;
}

function readPieces(path: string, take: (piece: Buffer) => void): void {
  const fd = openSync(path, 'r');
  try {
    const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
    for (let bytes = 0; ; ) {
      let length = 0;
      for (let count = -1; count !== 0 && length < PIECE_BYTES; length += count) {
        count = readSync(fd, piece, length, PIECE_BYTES - length, null);
      }
      if (length === 0) return;
      bytes += length;
      if (bytes > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`);
      take(piece.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}

/** At most so often are kallsyms read again because an address was not found, or may be a new BPF program's. */
const REREAD_MS = 10_000;
const MODULES_CHECK_MS = 1000;

/** Keeps a table of the kernel's symbols that is as new as it has to be. */
export class CurrentKernelSymbols {
  #symbols: KernelSymbols | undefined;
  #modules = '';
  #readMs = -Infinity;
  #checkedMs = -Infinity;
  #version: number | undefined;

  /**
   * The table for looking up `addresses`, read again where it may be out of date for them: where `version` is known, only if
   * it is another one than before. Throws SymbolError.
   */
  for(addresses: Float64Array, version?: number, nowMs = performance.now()): KernelSymbols {
    let symbols = this.#symbols;
    if (symbols === undefined) return this.#read(version, nowMs);
    if (nowMs - this.#checkedMs >= MODULES_CHECK_MS) {
      this.#checkedMs = nowMs;
      if (readModules() !== this.#modules) symbols = this.#read(version, nowMs);
    }
    if (nowMs - this.#readMs < REREAD_MS) return symbols;
    if (version !== undefined && version === this.#version) return symbols;
    // BPF programs come and go, and reuse memory: an older table may know another one at the same address.
    const known = symbols;
    const doubtful = addresses.some((address) => {
      const entry = known.find(address);
      return entry < 0 || known.isBpf(entry);
    });
    return doubtful ? this.#read(version, nowMs) : symbols;
  }

  /** What was read last, if anything was. */
  get last(): KernelSymbols | undefined {
    return this.#symbols;
  }

  #read(version: number | undefined, nowMs: number): KernelSymbols {
    this.#version = version;
    this.#modules = readModules();
    this.#symbols = KernelSymbols.read();
    this.#readMs = nowMs;
    return this.#symbols;
  }
}

/** '' where the kernel has no modules. */
function readModules(): string {
  try {
    return readFileSync('/proc/modules', 'utf8');
  } catch {
    return '';
  }
}
