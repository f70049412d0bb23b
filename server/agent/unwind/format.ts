/**
 * The unwind table: what the compiler makes of a file's call frame information, and what BPF searches. One layout,
 * little-endian, everywhere: in the worker's answer, in the cache on disk, and in the arrays that BPF reads.
 *
 *   module -> page of 64 KiB -> rows of that page -> rule
 *
 * An ADDRESS is a virtual address as the ELF file has it (as .eh_frame, symbols and program headers have it). A
 * process's mapping has a bias so that `address = ip - bias`; for a mapping of `fileOffset` at `start`,
 * `bias = start - elf.addressOfFileOffset(fileOffset)`, 0 for a program that is not position-independent. Look up
 * `ip` itself in the leaf frame and in the frame that a signal interrupted, `ip - 1` in every caller: a call may be a
 * function's last instruction.
 *
 * ROW: one u32, `low16(address) << 16 | rule index`. It holds from its address to the next row's.
 * PAGE: page p holds the rows whose address >> 16 is basePage + p (mod 2^32). `pages[p]` is the index of its first row,
 * `pages[p + 1]` that of the next page's, so there is one entry more than there are pages. Every page has at least one
 * row, its first row is at low16 0, and rows ascend strictly: a search always finds a row, within the page, and is at
 * most 16 steps.
 * RULE: one u64, here as two u32 words (low word first):
 *
 *   bits  0..7   kind       RuleKind: where the caller's stack pointer (the CFA) comes from, or a special
 *   bits  8..10  fp         FpRule: where the caller's frame pointer is
 *   bit  11      knowsBase  what the caller had in the base register (Machine.baseRegister) is known
 *   bits 12..15  ra         RaRule: where the return address is
 *   bits 16..31  fpOffset   signed bytes, for `fp` and `ra`; UnsupportedReason for RuleKind.Unsupported
 *   bits 32..63  parameter  signed, by kind
 *
 * In C (struct unwind_rule { __u8 kind, recovery; __s16 fp_offset; __s32 parameter; }), with the arrays of TablePool:
 *
 *   state = modules[id].state;                       // ModuleState in the low 8 bits, a generation above
 *   if ((state & 0xff) != MODULE_READY) stop by state;
 *   page = (u32)(address >> 16) - modules[id].base_page;
 *   if (page >= modules[id].page_count) no row;
 *   entry = modules[id].first_page + page;
 *   low = pages[entry]; high = pages[entry + 1];     // rows [low, high), absolute in rows[]
 *   key = (u32)address << 16 | 0xffff;
 *   while (high - low > 1) {                         // at most 16 times
 *     middle = (low + high) / 2;
 *     if (rows[middle] <= key) low = middle; else high = middle;
 *   }
 *   rule = rules[rows[low] & 0xffff];
 *   if (modules[id].state != state) stop: evicted;   // rows and rule may be another module's by now
 *
 * The same word of `state` before and after proves that what was read between belonged to the module: user space
 * changes the state (and its generation) before it writes over the module's rows, pages or rules.
 *
 * What a rule says, with sp, fp, ip those of the frame and CFA the caller's sp:
 *
 *   NoRow         nothing covers this address; BPF may try the frame pointer
 *   End           the outermost frame (_start, clone): the stack is complete
 *   Unsupported   there is information, but not such as this unwinder can follow; fpOffset says why
 *   FramePointer  CFA = fp + 16, ra = *(fp + 8), fp = *fp: no rows, but the file is known to keep frame pointers
 *   CfaSp         CFA = sp + parameter
 *   CfaFp         CFA = fp + parameter
 *   CfaRegister   CFA = register[parameter & 0xff] + (parameter >> 8): only while that register's value is known, so in
 *                 the leaf frame, and the base register's in others too; DWARF register numbers
 *   CfaSpDeref    CFA = *(sp + low s16 of parameter) + (high s16 of parameter)
 *   CfaFpDeref    CFA = *(fp + low s16 of parameter) + (high s16 of parameter)
 *   Plt           CFA = sp + 8 + ((ip & 15) >= parameter ? 8 : 0)
 *   CfaSpBase     CFA = sp + (low s16 of parameter), the caller's base register = *(CFA + high s16 of parameter)
 *   CfaFpBase     CFA = fp + (low s16 of parameter), the same
 *   Signal        all from the stack: sp = *(sp + low s16 of parameter), ip = *(sp + high s16 of parameter),
 *                 fp = *(sp + fpOffset); the next frame's ip is exact, no return address. On x86-64 rbx is behind rbp
 *
 * The base register is followed through tables of files in which a function needs it (the dynamic linker, above all):
 * only their rules know it, so that others are few. In the leaf frame it is what the program has in it. A rule with
 * knowsBase leaves it as it is, unless its kind says where the caller's is; a rule without loses it.
 *
 * Except for specials and Signal: caller's fp by FpRule, caller's ip by RaRule, caller's sp = CFA. A CFA that is not
 * above sp means a broken stack, except where the return address is in a register: then it may be sp itself.
 */

