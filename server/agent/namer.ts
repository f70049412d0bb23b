/** Has frames named by the symbolizer, off this thread, and writes the names into the profile's tables. */
import type { FrameSymbol, ProfileBuilder } from '@/profile/builder';
import { type FrameIndex, type FrameKind, NONE } from '@/profile/schema';
import type { PendingSymbols } from './stacks';
import type { SourcePlace, SymbolizedFrame } from './symbols/protocol';
import type { Symbolizer } from './symbols/symbolizer';
import { within } from './within';

/** JIT compilers write their maps when they like: frames without a name are asked for again this often. */
const JIT_TRIES = 5;
const JIT_RETRY_MS = 1000;

interface Retry {
  readonly builder: ProfileBuilder;
  readonly pending: PendingSymbols;
  readonly atMs: number;
  readonly triesLeft: number;
}

export class Namer {
  readonly #symbolizer: Symbolizer;
  #retries: Retry[] = [];
  readonly #asked = new Set<Promise<void>>();

  constructor(symbolizer: Symbolizer) {
    this.#symbolizer = symbolizer;
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
    const answers = [
      ...pending.map((group) => this.#ask(builder, group, JIT_TRIES)),
      ...due.map((retry) => this.#ask(builder, retry.pending, retry.triesLeft)),
    ];
    await within(Promise.all(answers), waitMs);
  }

  /** Resolves when all names that were asked for are there, or after `maxMs`. */
  async settled(maxMs: number): Promise<void> {
    await within(Promise.all(this.#asked), maxMs);
  }

  #ask(builder: ProfileBuilder, group: PendingSymbols, triesLeft: number): Promise<void> {
    const asked = this.#answer(builder, group, triesLeft).finally(() => this.#asked.delete(asked));
    this.#asked.add(asked);
    return asked;
  }

  async #answer(builder: ProfileBuilder, group: PendingSymbols, triesLeft: number): Promise<void> {
    const addresses = Float64Array.from(group.addresses);
    const symbols = await this.#request(group, addresses);
    const unnamed: PendingSymbols = { source: group.source, frames: [], addresses: [] };
    symbols.forEach((symbol, i) => {
      if (symbol !== undefined) {
        builder.symbolize(group.frames[i], rowsOf(builder, group.frames[i], symbol));
      } else {
        unnamed.frames.push(group.frames[i]);
        unnamed.addresses.push(group.addresses[i]);
      }
    });
    if (group.source.kind === 'jit' && unnamed.frames.length > 0 && triesLeft > 1) {
      this.#retries.push({
        builder,
        pending: unnamed,
        atMs: Date.now() + JIT_RETRY_MS,
        triesLeft: triesLeft - 1,
      });
    }
  }

  /** One answer per address. A module without symbols leaves its frames unnamed: they show as module+0xoffset. */
  async #request(
    { source }: PendingSymbols,
    addresses: Float64Array,
  ): Promise<readonly (SymbolizedFrame | undefined)[]> {
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
          const { key, reachablePath, fd } = source.module;
          return await this.#symbolizer.module(
            fd === undefined ? { key, path: reachablePath } : { key, path: reachablePath, fd },
            addresses,
          );
        }
      }
    } catch {
      return Array.from(addresses, () => undefined);
    }
  }
}

/** The symbol columns of a frame; functions that it was inlined into become frames of their own. */
function rowsOf(builder: ProfileBuilder, frame: FrameIndex, symbol: SymbolizedFrame): FrameSymbol {
  const { mapping, kind } = builder.profile.frames.columns;
  const place = (at: SourcePlace, inlinedInto: FrameIndex): FrameSymbol => ({
    functionName: builder.string(at.functionName),
    file: at.file === undefined ? NONE : builder.string(at.file),
    line: at.line ?? 0,
    inlinedInto,
  });
  let outer: FrameIndex = NONE;
  for (const caller of [...(symbol.inlined ?? [])].reverse()) {
    outer = builder.namedFrame(place(caller, outer), mapping[frame], kind[frame] as FrameKind);
  }
  return place(symbol, outer);
}
