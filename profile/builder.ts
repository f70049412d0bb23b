/** Builds a profile row by row, interning what repeats, and cuts it into chunks. */
import type { Chunk, ChunkHeader, Increment, Loss } from './chunk';
import { PairTable } from './pair-table';
import { EMPTY_PATCH, Profile, type SymbolPatch } from './profile';
import {
  EVENT_TABLES,
  emptyColumns,
  type FrameIndex,
  type FrameKind,
  isEventTable,
  type MappingIndex,
  type MappingKind,
  NONE,
  type ProcessIndex,
  type Row,
  type SampleTypeIndex,
  type StackIndex,
  type StringIndex,
  TABLE_NAMES,
  type TableName,
  type ThreadIndex,
} from './schema';
import type { Table } from './table';

const HIGH = 2 ** 32;

export interface FrameSymbol {
  readonly functionName: StringIndex;
  readonly file: StringIndex;
  readonly line: number;
  readonly inlinedInto: FrameIndex;
}

/** The frames of one mapping and kind. */
export class FramesByOffset {
  /** By low and high half of the offset. Small: there is one for each file and process. */
  readonly #frames = new PairTable(32);

  constructor(
    readonly profile: Profile,
    readonly mapping: MappingIndex,
    readonly kind: FrameKind,
  ) {}

  /** The frame at `offset` (>= 0); unnamed until `symbolize`. */
  at(offset: number): FrameIndex {
    const { frames } = this.profile;
    const index = this.#frames.add(offset >>> 0, offset / HIGH, frames.length);
    if (index === frames.length) {
      // Not `...UNNAMED`: V8 makes such an object slowly, and this is the profiler's innermost loop.
      frames.push({
        mapping: this.mapping,
        offset,
        kind: this.kind,
        functionName: NONE,
        file: NONE,
        line: 0,
        inlinedInto: NONE,
      });
    }
    return index;
  }

  /** Makes one known that the profile has already. */
  set(offset: number, index: FrameIndex): void {
    this.#frames.set(offset >>> 0, offset / HIGH, index);
  }
}

export const UNNAMED: FrameSymbol = { functionName: NONE, file: NONE, line: 0, inlinedInto: NONE };

export class ProfileBuilder {
  readonly profile: Profile;
  readonly #strings = new Map<string, StringIndex>();
  readonly #mappings = new Map<string, MappingIndex>();
  readonly #framesByOffset = new Map<number, FramesByOffset>();
  readonly #framesByName = new Map<string, FrameIndex>();
  readonly #stacks = new PairTable(1024);
  /** What earlier chunks hold already, by table. */
  readonly #cut: Record<TableName | 'strings', number>;
  readonly #patched = new Set<FrameIndex>();
  #sequence = 0;