export const PAGE_SHIFT = 16;

export const RuleKind = {
  NoRow: 0,
  End: 1,
  Unsupported: 2,
  FramePointer: 3,
  CfaSp: 4,
  CfaFp: 5,
  CfaRegister: 6,
  CfaSpDeref: 7,
  CfaFpDeref: 8,
  Plt: 9,
  Signal: 10,
  CfaSpBase: 11,
  CfaFpBase: 12,
} as const;
export type RuleKind = (typeof RuleKind)[keyof typeof RuleKind];
const LAST_RULE_KIND = RuleKind.CfaFpBase;

/** Where the caller's frame pointer (rbp, x29) is. */
export const FpRule = {
  /** The frame has not changed it. */
  Same: 0,
  /** *(CFA + fpOffset) */
  AtCfa: 1,
  /** *(fp + fpOffset) */
  AtFp: 2,
  /** *(sp + fpOffset) */
  AtSp: 3,
  /** Lost, or kept where this unwinder can't follow: only a later rule that is based on it fails. */
  Unknown: 4,
} as const;
export type FpRule = (typeof FpRule)[keyof typeof FpRule];
const LAST_FP_RULE = FpRule.Unknown;

/** The bit of a rule's low word that says `knowsBase`. */
const KNOWS_BASE = 1 << 11;

/** Where the return address is. */
export const RaRule = {
  /** *(CFA - 8): x86-64, always. */
  BelowCfa: 0,
  /** *(CFA + fpOffset + 8): arm64, the pair of x29 and x30 that FpRule.AtCfa finds. */
  AfterFp: 1,
  /** *(CFA + fpOffset): arm64, x30 saved alone (FpRule is Same). */
  AtCfa: 2,
  /** In the link register, x30: arm64, a leaf's. */
  LinkRegister: 3,
  /**
   * In register fpOffset (DWARF's number), known in the leaf frame only: vfork keeps it there, and the end of longjmp.
   * FpRule is Same or Unknown.
   */
  Register: 4,
} as const;
export type RaRule = (typeof RaRule)[keyof typeof RaRule];
const LAST_RA_RULE = RaRule.Register;

/** Why there are rows that can't be followed: the fpOffset of RuleKind.Unsupported. */
export const UnsupportedReason = {
  None: 0,
  /** The CFA comes from a DWARF expression of no known shape. */
  Expression: 1,
  /** The return address is somewhere that no RaRule describes. */
  ReturnAddress: 2,
  /** An offset does not fit the rule. */
  OffsetRange: 3,
  /** The frame's instructions are damaged, or use what no compiler emits. */
  Malformed: 4,
  /** There are more different rules, in this file or in all loaded ones, than a row can number. */
  TooManyRules: 5,
} as const;
export type UnsupportedReason = (typeof UnsupportedReason)[keyof typeof UnsupportedReason];
export const UNSUPPORTED_REASONS = Object.keys(
  UnsupportedReason,
) as readonly (keyof typeof UnsupportedReason)[];

/** Rules with a fixed index, the same in every table and in the rules that BPF reads; others start at SPECIAL_RULES. */
export const SpecialRule = {
  NoRow: 0,
  End: 1,
  FramePointer: 2,
  /** Plus an UnsupportedReason. */
  Unsupported: 3,
} as const;
export const SPECIAL_RULES = 16;
/** A row has 16 bits for its rule. */
export const MAX_RULES = 65536;

/** 4 GiB from the first to the last instruction: no program has more, but hostile files say so. */
export const MAX_PAGES = 2 ** 16;

/** Low 8 bits of a module's state; the 24 bits above are a generation that changes with every change of the state. */
export const ModuleState = {
  /** The ID was never given out: a table may come. */
  Absent: 0,
  /** Being compiled, or waiting for it. */
  Pending: 1,
  Ready: 2,
  /** There was a table, and it had to make room. */
  Evicted: 3,
  /** The file has no call frame information, or could not be read. */
  NoTable: 4,
  /** The table is larger than all the room there is. */
  NoRoom: 5,
} as const;
export type ModuleState = (typeof ModuleState)[keyof typeof ModuleState];

/** A module's entry in the array that BPF reads: four u32 words each. */
export const ModuleWord = { State: 0, BasePage: 1, PageCount: 2, FirstPage: 3 } as const;
export const MODULE_WORDS = 4;

