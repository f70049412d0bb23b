/** What the main thread and the symbol worker say to each other, and what callers of the Symbolizer get. */
import type { ElfErrorKind } from '../elf/elf-file';

/** "No row", as in the profile model. */
export const NONE = 0xffffffff;

/** A place in source code; file and line only where debug information has them. */
export interface SourcePlace {
  /** Demangled, with its argument list and template parameters; of a function without a name, `placeName` of where it begins. */
  readonly functionName: string;
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
}

/**
 * What is at an address: the innermost function, and the functions that it was inlined into there, nearest caller
 * first, the physical function last; a caller's line is that of the inlined call. Equal answers within one array are
 * one object, so that callers can intern by identity.
 */
export interface SymbolizedFrame extends SourcePlace {
  readonly inlined?: readonly SourcePlace[];
  /** The kernel module that the function is from; `bpf` for BPF programs. Only for kernel addresses. */
  readonly kernelModule?: string;
}

/** Of code of which it is known that it has no name, and that asking again brings none. */
export const NO_NAME: SymbolizedFrame = { functionName: '' };

/** The answer to a request for names. */
export interface Naming {
  /** One for each address, undefined where it has no name. */
  readonly frames: readonly (SymbolizedFrame | undefined)[];
  /** Why some have none, in words for people. */
  readonly unnamedReason: string;
  /** Names are only those that dynamic linking needs, or none: the module was stripped, and its symbols were not found. */
  readonly isPoor: boolean;
  /** Its debug file is being fetched: when that has ended, `SymbolsSettled` tells. */
  readonly isFetching: boolean;
}

/** Code in a file that a process mapped. */
export interface ModuleReference {
  /** The same for files with the same names only. Names are cached by it. */
  readonly key: string;
  /**
   * Where the file is as this process can reach it (/proc/PID/root/...), `[vdso]` for the vDSO. It also says where to
   * look for separate debug files, so it should be right even where `fd` is given.
   */
  readonly path: string;
  /** The opened file; it must stay open until the answer is there, and stays the caller's. Else `path` is opened. */
  readonly fd?: number;
}

export interface JitProcess {
  readonly pid: number;
  /** The process's own idea of its pid: the innermost number of NSpid in /proc/PID/status. */
  readonly namespacePid: number;
}

export type SymbolErrorKind =
  | ElfErrorKind
  /** The kernel hides its addresses from this process. */
  | 'kernel-hidden'
  /** The worker ended while it worked on this, or on something before it. */
  | 'worker-ended'
  | 'timeout'
  | 'disposed'
  | 'internal';

/** Why there are no names at all: for single addresses without a name the answer has `undefined`. */
export class SymbolError extends Error {
  override readonly name = 'SymbolError';
  readonly kind: SymbolErrorKind;

