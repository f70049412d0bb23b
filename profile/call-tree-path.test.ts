import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildCallTree, type CallTree } from './call-tree';
import { findNode, pathOf } from './call-tree-path';
import { profileOf } from './chunk';
import { FunctionTable } from './functions';
import type { Labels } from './labels';
import type { Profile } from './profile';
import { chunksOf, randomSteps, TestProfile } from './profiles-for-tests';
import { weighSamples } from './weights';

function treeOf(profile: Profile): { tree: CallTree; labels: Labels } {
  const functions = new FunctionTable(profile);
  const tree = buildCallTree(profile, functions, weighSamples(profile));
  return { tree, labels: functions.labels };
}

describe('the path of a node', () => {
  it('leads back to it', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 400 }), (numbers) => {
        const { tree, labels } = treeOf(profileOf(chunksOf(randomSteps(numbers))));
        for (let node = 0; node < tree.length; node++)
          expect(findNode(tree, labels, pathOf(tree, labels, node))).toBe(node);
      }),
    );
  });

  it('is what people see', () => {
    const { tree, labels } = treeOf(
      new TestProfile().add({ pid: 7, process: 'node', stack: ['main', 'work'] }).profile,
    );
    expect(pathOf(tree, labels, 3)).toEqual(['node (7)', 'main', 'work']);
    expect(pathOf(tree, labels, 0)).toEqual([]);
  });

  it('leads to the deepest ancestor that a tree has', () => {
    const { tree, labels } = treeOf(new TestProfile().add({ stack: ['main', 'work'] }).profile);
    expect(findNode(tree, labels, ['prog (1)', 'main', 'gone', 'work'])).toBe(2);
    expect(findNode(tree, labels, ['other (2)'])).toBe(0);
    expect(findNode(tree, labels, [])).toBe(0);
  });

  it('tells namesakes apart, and still leads to the one that is left', () => {
    const test = new TestProfile()
      .add({ stack: ['main', 'init@liba.so', 'a'] })
      .add({ stack: ['main', 'init@libb.so', 'b'] });
    const { tree, labels } = treeOf(test.profile);
    const second = 5;
    const path = pathOf(tree, labels, second);
    expect(path[2]).toBe('init\tlibb.so\t1');
    const alone = treeOf(new TestProfile().add({ stack: ['main', 'init@libb.so', 'b'] }).profile);
    expect(pathOf(alone.tree, alone.labels, 3)).toEqual(['prog (1)', 'main', 'init']);
    expect(findNode(alone.tree, alone.labels, path)).toBe(3);
    expect(findNode(tree, labels, ['prog (1)', 'main', 'init', 'a'])).toBe(4);
  });
});
