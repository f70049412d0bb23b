/** All that is known of the names of one module's code. */
import { ElfError, ElfFile, SectionType } from '../elf/elf-file';
import { findDebugFile } from './debug-files';
import type { Demangler } from './demangle';
import { Dwarf, type DwarfPlace } from './dwarf/dwarf';
import type { FrameRows } from './frame-rows';
import { addGoFunctions } from './go-functions';
import { addNote, type ModuleReference, type ModuleReport, NONE } from './protocol';
import { type SymbolTable, SymbolTableBuilder } from './symbol-table';
import { readVdso } from './vdso';
import { decompressXz } from './xz';

const VDSO_PATH = '[vdso]';
/** Decompressed; that of a large library is some MB. */
const MAX_DEBUGDATA_BYTES = 64 * 1024 * 1024;
/** Names that are kept demangled, of one module. */
const MAX_NAMES = 64 * 1024;
const NAME_ENTRY_BYTES = 60;
/** For an inlined function whose name is in a file that we don't read. */
const NAMELESS = '[inlined function]';

export class ModuleSymbols {
  readonly #reference: ModuleReference;
  /** For going from file offsets to addresses; the file is closed. */
  readonly #elf: ElfFile;
  readonly #table: SymbolTable;
  readonly #symbols: number;
  readonly #dwarf: Dwarf | undefined;
  readonly #sources: readonly string[];
  readonly #notes: readonly string[];
  /** Demangled names, by where the mangled ones are in the table. */
  readonly #names = new Map<number, string>();
  #nameBytes = 0;

  /**
   * Reads a module's symbols. Throws ElfError where the file can't be read, or is none that could have any; a module
   * without symbols is no error.
   */
  static load(reference: ModuleReference): ModuleSymbols {
    const elf = openModule(reference);
    const loader = new Loader(elf, reference.path);
    try {
      const table = loader.run();
      return new ModuleSymbols(reference, loader, table);
    } catch (error) {
      loader.dwarf?.close();
      throw error;
    } finally {
      loader.closeFiles();
    }
  }

  private constructor(reference: ModuleReference, loader: Loader, table: SymbolTable) {
    this.#reference = reference;
    this.#elf = loader.elf;
    this.#table = table;
    this.#symbols = loader.symbols;
    this.#dwarf = loader.dwarf;
    this.#sources = loader.sources;
    this.#notes = loader.notes;
  }

  get report(): ModuleReport {
    return {
      key: this.#reference.key,
      path: this.#reference.path,
      symbols: this.#symbols,
      bytes: this.bytes,
      sources: this.#sources,
      notes: this.#notes,
    };
  }

  /** What this holds in memory. */
  get bytes(): number {
    return 1024 + this.#table.bytes + this.#nameBytes + (this.#dwarf?.bytes ?? 0);
  }

  /** Closes the file that debug information is read from. */
  close(): void {
    this.#dwarf?.close();
  }

  /** The rows of the frames at these file offsets, NONE where nothing is known. */
  symbolize(fileOffsets: Float64Array, rows: FrameRows, demangler: Demangler): Uint32Array {
    const result = new Uint32Array(fileOffsets.length).fill(NONE);
    const rowOfName = new Map<number, number>();
    const described: number[] = [];
    for (let i = 0; i < fileOffsets.length; i++) {
      const address = this.#elf.addressOfFileOffset(fileOffsets[i]);
      if (address === undefined) continue;
      if (this.#dwarf?.describes(address)) {
        described.push(i);
        continue;
      }
      const range = this.#table.find(address);
      if (range >= 0) result[i] = this.#rowOfSymbol(range, rows, rowOfName, demangler);
    }
    // By address: debug information is read unit by unit, each once.
    described.sort((a, b) => fileOffsets[a] - fileOffsets[b]);
    for (const i of described) {
      const address = this.#elf.addressOfFileOffset(fileOffsets[i])!;
      const range = this.#table.find(address);
      const places = this.#dwarf?.find(address);
      if (places !== undefined) {
        const symbol = range < 0 ? undefined : this.#table.name(range);
        result[i] = addPlaces(places, symbol, rows, demangler);
      } else if (range >= 0) {
        result[i] = this.#rowOfSymbol(range, rows, rowOfName, demangler);
      }
    }
    return result;
  }

