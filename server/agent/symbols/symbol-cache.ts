/**
 * What took time to read, kept on disk from run to run, by build ID: tables of functions that are large or were packed, and
 * debug sections that were compressed. What is as quickly read from the file itself is not kept.
 */
import { closeSync } from 'node:fs';
import { DiskCache, type NewFile } from '../disk-cache';
import { type ByteSource, openByteSource } from '../elf/byte-source';
import { ElfError, ElfFile, type ElfSection } from '../elf/elf-file';
import { Checksum } from './checksum';
import { hasSymbols } from './debug-files';
import { decodeUnits, encodeUnits, type UnitRanges } from './dwarf/units-file';
import { decodeSymbols, encodeSymbols, type StoredSymbols, type SymbolFiles } from './symbol-file';

const SYMBOLS = '.symbols';
const SECTION = '.section';
const UNITS = '.units';
/** A debug file that was fetched. */
const DEBUG = '.debug';
const CACHE_BYTES = 256 * 1024 * 1024;
/** Where debug files are fetched: those of large programs have hundreds of megabytes. */
export const FETCHING_CACHE_BYTES = 2 * 1024 * 1024 * 1024;
/** Shorter ones are no hashes. */
const MIN_BUILD_ID_DIGITS = 16;
/** "HRTH", "SECT", version, checksum of the contents. */
const SECTION_MAGIC = [0x48545248, 0x54434553, 1] as const;
const SECTION_HEADER_BYTES = 16;
const PIECE_BYTES = 256 * 1024;

/** The contents of a section, in a file of the cache. */
export class CachedSection {
  readonly #source: ByteSource;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  get size(): number {
    return this.#source.size - SECTION_HEADER_BYTES;
  }

  /** Throws ElfError. */
  readAt(offset: number, length: number): Uint8Array {
    return this.#source.read(SECTION_HEADER_BYTES + offset, length);
  }

  close(): void {
    this.#source.close();
  }
}

export class SymbolCache {
  readonly #files: DiskCache;

