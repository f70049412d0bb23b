/** Has frames named by the symbolizer, off this thread, and writes the names into the profile's tables. */
import type { ProfileBuilder } from '@/profile/builder';
import { isPlaceName } from '@/profile/names';
import type { UnnamedCode } from '@/profile/status';
import { frameSymbol } from './frame-symbol';
import { isReadable, keptOpen } from './modules';
import type { PendingSymbols } from './stacks';
import { hasPerfMap } from './symbols/perf-map';
import {
  type JitProcess,
  type Naming,
  NO_NAME,
  SymbolError,
  type SymbolizedFrame,
} from './symbols/protocol';
import type { Symbolizer } from './symbols/symbolizer';
import { UnnamedFrames } from './unnamed-frames';
import { within } from './within';

/** JIT compilers write their maps when they like: frames without a name are asked for so many times, on full seconds. */
const JIT_TRIES = 5;
const ROUND_MS = 1000;
/** So many new addresses don't wait: a program has started. To wake the worker for fewer costs more than to name them. */
const MANY = 128;
/** Processes without names for their JIT code that are remembered. */
const MAX_NAMELESS = 1000;
/** Modules with unnamed frames that a status tells of. */
const UNNAMED_MODULES = 20;

/** Frames that wait for debug files: what is beyond is asked for again with a new table only. */
const MAX_WAITING_FRAMES = 100_000;

const UNNAMED = { frames: [], isPoor: false, isFetching: false } as const;

/** What is to be asked for. */
interface Question {
  readonly builder: ProfileBuilder;
  readonly pending: PendingSymbols;
  /** How many of them have been counted as unnamed. */
  readonly unnamed: number;
  readonly atMs: number;
  readonly triesLeft: number;
}

type Waiting = Pick<Question, 'builder' | 'pending' | 'unnamed'>;

const nextRound = (): number => (Math.floor(Date.now() / ROUND_MS) + 1) * ROUND_MS;

export class Namer {
  readonly #symbolizer: Symbolizer;
  /** All of one builder: the one whose frames are counted. */
  #questions: Question[] = [];
  #builder: ProfileBuilder | undefined;
  readonly #asked = new Set<Promise<void>>();
  #lastAskedMs = Number.NEGATIVE_INFINITY;
  readonly #unnamed = new UnnamedFrames();
  /** Processes of which no JIT code could be named when it was tried last, and why not. */
  readonly #nameless = new Map<number, string>();
  /** Which of them have a map by now: each is looked for once for all that is asked for together. */
  readonly #perfMaps = new Map<number, boolean>();

  /** Frames whose module's debug file is being fetched, by the module's key. */
  readonly #waiting = new Map<string, Waiting[]>();
  #waitingFrames = 0;

  constructor(symbolizer: Symbolizer) {
    this.#symbolizer = symbolizer;
    symbolizer.onSettled = (keys, found) => {
      for (const key of keys) this.#settle(key, found);
    };
  }

