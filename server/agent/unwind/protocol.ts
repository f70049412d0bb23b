/** What the main thread and the unwind worker say to each other. */
import type { UnwindTable } from './format';
import type { UnwindErrorKind } from './unwind-error';

/** A file that processes have mapped, or the vDSO. */
export interface UnwindModule {
  /** The build ID, or anything else that is the same for the same contents only. */
  readonly key: string;
  /** Where this process can reach the file (/proc/PID/root/...), `[vdso]` for the vDSO. */
  readonly path: string;
  /** The opened file; it must stay open until the answer is there, and stays the caller's. Else `path` is opened. */
  readonly fd?: number;
}

/** Given to the worker when it starts. */
export interface WorkerSettings {
  /** Folder of the cache, undefined for none. */
  readonly cacheDirectory: string | undefined;
  readonly cacheBytes: number;
}

/** Answered in the order in which they were sent. */
export interface WorkerRequest {
  readonly module: UnwindModule;
}

export interface CompiledTable {
  readonly table: UnwindTable;
  readonly source: 'compiled' | 'cache';
  /** What it took the worker. */
  readonly ms: number;
}

export type WorkerAnswer = {
  /** Of the cache, in bytes, and what went wrong with it last. */
  readonly cacheUsed: number;
  readonly cacheProblem: string | undefined;
} & (
  | { readonly result: CompiledTable }
  | { readonly error: { readonly kind: UnwindErrorKind; readonly message: string } }
);
