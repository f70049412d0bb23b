/**
 * Reads `.eh_frame` and `.debug_frame`: common information entries (CIEs) and frame description entries (FDEs), into
 * columns, without running the instructions in them (cfa.ts does).
 */

import { sortPairs } from '../symbols/sorted-order';
import { ByteReader } from './byte-reader';
import type { CodeRanges } from './code-ranges';
import { UnwindError } from './unwind-error';

/** A section with frame entries, and what its pointers are relative to. */
export interface FrameSection {
  readonly bytes: Uint8Array;
  /** Where the section is in the file's address space. */
  readonly address: number;
  readonly isEhFrame: boolean;
  /** The bytes go on behind the section: its terminator ends it. */
  readonly endsAtTerminator: boolean;
  readonly textBase: number | undefined;
  readonly dataBase: number | undefined;
  /** The 8 bytes that the file has at an address, for indirect pointers. */
  readonly pointerAt: (address: number) => number | undefined;
}

export interface Cie {
  readonly section: FrameSection;
  readonly codeAlign: number;
  readonly dataAlign: number;
  readonly returnAddressRegister: number;
  /** DW_EH_PE_*, of the FDEs' addresses and of DW_CFA_set_loc. */
  readonly pointerEncoding: number;
  /** FDEs have augmentation data of their own ("z"). */
  readonly hasAugmentation: boolean;
  readonly isSignalFrame: boolean;
  /** Where its instructions are in the section. */
  readonly instructionsAt: number;
  readonly instructionsEnd: number;
}

/** What a parse may cost at most. */
export interface FrameLimits {
  readonly maxFdes: number;
  /** Of performance.now(). */
  readonly deadlineMs: number;
}

/** No file has a tenth as many. */
export const MAX_FDES = 2 ** 21;
const NO_CIE = 0xffffffff;
const CIE_ID = -1;
const DWARF64 = 0xffffffff;
/** CIEs are shared by thousands of FDEs; only a hostile file has one for each. */
const MAX_CIES = 65_536;
const CHECK_DEADLINE_EVERY = 4096;

const Encoding = {
  Absolute: 0x00,
  Uleb: 0x01,
  U16: 0x02,
  U32: 0x03,
  U64: 0x04,
  Sleb: 0x09,
  S16: 0x0a,
  S32: 0x0b,
  S64: 0x0c,
  Omit: 0xff,
} as const;
/** DW_EH_PE_pcrel | DW_EH_PE_sdata4 */
const USUAL_ENCODING = 0x1b;
const FORMAT = 0x0f;
const Base = { Absolute: 0x00, Pc: 0x10, Text: 0x20, Data: 0x30, Function: 0x40, Aligned: 0x50 };
const BASE = 0x70;
const INDIRECT = 0x80;

/** FDEs as columns, in the order in which they were found, of all sections that were read. */
export class FrameEntries {
  readonly code: CodeRanges;
  readonly cies: Cie[] = [];
  length = 0;
  /** Entries that can't be used: damaged, or not of the file's code. */
  skipped = 0;
  /** Offsets from the code's base. */
  start: Uint32Array<ArrayBuffer>;
  /** In bytes of code. */
  size: Uint32Array<ArrayBuffer>;
  /** Index in `cies`. */
  cie: Uint32Array<ArrayBuffer>;
  instructionsAt: Uint32Array<ArrayBuffer>;
  instructionsEnd: Uint32Array<ArrayBuffer>;

  /** `expected`: how many there may be; they grow where there are more. */
  constructor(code: CodeRanges, expected = 0) {
    this.code = code;
    const capacity = Math.min(Math.max(64, Math.ceil(expected)), 1 << 20);
    this.start = new Uint32Array(capacity);
    this.size = new Uint32Array(capacity);
    this.cie = new Uint32Array(capacity);
    this.instructionsAt = new Uint32Array(capacity);
    this.instructionsEnd = new Uint32Array(capacity);
  }

  /** Keeps an FDE if its code is the file's. */
  push(start: number, size: number, cie: number, at: number, end: number): void {
    if (!(size > 0 && this.code.has(start, size))) {
      this.skipped++;
      return;
    }
    const index = this.length++;
    if (index === this.start.length) this.#grow();
    this.start[index] = start;
    this.size[index] = size;
    this.cie[index] = cie;
    this.instructionsAt[index] = at;
    this.instructionsEnd[index] = end;
  }

  /** The index and the start of each entry, interleaved, by where its code begins and then in the order in which they were found. */
  sorted(): Uint32Array {
    const { start, length } = this;
    const pairs = new Uint32Array(length * 2);
    for (let i = 0; i < length; i++) {
      pairs[2 * i] = i;
      pairs[2 * i + 1] = start[i];
    }
    sortPairs(pairs);
    return pairs;
  }

  #grow(): void {
    const capacity = this.start.length * 2;
    const grown = (from: Uint32Array): Uint32Array<ArrayBuffer> => {
      const to = new Uint32Array(capacity);
      to.set(from);
      return to;
    };
    this.start = grown(this.start);
    this.size = grown(this.size);
    this.cie = grown(this.cie);
    this.instructionsAt = grown(this.instructionsAt);
    this.instructionsEnd = grown(this.instructionsEnd);
  }
}

