import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildCallTree } from '@/profile/call-tree';
import { profileOf } from '@/profile/chunk';
import { FunctionTable } from '@/profile/functions';
import { LabelKind } from '@/profile/labels';
import { isImport } from '@/profile/names';
import type { Profile } from '@/profile/profile';
import { chunksOf, randomSteps, TestProfile } from '@/profile/profiles-for-tests';
import { FrameKind, NONE } from '@/profile/schema';
import { EVERYTHING, weighSamples } from '@/profile/weights';
import {
  CollapsedFormatError,
  type CollapsedImport,
  CollapsedParser,
  parseCollapsed,
  writeCollapsed,
} from './collapsed';

function parse(text: string): CollapsedImport {
  const parser = new CollapsedParser();
  parser.push(new TextEncoder().encode(text));
  return parser.end();
}

function written(profile: Profile): string {
  return [...writeCollapsed(profile)].join('');
}

/** Weight by stack, `frame;frame`. */
function stacksOf(profile: Profile): Map<string, number> {
  const { samples, stacks, frames } = profile;
  const sums = new Map<string, number>();
  for (let row = 0; row < samples.length; row++) {
    const path: string[] = [];
    for (let at = samples.columns.stack[row]; at !== NONE; at = stacks.columns.parent[at]) {
      const frame = stacks.columns.frame[at];
      const suffix = ['_[k]', '', '_[j]', ''][frames.columns.kind[frame]];
      path.unshift(profile.string(frames.columns.functionName[frame]) + suffix);
    }
    const key = path.join(';');
    sums.set(key, (sums.get(key) ?? 0) + samples.columns.weight[row]);
  }
  return sums;
}

describe('collapsed stacks, written', () => {
  it('are lines of process, frames from the root, and the number of samples, sorted', () => {
    const { profile } = new TestProfile()
      .add({ pid: 7, process: 'node', stack: ['main', 'poll', 'k:ep_poll'], weight: 10_101_010 })
      .add({ pid: 8, process: 'node', stack: ['main#5', 'poll', 'k:ep_poll'] })
      .add({ pid: 7, process: 'node', stack: ['main', '?@libz.so#26'] })
      .add({ pid: 9, process: 'cc1', stack: undefined })
      .add({ pid: 9, process: 'cc1', stack: ['[unwinding stopped: no frame pointer]', 'a>b'] });
    expect(written(profile)).toBe(
      [
        'cc1;[stack lost] 1',
        'cc1;[unwinding stopped: no frame pointer];a;b 1',
        'node;main;libz.so+0x1a 1',
        'node;main;poll;ep_poll_[k] 2',
        '',
      ].join('\n'),
    );
  });

  it('have no separator or line break inside a name', () => {
    const test = new TestProfile().add({ process: 'a;b', stack: ['?#1', '?#2', '?#3'] });
    test.rename('?#1', 'Lfoo/Bar;.baz').rename('?#2', 'two\r\nlines').rename('?#3', ' \n');
    expect(written(test.profile)).toBe('a:b;Lfoo/Bar:.baz;two lines;[unnamed] 1\n');
  });

  it('are only the samples that were selected', () => {
    const { profile } = new TestProfile()
      .add({ pid: 7, stack: ['a'] })
      .add({ pid: 8, stack: ['b'] });
    expect([...writeCollapsed(profile, { ...EVERYTHING, pids: [8] })]).toEqual(['prog;b 1\n']);
  });

  it('are nothing for no samples', () => {
    expect(written(new TestProfile().profile)).toBe('');
  });

  it('come in pieces of whole lines', () => {
    const test = new TestProfile();
    for (let i = 0; i < 20_000; i++) test.add({ stack: ['main', `function${i}`] });
    const pieces = [...writeCollapsed(test.profile)];
    expect(pieces.length).toBeGreaterThan(3);
    for (const piece of pieces) {
      expect(piece.endsWith('\n')).toBe(true);
      expect(piece.length).toBeLessThan(70_000);
    }
  });

  it('read back have the weights that they were written with', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 12, maxLength: 400 }), (numbers) => {
        const profile = profileOf(chunksOf(randomSteps(numbers)));
        fc.pre(profile.samples.length > 0);
        const text = written(profile);
        const { profile: read } = parse(text);
        expect(read.skippedLines).toBeUndefined();
        const total = [...stacksOf(read).values()].reduce((sum, weight) => sum + weight, 0);
        expect(total).toBe(profile.samples.length);
        expect(written(parse(written(read)).profile)).toBe(written(read));
        for (const [stack, weight] of stacksOf(read)) {
          const lines = text.split('\n').filter((line) => line.startsWith(`${stack} `));
          expect(lines.reduce((sum, line) => sum + +line.slice(stack.length + 1), 0)).toBe(weight);
        }
      }),
    );
  });
});

