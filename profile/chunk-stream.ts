/**
 * A stream of chunks that may start over, continued in one profile. Whoever sends it begins new tables now and then, so that
 * its memory is bounded, with a chunk of sequence 0; rows of the new tables come after those that the profile has:
 *
 *     the stream's stacks   0 1 2 3 | 0 1 2      | 0 1
 *     the profile's         0 1 2 3   4 5 6        7 8
 */
import { applyChunk, type Chunk, decodeChunk, type Increment, missing } from './chunk';
import { PATCH_REFERENCES, REFERENCES } from './chunk-rows';
import type { Profile, SymbolPatch } from './profile';
import {
  type Columns,
  EVENT_TABLES,
  emptyColumns,
  isEventTable,
  NONE,
  TABLE_NAMES,
  type TableName,
} from './schema';
import { U32List } from './u32-list';

/** Where a row of the stream is in the profile. One that the stream doesn't have is in no profile either. */
type Place = (index: number) => number;
/** Not NONE, and beyond the end of every table. */
const NOWHERE = NONE - 1;

const listed =
  (list: U32List): Place =>
  (index) =>
    index < list.length ? list.values[index] : NOWHERE;

/** Small tables whose rows are the same before and after, as texts are, for readers tell by them what belongs together. */
type KnownTable = 'sampleTypes' | 'mappings';

