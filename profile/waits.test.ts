import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProfileBuilder } from './builder';
import { buildCallTree } from './call-tree';
import { decodeChunk, encodeChunk, profileOf } from './chunk';
import { derivedProfile } from './derived-profile';
import { FunctionTable } from './functions';
import { LabelKind } from './labels';
import { bucketOf } from './latency/buckets';
import { Merger } from './merge';
import { processList } from './process-list';
import type { Profile } from './profile';
import { TestProfile, textsOf } from './profiles-for-tests';
import { NONE, ThreadState } from './schema';
import { threadLedger } from './thread-ledger';
import { waitShares } from './wait-shares';
import { summarizeWaits } from './wait-summary';
import { weightVariance } from './wait-variance';
import { ALL_WAITS, forgetWaitsBefore, waitsWithin, wakeChain } from './waits';
import { weighSamples } from './weights';

/** Weight by stack, `frame;frame`. */
function samplesOf(profile: Profile): Record<string, number> {
  const sums: Record<string, number> = {};
  const { samples, stacks, frames } = profile;
  for (let row = 0; row < samples.length; row++) {
    const path: string[] = [];
    for (let at = samples.columns.stack[row]; at !== NONE; at = stacks.columns.parent[at])
      path.unshift(profile.string(frames.columns.functionName[stacks.columns.frame[at]]));
    const key = path.join(';');
    sums[key] = (sums[key] ?? 0) + samples.columns.weight[row];
  }
  return sums;
}

function treeOf(profile: Profile) {
  const functions = new FunctionTable(profile);
  return {
    tree: buildCallTree(profile, functions, weighSamples(profile), 'process'),
    labels: functions.labels,
  };
}

const waiting = () =>
  new TestProfile()
    .add({ stack: ['main', 'work'], weight: 30 })
    .addWait({ stack: ['main', 'read'], durationNs: 50, waitClass: ThreadState.Disk })
    .addWait({ stack: ['main', 'read'], durationNs: 10, weight: 20, waitClass: ThreadState.Disk })
    .addWait({
      stack: ['main', 'lock'],
      durationNs: 100,
      waitClass: ThreadState.Lock,
      waker: { tid: 9, process: 'other', pid: 8, stack: ['start', 'unlock'] },
    });

