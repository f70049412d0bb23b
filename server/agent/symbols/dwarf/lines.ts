/** Line tables: the source line of every address of a unit. DWARF versions 2 to 5. */
import { ElfError } from '../../elf/elf-file';
import { NONE } from '../protocol';
import { lastAtOrBelow } from '../sorted-order';
import { Cursor } from './cursor';
import { type Encoding, Form, readValue } from './forms';
import type { DebugSections } from './sections';
import { Attribute, textOf, type Unit, type Value } from './unit';

const MAX_PROGRAM_BYTES = 64 * 1024 * 1024;
const MAX_ROWS = 4_000_000;
const MAX_FILES = 500_000;
const Standard = {
  Extended: 0,
  Copy: 1,
  AdvancePc: 2,
  AdvanceLine: 3,
  SetFile: 4,
  SetColumn: 5,
  NegateStatement: 6,
  SetBasicBlock: 7,
  ConstAddPc: 8,
  FixedAdvancePc: 9,
} as const;
const Extended = { EndSequence: 1, SetAddress: 2 } as const;
const ContentType = { Path: 1, Folder: 2 } as const;

export interface SourceLine {
  readonly file: string | undefined;
  /** 0 where the compiler named none. */
  readonly line: number;
}

interface FileEntry {
  readonly name: string;
  readonly folder: number;
}

interface Row {
  readonly address: number;
  readonly file: number;
  readonly line: number;
}

export class LineTable {
  /** Rows: where they start, rising, and their file and line; file is NONE where there is no code. */
  readonly #starts: Float64Array;
  readonly #files: Uint32Array;
  readonly #lines: Uint32Array;
  readonly #names: FileNames;

  constructor(rows: LineRows, names: FileNames) {
    const sorted = rows.sorted();
    this.#starts = sorted.starts;
    this.#files = sorted.files;
    this.#lines = sorted.lines;
    this.#names = names;
  }

  get bytes(): number {
    return this.#starts.length * 16 + this.#names.bytes;
  }

