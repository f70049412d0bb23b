/**
 * What Go's compiler leaves out of its call frame information: functions of the runtime that switch stacks, below which
 * there is nothing that belongs to the stack, and the trampoline to which its signal handlers return. They are told by
 * name, as Go's own unwinder does, and described by frames as a compiler would write them.
 */
import { ElfError, type ElfFile } from '../elf/elf-file';
import { readGoFunctions } from '../symbols/go-functions';
import type { FrameSection } from './frame-compiler';

/** These run on the stack of the system thread, or are the first on a stack. */
const ROOTS = [
  'runtime.goexit',
  'runtime.mcall',
  'runtime.morestack',
  'runtime.mstart',
  'runtime.rt0_go',
  'runtime.systemstack',
];
/** Until Go 1.20, and since. */
const SIGNAL_TRAMPOLINES = ['runtime.sigreturn', 'runtime.sigreturn__sigaction'];

const CODE_ALIGN = 1;
const DATA_ALIGN = 0x78;
const RETURN_ADDRESS = 16;
const ABSOLUTE = 0;
/** CFA = rsp + 8; the return address has no value. */
const END = [0x0c, 7, 8, 0x07, RETURN_ADDRESS];

/** Frames of the Go runtime's special functions; undefined for what is not a Go program on x86-64. */
export function findGoFrames(elf: ElfFile): FrameSection | undefined {
  if (elf.machine !== 'x86-64') return undefined;
  const special = specialFunctions(elf);
  if (special.length === 0) return undefined;
  const bytes: number[] = [];
  // The offset of the entry that it refers to is in the second word of each; 0 for those that are referred to.
  const entry = (reference: number | undefined, body: readonly number[]): number => {
    const at = bytes.length;
    const padded = [...body, ...new Array<number>((4 - (body.length % 4)) % 4).fill(0)];
    bytes.push(...u32(4 + padded.length));
    bytes.push(...u32(reference === undefined ? 0 : at + 4 - reference));
    bytes.push(...padded);
    return at;
  };
  const common = (augmentation: string, instructions: readonly number[]): number => {
    const letters = [...augmentation].map((letter) => letter.charCodeAt(0));
    const head = [1, ...letters, 0, CODE_ALIGN, DATA_ALIGN, RETURN_ADDRESS, 1, ABSOLUTE];
    return entry(undefined, [...head, ...instructions]);
  };
  const root = common('zR', END);
  const trampoline = common('zRS', []);
  for (const { start, end, isRoot } of special) {
    // A handler's return address is the trampoline's first: as with all return addresses, the byte before it is looked up.
    const from = isRoot ? start : start - 1;
    entry(isRoot ? root : trampoline, [...u64(from), ...u64(end - from), 0]);
  }
  return {
    length: bytes.length,
    fill: (target) => target.set(bytes),
    address: 0,
    isEhFrame: true,
    endsAtTerminator: false,
    textBase: undefined,
    dataBase: undefined,
  };
}

function specialFunctions(elf: ElfFile): { start: number; end: number; isRoot: boolean }[] {
  const functions = readable(() => readGoFunctions(elf));
  if (functions === undefined) return [];
  const { base, starts, names, namesOffset, namesSize } = functions;
  const text = readable(() => Buffer.from(elf.readAt(namesOffset, namesSize)));
  if (text === undefined) return [];
  const special = new Map<number, boolean>();
  for (const name of [...ROOTS, ...SIGNAL_TRAMPOLINES]) {
    const at = text.indexOf(`\0${name}\0`);
    if (at >= 0) special.set(at + 1, ROOTS.includes(name));
  }
  const found: { start: number; end: number; isRoot: boolean }[] = [];
  names.forEach((name, i) => {
    const isRoot = special.get(name);
    if (isRoot !== undefined)
      found.push({ start: base + starts[i], end: base + starts[i + 1], isRoot });
  });
  return found;
}

/** Undefined for what can't be read: then the program is unwound without it. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof ElfError) return undefined;
    throw error;
  }
}

function u32(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
}

function u64(value: number): number[] {
  return [...u32(value >>> 0), ...u32(Math.floor(value / 2 ** 32))];
}