  #rowOfSymbol(
    range: number,
    rows: FrameRows,
    rowOfName: Map<number, number>,
    demangler: Demangler,
  ): number {
    const key = this.#table.nameKey(range);
    let row = rowOfName.get(key);
    if (row === undefined) {
      let name = this.#names.get(key);
      if (name === undefined) {
        name = demangler.demangle(this.#table.name(range));
        if (this.#names.size >= MAX_NAMES) this.#forgetNames();
        this.#names.set(key, name);
        this.#nameBytes += NAME_ENTRY_BYTES + name.length;
      }
      row = rows.append(name);
      rowOfName.set(key, row);
    }
    return row;
  }

  #forgetNames(): void {
    this.#names.clear();
    this.#nameBytes = 0;
  }
}

/** Returns the row of the innermost place, NONE where even the function's name is unknown. */
function addPlaces(
  places: readonly DwarfPlace[],
  symbol: string | undefined,
  rows: FrameRows,
  demangler: Demangler,
): number {
  let row = NONE;
  for (let i = places.length - 1; i >= 0; i--) {
    const { functionName, file, line } = places[i];
    // The symbol knows what debug information does not: that this is a cold part, a clone, an alias.
    const isPhysical = i === places.length - 1;
    const name = isPhysical ? (symbol ?? functionName) : (functionName ?? NAMELESS);
    if (name === undefined) return NONE;
    row = rows.add(demangler.demangle(name), file, line, row);
  }
  return row;
}

function openModule({ path, fd }: ModuleReference): ElfFile {
  if (path === VDSO_PATH) return readVdso();
  if (fd === undefined) return ElfFile.open(path);
  // Opened again, so that debug information can still be read when the caller has closed its own; the link leads to
  // the very file, even one that was deleted.
  return ElfFile.open(`/proc/self/fd/${fd}`);
}

/** Goes through the places where symbols may be. One that is broken does not take the others away. */
class Loader {
  readonly elf: ElfFile;
  readonly sources: string[] = [];
  readonly notes: string[] = [];
  dwarf: Dwarf | undefined;
  readonly #path: string;
  readonly #files: ElfFile[];
  readonly #builder = new SymbolTableBuilder();

  constructor(elf: ElfFile, path: string) {
    this.elf = elf;
    this.#path = path;
    this.#files = [elf];
  }

  run(): SymbolTable {
    const { elf, sources, notes } = this;
    sources.push(...(this.#attempt('', () => this.#builder.addFile(elf)) ?? []));
    const isStripped = !sources.includes('.symtab');
    const hasOwnDwarf = hasContents(elf, '.debug_info');
    if (isStripped || !hasOwnDwarf) this.#takeDebugFile();
    const foundDebugFile = this.#files.length > 1;
    if (isStripped && !foundDebugFile) {
      this.#take('.gnu_debugdata', () => this.#addDebugData());
      this.#take('', () => addGoFunctions(elf, this.#builder));
    }
    if (this.dwarf === undefined && hasOwnDwarf) {
      this.dwarf = this.#attempt('', () => Dwarf.open(elf, notes));
    }
    if (this.dwarf !== undefined) sources.push('.debug_info');
    if (this.#builder.length === 0) addNote(notes, 'the file is stripped: it has no symbols');
    return this.#builder.build();
  }

  get symbols(): number {
    return this.#builder.length;
  }

  /** Closes what debug information does not go on to use. */
  closeFiles(): void {
    for (const file of this.#files) if (file !== this.dwarf?.elf) file.close();
  }

  #takeDebugFile(): void {
    const found = this.#attempt('', () => findDebugFile(this.elf, this.#path, this.notes));
    if (found === undefined) return;
    const { elf, path } = found;
    this.#files.push(elf);
    this.#take(path, () => (this.#builder.addSection(elf, '.symtab') > 0 ? path : undefined));
    this.dwarf = this.#attempt(path, () => Dwarf.open(elf, this.notes));
  }

  #addDebugData(): string | undefined {
    const section = this.elf.section('.gnu_debugdata');
    if (section === undefined || section.type === SectionType.NoBits) return undefined;
    const mini = ElfFile.open(decompressXz(this.elf.read(section), MAX_DEBUGDATA_BYTES));
    return this.#builder.addSection(mini, '.symtab') > 0 ? section.name : undefined;
  }

  #take(what: string, add: () => string | undefined): void {
    const source = this.#attempt(what, add);
    if (source !== undefined) this.sources.push(source);
  }

  #attempt<T>(what: string, action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      addNote(this.notes, what === '' ? error.message : `${what}: ${error.message}`);
      return undefined;
    }
  }
}

function hasContents(elf: ElfFile, name: string): boolean {
  const section = elf.section(name);
  return section !== undefined && section.type !== SectionType.NoBits && section.size > 0;
}
