import { afterEach, describe, expect, it, vi } from 'vitest';
import { ProfileBuilder } from '@/profile/builder';
import { FrameKind, MappingKind, NONE } from '@/profile/schema';
import { Namer } from './namer';
import type { PendingSymbols } from './stacks';
import { type Naming, NO_NAME, SymbolError } from './symbols/protocol';
import type { Symbolizer } from './symbols/symbolizer';

const WAIT_MS = 1000;
const MODULE = {
  key: 'build-id:ab',
  namesKey: 'build-id:ab',
  path: '/lib/a.so',
  buildId: 'ab',
  kind: MappingKind.Executable,
  fd: undefined,
  reachablePath: '/proc/1/root/lib/a.so',
};

/** A symbolizer that answers what it is told to. */
class FakeSymbolizer {
  onSettled: (keys: readonly string[], found: boolean) => void = () => {};
  answer: () => Naming = () => {
    throw new Error('nothing to answer');
  };
  asked: number[][] = [];
  readonly knownFrames = new Map<string, { readonly functionName: string }>();

  known(key: string | undefined, addresses: readonly number[]): Naming['frames'] {
    return addresses.map((address) => this.knownFrames.get(`${key} ${address}`));
  }

  async module(_: unknown, offsets: Float64Array): Promise<Naming> {
    this.asked.push([...offsets]);
    return this.answer();
  }
}

function setUp(...offsets: readonly number[]) {
  const symbolizer = new FakeSymbolizer();
  const namer = new Namer(symbolizer as unknown as Symbolizer);
  const builder = new ProfileBuilder();
  const mapping = builder.mapping(MODULE.buildId, MODULE.path, MODULE.kind);
  const frames = offsets.map((offset) => builder.frameAt(mapping, offset, FrameKind.Native));
  const pending: PendingSymbols = {
    source: { kind: 'module', module: MODULE },
    frames,
    addresses: [...offsets],
  };
  const names = (): (string | undefined)[] => {
    const { functionName } = builder.profile.frames.columns;
    return frames.map((frame) =>
      functionName[frame] === NONE ? undefined : builder.profile.string(functionName[frame]),
    );
  };
  return { symbolizer, namer, builder, pending, names };
}

const naming = (isFetching: boolean, ...names: (string | undefined)[]): Naming => ({
  frames: names.map((functionName) => functionName && { functionName }) as Naming['frames'],
  unnamedReason: 'it is stripped',
  isPoor: isFetching,
  isFetching,
});

