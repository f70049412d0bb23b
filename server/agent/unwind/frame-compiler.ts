/**
 * Makes unwind tables of call frame information, in WebAssembly (wasm/frames, which says how): a file's frames are
 * compiled once, and V8 would interpret JavaScript for most of that, and then compile it for longer than it runs.
 */
import { readFileSync } from 'node:fs';
import { distFile } from '../../root';
import type { CodeRanges } from './code-ranges';
import { MAX_PAGES, type SpecialRule, UNSUPPORTED_REASONS, type UnwindTable } from './format';
import type { Machine } from './machine';
import { UnwindError } from './unwind-error';

/** A section with frame entries, and what its pointers are relative to. */
export interface FrameSection {
  /** How many bytes it has, and how to get them: they go where they are compiled, without a copy. */
  readonly length: number;
  fill(target: Uint8Array): void;
  /** Where the section is in the file's address space. */
  readonly address: number;
  readonly isEhFrame: boolean;
  /** The bytes go on behind the section: its terminator ends it. */
  readonly endsAtTerminator: boolean;
  readonly textBase: number | undefined;
  readonly dataBase: number | undefined;
}

/** Code that no FDE may cover, in [start, end), and the rule for it then. Offsets from the code's base. */
export interface BareCode {
  readonly start: number;
  readonly end: number;
  readonly rule: typeof SpecialRule.End | typeof SpecialRule.FramePointer | 'plt';
}

/** What there is to compile, but for the sections. */
export interface FrameSource {
  readonly machine: Machine;
  readonly code: CodeRanges;
  readonly bare: readonly BareCode[];
  /** The 8 bytes that the file has at an address, for indirect pointers; undefined where it has none. */
  readonly pointerAt: (address: number) => number | undefined;
}

/** What a file may cost at most. */
export interface FrameLimits {
  /** At most MAX_FDES. */
  readonly maxFdes: number;
  readonly maxRows: number;
  /** Of performance.now(). */
  readonly deadlineMs: number;
}

/** No file has a tenth as many. */
export const MAX_FDES = 2 ** 21;
const MAX_CIES = 65_536;

interface Exports {
  readonly memory: WebAssembly.Memory;
  allocate(bytes: number): number;
  source_struct(): number;
  read_section(section: number): void;
  pointer_in(section: number, at: number, encoding: number): bigint;
  count_fdes(): number;
  count_skipped(): number;
  compile(): number;
  bytes_allocated(): number;
}

/** struct section in wasm/frames/frames.h, and its flags. */
const SECTION_BYTES = 40;
const SectionFlag = { EhFrame: 1, EndsAtTerminator: 2, HasTextBase: 4, HasDataBase: 8 } as const;
/** struct range, struct bare_code. */
const RANGE_BYTES = 16;
const BARE_BYTES = 24;
const PLT_RULE = 0xffffffff;
const NO_POINTER = -(2n ** 63n);

let compiled: WebAssembly.Module | undefined;
let usedBytes = 0;

/** What compilers have had of memory, all together. V8 does not count it, so it is in no haste to collect it. */
export function bytesOfCompilers(): number {
  return usedBytes;
}

/** Loads the module, if that was not done before: who does it early saves the first table some milliseconds. */
export function loadFrameCompiler(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readFileSync(distFile('frames.wasm')));
  return compiled;
}

/** Compiles one file's frames: `read`, then `compile`. All methods throw UnwindError `too-large` and `timeout`. */
export class FrameCompiler {
  readonly #exports: Exports;
  readonly #machine: Machine;
  readonly #limits: FrameLimits;
  #countedBytes = 0;