describe('waits', () => {
  it('and CPU time make one tree, told apart in each node', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            waits: fc.boolean(),
            weight: fc.integer({ min: 1, max: 1e9 }),
            stack: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 }),
            pid: fc.constantFrom(1, 2),
          }),
        ),
        (rows) => {
          const test = new TestProfile().add({ stack: ['a'], weight: 1 });
          for (const { waits, weight, stack, pid } of rows) {
            if (waits) test.addWait({ pid, stack, durationNs: weight });
            else test.add({ pid, stack, weight });
          }
          const { tree, labels } = treeOf(derivedProfile(test.profile, 'wall'));
          const { waiting: shares } = waitShares(tree, labels, 'wall');
          const sum = (wanted: boolean): number =>
            rows.reduce((all, { waits, weight }) => all + (waits === wanted ? weight : 0), 0);
          expect(tree.total[0]).toBe(sum(true) + sum(false) + 1);
          expect(shares[0] * tree.total[0]).toBeCloseTo(sum(true), -3);
          for (let node = 1; node < tree.length; node++) {
            if (labels.kind[tree.label[node]] === LabelKind.Wait) expect(shares[node]).toBe(1);
            else if (tree.subtreeEnd[node] === node + 1) expect(shares[node]).toBe(0);
          }
        },
      ),
    );
  });

  it('are told from their wakers', () => {
    const { tree, labels } = treeOf(derivedProfile(waiting().profile, 'off-wake'));
    const { waiting: shares } = waitShares(tree, labels, 'off-wake');
    const shareOf = (name: string): number =>
      shares[[...tree.label].findIndex((label) => labels.textOf(label) === name)];
    expect(['main', 'lock', '[waker not known]', 'unlock', 'start'].map(shareOf)).toEqual([
      1, 1, 0, 0, 0,
    ]);
  });

  it('become samples that say what was waited for', () => {
    const { profile } = waiting();
    expect(samplesOf(derivedProfile(profile, 'off-cpu'))).toEqual({
      'main;read;[waiting: disk]': 70,
      'main;lock;[waiting: lock]': 100,
    });
    expect(samplesOf(derivedProfile(profile, 'wall'))).toEqual({
      'main;work': 30,
      'main;read;[waiting: disk]': 70,
      'main;lock;[waiting: lock]': 100,
    });
  });

  it('for a CPU are told from others', () => {
    const { profile } = new TestProfile()
      .add({ stack: ['main'], weight: 50 })
      .addWait({ stack: ['main'], durationNs: 30, waitClass: ThreadState.Runnable })
      .addWait({ stack: ['main', 'read'], durationNs: 20, waitClass: ThreadState.Disk });
    const derived = derivedProfile(profile, 'wall');
    const functions = new FunctionTable(derived);
    const tree = buildCallTree(derived, functions, weighSamples(derived), 'none');
    const { waiting: shares, runnable } = waitShares(tree, functions.labels, 'wall');
    expect([shares[0], runnable[0]]).toEqual([0.5, expect.closeTo(0.3, 6)]);
  });

  it('have their wakers on top, upside down', () => {
    expect(samplesOf(derivedProfile(waiting().profile, 'off-wake'))).toEqual({
      'main;read;[waker not known]': 70,
      'main;lock;[woken by other (8), thread other/9];unlock;start': 100,
    });
  });

  it('lead from waker to waker', () => {
    const waker = (tid: number) => ({ tid, stack: ['wake'] });
    const { profile } = new TestProfile()
      .addWait({ tid: 3, stack: ['c'], timeNs: 80, durationNs: 70 })
      .addWait({ tid: 2, stack: ['b'], timeNs: 90, durationNs: 80, waker: waker(3) })
      .addWait({ tid: 1, stack: ['a'], timeNs: 100, durationNs: 90, waker: waker(2) });
    expect(wakeChain(profile, 2)).toEqual([1, 0]);
    expect(wakeChain(profile, 0)).toEqual([]);
  });

  it('have histograms of what they stand for, of any node', () => {
    const profile = derivedProfile(waiting().profile, 'off-cpu');
    const functions = new FunctionTable(profile);
    const label = (name: string): number => textsOf(functions.labels).indexOf(name);
    const all = summarizeWaits(profile, functions, ALL_WAITS, []);
    expect(all.count).toBe(4);
    expect(all.sum).toBe(170);
    const read = summarizeWaits(profile, functions, ALL_WAITS, [label('main'), label('read')]);
    expect(read).toMatchObject({ count: 3, sum: 70, drawn: 2 });
    expect(read.counts[bucketOf(10)]).toBe(2);
    expect(read.counts[bucketOf(50)]).toBe(1);
    expect(read.states).toEqual([
      { state: ThreadState.Disk, count: 3, sum: 70, p50: 10, p99: expect.closeTo(50, -1) },
    ]);
    const process = functions.processLabel(0, true);
    const ofProcess = summarizeWaits(profile, functions, ALL_WAITS, [process, label('main')]);
    expect(ofProcess.count).toBe(4);
  });

  it('tell in derived profiles, too, how the longest came to their ends', () => {
    const waker = (tid: number) => ({ tid, stack: ['wake'] });
    const { profile } = new TestProfile()
      .addWait({ tid: 3, stack: ['c'], timeNs: 80, durationNs: 70 })
      .addWait({ tid: 2, stack: ['b'], timeNs: 90, durationNs: 80, waker: waker(3) })
      .addWait({ tid: 1, stack: ['a'], timeNs: 100, durationNs: 90, waker: waker(2) });
    for (const mode of ['off-cpu', 'wall', 'off-wake'] as const) {
      const derived = derivedProfile(profile, mode);
      const functions = new FunctionTable(derived);
      const [longest] = summarizeWaits(derived, functions, ALL_WAITS, []).longest;
      expect(longest).toMatchObject({ tid: 1, userFunction: 'a', waker: { tid: 2 } });
      expect(longest.chain.map(({ tid, userFunction }) => [tid, userFunction])).toEqual([
        [2, 'b'],
        [3, 'c'],
      ]);
    }
  });

  it('are of processes that have their newest name, whatever else comes first', () => {
    const { profile } = new TestProfile()
      .addWait({ pid: 7, process: 'sh', stack: ['main'], durationNs: 10 })
      .add({ pid: 7, process: 'node', stack: ['main'] });
    const derived = derivedProfile(profile, 'wall');
    const names = processList(derived, weighSamples(derived)).map(({ name }) => name);
    expect(names).toEqual(['node']);
  });

  it('count for the part that is in the profile: it began while they went on', () => {
    const { profile } = new TestProfile()
      .addWait({ stack: ['main', 'read'], timeNs: 30, durationNs: 120, weight: 120 })
      .addWait({ stack: ['main', 'lock'], timeNs: 40, durationNs: 10 });
    const derived = derivedProfile(profile, 'off-cpu');
    expect([...derived.samples.columns.weight.subarray(0, 2)]).toEqual([30, 10]);
    expect([...derived.waits.columns.durationNs.subarray(0, 2)]).toEqual([120, 10]);
  });

  it('have the variance that drawing them makes, by node', () => {
    const varianceOf = (mode: 'off-cpu' | 'wall'): Record<string, number> => {
      const profile = derivedProfile(waiting().profile, mode);
      const functions = new FunctionTable(profile);
      const weights = weighSamples(profile);
      const tree = buildCallTree(profile, functions, weights);
      const { total } = weightVariance(profile, functions, ALL_WAITS, weights, true);
      expect(total).toHaveLength(tree.length);
      return Object.fromEntries(
        [...tree.label].map((label, node) => [functions.labels.textOf(label), total[node]]),
      );
    };
    // One of 10 stands for 20: 20 (20 - 10). The others were sure to be taken.
    expect(varianceOf('off-cpu')).toMatchObject({ all: 200, read: 200, lock: 0 });
    expect(varianceOf('wall')).toMatchObject({ all: 1100, read: 200, work: 900, lock: 0 });
  });

  it('go through chunks and merging unchanged', () => {
    const test = waiting().addTimes(1000, 1, { Running: 30, Disk: 70, Lock: 100 });
    const chunk = decodeChunk(encodeChunk(test.cut()));
    const target = new ProfileBuilder();
    new Merger(target).append(chunk);
    const direct = profileOf([chunk]);
    for (const profile of [direct, target.profile]) {
      expect(profile.waits.length).toBe(3);
      expect(samplesOf(derivedProfile(profile, 'off-wake'))).toEqual(
        samplesOf(derivedProfile(waiting().profile, 'off-wake')),
      );
      expect(threadLedger(profile)[0].ns[ThreadState.Lock]).toBe(100);
    }
    expect(test.profile.waits.length).toBe(0);
  });

  it('are forgotten when they are old', () => {
    const { profile } = new TestProfile()
      .addWait({ stack: ['a'], timeNs: 5, durationNs: 1 })
      .addWait({ stack: ['a'], timeNs: 15, durationNs: 2 })
      .addTimes(5, 1, { Running: 5 })
      .addTimes(15, 1, { Running: 10 });
    forgetWaitsBefore(profile, 10);
    expect(profile.waits.length).toBe(1);
    expect(profile.waits.columns.durationNs[0]).toBe(2);
    expect(profile.threadTimes.length).toBe(1);
  });
});

