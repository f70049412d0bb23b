/** All that is known of the names of one module's code. */
import { placeName } from '@/profile/names';
import { ElfError, ElfFile, SectionType } from '../elf/elf-file';
import { type Bounds, FunctionBounds } from '../elf/function-bounds';
import { openBuild } from '../elf/open-build';
import { type DebugFile, findDebugFile } from './debug-files';
import type { Demangler } from './demangle';
import { Dwarf, type DwarfPlace } from './dwarf/dwarf';
import { FrameRows } from './frame-rows';
import { addGoFunctions } from './go-functions';
import { NameList } from './name-list';
import { type PltStubs, readPltStubs } from './plt-stubs';
import {
  addNote,
  type FrameColumns,
  type ModuleReference,
  type ModuleReport,
  NAMED,
  NO_NAME,
  NONE,
  type SentNames,
} from './protocol';
import type { SymbolCache } from './symbol-cache';
import type { SymbolNames } from './symbol-names';
import { type SymbolTable, SymbolTableBuilder } from './symbol-table';
import { readVdso } from './vdso';
import { decompressXz } from './xz';

const VDSO_PATH = '[vdso]';
/** Decompressed; that of a large library is some MB. */
const MAX_DEBUGDATA_BYTES = 64 * 1024 * 1024;
/** Tables of fewer functions are read as quickly from their file. */
const MIN_CACHED_SYMBOLS = 2000;
/** Names that are kept demangled, of one module. */
const MAX_DEMANGLED_BYTES = 8 * 1024 * 1024;
/** Objects, and what the kernel keeps for open files. */
const OWN_BYTES = 8 * 1024;
/** What a debug file is called that a debuginfod server had. */
const FETCHED = 'debuginfod';
const NO_SYMBOLS = 'the file is stripped: it has no symbols';
/** For an inlined function whose name is in a file that we don't read. */
const NAMELESS = '[inlined function]';
/** Nothing is known of where functions are. */
const UNBOUNDED: Bounds = {
  start: Number.NEGATIVE_INFINITY,
  end: Number.POSITIVE_INFINITY,
  isFunction: false,
};

export class ModuleSymbols {
  readonly #reference: ModuleReference;
  /** For going from file offsets to addresses; the file may be closed. */
  readonly #elf: ElfFile;
  readonly #table: SymbolTable;
  readonly #symbols: number;
  readonly #dwarf: Dwarf | undefined;
  readonly #bounds: FunctionBounds | undefined;
  readonly #stubs: PltStubs | undefined;
  readonly #sources: readonly string[];
  readonly #notes: readonly string[];
  /** Demangled names, and which is each range's; NONE where it was not asked for yet. */
  #names = new NameList();
  #nameOfRange: Uint32Array | undefined;
  /** The same of ranges of which debug information describes a part. */
  readonly #nameOfDescribed = new Map<number, number>();
  /** What stands for the names of functions that have none, by their start, or that of the code of which nothing is known. */
  readonly #nameOfPlace = new Map<number, number>();
  readonly #nameOfStub = new Map<number, number>();

  /**
   * Reads a module's symbols. Throws ElfError where the file can't be read, or is none that could have any; a module
   * without symbols is no error. What took long is kept in `cache`.
   */
  static load(reference: ModuleReference, cache?: SymbolCache): ModuleSymbols {
    const elf = openModule(reference);
    const loader = new Loader(elf, reference.path, cache);
    let table: SymbolTable | undefined;
    try {
      table = loader.run();
      return new ModuleSymbols(reference, loader, table);
    } catch (error) {
      loader.dwarf?.close();
      loader.bounds?.close();
      loader.stubs?.names.close();
      throw error;
    } finally {
      loader.closeFiles(table?.names);
    }
  }

