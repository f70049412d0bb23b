/**
 * A stream of chunks that may start over, continued in one profile. Whoever sends it begins new tables now and then, so that
 * its memory is bounded, with a chunk of sequence 0; rows of the new tables come after those that the profile has:
 *
 *     the stream's stacks   0 1 2 3 | 0 1 2      | 0 1
 *     the profile's         0 1 2 3   4 5 6        7 8
 *
 * Texts and sample types are the same rows before and after, for readers tell by them what belongs together.
 */
import { type Chunk, type Increment, missing } from './chunk';
import { PATCH_REFERENCES, REFERENCES } from './chunk-rows';
import type { Profile, SymbolPatch } from './profile';
import { type Columns, isEventTable, NONE, TABLE_NAMES, type TableName } from './schema';
import { U32List } from './u32-list';

/** Where a row of the stream is in the profile. One that the stream doesn't have is in no profile either. */
type Place = (index: number) => number;
/** Not NONE, and beyond the end of every table. */
const NOWHERE = NONE - 1;

/** Tables of the stream since it started over, as rows of the profile. */
class Translation {
  readonly #profile: Profile;
  readonly #knownStrings: Map<string, number>;
  readonly #strings = new U32List();
  readonly #sampleTypes = new U32List();
  /** By table: how many rows the profile had. */
  readonly #offsets: Readonly<Record<TableName, number>>;

  constructor(profile: Profile) {
    this.#profile = profile;
    this.#knownStrings = new Map(profile.strings.map((text, index) => [text, index]));
    this.#offsets = Object.fromEntries(
      TABLE_NAMES.map((name) => [name, isEventTable(name) ? 0 : profile[name].length]),
    ) as Record<TableName, number>;
  }

  /** The chunk as one that continues the profile. */
  translate(chunk: Chunk): Chunk {
    const strings = this.#addStrings(chunk);
    const places = this.#places();
    const sampleTypes = this.#addSampleTypes(chunk.tables.sampleTypes, places.strings);
    const table = <T extends TableName>(name: T): Increment<T> => {
      const { base, length, columns } = chunk.tables[name];
      return {
        base: base + this.#offsets[name],
        length,
        columns: moved(columns, REFERENCES[name], places) as Columns<T>,
      };
    };
    return {
      header: chunk.header,
      losses: chunk.losses,
      strings,
      tables: {
        ...(Object.fromEntries(
          TABLE_NAMES.map((name) => [name, table(name)]),
        ) as unknown as Chunk['tables']),
        sampleTypes,
      },
      patch: moved(chunk.patch, PATCH_REFERENCES, places) as SymbolPatch,
    };
  }

  #places(): Readonly<Record<TableName | 'strings', Place>> {
    const listed =
      (list: U32List): Place =>
      (index) =>
        index < list.length ? list.values[index] : NOWHERE;
    return {
      ...(Object.fromEntries(
        TABLE_NAMES.map((name): [TableName, Place] => [
          name,
          (index) => Math.min(NOWHERE, index + this.#offsets[name]),
        ]),
      ) as Record<TableName, Place>),
      sampleTypes: listed(this.#sampleTypes),
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

  #addSampleTypes(
    { base, length, columns }: Increment<'sampleTypes'>,
    text: Place,
  ): Increment<'sampleTypes'> {
    if (base !== this.#sampleTypes.length)
      throw missing('sampleTypes', base, this.#sampleTypes.length);
    const known = this.#profile.sampleTypes;
    const [name, unit]: [number[], number[]] = [[], []];
    for (let row = 0; row < length; row++) {
      const [ownName, ownUnit] = [text(columns.name[row]), text(columns.unit[row])];
      let index = 0;
      while (
        index < known.length &&
        (known.columns.name[index] !== ownName || known.columns.unit[index] !== ownUnit)
      )
        index++;
      if (index === known.length) {
        index += name.push(ownName) - 1;
        unit.push(ownUnit);
      }
      this.#sampleTypes.push(index);
    }
    return {
      base: known.length,
      length: name.length,
      columns: { name: Uint32Array.from(name), unit: Uint32Array.from(unit) },
    };
  }
}

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
  places: Readonly<Record<TableName | 'strings', Place>>,
): object {
  return Object.fromEntries(
    Object.entries(columns).map(([column, values]: [string, Uint32Array]) => {
      const target = references[column];
      if (target === undefined || values.length === 0) return [column, values];
      const place = places[target];
      return [column, values.map((index) => (index === NONE ? NONE : place(index)))];
    }),
  );
}
