import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProfileBuilder } from './builder';
import { profileOf } from './chunk';
import { Merger } from './merge';
import { chunksOf, describeSamples, randomSteps, TestProfile } from './profiles-for-tests';

const choices = fc.array(fc.nat(), { maxLength: 400 });

describe('merging', () => {
  it('gives the samples of the source', () => {
    fc.assert(
      fc.property(choices, (numbers) => {
        const chunks = chunksOf(randomSteps(numbers));
        const target = new ProfileBuilder();
        const merger = new Merger(target);
        for (const chunk of chunks) merger.append(chunk);
        expect(describeSamples(target.profile)).toEqual(describeSamples(profileOf(chunks)));
      }),
    );
  });

  it('gives the samples of both where streams follow each other', () => {
    fc.assert(
      fc.property(choices, choices, (first, second) => {
        const streams = [first, second].map((numbers) => chunksOf(randomSteps(numbers)));
        const target = new ProfileBuilder();
        for (const chunks of streams) {
          const merger = new Merger(target);
          for (const chunk of chunks) merger.append(chunk);
        }
        // Of frames only where they are: in the target, one that both streams have has the second one's name.
        const samples = (profile: Parameters<typeof describeSamples>[0]): string[] =>
          describeSamples(profile).map((text) =>
            text
              .split(' | ')
              .map((part, i) => (i < 4 ? part : part.replace(/^.* (\S*\+\S+ \d\))$/s, '$1')))
              .join(' | '),
          );
        expect(samples(target.profile)).toEqual(
          streams.flatMap((chunks) => samples(profileOf(chunks))),
        );
      }),
    );
  });

  it('takes only the rows that samples need', () => {
    const test = new TestProfile();
    test.stack(['never', 'sampled']);
    test.add({ stack: ['main', 'work'] });
    const target = new ProfileBuilder();
    new Merger(target).append(test.cut());
    expect(target.profile.frames.length).toBe(2);
    expect(target.profile.stacks.length).toBe(2);
    expect(target.profile.strings).not.toContain('never');
  });

  it('starts in the middle of a stream, with what was before it', () => {
    const test = new TestProfile();
    const before = profileOf([test.add({ stack: ['main', 'a'], weight: 1 }).cut()]);
    before.samples.clear();
    const target = new ProfileBuilder();
    new Merger(target, before).append(test.add({ stack: ['main', 'a', 'b'], weight: 2 }).cut());
    expect(target.profile.samples.length).toBe(1);
    expect(describeSamples(target.profile)[0]).toMatch(/main.*a\(.*b\(/);
  });

  it('takes over better symbols for frames that it has', () => {
    const test = new TestProfile();
    const target = new ProfileBuilder();
    const merger = new Merger(target);
    merger.append(test.add({ stack: ['?#5'] }).cut());
    merger.append(test.rename('?#5', 'late').cut());
    expect(describeSamples(target.profile)[0]).toContain('late(');
  });

  it('merges stacks far deeper than the JavaScript stack', () => {
    const test = new TestProfile();
    const frames = Array.from({ length: 50_000 }, (_, i) => (i % 2 === 0 ? 'even' : 'odd'));
    const target = new ProfileBuilder();
    new Merger(target).append(test.add({ stack: frames }).cut());
    expect(target.profile.stacks.length).toBe(50_000);
  });
});
