/** The kernel's functions, those of modules and BPF programs too, from /proc/kallsyms. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { SymbolError } from './protocol';

const FIRST_BYTES = 8 * 1024 * 1024;
const MAX_BYTES = 256 * 1024 * 1024;
/** How far a function may reach where the next symbol is not of the same module, and says nothing of its end. */
const LAST_FUNCTION_BYTES = 64 * 1024;
const BPF_MODULE = 'bpf';
const GAP = 0xffffffff;
const [TAB, NEWLINE, SPACE, ZERO] = [0x09, 0x0a, 0x20, 0x30];
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
      return KernelSymbols.parse(readWhole(path));
    } catch (error) {
      if (error instanceof SymbolError) throw error;
      throw new SymbolError('io', `cannot read ${path}: ${(error as Error).message}`);
    }
  }

  /** Takes the text of kallsyms. */
  static parse(text: Buffer): KernelSymbols {
    const lines = parseLines(text);
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
    this.#names = lines.names;
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
    const starts = this.#starts;
    let [low, high] = [0, starts.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (starts[middle] <= address) low = middle + 1;
      else high = middle;
    }
    return low === 0 || this.#nameOffsets[low - 1] === GAP ? -1 : low - 1;
  }

  functionAt(entry: number): KernelFunction {
    const offset = this.#nameOffsets[entry];
    const module = this.#modules[entry];
    return {
      functionName: this.#names.toString('latin1', offset, this.#names.indexOf(0, offset)),
      module: module === 0 ? undefined : this.#moduleNames[module],
    };
  }

  isBpf(entry: number): boolean {
    return this.#moduleNames[this.#modules[entry]] === BPF_MODULE;
  }
}

const NOT_A_FUNCTION = 0;
const RANK_OF_TYPE: Readonly<Record<string, number>> = { w: 2, W: 2, t: 3, T: 4 };

interface Lines {
  readonly length: number;
  /** Every address is zero. */
  readonly hidden: boolean;
  readonly base: number;
  readonly address: Float64Array;
  /** Higher is better where symbols share an address. */
  readonly rank: Uint8Array;
  readonly name: Uint32Array;
  readonly module: Uint16Array;
  readonly names: Buffer;
  readonly moduleNames: readonly string[];
}

/** Lines are `ffffffff81000000 T _text`, with `\t[module]` behind where it is not the kernel itself. */
function parseLines(text: Buffer): Lines {
  const capacity = Math.ceil(text.length / 20) + 1;
  const address = new Float64Array(capacity);
  const rank = new Uint8Array(capacity);
  const name = new Uint32Array(capacity);
  const module = new Uint16Array(capacity);
  const names = Buffer.allocUnsafeSlow(text.length + 1);
  const moduleIndices = new Map<string, number>([['', 0]]);
  const rankOfByte = new Uint8Array(256);
  for (const [type, value] of Object.entries(RANK_OF_TYPE)) rankOfByte[type.charCodeAt(0)] = value;
  let [length, namesLength] = [0, 0];
  let hidden = true;
  let [base, fallbackBase] = [NaN, NaN];
  for (let at = 0; at < text.length; at++) {
    const lineEnd = endOfLine(text, at);
    const nameAt = at + 19;
    if (nameAt < lineEnd && text[at + 16] === SPACE && text[at + 18] === SPACE) {
      const value = hexWord(text, at) * 2 ** 32 + (hexWord(text, at + 8) >>> 0);
      if (value !== 0) hidden = false;
      let nameEnd = nameAt;
      const start = namesLength;
      let underscores = 0;
      while (nameEnd < lineEnd && text[nameEnd] !== TAB) {
        if (text[nameEnd] === 0x5f && underscores === nameEnd - nameAt) underscores++;
        names[namesLength++] = text[nameEnd++];
      }
      names[namesLength++] = 0;
      address[length] = value;
      name[length] = start;
      module[length] =
        nameEnd + 3 < lineEnd ? moduleIndex(text, nameEnd + 2, lineEnd - 1, moduleIndices) : 0;
      const byType = rankOfByte[text[at + 17]];
      // Among equals, the name with fewer underscores in front.
      rank[length] = byType === 0 ? NOT_A_FUNCTION : byType * 8 + 7 - Math.min(7, underscores);
      if (module[length] === 0 && underscores > 0) {
        const marker = names.toString('latin1', start, Math.min(namesLength - 1, start + 16));
        if (marker === '_text') base = value;
        if (marker === '_stext') fallbackBase = value;
        if (END_MARKERS.has(marker)) rank[length] = NOT_A_FUNCTION;
        else if (START_MARKERS.has(marker)) rank[length] = 1;
      }
      length++;
    }
    at = lineEnd;
  }
  return {
    length,
    hidden,
    base: Number.isNaN(base) ? (Number.isNaN(fallbackBase) ? address[0] : fallbackBase) : base,
    address,
    rank,
    name,
    module,
    // A copy, so that the memory is of this size only.
    names: Buffer.from(names.subarray(0, namesLength)),
    moduleNames: [...moduleIndices.keys()],
  };
}

function endOfLine(text: Buffer, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== NEWLINE) at++;
  return at;
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

function readWhole(path: string): Buffer {
  const fd = openSync(path, 'r');
  try {
    let text = Buffer.allocUnsafeSlow(FIRST_BYTES);
    // A read returns a page at most, whatever is asked for.
    for (let length = 0; ; ) {
      if (length === text.length) {
        if (length >= MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`);
        const grown = Buffer.allocUnsafeSlow(length * 2);
        text.copy(grown);
        text = grown;
      }
      const count = readSync(fd, text, length, text.length - length, null);
      if (count === 0) return text.subarray(0, length);
      length += count;
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

  /** The table for looking up `addresses`, read again where it may be out of date for them. Throws SymbolError. */
  for(addresses: Float64Array, nowMs = performance.now()): KernelSymbols {
    let symbols = this.#symbols;
    if (symbols === undefined) return this.#read(nowMs);
    if (nowMs - this.#checkedMs >= MODULES_CHECK_MS) {
      this.#checkedMs = nowMs;
      if (readModules() !== this.#modules) symbols = this.#read(nowMs);
    }
    if (nowMs - this.#readMs < REREAD_MS) return symbols;
    // BPF programs come and go, and reuse memory: an older table may know another one at the same address.
    const known = symbols;
    const doubtful = addresses.some((address) => {
      const entry = known.find(address);
      return entry < 0 || known.isBpf(entry);
    });
    return doubtful ? this.#read(nowMs) : symbols;
  }

  /** What was read last, if anything was. */
  get last(): KernelSymbols | undefined {
    return this.#symbols;
  }

  #read(nowMs: number): KernelSymbols {
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
