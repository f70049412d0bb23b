import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyChunk, profileOf } from './chunk';
import { Profile } from './profile';
import { chunksOf, randomSteps, TestProfile } from './profiles-for-tests';
import { SampleOrder } from './sample-order';
import { partWithin, SampleSpans } from './sample-spans';
import type { TimeRange } from './view';
import { DEFAULT_VIEW } from './view';
import {
  ALL_TIME,
  EVERYTHING,
  filterByProcess,
  type Selection,
  type StackWeights,
  sampleTypeOf,
  selectionOf,
  weighSamples,
} from './weights';
import { WindowWeights } from './window-weights';

const choices = fc.array(fc.nat(), { maxLength: 500 });
const arbitraryRange: fc.Arbitrary<TimeRange | undefined> = fc.option(
  fc
    .tuple(fc.nat({ max: 5000 }), fc.nat({ max: 3000 }))
    .map(([startNs, length]) => ({ startNs, endNs: startNs + length })),
  { nil: undefined },
);
const arbitrarySelection: fc.Arbitrary<Selection> = fc.record({
  pids: fc.subarray([1, 2, 3]),
  tids: fc.subarray([10, 20, 31]),
  containers: fc.subarray(['box', '/some.slice']),
  range: fc.constant(undefined),
  sampleType: fc.constant(0),
});

/** Entries with samples, by (process, stack). */
function entriesOf(weights: StackWeights): Map<string, readonly [number, number]> {
  const entries = new Map<string, readonly [number, number]>();
  for (let i = 0; i < weights.length; i++) {
    if (weights.samples[i] === 0) continue;
    const key = `${weights.process[i]} ${weights.stack[i]}`;
    expect(entries.has(key)).toBe(false);
    entries.set(key, [weights.weight[i], weights.samples[i]]);
  }
  return entries;
}

/** Straight from the definition. */
function expectedEntries(profile: Profile, selection: Selection): Map<string, [number, number]> {
  const { samples, threads, processes } = profile;
  const entries = new Map<string, [number, number]>();
  for (let row = 0; row < samples.length; row++) {
    const { timeNs, weight, thread, stack, sampleType } = samples.columns;
    const process = threads.columns.process[thread[row]];
    const { pids, tids, containers, range } = selection;
    const container =
      profile.string(processes.columns.container[process]) ||
      profile.string(processes.columns.cgroup[process]);
    const isSelected =
      sampleType[row] === selection.sampleType &&
      (pids.length === 0 || pids.includes(processes.columns.pid[process])) &&
      (tids.length === 0 || tids.includes(threads.columns.tid[thread[row]])) &&
      (containers.length === 0 || containers.includes(container)) &&
      (range === undefined || (timeNs[row] >= range.startNs && timeNs[row] < range.endNs));
    if (!isSelected) continue;
    const key = `${process} ${stack[row]}`;
    const [sum, count] = entries.get(key) ?? [0, 0];
    entries.set(key, [sum + weight[row], count + 1]);
  }
  return entries;
}

describe('weights', () => {
  it('are the sums of the samples that are selected', () => {
    fc.assert(
      fc.property(choices, arbitrarySelection, arbitraryRange, (numbers, filters, range) => {
        const profile = profileOf(chunksOf(randomSteps(numbers)));
        const selection = { ...filters, range };
        expect(entriesOf(weighSamples(profile, selection))).toEqual(
          expectedEntries(profile, selection),
        );
      }),
    );
  });

  it('can be filtered by process afterwards', () => {
    fc.assert(
      fc.property(choices, arbitrarySelection, (numbers, { pids, containers }) => {
        const profile = profileOf(chunksOf(randomSteps(numbers)));
        const filtered = filterByProcess(profile, weighSamples(profile), { pids, containers });
        expect(entriesOf(filtered)).toEqual(
          expectedEntries(profile, { ...EVERYTHING, pids, containers }),
        );
      }),
    );
  });

  it('are of one sample type, for units do not add up', () => {
    const { profile } = new TestProfile()
      .add({ stack: ['main'], weight: 5 })
      .add({ stack: ['main'], weight: 100, type: ['alloc', 'bytes'] });
    expect(sampleTypeOf(profile, 'alloc')).toBe(1);
    expect(sampleTypeOf(profile, 'unheard of')).toBe(0);
    const weigh = (sampleType: string | undefined): number =>
      weighSamples(profile, selectionOf(profile, { ...DEFAULT_VIEW, sampleType })).weight[0];
    expect(weigh(undefined)).toBe(5);
    expect(weigh('alloc')).toBe(100);
  });

  it('of counts stand for as many samples', () => {
    const { profile } = new TestProfile().add({
      stack: ['main'],
      weight: 12,
      type: ['samples', 'count'],
    });
    expect(weighSamples(profile).samples[0]).toBe(12);
  });
});

