/**
 * Checks a chunk's rows before they are added to a profile, so that whoever reads the profile may follow every index: all
 * rows that are pointed to exist, a stack's parent comes before it, and no function is inlined into itself.
 */
import type { Chunk } from './chunk';
import { BUCKETS } from './latency/buckets';
import type { Profile } from './profile';
import {
  EVENT_TABLES,
  type FrameIndex,
  FrameKind,
  MappingKind,
  NONE,
  SCHEMA,
  TABLE_NAMES,
  type TableName,
  ThreadState,
} from './schema';

/** Columns that point to rows of a table, or are NONE. */
export const REFERENCES: Readonly<
  Record<TableName, Readonly<Record<string, TableName | 'strings'>>>
> = {
  sampleTypes: { name: 'strings', unit: 'strings' },
  mappings: { buildId: 'strings', path: 'strings' },
  frames: { functionName: 'strings', file: 'strings', inlinedInto: 'frames', mapping: 'mappings' },
  stacks: { parent: 'stacks', frame: 'frames' },
  processes: { name: 'strings', commandLine: 'strings', container: 'strings', cgroup: 'strings' },
  threads: { process: 'processes', name: 'strings' },
  samples: { thread: 'threads', stack: 'stacks', sampleType: 'sampleTypes' },
  waits: { thread: 'threads', stack: 'stacks', wakerThread: 'threads', wakerStack: 'stacks' },
  threadTimes: { thread: 'threads' },
  latencies: { source: 'strings', label: 'strings', process: 'processes' },
  latencySamples: { thread: 'threads', stack: 'stacks', source: 'strings', label: 'strings' },
};
export const PATCH_REFERENCES = {
  frame: 'frames',
  functionName: 'strings',
  file: 'strings',
  inlinedInto: 'frames',
} as const;

/** Of these, NONE is no valid value. */
const REQUIRED: ReadonlySet<string> = new Set([
  'stacks.frame',
  'threads.process',
  'samples.thread',
  'waits.thread',
  'threadTimes.thread',
  'latencies.source',
  'latencies.label',
  'latencySamples.thread',
  'latencySamples.source',
  'latencySamples.label',
  'patch.frame',
]);

const STATE_COLUMNS = [
  ['waits', 'waitClass'],
  ['threadTimes', 'state'],
] as const;
const MAX_THREAD_STATE = Math.max(...Object.values(ThreadState));
const MAX_FRAME_KIND = Math.max(...Object.values(FrameKind));
const MAX_MAPPING_KIND = Math.max(...Object.values(MappingKind));
const MAX_ADDRESS = 2 ** 64;
/** Far more than any compiler inlines. */
const MAX_INLINE_DEPTH = 512;

/** What is wrong with a chunk that is to be added to `profile`; undefined for nothing. */
export function wrongRow(profile: Profile, chunk: Chunk): string | undefined {
  const lengths: Record<string, number> = {
    strings: profile.strings.length + chunk.strings.values.length,
  };
  for (const name of TABLE_NAMES) lengths[name] = profile[name].length + chunk.tables[name].length;

  const wrongReference = (
    place: string,
    column: ArrayLike<number>,
    length: number,
    limit: number,
  ): string | undefined => {
    const isRequired = REQUIRED.has(place);
    for (let row = 0; row < length; row++) {
      if (column[row] >= limit && (isRequired || column[row] !== NONE))
        return `${place} of row ${row} is ${column[row]} of ${limit}`;
    }
    return undefined;
  };
  for (const name of TABLE_NAMES) {
    const columns = chunk.tables[name].columns as unknown as Record<string, ArrayLike<number>>;
    for (const [column, target] of Object.entries(REFERENCES[name])) {
      const wrong = wrongReference(
        `${name}.${column}`,
        columns[column],
        chunk.tables[name].length,
        lengths[target],
      );
      if (wrong !== undefined) return wrong;
    }
  }
  for (const column of Object.keys(PATCH_REFERENCES) as (keyof typeof PATCH_REFERENCES)[]) {
    const wrong = wrongReference(
      `patch.${column}`,
      chunk.patch[column],
      chunk.patch.frame.length,
      lengths[PATCH_REFERENCES[column]],
    );
    if (wrong !== undefined) return wrong;
  }
  return wrongParent(chunk) ?? wrongValue(chunk) ?? inlineCycle(profile, chunk);
}

function wrongParent({ tables: { stacks } }: Chunk): string | undefined {
  const { parent } = stacks.columns;
  for (let row = 0; row < stacks.length; row++) {
    if (parent[row] !== NONE && parent[row] >= stacks.base + row)
      return `stacks.parent of row ${row} does not come before it`;
  }
  return undefined;
}

function wrongValue({ tables: { mappings, frames, ...tables } }: Chunk): string | undefined {
  for (let row = 0; row < mappings.length; row++) {
    if (mappings.columns.kind[row] > MAX_MAPPING_KIND) return `mappings.kind of row ${row}`;
  }
  for (let row = 0; row < frames.length; row++) {
    if (frames.columns.kind[row] > MAX_FRAME_KIND) return `frames.kind of row ${row}`;
    const offset = frames.columns.offset[row];
    if (!(offset >= -1 && offset <= MAX_ADDRESS)) return `frames.offset of row ${row} is ${offset}`;
  }
  for (const name of EVENT_TABLES) {
    const { length, columns } = tables[name];
    for (const [column, type] of Object.entries(SCHEMA[name])) {
      if (type !== 'f64') continue;
      const values = (columns as unknown as Record<string, Float64Array>)[column];
      for (let row = 0; row < length; row++) {
        if (!Number.isFinite(values[row]))
          return `${name}.${column} of row ${row} is ${values[row]}`;
      }
    }
  }
  const { bucket } = tables.latencies.columns;
  for (let row = 0; row < tables.latencies.length; row++) {
    if (bucket[row] >= BUCKETS) return `latencies.bucket of row ${row} is ${bucket[row]}`;
  }
  for (const [name, column] of STATE_COLUMNS) {
    const { length, columns } = tables[name];
    const states = (columns as unknown as Record<string, Uint8Array>)[column];
    for (let row = 0; row < length; row++) {
      if (states[row] > MAX_THREAD_STATE)
        return `${name}.${column} of row ${row} is ${states[row]}`;
    }
  }
  return undefined;
}

function inlineCycle(profile: Profile, { tables: { frames }, patch }: Chunk): string | undefined {
  const known = profile.frames.columns.inlinedInto;
  const added = frames.columns.inlinedInto;
  const patched = new Map<FrameIndex, FrameIndex>();
  patch.frame.forEach((frame, i) => {
    patched.set(frame, patch.inlinedInto[i]);
  });
  const outer = (frame: FrameIndex): FrameIndex =>
    patched.get(frame) ?? (frame < frames.base ? known[frame] : added[frame - frames.base]);
  const isCycle = (start: FrameIndex): boolean => {
    let depth = 0;
    for (let at = start; at !== NONE; at = outer(at)) if (++depth > MAX_INLINE_DEPTH) return true;
    return false;
  };
  for (let row = 0; row < frames.length; row++) {
    if (added[row] !== NONE && isCycle(frames.base + row))
      return `frame ${frames.base + row} is inlined into itself`;
  }
  for (const frame of patch.frame) {
    if (isCycle(frame)) return `frame ${frame} is inlined into itself`;
  }
  return undefined;
}
