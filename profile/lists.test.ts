import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildCallTree, type CallTree } from './call-tree';
import { profileOf } from './chunk';
import { functionList } from './function-list';
import { FunctionTable } from './functions';
import { LabelKind, type Labels } from './labels';
import { processList } from './process-list';
import type { Profile } from './profile';
import { chunksOf, randomSteps, TestProfile } from './profiles-for-tests';
import { quality, standardError } from './quality';
import { weighSamples } from './weights';

const choices = fc.array(fc.nat(), { maxLength: 400 });

function treeOf(profile: Profile): { tree: CallTree; labels: Labels } {
  const functions = new FunctionTable(profile);
  const tree = buildCallTree(profile, functions, weighSamples(profile));
  return { tree, labels: functions.labels };
}

describe('the functions', () => {
  const { profile } = new TestProfile()
    .add({ stack: ['main', 'walk', 'walk', 'visit', 'walk'], weight: 1 })
    .add({ stack: ['main', 'walk'], weight: 2 })
    .add({ stack: ['main', 'visit'], weight: 4 });
  const { tree, labels } = treeOf(profile);

  it('have self and total, recursion counted once', () => {
    const list = functionList(tree, labels);
    const rows = Array.from(list.label, (label, row) => [
      labels.textOf(label),
      list.self[row],
      list.total[row],
      list.selfSamples[row],
      list.totalSamples[row],
    ]);
    expect(rows.sort((a, b) => (a[0] < b[0] ? -1 : 1))).toEqual([
      ['main', 0, 7, 0, 3],
      ['visit', 4, 5, 1, 2],
      ['walk', 3, 3, 2, 2],
    ]);
  });

  it('of a subtree are those in it', () => {
    const walk = 4;
    expect(labels.textOf(tree.label[walk])).toBe('walk');
    const list = functionList(tree, labels, walk);
    expect(list.length).toBe(2);
    expect(list.total[0]).toBe(3);
  });

  it('are counted with their inlined copies', () => {
    const inlined = treeOf(
      new TestProfile().add({ stack: ['main', 'a>f'] }).add({ stack: ['main', 'f'] }).profile,
    );
    const list = functionList(inlined.tree, inlined.labels);
    const texts = Array.from(list.label, (label) => inlined.labels.textOf(label));
    expect(texts.sort()).toEqual(['a', 'f', 'main']);
    const f = list.label.findIndex((label) => inlined.labels.textOf(label) === 'f');
    expect(list.self[f]).toBe(20);
  });

  it('have the self of all samples together, and each the total of the stacks that it is in', () => {
    fc.assert(
      fc.property(choices, (numbers) => {
        const random = treeOf(profileOf(chunksOf(randomSteps(numbers))));
        const list = functionList(random.tree, random.labels);
        expect(list.self.reduce((sum, self) => sum + self, 0)).toBe(random.tree.total[0]);
        const totals = new Map<number, number>();
        for (let node = 0; node < random.tree.length; node++) {
          const inStack = new Set<number>();
          for (let at = node; at > 0; at = random.tree.parent[at])
            inStack.add(random.labels.outOfLine[random.tree.label[at]]);
          for (const label of inStack)
            totals.set(label, (totals.get(label) ?? 0) + random.tree.self[node]);
        }
        for (let row = 0; row < list.length; row++)
          expect(list.total[row]).toBe(totals.get(list.label[row]));
      }),
    );
  });
});

describe('the processes', () => {
  it('are one row per pid, heaviest first, by their newest name', () => {
    const { profile } = new TestProfile()
      .add({ pid: 7, process: 'sh', stack: ['main'], weight: 10 })
      .add({ pid: 7, process: 'node', cgroup: '/web.service', stack: ['main'], weight: 20 })
      .add({ pid: 9, process: 'redis', container: 'cache', stack: undefined, weight: 70 });
    expect(processList(profile, weighSamples(profile))).toEqual([
      {
        pid: 9,
        name: 'redis',
        commandLine: '/usr/bin/redis --run',
        container: 'cache',
        group: 'cache',
        weight: 70,
        samples: 1,
        share: 0.7,
      },
      {
        pid: 7,
        name: 'node',
        commandLine: '/usr/bin/node --run',
        container: '',
        group: '/web.service',
        weight: 30,
        samples: 2,
        share: 0.3,
      },
    ]);
  });

  it('add up to all samples', () => {
    fc.assert(
      fc.property(choices, (numbers) => {
        const profile = profileOf(chunksOf(randomSteps(numbers)));
        const rows = processList(profile, weighSamples(profile));
        expect(rows.reduce((sum, row) => sum + row.samples, 0)).toBe(profile.samples.length);
        expect(new Set(rows.map((row) => row.pid)).size).toBe(rows.length);
      }),
    );
  });
});

describe('quality', () => {
  it('is the share of whole stacks, and of named frames, with its error', () => {
    const stop = '[unwinding stopped: no frame pointer]';
    const { profile } = new TestProfile()
      .add({ stack: ['main', 'work'] })
      .add({ stack: ['main', 'a>b'] })
      .add({ stack: [stop, '?@libz.so#1', 'k:read'] })
      .add({ stack: undefined });
    const { tree, labels } = treeOf(profile);
    const { whole, named, broken } = quality(tree, labels);
    expect(whole).toEqual({ count: 2, of: 4, share: 0.5, standardError: 0.25 });
    // main, work, main, a (b is inlined), read of these and ?.
    expect([named.count, named.of]).toEqual([5, 6]);
    expect(named.standardError).toBeCloseTo(Math.sqrt((5 / 6) * (1 / 6) * (1 / 4)));
    expect(broken.map(({ label, samples }) => [labels.textOf(label), samples])).toEqual([
      ['[stack lost]', 1],
      [stop, 1],
    ]);
  });

  it('is no number where there are no samples', () => {
    const { tree, labels } = treeOf(new TestProfile().profile);
    expect(quality(tree, labels).whole.share).toBeUndefined();
    expect(quality(tree, labels).named.share).toBeUndefined();
  });

  it('counts what the stacks say', () => {
    fc.assert(
      fc.property(choices, (numbers) => {
        const profile = profileOf(chunksOf(randomSteps(numbers)));
        const { tree, labels } = treeOf(profile);
        const { whole, broken } = quality(tree, labels);
        const { stack } = profile.samples.columns;
        const { parent, frame } = profile.stacks.columns;
        let expected = 0;
        for (let row = 0; row < profile.samples.length; row++) {
          if (stack[row] === 0xffffffff) continue;
          let root = stack[row];
          while (parent[root] !== 0xffffffff) root = parent[root];
          if (profile.frames.columns.kind[frame[root]] !== LabelKind.Stop) expected++;
        }
        expect(whole.count).toBe(expected);
        expect(broken.reduce((sum, { samples }) => sum + samples, 0)).toBe(whole.of - whole.count);
      }),
    );
  });

  it('has the standard error of a share of samples', () => {
    expect(standardError(0.5, 100)).toBe(0.05);
    expect(standardError(0, 100)).toBe(0);
    expect(standardError(1, 100)).toBe(0);
    expect(standardError(0.5, 0)).toBe(0);
  });
});
