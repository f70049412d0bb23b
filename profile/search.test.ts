import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildCallTree, type CallTree } from './call-tree';
import { profileOf } from './chunk';
import { FunctionTable } from './functions';
import type { Labels } from './labels';
import type { Profile } from './profile';
import { chunksOf, randomSteps, TestProfile, textsOf } from './profiles-for-tests';
import { type SearchResult, searchTree } from './search';
import { weighSamples } from './weights';

function treeOf(profile: Profile): { tree: CallTree; labels: Labels } {
  const functions = new FunctionTable(profile);
  const tree = buildCallTree(profile, functions, weighSamples(profile));
  return { tree, labels: functions.labels };
}

const { profile } = new TestProfile()
  .add({ stack: ['main', 'Parse', 'parseList', 'parseItem'], weight: 1 })
  .add({ stack: ['main', 'Parse'], weight: 2 })
  .add({ stack: ['main', 'std::vector', 'parseItem'], weight: 4 })
  .add({ stack: ['main', 'idle'], weight: 8 });
const { tree, labels } = treeOf(profile);

function found(text: string, previous?: SearchResult): readonly [string[], number, number] {
  const result = searchTree(tree, labels, text, previous);
  const names = textsOf(labels).filter((_, label) => result.matches[label] === 1);
  return [names, result.matchedTotal, result.matchedSamples];
}

describe('a search', () => {
  it('finds a substring whatever its case, and counts nested matches once', () => {
    expect(found('PARSE')).toEqual([['Parse', 'parseList', 'parseItem'], 7, 3]);
    expect(found('parseitem')).toEqual([['parseItem'], 5, 2]);
  });

  it('finds what a regular expression between slashes matches', () => {
    expect(found('/^parse/')).toEqual([['parseList', 'parseItem'], 5, 2]);
    expect(found('/^parse/i')).toEqual([['Parse', 'parseList', 'parseItem'], 7, 3]);
    expect(found('/::/')).toEqual([['std::vector'], 4, 1]);
  });

  it('takes what is no expression between slashes as it stands', () => {
    expect(found('/')).toEqual([[], 0, 0]);
    expect(found('std::')).toEqual([['std::vector'], 4, 1]);
    expect(found('*')).toEqual([[], 0, 0]);
  });

  it('says why an expression is wrong, and finds nothing', () => {
    const result = searchTree(tree, labels, '/(/');
    expect(result.error).toMatch(/Invalid regular expression/);
    expect(result.matchedTotal).toBe(0);
    expect(searchTree(tree, labels, 'x').error).toBeUndefined();
  });

  it('finds nothing for no text', () => {
    expect(found('')).toEqual([[], 0, 0]);
  });

  it('goes on from the last result when labels come', () => {
    const test = new TestProfile().add({ stack: ['main', 'a1'], weight: 1 });
    const functions = new FunctionTable(test.profile);
    const build = (): CallTree =>
      buildCallTree(test.profile, functions, weighSamples(test.profile));
    const first = searchTree(build(), functions.labels, '/^a/');
    expect(first.matchedTotal).toBe(1);
    test.add({ stack: ['main', 'a2'], weight: 2 });
    const again = searchTree(build(), functions.labels, '/^a/', first);
    expect(again).toEqual(searchTree(build(), functions.labels, '/^a/'));
    // The name of the root, 'all', is no name of anything.
    expect(again.matchedTotal).toBe(3);
    expect(searchTree(build(), functions.labels, 'a2', first).matchedTotal).toBe(2);
  });

  it('takes a text with the first slash only for one that is being typed, where no name has it', () => {
    const { tree, labels } = treeOf(new TestProfile().add({ stack: ['net/http.serve'] }).profile);
    expect(searchTree(tree, labels, '/http').error).toBeUndefined();
    expect(searchTree(tree, labels, '/htt(').error).toBe('the last slash is missing');
    expect(searchTree(tree, labels, '/http.*/').error).toBeUndefined();
  });

  it('counts each sample with a match in its stack once', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 400 }), (numbers) => {
        const random = treeOf(profileOf(chunksOf(randomSteps(numbers))));
        const { matches, matchedTotal } = searchTree(random.tree, random.labels, 'o');
        let expected = 0;
        for (let node = 0; node < random.tree.length; node++) {
          let isMatch = false;
          for (let at = node; at > 0; at = random.tree.parent[at])
            if (matches[random.tree.label[at]] === 1) isMatch = true;
          if (isMatch) expected += random.tree.self[node];
        }
        expect(matchedTotal).toBe(expected);
      }),
    );
  });
});
