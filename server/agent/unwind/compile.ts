/** Compiles an ELF file's call frame information into an unwind table. */
import { type ElfFile, type ElfSection, SectionType, SegmentType } from '../elf/elf-file';
import { GO_SECTIONS } from '../symbols/go-functions';
import { ByteReader } from './byte-reader';
import { CodeRanges } from './code-ranges';
import {
  FrameEntries,
  type FrameLimits,
  type FrameSection,
  MAX_FDES,
  readFrames,
  readPointer,
} from './eh-frame';
import { SpecialRule, type UnwindTable } from './format';
import { type BareCode, FrameCompiler } from './frame-compiler';
import { findGoFrames } from './go-frames';
import { MACHINES } from './machine';
import { UnwindError } from './unwind-error';

export interface CompileOptions {
  /** What one file may cost at most; above it, an UnwindError `timeout` or `too-large`. */
  readonly maxMs?: number;
  readonly maxSectionBytes?: number;
  readonly maxFdes?: number;
  readonly maxRows?: number;
}

const TYPE_RELOCATABLE = 1;
const TYPE_EXECUTABLE = 2;
const TYPE_CORE = 4;
const MAX_MS = 20_000;
const MAX_SECTION_BYTES = 128 * 1024 * 1024;
const MAX_ROWS = 16_000_000;
/** With this guess the columns of FDEs seldom grow. */
const TYPICAL_FDE_BYTES = 32;
const PLT_SECTIONS = ['.plt', '.plt.got', '.plt.sec', '.iplt'];
/** What may be taken for the program's entry where no FDE says how far it goes. */
const MAX_ENTRY_BYTES = 64;
const MAX_DYNAMIC_BYTES = 65536;

/**
 * The table of all frames in `.eh_frame`, and in `.debug_frame` for code that the former doesn't cover. Throws
 * UnwindError (`no-frames` where there is nothing to compile), and ElfError for what can't be read.
 */
export function compileUnwindTable(elf: ElfFile, options: CompileOptions = {}): UnwindTable {
  if (elf.machine === 'bpf' || elf.type === TYPE_RELOCATABLE || elf.type === TYPE_CORE) {
    throw new UnwindError('unsupported', 'neither a program nor a shared library');
  }
  const machine = MACHINES[elf.machine];
  const limits: FrameLimits = {
    maxFdes: Math.min(options.maxFdes ?? MAX_FDES, MAX_FDES),
    deadlineMs: performance.now() + (options.maxMs ?? MAX_MS),
  };
  const maxBytes = options.maxSectionBytes ?? MAX_SECTION_BYTES;
  const ehFrame = findEhFrame(elf, maxBytes);
  const code = new CodeRanges(elf);
  const entries = new FrameEntries(code, (ehFrame?.bytes.length ?? 0) / TYPICAL_FDE_BYTES);
  // First, for they count where others begin at the same address.
  const goFrames = findGoFrames(elf);
  if (goFrames !== undefined) readFrames(goFrames, entries, limits);
  if (ehFrame !== undefined) readFrames(ehFrame, entries, limits);
  const ehEntries = entries.length;
  const debugSection = elf.section('.debug_frame');
  const debugFrame = debugSection && sectionOf(elf, debugSection, false, maxBytes);
  if (debugFrame !== undefined) readFrames(debugFrame, entries, limits);
  const bare = findBareCode(elf, code);
  if (entries.length === 0 && bare.length === 0) {
    const adjective = entries.skipped === 0 ? '' : 'usable ';
    throw new UnwindError('no-frames', `no ${adjective}call frame information`);
  }
  const maxRows = options.maxRows ?? MAX_ROWS;
  const compile = (followsBase: boolean): FrameCompiler => {
    const made = new FrameCompiler(machine, entries, ehEntries, bare, maxRows, followsBase);
    made.compile(limits.deadlineMs);
    return made;
  };
  // Few files need it, and their tables have more rows and rules by it.
  const compiler = compile(false);
  return (compiler.needsBase ? compile(true) : compiler).finish(elf.buildId);
}

