/** The names that people see for frames, modules and processes. */
import type { Profile } from './profile';
import {
  type FrameIndex,
  FrameKind,
  type MappingIndex,
  MappingKind,
  NONE,
  type ProcessIndex,
} from './schema';

export const STACK_LOST = '[stack lost]';

const PLACE = '+0x';

/** Stands, behind its module's, for the name of code that has none: where it is in the file, or where its function begins. */
export const placeName = (fileOffset: number): string => `${PLACE}${fileOffset.toString(16)}`;
export const isPlaceName = (name: string): boolean => name.startsWith(PLACE);

/**
 * A frame's function name. While it has none, `module+0x1a2b`: the hexadecimal offset in the module's file at which its
 * function begins, where that is known, else its own.
 */
export function frameName(profile: Profile, frame: FrameIndex): string {
  const { functionName, mapping, offset, kind } = profile.frames.columns;
  if (functionName[frame] !== NONE) return profile.string(functionName[frame]) || '[unnamed]';
  const at = offset[frame] < 0 ? '' : placeName(offset[frame]);
  if (mapping[frame] !== NONE) return moduleName(profile, mapping[frame]) + at;
  switch (kind[frame]) {
    case FrameKind.Kernel:
      return `kernel${at}`;
    case FrameKind.Jit:
      return `[jit]${at}`;
    default:
      return `[unknown]${at}`;
  }
}

/** Whether its function has a name of its own, and not `module+0x1a2b`, which stands for one. */
export function hasName(profile: Profile, frame: FrameIndex): boolean {
  const { functionName, mapping } = profile.frames.columns;
  if (functionName[frame] === NONE) return false;
  if (mapping[frame] === NONE) return true;
  const name = profile.string(functionName[frame]);
  const at = name.lastIndexOf(PLACE);
  return at <= 0 || name.slice(0, at) !== moduleName(profile, mapping[frame]);
}

/** The file's name without its folder; 'kernel', '[jit]', '[vdso]', '[unknown]' for what is no file; '' for NONE. */
export function moduleName(profile: Profile, mapping: MappingIndex): string {
  if (mapping === NONE) return '';
  const { path, kind } = profile.mappings.columns;
  switch (kind[mapping]) {
    case MappingKind.Kernel:
      return 'kernel';
    case MappingKind.Jit:
      return '[jit]';
    case MappingKind.Vdso:
      return '[vdso]';
    default: {
      const text = profile.string(path[mapping]).replace(/ \(deleted\)$/, '');
      return text.slice(text.lastIndexOf('/') + 1) || '[unknown]';
    }
  }
}

/** `name (pid)`, or the name alone in imports, whose pid is not known. */
export function processName(profile: Profile, process: ProcessIndex): string {
  const { pid, name } = profile.processes.columns;
  const text = profile.string(name[process]) || '[unknown]';
  return pid[process] === NONE ? text : `${text} (${pid[process]})`;
}

/**
 * Whether the profile came from a format that knows no processes: it has one process, which stands for all and whose
 * pid is NONE. Call trees of it are built with groupBy 'none', and whether its stacks are whole is not known.
 */
export function isImport(profile: Profile): boolean {
  return profile.processes.length === 1 && profile.processes.columns.pid[0] === NONE;
}