describe('waits within a stretch of time', () => {
  it('have in all parts together the weight that they have as a whole', () => {
    const times = fc.integer({ min: 0, max: 1000 });
    const wait = fc.record({
      timeNs: times,
      durationNs: fc.integer({ min: 1, max: 1500 }),
      weight: fc.integer({ min: 1, max: 5000 }),
    });
    fc.assert(
      fc.property(fc.array(wait, { maxLength: 20 }), times, (waits, cutNs) => {
        const test = new TestProfile();
        for (const each of waits) test.addWait({ ...each, stack: ['main'] });
        const header = { startNs: 0, endNs: 1000, wallOffsetNs: 0, frequencyHz: 99 };
        const whole = test.builder.cutChunk(header, []).tables.waits;
        const weightIn = (startNs: number, endNs: number): number => {
          const { length, columns } = waitsWithin(startNs, endNs, whole);
          const { timeNs, durationNs, weight } = columns;
          let sum = 0;
          for (let row = 0; row < length; row++) {
            expect(timeNs[row]).toBeGreaterThanOrEqual(startNs);
            expect(timeNs[row]).toBeLessThan(endNs);
            expect(durationNs[row]).toBeGreaterThan(0);
            expect(durationNs[row]).toBeLessThanOrEqual(endNs - startNs);
            sum += weight[row];
          }
          return sum;
        };
        const all = waits.reduce((sum, { weight }) => sum + weight, 0);
        expect(weightIn(-1e4, cutNs) + weightIn(cutNs, 1e4)).toBeCloseTo(all, 6);
      }),
    );
  });
});

describe('the ledger of threads', () => {
  it('adds up, also of a range that cuts slices', () => {
    const { profile } = new TestProfile()
      .addTimes(100, 1, { Running: 60, Sleep: 40 })
      .addTimes(200, 1, { Runnable: 10, Disk: 90 })
      .addTimes(200, 2, { Poll: 150 });
    const [first, second] = threadLedger(profile);
    expect(first.startNs).toBe(0);
    expect(first.endNs).toBe(200);
    expect(first.residualPercent).toBe(0);
    expect(second.startNs).toBe(50);
    const [half] = threadLedger(profile, { startNs: 50, endNs: 150 });
    expect(half.ns[ThreadState.Running]).toBe(30);
    expect(half.ns[ThreadState.Disk]).toBe(45);
    expect(half.residualPercent).toBe(0);
  });

  it('says what is missing', () => {
    const { profile } = new TestProfile()
      .addTimes(100, 1, { Running: 100 })
      .addTimes(400, 1, { Sleep: 100 });
    expect(threadLedger(profile)[0].residualPercent).toBe(50);
  });
});