  /** Makes the folder, mode 0700, if it is not there; the one above it must be. */
  constructor(directory: string, maxBytes = CACHE_BYTES) {
    this.#files = new DiskCache(directory, {
      suffixes: [SYMBOLS, SECTION, UNITS, DEBUG],
      maxBytes,
    });
  }

  close(): void {
    this.#files.close();
  }

  get bytes(): number {
    return this.#files.bytes;
  }

  /** What went wrong last, for people. */
  get problem(): string | undefined {
    return this.#files.problem;
  }

  /** The table of a module with these files; undefined where there is none that can be used. */
  symbols(module: ElfFile, debugFile: ElfFile | undefined): StoredSymbols | undefined {
    const key = symbolsKey(module, debugFile);
    const bytes = key === undefined ? undefined : this.#files.read(key, SYMBOLS);
    if (key === undefined || bytes === undefined) return undefined;
    try {
      return decodeSymbols(bytes, { module, debugFile });
    } catch (error) {
      this.#forget(key, SYMBOLS, error);
      return undefined;
    }
  }

  putSymbols(
    stored: StoredSymbols,
    files: SymbolFiles & { readonly module: ElfFile; readonly debugFile: ElfFile | undefined },
  ): void {
    const key = symbolsKey(files.module, files.debugFile);
    if (key !== undefined) this.#files.put(key, SYMBOLS, encodeSymbols(stored, files));
  }

  /** A section that was kept; it is the caller's to close. */
  section(elf: ElfFile, section: ElfSection): CachedSection | undefined {
    const key = sectionKey(elf, section);
    const fd = key === undefined ? undefined : this.#files.open(key, SECTION);
    if (key === undefined || fd === undefined) return undefined;
    let source: ByteSource | undefined;
    try {
      // Opened again by a path, so that the source owns its descriptor.
      source = openByteSource(`/proc/self/fd/${fd}`);
      checkSection(source);
      return new CachedSection(source);
    } catch (error) {
      source?.close();
      this.#forget(key, SECTION, error);
      return undefined;
    } finally {
      closeSync(fd);
    }
  }

  /** Keeps the decompressed contents of a section, and opens them; undefined where that is not possible. */
  putSection(elf: ElfFile, section: ElfSection, contents: Uint8Array): CachedSection | undefined {
    const key = sectionKey(elf, section);
    if (key === undefined) return undefined;
    const checksum = new Checksum();
    checksum.add(contents);
    const header = Uint32Array.of(...SECTION_MAGIC, checksum.value);
    const parts = [new Uint8Array(header.buffer), contents];
    return this.#files.put(key, SECTION, parts) ? this.section(elf, section) : undefined;
  }

  /** The units of a file's debug information. */
  units(elf: ElfFile): UnitRanges | undefined {
    const key = fileKey(elf);
    const bytes = key === undefined ? undefined : this.#files.read(key, UNITS);
    if (key === undefined || bytes === undefined) return undefined;
    try {
      return decodeUnits(bytes);
    } catch (error) {
      this.#forget(key, UNITS, error);
      return undefined;
    }
  }

  putUnits(elf: ElfFile, units: UnitRanges): void {
    const key = fileKey(elf);
    if (key !== undefined) this.#files.put(key, UNITS, encodeUnits(units));
  }

  /** No file in it may be larger. */
  get maxFileBytes(): number {
    return this.#files.maxFileBytes;
  }

  /** The debug file with that build ID, if it was fetched; it is the caller's to close. */
  debugFile(buildId: string): ElfFile | undefined {
    const fd = this.#files.open(buildId, DEBUG);
    if (fd === undefined) return undefined;
    try {
      const elf = ElfFile.open(`/proc/self/fd/${fd}`);
      if (elf.buildId === buildId && hasSymbols(elf)) return elf;
      elf.close();
      this.#files.fail(new Error(`a fetched debug file is not that of build ID ${buildId}`));
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      this.#files.fail(error);
    } finally {
      closeSync(fd);
    }
    this.#files.remove(buildId, DEBUG);
    return undefined;
  }

  /** A debug file to be filled; `debugFile` looks at it when it is there. */
  createDebugFile(buildId: string): NewFile | undefined {
    return buildId.length < MIN_BUILD_ID_DIGITS ? undefined : this.#files.create(buildId, DEBUG);
  }

  #forget(key: string, suffix: string, error: unknown): void {
    if (!(error instanceof ElfError)) throw error;
    this.#files.fail(error);
    this.#files.remove(key, suffix);
  }
}

/** A debug file that was installed since changes the key: its names are better. */
function symbolsKey(module: ElfFile, debugFile: ElfFile | undefined): string | undefined {
  const key = fileKey(module);
  return key && `${key}-${(debugFile?.size ?? 0).toString(16)}`;
}

function sectionKey(elf: ElfFile, { index }: ElfSection): string | undefined {
  const key = fileKey(elf);
  return key && `${key}-${index.toString(16)}`;
}

/** Undefined for a file that is not known by a build ID: it may be any file the next time. */
function fileKey({ buildId, size }: ElfFile): string | undefined {
  return buildId.length < MIN_BUILD_ID_DIGITS ? undefined : `${buildId}-${size.toString(16)}`;
}

/** Throws ElfError. */
function checkSection(source: ByteSource): void {
  const wrong = 'not a cached section of this version, or a damaged one';
  if (source.size < SECTION_HEADER_BYTES) throw new ElfError('malformed', wrong);
  const header = new Uint32Array(source.read(0, SECTION_HEADER_BYTES).slice().buffer);
  const checksum = new Checksum();
  for (let at = SECTION_HEADER_BYTES; at < source.size; at += PIECE_BYTES) {
    checksum.add(source.read(at, Math.min(PIECE_BYTES, source.size - at)));
  }
  if (
    SECTION_MAGIC.some((word, i) => header[i] !== word) ||
    header[SECTION_MAGIC.length] !== checksum.value
  ) {
    throw new ElfError('malformed', wrong);
  }
}
