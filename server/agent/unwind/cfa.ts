/**
 * Runs the call frame instructions of CIEs and FDEs (DWARF 5, 6.4.2) and says for each range of addresses what an
 * unwinder that tracks stack pointer, frame pointer and instruction pointer (and the base register, where that is asked
 * for) has to know; where the other registers are is read over.
 */
import { ByteReader } from './byte-reader';
import { type Cie, readPointer } from './eh-frame';
import { Expression, Shape } from './expression';
import type { Machine } from './machine';

/** Slots of a frame's state. */
export const Slot = {
  /** CfaKind, and its register and offsets. */
  Cfa: 0,
  CfaRegister: 1,
  CfaOffset: 2,
  CfaOffset2: 3,
  /** SavedKind of the caller's frame pointer, and of the return address. */
  Fp: 4,
  FpRegister: 5,
  FpOffset: 6,
  Ra: 7,
  RaRegister: 8,
  RaOffset: 9,
  /** Of the caller's base register, only where it is followed. */
  Base: 10,
  BaseRegister: 11,
  BaseOffset: 12,
} as const;
const SLOTS = 13;

export const CfaKind = {
  Undefined: 0,
  /** register + offset */
  Sum: 1,
  /** *(register + offset) + offset2 */
  Dereferenced: 2,
  /** A PLT's, `offset` as in Expression. */
  Plt: 3,
  UnknownExpression: 4,
  /** An offset is larger than 32 bits. */
  OutOfRange: 5,
} as const;

export const SavedKind = {
  /** No instruction names it. */
  Unspecified: 0,
  Same: 1,
  Undefined: 2,
  /** At CFA + offset. */
  AtCfa: 3,
  /** At register + offset. */
  AtRegister: 4,
  /** In a register. */
  InRegister: 5,
  /** A value derived from the CFA, or by an expression of no known shape. */
  Elsewhere: 6,
} as const;

/** Receives a frame's rows in ascending order; `offset` is from the frame's start, and less than its size. */
export interface FrameSink {
  /** From `offset` on, until the next call, the state holds; it changed since the last call if `changed`. */
  row(offset: number, state: Int32Array, changed: boolean): void;
  /** From `offset` on, nothing is known: the instructions make no sense. */
  malformed(offset: number): void;
}

const MAX_REMEMBERED = 64;
const INT32 = 2 ** 31;

const Op = {
  Nop: 0x00,
  SetLoc: 0x01,
  AdvanceLoc1: 0x02,
  AdvanceLoc2: 0x03,
  AdvanceLoc4: 0x04,
  OffsetExtended: 0x05,
  RestoreExtended: 0x06,
  Undefined: 0x07,
  SameValue: 0x08,
  Register: 0x09,
  RememberState: 0x0a,
  RestoreState: 0x0b,
  DefCfa: 0x0c,
  DefCfaRegister: 0x0d,
  DefCfaOffset: 0x0e,
  DefCfaExpression: 0x0f,
  Expression: 0x10,
  OffsetExtendedSf: 0x11,
  DefCfaSf: 0x12,
  DefCfaOffsetSf: 0x13,
  ValOffset: 0x14,
  ValOffsetSf: 0x15,
  ValExpression: 0x16,
  Aarch64NegateRaStateWithPc: 0x2c,
  GnuWindowSave: 0x2d,
  GnuArgsSize: 0x2e,
  GnuNegativeOffsetExtended: 0x2f,
} as const;

export class CfaInterpreter {
  readonly #machine: Machine;
  readonly #sink: FrameSink;
  /** The base register where it is followed, else -1. */
  readonly #baseRegister: number;
  readonly #state = new Int32Array(SLOTS);
  readonly #remembered = new Int32Array(SLOTS * MAX_REMEMBERED);
  #rememberedCount = 0;
  /** By CIE: its state after its own instructions, null if those make no sense. */
  readonly #initial = new Map<Cie, Int32Array | null>();
  readonly #expression = new Expression();
  #reader = new ByteReader(new Uint8Array(0));
  #changed = true;
  #returnAddress = 0;
  #offset = 0;