  constructor(kind: SymbolErrorKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Where the names of a module came from, and why there are not more. */
export interface ModuleReport {
  readonly key: string;
  readonly path: string;
  /** Functions that its symbol tables have. */
  readonly symbols: number;
  /** What it takes in memory. */
  readonly bytes: number;
  /** For example `.symtab`, `.dynsym`, `.gnu_debugdata`, `/usr/lib/debug/.build-id/ab/cd.debug`, `.debug_info`. */
  readonly sources: readonly string[];
  /** In plain words, for example why debug information was not used. */
  readonly notes: readonly string[];
}

const MAX_NOTES = 20;

/** Adds a note for a ModuleReport, once, as long as there are not too many: hostile files could make any number. */
export function addNote(notes: string[], note: string): void {
  if (notes.length < MAX_NOTES && !notes.includes(note)) notes.push(note);
}

export interface SymbolizerReport {
  /** Those in memory now. */
  readonly modules: readonly ModuleReport[];
  readonly cachedBytes: number;
  readonly kernelSymbols: number;
  readonly jitProcesses: number;
  /** Of what is kept from run to run, and what went wrong with that last. */
  readonly diskCacheBytes: number;
  readonly diskCacheProblem: string | undefined;
}

/** Given to the worker when it starts. */
export interface WorkerSettings {
  /** One element, shared: the worker writes the ID of the request that it works on, to blame if it ends there. */
  readonly workingOn: Int32Array<SharedArrayBuffer>;
  /** Where tables are kept from run to run, undefined for nowhere. */
  readonly cacheDirectory: string | undefined;
  /** The program that asks debuginfod; undefined for Hearth's own. */
  readonly fetchProgram: string | undefined;
}

/** Names of a module's functions that have been sent before; the requester keeps them by their number. */
export interface SentNames {
  /** Others than those that were sent under another one. Never 0. */
  readonly generation: number;
  /** From 0. */
  readonly count: number;
}

/** Added to the number of a module's name in place of a row, for frames of which no more is known. */
export const NAMED = 0x80000000;

/** Rows of distinct frames, as columns; `frame[i]` is the row of the request's address i, or what NAMED says, or NONE. */
export interface FrameColumns {
  /** Names of functions and files as UTF-8, one behind the other, and where each ends. */
  readonly text: Uint8Array<ArrayBuffer>;
  readonly textEnds: Uint32Array;
  /** Index of a text, as are `file` and `kernelModule`. */
  readonly functionName: Uint32Array;
  /**
   * NONE where unknown, as are `outer` and `kernelModule` where there is none. These and `line` are empty where nothing is
   * known of any row but its function's name.
   */
  readonly file: Uint32Array;
  readonly line: Uint32Array;
  /** The row that this one was inlined into. */
  readonly outer: Uint32Array;
  readonly kernelModule: Uint32Array;
  /**
   * Start and end of the code of which a row is all that is known, as in the request; NaN where other addresses of the
   * function may have other rows. Empty where that is so of all.
   */
  readonly extents: Float64Array;
  readonly frame: Uint32Array;
  /** The module's names from this number on, as UTF-8, one behind the other, and where each ends. */
  readonly firstName: number;
  readonly nameText: Uint8Array<ArrayBuffer>;
  readonly nameEnds: Uint32Array;
  /** As `extents`, for each of these names. */
  readonly nameExtents: Float64Array;
}

export type SymbolQuery =
  | {
      readonly kind: 'kernel';
      readonly addresses: Float64Array;
      /** Another one after BPF programs have come or gone; undefined where nobody looks whether they do. */
      readonly version?: number;
    }
  | { readonly kind: 'kernel-base' }
  | {
      readonly kind: 'module';
      readonly module: ModuleReference;
      readonly fileOffsets: Float64Array;
      /** Names that need not be sent again. */
      readonly known?: SentNames;
    }
  | { readonly kind: 'jit'; readonly process: JitProcess; readonly addresses: Float64Array }
  | { readonly kind: 'report' };

export type SymbolResult =
  | ({
      readonly kind: 'frames';
      readonly frames: FrameColumns;
      /** Of a module: all that has been sent, with this answer. */
      readonly sent?: SentNames;
    } & Omit<Naming, 'frames'>)
  | { readonly kind: 'kernel-base'; readonly address: number }
  | { readonly kind: 'report'; readonly report: SymbolizerReport };

/** Messages to the worker are arrays of these: each message costs both threads more than a small query does. */
export interface WorkerRequest {
  readonly id: number;
  readonly query: SymbolQuery;
}

/** Debug files that modules waited for have come, or will not. */
export interface SymbolsSettled {
  readonly settled: {
    /** Of the modules. */
    readonly keys: readonly string[];
    /** Their names are better now: it is worth asking again. */
    readonly found: boolean;
  };
}

/** In arrays, too. */
export type WorkerAnswer =
  | { readonly id: number; readonly result: SymbolResult }
  | {
      readonly id: number;
      readonly error: { readonly kind: SymbolErrorKind; readonly message: string };
    };