export type UnwindMachine = 'x86-64' | 'arm64';

/** What became of a file's call frame information, for people and tests; not needed to unwind. */
export interface UnwindCounts {
  /** Frame description entries that became rows. */
  readonly fdes: number;
  /** Entries left out: damaged, outside of the file's code, or not encoded in a known way. */
  readonly skippedFdes: number;
  /** Rows that can be followed in a leaf frame only (RuleKind.CfaRegister, but not of the base register; RaRule.Register). */
  readonly leafRows: number;
  /** Rows whose caller's frame pointer is lost (FpRule.Unknown). */
  readonly lostFpRows: number;
  /** Rows of RuleKind.Unsupported, by UnsupportedReason. */
  readonly unsupportedRows: readonly number[];
}

export interface UnwindTable {
  readonly machine: UnwindMachine;
  /** Lower-case hex, '' where the file has none. */
  readonly buildId: string;
  /** address >> 16 of the first page, mod 2^32. */
  readonly basePage: number;
  /** `pages.length - 1` pages; the last entry is the number of rows. */
  readonly pages: Uint32Array<ArrayBuffer>;
  /** low16(address) << 16 | local rule index */
  readonly rows: Uint32Array<ArrayBuffer>;
  /** Two words each. The first SPECIAL_RULES are the same in every table. */
  readonly rules: Uint32Array<ArrayBuffer>;
  readonly counts: UnwindCounts;
}

/** A rule's low word. `fpOffset` in [-32768, 32767]. */
export function ruleLow(
  kind: RuleKind,
  fp: FpRule,
  ra: RaRule,
  fpOffset: number,
  knowsBase = false,
): number {
  const base = knowsBase ? KNOWS_BASE : 0;
  return (kind | (fp << 8) | base | (ra << 12) | (fpOffset << 16)) >>> 0;
}

/** The FpRule in a rule's low word. */
export const fpRuleOf = (low: number): number => (low >>> 8) & 7;

/** The high word of a rule whose parameter is two signed 16-bit offsets. */
export const offsetPair = (low: number, high: number): number =>
  ((low & 0xffff) | (high << 16)) >>> 0;

/** The high word of RuleKind.CfaRegister; `offset` in [-2^23, 2^23). */
export const registerParameter = (register: number, offset: number): number =>
  ((register & 0xff) | (offset << 8)) >>> 0;

export interface DecodedRule {
  readonly kind: RuleKind;
  readonly fp: FpRule;
  readonly knowsBase: boolean;
  readonly ra: RaRule;
  readonly fpOffset: number;
  readonly parameter: number;
}

/** For tests and people: one object per call. */
export function decodeRule(rules: Uint32Array, index: number): DecodedRule {
  const low = rules[index * 2];
  return {
    kind: (low & 0xff) as RuleKind,
    fp: fpRuleOf(low) as FpRule,
    knowsBase: (low & KNOWS_BASE) !== 0,
    ra: ((low >>> 12) & 15) as RaRule,
    fpOffset: low >> 16,
    parameter: rules[index * 2 + 1] | 0,
  };
}

/** True if the low word names a kind, FpRule and RaRule that exist. */
export function isKnownRule(low: number): boolean {
  return (
    (low & 0xff) <= LAST_RULE_KIND &&
    fpRuleOf(low) <= LAST_FP_RULE &&
    ((low >>> 12) & 15) <= LAST_RA_RULE
  );
}

/** The rules that every table starts with: SPECIAL_RULES of them, those without a meaning as NoRow. */
export function specialRules(): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(SPECIAL_RULES * 2);
  const set = (index: number, kind: RuleKind, fpOffset = 0): void => {
    words[index * 2] = ruleLow(kind, FpRule.Same, RaRule.BelowCfa, fpOffset);
  };
  set(SpecialRule.End, RuleKind.End);
  set(SpecialRule.FramePointer, RuleKind.FramePointer);
  for (const reason of Object.values(UnsupportedReason)) {
    set(SpecialRule.Unsupported + reason, RuleKind.Unsupported, reason);
  }
  return words;
}

/** The index of the rule that holds at an address: what BPF does, for tests and people. */
export function findRule(table: UnwindTable, address: number): number {
  const page = (Math.floor(address / 65536) - table.basePage) >>> 0;
  if (page >= table.pages.length - 1) return SpecialRule.NoRow;
  const key = (((address & 0xffff) << 16) | 0xffff) >>> 0;
  let low = table.pages[page];
  let high = table.pages[page + 1];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (table.rows[middle] <= key) low = middle;
    else high = middle;
  }
  return table.rows[low] & 0xffff;
}