  private constructor(reference: ModuleReference, loader: Loader, table: SymbolTable) {
    this.#reference = reference;
    this.#elf = loader.elf;
    this.#table = table;
    this.#symbols = loader.symbols;
    this.#dwarf = loader.dwarf;
    this.#bounds = loader.bounds;
    this.#stubs = loader.stubs;
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

  /** Of the file; '' where it has none. */
  get buildId(): string {
    return this.#elf.buildId;
  }

  /** As in Naming. */
  get isPoor(): boolean {
    return this.#sources.every((source) => source === '.dynsym');
  }

  /** As in Naming. */
  get unnamedReason(): string {
    const reason =
      this.#symbols === 0
        ? NO_SYMBOLS
        : this.isPoor
          ? 'the file is stripped: it has only the names that dynamic linking needs'
          : 'none of its symbols has this code';
    return [reason, ...this.#notes.filter((note) => note !== NO_SYMBOLS)].join('; ');
  }

  /** What this holds in memory. */
  get bytes(): number {
    const names = this.#names.bytes + (this.#nameOfRange?.byteLength ?? 0);
    const stubs = this.#stubs?.bytes ?? 0;
    return OWN_BYTES + this.#table.bytes + names + stubs + (this.#dwarf?.bytes ?? 0);
  }

  /** Of the names that the requester says to have, how many it does; where that is none, they are numbered anew. */
  knownNames({ generation, count }: SentNames): number {
    if (generation === this.#names.generation) return count;
    this.#forgetNames();
    return 0;
  }

  /** All names that frames of `symbolize` have had. */
  get sentNames(): SentNames {
    return this.#names.all;
  }

  /** Closes the files that names and debug information are read from. */
  close(): void {
    this.#table.names.close();
    this.#stubs?.names.close();
    this.#dwarf?.close();
    this.#bounds?.close();
  }

  /** The frames at these file offsets, for one who has the module's names below `firstName`. Throws ElfError. */
  symbolize(fileOffsets: Float64Array, demangler: Demangler, firstName = 0): FrameColumns {
    const rows = new FrameRows();
    const result = new Uint32Array(fileOffsets.length).fill(NONE);
    const named = this.#namesOfRanges();
    const [unnamed, described, nameless]: [number[], number[], number[]] = [[], [], []];
    const unnamedRanges: number[] = [];
    for (let i = 0; i < fileOffsets.length; i++) {
      const address = this.#elf.addressOfFileOffset(fileOffsets[i]);
      if (address === undefined) continue;
      const range = this.#table.rangeAt(address);
      const name = range < 0 ? NONE : named[range];
      // By far the most, of one who asks again and again: so nothing else is looked at before.
      if (name !== NONE) result[i] = NAMED + name;
      else if (this.#dwarf?.describes(address)) described.push(i);
      else if (range >= 0 && !this.#table.isGap(range)) {
        unnamed.push(i);
        unnamedRanges.push(range);
      } else nameless.push(i);
    }
    try {
      this.#table.forEachName(unnamedRanges, (index, mangled) => {
        const i = unnamed[index];
        result[i] = NAMED + this.#demangle(fileOffsets[i], demangler, mangled);
      });
      for (const i of nameless) {
        const stub = this.#nameStub(fileOffsets[i], demangler);
        const place = stub === NONE ? this.#placeOf(fileOffsets[i]) : stub;
        if (place !== NONE) result[i] = NAMED + place;
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
          result[i] = NAMED + this.#demangle(fileOffsets[i], demangler);
        }
      }
    } catch (error) {
      // They are not sent, so they are not known.
      this.#forgetNames();
      throw error;
    }
    return rows.finish(result, this.#names, firstName);
  }

  /** Drops the names where they have grown too many: those who know them get them anew. */
  trimNames(): void {
    if (this.#names.length > MAX_DEMANGLED_BYTES) this.#forgetNames();
  }

  /** NONE where the name was not asked for yet, or where debug information knows more of some of the range. */
  #namesOfRanges(): Uint32Array {
    this.#nameOfRange ??= new Uint32Array(this.#table.length).fill(NONE);
    return this.#nameOfRange;
  }

  /** The number of the name of the range that has the code at `fileOffset`. `mangled`: that name, if it was read. */
  #demangle(fileOffset: number, demangler: Demangler, mangled?: Uint8Array): number {
    const address = this.#elf.addressOfFileOffset(fileOffset)!;
    const range = this.#table.find(address);
    const named = this.#namesOfRanges();
    const known = named[range] === NONE ? this.#nameOfDescribed.get(range) : named[range];
    if (known !== undefined) return known;
    const bias = fileOffset - address;
    const [start, end] = this.#table.range(range);
    // Debug information may know more of some addresses than of others.
    const isPlain = this.#dwarf?.describesSome(start, end) !== true;
    const name = this.#names.add(
      (sink) => demangler.demangleTo(mangled ?? this.#table.nameBytes(range), sink),
      isPlain ? [start + bias, end + bias] : undefined,
    );
    if (isPlain) named[range] = name;
    else this.#nameOfDescribed.set(range, name);
    return name;
  }

  /** The number of the name of the stub at `fileOffset`, as in objdump: `strlen@plt`; NONE where there is none, or it has no name. */
  #nameStub(fileOffset: number, demangler: Demangler): number {
    const address = this.#elf.addressOfFileOffset(fileOffset)!;
    const stub = this.#stubs?.find(address);
    if (stub === undefined || stub.name?.length === 0) return NONE;
    const known = this.#nameOfStub.get(stub.index);
    if (known !== undefined) return known;
    const name = stub.name ?? this.#nameOfFunctionAt(stub.resolver);
    if (name === undefined) return NONE;
    const bias = fileOffset - address;
    const index = this.#names.add(
      (sink) => {
        demangler.demangleTo(name, sink);
        sink.appendText('@plt');
      },
      [stub.start + bias, stub.end + bias],
    );
    this.#nameOfStub.set(stub.index, index);
    return index;
  }

  /** As the file has it. */
  #nameOfFunctionAt(address: number): Uint8Array | undefined {
    const range = this.#table.find(address);
    return range < 0 || this.#table.range(range)[0] !== address
      ? undefined
      : this.#table.nameBytes(range);
  }

  /**
   * The number of what stands for a name at `fileOffset`, where there is none: where its function begins, or NO_NAME, of all the
   * code around it of which nothing is known. NONE where it is not known how far that goes.
   */
  #placeOf(fileOffset: number): number {
    const address = this.#elf.addressOfFileOffset(fileOffset)!;
    const found = this.#bounds === undefined ? UNBOUNDED : this.#bounds.find(address);
    const code = this.#elf.codeAround(fileOffset);
    if (found === undefined || code === undefined) return NONE;
    const bias = fileOffset - address;
    // Some of its code may have a name.
    const [from, to] = this.#table.gapAround(address);
    const start = Math.max(found.start, from, code[0] - bias);
    const end = Math.min(found.end, to, code[1] - bias);
    const key = found.isFunction ? found.start : start;
    const known = this.#nameOfPlace.get(key);
    if (known !== undefined) return known;
    if (!found.isFunction && this.#dwarf?.describesSome(start, end) === true) return NONE;
    const text = found.isFunction ? placeName(found.start + bias) : NO_NAME.functionName;
    const name = this.#names.add((sink) => sink.appendText(text), [start + bias, end + bias]);
    this.#nameOfPlace.set(key, name);
    return name;
  }

  #forgetNames(): void {
    this.#names = new NameList();
    this.#nameOfRange = undefined;
    this.#nameOfDescribed.clear();
    this.#nameOfPlace.clear();
    this.#nameOfStub.clear();
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