/**
 * Appends a section's FDEs. What can't be used is left out and counted in `skipped`; damage to the chain of entries
 * itself ends the section. Throws UnwindError `too-large` or `timeout`.
 */
export function readFrames(
  section: FrameSection,
  entries: FrameEntries,
  limits: FrameLimits,
): void {
  new FrameReader(section, entries).read(limits);
}

class FrameReader {
  readonly #section: FrameSection;
  readonly #entries: FrameEntries;
  readonly #reader: ByteReader;
  /** The section as 32-bit words; empty where it isn't aligned. */
  readonly #words: Int32Array;
  /** Indices of CIEs by where they are, NO_CIE for what is none. */
  readonly #cies = new Map<number, number>();
  /** Where the last CIE is, if its FDEs are of the usual kind: `zR`, with addresses relative to themselves in 32 bits. */
  #usualCieAt = -1;
  #usualCie = NO_CIE;

  constructor(section: FrameSection, entries: FrameEntries) {
    this.#section = section;
    this.#entries = entries;
    this.#reader = new ByteReader(section.bytes);
    const { buffer, byteOffset, length } = section.bytes;
    this.#words =
      byteOffset % 4 === 0 ? new Int32Array(buffer, byteOffset, length >>> 2) : new Int32Array(0);
  }

  read({ maxFdes, deadlineMs }: FrameLimits): void {
    const entries = this.#entries;
    const end = this.#section.bytes.length;
    let untilCheck = CHECK_DEADLINE_EVERY;
    for (let at = 0; at + 4 <= end; ) {
      if (--untilCheck === 0) {
        untilCheck = CHECK_DEADLINE_EVERY;
        if (performance.now() > deadlineMs) throw UnwindError.timeout();
      }
      let next = this.#usualEntry(at);
      if (next < 0) next = this.#entry(at);
      if (next < 0) return;
      at = next;
      if (entries.length > maxFdes) throw UnwindError.tooLarge(`${maxFdes} FDEs`);
    }
  }

  /** Reads the entry at `at` if it is an FDE of the usual kind; answers where the next one is, -1 if it is not. */
  #usualEntry(at: number): number {
    const words = this.#words;
    const first = at >>> 2;
    if (at % 4 !== 0 || first + 5 > words.length) return -1;
    const length = words[first];
    const next = at + 4 + length;
    if (length < 13 || next > this.#section.bytes.length) return -1;
    if (at + 4 - words[first + 1] !== this.#usualCieAt) return -1;
    const augmentation = words[first + 4] & 0xff;
    const instructionsAt = at + 17 + augmentation;
    if (augmentation >= 0x80 || instructionsAt > next) return -1;
    const start = words[first + 2] + at + 8 + this.#section.address - this.#entries.code.base;
    this.#entries.push(start, words[first + 3], this.#usualCie, instructionsAt, next);
    return next;
  }

  /** Reads any entry; answers where the next one is, -1 where there is no more. */
  #entry(at: number): number {
    const reader = this.#reader;
    const section = this.#section;
    const end = section.bytes.length;
    reader.seek(at, end);
    let length = reader.u32();
    // A terminator, which only the last input file of a link should have: others may follow.
    if (length === 0) return section.endsAtTerminator ? -1 : at + 4;
    const is64 = length === DWARF64;
    if (is64) length = reader.u64();
    const idAt = reader.at;
    const next = idAt + length;
    if (reader.overrun || !(next <= end) || length < 4) {
      this.#entries.skipped++;
      return -1;
    }
    reader.seek(idAt, next);
    const id = readId(reader, section, is64);
    if (id === CIE_ID) return next;
    const cieAt = section.isEhFrame ? idAt - id : id;
    let cie = this.#cies.get(cieAt);
    if (cie === undefined) {
      // Remembered even if it is none: looked at once, however many entries point there.
      cie = this.#addCie(cieAt);
      this.#cies.set(cieAt, cie);
    }
    if (cie === NO_CIE) this.#entries.skipped++;
    else this.#fde(cieAt, cie);
    return next;
  }

  #addCie(at: number): number {
    const parsed = readCie(this.#section, at);
    if (parsed === undefined) return NO_CIE;
    const { cies } = this.#entries;
    if (cies.length === MAX_CIES) throw UnwindError.tooLarge(`${MAX_CIES} CIEs`);
    return cies.push(parsed) - 1;
  }

  #fde(cieAt: number, cieIndex: number): void {
    const reader = this.#reader;
    const entries = this.#entries;
    const { section, pointerEncoding, hasAugmentation } = entries.cies[cieIndex];
    if (pointerEncoding === USUAL_ENCODING && hasAugmentation) {
      this.#usualCieAt = cieAt;
      this.#usualCie = cieIndex;
    }
    const start = readPointer(reader, section, pointerEncoding);
    // A length: as wide as the address, but relative to nothing.
    const size = readPointer(reader, section, pointerEncoding & FORMAT);
    if (hasAugmentation) reader.skip(reader.uleb());
    if (reader.overrun || start === undefined || size === undefined) entries.skipped++;
    else entries.push(start - entries.code.base, size, cieIndex, reader.at, reader.limit);
  }
}

