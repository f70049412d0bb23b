/**
 * The chunk codec. A chunk is an increment of a profile: the rows that were added to each table since the last chunk,
 * late symbols for frames of earlier chunks, the samples and waits of its time slice, and what was lost in it. The same bytes go
 * from the agent to the web process, into the store, and to the browser; a profile is a fold over chunks.
 *
 *   offset  0  u32  magic "HRTH"          every number is little endian
 *           4  u16  version
 *           6  u16  0
 *           8  u32  length of the whole chunk in bytes
 *          12  u32  length of the header, JSON in UTF-8: ChunkHeader, losses, and the length of each section
 *          16       the header, padded with spaces to a multiple of 8
 *                   strings: lengths in bytes (u32 each, padded to 8), then UTF-8 (padded to 8)
 *                   for each table of SCHEMA in order: its columns in order, each padded to 8
 *                   the symbol patch: 5 columns of u32, each padded to 8
 *
 * Columns start on multiples of 8, so that they decode to views of the received bytes without a copy. The header is
 * JSON because there is one of it per chunk; samples never are.
 */
import { type EncodedHeader, parseEncodedHeader } from './chunk-header';
import { wrongRow } from './chunk-rows';
import type { LatencySource } from './latency/sources';
import { EMPTY_PATCH, Profile, type SymbolPatch } from './profile';
import {
  COLUMN_BYTES,
  type Columns,
  columnArray,
  emptyColumns,
  isEventTable,
  NONE,
  SCHEMA,
  TABLE_NAMES,
  type TableName,
} from './schema';
import type { Table } from './table';

/** How many samples or stacks were lost in a chunk's time slice for one reason; `reason` is a key of LOSS_REASONS. */
export interface Loss {
  readonly reason: string;
  readonly count: number;
}

export interface ChunkHeader {
  /** Counts up by one from chunk to chunk; a gap means that chunks are missing, 0 that the stream starts over. */
  readonly sequence: number;
  /**
   * The time slice [startNs, endNs) in CLOCK_MONOTONIC nanoseconds. A sample that was being written when the slice was
   * cut comes with the next chunk, so a few samples may be slightly older than startNs.
   */
  readonly startNs: number;
  readonly endNs: number;
  /** CLOCK_REALTIME minus CLOCK_MONOTONIC in nanoseconds. */
  readonly wallOffsetNs: number;
  /** Sampling frequency in Hz at the end of the slice; 0 where it is not known (imports). */
  readonly frequencyHz: number;
  /** From which length on all waits are taken, in ns; undefined where off-CPU profiling was off. */
  readonly thresholdNs?: number | undefined;
  /** Of how many latency events one was timed, of the sources that are thinned; undefined where all were, or none is measured. */
  readonly latencyOneIn?: number | undefined;
  /** Of which sources latencies were measured at the end of the slice, in any order; undefined where of none. */
  readonly latencySources?: readonly LatencySource[] | undefined;
  /** The chunk continues the whole profile that all chunks before it have made (better names for it, say), and no stream. */
  readonly amends?: true | undefined;
  /** The recording ends here, and of the waits that went on then it has the part until then. */
  readonly hasOpenWaits?: true | undefined;
}

/** How much is sampled and measured. */
export type Rates = Pick<
  ChunkHeader,
  'frequencyHz' | 'thresholdNs' | 'latencyOneIn' | 'latencySources'
>;

/** A table's new rows: `base` is the index of the first. */
export interface Increment<T extends TableName> {
  readonly base: number;
  readonly length: number;
  readonly columns: Columns<T>;
}

export interface Chunk {
  readonly header: ChunkHeader;
  readonly losses: readonly Loss[];
  readonly strings: { readonly base: number; readonly values: readonly string[] };
  readonly tables: { readonly [T in TableName]: Increment<T> };
  readonly patch: SymbolPatch;
}

export class ChunkFormatError extends Error {
  override readonly name = 'ChunkFormatError';
}