describe('the namer', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('asks again when a debug file has come, and patches what was sent before', async () => {
    const { symbolizer, namer, builder, pending, names } = setUp(16, 32, 48);
    symbolizer.answer = () => naming(true, undefined, 'exported', undefined);
    await namer.name(builder, [pending], WAIT_MS);
    await namer.settled(WAIT_MS);
    expect(names()).toEqual([undefined, 'exported', undefined]);
    expect(namer.unnamed()).toEqual([{ module: '/lib/a.so', frames: 2, reason: 'it is stripped' }]);
    builder.cutChunk({ startNs: 0, endNs: 1, wallOffsetNs: 0, frequencyHz: 99 }, []);
    await namer.name(builder, [], WAIT_MS);
    expect(symbolizer.asked).toHaveLength(1);

    symbolizer.answer = () => naming(false, 'first', 'exported_alias', undefined);
    symbolizer.onSettled(['build-id:ab', 'build-id:cd'], true);
    await namer.name(builder, [], WAIT_MS);
    expect(symbolizer.asked).toEqual([
      [16, 32, 48],
      [16, 32, 48],
    ]);
    expect(names()).toEqual(['first', 'exported_alias', undefined]);
    expect(namer.unnamed()).toMatchObject([{ frames: 1 }]);
    const { patch } = builder.cutChunk(
      { startNs: 1, endNs: 2, wallOffsetNs: 0, frequencyHz: 99 },
      [],
    );
    expect(patch.frame).toHaveLength(2);
    await namer.name(builder, [], WAIT_MS);
    expect(symbolizer.asked).toHaveLength(2);
  });

  it('does not ask for what is known, and names it before it returns', async () => {
    const { symbolizer, namer, builder, pending, names } = setUp(16, 32, 48);
    symbolizer.knownFrames.set(`${MODULE.key} 32`, { functionName: 'known' });
    symbolizer.answer = () => naming(false, 'first', 'third');
    const named = namer.name(builder, [pending], 0);
    expect(names()).toEqual([undefined, 'known', undefined]);
    await named;
    await namer.settled(WAIT_MS);
    expect(symbolizer.asked).toEqual([[16, 48]]);
    expect(names()).toEqual(['first', 'known', 'third']);
    await namer.settled(WAIT_MS);
    expect(symbolizer.asked).toHaveLength(1);
  });

  it('asks once why code has no name of which it is known that it has none', async () => {
    const { symbolizer, namer, builder, pending, names } = setUp(16, 32);
    for (const at of pending.addresses) symbolizer.knownFrames.set(`${MODULE.key} ${at}`, NO_NAME);
    symbolizer.answer = () => naming(false, undefined);
    const [first, second] = [0, 1].map((i) => ({
      ...pending,
      frames: [pending.frames[i]],
      addresses: [pending.addresses[i]],
    }));
    await namer.name(builder, [first], WAIT_MS);
    await namer.name(builder, [second], WAIT_MS);
    await namer.settled(WAIT_MS);
    expect(symbolizer.asked).toEqual([[16]]);
    expect(namer.unnamed()).toEqual([{ module: '/lib/a.so', frames: 2, reason: 'it is stripped' }]);
    expect(names()).toEqual([undefined, undefined]);
  });

  it('does not ask again where no debug file is to be had', async () => {
    const { symbolizer, namer, builder, pending } = setUp(16);
    symbolizer.answer = () => naming(true, undefined);
    await namer.name(builder, [pending], WAIT_MS);
    await namer.settled(WAIT_MS);
    symbolizer.onSettled(['build-id:ab'], false);
    await namer.name(builder, [], WAIT_MS);
    expect(symbolizer.asked).toHaveLength(1);
  });

  it('asks at once after a silent second, then once a second for all, and at once for many', async () => {
    vi.useFakeTimers({ now: 5100, toFake: ['Date'] });
    const { symbolizer, namer, builder, pending } = setUp(16, 32);
    symbolizer.answer = () => naming(false);
    const ask = (...addresses: number[]): Promise<void> =>
      namer.name(builder, [{ ...pending, frames: addresses, addresses }], WAIT_MS);
    await ask(16, 32);
    expect(symbolizer.asked).toEqual([[16, 32]]);
    await ask(48, 64);
    await ask(80, 96);
    expect(symbolizer.asked).toHaveLength(1);
    vi.setSystemTime(6010);
    await namer.name(builder, [], WAIT_MS);
    expect(symbolizer.asked).toEqual([
      [16, 32],
      [48, 64, 80, 96],
    ]);
    await ask(112, 128);
    expect(symbolizer.asked).toHaveLength(2);
    await ask(...Array.from({ length: 200 }, (_, i) => i));
    expect(symbolizer.asked).toHaveLength(3);
    expect(symbolizer.asked[2]).toHaveLength(202);
  });

  it('says of functions of which only the beginning is known that they have no name, and why', async () => {
    const { symbolizer, namer, builder, pending, names } = setUp(16, 32, 48);
    symbolizer.knownFrames.set(`${MODULE.key} 16`, { functionName: '+0x10' });
    symbolizer.answer = () => naming(false, '+0x10', 'exported', '+0x30');
    await namer.name(builder, [pending], WAIT_MS);
    await namer.settled(WAIT_MS);
    // The first time it is asked why.
    expect(symbolizer.asked).toEqual([[16, 32, 48]]);
    expect(names()).toEqual(['a.so+0x10', 'exported', 'a.so+0x30']);
    const unnamed = (frames: number) => [{ module: '/lib/a.so', frames, reason: 'it is stripped' }];
    expect(namer.unnamed()).toEqual(unnamed(2));
    const frame = builder.frameAt(0, 20, FrameKind.Native);
    symbolizer.knownFrames.set(`${MODULE.key} 20`, { functionName: '+0x10' });
    await namer.name(builder, [{ ...pending, frames: [frame], addresses: [20] }], WAIT_MS);
    await namer.settled(WAIT_MS);
    expect(symbolizer.asked).toHaveLength(1);
    expect(namer.unnamed()).toEqual(unnamed(3));
  });

  it('says why a file could not be read', async () => {
    const { symbolizer, namer, builder, pending, names } = setUp(16, 32);
    symbolizer.answer = () => {
      throw new SymbolError('malformed', '/lib/a.so: .symtab is cut short');
    };
    await namer.name(builder, [pending], WAIT_MS);
    await namer.settled(WAIT_MS);
    expect(names()).toEqual([undefined, undefined]);
    expect(namer.unnamed()).toEqual([
      { module: '/lib/a.so', frames: 2, reason: '/lib/a.so: .symtab is cut short' },
    ]);
    // Other tables have other frames.
    const other = setUp(64);
    symbolizer.answer = () => naming(false, 'named');
    await namer.name(other.builder, [other.pending], WAIT_MS);
    await namer.settled(WAIT_MS);
    expect(namer.unnamed()).toEqual([]);
  });
});
