/**
 * Names the frames of a stored session again: better symbols may have appeared since it was recorded, and frames are kept
 * as (build ID or path, file offset), from which names can be found at any time.
 */
import { statSync } from 'node:fs';
import type { ProfileBuilder } from '@/profile/builder';
import { hasName, isPlaceName } from '@/profile/names';
import { type FrameIndex, type MappingIndex, MappingKind, NONE } from '@/profile/schema';
import type { SymbolizedModule, SymbolizingReport } from '@/profile/symbolizing';
import { ElfError, ElfFile } from './elf/elf-file';
import { BUILD_ID_KEY } from './elf/open-build';
import { frameSymbol } from './frame-symbol';
import { readKernelText } from './kernel-text';
import { SymbolError, type SymbolQuery } from './symbols/protocol';
import type { SymbolService } from './symbols/symbol-service';
import { toFrames } from './symbols/to-frames';

export interface SessionSymbolsOptions {
  /** When the session was recorded, in ms: a file without a build ID counts only if it has not changed since. */
  readonly startedMs: number;
  /** Called before each module. */
  readonly onProgress: (done: number, modules: number, module: string) => void;
}

interface ModuleFrames {
  readonly mapping: MappingIndex;
  readonly frames: FrameIndex[];
}

/** Writes the names that are found now into the builder's profile, and says what has become of it. */
export function nameSession(
  builder: ProfileBuilder,
  service: SymbolService,
  options: SessionSymbolsOptions,
): SymbolizingReport {
  const groups = framesByModule(builder);
  const modules = groups.map((group, done) => {
    const path = pathOf(builder, group.mapping);
    options.onProgress(done, groups.length, path);
    return nameModule(builder, service, group, path, options);
  });
  const sum = (value: (module: SymbolizedModule) => number): number =>
    modules.reduce((total, module) => total + value(module), 0);
  return {
    frames: sum(({ frames }) => frames),
    unnamedBefore: sum(({ unnamedBefore }) => unnamedBefore),
    unnamedAfter: sum(({ unnamedAfter }) => unnamedAfter),
    changed: sum(({ changed }) => changed),
    modules: modules.sort(
      (a, b) => b.unnamedAfter + b.changed - a.unnamedAfter - a.changed || b.frames - a.frames,
    ),
  };
}

/** Those with most frames first, so that what matters is done first; JIT code of all processes is one. */
function framesByModule({ profile }: ProfileBuilder): ModuleFrames[] {
  const { mapping, offset } = profile.frames.columns;
  const groups = new Map<MappingIndex | 'jit', ModuleFrames>();
  for (let frame = 0; frame < profile.frames.length; frame++) {
    if (offset[frame] < 0 || mapping[frame] === NONE) continue;
    const isJit = profile.mappings.columns.kind[mapping[frame]] === MappingKind.Jit;
    const key = isJit ? 'jit' : mapping[frame];
    let group = groups.get(key);
    if (group === undefined) {
      group = { mapping: mapping[frame], frames: [] };
      groups.set(key, group);
    }
    group.frames.push(frame);
  }
  return [...groups.values()].sort((a, b) => b.frames.length - a.frames.length);
}

function nameModule(
  builder: ProfileBuilder,
  service: SymbolService,
  { mapping, frames }: ModuleFrames,
  path: string,
  options: SessionSymbolsOptions,
): SymbolizedModule {
  const { profile } = builder;
  const isUnnamed = (frame: FrameIndex): boolean => !hasName(profile, frame);
  const unnamedBefore = frames.reduce((sum, frame) => sum + (isUnnamed(frame) ? 1 : 0), 0);
  let changed = 0;
  let reason = '';
  try {
    const query = queryFor(builder, mapping, path, frames, options.startedMs);
    const result = service.answer(query);
    if (result.kind !== 'frames') throw new Error(`a ${result.kind} for a question of names`);
    reason = result.unnamedReason;
    const symbols = toFrames(result.frames);
    frames.forEach((frame, i) => {
      const symbol = symbols[i];
      if (symbol === undefined) return;
      if (isPlaceName(symbol.functionName)) return;
      // What dynamic linking needs is no better than what was known when the session was recorded.
      if (result.isPoor && !isUnnamed(frame)) return;
      const generation = profile.symbolGeneration;
      builder.symbolize(frame, frameSymbol(builder, frame, symbol));
      if (profile.symbolGeneration !== generation) changed++;
    });
  } catch (error) {
    if (!(error instanceof SymbolError)) throw error;
    reason = error.message;
  }
  const unnamedAfter = frames.reduce((sum, frame) => sum + (isUnnamed(frame) ? 1 : 0), 0);
  return {
    module: path,
    frames: frames.length,
    unnamedBefore,
    unnamedAfter,
    changed,
    reason: unnamedAfter === 0 ? '' : reason,
  };
}

/** As in SymbolizedModule. */
function pathOf({ profile }: ProfileBuilder, mapping: MappingIndex): string {
  const { kind, path } = profile.mappings.columns;
  return kind[mapping] === MappingKind.Jit ? '[JIT]' : profile.string(path[mapping]);
}

/** Throws SymbolError where nothing can be asked. */
function queryFor(
  { profile }: ProfileBuilder,
  mapping: MappingIndex,
  path: string,
  frames: readonly FrameIndex[],
  startedMs: number,
): SymbolQuery {
  const { buildId: buildIds, kind } = profile.mappings.columns;
  const buildId = profile.string(buildIds[mapping]);
  const { offset } = profile.frames.columns;
  const offsets = Float64Array.from(frames, (frame) => offset[frame]);
  switch (kind[mapping]) {
    case MappingKind.Executable: {
      checkFile(path, buildId, startedMs);
      const key = buildId === '' ? path : `${BUILD_ID_KEY}${buildId} ${path}`;
      return { kind: 'module', module: { key, path }, fileOffsets: offsets };
    }
    case MappingKind.Kernel: {
      const kernel = readKernelText();
      if (buildId === '' || kernel.buildId !== buildId) {
        throw new SymbolError('io', 'it was recorded under another kernel');
      }
      return { kind: 'kernel', addresses: offsets.map((at) => at + kernel.textStart) };
    }
    case MappingKind.Jit:
      throw new SymbolError(
        'io',
        'a JIT compiler made it: it can be named only while its process runs',
      );
    default:
      throw new SymbolError('io', 'it is in no file');
  }
}

/** Throws SymbolError where the file at `path` is not the one that was recorded. */
function checkFile(path: string, buildId: string, startedMs: number): void {
  let elf: ElfFile | undefined;
  try {
    elf = ElfFile.open(path);
    if (buildId !== '' && elf.buildId !== buildId) {
      throw new SymbolError(
        'io',
        `${path} is of another build now: its build ID is ${elf.buildId || 'missing'}`,
      );
    }
    if (buildId === '') {
      const { mtimeMs, ctimeMs } = statSync(path);
      if (Math.max(mtimeMs, ctimeMs) > startedMs) {
        throw new SymbolError('io', `${path} has changed since, and has no build ID to tell how`);
      }
    }
  } catch (error) {
    if (error instanceof SymbolError) throw error;
    if (error instanceof ElfError) throw new SymbolError(error.kind, `${path}: ${error.message}`);
    throw new SymbolError('io', (error as Error).message);
  } finally {
    elf?.close();
  }
}
