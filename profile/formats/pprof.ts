/**
 * pprof's format (github.com/google/pprof/proto/profile.proto): for `go tool pprof`, speedscope, and all that reads them.
 *
 * Addresses are made up, the same way for the whole profile: each mapping gets a range of its own, in which an address is
 * the start plus the offset in the mapping's file. Every mapping says that its functions are known, also where some are
 * not, for a reader that symbolized these addresses itself would name them wrongly; frames without a name are functions
 * called `module+0xoffset`.
 */
import type { ChunkHeader } from '@/profile/chunk';
import { frameName, STACK_LOST } from '@/profile/names';
import { PairRows } from '@/profile/pair-rows';
import type { Profile } from '@/profile/profile';
import {
  type FrameIndex,
  type MappingIndex,
  MappingKind,
  NONE,
  type SampleTypeIndex,
  type StackIndex,
  type ThreadIndex,
} from '@/profile/schema';
import { U32List } from '@/profile/u32-list';
import { COUNT_UNIT } from '@/profile/weights';
import { ProtobufWriter } from './protobuf';

/** Field numbers of profile.proto. */
const PROFILE = {
  sampleType: 1,
  sample: 2,
  mapping: 3,
  location: 4,
  function: 5,
  stringTable: 6,
  timeNanos: 9,
  durationNanos: 10,
  periodType: 11,
  period: 12,
  comment: 13,
  defaultSampleType: 14,
} as const;
const VALUE_TYPE = { type: 1, unit: 2 } as const;
const SAMPLE = { locationId: 1, value: 2, label: 3 } as const;
const LABEL = { key: 1, str: 2, num: 3 } as const;
const MAPPING = {
  id: 1,
  memoryStart: 2,
  memoryLimit: 3,
  fileOffset: 4,
  filename: 5,
  buildId: 6,
  hasFunctions: 7,
  hasFilenames: 8,
  hasLineNumbers: 9,
  hasInlineFrames: 10,
} as const;
const LOCATION = { id: 1, mappingId: 2, address: 3, line: 4 } as const;
const LINE = { functionId: 1, line: 2 } as const;
const FUNCTION = { id: 1, name: 2, filename: 4 } as const;

const PAGE_BYTES = 4096;
/** A longer chain of inlined functions is a cycle. */
const MAX_INLINE_DEPTH = 512;
const LIBRARY = /\.so(\.[^/]*)?$/;
/** Values are int64; a number that would not fit is no measurement. */
const MAX_VALUE = Number.MAX_SAFE_INTEGER;

/**
 * The profile's samples as pprof's protocol buffer, not yet gzipped, as files of it usually are. Sample types are
 * ('samples', 'count') and then the profile's own, such as ('cpu', 'nanoseconds'). Each sample carries the labels `pid`,
 * `tid` (numbers), `process` and `thread` (names).
 */
export function writePprof(profile: Profile): Uint8Array<ArrayBuffer> {
  return new PprofWriter(profile).write();
}

/** What the locations in a mapping need of it; offsets in bytes. */
interface MappingUse {
  lowest: number;
  highest: number;
  hasFiles: boolean;
  hasLines: boolean;
  hasInlines: boolean;
}

/** Addresses, and the offset in the file of the first. */
interface MappedRange {
  readonly start: number;
  readonly limit: number;
  readonly offset: number;
}

/** How much of a sample type a sample stands for; undefined where it is not known, or samples are of several kinds. */
function periodOf(type: string, header: ChunkHeader | undefined): number | undefined {
  if (header === undefined || header.frequencyHz <= 0) return undefined;
  if (type === 'cpu') return 1e9 / header.frequencyHz;
  return type === 'off-cpu' ? header.thresholdNs : undefined;
}

function pageStart(offset: number): number {
  return Math.floor(offset / PAGE_BYTES) * PAGE_BYTES;
}

