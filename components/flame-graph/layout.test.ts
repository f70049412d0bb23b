import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProfileBuilder } from '@/profile/builder';
import { buildCallTree, type CallTree } from '@/profile/call-tree';
import { FunctionTable } from '@/profile/functions';
import { FrameKind, NONE } from '@/profile/schema';
import { weighSamples } from '@/profile/weights';
import { boxColor, Palette } from './color';
import { draw, shorten } from './draw';
import {
  boxAt,
  emptyBoxes,
  layOut,
  NO_NODE,
  neighbour,
  rangeOf,
  rowTop,
  type Viewport,
} from './layout';

function treeOf(stacks: readonly (readonly string[])[]): {
  tree: CallTree;
  functions: FunctionTable;
} {
  const builder = new ProfileBuilder();
  const sampleType = builder.sampleType('cpu', 'nanoseconds');
  const name = builder.string('p');
  const process = builder.process({
    pid: 1,
    parentPid: 0,
    name,
    commandLine: name,
    container: NONE,
    startNs: 0,
  });
  const thread = builder.thread({ tid: 1, process, name });
  for (const names of stacks) {
    let stack = NONE;
    for (const text of names) {
      const functionName = builder.string(text);
      const frame = builder.namedFrame(
        { functionName, file: NONE, line: 0, inlinedInto: NONE },
        NONE,
        FrameKind.Native,
      );
      stack = builder.stack(stack, frame);
    }
    builder.sample({ timeNs: 1, weight: 10, thread, stack, sampleType, cpu: 0 });
  }
  const functions = new FunctionTable(builder.profile);
  return {
    tree: buildCallTree(builder.profile, functions, weighSamples(builder.profile)),
    functions,
  };
}

const viewport = (change: Partial<Viewport> = {}): Viewport => ({
  width: 800,
  height: 200,
  scrollTop: 0,
  rowHeight: 20,
  orientation: 'icicle',
  contentHeight: 400,
  ...change,
});

const stacks = fc.array(
  fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 6 }),
  { minLength: 1, maxLength: 30 },
);

describe('layOut', () => {
  it('gives each box its share of the width, inside its caller, with no overlap', () => {
    fc.assert(
      fc.property(stacks, (names) => {
        const { tree } = treeOf(names);
        const boxes = layOut(tree, { start: 0, end: tree.total[0] }, viewport(), emptyBoxes(1));
        const at = new Map<number, number>();
        for (let i = 0; i < boxes.length; i++) at.set(boxes.node[i], i);
        for (const [node, i] of at) {
          expect(boxes.width[i]).toBeCloseTo((tree.total[node] / tree.total[0]) * 800, 6);
          if (node === 0) continue;
          const caller = at.get(tree.parent[node]) as number;
          expect(boxes.x[i]).toBeGreaterThanOrEqual(boxes.x[caller] - 1e-6);
          expect(boxes.x[i] + boxes.width[i]).toBeLessThanOrEqual(
            boxes.x[caller] + boxes.width[caller] + 1e-6,
          );
        }
      }),
    );
  });

  it('fills the width with the range of a node that is zoomed to', () => {
    fc.assert(
      fc.property(stacks, fc.nat(), (names, pick) => {
        const { tree } = treeOf(names);
        const node = pick % tree.length;
        const boxes = layOut(tree, rangeOf(tree, node), viewport({ height: 400 }), emptyBoxes());
        for (let i = 0; i < boxes.length; i++) {
          if (boxes.node[i] !== node) continue;
          expect(boxes.x[i]).toBeCloseTo(0, 6);
          expect(boxes.width[i]).toBeCloseTo(800, 6);
        }
      }),
    );
  });

  it('leaves out rows that are scrolled away, in both orientations', () => {
    const { tree } = treeOf([['a', 'b', 'c', 'd', 'a', 'b', 'c', 'd']]);
    const rows = (change: Partial<Viewport>): number[] => {
      const boxes = layOut(
        tree,
        { start: 0, end: 10 },
        viewport({ height: 40, contentHeight: 200, ...change }),
        emptyBoxes(),
      );
      return [...boxes.row.subarray(0, boxes.length)];
    };
    expect(rows({ scrollTop: 40 })).toEqual([2, 3]);
    expect(rows({ orientation: 'flame', scrollTop: 160 })).toEqual([0, 1]);
    expect(rowTop(0, viewport({ orientation: 'flame', scrollTop: 200 }))).toBe(180);
  });

  it('draws what is too narrow together', () => {
    const many = Array.from({ length: 3000 }, (_, i) => [`f${i}`]);
    const { tree } = treeOf(many);
    const boxes = layOut(tree, { start: 0, end: tree.total[0] }, viewport(), emptyBoxes());
    expect(boxes.length).toBeLessThan(1000);
    expect(boxes.node[boxes.length - 1]).toBe(NO_NODE);
  });

  it('finds the box at a point', () => {
    const { tree } = treeOf([['a'], ['b']]);
    const now = viewport();
    const boxes = layOut(tree, { start: 0, end: 20 }, now, emptyBoxes());
    const node = boxes.node[boxAt(boxes, now, 700, 45)];
    expect(rangeOf(tree, node)).toEqual({ start: 10, end: 20 });
    expect(boxAt(boxes, now, 700, 190)).toBe(-1);
  });
});