describe('a window that moves', () => {
  it('always holds exactly the samples of its range, whichever way it moves', () => {
    fc.assert(
      fc.property(
        choices,
        arbitrarySelection,
        fc.array(arbitraryRange, { minLength: 1 }),
        (numbers, selection, ranges) => {
          const profile = new Profile();
          const window = new WindowWeights(new SampleOrder(profile), selection);
          const chunks = chunksOf(randomSteps(numbers));
          for (let i = 0; i < Math.max(chunks.length, ranges.length); i++) {
            if (i < chunks.length) applyChunk(profile, chunks[i]);
            const range = ranges[i % ranges.length];
            expect(entriesOf(window.move(range))).toEqual(
              expectedEntries(profile, { ...selection, range }),
            );
          }
        },
      ),
    );
  });

  it('that follows the newest samples is exact, also when older ones are forgotten', () => {
    fc.assert(
      fc.property(choices, fc.nat({ max: 1000 }), (numbers, widthNs) => {
        const [profile, whole] = [new Profile(), new Profile()];
        const order = new SampleOrder(profile);
        const window = new WindowWeights(order, EVERYTHING);
        const sinceStart = new WindowWeights(order, EVERYTHING);
        for (const chunk of chunksOf(randomSteps(numbers))) {
          applyChunk(profile, chunk);
          applyChunk(whole, chunk);
          const times = whole.samples.columns.timeNs.subarray(0, whole.samples.length);
          const endNs = Math.max(0, ...times) + 1;
          const range = { startNs: endNs - widthNs, endNs };
          expect(entriesOf(window.move(range))).toEqual(
            expectedEntries(whole, { ...EVERYTHING, range }),
          );
          expect(entriesOf(sinceStart.move(undefined))).toEqual(expectedEntries(whole, EVERYTHING));
          // A late sample may be as much as 60 older than the newest.
          order.forgetBefore(endNs - widthNs - 70);
        }
      }),
    );
  });

  it('holds of samples with a length the part that is in its range, also when older ones are forgotten', () => {
    const lengths = fc.array(fc.nat({ max: 2000 }), { minLength: 1 });
    fc.assert(
      fc.property(
        choices,
        lengths,
        fc.array(arbitraryRange, { minLength: 1 }),
        fc.boolean(),
        (numbers, lengthsNs, ranges, forgets) => {
          const [profile, whole] = [new Profile(), new Profile()];
          const spans = new SampleSpans();
          const order = new SampleOrder(profile, spans);
          const window = new WindowWeights(order, EVERYTHING);
          const lengthOf = (row: number): number => lengthsNs[row % lengthsNs.length];
          const chunks = chunksOf(randomSteps(numbers));
          let newestNs = 0;
          for (let i = 0; i < Math.max(chunks.length, ranges.length); i++) {
            if (i < chunks.length) {
              for (let row = 0; row < chunks[i].tables.samples.length; row++)
                spans.push(lengthOf(whole.samples.length + row));
              applyChunk(profile, chunks[i]);
              applyChunk(whole, chunks[i]);
              newestNs = Math.max(newestNs, ...chunks[i].tables.samples.columns.timeNs);
            }
            const own = ranges[i % ranges.length];
            const following = { startNs: newestNs - 500, endNs: newestNs + 1 };
            const range = forgets ? following : (own ?? ALL_TIME);
            const { timeNs, weight, thread, stack } = whole.samples.columns;
            const expected = new Map<string, [number, number]>();
            for (let row = 0; row < whole.samples.length; row++) {
              const part = partWithin(timeNs[row], lengthOf(row), range);
              const isInside = timeNs[row] >= range.startNs && timeNs[row] < range.endNs;
              if (part === 0 && !isInside) continue;
              const key = `${whole.threads.columns.process[thread[row]]} ${stack[row]}`;
              const [sum, samples] = expected.get(key) ?? [0, 0];
              expected.set(key, [sum + Math.round(weight[row] * part), samples + 1]);
            }
            expect(entriesOf(window.move(range))).toEqual(expected);
            if (forgets) order.forgetBefore(newestNs - 500 - 70);
          }
        },
      ),
    );
  });

  it('forgets with its samples what it held of them, when it gets smaller', () => {
    const test = new TestProfile();
    const order = new SampleOrder(test.profile);
    for (let timeNs = 0; timeNs < 10; timeNs++) test.add({ stack: ['main'], timeNs, weight: 1 });
    const [fromStart, toEnd] = [
      new WindowWeights(order, EVERYTHING),
      new WindowWeights(order, EVERYTHING),
    ];
    fromStart.move(undefined);
    toEnd.move({ startNs: 0, endNs: 10 });
    order.forgetBefore(5);
    expect([...entriesOf(fromStart.move(undefined)).values()]).toEqual([[10, 10]]);
    expect([...entriesOf(fromStart.move({ startNs: 3, endNs: 10 })).values()]).toEqual([[5, 5]]);
    expect(entriesOf(toEnd.move({ startNs: 0, endNs: 3 })).size).toBe(0);
  });

  it('forgets entries that stay empty', () => {
    const test = new TestProfile();
    const order = new SampleOrder(test.profile);
    const window = new WindowWeights(order, EVERYTHING);
    for (let second = 0; second < 50; second++) {
      for (let i = 0; i < 200; i++) test.add({ stack: [`f${second}`, `g${i}`], timeNs: second });
      window.move({ startNs: second - 2, endNs: second + 1 });
    }
    const weights = window.move({ startNs: 47, endNs: 50 });
    expect(weights.length).toBeLessThan(3000);
    expect(entriesOf(weights).size).toBe(600);
  });
});

describe('the order of samples', () => {
  it('is that of time', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.nat({ max: 100 }))), (batches) => {
        const test = new TestProfile();
        const order = new SampleOrder(test.profile);
        for (const times of batches) {
          for (const timeNs of times) test.add({ stack: ['main'], timeNs });
          order.update();
        }
        const times = test.profile.samples.columns.timeNs;
        const ordered = Array.from({ length: order.length }, (_, i) => times[order.rowAt(i)]);
        expect(ordered).toEqual(batches.flat().sort((a, b) => a - b));
        expect(order.firstAt(50)).toBe(ordered.filter((time) => time < 50).length);
      }),
    );
  });
});