  /**
   * Names those of `pending` that need no question, takes note of the others, and asks for what is due: at once where it is
   * much, or nothing was asked for in the last second, else on the next full second. Resolves when the names that were asked
   * for are there, or after `waitMs`; what comes later is written then.
   */
  async name(
    builder: ProfileBuilder,
    pending: readonly PendingSymbols[],
    waitMs: number,
  ): Promise<void> {
    if (builder !== this.#builder) {
      this.#builder = builder;
      this.#unnamed.clear();
      this.#questions = [];
    }
    for (const group of pending) {
      const unknown = this.#nameKnown(builder, group);
      if (unknown.frames.length === 0) continue;
      const question = { builder, pending: unknown, unnamed: 0, triesLeft: JIT_TRIES };
      this.#questions.push({ ...question, atMs: nextRound() });
    }
    const isNew = ({ triesLeft, pending: { source } }: Question): boolean =>
      triesLeft === JIT_TRIES && !(source.kind === 'jit' && this.#nameless.has(source.process.pid));
    const count = this.#questions.reduce(
      (sum, question) => sum + (isNew(question) ? question.pending.addresses.length : 0),
      0,
    );
    const now = Date.now();
    const isAtOnce = count >= MANY || now - this.#lastAskedMs >= ROUND_MS;
    const isDue = (question: Question): boolean =>
      question.atMs <= now ||
      // A perf map can be read as long as its process lives.
      (isNew(question) && (isAtOnce || question.pending.source.kind === 'jit'));
    const due = this.#questions.filter(isDue);
    this.#questions = this.#questions.filter((question) => !isDue(question));
    if (due.length === 0) return;
    this.#lastAskedMs = now;
    await within(Promise.all(this.#askAll(due)), waitMs);
  }

  /** Where frames have no name, and why: the modules with most of them. */
  unnamed(): UnnamedCode[] {
    return this.#unnamed.worst(UNNAMED_MODULES);
  }

  /** Asks for whatever is left; resolves when all names are there, or after `maxMs`. */
  async settled(maxMs: number): Promise<void> {
    const questions = this.#questions;
    this.#questions = [];
    this.#askAll(questions);
    await within(Promise.all(this.#asked), maxMs);
  }

  /** Names what is in functions that were named before; returns the rest. */
  #nameKnown(builder: ProfileBuilder, group: PendingSymbols): PendingSymbols {
    const { source } = group;
    if (source.kind === 'jit') return group;
    const key = source.kind === 'module' ? source.module.namesKey : undefined;
    const symbols = this.#symbolizer.known(key, group.addresses);
    const module = moduleOf(group);
    const isWhyKnown = this.#unnamed.has(module);
    const { unknown, nameless } = writeNames(
      builder,
      group,
      // Of what has no name it is asked once why.
      isWhyKnown ? symbols : symbols.map((symbol) => (isNameless(symbol) ? undefined : symbol)),
    );
    this.#unnamed.add(module, nameless);
    return unknown;
  }

  #askAll(questions: readonly Question[]): Promise<void>[] {
    this.#perfMaps.clear();
    return joined(questions).map((question) => {
      const asked = this.#answer(question).finally(() => this.#asked.delete(asked));
      this.#asked.add(asked);
      return asked;
    });
  }

  async #answer({ builder, pending: group, triesLeft, unnamed: counted }: Question): Promise<void> {
    const addresses = Float64Array.from(group.addresses);
    const naming = await this.#request(group, addresses);
    const { unknown, nameless } = writeNames(builder, group, naming.frames);
    const unnamed = unknown.frames.length + nameless;
    if (builder === this.#builder)
      this.#unnamed.add(moduleOf(group), unnamed - counted, naming.unnamedReason);
    if (naming.isFetching) this.#wait({ builder, pending: group, unnamed });
    if (group.source.kind !== 'jit') return;
    const { pid } = group.source.process;
    if (unnamed < group.frames.length) this.#nameless.delete(pid);
    else if (this.#nameless.size < MAX_NAMELESS) this.#nameless.set(pid, naming.unnamedReason);
    if (unnamed > 0 && triesLeft > 1 && builder === this.#builder) {
      this.#questions.push({
        builder,
        pending: unknown,
        unnamed,
        atMs: nextRound(),
        triesLeft: triesLeft - 1,
      });
    }
  }

  /** All frames of the group are asked for again when the debug file has come: their names may be better then. */
  #wait(waiting: Waiting): void {
    const { source, frames } = waiting.pending;
    if (source.kind !== 'module') return;
    if (this.#waitingFrames + frames.length > MAX_WAITING_FRAMES) return;
    this.#waitingFrames += frames.length;
    const { namesKey: key } = source.module;
    const others = this.#waiting.get(key);
    if (others === undefined) this.#waiting.set(key, [waiting]);
    else others.push(waiting);
  }

  #settle(key: string, found: boolean): void {
    const groups = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    for (const group of groups) {
      this.#waitingFrames -= group.pending.frames.length;
      if (found && group.builder === this.#builder)
        this.#questions.push({ ...group, atMs: 0, triesLeft: 1 });
    }
  }

  #hasPerfMap(process: JitProcess): boolean {
    const known = this.#perfMaps.get(process.pid);
    if (known !== undefined) return known;
    const has = hasPerfMap(process);
    this.#perfMaps.set(process.pid, has);
    return has;
  }

