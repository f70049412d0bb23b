/** Has frames named by the symbolizer, off this thread, and writes the names into the profile's tables. */
import type { ProfileBuilder } from '@/profile/builder';
import type { UnnamedCode } from '@/profile/status';
import { frameSymbol } from './frame-symbol';
import { isReadable, keptOpen } from './modules';
import type { PendingSymbols } from './stacks';
import { type Naming, SymbolError } from './symbols/protocol';
import type { Symbolizer } from './symbols/symbolizer';
import { UnnamedFrames } from './unnamed-frames';
import { within } from './within';

/** JIT compilers write their maps when they like: frames without a name are asked for this often, on full seconds. */
const JIT_TRIES = 5;
const JIT_RETRY_MS = 1000;
/** Modules with unnamed frames that a status tells of. */
const UNNAMED_MODULES = 20;

/** Frames that wait for debug files: what is beyond is asked for again with a new table only. */
const MAX_WAITING_FRAMES = 100_000;

const UNNAMED = { frames: [], isPoor: false, isFetching: false } as const;

interface Retry {
  readonly builder: ProfileBuilder;
  readonly pending: PendingSymbols;
  /** How many of them have been counted as unnamed. */
  readonly unnamed: number;
  readonly atMs: number;
  readonly triesLeft: number;
}

type Waiting = Pick<Retry, 'builder' | 'pending' | 'unnamed'>;

export class Namer {
  readonly #symbolizer: Symbolizer;
  #retries: Retry[] = [];
  readonly #asked = new Set<Promise<void>>();
  readonly #unnamed = new UnnamedFrames();
  /** The builder whose frames are counted. */
  #counted: ProfileBuilder | undefined;

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
   * Asks for the names of `pending` and of what is due again. Resolves when all are there, or after `waitMs`; what comes
   * later is written then.
   */
  async name(
    builder: ProfileBuilder,
    pending: readonly PendingSymbols[],
    waitMs: number,
  ): Promise<void> {
    const now = Date.now();
    const due = this.#retries.filter((retry) => retry.atMs <= now && retry.builder === builder);
    this.#retries = this.#retries.filter((retry) => retry.atMs > now);
    if (pending.length + due.length === 0) return;
    if (builder !== this.#counted) this.#unnamed.clear();
    this.#counted = builder;
    const answers = [
      ...pending.map((group) => this.#ask(builder, group, JIT_TRIES, 0)),
      ...joined(due).map(({ pending, triesLeft, unnamed }) =>
        this.#ask(builder, pending, triesLeft, unnamed),
      ),
    ];
    await within(Promise.all(answers), waitMs);
  }

  /** Where frames have no name, and why: the modules with most of them. */
  unnamed(): UnnamedCode[] {
    return this.#unnamed.worst(UNNAMED_MODULES);
  }

  /** Resolves when all names that were asked for are there, or after `maxMs`. */
  async settled(maxMs: number): Promise<void> {
    await within(Promise.all(this.#asked), maxMs);
  }

  /** `counted` frames of the group have been counted as unnamed before. */
  #ask(
    builder: ProfileBuilder,
    group: PendingSymbols,
    triesLeft: number,
    counted: number,
  ): Promise<void> {
    const asked = this.#answer(builder, group, triesLeft, counted).finally(() =>
      this.#asked.delete(asked),
    );
    this.#asked.add(asked);
    return asked;
  }

  async #answer(
    builder: ProfileBuilder,
    group: PendingSymbols,
    triesLeft: number,
    counted: number,
  ): Promise<void> {
    const addresses = Float64Array.from(group.addresses);
    const naming = await this.#request(group, addresses);
    const symbols = naming.frames;
    const unnamed: PendingSymbols = { source: group.source, frames: [], addresses: [] };
    group.frames.forEach((frame, i) => {
      const symbol = symbols[i];
      if (symbol !== undefined) {
        builder.symbolize(frame, frameSymbol(builder, frame, symbol));
      } else {
        unnamed.frames.push(frame);
        unnamed.addresses.push(group.addresses[i]);
      }
    });
    if (builder === this.#counted) {
      const change = unnamed.frames.length - counted;
      this.#unnamed.add(moduleOf(group), change, naming.unnamedReason);
    }
    if (naming.isFetching) {
      this.#wait({ builder, pending: group, unnamed: unnamed.frames.length });
    }
    if (group.source.kind === 'jit' && unnamed.frames.length > 0 && triesLeft > 1) {
      this.#retries.push({
        builder,
        pending: unnamed,
        unnamed: unnamed.frames.length,
        atMs: Math.ceil(Date.now() / JIT_RETRY_MS + 0.5) * JIT_RETRY_MS,
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
    const { key } = source.module;
    const others = this.#waiting.get(key);
    if (others === undefined) this.#waiting.set(key, [waiting]);
    else others.push(waiting);
  }

  #settle(key: string, found: boolean): void {
    const groups = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    for (const group of groups) {
      this.#waitingFrames -= group.pending.frames.length;
      if (found) this.#retries.push({ ...group, atMs: 0, triesLeft: 1 });
    }
  }

  /** A module that can't be read leaves its frames unnamed: they show as module+0xoffset. */
  async #request({ source }: PendingSymbols, addresses: Float64Array): Promise<Naming> {
    try {
      switch (source.kind) {
        case 'kernel':
          return await this.#symbolizer.kernel(addresses);
        case 'jit':
          return await this.#symbolizer.jit(
            { pid: source.process.pid, namespacePid: source.process.namespacePid },
            addresses,
          );
        case 'module': {
          const { module } = source;
          if (!isReadable(module))
            return { ...UNNAMED, unnamedReason: 'its file could not be opened' };
          const { key, reachablePath, fd } = module;
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

/** Those of one source and builder as one: what is due on the same second came in several ticks. */
function joined(retries: readonly Retry[]): Retry[] {
  const groups = new Map<string, Retry>();
  for (const retry of retries) {
    const key = `${retry.triesLeft} ${sourceKey(retry.pending)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, retry);
    else {
      const { source, frames, addresses } = group.pending;
      groups.set(key, {
        ...group,
        pending: {
          source,
          frames: [...frames, ...retry.pending.frames],
          addresses: [...addresses, ...retry.pending.addresses],
        },
        unnamed: group.unnamed + retry.unnamed,
      });
    }
  }
  return [...groups.values()];
}

const sourceKey = (group: PendingSymbols): string =>
  group.source.kind === 'module' ? group.source.module.key : moduleOf(group);

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
