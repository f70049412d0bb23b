/**
 * The reader of collapsed stacks. Files of hundreds of megabytes are usual, so it works on bytes: names are interned as
 * slices of bytes, and what a line has in common with the line before it, which in sorted files is most of it, is only
 * compared, not looked up again.
 */
import { PairRows } from '@/profile/pair-rows';
import { Profile } from '@/profile/profile';
import { resized } from '@/profile/resized';
import { FrameKind, NONE, type StackIndex } from '@/profile/schema';
import { U32List } from '@/profile/u32-list';
import { COUNT_UNIT } from '@/profile/weights';
import { ByteInterner, HASH_PRIME, HASH_SEED } from './byte-interner';

export interface CollapsedImport {
  readonly profile: Profile;
  /** Lines that hold a stack; the profile says which others are not empty. */
  readonly lines: number;
}

export class CollapsedFormatError extends Error {
  override readonly name = 'CollapsedFormatError';

  /** `line`: number, from 1, of the first line that could not be read; undefined where there is none at all. */
  constructor(
    readonly line: number | undefined,
    message: string,
  ) {
    super(message);
  }
}

/** A longer line is skipped: it is no stack, and would otherwise be kept whole. Tens of thousands of frames fit. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

const NEWLINE = 0x0a;
const SPACE = 0x20;
const SEMICOLON = 0x3b;

export class CollapsedParser {
  readonly #names = new ByteInterner();
  /** (parent, frame) */
  readonly #stacks = new PairRows(4096);
  readonly #sampleStack = new U32List(4096);
  #sampleWeight = new Float64Array(4096);

  /** The last line's stack: its bytes [start, start + length) and the stack at each of its frames. */
  #lastBytes: Uint8Array = new Uint8Array(0);
  #lastStart = 0;
  #lastLength = 0;
  readonly #lastStacks = new U32List(256);
  /** Copy of the last line, for when its piece is gone. */
  #lastCopy = new Uint8Array(0);

  /** The beginning of a line whose end is not there yet. */
  #pending = new Uint8Array(0);
  #pendingLength = 0;
  /** Within a line that is too long: skip to its end. */
  #isOverlong = false;

  #lineNumber = 0;
  #skippedLines = 0;
  #firstSkippedLine: number | undefined;

  /** Takes the next bytes of the file; they may be cut anywhere, and reused after the call. */
  push(piece: Uint8Array): void {
    let start = 0;
    if (this.#pendingLength > 0 || this.#isOverlong) {
      const end = piece.indexOf(NEWLINE);
      this.#keep(piece.subarray(0, end < 0 ? piece.length : end));
      if (end < 0) return;
      this.#endPending();
      start = end + 1;
    }
    for (;;) {
      const end = piece.indexOf(NEWLINE, start);
      if (end < 0) break;
      this.#line(piece, start, end);
      start = end + 1;
    }
    this.#copyLast();
    this.#keep(piece.subarray(start));
  }

  /** The profile of all lines. Throws CollapsedFormatError where there was none. */
  end(): CollapsedImport {
    if (this.#pendingLength > 0 || this.#isOverlong) this.#endPending();
    const lines = this.#sampleStack.length;
    if (lines === 0) {
      const first = this.#firstSkippedLine;
      throw new CollapsedFormatError(
        first,
        first === undefined
          ? 'the file is empty: collapsed stacks have one line `frame;frame... weight` per stack'
          : `line ${first} is not \`frame;frame... weight\`, and no other line is: these are no collapsed stacks`,
      );
    }
    const profile = this.#profile();
    if (this.#firstSkippedLine !== undefined)
      profile.skippedLines = { count: this.#skippedLines, first: this.#firstSkippedLine };
    return { profile, lines };
  }

  #keep(bytes: Uint8Array): void {
    if (this.#isOverlong) return;
    const length = this.#pendingLength + bytes.length;
    if (length > MAX_LINE_BYTES) {
      this.#isOverlong = true;
      this.#pendingLength = 0;
      return;
    }
    if (length > this.#pending.length) {
      const grown = new Uint8Array(Math.max(length, this.#pending.length * 2));
      grown.set(this.#pending.subarray(0, this.#pendingLength));
      this.#pending = grown;
    }
    this.#pending.set(bytes, this.#pendingLength);
    this.#pendingLength = length;
  }

  #endPending(): void {
    if (this.#isOverlong) {
      this.#isOverlong = false;
      this.#lineNumber++;
      this.#skip();
      return;
    }
    this.#line(this.#pending, 0, this.#pendingLength);
    this.#copyLast();
    this.#pendingLength = 0;
  }

  #skip(): void {
    this.#skippedLines++;
    this.#firstSkippedLine ??= this.#lineNumber;
  }

  /** Reads the line of bytes [start, end), its end not included. */
  #line(bytes: Uint8Array, start: number, end: number): void {
    this.#lineNumber++;
    const from = this.#lineNumber === 1 && hasByteOrderMark(bytes, start) ? start + 3 : start;
    const weightEnd = trimmedEnd(bytes, from, end);
    if (weightEnd === from) return;
    let space = weightEnd - 1;
    while (space >= from && !isBlank(bytes[space])) space--;
    const stackEnd = trimmedEnd(bytes, from, space);
    const weight = space < from ? Number.NaN : parseWeight(bytes, space + 1, weightEnd);
    if (stackEnd <= from || Number.isNaN(weight)) {
      this.#skip();
      return;
    }
    this.#addSample(this.#stack(bytes, from, stackEnd), weight);
  }

  /** The stack of the frames in bytes [start, end). */
  #stack(bytes: Uint8Array, start: number, end: number): StackIndex {
    // Each ';' that both lines have at the same place ends a frame that they have in common.
    const last = this.#lastBytes;
    const toLast = this.#lastStart - start;
    const commonEnd = start + Math.min(end - start, this.#lastLength);
    let depth = 0;
    let frameStart = start;
    for (let at = start; at < commonEnd; at++) {
      const byte = bytes[at];
      if (byte !== last[at + toLast]) break;
      if (byte === SEMICOLON) {
        depth++;
        frameStart = at + 1;
      }
    }
    this.#lastStacks.length = depth;
    let stack = depth === 0 ? NONE : this.#lastStacks.values[depth - 1];
    let hash = HASH_SEED;
    for (let at = frameStart; at <= end; at++) {
      const byte = at === end ? SEMICOLON : bytes[at];
      if (byte !== SEMICOLON) {
        hash = Math.imul(hash ^ byte, HASH_PRIME);
        continue;
      }
      // Frames have the indices of their names.
      stack = this.#stacks.intern(stack, this.#names.intern(bytes, frameStart, at, hash));
      this.#lastStacks.push(stack);
      frameStart = at + 1;
      hash = HASH_SEED;
    }
    this.#lastBytes = bytes;
    this.#lastStart = start;
    this.#lastLength = end - start;
    return stack;
  }

  #addSample(stack: StackIndex, weight: number): void {
    const index = this.#sampleStack.push(stack);
    if (index === this.#sampleWeight.length) {
      this.#sampleWeight = resized(this.#sampleWeight, index * 2);
    }
    this.#sampleWeight[index] = weight;
  }

  #copyLast(): void {
    if (this.#lastBytes === this.#lastCopy) return;
    if (this.#lastLength > this.#lastCopy.length)
      this.#lastCopy = new Uint8Array(this.#lastLength * 2);
    this.#lastCopy.set(
      this.#lastBytes.subarray(this.#lastStart, this.#lastStart + this.#lastLength),
    );
    this.#lastBytes = this.#lastCopy;
    this.#lastStart = 0;
  }

  #profile(): Profile {
    const profile = new Profile();
    const string = (text: string): number => profile.strings.push(text) - 1;
    profile.sampleTypes.push({ name: string('samples'), unit: string(COUNT_UNIT) });
    const process = profile.processes.push({
      pid: NONE,
      parentPid: NONE,
      name: string('import'),
      commandLine: NONE,
      container: NONE,
      cgroup: NONE,
      startNs: 0,
    });
    const thread = profile.threads.push({ tid: NONE, process, name: NONE });
    const frames = this.#names.length;
    const none = (): Uint32Array => new Uint32Array(frames).fill(NONE);
    const [functionName, kind] = [new Uint32Array(frames), new Uint8Array(frames)];
    let frame = 0;
    for (const name of this.#names.texts()) {
      const named = frameOf(name);
      functionName[frame] = string(named.functionName);
      kind[frame++] = named.kind;
    }
    profile.frames.take(
      {
        functionName,
        kind,
        file: none(),
        line: new Uint32Array(frames),
        inlinedInto: none(),
        mapping: none(),
        offset: new Float64Array(frames).fill(-1),
      },
      frames,
    );
    this.#stacks.trim();
    profile.stacks.take(
      { parent: this.#stacks.first, frame: this.#stacks.second },
      this.#stacks.length,
    );
    this.#sampleStack.trim();
    const samples = this.#sampleStack.length;
    profile.samples.take(
      {
        timeNs: new Float64Array(samples),
        weight: resized(this.#sampleWeight, samples),
        thread: new Uint32Array(samples).fill(thread),
        stack: this.#sampleStack.values,
        sampleType: new Uint8Array(samples),
        cpu: new Uint16Array(samples).fill(0xffff),
      },
      samples,
    );
    profile.header = { sequence: 0, startNs: 0, endNs: 0, wallOffsetNs: 0, frequencyHz: 0 };
    return profile;
  }
}

/** The annotations of stackcollapse-perf: `_[k]` kernel, `_[j]` JIT, `_[i]` inlined; and Hearth's own stops. */
function frameOf(element: string): { functionName: string; kind: FrameKind } {
  if (/^\[(unwinding stopped|truncated): .*\]$/.test(element))
    return { functionName: element, kind: FrameKind.Stop };
  const annotated = /^(.+)_\[([kji])\]$/s.exec(element);
  if (annotated === null) return { functionName: element, kind: FrameKind.Native };
  const kinds: Readonly<Record<string, FrameKind>> = { k: FrameKind.Kernel, j: FrameKind.Jit };
  return { functionName: annotated[1], kind: kinds[annotated[2]] ?? FrameKind.Native };
}

function hasByteOrderMark(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf;
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === 0x09 || byte === 0x0d;
}

/** `end` without the blanks before it. */
function trimmedEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && isBlank(bytes[at - 1])) at--;
  return at;
}

/** The number in bytes [start, end): whole or with decimals, not negative; NaN for anything else. */
function parseWeight(bytes: Uint8Array, start: number, end: number): number {
  let weight = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at] - 0x30;
    if (!(digit >= 0 && digit <= 9)) return parseDecimal(bytes, start, end);
    weight = weight * 10 + digit;
  }
  return Number.isFinite(weight) ? weight : Number.NaN;
}

function parseDecimal(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > 32) return Number.NaN;
  const text = String.fromCharCode(...bytes.subarray(start, end));
  const weight = /^\d+(\.\d*)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(weight) ? weight : Number.NaN;
}