/** What says of an entry that it is a CIE; otherwise, where the FDE's CIE is. */
function readId(reader: ByteReader, section: FrameSection, is64: boolean): number {
  if (section.isEhFrame) return reader.u32() || CIE_ID;
  if (!is64) {
    const id = reader.u32();
    return id === 0xffffffff ? CIE_ID : id;
  }
  const id = reader.u64();
  // As a double, 2^64 - 1 is rounded.
  return id >= 2 ** 63 ? CIE_ID : id;
}

function readCie(section: FrameSection, at: number): Cie | undefined {
  const end = section.bytes.length;
  if (!(at >= 0 && at + 4 <= end)) return undefined;
  const reader = new ByteReader(section.bytes);
  reader.seek(at, end);
  let length = reader.u32();
  const is64 = length === DWARF64;
  if (is64) length = reader.u64();
  const next = reader.at + length;
  if (reader.overrun || !(next <= end)) return undefined;
  reader.seek(reader.at, next);
  if (readId(reader, section, is64) !== CIE_ID) return undefined;
  const version = reader.u8();
  if (version !== 1 && version !== 3 && version !== 4) return undefined;
  let augmentation = '';
  for (let byte = reader.u8(); byte !== 0; byte = reader.u8()) {
    if (augmentation.length === 8) return undefined;
    augmentation += String.fromCharCode(byte);
  }
  if (augmentation.startsWith('eh')) {
    // gcc 2's: a pointer to a table of exceptions.
    reader.skip(8);
    augmentation = augmentation.slice(2);
  }
  // Size of an address, size of a segment selector.
  if (version === 4 && (reader.u8() !== 8 || reader.u8() !== 0)) return undefined;
  const codeAlign = reader.uleb();
  const dataAlign = reader.sleb();
  const returnAddressRegister = version === 1 ? reader.u8() : reader.uleb();
  const hasAugmentation = augmentation.startsWith('z');
  let pointerEncoding: number = Encoding.Absolute;
  let isSignalFrame = false;
  let instructionsAt = reader.at;
  if (hasAugmentation) {
    const augmentationLength = reader.uleb();
    instructionsAt = reader.at + augmentationLength;
    if (!(instructionsAt <= next)) return undefined;
  }
  for (const letter of hasAugmentation ? augmentation.slice(1) : augmentation) {
    if (letter === 'R') pointerEncoding = reader.u8();
    else if (letter === 'S') isSignalFrame = true;
    // The encoding of the pointers to language-specific data.
    else if (letter === 'L') reader.u8();
    else if (letter === 'P') readPointer(reader, section, reader.u8() & ~INDIRECT);
    // arm64: return addresses are signed with key B; frames are tagged. Neither moves anything.
    else if (letter !== 'B' && letter !== 'G') return undefined;
  }
  if (!hasAugmentation) instructionsAt = reader.at;
  const isSane =
    !reader.overrun &&
    codeAlign >= 1 &&
    codeAlign <= 256 &&
    dataAlign >= -256 &&
    dataAlign <= 256 &&
    returnAddressRegister <= 1024;
  if (!isSane) return undefined;
  return {
    section,
    codeAlign,
    dataAlign,
    returnAddressRegister,
    pointerEncoding,
    hasAugmentation,
    isSignalFrame,
    instructionsAt,
    instructionsEnd: next,
  };
}

/** A pointer in one of the DW_EH_PE_* encodings, as an address; undefined where it can't be known from the file. */
export function readPointer(
  reader: ByteReader,
  section: FrameSection,
  encoding: number,
): number | undefined {
  if (encoding === Encoding.Omit) return undefined;
  const base = encoding & BASE;
  if (base === Base.Aligned) {
    const misaligned = (section.address + reader.at) % 8;
    reader.skip(misaligned === 0 ? 0 : 8 - misaligned);
    return reader.s64();
  }
  const origin = section.address + reader.at;
  let value = readFormat(reader, encoding & FORMAT);
  if (value === undefined) return undefined;
  if (base === Base.Pc) value += origin;
  else if (base === Base.Text || base === Base.Data) {
    const start = base === Base.Text ? section.textBase : section.dataBase;
    if (start === undefined) return undefined;
    value += start;
  } else if (base !== Base.Absolute) return undefined;
  if ((encoding & INDIRECT) !== 0) return section.pointerAt(value);
  return value;
}

function readFormat(reader: ByteReader, format: number): number | undefined {
  switch (format) {
    case Encoding.S32:
      return reader.s32();
    case Encoding.U32:
      return reader.u32();
    // Signed, so that addresses in the last part of the address space are exact.
    case Encoding.Absolute:
    case Encoding.U64:
    case Encoding.S64:
      return reader.s64();
    case Encoding.U16:
      return reader.u16();
    case Encoding.S16:
      return reader.s16();
    case Encoding.Uleb:
      return reader.uleb();
    case Encoding.Sleb:
      return reader.sleb();
    default:
      return undefined;
  }
}