  constructor(machine: Machine, sink: FrameSink, followsBase = false) {
    this.#machine = machine;
    this.#sink = sink;
    this.#baseRegister = followsBase ? machine.baseRegister : -1;
  }

  /**
   * The rows of [start, start + size), whose instructions are the CIE's and then those at [at, limit) of its section.
   * `size` is less than 2^31, so that offsets from the start are small integers, not doubles that V8 has to allocate.
   */
  run(cie: Cie, at: number, limit: number, start: number, size: number): void {
    if (this.#reader.bytes !== cie.section.bytes) this.#reader = new ByteReader(cie.section.bytes);
    const initial = this.#initialState(cie);
    if (initial === null) {
      this.#sink.malformed(0);
      return;
    }
    const state = this.#state;
    for (let i = 0; i < SLOTS; i++) state[i] = initial[i];
    this.#changed = true;
    this.#rememberedCount = 0;
    this.#returnAddress = cie.returnAddressRegister;
    this.#reader.seek(at, limit);
    if (!this.#execute(cie, initial, start, size)) this.#sink.malformed(this.#offset);
    else if (this.#offset < size) this.#sink.row(this.#offset, state, this.#changed);
  }

  #initialState(cie: Cie): Int32Array | null {
    let initial = this.#initial.get(cie);
    if (initial !== undefined) return initial;
    this.#state.fill(0);
    this.#rememberedCount = 0;
    this.#returnAddress = cie.returnAddressRegister;
    this.#reader.seek(cie.instructionsAt, cie.instructionsEnd);
    initial = this.#execute(cie, null, 0, 0) ? this.#state.slice() : null;
    this.#initial.set(cie, initial);
    return initial;
  }

  /**
   * Leaves in `#offset` where the last row begins, which the sink has not been given yet; `size` if the instructions
   * went there or past it. False if they make no sense from `#offset` on. `initial` is null for a CIE's own, which have
   * no code to advance over and nothing to restore.
   *
   * Nearly all instructions are of six kinds. They are done here, on local variables, and the rest elsewhere: a small
   * loop gives V8 less to compile, and less reason to compile it again.
   */
  #execute(cie: Cie, initial: Int32Array | null, start: number, size: number): boolean {
    const reader = this.#reader;
    const state = this.#state;
    const { bytes, limit } = reader;
    const { codeAlign, dataAlign } = cie;
    const framePointer = this.#machine.framePointer;
    let at = reader.at;
    let offset = 0;
    this.#offset = 0;
    while (at < limit) {
      const op = bytes[at++];
      let advance = 0;
      if (op < 0x40) {
        if (op === Op.Nop) continue;
        const operand = at < limit ? bytes[at] : 0x80;
        if (op === Op.DefCfaOffset && operand < 0x80 && state[Slot.Cfa] === CfaKind.Sum) {
          at++;
          state[Slot.CfaOffset] = operand;
          this.#changed = true;
          continue;
        }
        if (op === Op.AdvanceLoc1) {
          at++;
          advance = operand * codeAlign;
        } else {
          reader.at = at;
          if (op < Op.OffsetExtended) advance = this.#advance(op, cie, start + offset);
          else if (!this.#rare(op, dataAlign, initial)) return false;
          at = reader.at;
          if (reader.overrun) return false;
        }
      } else if (op < 0x80) {
        advance = (op & 0x3f) * codeAlign;
      } else if (op < 0xc0) {
        const register = op & 0x3f;
        if (at < limit && bytes[at] < 0x80) {
          const factored = bytes[at++];
          if (register === framePointer) {
            state[Slot.Fp] = SavedKind.AtCfa;
            state[Slot.FpOffset] = factored * dataAlign;
            this.#changed = true;
          } else if (register === this.#returnAddress || register === this.#baseRegister) {
            this.#saved(register, SavedKind.AtCfa, factored * dataAlign);
          }
        } else {
          reader.at = at;
          this.#saved(register, SavedKind.AtCfa, reader.uleb() * dataAlign);
          at = reader.at;
          if (reader.overrun) return false;
        }
      } else if (!this.#restore(op & 0x3f, initial)) return false;

      if (advance === 0) continue;
      if (!(advance > 0) || initial === null || at > limit) return false;
      this.#sink.row(offset, state, this.#changed);
      this.#changed = false;
      if (advance >= size - offset) {
        this.#offset = size;
        return true;
      }
      offset += advance;
      this.#offset = offset;
    }
    return at === limit;
  }

  /** The operand of an instruction that advances, in bytes of code; NaN where it can't be known. */
  #advance(op: number, cie: Cie, address: number): number {
    const reader = this.#reader;
    switch (op) {
      case Op.AdvanceLoc2:
        return reader.u16() * cie.codeAlign;
      case Op.AdvanceLoc4:
        return reader.u32() * cie.codeAlign;
      default: {
        const target = readPointer(reader, cie.section, cie.pointerEncoding);
        return target === undefined ? Number.NaN : target - address;
      }
    }
  }

  /** The other instructions. False for those that don't exist or can't be where they are. */
  #rare(op: number, dataAlign: number, initial: Int32Array | null): boolean {
    const reader = this.#reader;
    const state = this.#state;
    switch (op) {
      case Op.OffsetExtended:
        this.#saved(reader.uleb(), SavedKind.AtCfa, reader.uleb() * dataAlign);
        return true;
      case Op.OffsetExtendedSf:
        this.#saved(reader.uleb(), SavedKind.AtCfa, reader.sleb() * dataAlign);
        return true;
      case Op.GnuNegativeOffsetExtended:
        this.#saved(reader.uleb(), SavedKind.AtCfa, -reader.uleb() * dataAlign);
        return true;
      case Op.RestoreExtended:
        return this.#restore(reader.uleb(), initial);
      case Op.Undefined:
        this.#saved(reader.uleb(), SavedKind.Undefined, 0);
        return true;
      case Op.SameValue:
        this.#saved(reader.uleb(), SavedKind.Same, 0);
        return true;
      case Op.Register:
        this.#savedInRegister(reader.uleb(), reader.uleb());
        return true;
      case Op.ValOffset:
        this.#saved(reader.uleb(), SavedKind.Elsewhere, 0);
        reader.uleb();
        return true;
      case Op.ValOffsetSf:
        this.#saved(reader.uleb(), SavedKind.Elsewhere, 0);
        reader.sleb();
        return true;
      case Op.Expression:
        this.#savedByExpression(reader.uleb());
        return true;
      case Op.ValExpression:
        this.#saved(reader.uleb(), SavedKind.Elsewhere, 0);
        reader.skip(reader.uleb());
        return true;
      case Op.RememberState: {
        if (this.#rememberedCount === MAX_REMEMBERED) return false;
        const to = this.#rememberedCount++ * SLOTS;
        for (let i = 0; i < SLOTS; i++) this.#remembered[to + i] = state[i];
        return true;
      }
      case Op.RestoreState: {
        if (this.#rememberedCount === 0) return false;
        const from = --this.#rememberedCount * SLOTS;
        for (let i = 0; i < SLOTS; i++) state[i] = this.#remembered[from + i];
        this.#changed = true;
        return true;
      }
      case Op.DefCfa:
        state[Slot.CfaRegister] = reader.uleb();
        this.#cfaOffset(reader.uleb());
        return true;
      case Op.DefCfaSf:
        state[Slot.CfaRegister] = reader.uleb();
        this.#cfaOffset(reader.sleb() * dataAlign);
        return true;
      case Op.DefCfaRegister:
        state[Slot.CfaRegister] = reader.uleb();
        // After an expression there is no offset to keep.
        if (state[Slot.Cfa] !== CfaKind.Sum) state[Slot.Cfa] = CfaKind.UnknownExpression;
        this.#changed = true;
        return true;
      case Op.DefCfaOffset:
        this.#newCfaOffset(reader.uleb());
        return true;
      case Op.DefCfaOffsetSf:
        this.#newCfaOffset(reader.sleb() * dataAlign);
        return true;
      case Op.DefCfaExpression:
        this.#cfaByExpression();
        return true;
      case Op.GnuArgsSize:
        reader.uleb();
        return true;
      // On arm64 the former is AArch64_negate_ra_state.
      case Op.GnuWindowSave:
      case Op.Aarch64NegateRaStateWithPc:
        return true;
      default:
        return false;
    }
  }

  /** Only where there is a register that it belongs to. */
  #newCfaOffset(offset: number): void {
    const kind = this.#state[Slot.Cfa];
    if (kind === CfaKind.Sum || kind === CfaKind.OutOfRange) this.#cfaOffset(offset);
  }

  #cfaOffset(offset: number): void {
    const state = this.#state;
    state[Slot.Cfa] = isInt32(offset) ? CfaKind.Sum : CfaKind.OutOfRange;
    state[Slot.CfaOffset] = offset;
    this.#changed = true;
  }

  #cfaByExpression(): void {
    const state = this.#state;
    const expression = this.#expression;
    expression.recognize(this.#reader, this.#reader.uleb(), this.#machine.instructionPointer);
    state[Slot.CfaRegister] = expression.register;
    state[Slot.CfaOffset] = expression.offset;
    state[Slot.CfaOffset2] = expression.offset2;
    this.#changed = true;
    if (!isInt32(expression.offset) || !isInt32(expression.offset2)) {
      state[Slot.Cfa] = CfaKind.OutOfRange;
      return;
    }
    switch (expression.shape) {
      case Shape.Sum:
        state[Slot.Cfa] = CfaKind.Sum;
        return;
      case Shape.Dereferenced:
        state[Slot.Cfa] = CfaKind.Dereferenced;
        return;
      case Shape.Plt:
        state[Slot.Cfa] = CfaKind.Plt;
        return;
      case Shape.Unknown:
        state[Slot.Cfa] = CfaKind.UnknownExpression;
    }
  }

  /** The first slot of what is known of a register; -1 for those that nobody needs. */
  #slot(register: number): number {
    if (register === this.#machine.framePointer) return Slot.Fp;
    if (register === this.#returnAddress) return Slot.Ra;
    return register === this.#baseRegister ? Slot.Base : -1;
  }

  #saved(register: number, kind: number, offset: number): void {
    const slot = this.#slot(register);
    if (slot < 0) return;
    const state = this.#state;
    state[slot] = isInt32(offset) ? kind : SavedKind.Elsewhere;
    state[slot + 2] = offset;
    this.#changed = true;
  }

  #savedInRegister(register: number, other: number): void {
    const slot = this.#slot(register);
    if (slot < 0) return;
    this.#state[slot] = SavedKind.InRegister;
    this.#state[slot + 1] = other;
    this.#changed = true;
  }

  #savedByExpression(register: number): void {
    const expression = this.#expression;
    expression.recognize(this.#reader, this.#reader.uleb(), this.#machine.instructionPointer);
    const isKnown = expression.shape === Shape.Sum && isInt32(expression.offset);
    this.#saved(register, isKnown ? SavedKind.AtRegister : SavedKind.Elsewhere, expression.offset);
    const slot = this.#slot(register);
    if (slot >= 0) this.#state[slot + 1] = expression.register;
  }

  /** False where there is nothing to restore from. */
  #restore(register: number, initial: Int32Array | null): boolean {
    if (initial === null) return false;
    const slot = this.#slot(register);
    if (slot < 0) return true;
    const state = this.#state;
    state[slot] = initial[slot];
    state[slot + 1] = initial[slot + 1];
    state[slot + 2] = initial[slot + 2];
    this.#changed = true;
    return true;
  }
}

const isInt32 = (value: number): boolean => value >= -INT32 && value < INT32;
