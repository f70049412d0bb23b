/**
 * Reads 64-bit little-endian ELF files, from a descriptor, a path or memory, and only the parts that are asked for.
 * Files come from any process of the machine, so nothing in them is trusted: every offset is checked, and time and
 * memory are bounded. What is wrong with a file is said by an ElfError.
 */
import { inflateSync } from 'node:zlib';
import { type ByteSource, openByteSource } from './byte-source';
import { ElfError } from './elf-error';

export { ElfError, type ElfErrorKind } from './elf-error';

export const SegmentType = {
  Load: 1,
  Dynamic: 2,
  Interpreter: 3,
  Note: 4,
  GnuEhFrame: 0x6474e550,
} as const;
export const SegmentFlag = { Execute: 1, Write: 2, Read: 4 } as const;
export const SectionType = {
  ProgramBits: 1,
  SymbolTable: 2,
  StringTable: 3,
  Note: 7,
  NoBits: 8,
  DynamicSymbols: 11,
} as const;
export const SectionFlag = { Write: 1, Allocated: 2, Execute: 4, Compressed: 0x800 } as const;

export type ElfMachine = 'x86-64' | 'arm64' | 'bpf';

/** One program header. Addresses are the exact doubles of the signed 64-bit values; the rest is in bytes. */
export interface ElfSegment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly align: number;
}

export interface ElfSection {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  /** The low 32 bits. */
  readonly flags: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly entrySize: number;
}

export interface DebugLink {
  /** A file name without folders. */
  readonly name: string;
  /** CRC-32 of the whole debug file. */
  readonly crc: number;
}

/** What one read of a section may return, by default; larger ones are refused as `too-large`. */
export const MAX_SECTION_BYTES = 256 * 1024 * 1024;

const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;
const SECTION_BYTES = 64;
const MAX_SEGMENTS = 4096;
const MAX_SECTIONS = 100_000;
const MAX_SECTION_NAME_BYTES = 256;
const MAX_NOTE_BYTES = 64 * 1024;
const MAX_BUILD_ID_BYTES = 64;
const NOTE_GNU_BUILD_ID = 3;
/** Decompressed, in memory that is not there until it is written to. */
const MAX_PIECE_BYTES = 64 * 1024 * 1024;
/** One read of this much holds the headers, and of most files the build ID's note too. */
const HEAD_BYTES = 1024;

const MACHINES: Readonly<Record<number, ElfMachine>> = { 62: 'x86-64', 183: 'arm64', 247: 'bpf' };
/** The largest page that the machine's kernels use: mappings are rounded to pages. */
const PAGE_BYTES: Readonly<Record<ElfMachine, number>> = {
  'x86-64': 4096,
  arm64: 65536,
  bpf: 4096,
};

export class ElfFile {
  readonly machine: ElfMachine;
  /** e_type: 1 relocatable, 2 executable, 3 shared object or position-independent executable, 4 core. */
  readonly type: number;
  readonly entry: number;
  /** Every program header in the file's order. */
  readonly programHeaders: readonly ElfSegment[];
  /** The PT_LOAD ones: what is mapped. */
  readonly segments: readonly ElfSegment[];
  /** Those of them that are mapped executable. */
  readonly #code: readonly ElfSegment[];
  readonly #source: ByteSource;
  readonly #header: Header;
  #sections: readonly ElfSection[] | undefined;
  #buildId: string | undefined;

  /**
   * `source`: a path (opened; `close` closes it), a descriptor (stays the caller's, who keeps it open as long as this
   * is used), or the bytes of an image. Throws ElfError.
   */
  static open(source: string | number | Uint8Array): ElfFile {
    const bytes = openByteSource(source);
    try {
      return new ElfFile(bytes);
    } catch (error) {
      bytes.close();
      throw error;
    }
  }