  /** A module that can't be read leaves its frames unnamed: they show as module+0xoffset. */
  async #request({ source }: PendingSymbols, addresses: Float64Array): Promise<Naming> {
    try {
      switch (source.kind) {
        case 'kernel':
          return await this.#symbolizer.kernel(addresses);
        case 'jit': {
          const { pid, namespacePid } = source.process;
          const why = this.#nameless.get(pid);
          // To look whether a map has come costs less than to wake the worker.
          if (why !== undefined && !this.#hasPerfMap({ pid, namespacePid }))
            return { ...UNNAMED, unnamedReason: why };
          return await this.#symbolizer.jit({ pid, namespacePid }, addresses);
        }
        case 'module': {
          const { module } = source;
          if (!isReadable(module))
            return { ...UNNAMED, unnamedReason: 'its file could not be opened' };
          const { namesKey: key, reachablePath, fd } = module;
          return await keptOpen(module, () =>
            this.#symbolizer.module(
              fd === undefined ? { key, path: reachablePath } : { key, path: reachablePath, fd },
              addresses,
            ),
          );
        }
      }
    } catch (error) {
      if (!(error instanceof SymbolError)) throw error;
      return { ...UNNAMED, unnamedReason: error.message };
    }
  }
}

/** What could not be named. */
interface Unnamed {
  /** Nothing is known of these frames. */
  readonly unknown: PendingSymbols;
  /** How many are known to have no name, or are of functions of which only the beginning is known. */
  readonly nameless: number;
}

const isNameless = (symbol: SymbolizedFrame | undefined): boolean =>
  symbol !== undefined && (symbol === NO_NAME || isPlaceName(symbol.functionName));

/** Writes the names that are there, one for each frame. */
function writeNames(
  builder: ProfileBuilder,
  { source, frames, addresses }: PendingSymbols,
  symbols: Naming['frames'],
): Unnamed {
  const unknown: PendingSymbols = { source, frames: [], addresses: [] };
  let nameless = 0;
  frames.forEach((frame, i) => {
    const symbol = symbols[i];
    if (symbol !== undefined) {
      if (symbol !== NO_NAME) builder.symbolize(frame, frameSymbol(builder, frame, symbol));
      if (isNameless(symbol)) nameless++;
    } else {
      unknown.frames.push(frame);
      unknown.addresses.push(addresses[i]);
    }
  });
  return { unknown, nameless };
}

/** Those of one source as one: what is due on the same second came in several ticks. */
function joined(questions: readonly Question[]): Question[] {
  const groups = new Map<string, Question>();
  for (const question of questions) {
    const key = `${question.triesLeft} ${sourceKey(question.pending)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, question);
    else {
      const { source, frames, addresses } = group.pending;
      groups.set(key, {
        ...group,
        pending: {
          source,
          frames: [...frames, ...question.pending.frames],
          addresses: [...addresses, ...question.pending.addresses],
        },
        unnamed: group.unnamed + question.unnamed,
      });
    }
  }
  return [...groups.values()];
}

const sourceKey = (group: PendingSymbols): string =>
  group.source.kind === 'module' ? group.source.module.namesKey : moduleOf(group);

/** As in UnnamedCode. */
function moduleOf({ source }: PendingSymbols): string {
  switch (source.kind) {
    case 'kernel':
      return '[kernel]';
    case 'jit':
      return `[anon:${source.process.pid}]`;
    case 'module':
      return source.module.path;
  }
}
