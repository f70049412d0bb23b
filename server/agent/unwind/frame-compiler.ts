/** Runs frame entries in the order of their code, and makes a table of their rows and of the gaps between them. */
import { CfaInterpreter, CfaKind, type FrameSink, SavedKind, Slot } from './cfa';
import type { FrameEntries } from './eh-frame';
import {
  FpRule,
  RaRule,
  RuleKind,
  ruleLow,
  SpecialRule,
  UnsupportedReason,
  type UnwindTable,
} from './format';
import { ruleOf } from './frame-rule';
import type { Machine } from './machine';
import { TableBuilder } from './table-builder';
import { UnwindError } from './unwind-error';

/** Of one function. */
const MAX_FRAME_BYTES = 2 ** 30;
const CHECK_DEADLINE_EVERY = 1024;
/** Of one function: most have fewer. */
const TYPICAL_ROWS = 5;
/** Between functions, up to the next 16-byte boundary: it never runs, so the last row may as well cover it. */
const MAX_PADDING = 16;

/** Code that no FDE may cover, in [start, end), and the rule for it then. Offsets from the code's base. */
export interface BareCode {
  readonly start: number;
  readonly end: number;
  readonly rule: typeof SpecialRule.End | typeof SpecialRule.FramePointer | 'plt';
}

/**
 * In an entry of a procedure linkage table, the jump to the dynamic linker is here, behind a push. Entries without one
 * have no instruction that begins there.
 */
const PLT_PUSHED = 11;

export class FrameCompiler implements FrameSink {
  readonly #machine: Machine;
  readonly #entries: FrameEntries;
  /** How many of the entries are from .eh_frame; the rest is from .debug_frame. */
  readonly #ehEntries: number;
  readonly #bare: readonly BareCode[];
  readonly #bareStart: number;
  readonly #bareEnd: number;
  readonly #builder: TableBuilder;
  readonly #interpreter: CfaInterpreter;
  /** Rules by #commonKey; 0 where the rule isn't known yet. */
  readonly #commonRules = new Uint16Array(32768);
  #isSignalFrame = false;
  readonly #followsBase: boolean;
  #needsBase = false;
  readonly #pltRule: number;
  #rule: number = SpecialRule.NoRow;
  /** The end of the code that has its rows. */
  #end = 0;
  #used = 0;

