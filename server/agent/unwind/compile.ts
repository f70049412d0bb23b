/** Compiles an ELF file's call frame information into an unwind table. */
import {
  type ElfFile,
  type ElfSection,
  SectionFlag,
  SectionType,
  SegmentType,
} from '../elf/elf-file';
import { GO_SECTIONS } from '../symbols/go-functions';
import { CodeRanges } from './code-ranges';
import { SpecialRule, type UnwindTable } from './format';
import { type BareCode, FrameCompiler, type FrameSection, MAX_FDES } from './frame-compiler';
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
  const code = new CodeRanges(elf);
  const bare = findBareCode(elf, code);
  const frames = new FrameCompiler(
    {
      machine: MACHINES[elf.machine],
      code,
      bare,
      pointerAt: (address) => pointerAt(elf, address),
    },
    {
      maxFdes: Math.min(options.maxFdes ?? MAX_FDES, MAX_FDES),
      maxRows: options.maxRows ?? MAX_ROWS,
      deadlineMs: performance.now() + (options.maxMs ?? MAX_MS),
    },
  );
  const maxBytes = options.maxSectionBytes ?? MAX_SECTION_BYTES;
  const debugFrame = elf.section('.debug_frame');
  const sections = [
    // First, for they count where others begin at the same address.
    findGoFrames(elf),
    findEhFrame(elf, frames, maxBytes),
    debugFrame && sectionOf(elf, debugFrame, false, maxBytes),
  ];
  frames.read(sections.filter((section) => section !== undefined));
  if (frames.count === 0 && bare.length === 0) {
    const adjective = frames.skipped === 0 ? '' : 'usable ';
    throw new UnwindError('no-frames', `no ${adjective}call frame information`);
  }
  return frames.compile(elf.buildId);
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
  const bytes = elf.readAt(dynamic.offset, dynamic.fileSize);
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    if (readS64(bytes, at) === DT_NEEDED) return false;
  }
  return true;
}

function findEhFrame(
  elf: ElfFile,
  frames: FrameCompiler,
  maxBytes: number,
): FrameSection | undefined {
  const section = elf.section('.eh_frame');
  if (section !== undefined) return sectionOf(elf, section, true, maxBytes);
  return elf.sections.length === 0 ? ehFrameWithoutSections(elf, frames, maxBytes) : undefined;
}

function sectionOf(
  elf: ElfFile,
  section: ElfSection,
  isEhFrame: boolean,
  maxBytes: number,
): FrameSection | undefined {
  if (section.type === SectionType.NoBits || section.size === 0) return undefined;
  return {
    ...contentsOf(elf, section, maxBytes),
    address: section.address,
    isEhFrame,
    endsAtTerminator: false,
    textBase: elf.section('.text')?.address,
    dataBase: (elf.section('.got.plt') ?? elf.section('.got'))?.address,
  };
}

function contentsOf(
  elf: ElfFile,
  section: ElfSection,
  maxBytes: number,
): Pick<FrameSection, 'length' | 'fill'> {
  if (section.flags & SectionFlag.Compressed) {
    const bytes = elf.read(section, maxBytes);
    return { length: bytes.length, fill: (target) => target.set(bytes) };
  }
  return contentsAt(elf, section.offset, section.size, maxBytes);
}

function contentsAt(
  elf: ElfFile,
  offset: number,
  length: number,
  maxBytes: number,
): Pick<FrameSection, 'length' | 'fill'> {
  if (length > maxBytes) throw UnwindError.tooLarge(`${maxBytes} bytes`);
  return { length, fill: (target) => elf.readInto(offset, target) };
}

/** Where the section headers were stripped off too, the header that the C library's unwinder uses finds the frames. */
function ehFrameWithoutSections(
  elf: ElfFile,
  frames: FrameCompiler,
  maxBytes: number,
): FrameSection | undefined {
  const header = elf.programHeaders.find(({ type }) => type === SegmentType.GnuEhFrame);
  if (header === undefined || header.fileSize < 8) return undefined;
  const bytes = elf.readAt(header.offset, Math.min(header.fileSize, 32));
  const section: FrameSection = {
    length: bytes.length,
    fill: (target) => target.set(bytes),
    address: header.address,
    isEhFrame: true,
    endsAtTerminator: true,
    textBase: undefined,
    dataBase: header.address,
  };
  const address = frames.pointerIn(section, 4, bytes[1]);
  if (address === undefined) return undefined;
  const segment = elf.segments.find(
    (segment) => address >= segment.address && address < segment.address + segment.fileSize,
  );
  if (segment === undefined) return undefined;
  const inSegment = address - segment.address;
  const length = Math.min(segment.fileSize - inSegment, maxBytes);
  return {
    ...section,
    ...contentsAt(elf, segment.offset + inSegment, length, maxBytes),
    address,
  };
}

function pointerAt(elf: ElfFile, address: number): number | undefined {
  const offset = elf.fileOffsetOfAddress(address);
  if (offset === undefined || offset + 8 > elf.size) return undefined;
  return readS64(elf.readAt(offset, 8), 0);
}

function readS64({ buffer, byteOffset }: Uint8Array, at: number): number {
  return Number(new DataView(buffer, byteOffset).getBigInt64(at, true));
}
