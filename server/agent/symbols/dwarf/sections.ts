/**
 * Parts of a file's debug sections, read as they are asked for. Sections that are compressed are inflated whole, once for
 * all runs where there is a cache.
 */
import { ElfError, type ElfFile, SectionFlag, SectionType } from '../../elf/elf-file';
import type { SymbolCache } from '../symbol-cache';

/** For all compressed sections of one file, for they stay in memory while the file is in use. */
const MAX_INFLATED_BYTES = 48 * 1024 * 1024;
const WINDOW_BYTES = 64 * 1024;
const MAX_STRING_BYTES = 32 * 1024;

export type DebugSectionName =
  | '.debug_info'
  | '.debug_abbrev'
  | '.debug_line'
  | '.debug_str'
  | '.debug_line_str'
  | '.debug_str_offsets'
  | '.debug_addr'
  | '.debug_ranges'
  | '.debug_rnglists';

interface DebugSection {
  readonly size: number;
  /** What is in memory of it: the part that was read last, or all where there is no file to read it from. */
  window: Uint8Array;
  windowStart: number;
  readonly file: { readAt(offset: number, length: number): Uint8Array; close(): void } | undefined;
}

export class DebugSections {
  readonly elf: ElfFile;
  readonly #sections = new Map<DebugSectionName, DebugSection | undefined>();
  readonly #cache: SymbolCache | undefined;
  #inflatedBytes = 0;

  constructor(elf: ElfFile, cache?: SymbolCache) {
    this.elf = elf;
    this.#cache = cache;
  }

  /** Closes what was opened here; the ELF file stays open. */
  close(): void {
    for (const section of this.#sections.values()) section?.file?.close();
  }

  /** What this holds in memory. */
  get bytes(): number {
    let sum = 0;
    for (const section of this.#sections.values()) sum += section?.window.length ?? 0;
    return sum;
  }

  /** In bytes, decompressed; 0 where there is none. */
  size(name: DebugSectionName): number {
    return this.#get(name)?.size ?? 0;
  }

  /**
   * The bytes at `offset`: at least `least` of them, and more where they are at hand. A view, good until the next call.
   * Throws ElfError where the section does not have them.
   */
  window(name: DebugSectionName, offset: number, least: number): Uint8Array {
    const found = this.#get(name);
    if (found === undefined || !(offset >= 0 && offset + least <= found.size)) {
      throw new ElfError('malformed', `${name} has nothing at ${offset}`);
    }
    const inWindow = offset - found.windowStart;
    if (found.file !== undefined && (inWindow < 0 || inWindow + least > found.window.length)) {
      const length = Math.min(Math.max(least, WINDOW_BYTES), found.size - offset);
      found.window = found.file.readAt(offset, length);
      found.windowStart = offset;
      return found.window;
    }
    return found.window.subarray(inWindow);
  }

  /** Exactly these bytes, which stay as they are. */
  read(name: DebugSectionName, offset: number, length: number): Uint8Array {
    const found = this.#get(name);
    if (found === undefined || !(offset >= 0 && offset + length <= found.size)) {
      throw new ElfError('malformed', `${name} has nothing at ${offset}`);
    }
    return found.file === undefined
      ? found.window.subarray(offset, offset + length)
      : found.file.readAt(offset, length);
  }

  /** The zero-terminated string at `offset`. */
  string(name: '.debug_str' | '.debug_line_str', offset: number): string {
    const size = this.size(name);
    for (let length = 256; ; length *= 8) {
      const least = Math.min(length, MAX_STRING_BYTES, size - offset);
      const bytes = this.window(name, offset, least);
      const end = bytes.indexOf(0);
      if (end >= 0 || length >= MAX_STRING_BYTES || least === size - offset) {
        return Buffer.from(
          bytes.buffer,
          bytes.byteOffset,
          Math.min(end < 0 ? bytes.length : end, MAX_STRING_BYTES),
        ).toString('utf8');
      }
    }
  }

  #get(name: DebugSectionName): DebugSection | undefined {
    if (this.#sections.has(name)) return this.#sections.get(name);
    const found = this.#open(name);
    this.#sections.set(name, found);
    return found;
  }

  #open(name: DebugSectionName): DebugSection | undefined {
    const { elf } = this;
    const section = elf.section(name);
    if (section === undefined || section.type === SectionType.NoBits) return undefined;
    const empty = { window: new Uint8Array(0), windowStart: 0 };
    if (!(section.flags & SectionFlag.Compressed)) {
      if (section.offset + section.size > elf.size) {
        throw new ElfError('malformed', `${name} is cut short`);
      }
      const readAt = (offset: number, length: number): Uint8Array =>
        elf.readAt(section.offset + offset, length);
      return { ...empty, size: section.size, file: { readAt, close: () => {} } };
    }
    const cached = this.#cache?.section(elf, section);
    if (cached !== undefined) return { ...empty, size: cached.size, file: cached };
    const window = elf.read(section, MAX_INFLATED_BYTES - this.#inflatedBytes);
    const stored = this.#cache?.putSection(elf, section, window);
    if (stored !== undefined) return { ...empty, size: stored.size, file: stored };
    this.#inflatedBytes += window.length;
    return { window, windowStart: 0, size: window.length, file: undefined };
  }
}