  find(address: number): SourceLine | undefined {
    const row = lastAtOrBelow(this.#starts, address);
    if (row < 0 || this.#files[row] === NONE) return undefined;
    return { file: this.fileName(this.#files[row]), line: this.#lines[row] };
  }

  /** The path of a file by the number that entries of the unit know it by. */
  fileName(file: number): string | undefined {
    return this.#names.path(file);
  }
}

class FileNames {
  readonly #folders: readonly string[];
  readonly #files: readonly FileEntry[];
  readonly #base: 0 | 1;
  readonly #compilationFolder: string;
  readonly #paths: (string | undefined)[] = [];

  /** Files are numbered from `base`, folders from 0, which is the compilation's. */
  constructor(
    folders: readonly string[],
    files: readonly FileEntry[],
    base: 0 | 1,
    compilationFolder: string,
  ) {
    this.#folders = folders;
    this.#files = files;
    this.#base = base;
    this.#compilationFolder = compilationFolder;
  }

  get bytes(): number {
    return (this.#folders.length + this.#files.length) * 100;
  }

  path(file: number): string | undefined {
    const index = file - this.#base;
    // NONE, of what is not inlined, is the most frequent; as an index V8 would make a string of it.
    if (index < 0 || index >= this.#files.length) return undefined;
    this.#paths[index] ??= this.#join(this.#files[index]);
    return this.#paths[index];
  }

  #join({ name, folder }: FileEntry): string {
    if (name.startsWith('/')) return name;
    const inFolder = this.#folders[folder] ?? '';
    const path = inFolder === '' ? name : `${inFolder}/${name}`;
    if (path.startsWith('/') || this.#compilationFolder === '') return path;
    return `${this.#compilationFolder}/${path}`;
  }
}

/** The rows of a unit, sequence by sequence; within one, addresses rise. */
class LineRows {
  readonly #addresses: number[] = [];
  readonly #files: number[] = [];
  readonly #lines: number[] = [];
  /** Where each sequence starts and ends among the rows. */
  readonly #sequences: { readonly start: number; readonly end: number }[] = [];
  #sequenceStart = 0;

  get length(): number {
    return this.#addresses.length;
  }

  push({ address, file, line }: Row): void {
    const last = this.#addresses.length - 1;
    if (last >= this.#sequenceStart) {
      // What does not rise is broken; of several rows for one address, the last holds.
      if (address < this.#addresses[last]) return;
      if (this.#addresses[last] === address) this.#pop();
      else if (this.#files[last] === file && this.#lines[last] === line) return;
    }
    this.#addresses.push(address);
    this.#files.push(file);
    this.#lines.push(line);
    if (this.#addresses.length > MAX_ROWS) {
      throw new ElfError('too-large', 'a line table with too many rows');
    }
  }

  #pop(): void {
    this.#addresses.pop();
    this.#files.pop();
    this.#lines.pop();
  }

  /** Ends a sequence at `address`; it is kept if its code is in the file. */
  end(address: number, isCode: (address: number) => boolean): void {
    const start = this.#sequenceStart;
    if (start < this.length && isCode(this.#addresses[start])) {
      this.push({ address, file: NONE, line: 0 });
      this.#sequences.push({ start, end: this.length });
    } else {
      while (this.length > start) this.#pop();
    }
    this.#sequenceStart = this.length;
  }

  sorted(): { starts: Float64Array; files: Uint32Array; lines: Uint32Array } {
    while (this.length > this.#sequenceStart) this.#pop();
    const starts = new Float64Array(this.length);
    const files = new Uint32Array(this.length);
    const lines = new Uint32Array(this.length);
    this.#sequences.sort((a, b) => this.#addresses[a.start] - this.#addresses[b.start]);
    let length = 0;
    for (const { start, end } of this.#sequences) {
      // Where the last sequence ended, this one starts; one that runs into the next is cut off there.
      while (length > 0 && starts[length - 1] >= this.#addresses[start]) length--;
      for (let row = start; row < end; row++) {
        starts[length] = this.#addresses[row];
        files[length] = this.#files[row];
        lines[length++] = this.#lines[row];
      }
    }
    return {
      starts: starts.slice(0, length),
      files: files.slice(0, length),
      lines: lines.slice(0, length),
    };
  }
}

interface ProgramHeader extends Encoding {
  readonly minInstructionBytes: number;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  /** How many operands each standard opcode has, by opcode. */
  readonly operands: readonly number[];
  readonly names: FileNames;
}

/** Runs the line program of a unit; undefined where it has none. Throws ElfError. */
export function readLines(
  sections: DebugSections,
  unit: Unit,
  isCode: (address: number) => boolean,
): LineTable | undefined {
  const at = unit.root.get(Attribute.LineTable)?.number;
  if (at === undefined) return undefined;
  const left = sections.size('.debug_line') - at;
  const start = new Cursor(sections.window('.debug_line', at, Math.min(12, left)));
  let length = start.u32();
  const is64Bit = length === 0xffffffff;
  if (is64Bit) length = start.u64();
  if (length > MAX_PROGRAM_BYTES)
    throw new ElfError('too-large', `a line table of ${length} bytes`);
  const cursor = new Cursor(sections.read('.debug_line', at + start.at, length));
  const header = readProgramHeader(sections, unit, cursor, is64Bit);
  const rows = new LineRows();
  run(cursor, header, rows, isCode);
  return new LineTable(rows, header.names);
}

function readProgramHeader(
  sections: DebugSections,
  unit: Unit,
  cursor: Cursor,
  is64Bit: boolean,
): ProgramHeader {
  const version = cursor.u16();
  if (version < 2 || version > 5) {
    throw new ElfError('unsupported', `a line table of DWARF version ${version}`);
  }
  let { addressBytes } = unit;
  if (version >= 5) {
    addressBytes = cursor.u8();
    cursor.skip(1);
  }
  const programAt = cursor.offset(is64Bit) + cursor.at;
  const minInstructionBytes = cursor.u8();
  if (version >= 4) cursor.skip(1);
  cursor.skip(1);
  const lineBase = cursor.i8();
  const lineRange = cursor.u8();
  const opcodeBase = cursor.u8();
  if (lineRange === 0) throw new ElfError('malformed', 'a line table without a line range');
  const operands = [0];
  for (let opcode = 1; opcode < opcodeBase; opcode++) operands.push(cursor.u8());
  const encoding = { version, is64Bit, addressBytes };
  const folderValue = unit.root.get(Attribute.CompilationFolder);
  const folder = (folderValue && textOf(sections, unit, folderValue)) ?? '';
  const names =
    version >= 5
      ? readFileTables(sections, unit, cursor, encoding, folder)
      : readOldFileTables(cursor, folder);
  if (programAt < cursor.at) throw new ElfError('malformed', 'a line table in its own header');
  cursor.skip(programAt - cursor.at);
  return { ...encoding, minInstructionBytes, lineBase, lineRange, opcodeBase, operands, names };
}

function readOldFileTables(cursor: Cursor, compilationFolder: string): FileNames {
  const folders = [''];
  for (;;) {
    const folder = cursor.string();
    if (folder === '') break;
    folders.push(folder);
  }
  const files: FileEntry[] = [];
  for (;;) {
    const name = cursor.string();
    if (name === '') break;
    files.push({ name, folder: cursor.unsigned() });
    cursor.unsigned();
    cursor.unsigned();
  }
  return new FileNames(folders, files, 1, compilationFolder);
}

function readFileTables(
  sections: DebugSections,
  unit: Unit,
  cursor: Cursor,
  encoding: Encoding,
  compilationFolder: string,
): FileNames {
  const read = (): FileEntry[] => {
    const format: number[] = [];
    for (let left = cursor.u8(); left > 0; left--)
      format.push(cursor.unsigned(), cursor.unsigned());
    const count = cursor.unsigned();
    // Entries may be of no length: only this bounds them.
    if (count > MAX_FILES) throw new ElfError('too-large', `a line table with ${count} files`);
    return Array.from({ length: count }, () => {
      let name = '';
      let folder = 0;
      for (let i = 0; i < format.length; i += 2) {
        const form = format[i + 1];
        const value: Value =
          form === Form.String
            ? { form, number: 0, text: cursor.string() }
            : { form, number: readValue(cursor, form, 0, encoding) };
        if (format[i] === ContentType.Path) name = textOf(sections, unit, value) ?? '';
        else if (format[i] === ContentType.Folder) folder = value.number;
      }
      return { name, folder };
    });
  };
  const folders = read().map(({ name }) => name);
  const files = read();
  return new FileNames(folders, files, 0, compilationFolder);
}

function run(
  cursor: Cursor,
  header: ProgramHeader,
  rows: LineRows,
  isCode: (address: number) => boolean,
): void {
  const { minInstructionBytes, lineBase, lineRange, opcodeBase, operands } = header;
  let [address, file, line] = [0, 1, 1];
  while (!cursor.atEnd) {
    const opcode = cursor.u8();
    if (opcode >= opcodeBase) {
      const adjusted = opcode - opcodeBase;
      address += Math.floor(adjusted / lineRange) * minInstructionBytes;
      line += lineBase + (adjusted % lineRange);
      rows.push({ address, file, line });
      continue;
    }
    switch (opcode) {
      case Standard.Extended: {
        const length = cursor.unsigned();
        if (length === 0) break;
        const next = cursor.at + length;
        const extended = cursor.u8();
        if (extended === Extended.EndSequence) {
          rows.end(address, isCode);
          [address, file, line] = [0, 1, 1];
        } else if (extended === Extended.SetAddress) {
          address = length === 5 ? cursor.u32() : cursor.u64();
        }
        if (next < cursor.at) throw new ElfError('malformed', 'a line table is cut short');
        cursor.skip(next - cursor.at);
        break;
      }
      case Standard.Copy:
        rows.push({ address, file, line });
        break;
      case Standard.AdvancePc:
        address += cursor.unsigned() * minInstructionBytes;
        break;
      case Standard.AdvanceLine:
        line += cursor.signed();
        break;
      case Standard.SetFile:
        file = cursor.unsigned();
        break;
      case Standard.ConstAddPc:
        address += Math.floor((255 - opcodeBase) / lineRange) * minInstructionBytes;
        break;
      case Standard.FixedAdvancePc:
        address += cursor.u16();
        break;
      default:
        for (let left = operands[opcode]; left > 0; left--) cursor.unsigned();
    }
  }
}