  private constructor(source: ByteSource) {
    this.#source = source;
    const head = source.read(0, Math.min(source.size, HEAD_BYTES));
    this.#header = parseHeader(head);
    this.machine = this.#header.machine;
    this.type = this.#header.type;
    this.entry = this.#header.entry;
    this.programHeaders = readSegments(source, head, this.#header);
    this.segments = this.programHeaders.filter(
      (segment) => segment.type === SegmentType.Load && segment.memorySize > 0,
    );
    this.#code = this.segments.filter(({ flags }) => flags & SegmentFlag.Execute);
  }

  /** Closes the file if `open` opened it. What was read stays valid. */
  close(): void {
    this.#source.close();
  }

  /** Whether the whole image is in memory as long as this is. */
  get isInMemory(): boolean {
    return this.#source.isInMemory;
  }

  /** Of the file, in bytes. */
  get size(): number {
    return this.#source.size;
  }

  /** In the file's order, [] where it has no section headers. */
  get sections(): readonly ElfSection[] {
    this.#sections ??= readSections(this.#source, this.#header);
    return this.#sections;
  }

  /** The first section of that name. */
  section(name: string): ElfSection | undefined {
    return this.sections.find((section) => section.name === name);
  }

  /**
   * A section's contents, decompressed: fresh and 8-aligned from a file, perhaps a view where the image is in memory;
   * empty where the file holds none (.bss, and most sections of a separate debug file).
   */
  read(section: ElfSection, maxBytes = MAX_SECTION_BYTES): Uint8Array {
    if (section.type === SectionType.NoBits) return new Uint8Array(0);
    if (section.size > maxBytes) throw tooLarge(section.name, section.size, maxBytes);
    const bytes = this.#source.read(section.offset, section.size);
    return section.flags & SectionFlag.Compressed
      ? decompress(section.name, bytes, maxBytes)
      : bytes;
  }

  /** The section's size in memory once `read`: what it holds, not what it takes in the file. */
  uncompressedSize(section: ElfSection): number {
    if (section.type === SectionType.NoBits) return 0;
    if (!(section.flags & SectionFlag.Compressed)) return section.size;
    const header = this.#source.read(section.offset, Math.min(section.size, 24));
    return compressionHeader(section.name, header).size;
  }

  /** `length` bytes at a file offset, which must all be in the file. */
  readAt(offset: number, length: number, maxBytes = MAX_SECTION_BYTES): Uint8Array {
    if (length > maxBytes) throw tooLarge(`the range at ${offset}`, length, maxBytes);
    return this.#source.read(offset, length);
  }

  /** Fills `target` with the bytes at a file offset, which must all be in the file: for who reads piece by piece. */
  readInto(offset: number, target: Uint8Array): void {
    this.#source.readInto(offset, target);
  }

  /** The GNU build ID in lower-case hex, '' where there is none. */
  get buildId(): string {
    this.#buildId ??= findBuildId(this.#source, this.programHeaders, () => this.sections);
    return this.#buildId;
  }

  /** The program interpreter, for example /lib64/ld-linux-x86-64.so.2; undefined for static programs and libraries. */
  get interpreter(): string | undefined {
    const segment = this.programHeaders.find(({ type }) => type === SegmentType.Interpreter);
    if (segment === undefined) return undefined;
    const bytes = this.readAt(segment.offset, Math.min(segment.fileSize, 4096));
    return cString(bytes, 0, bytes.length);
  }

  /** Where the debug information went that was stripped off, from .gnu_debuglink. */
  get debugLink(): DebugLink | undefined {
    const section = this.section('.gnu_debuglink');
    if (section === undefined || section.type === SectionType.NoBits) return undefined;
    const bytes = this.read(section, 8192);
    const end = bytes.indexOf(0);
    const crcAt = (end + 4) & ~3;
    if (end <= 0 || crcAt + 4 > bytes.length) return undefined;
    const name = cString(bytes, 0, end);
    return name.includes('/') ? undefined : { name, crc: view(bytes).getUint32(crcAt, true) };
  }

  /**
   * The address (as symbols and unwind tables have it) of the code at a file offset; undefined where no executable
   * segment is mapped from there. A mapping starts at a page, a segment anywhere in it (lld packs them so): an offset
   * that only the rounding brought in belongs to the segment too, but first to one that really covers it.
   */
  addressOfFileOffset(offset: number): number | undefined {
    const page = PAGE_BYTES[this.machine];
    let rounded: ElfSegment | undefined;
    for (const segment of this.#code) {
      const end = segment.offset + segment.fileSize;
      if (offset >= segment.offset && offset < end)
        return offset - segment.offset + segment.address;
      const firstPage = Math.floor(segment.offset / page) * page;
      const lastPage = Math.ceil(end / page) * page;
      if (offset >= firstPage && offset < lastPage) rounded ??= segment;
    }
    return rounded && offset - rounded.offset + rounded.address;
  }

  /** The file offsets [start, end) of the segment of code that has one; undefined where it is in none. */
  codeAround(offset: number): readonly [start: number, end: number] | undefined {
    for (const { offset: start, fileSize } of this.#code)
      if (offset >= start && offset < start + fileSize) return [start, start + fileSize];
    return undefined;
  }

  /** Where in the file the byte at an address is; undefined where no segment has it in the file. */
  fileOffsetOfAddress(address: number): number | undefined {
    for (const segment of this.segments) {
      const inSegment = address - segment.address;
      if (inSegment >= 0 && inSegment < segment.fileSize) return segment.offset + inSegment;
    }
    return undefined;
  }
}

/**
 * The build ID of an open file, in one or two small reads; '' where it has none, or is no ELF file that this reads.
 * Throws ElfError of kind `io` where it can't be read at all.
 */
export function readBuildId(fd: number): string {
  try {
    return ElfFile.open(fd).buildId;
  } catch (error) {
    if (error instanceof ElfError && error.kind !== 'io') return '';
    throw error;
  }
}

interface Header {
  readonly machine: ElfMachine;
  readonly type: number;
  readonly entry: number;
  readonly segmentsAt: number;
  readonly segmentCount: number;
  readonly sectionsAt: number;
  readonly sectionCount: number;
  readonly sectionNames: number;
}

const view = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function tooLarge(what: string, size: number, maxBytes: number): ElfError {
  return new ElfError('too-large', `${what} has ${size} bytes, more than the ${maxBytes} allowed`);
}

/** A 64-bit number that counts bytes. */
function readSize(bytes: DataView, at: number): number {
  const value = bytes.getUint32(at, true) + bytes.getUint32(at + 4, true) * 2 ** 32;
  if (value > Number.MAX_SAFE_INTEGER) {
    throw new ElfError('malformed', 'a size or offset is larger than any file');
  }
  return value;
}

/** A 64-bit address, signed, so that the kernel's (the last 2 GiB) are exact doubles. */
function readAddress(bytes: DataView, at: number): number {
  const value = bytes.getUint32(at, true) + bytes.getInt32(at + 4, true) * 2 ** 32;
  if (!Number.isSafeInteger(value)) {
    throw new ElfError('malformed', 'an address is in no address space');
  }
  return value;
}

function cString(bytes: Uint8Array, start: number, maxLength: number): string {
  if (start >= bytes.length) return '';
  const limit = Math.min(bytes.length, start + maxLength);
  let end = start;
  while (end < limit && bytes[end] !== 0) end++;
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString();
}

function parseHeader(bytes: Uint8Array): Header {
  if (bytes.length < HEADER_BYTES) throw new ElfError('not-elf', 'too short for an ELF file');
  const data = view(bytes);
  if (data.getUint32(0, false) !== 0x7f454c46) throw new ElfError('not-elf', 'no ELF magic number');
  if (bytes[4] !== 2) throw new ElfError('unsupported', 'a 32-bit ELF file');
  if (bytes[5] !== 1) throw new ElfError('unsupported', 'a big-endian ELF file');
  const machine = MACHINES[data.getUint16(18, true)];
  if (machine === undefined) {
    throw new ElfError('unsupported', `ELF machine ${data.getUint16(18, true)}`);
  }
  const segmentCount = data.getUint16(56, true);
  if (segmentCount > 0 && data.getUint16(54, true) !== SEGMENT_BYTES) {
    throw new ElfError('malformed', 'program headers of an unknown size');
  }
  const sectionsAt = readSize(data, 40);
  if (sectionsAt > 0 && data.getUint16(58, true) !== SECTION_BYTES) {
    throw new ElfError('malformed', 'section headers of an unknown size');
  }
  return {
    machine,
    type: data.getUint16(16, true),
    entry: readAddress(data, 24),
    segmentsAt: readSize(data, 32),
    segmentCount,
    sectionsAt,
    sectionCount: data.getUint16(60, true),
    sectionNames: data.getUint16(62, true),
  };
}

function readSegments(source: ByteSource, head: Uint8Array, header: Header): ElfSegment[] {
  const count = header.segmentCount;
  // 0xffff stands for more: only core dumps and hostile files have that many.
  if (count > MAX_SEGMENTS) {
    throw new ElfError('too-large', `${count} program headers, more than ${MAX_SEGMENTS}`);
  }
  const start = header.segmentsAt;
  const length = count * SEGMENT_BYTES;
  const bytes = view(
    start + length <= head.length
      ? head.subarray(start, start + length)
      : source.read(start, length),
  );
  return Array.from({ length: count }, (_, index) => {
    const at = index * SEGMENT_BYTES;
    return {
      type: bytes.getUint32(at, true),
      flags: bytes.getUint32(at + 4, true),
      offset: readSize(bytes, at + 8),
      address: readAddress(bytes, at + 16),
      fileSize: readSize(bytes, at + 32),
      memorySize: readSize(bytes, at + 40),
      align: readSize(bytes, at + 48),
    };
  });
}

function readSections(source: ByteSource, header: Header): ElfSection[] {
  if (header.sectionsAt === 0) return [];
  const first = view(source.read(header.sectionsAt, SECTION_BYTES));
  // Where a count or an index does not fit the header, the first, otherwise empty section has it.
  const count = header.sectionCount === 0 ? readSize(first, 32) : header.sectionCount;
  const namesIndex =
    header.sectionNames === 0xffff ? first.getUint32(40, true) : header.sectionNames;
  if (count > MAX_SECTIONS) {
    throw new ElfError('too-large', `${count} section headers, more than ${MAX_SECTIONS}`);
  }
  const bytes = view(source.read(header.sectionsAt, count * SECTION_BYTES));
  let names = new Uint8Array(0);
  if (namesIndex < count) {
    const at = namesIndex * SECTION_BYTES;
    const size = readSize(bytes, at + 32);
    if (size > 16 * 1024 * 1024) throw tooLarge('the table of section names', size, 16 << 20);
    names = source.read(readSize(bytes, at + 24), size) as Uint8Array<ArrayBuffer>;
  }
  return Array.from({ length: count }, (_, index) => {
    const at = index * SECTION_BYTES;
    return {
      index,
      name: cString(names, bytes.getUint32(at, true), MAX_SECTION_NAME_BYTES),
      type: bytes.getUint32(at + 4, true),
      flags: bytes.getUint32(at + 8, true),
      address: readAddress(bytes, at + 16),
      offset: readSize(bytes, at + 24),
      size: readSize(bytes, at + 32),
      link: bytes.getUint32(at + 40, true),
      info: bytes.getUint32(at + 44, true),
      entrySize: readSize(bytes, at + 56),
    };
  });
}

function findBuildId(
  source: ByteSource,
  segments: readonly ElfSegment[],
  sections: () => readonly ElfSection[],
): string {
  let budget = MAX_NOTE_BYTES;
  for (const { type, offset, fileSize, align } of segments) {
    if (type !== SegmentType.Note || fileSize > budget) continue;
    budget -= fileSize;
    const buildId = buildIdInNotes(source.read(offset, fileSize), align === 8 ? 8 : 4);
    if (buildId !== '') return buildId;
  }
  for (const { type, name, offset, size } of sections()) {
    if (type !== SectionType.Note || name !== '.note.gnu.build-id' || size > budget) continue;
    budget -= size;
    const buildId = buildIdInNotes(source.read(offset, size), 4);
    if (buildId !== '') return buildId;
  }
  return '';
}

function buildIdInNotes(bytes: Uint8Array, align: 4 | 8): string {
  const data = view(bytes);
  const pad = (n: number): number => Math.ceil(n / align) * align;
  for (let at = 0; at + 12 <= bytes.length; ) {
    const nameLength = data.getUint32(at, true);
    const length = data.getUint32(at + 4, true);
    const type = data.getUint32(at + 8, true);
    const start = at + pad(12 + nameLength);
    if (start + length > bytes.length) return '';
    if (
      type === NOTE_GNU_BUILD_ID &&
      nameLength === 4 &&
      data.getUint32(at + 12, false) === 0x474e5500 && // "GNU\0"
      length <= MAX_BUILD_ID_BYTES
    ) {
      return Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('hex');
    }
    at = start + pad(length);
  }
  return '';
}

function compressionHeader(name: string, bytes: Uint8Array): { type: number; size: number } {
  if (bytes.length < 24) throw new ElfError('malformed', `${name} is too short to be compressed`);
  const data = view(bytes);
  return { type: data.getUint32(0, true), size: readSize(data, 8) };
}

function decompress(name: string, bytes: Uint8Array, maxBytes: number): Uint8Array {
  const { type, size } = compressionHeader(name, bytes);
  if (type === 2) {
    throw new ElfError('unsupported', `${name} is compressed with zstd, which Node 20 can't read`);
  }
  if (type !== 1) throw new ElfError('unsupported', `${name} has compression type ${type}`);
  if (size > maxBytes) throw tooLarge(name, size, maxBytes);
  if (size === 0) return new Uint8Array(0);
  let inflated: Buffer;
  try {
    inflated = inflateSync(bytes.subarray(24), {
      maxOutputLength: size,
      // In one piece: several would have to be joined, in as much memory again.
      chunkSize: Math.max(64, Math.min(size, MAX_PIECE_BYTES)),
    });
  } catch (error) {
    throw new ElfError('malformed', `${name} does not decompress: ${(error as Error).message}`);
  }
  if (inflated.length !== size) {
    throw new ElfError(
      'malformed',
      `${name} decompresses to ${inflated.length}, not ${size} bytes`,
    );
  }
  return new Uint8Array(inflated.buffer, inflated.byteOffset, inflated.length);
}