const MAGIC = 0x48545248; // "HRTH"
/**
 * Version 1 had no waits and no thread times, version 2 no latency samples: a table that the header doesn't name is empty.
 * Up to version 3 all latencies were timed, and had no column that says so. Up to version 4 no stored session starts over.
 * Up to version 5 neither the cgroups of processes nor the lengths of intervals of latencies were known, up to version 6 not the
 * scheduler's own account of threads, which were runnable from their wakeup on, with the way to a run queue; up to version 7 not what
 * the scheduler's clock makes of the difference.
 */
export const CHUNK_VERSION = 8;
/** Columns that older chunks don't have, and what stands in them instead. */
const ADDED_COLUMNS: readonly {
  readonly table: TableName;
  readonly column: string;
  readonly version: number;
  readonly instead: number;
}[] = [
  { table: 'latencies', column: 'oneIn', version: 4, instead: 1 },
  { table: 'processes', column: 'cgroup', version: 6, instead: NONE },
  { table: 'latencies', column: 'durationNs', version: 6, instead: 0 },
  { table: 'threadTimes', column: 'schedulerNs', version: 7, instead: -1 },
  { table: 'threadTimes', column: 'schedulerClockNs', version: 8, instead: 0 },
];
const PREFIX_BYTES = 16;
const PATCH_COLUMNS = ['frame', 'functionName', 'file', 'line', 'inlinedInto'] as const;

// Not by bits: lengths may be larger than 32 bits hold, in chunks that claim so.
const pad8 = (n: number): number => Math.ceil(n / 8) * 8;

/** Encodes a chunk into fresh bytes. */
export function encodeChunk(chunk: Chunk): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const texts = chunk.strings.values.map((value) => encoder.encode(value));
  const text = joined(texts);
  const lengths = Uint32Array.from(texts, ({ length }) => length);
  const sections = [bytesOf(lengths, lengths.length), text];
  const tables: Partial<Record<TableName, readonly [number, number]>> = {};
  for (const name of TABLE_NAMES) {
    const { base, length, columns } = chunk.tables[name];
    tables[name] = [base, length];
    if (length === 0) continue;
    for (const column in SCHEMA[name])
      sections.push(bytesOf((columns as Readonly<Record<string, Uint32Array>>)[column], length));
  }
  const patch = chunk.patch.frame.length;
  if (patch > 0) {
    for (const column of PATCH_COLUMNS) sections.push(bytesOf(chunk.patch[column], patch));
  }
  const encodedHeader: EncodedHeader = {
    header: chunk.header,
    losses: chunk.losses,
    strings: [chunk.strings.base, texts.length, text.length],
    tables,
    patch,
  };
  const headerText = encoder.encode(JSON.stringify(encodedHeader));
  const headerBytes = pad8(headerText.length);

  let size = PREFIX_BYTES + headerBytes;
  for (const section of sections) size += pad8(section.length);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, CHUNK_VERSION, true);
  view.setUint32(8, size, true);
  view.setUint32(12, headerBytes, true);
  bytes.fill(0x20, PREFIX_BYTES, PREFIX_BYTES + headerBytes);
  bytes.set(headerText, PREFIX_BYTES);
  let at = PREFIX_BYTES + headerBytes;
  for (const section of sections) {
    bytes.set(section, at);
    at += pad8(section.length);
  }
  return bytes;
}