class PprofWriter {
  readonly #profile: Profile;
  readonly #out = new ProtobufWriter(1 << 16);
  readonly #message = new ProtobufWriter();
  readonly #part = new ProtobufWriter();
  readonly #list = new ProtobufWriter();
  readonly #strings = new Map<string, number>([['', 0]]);
  /** All IDs count from 1: 0 means none. */
  readonly #functionIds = new Map<string, number>();
  readonly #locationOfFrame: Uint32Array;
  readonly #locationFrames = new U32List();
  #lostLocation = 0;
  readonly #columnOfType: number[] = [];
  /** By mapping, in how many frames of samples it is. */
  readonly #framesIn = new Map<MappingIndex, number>();
  /** The mappings that are used; `base` is the address of offset 0. */
  readonly #placed = new Map<MappingIndex, { readonly id: number; readonly base: number }>();

  constructor(profile: Profile) {
    this.#profile = profile;
    this.#locationOfFrame = new Uint32Array(profile.frames.length);
  }

  write(): Uint8Array<ArrayBuffer> {
    const out = this.#out;
    const types = this.#sampleTypes();
    for (const { name, unit } of types) this.#valueType(PROFILE.sampleType, name, unit);
    this.#samples(types.length);
    this.#mappings();
    this.#locations();
    this.#header(types[types.length - 1].name);
    // Last, when all strings are known.
    for (const text of this.#strings.keys()) out.string(PROFILE.stringTable, text);
    return out.bytes();
  }

  #string(text: string): number {
    let index = this.#strings.get(text);
    if (index === undefined) {
      index = this.#strings.size;
      this.#strings.set(text, index);
    }
    return index;
  }

  /** The types of the values of each sample: its count first; a profile of counts has no other. */
  #sampleTypes(): { readonly name: string; readonly unit: string }[] {
    const types = [{ name: 'samples', unit: COUNT_UNIT }];
    const { columns, length } = this.#profile.sampleTypes;
    for (let type: SampleTypeIndex = 0; type < length; type++) {
      const unit = this.#profile.string(columns.unit[type]);
      this.#columnOfType[type] = unit === COUNT_UNIT ? 0 : types.length;
      if (unit !== COUNT_UNIT) types.push({ name: this.#profile.string(columns.name[type]), unit });
    }
    return types;
  }

  #valueType(field: number, name: string, unit: string): void {
    this.#message.clear();
    this.#message.integer(VALUE_TYPE.type, this.#string(name));
    this.#message.integer(VALUE_TYPE.unit, this.#string(unit));
    this.#out.message(field, this.#message);
  }