  constructor(source: FrameSource, limits: FrameLimits) {
    this.#machine = source.machine;
    this.#limits = limits;
    this.#exports = new WebAssembly.Instance(loadFrameCompiler(), {
      host: {
        refuse: (what: number) => this.#refuse(what),
        check_time: () => {
          if (performance.now() > limits.deadlineMs) throw UnwindError.timeout();
        },
        pointer_at: (address: bigint) => {
          const pointer = source.pointerAt(Number(address));
          return pointer === undefined ? NO_POINTER : BigInt(pointer);
        },
      },
    }).exports as unknown as Exports;
    this.#fill(source);
  }

  /** Frame entries that can be used. */
  get count(): number {
    return this.#exports.count_fdes();
  }

  /** Entries that can't: damaged, or not of the file's code. */
  get skipped(): number {
    return this.#exports.count_skipped();
  }

  /** Reads the frames of all sections, those of .debug_frame last. To be called once. */
  read(sections: readonly FrameSection[]): void {
    const all = sections.map((section) => this.#add(section));
    this.#countBytes();
    for (const at of all) this.#exports.read_section(at);
  }

  /** The pointer at an offset of a section, in one of the DW_EH_PE_* encodings, as an address; undefined where it can't be known. */
  pointerIn(section: FrameSection, at: number, encoding: number): number | undefined {
    const pointer = this.#exports.pointer_in(this.#add(section), at, encoding);
    return pointer === NO_POINTER ? undefined : Number(pointer);
  }

  /** The table of all frames that were read, and of bare code. To be called once. */
  compile(buildId: string): UnwindTable {
    const at = this.#exports.compile();
    const words = this.#words(at, 10 + UNSUPPORTED_REASONS.length);
    const [basePage, pagesAt, pageCount, rowsAt, rowCount, rulesAt, ruleCount, fdes] = words;
    const table = {
      machine: this.#machine.name,
      buildId,
      basePage,
      pages: this.#words(pagesAt, pageCount + 1).slice(),
      rows: this.#words(rowsAt, rowCount).slice(),
      rules: this.#words(rulesAt, ruleCount * 2).slice(),
      counts: {
        fdes,
        skippedFdes: this.skipped,
        leafRows: words[8],
        lostFpRows: words[9],
        unsupportedRows: [...words.subarray(10)],
      },
    };
    this.#countBytes();
    return table;
  }

  /** Fills struct source. */
  #fill({ machine, code, bare }: FrameSource): void {
    const { allocate } = this.#exports;
    const rangesAt = allocate(code.ranges.length * RANGE_BYTES);
    const bareAt = allocate(bare.length * BARE_BYTES);
    const view = this.#view();
    code.ranges.forEach(({ start, end }, i) => {
      setAddress(view, rangesAt + i * RANGE_BYTES, start);
      setAddress(view, rangesAt + i * RANGE_BYTES + 8, end);
    });
    bare.forEach(({ start, end, rule }, i) => {
      const at = bareAt + i * BARE_BYTES;
      setAddress(view, at, start);
      setAddress(view, at + 8, end);
      view.setUint32(at + 16, rule === 'plt' ? PLT_RULE : rule, true);
    });
    const at = this.#exports.source_struct();
    const { signalFrame } = machine;
    [
      machine.stackPointer,
      machine.framePointer,
      machine.instructionPointer,
      machine.baseRegister,
      machine.hasLinkRegister ? 1 : 0,
      signalFrame.stackPointer,
      signalFrame.instructionPointer,
      signalFrame.framePointer,
      this.#limits.maxFdes,
      this.#limits.maxRows,
    ].forEach((word, i) => {
      view.setInt32(at + 4 * i, word, true);
    });
    setAddress(view, at + 40, code.base);
    setAddress(view, at + 48, code.headerStart);
    [rangesAt, code.ranges.length, bareAt, bare.length].forEach((word, i) => {
      view.setUint32(at + 56 + 4 * i, word, true);
    });
  }

  /** Where the section is then, as struct section. Throws what `fill` throws. */
  #add(section: FrameSection): number {
    const { length, address, isEhFrame, endsAtTerminator, textBase, dataBase } = section;
    const at = this.#exports.allocate(SECTION_BYTES);
    const bytesAt = this.#exports.allocate(length);
    section.fill(new Uint8Array(this.#exports.memory.buffer, bytesAt, length));
    const view = this.#view();
    const flags =
      (isEhFrame ? SectionFlag.EhFrame : 0) |
      (endsAtTerminator ? SectionFlag.EndsAtTerminator : 0) |
      (textBase === undefined ? 0 : SectionFlag.HasTextBase) |
      (dataBase === undefined ? 0 : SectionFlag.HasDataBase);
    [bytesAt, length, flags].forEach((word, i) => {
      view.setUint32(at + 4 * i, word, true);
    });
    setAddress(view, at + 16, address);
    setAddress(view, at + 24, textBase ?? 0);
    setAddress(view, at + 32, dataBase ?? 0);
    return at;
  }

  #refuse(what: number): never {
    const { maxFdes, maxRows } = this.#limits;
    const limits = [
      `${maxFdes} FDEs`,
      `${MAX_CIES} CIEs`,
      `${maxRows} rows`,
      `${MAX_PAGES} pages of 64 KiB`,
    ];
    throw UnwindError.tooLarge(limits[what]);
  }

  #countBytes(): void {
    const bytes = this.#exports.bytes_allocated();
    usedBytes += bytes - this.#countedBytes;
    this.#countedBytes = bytes;
  }

  /** Views are good until memory grows. */
  #view(): DataView {
    return new DataView(this.#exports.memory.buffer);
  }

  #words(at: number, length: number): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.#exports.memory.buffer, at >>> 0, length);
  }
}

function setAddress(view: DataView, at: number, address: number): void {
  view.setBigInt64(at, BigInt(address), true);
}
