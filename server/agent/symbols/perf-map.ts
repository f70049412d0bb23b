/**
 * The functions of a JIT compiler, from the text file that it appends to: /tmp/perf-PID.map of the process, lines of
 * `START SIZE NAME` with hexadecimal numbers. Compilers free code and use its memory again, so a later line overrides
 * what earlier ones say of the same addresses.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  readSync,
} from 'node:fs';
import { latestOnTop } from './latest-on-top';
import type { JitProcess } from './protocol';
import { lastAtOrBelow } from './sorted-order';

const READ_BYTES = 1024 * 1024;
/** Of one process: what is beyond is not read. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;
const MAX_NAME_BYTES = 2048;
const MAX_NAMES_BYTES = 48 * 1024 * 1024;
const DROP_BYTES = 1024 * 1024;
const [SPACE, NEWLINE] = [0x20, 0x0a];

/** Functions by address, newer ones over older ones. */
export class JitTable {
  /** Disjoint ranges [start, end), rising. */
  #starts = new Float64Array(0);
  #ends = new Float64Array(0);
  /** Where the name of each is in `#names`, and its length. */
  #nameOffsets = new Uint32Array(0);
  #nameLengths = new Uint16Array(0);
  #names = Buffer.alloc(0);
  /** When names take so much, those that nothing refers to any more are dropped. */
  #dropAtBytes = DROP_BYTES;

  get length(): number {
    return this.#starts.length;
  }

  get bytes(): number {
    return this.length * 22 + this.#names.length;
  }