function openModule({ key, path, fd }: ModuleReference): ElfFile {
  if (path === VDSO_PATH) return readVdso();
  if (fd === undefined) return openBuild(path, key);
  // Opened again, so that debug information can still be read when the caller has closed its own; the link leads to
  // the very file, even one that was deleted.
  return openBuild(`/proc/self/fd/${fd}`, key);
}

/** Goes through the places where symbols may be. One that is broken does not take the others away. */
class Loader {
  readonly elf: ElfFile;
  readonly sources: string[] = [];
  readonly notes: string[] = [];
  dwarf: Dwarf | undefined;
  /** Only where functions without a symbol are to be expected. */
  bounds: FunctionBounds | undefined;
  stubs: PltStubs | undefined;
  /** Functions in the tables. */
  symbols = 0;
  readonly #path: string;
  readonly #cache: SymbolCache | undefined;
  readonly #files: ElfFile[];
  readonly #builder = new SymbolTableBuilder();
  /** It was packed: taking it from the cache is quicker, however small it is. */
  #wasPacked = false;

  constructor(elf: ElfFile, path: string, cache: SymbolCache | undefined) {
    this.elf = elf;
    this.#path = path;
    this.#cache = cache;
    this.#files = [elf];
  }

  run(): SymbolTable {
    const { elf } = this;
    const hasOwnDwarf = hasContents(elf, '.debug_info');
    const isStripped = !hasContents(elf, '.symtab');
    const debugFile = isStripped || !hasOwnDwarf ? this.#findDebugFile() : undefined;
    const table = this.#storedTable(debugFile) ?? this.#makeTable(debugFile, isStripped);
    this.stubs = this.#attempt('.plt', () => readPltStubs(elf));
    if (debugFile !== undefined) this.#openDwarf(debugFile.path, debugFile.elf);
    if (this.dwarf === undefined && hasOwnDwarf) this.#openDwarf('', elf);
    if (this.dwarf !== undefined) this.sources.push('.debug_info');
    if (isStripped && debugFile === undefined)
      this.bounds = this.#attempt('.eh_frame_hdr', () => FunctionBounds.open(elf));
    return table;
  }