  /**
   * Continues `profile`, which becomes the builder's own: its rows keep their indices, and are in no chunk that is cut
   * from here on. Its samples, waits and thread times are forgotten, as after a cut.
   */
  constructor(profile = new Profile()) {
    this.profile = profile;
    this.#cut = {
      strings: profile.strings.length,
      ...(Object.fromEntries(TABLE_NAMES.map((name) => [name, profile[name].length])) as Record<
        TableName,
        number
      >),
    };
    for (const name of EVENT_TABLES) profile[name].clear();
    if (profile.header !== undefined) this.#sequence = profile.header.sequence + 1;
    this.#internRows();
  }

  /** Makes known what the profile has already. */
  #internRows(): void {
    const { strings, mappings, frames, stacks } = this.profile;
    for (let i = strings.length - 1; i >= 0; i--) this.#strings.set(strings[i], i);
    for (let i = mappings.length - 1; i >= 0; i--) {
      const { buildId, path, kind } = mappings.columns;
      const text = (index: StringIndex): string => this.profile.string(index);
      this.#mappings.set(`${kind[i]} ${text(buildId[i])} ${text(path[i])}`, i);
    }
    const { mapping, offset, kind, functionName, file, line, inlinedInto } = frames.columns;
    for (let i = 0; i < frames.length; i++) {
      if (offset[i] >= 0) this.framesIn(mapping[i], kind[i] as FrameKind).set(offset[i], i);
      else {
        const symbol = {
          functionName: functionName[i],
          file: file[i],
          line: line[i],
          inlinedInto: inlinedInto[i],
        };
        this.#framesByName.set(nameKey(symbol, mapping[i], kind[i] as FrameKind), i);
      }
    }
    for (let i = 0; i < stacks.length; i++) {
      this.#stacks.set(stacks.columns.parent[i], stacks.columns.frame[i], i);
    }
  }

  string(text: string): StringIndex {
    let index = this.#strings.get(text);
    if (index === undefined) {
      index = this.profile.strings.push(text) - 1;
      this.#strings.set(text, index);
    }
    return index;
  }

  sampleType(name: string, unit: string): SampleTypeIndex {
    const [nameIndex, unitIndex] = [this.string(name), this.string(unit)];
    const { columns, length } = this.profile.sampleTypes;
    for (let i = 0; i < length; i++) {
      if (columns.name[i] === nameIndex && columns.unit[i] === unitIndex) return i;
    }
    return this.profile.sampleTypes.push({ name: nameIndex, unit: unitIndex });
  }

  /** `buildId` is lower-case hex, '' where there is none. */
  mapping(buildId: string, path: string, kind: MappingKind): MappingIndex {
    const key = `${kind} ${buildId} ${path}`;
    let index = this.#mappings.get(key);
    if (index === undefined) {
      index = this.profile.mappings.push({
        buildId: buildId === '' ? NONE : this.string(buildId),
        path: this.string(path),
        kind,
      });
      this.#mappings.set(key, index);
    }
    return index;
  }

  /** The frame at `offset` (>= 0) of a mapping. */
  frameAt(mapping: MappingIndex, offset: number, kind: FrameKind): FrameIndex {
    return this.framesIn(mapping, kind).at(offset);
  }

  /** For looking up many of one mapping. */
  framesIn(mapping: MappingIndex, kind: FrameKind): FramesByOffset {
    const key = mapping * 8 + kind;
    let frames = this.#framesByOffset.get(key);
    if (frames === undefined) {
      frames = new FramesByOffset(this.profile, mapping, kind);
      this.#framesByOffset.set(key, frames);
    }
    return frames;
  }

  /** The frame known by its symbol alone: JIT code, imports, inlined-into functions, reasons why unwinding stopped. */
  namedFrame(symbol: FrameSymbol, mapping: MappingIndex, kind: FrameKind): FrameIndex {
    const key = nameKey(symbol, mapping, kind);
    let index = this.#framesByName.get(key);
    if (index === undefined) {
      index = this.profile.frames.push({ ...symbol, mapping, offset: -1, kind });
      this.#framesByName.set(key, index);
    }
    return index;
  }

  /** Names a frame made by `frameAt`, now or again; frames of earlier chunks go out as a patch. */
  symbolize(frame: FrameIndex, symbol: FrameSymbol): void {
    const columns = this.profile.frames.columns;
    if (
      columns.functionName[frame] === symbol.functionName &&
      columns.file[frame] === symbol.file &&
      columns.line[frame] === symbol.line &&
      columns.inlinedInto[frame] === symbol.inlinedInto
    ) {
      return;
    }
    columns.functionName[frame] = symbol.functionName;
    columns.file[frame] = symbol.file;
    columns.line[frame] = symbol.line;
    columns.inlinedInto[frame] = symbol.inlinedInto;
    this.profile.symbolGeneration++;
    if (frame < this.#cut.frames) this.#patched.add(frame);
  }

  /** `parent` is the caller's stack, NONE for a root. */
  stack(parent: StackIndex, frame: FrameIndex): StackIndex {
    const { stacks } = this.profile;
    const index = this.#stacks.add(parent, frame, stacks.length);
    if (index === stacks.length) stacks.push({ parent, frame });
    return index;
  }

  process(row: Row<'processes'>): ProcessIndex {
    return this.profile.processes.push(row);
  }

  thread(row: Row<'threads'>): ThreadIndex {
    return this.profile.threads.push(row);
  }

  sample(row: Row<'samples'>): void {
    this.profile.samples.push(row);
  }

  wait(row: Row<'waits'>): void {
    this.profile.waits.push(row);
  }

  threadTime(row: Row<'threadTimes'>): void {
    this.profile.threadTimes.push(row);
  }

  latency(row: Row<'latencies'>): void {
    this.profile.latencies.push(row);
  }

  latencySample(row: Row<'latencySamples'>): void {
    this.profile.latencySamples.push(row);
  }

  /** What has been added since the last cut, as a chunk; its columns are copies. What happened is forgotten once it is cut. */
  cutChunk(header: Omit<ChunkHeader, 'sequence'>, losses: readonly Loss[]): Chunk {
    const { profile } = this;
    const increment = <T extends TableName>(name: T): Increment<T> => {
      const { columns, length } = profile[name] as unknown as Table<T>;
      const base = isEventTable(name) ? 0 : this.#cut[name];
      if (length === base) {
        return { base: this.#cut[name], length: 0, columns: emptyColumns(name) };
      }
      const copies: Record<string, ArrayLike<number>> = {};
      for (const column in columns)
        copies[column] = (columns[column] as Uint32Array).slice(base, length);
      return {
        base: this.#cut[name],
        length: length - base,
        columns: copies as unknown as Increment<T>['columns'],
      };
    };
    const tables: Partial<Record<TableName, unknown>> = {};
    for (const name of TABLE_NAMES) tables[name] = increment(name);
    const chunk: Chunk = {
      header: { ...header, sequence: this.#sequence++ },
      losses,
      strings: { base: this.#cut.strings, values: profile.strings.slice(this.#cut.strings) },
      tables: tables as Chunk['tables'],
      patch: this.#cutPatch(),
    };
    this.#cut.strings = profile.strings.length;
    for (const name of TABLE_NAMES) {
      const { length } = profile[name];
      this.#cut[name] = isEventTable(name) ? this.#cut[name] + length : length;
    }
    for (const name of EVENT_TABLES) profile[name].clear();
    profile.addLosses(losses);
    if (profile.header === undefined) profile.startNs = header.startNs;
    profile.header = chunk.header;
    return chunk;
  }

  #cutPatch(): SymbolPatch {
    if (this.#patched.size === 0) return EMPTY_PATCH;
    const frame = Uint32Array.from(this.#patched).sort();
    this.#patched.clear();
    const columns = this.profile.frames.columns;
    const pick = (column: Uint32Array): Uint32Array => frame.map((index) => column[index]);
    return {
      frame,
      functionName: pick(columns.functionName),
      file: pick(columns.file),
      line: pick(columns.line),
      inlinedInto: pick(columns.inlinedInto),
    };
  }
}

function nameKey(symbol: FrameSymbol, mapping: MappingIndex, kind: FrameKind): string {
  return `${symbol.functionName} ${symbol.file} ${symbol.line} ${symbol.inlinedInto} ${mapping} ${kind}`;
}
