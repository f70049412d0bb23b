import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildCallTree, type CallTree, type GroupBy, transferables } from './call-tree';
import { applyChunk, profileOf } from './chunk';
import { FunctionTable } from './functions';
import { LabelKind, type Labels } from './labels';
import { frameName, moduleName } from './names';
import { Profile } from './profile';
import { chunksOf, randomSteps, TestProfile } from './profiles-for-tests';
import { type FrameIndex, NONE } from './schema';
import { weighSamples } from './weights';

const choices = fc.array(fc.nat(), { maxLength: 400 });
const groupings: readonly GroupBy[] = ['process', 'process-name', 'none'];

interface Sums {
  total: number;
  self: number;
  totalSamples: number;
  selfSamples: number;
}

/** By the path of (name, module, kind) from the root. */
type SumsByPath = Map<string, Sums>;

/** The same tree as `buildCallTree` makes, slowly, with one map, straight from the definition. */
function expectedSums(profile: Profile, groupBy: GroupBy): SumsByPath {
  const { samples, threads, processes, stacks, frames } = profile;
  const sums: SumsByPath = new Map();
  const functionsAt = (frame: FrameIndex): string[] => {
    const { inlinedInto, mapping, kind } = frames.columns;
    const outer = inlinedInto[frame] === NONE ? [] : functionsAt(inlinedInto[frame]);
    const inlined = inlinedInto[frame] === NONE ? '' : ' inlined';
    const name = frameName(profile, frame);
    return [...outer, `${name} ${moduleName(profile, mapping[frame])} ${kind[frame]}${inlined}`];
  };
  for (let row = 0; row < samples.length; row++) {
    const { thread, stack, weight } = samples.columns;
    const process = threads.columns.process[thread[row]];
    const name = profile.string(processes.columns.name[process]);
    const group = groupBy === 'process' ? `${name} (${processes.columns.pid[process]})` : name;
    const path: string[] = [];
    for (let at = stack[row]; at !== NONE; at = stacks.columns.parent[at])
      path.unshift(...functionsAt(stacks.columns.frame[at]));
    if (stack[row] === NONE) path.push(`[stack lost]  ${LabelKind.Lost}`);
    if (groupBy !== 'none') path.unshift(`${group}  ${LabelKind.Process}`);
    for (let depth = 0; depth <= path.length; depth++) {
      const key = path.slice(0, depth).join('\n');
      const sum = sums.get(key) ?? { total: 0, self: 0, totalSamples: 0, selfSamples: 0 };
      sums.set(key, sum);
      sum.total += weight[row];
      sum.totalSamples++;
      if (depth === path.length) {
        sum.self += weight[row];
        sum.selfSamples++;
      }
    }
  }
  if (sums.size === 0) sums.set('', { total: 0, self: 0, totalSamples: 0, selfSamples: 0 });
  return sums;
}

function sumsOf(tree: CallTree, labels: Labels): SumsByPath {
  const paths: string[] = [''];
  const sums: SumsByPath = new Map();
  for (let node = 0; node < tree.length; node++) {
    const label = tree.label[node];
    const inlined = labels.inlined[label] ? ' inlined' : '';
    const text = `${labels.textOf(label)} ${labels.moduleOf(label)} ${labels.kind[label]}${inlined}`;
    if (node > 0)
      paths[node] = [paths[tree.parent[node]], text].filter((part) => part !== '').join('\n');
    sums.set(paths[node], {
      total: tree.total[node],
      self: tree.self[node],
      totalSamples: tree.totalSamples[node],
      selfSamples: tree.selfSamples[node],
    });
  }
  expect(sums.size).toBe(tree.length);
  return sums;
}

function treeOf(profile: Profile, groupBy?: GroupBy): { tree: CallTree; labels: Labels } {
  const functions = new FunctionTable(profile);
  const tree = buildCallTree(profile, functions, weighSamples(profile), groupBy);
  return { tree, labels: functions.labels };
}

/** The tree as indented lines of `label self/total`. */
function drawing(profile: Profile, groupBy?: GroupBy): string[] {
  const { tree, labels } = treeOf(profile, groupBy);
  return Array.from(
    tree.label,
    (label, node) =>
      `${'  '.repeat(tree.depth[node])}${labels.textOf(label)} ${tree.self[node]}/${tree.total[node]}`,
  );
}

