/**
 * A module's table of functions as bytes, for the cache on disk: a header of little-endian numbers, what it was made from
 * (JSON), the table's columns, and the names where they are not in a file of their own. A file that was cut short,
 * damaged, written by another version, or made up, is refused: a table that `decodeSymbols` answers is safe to use.
 */
import { ElfError } from '../elf/elf-file';
import { Checksum } from './checksum';
import { NONE } from './protocol';
import { type NameFile, SymbolNames } from './symbol-names';
import { SymbolTable } from './symbol-table';

/** "HRTHSYMS" */
const MAGIC = [0x48545248, 0x534d5953] as const;
/** Change it with the layout, and with whatever makes tables come out differently. */
const VERSION = 1;
const HEADER_BYTES = 64;
const MAX_TEXT_BYTES = 64 * 1024;
const At = {
  Magic: 0,
  Version: 8,
  /** Over all behind it. */
  Checksum: 12,
  Base: 16,
  NamesOffset: 24,
  NamesSize: 32,
  Ranges: 40,
  Symbols: 44,
  NamesIn: 48,
  TextBytes: 52,
} as const;

/** Where the names are: in the cached file, or in one of those that the table was made from. */
const NamesIn = { Cache: 0, Module: 1, DebugFile: 2 } as const;

/** The files that a table's names may be in. */
export interface SymbolFiles {
  readonly module: NameFile & { readonly size: number };
  readonly debugFile: (NameFile & { readonly size: number }) | undefined;
}

export interface StoredSymbols {
  readonly table: SymbolTable;
  /** Functions. */
  readonly symbols: number;
  /** As in ModuleReport. */
  readonly sources: readonly string[];
  readonly notes: readonly string[];
}

/** The file's parts, in order. Throws ElfError where the names can't be read. */
export function encodeSymbols(stored: StoredSymbols, files: SymbolFiles): Uint8Array[] {
  const { table, symbols, sources, notes } = stored;
  const { names } = table;
  const text = Buffer.from(JSON.stringify({ sources, notes }));
  const padded = Buffer.concat([text, Buffer.alloc(-text.length & 3, ' ')]);
  const namesIn =
    names.file === undefined
      ? NamesIn.Cache
      : names.file === files.module
        ? NamesIn.Module
        : NamesIn.DebugFile;
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  header.setUint32(At.Magic, MAGIC[0], true);
  header.setUint32(At.Magic + 4, MAGIC[1], true);
  header.setUint32(At.Version, VERSION, true);
  header.setFloat64(At.Base, table.base, true);
  header.setFloat64(At.NamesOffset, names.fileOffset, true);
  header.setFloat64(At.NamesSize, names.size, true);
  header.setUint32(At.Ranges, table.length, true);
  header.setUint32(At.Symbols, symbols, true);
  header.setUint32(At.NamesIn, namesIn, true);
  header.setUint32(At.TextBytes, padded.length, true);
  const parts = [
    new Uint8Array(header.buffer),
    padded,
    bytesOf(table.starts),
    bytesOf(table.allNameOffsets()),
    names.inMemory ?? new Uint8Array(0),
  ];
  header.setUint32(At.Checksum, checksumOf(parts), true);
  return parts;
}

/** `bytes` must be 4-aligned; the table keeps them. Throws ElfError, `malformed`, which says what is wrong. */
export function decodeSymbols(bytes: Uint8Array<ArrayBuffer>, files: SymbolFiles): StoredSymbols {
  if (bytes.length < HEADER_BYTES) throw malformed('its size');
  const header = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const u32 = (at: number): number => header.getUint32(at, true);
  if (u32(At.Magic) !== MAGIC[0] || u32(At.Magic + 4) !== MAGIC[1]) {
    throw malformed('its magic number');
  }
  if (u32(At.Version) !== VERSION) throw malformed(`version ${u32(At.Version)}`);
  if (checksumOf([bytes]) !== u32(At.Checksum)) throw malformed('its checksum');
  const [count, textBytes, namesIn] = [u32(At.Ranges), u32(At.TextBytes), u32(At.NamesIn)];
  const namesOffset = header.getFloat64(At.NamesOffset, true);
  const namesSize = header.getFloat64(At.NamesSize, true);
  const columnsAt = HEADER_BYTES + textBytes;
  const namesAt = columnsAt + count * 8;
  const ownNames = namesIn === NamesIn.Cache ? namesSize : 0;
  if (textBytes > MAX_TEXT_BYTES || textBytes % 4 !== 0 || namesAt + ownNames !== bytes.length) {
    throw malformed('its size');
  }
  const column = (index: number): Uint32Array =>
    new Uint32Array(bytes.buffer, bytes.byteOffset + columnsAt + index * count * 4, count);
  const [starts, nameOffsets] = [column(0), column(1)];
  for (let i = 0; i < count; i++) {
    if (i > 0 && starts[i] <= starts[i - 1]) throw malformed('its order');
    if (nameOffsets[i] !== NONE && nameOffsets[i] >= namesSize) throw malformed('a name');
  }
  const { sources, notes } = parseText(bytes.subarray(HEADER_BYTES, columnsAt));
  const base = header.getFloat64(At.Base, true);
  if (!Number.isSafeInteger(base)) throw malformed('its base');
  const names =
    namesIn === NamesIn.Cache
      ? SymbolNames.inMemory(bytes.subarray(namesAt))
      : namesInFile(namesIn === NamesIn.Module ? files.module : files.debugFile);
  return {
    table: new SymbolTable(
      base,
      { starts, names: nameOffsets, aliases: new Uint32Array(0) },
      names,
    ),
    symbols: u32(At.Symbols),
    sources,
    notes,
  };

  function namesInFile(file: SymbolFiles['debugFile']): SymbolNames {
    if (file === undefined || !(namesOffset >= 0 && namesOffset + namesSize <= file.size)) {
      throw malformed('where its names are');
    }
    return SymbolNames.inFile(file, namesOffset, namesSize);
  }
}

function parseText(bytes: Uint8Array): Pick<StoredSymbols, 'sources' | 'notes'> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    throw malformed('its text');
  }
  const { sources, notes } = (value ?? {}) as Record<string, unknown>;
  if (!isTexts(sources) || !isTexts(notes)) throw malformed('its text');
  return { sources, notes };
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((text) => typeof text === 'string');

const malformed = (what: string): ElfError =>
  new ElfError('malformed', `not a symbol file of this version: ${what}`);

const bytesOf = (words: Uint32Array): Uint8Array =>
  new Uint8Array(words.buffer, words.byteOffset, words.byteLength);

/** Of all that is behind the checksum in the header, which is in the first part. */
function checksumOf([first, ...others]: readonly Uint8Array[]): number {
  const checksum = new Checksum();
  checksum.add(first.subarray(At.Checksum + 4));
  for (const part of others) checksum.add(part);
  return checksum.value;
}