  /** `followsBase`: rules say what becomes of the base register. */
  constructor(
    machine: Machine,
    entries: FrameEntries,
    ehEntries: number,
    bare: readonly BareCode[],
    maxRows: number,
    followsBase: boolean,
  ) {
    this.#followsBase = followsBase;
    this.#machine = machine;
    this.#entries = entries;
    this.#ehEntries = ehEntries;
    this.#bare = bare;
    this.#bareStart = Math.min(...bare.map(({ start }) => start));
    this.#bareEnd = Math.max(...bare.map(({ end }) => end));
    const expectedRows = entries.length * TYPICAL_ROWS;
    this.#builder = new TableBuilder(maxRows, entries.code.base, expectedRows);
    this.#pltRule = bare.some(({ rule }) => rule === 'plt')
      ? this.#builder.rules.intern(
          ruleLow(RuleKind.Plt, FpRule.Same, RaRule.BelowCfa, 0),
          PLT_PUSHED,
        )
      : SpecialRule.NoRow;
    this.#interpreter = new CfaInterpreter(machine, this, followsBase);
  }

  /** Throws UnwindError. */
  compile(deadlineMs: number): void {
    const { size, cie, cies, instructionsAt, instructionsEnd, code, length } = this.#entries;
    const sorted = this.#entries.sorted();
    let previous = -1;
    let ehEnd = 0;
    for (let i = 0; i < length; i++) {
      if (i % CHECK_DEADLINE_EVERY === 0 && performance.now() > deadlineMs) {
        throw UnwindError.timeout();
      }
      const entry = sorted[2 * i];
      const from = sorted[2 * i + 1];
      const to = from + size[entry];
      // Of entries that begin at one address the first counts, and .eh_frame before .debug_frame.
      if (from === previous) continue;
      const isEhFrame = entry < this.#ehEntries;
      if (isEhFrame) ehEnd = Math.max(ehEnd, to);
      else if (from < ehEnd) continue;
      previous = from;
      const end = Math.min(
        to,
        from + MAX_FRAME_BYTES,
        this.#nextStart(sorted, i, isEhFrame ? to : from),
      );
      this.#gap(from);
      this.#builder.begin(from);
      const frame = cies[cie[entry]];
      this.#isSignalFrame = frame.isSignalFrame;
      const address = code.base + from;
      this.#interpreter.run(
        frame,
        instructionsAt[entry],
        instructionsEnd[entry],
        address,
        end - from,
      );
      this.#end = end;
      this.#used++;
    }
  }

  /** Some code has its CFA in the base register: what that calls can only be followed by rules that know it. */
  get needsBase(): boolean {
    return this.#needsBase;
  }

  finish(buildId: string): UnwindTable {
    const end = Math.max(this.#end, this.#bareEnd);
    this.#gap(end);
    const fdes = { used: this.#used, skipped: this.#entries.skipped };
    return this.#builder.finish(this.#machine.name, buildId, end, fdes);
  }

  row(offset: number, state: Int32Array, changed: boolean): void {
    if (changed) this.#rule = this.#ruleOf(state);
    this.#builder.add(offset, this.#rule);
  }

  malformed(offset: number): void {
    this.#builder.add(offset, SpecialRule.Unsupported + UnsupportedReason.Malformed);
  }

  /** Nearly all states are of few kinds: their rules are looked up (7% of the time of node's first table). */
  #ruleOf(state: Int32Array): number {
    const key = this.#isSignalFrame || this.#followsBase ? -1 : this.#commonKey(state);
    if (key >= 0 && this.#commonRules[key] !== 0) return this.#commonRules[key];
    const { rules } = this.#builder;
    const rule = ruleOf(state, this.#isSignalFrame, this.#machine, rules, this.#followsBase);
    this.#needsBase ||=
      state[Slot.Cfa] === CfaKind.Sum && state[Slot.CfaRegister] === this.#machine.baseRegister;
    if (key >= 0) this.#commonRules[key] = rule;
    return rule;
  }

  /** A small number for what compilers make of ordinary functions, different for different rules; -1 for the rest. */
  #commonKey(state: Int32Array): number {
    const register = state[Slot.CfaRegister];
    const offset = state[Slot.CfaOffset];
    const isCommon =
      state[Slot.Cfa] === CfaKind.Sum &&
      (register === this.#machine.stackPointer || register === this.#machine.framePointer) &&
      (offset & ~0x1ff8) === 0 &&
      state[Slot.Ra] === SavedKind.AtCfa &&
      state[Slot.RaOffset] === -8;
    if (!isCommon) return -1;
    const isOnFp = register === this.#machine.framePointer ? 1 : 0;
    if (state[Slot.Fp] === SavedKind.Unspecified) return (offset << 2) | isOnFp;
    const fpOffset = -state[Slot.FpOffset];
    if (state[Slot.Fp] !== SavedKind.AtCfa || (fpOffset & ~0x78) !== 0 || fpOffset === 0) return -1;
    return (offset << 2) | (fpOffset >> 2) | isOnFp;
  }

  /**
   * Where the next entry begins: one that begins within another cuts it short, unless it is from .debug_frame and
   * before `ehEnd`, where it doesn't count.
   */
  #nextStart(sorted: Uint32Array, index: number, ehEnd: number): number {
    const from = sorted[2 * index + 1];
    for (let i = 2 * index + 2; i < sorted.length; i += 2) {
      const next = sorted[i + 1];
      if (next === from || (sorted[i] >= this.#ehEntries && next < ehEnd)) continue;
      return next;
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Rows for the code between the last entry and the one at `to`. */
  #gap(to: number): void {
    const from = this.#end;
    if (from >= to) return;
    if (!this.#hasBare(from, to)) {
      const isPadding = to - from < MAX_PADDING && to % MAX_PADDING === 0;
      if (!isPadding) this.#builder.addAt(from, SpecialRule.NoRow);
    } else this.#bareGap(from, to);
  }

  #hasBare(from: number, to: number): boolean {
    if (to <= this.#bareStart || from >= this.#bareEnd) return false;
    return this.#bare.some(({ start, end }) => start < to && end > from);
  }

  #bareGap(from: number, to: number): void {
    const bares = this.#bare;
    const borders = [from, ...bares.flatMap((bare) => [bare.start, bare.end])]
      .filter((at) => at >= from && at < to)
      .sort((a, b) => a - b);
    for (const at of borders) {
      const bare = bares.find(({ start, end }) => at >= start && at < end);
      const rule = bare?.rule ?? SpecialRule.NoRow;
      this.#builder.addAt(at, rule === 'plt' ? this.#pltRule : rule);
    }
  }
}