describe('neighbour', () => {
  it('leads to the heaviest callee, the caller, and along siblings', () => {
    const { tree } = treeOf([['a', 'x'], ['b'], ['b'], ['c']]);
    const process = 1;
    const b = neighbour(tree, process, 'in');
    expect(tree.total[b]).toBe(20);
    expect(neighbour(tree, b, 'out')).toBe(process);
    const a = neighbour(tree, b, 'previous');
    expect(neighbour(tree, a, 'next')).toBe(b);
    expect(neighbour(tree, a, 'previous')).toBe(a);
    expect(neighbour(tree, 0, 'out')).toBe(0);
  });
});

describe('draw', () => {
  it('writes the names that have room, and dims what the search does not match', () => {
    const { tree, functions } = treeOf([
      ['main', 'parse'],
      ['main', 'print'],
    ]);
    const { labels } = functions;
    const calls: { text: string; alpha: number }[] = [];
    const context = {
      globalAlpha: 1,
      measureText: (text: string) => ({ width: text.length * 7 }),
      fillText(text: string) {
        calls.push({ text, alpha: this.globalAlpha });
      },
      ...Object.fromEntries(
        [
          'clearRect',
          'fillRect',
          'strokeRect',
          'beginPath',
          'moveTo',
          'lineTo',
          'stroke',
          'save',
          'restore',
          'rect',
          'clip',
        ].map((name) => [name, () => {}]),
      ),
    };
    const now = viewport();
    draw(
      context as unknown as Parameters<typeof draw>[0],
      {
        boxes: layOut(tree, { start: 0, end: 20 }, now, emptyBoxes()),
        label: tree.label,
        labels,
        palette: new Palette('dark'),
        matches: Uint8Array.from(labels.text, (text) => Number(text === 'parse')),
        hovered: NO_NODE,
        selected: 0,
        background: '#000',
        outline: '#fff',
        accent: '#f00',
        narrow: '#333',
      },
      now,
    );
    expect(calls.map(({ text }) => text)).toEqual(['all', 'p (1)', 'main', 'parse', 'print']);
    expect(calls.filter(({ alpha }) => alpha === 1).map(({ text }) => text)).toEqual(['parse']);
  });

  it('cuts names at their end, and writes none where only a letter would stand', () => {
    expect(shorten('parse', 10)).toBe('parse');
    expect(shorten('parse_expression', 8)).toBe('parse_e…');
    expect(shorten('parse', 2)).toBe('');
  });
});

describe('boxColor', () => {
  it('stays with the name, and tells kinds apart', () => {
    expect(boxColor('f', 'm', FrameKind.Native, 'dark')).toEqual(
      boxColor('f', 'm', FrameKind.Native, 'dark'),
    );
    expect(boxColor('f', 'm', FrameKind.Native, 'dark').fill).not.toBe(
      boxColor('f', 'm', FrameKind.Kernel, 'dark').fill,
    );
    expect(boxColor('f', 'm', FrameKind.Native, 'dark').fill).not.toBe(
      boxColor('g', 'm', FrameKind.Native, 'dark').fill,
    );
  });
});