describe('collapsed stacks, read', () => {
  it('are frames and weights, without process or time', () => {
    const { profile, lines } = parse('node;main;poll_[k] 3\nnode;main 4\n');
    expect([lines, profile.skippedLines]).toEqual([2, undefined]);
    expect(isImport(profile)).toBe(true);
    expect(stacksOf(profile)).toEqual(
      new Map([
        ['node;main;poll_[k]', 3],
        ['node;main', 4],
      ]),
    );
    expect(profile.string(profile.sampleTypes.columns.name[0])).toBe('samples');
    expect(profile.string(profile.sampleTypes.columns.unit[0])).toBe('count');
    const functions = new FunctionTable(profile);
    const tree = buildCallTree(profile, functions, weighSamples(profile));
    expect(Array.from(tree.label, (label) => functions.labels.textOf(label))).toEqual([
      'all',
      'node',
      'main',
      'poll',
    ]);
    expect([...tree.total]).toEqual([7, 7, 7, 3]);
    expect(tree.totalSamples[0]).toBe(7);
  });

  it('have the kinds that other tools annotate', () => {
    const { profile } = parse('a;b_[j];c_[i];d_[k];[unwinding stopped: x];e_[q] 1');
    const { frames } = profile;
    const kinds = Array.from({ length: frames.length }, (_, frame) => [
      profile.string(frames.columns.functionName[frame]),
      frames.columns.kind[frame],
    ]);
    expect(kinds).toEqual([
      ['a', FrameKind.Native],
      ['b', FrameKind.Jit],
      ['c', FrameKind.Native],
      ['d', FrameKind.Kernel],
      ['[unwinding stopped: x]', FrameKind.Stop],
      ['e_[q]', FrameKind.Native],
    ]);
    expect(LabelKind.Kernel).toBe(FrameKind.Kernel);
  });

  it('take spaces in names, any line ends, a byte order mark, and weights with decimals', () => {
    const { profile } = parse(
      '\ufeffmain;operator new (int) 3\r\n\r\n  \nmain;x\t2.5\nmain;y 1e3 \nmain;z 7',
    );
    expect(profile.skippedLines).toBeUndefined();
    expect(stacksOf(profile)).toEqual(
      new Map([
        ['main;operator new (int)', 3],
        ['main;x', 2.5],
        ['main;y', 1000],
        ['main;z', 7],
      ]),
    );
  });

  it('do not take the end of a line for a frame that the next one shares', () => {
    const { profile } = parse('a;b 12\na;b 12;c 5\na;b;c 1\na;bc 2\na 3\na;b 4\n');
    expect(stacksOf(profile)).toEqual(
      new Map([
        ['a;b', 16],
        ['a;b 12;c', 5],
        ['a;b;c', 1],
        ['a;bc', 2],
        ['a', 3],
      ]),
    );
  });

  it('skip lines that are no stacks, and count them', () => {
    const { profile, lines } = parse(
      [
        'a;b 1',
        '# comment',
        '',
        'no weight',
        'a;b -3',
        ' 5',
        '12',
        'a;b NaN',
        'a 1e999',
        'a;c 2',
      ].join('\n'),
    );
    expect(lines).toBe(2);
    expect(profile.skippedLines).toEqual({ count: 7, first: 2 });
    expect([...stacksOf(profile).keys()]).toEqual(['a;b', 'a;c']);
  });

  it('are refused where no line is a stack', () => {
    expect(() => parse('\n{"nodes": [\n]}\n')).toThrow(CollapsedFormatError);
    expect(() => parse('\n{"nodes": [\n]}\n')).toThrow(/line 2/);
    expect(() => parse('')).toThrow(/empty/);
    expect(() => parse('\n\n')).toThrow(CollapsedFormatError);
  });

  it('are the same wherever the file is cut into pieces', async () => {
    const line = fc
      .tuple(
        fc.array(fc.constantFrom('main', 'a', 'ab', 'é', 'b_[k]', 'x y'), {
          minLength: 1,
          maxLength: 5,
        }),
        fc.nat({ max: 99 }),
      )
      .map(([frames, weight]) => `${frames.join(';')} ${weight}`);
    const text = fc
      .array(fc.oneof({ weight: 8, arbitrary: line }, fc.constantFrom('', 'broken', '\r')))
      .map((lines) => `main 1\n${lines.join('\n')}`);
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat({ max: 40 })), async (content, cuts) => {
        const bytes = new TextEncoder().encode(content);
        const whole = await parseCollapsed(bytes);
        async function* pieces(): AsyncGenerator<Uint8Array> {
          // One buffer for all, as readers that reuse theirs have it.
          const buffer = new Uint8Array(64);
          let at = 0;
          for (const length of [...cuts, ...Array<number>(bytes.length).fill(17)]) {
            const piece = bytes.subarray(at, at + length);
            buffer.fill(0x3b).set(piece);
            yield buffer.subarray(0, piece.length);
            at += length;
          }
        }
        const cut = await parseCollapsed(pieces());
        expect([...stacksOf(cut.profile)]).toEqual([...stacksOf(whole.profile)]);
        expect(cut.profile.skippedLines).toEqual(whole.profile.skippedLines);
      }),
    );
  });

  it('are what a plain reader finds', () => {
    const names = ['main', 'm', 'a', 'b', 'ab', 'abc', 'a b', '1', 'é€'];
    const lines = fc.array(
      fc.tuple(
        fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 8 }),
        fc.nat({ max: 1000 }),
      ),
      { minLength: 1, maxLength: 100 },
    );
    fc.assert(
      fc.property(lines, fc.boolean(), (stacks, isSorted) => {
        const texts = stacks.map(([frames, weight]) => `${frames.join(';')} ${weight}`);
        if (isSorted) texts.sort();
        const expected = new Map<string, number>();
        for (const text of texts) {
          const space = text.lastIndexOf(' ');
          const stack = text.slice(0, space);
          expected.set(stack, (expected.get(stack) ?? 0) + +text.slice(space));
        }
        expect(stacksOf(parse(texts.join('\n')).profile)).toEqual(expected);
      }),
    );
  });

  it('make a profile or an error of any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const parser = new CollapsedParser();
        parser.push(bytes);
        try {
          const { profile } = parser.end();
          [...writeCollapsed(profile)];
        } catch (error) {
          expect(error).toBeInstanceOf(CollapsedFormatError);
        }
      }),
    );
  });

  it('may have very many frames', () => {
    const deep = Array.from({ length: 60_000 }, (_, i) => `frame${i % 3}`).join(';');
    const { profile } = parse(`${deep} 1\n${deep};leaf 2\n`);
    expect(profile.stacks.length).toBe(60_001);
    expect(written(profile)).toBe(`${deep} 1\n${deep};leaf 2\n`);
  });
});