  #storedTable(debugFile: DebugFile | undefined): SymbolTable | undefined {
    const stored = this.#cache?.symbols(this.elf, debugFile?.elf);
    if (stored === undefined) return undefined;
    this.sources.push(...stored.sources);
    for (const note of stored.notes) addNote(this.notes, note);
    this.symbols = stored.symbols;
    return stored.table;
  }

  #makeTable(debugFile: DebugFile | undefined, isStripped: boolean): SymbolTable {
    const { elf, sources, notes } = this;
    const before = notes.length;
    sources.push(...(this.#attempt('', () => this.#builder.addFile(elf)) ?? []));
    if (debugFile !== undefined) {
      const { path } = debugFile;
      this.#take(path, () =>
        this.#builder.addSection(debugFile.elf, '.symtab') > 0 ? path : undefined,
      );
    } else if (isStripped) {
      this.#take('.gnu_debugdata', () => this.#addDebugData());
      this.#take('', () => this.#addGoFunctions());
    }
    this.symbols = this.#builder.length;
    if (this.symbols === 0) addNote(notes, NO_SYMBOLS);
    const table = this.#builder.build();
    if (this.symbols >= MIN_CACHED_SYMBOLS || this.#wasPacked) {
      const made = { table, symbols: this.symbols, sources, notes: notes.slice(before) };
      this.#cache?.putSymbols(made, { module: elf, debugFile: debugFile?.elf });
    }
    return table;
  }

  /** Closes the files that are not used any more: debug information and the names of symbols may stay in theirs. */
  closeFiles(names: SymbolNames | undefined): void {
    const used = [this.dwarf?.elf, this.bounds?.elf, this.stubs?.names.file, names?.file];
    for (const file of this.#files) if (!used.includes(file)) file.close();
  }

  #findDebugFile(): DebugFile | undefined {
    const found =
      this.#attempt('', () => findDebugFile(this.elf, this.#path, this.notes)) ??
      this.#fetchedDebugFile();
    if (found !== undefined) this.#files.push(found.elf);
    return found;
  }

  #fetchedDebugFile(): DebugFile | undefined {
    const { buildId } = this.elf;
    const elf = buildId === '' ? undefined : this.#cache?.debugFile(buildId);
    return elf && { elf, path: FETCHED };
  }

  #openDwarf(what: string, elf: ElfFile): void {
    this.dwarf = this.#attempt(what, () => Dwarf.open(elf, this.notes, this.#cache));
  }

  #addDebugData(): string | undefined {
    const section = this.elf.section('.gnu_debugdata');
    if (section === undefined || section.type === SectionType.NoBits) return undefined;
    const mini = ElfFile.open(decompressXz(this.elf.read(section), MAX_DEBUGDATA_BYTES));
    if (this.#builder.addSection(mini, '.symtab') === 0) return undefined;
    this.#wasPacked = true;
    return section.name;
  }

  #addGoFunctions(): string | undefined {
    const source = addGoFunctions(this.elf, this.#builder);
    this.#wasPacked ||= source !== undefined;
    return source;
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
