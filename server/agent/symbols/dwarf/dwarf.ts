/** Source lines and inlined functions from the debug information (DWARF 2 to 5) of one file, read unit by unit. */
import { ElfError, type ElfFile, SectionFlag, SectionType } from '../../elf/elf-file';
import { ByteLru } from '../byte-lru';
import { addNote, NONE } from '../protocol';
import type { SymbolCache } from '../symbol-cache';
import { FunctionNames } from './function-names';
import { type LineTable, readLines } from './lines';
import { readScopes, type UnitScopes } from './scopes';
import { DebugSections } from './sections';
import { readUnitRanges, UnitIndex } from './unit-index';

/** Files with more are not expanded: their index alone would take too long. */
const MAX_INFO_BYTES = 2 ** 31;
/** Units are the pieces in which entries are read; larger ones have lines, but no inlined functions. */
const MAX_UNIT_BYTES = 32 * 1024 * 1024;
/** Fewer are read as quickly from the file itself. */
const MIN_CACHED_UNITS = 64;
/** What is kept of units that were read. */
const MAX_UNITS_BYTES = 4 * 1024 * 1024;

export interface DwarfPlace {
  /** Mangled where the language does so; undefined where there is none, or it is in a file that we don't read. */
  readonly functionName: string | undefined;
  readonly file: string | undefined;
  /** 0 where unknown. */
  readonly line: number;
}

interface LoadedUnit {
  readonly bytes: number;
  readonly scopes: UnitScopes | undefined;
  readonly lines: LineTable | undefined;
}

export class Dwarf {
  /** Stays open until `close`. */
  readonly elf: ElfFile;
  readonly #sections: DebugSections;
  readonly #isCode: (address: number) => boolean;
  readonly #loaded = new ByteLru<number, LoadedUnit>(MAX_UNITS_BYTES);
  readonly #notes: string[];
  readonly #cache: SymbolCache | undefined;
  #index: UnitIndex | undefined;
  #names: FunctionNames | undefined;

  /**
   * The debug information of a file, undefined where it has none. What is wrong with it later, when units are read, is
   * added to `notes`. Throws ElfError where it can't be used at all. The file is closed by `close`. Sections that had to
   * be decompressed are kept in `cache`.
   */
  static open(elf: ElfFile, notes: string[], cache?: SymbolCache): Dwarf | undefined {
    const info = elf.section('.debug_info');
    if (info === undefined || info.type === SectionType.NoBits || info.size === 0) return undefined;
    const size = elf.uncompressedSize(info);
    if (size > MAX_INFO_BYTES) {
      throw new ElfError('too-large', `.debug_info has ${size} bytes, more than ${MAX_INFO_BYTES}`);
    }
    return new Dwarf(elf, notes, cache);
  }

  private constructor(elf: ElfFile, notes: string[], cache: SymbolCache | undefined) {
    this.elf = elf;
    this.#notes = notes;
    this.#cache = cache;
    this.#sections = new DebugSections(elf, cache);
    const code = elf.sections
      .filter(({ flags, size }) => flags & SectionFlag.Execute && size > 0)
      .map(({ address, size }) => [address, address + size] as const);
    // Functions that the linker dropped are described at 0, 1 or the largest address.
    this.#isCode = (address) => code.some(([start, end]) => address >= start && address < end);
  }

  /** What this holds in memory. */
  get bytes(): number {
    return (
      this.#loaded.bytes +
      this.#sections.bytes +
      (this.#index?.bytes ?? 0) +
      (this.#names?.bytes ?? 0)
    );
  }

  close(): void {
    this.#sections.close();
    this.elf.close();
  }

  /** Whether some unit has the code at an address. */
  describes(address: number): boolean {
    return this.#units().find(address) !== undefined;
  }

  /** Whether some unit has code in [start, end). */
  describesSome(start: number, end: number): boolean {
    return this.#units().overlaps(start, end);
  }

  /**
   * What is at an address: the innermost function first, with the line of the address; then the functions that it was
   * inlined into, each with the line of the call. Undefined where nothing is known.
   */
  find(address: number): DwarfPlace[] | undefined {
    const index = this.#units();
    const unitAt = index.find(address);
    if (unitAt === undefined) return undefined;
    const unit = this.#load(index, unitAt);
    const { scopes, lines } = unit;
    let { file, line } = lines?.find(address) ?? { file: undefined, line: 0 };
    let scope = scopes?.find(address) ?? NONE;
    if (scopes === undefined || scope === NONE) {
      return file === undefined ? undefined : [{ functionName: undefined, file, line }];
    }
    this.#names ??= new FunctionNames(this.#sections, index);
    const places: DwarfPlace[] = [];
    while (scope !== NONE) {
      const functionName = this.#nameOf(this.#names, scopes, scope);
      places.push({ functionName, file, line });
      file = lines?.fileName(scopes.callFile[scope]);
      line = scopes.callLine[scope];
      scope = scopes.parent[scope];
    }
    return places;
  }

  /** Made when it is first needed: that takes long for large files. */
  #units(): UnitIndex {
    if (this.#index === undefined) {
      let ranges = this.#cache?.units(this.elf);
      if (ranges === undefined) {
        ranges = readUnitRanges(this.#sections, this.#isCode);
        if (ranges.offsets.length >= MIN_CACHED_UNITS) this.#cache?.putUnits(this.elf, ranges);
      }
      for (const note of ranges.notes) addNote(this.#notes, note);
      this.#index = new UnitIndex(this.#sections, ranges);
    }
    return this.#index;
  }

  #nameOf(names: FunctionNames, scopes: UnitScopes, scope: number): string | undefined {
    try {
      return names.find(scopes.entryAt[scope], scopes.containerOf);
    } catch (error) {
      this.#note(error);
      return undefined;
    }
  }

  #load(index: UnitIndex, unitAt: number): LoadedUnit {
    const loaded = this.#loaded.get(unitAt);
    if (loaded !== undefined) return loaded;
    let scopes: UnitScopes | undefined;
    let lines: LineTable | undefined;
    try {
      const unit = index.unit(unitAt);
      lines = readLines(this.#sections, unit, this.#isCode);
      if (unit.end - unit.offset > MAX_UNIT_BYTES) {
        throw new ElfError(
          'too-large',
          `a unit of ${unit.end - unit.offset} bytes of debug information`,
        );
      }
      scopes = readScopes(this.#sections, unit, index.abbreviations(unit), this.#isCode);
    } catch (error) {
      this.#note(error);
    }
    const unit = { bytes: 256 + (scopes?.bytes ?? 0) + (lines?.bytes ?? 0), scopes, lines };
    this.#loaded.set(unitAt, unit);
    return unit;
  }

  #note(error: unknown): void {
    if (!(error instanceof ElfError)) throw error;
    addNote(this.#notes, error.message);
  }
}