function findBareCode(elf: ElfFile, code: CodeRanges): BareCode[] {
  const bare: BareCode[] = [];
  const add = (address: number, size: number, rule: BareCode['rule']): void => {
    const start = address - code.base;
    if (size > 0 && code.has(start, size)) bare.push({ start, end: start + size, rule });
  };
  // A program's first instruction has no caller, whether or not an FDE says so; nor has the dynamic linker's.
  if (elf.type === TYPE_EXECUTABLE || elf.interpreter !== undefined || isAlone(elf)) {
    add(elf.entry, MAX_ENTRY_BYTES, SpecialRule.End);
  }
  // Go's compiler keeps frame pointers, and its linker may leave out all other information.
  const text = elf.section('.text');
  const isGo = GO_SECTIONS.some((name) => elf.section(name) !== undefined);
  if (isGo && text !== undefined) {
    add(text.address, text.size, SpecialRule.FramePointer);
  }
  // GNU ld describes its procedure linkage tables, but not those of static programs; lld describes none.
  if (elf.machine === 'x86-64') {
    for (const name of PLT_SECTIONS) {
      const section = elf.section(name);
      if (section !== undefined) add(section.address, section.size, 'plt');
    }
  }
  return bare;
}

/** The dynamic linker, and static programs that can be anywhere: a library has its entry for no reason, or none. */
function isAlone(elf: ElfFile): boolean {
  const DT_NEEDED = 1;
  const dynamic = elf.programHeaders.find(({ type }) => type === SegmentType.Dynamic);
  if (elf.entry === 0 || dynamic === undefined || dynamic.fileSize > MAX_DYNAMIC_BYTES)
    return false;
  const reader = new ByteReader(elf.readAt(dynamic.offset, dynamic.fileSize));
  for (; reader.at + 16 <= dynamic.fileSize; reader.at += 8) {
    if (reader.s64() === DT_NEEDED) return false;
  }
  return true;
}

function findEhFrame(elf: ElfFile, maxBytes: number): FrameSection | undefined {
  const section = elf.section('.eh_frame');
  if (section !== undefined) return sectionOf(elf, section, true, maxBytes);
  return elf.sections.length === 0 ? ehFrameWithoutSections(elf, maxBytes) : undefined;
}

function sectionOf(
  elf: ElfFile,
  section: ElfSection,
  isEhFrame: boolean,
  maxBytes: number,
): FrameSection | undefined {
  if (section.type === SectionType.NoBits || section.size === 0) return undefined;
  return {
    bytes: elf.read(section, maxBytes),
    address: section.address,
    isEhFrame,
    endsAtTerminator: false,
    textBase: elf.section('.text')?.address,
    dataBase: (elf.section('.got.plt') ?? elf.section('.got'))?.address,
    pointerAt: (address) => pointerAt(elf, address),
  };
}

/** Where the section headers were stripped off too, the header that the C library's unwinder uses finds the frames. */
function ehFrameWithoutSections(elf: ElfFile, maxBytes: number): FrameSection | undefined {
  const header = elf.programHeaders.find(({ type }) => type === SegmentType.GnuEhFrame);
  if (header === undefined || header.fileSize < 8) return undefined;
  const section: FrameSection = {
    bytes: elf.readAt(header.offset, Math.min(header.fileSize, 32)),
    address: header.address,
    isEhFrame: true,
    endsAtTerminator: true,
    textBase: undefined,
    dataBase: header.address,
    pointerAt: (address) => pointerAt(elf, address),
  };
  const reader = new ByteReader(section.bytes);
  reader.at = 4;
  const address = readPointer(reader, section, section.bytes[1]);
  if (reader.overrun || address === undefined) return undefined;
  const segment = elf.segments.find(
    (segment) => address >= segment.address && address < segment.address + segment.fileSize,
  );
  if (segment === undefined) return undefined;
  const inSegment = address - segment.address;
  const length = Math.min(segment.fileSize - inSegment, maxBytes);
  return {
    ...section,
    bytes: elf.readAt(segment.offset + inSegment, length, maxBytes),
    address,
  };
}

function pointerAt(elf: ElfFile, address: number): number | undefined {
  const offset = elf.fileOffsetOfAddress(address);
  if (offset === undefined || offset + 8 > elf.size) return undefined;
  return new ByteReader(elf.readAt(offset, 8)).s64();
}
