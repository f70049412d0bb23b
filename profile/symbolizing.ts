/** What came of naming a stored session again: what the command line and the screen show of it. */

/** One file, `[kernel]`, or `[JIT]` for what JIT compilers made, whose code is in the session. */
export interface SymbolizedModule {
  /** Path as its processes saw it. */
  readonly module: string;
  /** Distinct places in its code. */
  readonly frames: number;
  readonly unnamedBefore: number;
  readonly unnamedAfter: number;
  /** Frames whose name, source line or inlined functions are others now. */
  readonly changed: number;
  /** Why frames have no names still, in words for people; '' where none is left. */
  readonly reason: string;
}

export interface SymbolizingReport {
  readonly frames: number;
  readonly unnamedBefore: number;
  readonly unnamedAfter: number;
  readonly changed: number;
  /** Those with most frames that have no name, or changed, first. */
  readonly modules: readonly SymbolizedModule[];
}

/** A line of the answer to POST /sessions/:id/symbolize; the last is a report or an error. */
export type SymbolizingMessage =
  | {
      readonly kind: 'progress';
      readonly done: number;
      readonly modules: number;
      readonly module: string;
    }
  | { readonly kind: 'report'; readonly report: SymbolizingReport }
  | { readonly kind: 'error'; readonly error: string };

/** The report in one sentence. */
export function describeSymbolizing({
  frames,
  unnamedBefore,
  unnamedAfter,
  changed,
}: SymbolizingReport): string {
  const count = (n: number): string => n.toLocaleString('en-US');
  const named = unnamedBefore - unnamedAfter;
  if (changed === 0) {
    return unnamedAfter === 0
      ? `Nothing changed: all ${count(frames)} places in the code have names already.`
      : `Nothing changed: ${count(unnamedAfter)} of ${count(frames)} places in the code have no name still.`;
  }
  const better = changed - named;
  return [
    `Of ${count(frames)} places in the code, ${count(unnamedBefore)} had no name before, and ${count(unnamedAfter)} have none now.`,
    ...(better > 0
      ? [`${count(better)} have better names, source lines or inlined functions.`]
      : []),
  ].join(' ');
}
