import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProfileBuilder } from '@/profile/builder';
import { buildCallTree, type CallTree } from '@/profile/call-tree';
import { FunctionTable } from '@/profile/functions';
import { textsOf } from '@/profile/profiles-for-tests';
import { FrameKind, NONE } from '@/profile/schema';
import { weighSamples } from '@/profile/weights';
import { boxColor, contrast } from './color';
import { draw, type Picture } from './draw';
import {
  boxAt,
  emptyBoxes,
  layOut,
  NO_NODE,
  rangeBetween,
  rangeOf,
  rowCount,
  rowTop,
  type Viewport,
} from './layout';
import { step, zoomedOut } from './navigate';
import { Fitter } from './text';

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
    cgroup: NONE,
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

describe('rangeBetween', () => {
  it('starts at one range, ends at the other, and never shows more than both together', () => {
    const range = fc
      .tuple(
        fc.double({ min: 0, max: 0.9, noNaN: true }),
        fc.double({ min: 0.01, max: 0.1, noNaN: true }),
      )
      .map(([start, width]) => ({ start, end: start + width }));
    fc.assert(
      fc.property(range, range, fc.double({ min: 0, max: 1, noNaN: true }), (from, to, t) => {
        expect(rangeBetween(from, to, 0)).toEqual(from);
        expect(rangeBetween(from, to, 1)).toEqual(to);
        const between = rangeBetween(from, to, t);
        expect(between.start).toBeGreaterThanOrEqual(Math.min(from.start, to.start) - 1e-9);
        expect(between.end).toBeLessThanOrEqual(Math.max(from.end, to.end) + 1e-9);
        expect(between.end).toBeGreaterThan(between.start);
      }),
    );
  });
});

describe('rowCount', () => {
  it('is that of the zoomed subtree and its ancestors', () => {
    const { tree } = treeOf([['a', 'b', 'c', 'd'], ['z']]);
    expect(rowCount(tree, 0)).toBe(6);
    const z = tree.length - 1;
    expect(rowCount(tree, z)).toBe(3);
  });
});

describe('step', () => {
  it('leads to the heaviest callee, the caller, and along siblings', () => {
    const { tree } = treeOf([['a', 'x'], ['b'], ['b'], ['c']]);
    const process = 1;
    const b = step(tree, process, 0, 'in');
    expect(tree.total[b]).toBe(20);
    expect(step(tree, b, 0, 'out')).toBe(process);
    const a = step(tree, b, 0, 'previous');
    expect(step(tree, a, 0, 'next')).toBe(b);
    expect(step(tree, a, 0, 'previous')).toBe(a);
    expect(step(tree, 0, 0, 'out')).toBe(0);
  });

  it('stays with what a zoom shows', () => {
    const { tree } = treeOf([['a', 'x'], ['b'], ['b'], ['c']]);
    const b = step(tree, 1, 0, 'in');
    expect(step(tree, b, b, 'next')).toBe(b);
    const a = step(tree, b, 0, 'previous');
    expect(step(tree, 1, a, 'in')).toBe(a);
  });

  it('zooms out to the next ancestor that looks different', () => {
    const { tree } = treeOf([['a', 'x', 'y'], ['a', 'z'], ['b']]);
    const [process, a, y] = [1, 2, 4];
    expect(tree.depth[y]).toBe(4);
    expect(zoomedOut(tree, y)).toBe(a);
    expect(zoomedOut(tree, a)).toBe(0);
    expect(zoomedOut(tree, process)).toBe(0);
  });
});

describe('draw', () => {
  /** The texts that are drawn, the colour and the opacity of each, and opacities of the boxes. */
  function drawn(
    stacks: readonly (readonly string[])[],
    change: (labels: readonly string[]) => Partial<Picture>,
  ): { texts: { text: string; style: string }[]; boxAlphas: number[] } {
    const { tree, functions } = treeOf(stacks);
    const { labels } = functions;
    const texts: { text: string; style: string }[] = [];
    const boxAlphas: number[] = [];
    const nothing = Object.fromEntries(
      [
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
    );
    const context = {
      ...nothing,
      globalAlpha: 1,
      fillStyle: '',
      fillRect() {
        boxAlphas.push(this.globalAlpha);
      },
      fillText(text: string) {
        texts.push({ text, style: this.fillStyle });
      },
    };
    const now = viewport();
    const shown = { start: 0, end: tree.total[0] };
    draw(
      context as unknown as Parameters<typeof draw>[0],
      {
        tree,
        labels,
        boxes: layOut(tree, shown, now, emptyBoxes()),
        shown,
        firstRow: 0,
        colors: {
          background: '#000',
          dimText: 'dim',
          outline: '#fff',
          accent: '#f00',
          narrow: '#333',
        },
        font: '12px sans-serif',
        fitter: new Fitter((text) => text.length * 7),
        pixelRatio: 1,
        nameOf: (label) => labels.textOf(label),
        shares: undefined,
        runnableColor: '#ff0',
        colorOf: () => ({ fill: '#888', text: 'bright' }),
        matches: undefined,
        hovered: NO_NODE,
        selected: NO_NODE,
        ...change(textsOf(labels)),
      },
      now,
    );
    // The first is the background.
    return { texts, boxAlphas: boxAlphas.slice(1) };
  }

  const TWO = [
    ['main', 'parse'],
    ['main', 'print'],
  ];

  it('writes the names that have room, and dims what the search does not match', () => {
    const { texts, boxAlphas } = drawn(TWO, (names) => ({
      matches: Uint8Array.from(names, (name) => Number(name === 'parse')),
    }));
    expect(texts.map(({ text }) => text)).toEqual(['all', 'p (1)', 'main', 'parse', 'print']);
    expect(texts.filter(({ style }) => style === 'bright').map(({ text }) => text)).toEqual([
      'parse',
    ]);
    expect(boxAlphas.filter((alpha) => alpha === 1)).toHaveLength(1);
  });

  it('shows ancestors of what is zoomed into paler', () => {
    const { boxAlphas } = drawn(TWO, () => ({ firstRow: 2 }));
    expect(boxAlphas.map((alpha) => alpha === 1)).toEqual([false, false, true, true, true]);
  });
});

describe('Fitter', () => {
  const fitter = new Fitter((text) => text.length);

  it('cuts what can best be missed: namespaces, then the end, but keeps an offset', () => {
    expect(fitter.fit('parse_expression', 30)).toBe('parse_expression');
    expect(fitter.fit('std::chrono::steady::now', 14)).toBe('…now');
    expect(fitter.fit('parse_expression', 13)).toBe('parse_expres…');
    expect(fitter.fit('libverylongname.so.6+0x1f2e3', 18)).toBe('libverylo…+0x1f2e3');
  });

  it('writes nothing where only a letter would stand', () => {
    expect(fitter.fit('parse', 2)).toBe('');
    expect(fitter.fit('parse_expression', 11)).toBe('');
  });
});

const numberOf = (color: string): number => Number.parseInt(color.slice(1), 16);

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

  it('leaves text readable on every box', () => {
    const kinds = [FrameKind.Kernel, FrameKind.Native, FrameKind.Jit, FrameKind.Stop];
    fc.assert(
      fc.property(
        fc.string(),
        fc.constantFrom(...kinds),
        fc.constantFrom<'dark' | 'light'>('dark', 'light'),
        (name, kind, scheme) => {
          const { fill, text } = boxColor(name, 'm', kind, scheme);
          expect(contrast(numberOf(fill), numberOf(text))).toBeGreaterThanOrEqual(4.5);
        },
      ),
    );
  });
});