  /** The range that has `address`, or -1. */
  find(address: number): number {
    const range = lastAtOrBelow(this.#starts, address);
    return range >= 0 && address < this.#ends[range] ? range : -1;
  }

  /** Identifies the function of a range until the next `add`. */
  nameKey(range: number): number {
    return this.#nameOffsets[range];
  }

  name(range: number): string {
    const start = this.#nameOffsets[range];
    return this.#names.toString('utf8', start, start + this.#nameLengths[range]);
  }

  /** Adds whole lines; what is no such line is passed over. */
  add(text: Buffer): void {
    const added = parseLines(text);
    if (added.length === 0) return;
    const known = this.length;
    const shift = this.#names.length;
    const names = Buffer.concat([this.#names, added.names]);
    const count = known + added.length;
    const starts = concat(this.#starts, added.starts, count);
    const ends = concat(this.#ends, added.ends, count);
    const offsets = new Uint32Array(count);
    offsets.set(this.#nameOffsets);
    for (let i = 0; i < added.length; i++) offsets[known + i] = added.nameOffsets[i] + shift;
    const lengths = new Uint16Array(count);
    lengths.set(this.#nameLengths);
    lengths.set(added.nameLengths.subarray(0, added.length), known);

    const ranges = latestOnTop(starts, ends);
    this.#starts = ranges.starts;
    this.#ends = ranges.ends;
    this.#nameOffsets = ranges.owners.map((owner) => offsets[owner]);
    this.#nameLengths = Uint16Array.from(ranges.owners, (owner) => lengths[owner]);
    this.#names = names;
    if (names.length > this.#dropAtBytes) this.#dropUnusedNames();
  }

  #dropUnusedNames(): void {
    const kept = new Map<number, number>();
    const pieces: Buffer[] = [];
    let used = 0;
    for (let i = 0; i < this.length; i++) {
      const from = this.#nameOffsets[i];
      let to = kept.get(from);
      if (to === undefined) {
        to = used;
        kept.set(from, to);
        pieces.push(this.#names.subarray(from, from + this.#nameLengths[i]));
        used += this.#nameLengths[i];
      }
      this.#nameOffsets[i] = to;
    }
    this.#names = Buffer.concat(pieces, used);
    this.#dropAtBytes = DROP_BYTES + 2 * used;
  }
}

function concat(
  first: Float64Array,
  second: Float64Array,
  length: number,
): Float64Array<ArrayBuffer> {
  const both = new Float64Array(length);
  both.set(first);
  both.set(second.subarray(0, length - first.length), first.length);
  return both;
}

interface Lines {
  readonly length: number;
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  readonly nameOffsets: Uint32Array;
  readonly nameLengths: Uint16Array;
  readonly names: Buffer;
}

function parseLines(text: Buffer): Lines {
  // The shortest line is `1 1 x\n`.
  const capacity = Math.floor(text.length / 6) + 1;
  const lines = {
    length: 0,
    starts: new Float64Array(capacity),
    ends: new Float64Array(capacity),
    nameOffsets: new Uint32Array(capacity),
    nameLengths: new Uint16Array(capacity),
    names: Buffer.alloc(text.length),
  };
  let namesLength = 0;
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf(NEWLINE, at);
    const lineEnd = newline < 0 ? text.length : newline;
    const startEnd = endOfHex(text, at, lineEnd);
    const sizeEnd = endOfHex(text, startEnd + 1, lineEnd);
    if (
      startEnd > at &&
      sizeEnd > startEnd + 1 &&
      text[startEnd] === SPACE &&
      text[sizeEnd] === SPACE
    ) {
      const start = Number.parseInt(text.toString('latin1', at, startEnd), 16);
      const end = start + Number.parseInt(text.toString('latin1', startEnd + 1, sizeEnd), 16);
      const nameLength = Math.min(lineEnd - sizeEnd - 1, MAX_NAME_BYTES);
      if (end > start && end <= Number.MAX_SAFE_INTEGER && nameLength > 0) {
        lines.starts[lines.length] = start;
        lines.ends[lines.length] = end;
        lines.nameOffsets[lines.length] = namesLength;
        lines.nameLengths[lines.length++] = nameLength;
        text.copy(lines.names, namesLength, sizeEnd + 1, sizeEnd + 1 + nameLength);
        namesLength += nameLength;
      }
    }
    at = lineEnd + 1;
  }
  lines.names = lines.names.subarray(0, namesLength);
  return lines;
}

/** The end of a hexadecimal number of up to 16 digits, with or without 0x; `from` where there is none. */
function endOfHex(text: Buffer, from: number, limit: number): number {
  let at = from;
  if (text[at] === 0x30 && (text[at + 1] | 0x20) === 0x78) at += 2;
  const digits = at;
  while (at < limit && at - digits <= 16) {
    const byte = text[at];
    const isDigit = byte >= 0x30 && byte <= 0x39;
    const letter = byte | 0x20;
    if (!isDigit && !(letter >= 0x61 && letter <= 0x66)) break;
    at++;
  }
  return at > digits && at - digits <= 16 ? at : from;
}

/** At most so often, times the cost of the last time: a file that always grows must not keep us busy. */
const REFRESH_MS = 200;
const REFRESH_COST_FACTOR = 10;
/** Most processes with code of a compiler's have no map, and never get one. */
const ABSENT_REFRESH_MS = 1000;

/** The perf map of one process, read on as it grows. */
export class PerfMap {
  readonly #process: JitProcess;
  #table = new JitTable();
  /** Device, inode and the process's start: with another one, the file is another one. */
  #identity = '';
  #readTo = 0;
  #rest = Buffer.alloc(0);
  #nextRefreshMs = -Infinity;

  constructor(process: JitProcess) {
    this.#process = process;
  }

  /** Reads what the file has got since the last time. What was read stays when the process is gone. */
  table(nowMs = performance.now()): JitTable {
    if (nowMs < this.#nextRefreshMs) return this.#table;
    const start = performance.now();
    const isThere = this.#refresh();
    const cost = performance.now() - start;
    const pauseMs = isThere ? REFRESH_MS : ABSENT_REFRESH_MS;
    this.#nextRefreshMs = nowMs + Math.max(pauseMs, cost * REFRESH_COST_FACTOR);
    return this.#table;
  }

  get bytes(): number {
    return this.#table.bytes + this.#rest.length;
  }

  /** Why code of the process has no name, if it has none. */
  get unnamedReason(): string {
    const path = `/tmp/perf-${this.#process.namespacePid}.map`;
    return this.#table.length > 0
      ? `${path} has no function there`
      : `there is no ${path}: its JIT compiler was not told to write it (for Node.js: --perf-basic-prof)`;
  }

  /** Whether there is a map. */
  #refresh(): boolean {
    const { pid } = this.#process;
    const owner = readOwner(pid);
    if (owner === undefined) return false;
    if (!this.#identity.startsWith(`${owner.startTime} `)) this.#reset(`${owner.startTime} `);
    let fd: number;
    try {
      // Whoever can write to /tmp could put a link to any file, or a FIFO, there.
      fd = openSync(
        mapPath(this.#process),
        constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY,
      );
    } catch {
      return false; // No such file, as for most processes; or the process has just ended.
    }
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || (stat.uid !== 0 && stat.uid !== owner.uid)) return false;
      const identity = `${owner.startTime} ${stat.dev} ${stat.ino}`;
      if (identity !== this.#identity || stat.size < this.#readTo) this.#reset(identity);
      this.#readOn(fd, Math.min(stat.size, MAX_FILE_BYTES));
      return true;
    } finally {
      closeSync(fd);
    }
  }

  #reset(identity: string): void {
    this.#table = new JitTable();
    this.#identity = identity;
    this.#readTo = 0;
    this.#rest = Buffer.alloc(0);
  }

  #readOn(fd: number, end: number): void {
    if (end <= this.#readTo || this.#table.bytes > MAX_NAMES_BYTES) return;
    const pieces: Buffer[] = [this.#rest];
    let total = 0;
    while (this.#readTo < end) {
      const piece = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, end - this.#readTo));
      const count = readSync(fd, piece, 0, piece.length, this.#readTo);
      if (count === 0) break;
      this.#readTo += count;
      total += count;
      pieces.push(piece.subarray(0, count));
      if (total >= MAX_NAMES_BYTES) break;
    }
    const text = Buffer.concat(pieces);
    const whole = text.lastIndexOf(NEWLINE) + 1;
    // What is behind the last newline is a line that is being written; without an end in sight it is none.
    this.#rest = Buffer.from(text.subarray(Math.max(whole, text.length - MAX_NAME_BYTES)));
    this.#table.add(text.subarray(0, whole));
  }
}

/** Where the map is, as this process can reach it. */
const mapPath = ({ pid, namespacePid }: JitProcess): string =>
  `/proc/${pid}/root/tmp/perf-${namespacePid}.map`;

/** Whether the process has a map, or something of that name; costs one system call. */
export const hasPerfMap = (process: JitProcess): boolean =>
  lstatSync(mapPath(process), { throwIfNoEntry: false }) !== undefined;

/** Undefined where the process is gone. */
function readOwner(pid: number): { readonly uid: number; readonly startTime: string } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const uid = /^Uid:\t\d+\t(\d+)/m.exec(status);
    // Behind the name, which may have spaces and parentheses; the 22nd field of all is the 20th from there.
    const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return uid === null ? undefined : { uid: Number(uid[1]), startTime };
  } catch {
    return undefined;
  }
}