describe('a call tree', () => {
  it('sums the samples of each function by its callers', () => {
    const { profile } = new TestProfile()
      .add({ pid: 7, process: 'node', stack: ['main', 'b', 'k:read'], weight: 1 })
      .add({ pid: 7, process: 'node', stack: ['main#1', 'a'], weight: 2 })
      .add({ pid: 7, process: 'node', stack: ['main#2', 'b#3'], weight: 3 })
      .add({ pid: 9, process: 'cc1', stack: undefined, weight: 4 });
    expect(drawing(profile)).toEqual([
      'all 0/10',
      '  cc1 (9) 0/4',
      '    [stack lost] 4/4',
      '  node (7) 0/6',
      '    main 0/6',
      '      a 2/2',
      '      b 3/4',
      '        read 1/1',
    ]);
  });

  it('is the sum of its samples, however profiles are made', () => {
    fc.assert(
      fc.property(choices, fc.constantFrom(...groupings), (numbers, groupBy) => {
        const profile = profileOf(chunksOf(randomSteps(numbers)));
        const { tree, labels } = treeOf(profile, groupBy);
        expect(sumsOf(tree, labels)).toEqual(expectedSums(profile, groupBy));
        let sum = 0;
        for (let row = 0; row < profile.samples.length; row++)
          sum += profile.samples.columns.weight[row];
        expect(tree.total[0]).toBe(sum);
        expect(tree.totalSamples[0]).toBe(profile.samples.length);
      }),
    );
  });

  it('is laid out depth first, siblings by name', () => {
    fc.assert(
      fc.property(choices, (numbers) => {
        const { tree, labels } = treeOf(profileOf(chunksOf(randomSteps(numbers))));
        expect(tree.parent[0]).toBe(NONE);
        expect(tree.depth[0]).toBe(0);
        expect(tree.subtreeEnd[0]).toBe(tree.length);
        expect(tree.maxDepth).toBe(Math.max(...tree.depth));
        for (let node = 0; node < tree.length; node++) {
          let last: string | undefined;
          for (
            let child = node + 1;
            child < tree.subtreeEnd[node];
            child = tree.subtreeEnd[child]
          ) {
            expect(tree.parent[child]).toBe(node);
            expect(tree.depth[child]).toBe(tree.depth[node] + 1);
            const text = labels.textOf(tree.label[child]);
            if (last !== undefined) expect(last <= text).toBe(true);
            last = text;
          }
        }
      }),
    );
  });

  it('is the same when the function table has followed the profile chunk by chunk, renames included', () => {
    fc.assert(
      fc.property(choices, (numbers) => {
        const profile = new Profile();
        const functions = new FunctionTable(profile);
        for (const chunk of chunksOf(randomSteps(numbers))) {
          applyChunk(profile, chunk);
          const tree = buildCallTree(profile, functions, weighSamples(profile));
          expect(sumsOf(tree, functions.labels)).toEqual(expectedSums(profile, 'process'));
        }
      }),
    );
  });

  it('stays right when names change again and again', () => {
    const test = new TestProfile();
    const functions = new FunctionTable(test.profile);
    for (let i = 0; i < 3000; i++) {
      if (i < 40) test.add({ stack: ['main', `?#${i}`, 'leaf'] });
      test.rename(`?#${i % 40}`, `name ${i}`);
      functions.update();
    }
    const tree = buildCallTree(test.profile, functions, weighSamples(test.profile));
    expect(sumsOf(tree, functions.labels)).toEqual(expectedSums(test.profile, 'process'));
    // Paths that nothing uses are thrown away now and then.
    expect(functions.pathCount).toBeLessThan(2500);
  });

  it('has nodes of their own, marked, for functions that were inlined', () => {
    const { profile } = new TestProfile().add({ stack: ['main', 'loop>step>leaf'] });
    const { tree, labels } = treeOf(profile);
    const nodes = Array.from(tree.label, (label) => [
      labels.textOf(label),
      labels.inlined[label] === 1,
    ]);
    expect(nodes.slice(2)).toEqual([
      ['main', false],
      ['loop', false],
      ['step', true],
      ['leaf', true],
    ]);
  });

  it('says of each label what it is', () => {
    const { profile } = new TestProfile()
      .add({ stack: ['[unwinding stopped: no frame pointer]', '?@libz.so#16', 'k:read'] })
      .add({ stack: undefined });
    const { tree, labels } = treeOf(profile);
    const nodes = Array.from(tree.label, (label) => [
      labels.textOf(label),
      labels.moduleOf(label),
      labels.kind[label],
      labels.named[label] === 1,
    ]);
    expect(nodes).toEqual([
      ['all', '', LabelKind.Root, true],
      ['prog (1)', '', LabelKind.Process, true],
      ['[stack lost]', '', LabelKind.Lost, true],
      ['[unwinding stopped: no frame pointer]', '', LabelKind.Stop, true],
      ['libz.so+0x10', 'libz.so', LabelKind.Native, false],
      ['read', 'kernel', LabelKind.Kernel, true],
    ]);
  });

  it('has one node for a function of which only the beginning is known, and says that it has no name', () => {
    const { profile } = new TestProfile()
      .add({ stack: ['main', '?@libz.so#20'] })
      .add({ stack: ['main', '?@libz.so#24'] })
      .rename('?@libz.so#20', 'libz.so+0x10')
      .rename('?@libz.so#24', 'libz.so+0x10');
    const { tree, labels } = treeOf(profile);
    const leaf = tree.length - 1;
    expect(labels.textOf(tree.label[leaf])).toBe('libz.so+0x10');
    expect(labels.named[tree.label[leaf]]).toBe(0);
    expect(tree.selfSamples[leaf]).toBe(2);
  });

  it('keeps a function apart from its namesake in another module', () => {
    const { profile } = new TestProfile()
      .add({ stack: ['main', 'init@liba.so'] })
      .add({ stack: ['main', 'init@libb.so'] });
    const { tree, labels } = treeOf(profile);
    expect(Array.from(tree.label, (label) => labels.moduleOf(label)).slice(3)).toEqual([
      'liba.so',
      'libb.so',
    ]);
  });

  it('groups by pid and name: an exec makes another node, a thread does not', () => {
    const { profile } = new TestProfile()
      .add({ pid: 7, process: 'sh', stack: ['main'] })
      .add({ pid: 7, process: 'node', tid: 7, stack: ['main'] })
      .add({ pid: 7, process: 'node', tid: 8, stack: ['main'] })
      .add({ pid: 8, process: 'node', tid: 9, stack: ['main'] });
    const level1 = (groupBy: GroupBy): string[] =>
      drawing(profile, groupBy)
        .filter((line) => /^ {2}\S/.test(line))
        .map((line) => line.trim());
    expect(level1('process')).toEqual(['node (7) 0/20', 'node (8) 0/10', 'sh (7) 0/10']);
    expect(level1('process-name')).toEqual(['node 0/30', 'sh 0/10']);
    expect(level1('none')).toEqual(['main 40/40']);
  });

  it('is one node, the root, where there are no samples', () => {
    const { tree } = treeOf(new Profile());
    expect(tree.length).toBe(1);
    expect(tree.subtreeEnd[0]).toBe(1);
    expect(tree.total[0]).toBe(0);
  });

  it('holds stacks far deeper than the JavaScript stack, and than 16 bits', () => {
    const frames = Array.from({ length: 70_000 }, (_, i) => (i % 2 === 0 ? 'even' : 'odd'));
    const { profile } = new TestProfile().add({ stack: frames });
    const { tree } = treeOf(profile);
    expect(tree.length).toBe(70_002);
    expect(tree.maxDepth).toBe(70_001);
    expect(tree.total[1]).toBe(10);
  });

  it('moves to another thread', () => {
    const { profile } = new TestProfile().add({ stack: ['main'] });
    const { tree } = treeOf(profile);
    const moved = structuredClone(tree, { transfer: transferables(tree) });
    expect(tree.label.length).toBe(0);
    expect(moved.total[0]).toBe(10);
  });
});