  /** One pprof sample per (thread, stack). */
  #samples(width: number): void {
    const { columns, length } = this.#profile.samples;
    const pairs = new PairRows(1024);
    const values: number[] = [];
    for (let row = 0; row < length; row++) {
      const pair = pairs.intern(columns.thread[row], columns.stack[row]);
      while (values.length < pairs.length * width) values.push(0);
      const column = this.#columnOfType[columns.sampleType[row]];
      values[pair * width] += column === 0 ? columns.weight[row] : 1;
      if (column > 0) values[pair * width + column] += columns.weight[row];
    }
    for (let pair = 0; pair < pairs.length; pair++) {
      this.#sample(
        pairs.first[pair],
        pairs.second[pair],
        values.slice(pair * width, (pair + 1) * width),
      );
    }
  }

  #sample(thread: ThreadIndex, stack: StackIndex, values: readonly number[]): void {
    const sample = this.#message;
    sample.clear();
    this.#list.clear();
    const { parent, frame } = this.#profile.stacks.columns;
    if (stack === NONE) this.#list.element(this.#lost());
    // Leaf first, as a stack is walked.
    for (let at = stack; at !== NONE; at = parent[at]) {
      this.#list.element(this.#location(frame[at]));
      const mapping: MappingIndex = this.#profile.frames.columns.mapping[frame[at]];
      this.#framesIn.set(mapping, (this.#framesIn.get(mapping) ?? 0) + values[0]);
    }
    sample.packed(SAMPLE.locationId, this.#list);
    this.#list.clear();
    for (const value of values) this.#list.element(Math.min(Math.round(value), MAX_VALUE));
    sample.packed(SAMPLE.value, this.#list);
    this.#labels(thread);
    this.#out.message(PROFILE.sample, sample);
  }

  #labels(thread: ThreadIndex): void {
    const { threads, processes } = this.#profile;
    const { tid, name } = threads.columns;
    const process = threads.columns.process[thread];
    const pid = processes.columns.pid[process];
    // Imports know neither processes nor threads.
    if (pid === NONE) return;
    this.#label('pid', pid);
    this.#label('tid', tid[thread]);
    this.#label('process', this.#profile.string(processes.columns.name[process]));
    this.#label('thread', this.#profile.string(name[thread]));
  }

  #label(key: string, value: number | string): void {
    if (value === '') return;
    const label = this.#part;
    label.clear();
    label.integer(LABEL.key, this.#string(key));
    if (typeof value === 'string') label.integer(LABEL.str, this.#string(value));
    else label.integer(LABEL.num, value);
    this.#message.message(SAMPLE.label, label);
  }

  #location(frame: FrameIndex): number {
    if (this.#locationOfFrame[frame] === 0)
      this.#locationOfFrame[frame] = this.#locationFrames.push(frame) + 1;
    return this.#locationOfFrame[frame];
  }

  #lost(): number {
    if (this.#lostLocation === 0) this.#lostLocation = this.#locationFrames.push(NONE) + 1;
    return this.#lostLocation;
  }

  /**
   * Gives each mapping that locations are in, in the order of their first use, a range that holds its offsets. The first
   * is that of the program: pprof says that the profile is of it.
   */
  #mappings(): void {
    const { columns } = this.#profile.frames;
    const uses = new Map<MappingIndex, MappingUse>();
    for (let location = 0; location < this.#locationFrames.length; location++) {
      const frame: FrameIndex = this.#locationFrames.values[location];
      if (frame === NONE || columns.mapping[frame] === NONE) continue;
      const offset = Math.max(0, columns.offset[frame]);
      const use = uses.get(columns.mapping[frame]) ?? {
        lowest: offset,
        highest: offset,
        hasFiles: false,
        hasLines: false,
        hasInlines: false,
      };
      use.lowest = Math.min(use.lowest, offset);
      use.highest = Math.max(use.highest, offset);
      use.hasFiles ||= columns.file[frame] !== NONE;
      use.hasLines ||= columns.line[frame] > 0;
      use.hasInlines ||= columns.inlinedInto[frame] !== NONE;
      uses.set(columns.mapping[frame], use);
    }
    const program = this.#program();
    const ordered = Array.from(uses).sort(
      ([a], [b]) => Number(b === program) - Number(a === program),
    );
    let next = PAGE_BYTES;
    for (const [mapping, use] of ordered) {
      const end = pageStart(use.highest) + PAGE_BYTES;
      // Offsets in JIT code are addresses already, far too large to be put one behind another.
      const isPlaced = this.#profile.mappings.columns.kind[mapping] === MappingKind.Jit;
      const base = isPlaced ? 0 : next;
      const id = this.#placed.size + 1;
      this.#placed.set(mapping, { id, base });
      // Only the pages that are needed, as code is mapped: readers find the file's segment by where it starts.
      const first = pageStart(use.lowest);
      const range = { start: base + first, limit: base + end, offset: isPlaced ? 0 : first };
      this.#mapping(mapping, id, range, use);
      // A page between two: readers join ranges that touch.
      if (!isPlaced) next = base + end + PAGE_BYTES;
    }
  }

  /** The file in which most frames are, libraries not counted; undefined where there is none. */
  #program(): MappingIndex | undefined {
    const { kind, path } = this.#profile.mappings.columns;
    let program: MappingIndex | undefined;
    let most = 0;
    for (const [mapping, frames] of this.#framesIn) {
      if (mapping === NONE || kind[mapping] !== MappingKind.Executable || frames <= most) continue;
      if (LIBRARY.test(this.#profile.string(path[mapping]))) continue;
      program = mapping;
      most = frames;
    }
    return program;
  }

  #mapping(mapping: MappingIndex, id: number, range: MappedRange, use: MappingUse): void {
    const { buildId, path } = this.#profile.mappings.columns;
    const message = this.#message;
    message.clear();
    message.integer(MAPPING.id, id);
    message.integer(MAPPING.memoryStart, range.start);
    message.integer(MAPPING.memoryLimit, range.limit);
    message.integer(MAPPING.fileOffset, range.offset);
    message.integer(MAPPING.filename, this.#string(this.#profile.string(path[mapping])));
    message.integer(MAPPING.buildId, this.#string(this.#profile.string(buildId[mapping])));
    message.boolean(MAPPING.hasFunctions, true);
    message.boolean(MAPPING.hasFilenames, use.hasFiles);
    message.boolean(MAPPING.hasLineNumbers, use.hasLines);
    message.boolean(MAPPING.hasInlineFrames, use.hasInlines);
    this.#out.message(PROFILE.mapping, message);
  }

  #locations(): void {
    const { inlinedInto, mapping, offset, line, file } = this.#profile.frames.columns;
    const location = this.#message;
    for (let i = 0; i < this.#locationFrames.length; i++) {
      const frame: FrameIndex = this.#locationFrames.values[i];
      const lines: { readonly functionId: number; readonly line: number }[] = [];
      if (frame === NONE) lines.push({ functionId: this.#function(STACK_LOST, ''), line: 0 });
      // The innermost function first, then what it was inlined into.
      for (let at = frame; at !== NONE && lines.length < MAX_INLINE_DEPTH; at = inlinedInto[at]) {
        const name = frameName(this.#profile, at);
        const functionId = this.#function(name, this.#profile.string(file[at]));
        lines.push({ functionId, line: line[at] });
      }
      location.clear();
      location.integer(LOCATION.id, i + 1);
      const placed = frame === NONE ? undefined : this.#placed.get(mapping[frame]);
      if (placed !== undefined) {
        location.integer(LOCATION.mappingId, placed.id);
        location.integer(LOCATION.address, placed.base + Math.max(0, offset[frame]));
      }
      for (const { functionId, line: lineNumber } of lines) {
        this.#part.clear();
        this.#part.integer(LINE.functionId, functionId);
        this.#part.integer(LINE.line, lineNumber);
        location.message(LOCATION.line, this.#part);
      }
      this.#out.message(PROFILE.location, location);
    }
  }

  #function(name: string, file: string): number {
    const key = `${file}\0${name}`;
    const known = this.#functionIds.get(key);
    if (known !== undefined) return known;
    const id = this.#functionIds.size + 1;
    this.#functionIds.set(key, id);
    const message = this.#part;
    message.clear();
    message.integer(FUNCTION.id, id);
    message.integer(FUNCTION.name, this.#string(name));
    // No system name: where it is the same, `go tool pprof` cuts out what is in brackets, and makes "::fmt" of each in Rust.
    message.integer(FUNCTION.filename, this.#string(file));
    this.#out.message(PROFILE.function, message);
    return id;
  }

  #header(mainType: string): void {
    const { header, startNs, losses } = this.#profile;
    if (header !== undefined && header.endNs > startNs) {
      // Wall clock times in nanoseconds are more than a number holds exactly.
      this.#out.integer(
        PROFILE.timeNanos,
        BigInt(Math.round(startNs)) + BigInt(Math.round(header.wallOffsetNs)),
      );
      this.#out.integer(PROFILE.durationNanos, Math.round(header.endNs - startNs));
    }
    const periodNs = periodOf(mainType, header);
    if (periodNs !== undefined) {
      this.#valueType(PROFILE.periodType, mainType, 'nanoseconds');
      this.#out.integer(PROFILE.period, Math.round(periodNs));
    }
    for (const [reason, count] of losses) {
      if (count > 0) this.#out.integer(PROFILE.comment, this.#string(`lost: ${count} ${reason}`));
    }
    this.#out.integer(PROFILE.defaultSampleType, this.#string(mainType));
  }
}
