/**
 * Asks for debug files by build ID, and tells when one has come or will not. The network is a process's of its own; here
 * what it brings goes into files of the cache, and counts only if it is what was asked for.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { distFile } from '@/server/root';
import type { NewFile } from '../disk-cache';
import {
  type FetchFrame,
  FetchFrameReader,
  type FetchRequest,
  type FetchSettings,
  FrameType,
} from './protocol';

/** The process ends when it has had nothing to do for so long. */
const IDLE_MS = 30_000;
/** What no server has is asked for again after an hour; what failed, sooner. */
const MISSING_MS = 3_600_000;
const FAILED_MS = 600_000;
const MAX_REMEMBERED = 10_000;
/** More than these are not asked for now: their names are asked for again with their next frames. */
const MAX_WAITING = 500;

export interface DebugFileStore {
  /** A file for what comes; undefined where none can be made. */
  create(buildId: string): NewFile | undefined;
  /** Whether the file that was just committed is the one for the build ID; it is removed if not. */
  accept(buildId: string): boolean;
}

export interface DebuginfodOptions {
  readonly settings: FetchSettings;
  readonly store: DebugFileStore;
  /** Called once for each file that was asked for. */
  readonly onSettled: (buildId: string, found: boolean) => void;
  /** The program's bundle. */
  readonly program?: string;
}

interface Fetch {
  readonly buildId: string;
  file: NewFile | undefined;
}

export class DebuginfodClient {
  readonly #options: DebuginfodOptions;
  #child: ChildProcess | undefined;
  #idle: NodeJS.Timeout | undefined;
  #nextId = 0;
  readonly #fetches = new Map<number, Fetch>();
  readonly #asked = new Set<string>();
  /** Until when (performance.now) a build ID is not asked for again, and why. */
  readonly #missing = new Map<string, { readonly untilMs: number; readonly reason: string }>();

  constructor(options: DebuginfodOptions) {
    this.#options = options;
  }

  /** Asks for a file, if that is of use; whether it is under way now. */
  request(buildId: string): boolean {
    if (this.#asked.has(buildId)) return true;
    const missing = this.#missing.get(buildId);
    if (missing !== undefined && performance.now() < missing.untilMs) return false;
    if (this.#fetches.size >= MAX_WAITING) return false;
    const request: FetchRequest = { id: this.#nextId++, buildId };
    this.#fetches.set(request.id, { buildId, file: undefined });
    this.#asked.add(buildId);
    clearTimeout(this.#idle);
    this.#child ??= this.#start();
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    return true;
  }

  /** Why a file can't be had, in words for people; '' where it was not asked for, or is under way. */
  problem(buildId: string): string {
    return this.#missing.get(buildId)?.reason ?? '';
  }

  close(): void {
    clearTimeout(this.#idle);
    const child = this.#child;
    this.#child = undefined;
    child?.kill('SIGKILL');
    for (const { file } of this.#fetches.values()) file?.abort();
    this.#fetches.clear();
  }

  #start(): ChildProcess {
    const { settings, program = distFile('debuginfod.js') } = this.#options;
    const child = spawn(
      process.execPath,
      ['--max-old-space-size=64', program, JSON.stringify(settings)],
      { stdio: ['pipe', 'pipe', 'ignore'] },
    );
    const reader = new FetchFrameReader();
    const stdout = child.stdout as Readable;
    stdout.on('data', (piece: Buffer) => {
      try {
        for (const frame of reader.push(piece)) this.#take(frame);
      } catch {
        // What it says makes no sense.
        child.kill('SIGKILL');
      }
    });
    (child.stdin as Writable).on('error', () => {});
    child.on('error', () => this.#ended(child));
    child.on('close', () => this.#ended(child));
    return child;
  }

  #take({ id, type, payload }: FetchFrame): void {
    const fetch = this.#fetches.get(id);
    if (fetch === undefined) return;
    switch (type) {
      case FrameType.Data:
        fetch.file ??= this.#options.store.create(fetch.buildId);
        fetch.file?.write(payload);
        return;
      case FrameType.Restart:
        fetch.file?.abort();
        fetch.file = undefined;
        return;
      case FrameType.End: {
        const isStored = fetch.file?.commit() === true;
        if (isStored && this.#options.store.accept(fetch.buildId)) this.#settle(id, true);
        else
          this.#miss(
            id,
            FAILED_MS,
            'what debuginfod brought is not its debug file, or could not be stored',
          );
        return;
      }
      case FrameType.Missing:
        this.#miss(id, MISSING_MS, 'no debuginfod server has its debug file');
        return;
      default:
        this.#miss(id, FAILED_MS, `debuginfod: ${Buffer.from(payload).toString().slice(0, 300)}`);
    }
  }

  #miss(id: number, forMs: number, reason: string): void {
    const fetch = this.#fetches.get(id);
    if (fetch === undefined) return;
    if (this.#missing.size >= MAX_REMEMBERED) this.#missing.clear();
    this.#missing.set(fetch.buildId, { untilMs: performance.now() + forMs, reason });
    this.#settle(id, false);
  }

  #settle(id: number, found: boolean): void {
    const fetch = this.#fetches.get(id);
    if (fetch === undefined) return;
    fetch.file?.abort();
    this.#fetches.delete(id);
    this.#asked.delete(fetch.buildId);
    if (this.#fetches.size === 0) {
      this.#idle = setTimeout(() => this.#child?.kill(), IDLE_MS).unref();
    }
    this.#options.onSettled(fetch.buildId, found);
  }

  /** What it had to do is not done, for whatever reason it ended. */
  #ended(child: ChildProcess): void {
    if (child !== this.#child) return;
    this.#child = undefined;
    clearTimeout(this.#idle);
    for (const id of [...this.#fetches.keys()]) {
      this.#miss(id, FAILED_MS, 'the process that asks debuginfod ended');
    }
  }
}