/** Tables of the stream since it started over, as rows of the profile. */
class Translation {
  readonly #profile: Profile;
  readonly #knownStrings: Map<string, number>;
  readonly #strings = new U32List();
  readonly #known: Readonly<Record<KnownTable, Map<string, number>>>;
  readonly #rows: Readonly<Record<KnownTable, U32List>> = {
    sampleTypes: new U32List(),
    mappings: new U32List(),
  };
  /** By table: how many rows the profile had. */
  readonly #offsets: Readonly<Record<TableName, number>>;

  constructor(profile: Profile) {
    this.#profile = profile;
    this.#knownStrings = new Map(profile.strings.map((text, index) => [text, index]));
    this.#known = {
      sampleTypes: keysOf(profile, 'sampleTypes'),
      mappings: keysOf(profile, 'mappings'),
    };
    this.#offsets = Object.fromEntries(
      TABLE_NAMES.map((name) => [name, isEventTable(name) ? 0 : profile[name].length]),
    ) as Record<TableName, number>;
  }

  /** The chunk as one that continues the profile. */
  translate(chunk: Chunk): Chunk {
    const strings = this.#addStrings(chunk);
    const place = listed(this.#strings);
    const known = {
      sampleTypes: this.#addRows('sampleTypes', chunk, place),
      mappings: this.#addRows('mappings', chunk, place),
    };
    const places = this.#places();
    const table = <T extends TableName>(name: T): Increment<T> => {
      const { base, length, columns } = chunk.tables[name];
      return {
        base: base + this.#offsets[name],
        length,
        columns: moved(columns, REFERENCES[name], places) as Columns<T>,
      };
    };
    const others = TABLE_NAMES.filter((name) => !(name in known));
    return {
      header: chunk.header,
      losses: chunk.losses,
      strings,
      tables: {
        ...known,
        ...Object.fromEntries(others.map((name) => [name, table(name)])),
      } as Chunk['tables'],
      patch: moved(chunk.patch, PATCH_REFERENCES, places) as SymbolPatch,
    };
  }

  #places(): Readonly<Record<TableName | 'strings', Place>> {
    const offset = (name: TableName): [TableName, Place] => [
      name,
      (index) => Math.min(NOWHERE, index + this.#offsets[name]),
    ];
    return {
      ...(Object.fromEntries(TABLE_NAMES.map(offset)) as Record<TableName, Place>),
      sampleTypes: listed(this.#rows.sampleTypes),
      mappings: listed(this.#rows.mappings),
      strings: listed(this.#strings),
    };
  }

  #addStrings({ strings: { base, values } }: Chunk): Chunk['strings'] {
    if (base !== this.#strings.length) throw missing('strings', base, this.#strings.length);
    const first = this.#profile.strings.length;
    const added: string[] = [];
    for (const text of values) {
      let index = this.#knownStrings.get(text);
      if (index === undefined) {
        index = first + added.push(text) - 1;
        this.#knownStrings.set(text, index);
      }
      this.#strings.push(index);
    }
    return { base: first, values: added };
  }

  /** The rows of a table that the profile doesn't have yet. */
  #addRows<T extends KnownTable>(name: T, chunk: Chunk, strings: Place): Increment<T> {
    const { base, length, columns } = chunk.tables[name] as Increment<T>;
    const [known, places] = [this.#known[name], this.#rows[name]];
    if (base !== places.length) throw missing(name, base, places.length);
    const first = this.#profile[name].length;
    const own = moved(columns, REFERENCES[name], { strings }) as LooseColumns;
    const added: number[] = [];
    for (let row = 0; row < length; row++) {
      const key = rowKey(own, row);
      let index = known.get(key);
      if (index === undefined) {
        index = first + added.push(row) - 1;
        known.set(key, index);
      }
      places.push(index);
    }
    const picked = Object.entries(own).map(([column, values]) => [
      column,
      values.filter((_, row) => added.includes(row)),
    ]);
    return { base: first, length: added.length, columns: Object.fromEntries(picked) };
  }
}

type LooseColumns = Readonly<Record<string, Uint8Array | Uint32Array>>;

const rowKey = (columns: LooseColumns, row: number): string =>
  Object.values(columns)
    .map((values) => values[row])
    .join(' ');

const keysOf = (profile: Profile, name: KnownTable): Map<string, number> =>
  new Map(
    Array.from({ length: profile[name].length }, (_, row) => [
      rowKey(profile[name].columns as unknown as LooseColumns, row),
      row,
    ]),
  );

/** Follows a stream into a profile. */
export class ChunkStream {
  readonly profile: Profile;
  /** undefined where the stream's tables are the profile's. */
  #translation: Translation | undefined;

  /** `profile`: what the stream's chunks have made so far, each of which came through here. */
  constructor(profile: Profile) {
    this.profile = profile;
  }

  /**
   * The stream's next chunk as one that continues the profile, to which it is to be applied before the next one. Throws
   * ChunkFormatError where one between is missing.
   */
  next(chunk: Chunk): Chunk {
    if (chunk.header.amends === true) return chunk;
    if (chunk.header.sequence === 0)
      this.#translation = isEmpty(this.profile) ? undefined : new Translation(this.profile);
    return this.#translation?.translate(chunk) ?? chunk;
  }
}

const isEmpty = (profile: Profile): boolean =>
  profile.strings.length === 0 && TABLE_NAMES.every((name) => profile[name].length === 0);

/** Columns with other places in those that point to rows. */
function moved(
  columns: object,
  references: Readonly<Record<string, TableName | 'strings'>>,
  places: Readonly<Partial<Record<TableName | 'strings', Place>>>,
): object {
  return Object.fromEntries(
    Object.entries(columns).map(([column, values]: [string, Uint32Array]) => {
      const place = places[references[column]];
      if (place === undefined || values.length === 0) return [column, values];
      return [column, values.map((index) => (index === NONE ? NONE : place(index)))];
    }),
  );
}

/** Applies the next chunk of a stream, encoded, to its profile, and returns it as one that continues the profile. Throws ChunkFormatError. */
export function applyNext(stream: ChunkStream, encoded: Uint8Array): Chunk {
  const chunk = stream.next(decodeChunk(encoded));
  applyChunk(stream.profile, chunk);
  return chunk;
}

/** The same of a chunk's names alone: of a profile that is to stay as it is no event, no loss, and not its end. */
export function applyNamesOfNext(stream: ChunkStream, encoded: Uint8Array): Chunk {
  const chunk = stream.next(decodeChunk(encoded));
  const without = EVENT_TABLES.map((name) => [
    name,
    { base: chunk.tables[name].base, length: 0, columns: emptyColumns(name) },
  ]);
  const names: Chunk = {
    ...chunk,
    header: stream.profile.header ?? chunk.header,
    losses: [],
    tables: { ...chunk.tables, ...Object.fromEntries(without) },
  };
  applyChunk(stream.profile, names);
  return names;
}