/** The first `length` values of a column. */
function bytesOf(
  column: ArrayBufferView & { BYTES_PER_ELEMENT: number },
  length: number,
): Uint8Array {
  return new Uint8Array(column.buffer, column.byteOffset, length * column.BYTES_PER_ELEMENT);
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/**
 * Length in bytes of the chunk that starts at `offset`, for splitting a file or stream of chunks; undefined where fewer
 * than 16 bytes are there. Throws ChunkFormatError where no chunk starts.
 */
export function chunkByteLength(bytes: Uint8Array, offset = 0): number | undefined {
  if (bytes.length - offset < PREFIX_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, PREFIX_BYTES);
  if (view.getUint32(0, true) !== MAGIC)
    throw new ChunkFormatError('not a Hearth chunk: wrong magic number');
  const version = view.getUint16(4, true);
  if (version < 1 || version > CHUNK_VERSION) {
    throw new ChunkFormatError(
      `chunk version ${version}, but this Hearth reads versions 1 to ${CHUNK_VERSION}: open it with the Hearth that wrote it`,
    );
  }
  return view.getUint32(8, true);
}

/** A byte order mark at the start of a text is a part of it. */
const utf8Decoder = (): TextDecoder => new TextDecoder('utf-8', { ignoreBOM: true });

/** Whole chunks' sizes in bytes: of all, and of the header without its prefix. */
function sizesOf(bytes: Uint8Array): { readonly size: number; readonly headerBytes: number } {
  const size = chunkByteLength(bytes);
  if (size === undefined || size < PREFIX_BYTES || size > bytes.length)
    throw new ChunkFormatError('chunk is cut short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, PREFIX_BYTES);
  const headerBytes = view.getUint32(12, true);
  if (PREFIX_BYTES + headerBytes > size || headerBytes % 8 !== 0)
    throw new ChunkFormatError('chunk header is cut short');
  return { size, headerBytes };
}

/** Decodes the header of a chunk alone, which says what the rest holds. Throws ChunkFormatError. */
export function decodeHeader(bytes: Uint8Array): EncodedHeader {
  const { headerBytes } = sizesOf(bytes);
  const encoded = parseEncodedHeader(
    utf8Decoder().decode(bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + headerBytes)),
  );
  if (encoded === undefined) throw new ChunkFormatError('chunk header is not readable');
  return encoded;
}

/** Decodes one chunk. Its columns are views of `bytes`. Throws ChunkFormatError for anything that is not a whole chunk. */
export function decodeChunk(received: Uint8Array): Chunk {
  // Views need alignment: what was cut out of a larger buffer may have lost it.
  const bytes = received.byteOffset % 8 === 0 ? received : new Uint8Array(received);
  const { size, headerBytes } = sizesOf(bytes);
  const encoded = decodeHeader(bytes);
  const decoder = utf8Decoder();
  const view = new DataView(bytes.buffer, bytes.byteOffset, size);
  let at = PREFIX_BYTES + headerBytes;
  const take = (byteLength: number): number => {
    const start = at;
    at += pad8(byteLength);
    if (at > size) throw new ChunkFormatError('chunk section is cut short');
    return bytes.byteOffset + start;
  };
  const [stringBase, stringCount, textBytes] = encoded.strings;
  const lengths = new Uint32Array(bytes.buffer, take(stringCount * 4), stringCount);
  const text = new Uint8Array(bytes.buffer, take(textBytes), textBytes);
  const values: string[] = [];
  let textAt = 0;
  for (const length of lengths) {
    values.push(decoder.decode(text.subarray(textAt, textAt + length)));
    textAt += length;
    if (textAt > textBytes) throw new ChunkFormatError('chunk string is cut short');
  }
  const version = view.getUint16(4, true);
  const missingColumns = ADDED_COLUMNS.filter((added) => version < added.version);
  const tables: Partial<Record<TableName, unknown>> = {};
  for (const name of TABLE_NAMES) {
    const [base, length] = encoded.tables[name] ?? [0, 0];
    if (length === 0) {
      tables[name] = { base, length, columns: emptyColumns(name) };
      continue;
    }
    const columns: Record<string, unknown> = {};
    for (const [column, type] of Object.entries(SCHEMA[name])) {
      const added = missingColumns.find((one) => one.table === name && one.column === column);
      columns[column] =
        added === undefined
          ? columnArray(type, length, bytes.buffer, take(length * COLUMN_BYTES[type]))
          : columnArray(type, length).fill(added.instead);
    }
    tables[name] = { base, length, columns };
  }
  const patch =
    encoded.patch === 0
      ? EMPTY_PATCH
      : (Object.fromEntries(
          PATCH_COLUMNS.map((column) => [
            column,
            new Uint32Array(bytes.buffer, take(encoded.patch * 4), encoded.patch),
          ]),
        ) as unknown as SymbolPatch);
  return {
    header: encoded.header,
    losses: encoded.losses,
    strings: { base: stringBase, values },
    tables: tables as Chunk['tables'],
    patch,
  };
}

/**
 * Appends a chunk to the profile that its predecessors made. Throws ChunkFormatError, and leaves the profile as it was,
 * where one between them is missing, or where a row points to one that does not exist.
 */
export function applyChunk(profile: Profile, chunk: Chunk): void {
  if (chunk.strings.base !== profile.strings.length)
    throw missing('strings', chunk.strings.base, profile.strings.length);
  for (const name of TABLE_NAMES) {
    if (isEventTable(name)) continue; // a viewer may hold only the newest
    const table = profile[name];
    if (chunk.tables[name].base !== table.length)
      throw missing(name, chunk.tables[name].base, table.length);
  }
  const wrong = wrongRow(profile, chunk);
  if (wrong !== undefined) throw new ChunkFormatError(`chunk is inconsistent: ${wrong}`);
  for (const value of chunk.strings.values) profile.strings.push(value);
  const append = <T extends TableName>(name: T): void => {
    const { columns, length } = chunk.tables[name];
    if (length === 0) return;
    (profile[name] as unknown as Table<T>).pushRange(columns, 0, length);
  };
  for (const name of TABLE_NAMES) append(name);
  profile.patchSymbols(chunk.patch);
  profile.addLosses(chunk.losses);
  if (profile.header === undefined) profile.startNs = chunk.header.startNs;
  noteRates(profile, chunk.header);
  profile.header = chunk.header;
}

/** Equal for rates that are. */
export function ratesKey({
  frequencyHz,
  thresholdNs,
  latencyOneIn = 1,
  latencySources = [],
}: Rates): string {
  return [frequencyHz, thresholdNs, latencyOneIn, ...latencySources].join();
}

/** A slice in which a rate changed was taken with both; the change is where the slice begins. */
function noteRates(profile: Profile, header: ChunkHeader): void {
  const last = profile.rates.at(-1);
  if (last !== undefined && ratesKey(last) === ratesKey(header)) return;
  const { startNs, frequencyHz, thresholdNs, latencyOneIn = 1, latencySources = [] } = header;
  profile.rates.push({ timeNs: startNs, frequencyHz, thresholdNs, latencyOneIn, latencySources });
}

/** All that a profile holds, as one chunk; its columns are views of the profile's. `header`: the chunk's, the profile's losses are in it. */
export function chunkOf(profile: Profile, header: ChunkHeader): Chunk {
  const whole = <T extends TableName>(name: T): Increment<T> => {
    const { columns, length } = profile[name] as unknown as Table<T>;
    return {
      base: 0,
      length,
      columns: Object.fromEntries(
        Object.entries(columns).map(([column, values]) => [
          column,
          (values as Uint32Array).subarray(0, length),
        ]),
      ) as unknown as Columns<T>,
    };
  };
  return {
    header,
    losses: Array.from(profile.losses, ([reason, count]) => ({ reason, count })),
    strings: { base: 0, values: profile.strings },
    tables: Object.fromEntries(
      TABLE_NAMES.map((name) => [name, whole(name)]),
    ) as unknown as Chunk['tables'],
    patch: EMPTY_PATCH,
  };
}

/** Folds chunks, in order, into a new profile; their stream must not start over (see ChunkStream). */
export function profileOf(chunks: Iterable<Chunk>): Profile {
  const profile = new Profile();
  for (const chunk of chunks) applyChunk(profile, chunk);
  return profile;
}

/** Splits bytes that hold whole chunks one after another. Throws ChunkFormatError at anything else. */
export function* splitChunks(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const size = chunkByteLength(bytes, at);
    if (size === undefined || size < PREFIX_BYTES || at + size > bytes.length)
      throw new ChunkFormatError('chunk is cut short');
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** An error that says so. */
export function missing(table: string, got: number, expected: number): ChunkFormatError {
  return new ChunkFormatError(
    `a chunk is missing: ${table} continue at ${got}, expected ${expected}`,
  );
}
