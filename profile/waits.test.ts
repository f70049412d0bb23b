import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProfileBuilder } from './builder';
import { buildCallTree } from './call-tree';
import { decodeChunk, encodeChunk, profileOf } from './chunk';
import { FunctionTable } from './functions';
import { Merger } from './merge';
import type { Profile } from './profile';
import { TestProfile } from './profiles-for-tests';
import { NONE, ThreadState } from './schema';
import { threadLedger } from './thread-ledger';
import {
  ALL_WAITS,
  buildWallTree,
  forgetWaitsBefore,
  offCpuProfile,
  offWakeProfile,
  selectedWaits,
  waitDurations,
  waitsThrough,
  wakeChain,
  wallProfile,
  weighWaits,
} from './waits';
import { EVERYTHING } from './weights';

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
  it('make call trees of what they stand for', () => {
    const { profile } = waiting();
    const functions = new FunctionTable(profile);
    const tree = buildCallTree(profile, functions, weighWaits(profile), 'none');
    expect(tree.total[0]).toBe(170);
    const locks = weighWaits(profile, { ...ALL_WAITS, waitClasses: [ThreadState.Lock] });
    expect(buildCallTree(profile, functions, locks, 'none').total[0]).toBe(100);
  });

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
          const functions = new FunctionTable(test.profile);
          const { tree, waitingTotal, waitingSelf } = buildWallTree(
            test.profile,
            functions,
            EVERYTHING,
          );
          const sum = (wanted: boolean): number =>
            rows.reduce((all, { waits, weight }) => all + (waits === wanted ? weight : 0), 0);
          expect(waitingTotal[0]).toBe(sum(true));
          expect(tree.total[0] - waitingTotal[0]).toBe(sum(false) + 1);
          expect(waitingSelf.length).toBe(tree.length);
          for (let node = 0; node < tree.length; node++) {
            expect(waitingSelf[node]).toBeLessThanOrEqual(tree.self[node]);
            expect(waitingTotal[node]).toBeLessThanOrEqual(tree.total[node]);
          }
        },
      ),
    );
  });

  it('become samples that say what was waited for', () => {
    const { profile } = waiting();
    expect(samplesOf(offCpuProfile(profile))).toEqual({
      'main;read;[waiting: disk]': 70,
      'main;lock;[waiting: lock]': 100,
    });
    expect(samplesOf(wallProfile(profile))).toEqual({
      'main;work': 30,
      'main;read;[waiting: disk]': 70,
      'main;lock;[waiting: lock]': 100,
    });
  });

  it('have their wakers on top, upside down', () => {
    expect(samplesOf(offWakeProfile(waiting().profile))).toEqual({
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
    const { profile } = waiting();
    const functions = new FunctionTable(profile);
    const tree = buildCallTree(profile, functions, weighWaits(profile), 'none');
    const read = [...tree.label].find((label) => functions.labels.text[label] === 'read');
    const main = [...tree.label].find((label) => functions.labels.text[label] === 'main');
    const rows = waitsThrough(profile, functions, selectedWaits(profile, ALL_WAITS), [
      main as number,
      read as number,
    ]);
    const histogram = waitDurations(profile, rows);
    expect(histogram.total).toBe(3);
    expect(histogram.counts[10]).toBe(2);
    expect(histogram.max).toBe(50);
  });

  it('go through chunks and merging unchanged', () => {
    const test = waiting().addTimes(1000, 1, { Running: 30, Disk: 70, Lock: 100 });
    const chunk = decodeChunk(encodeChunk(test.cut()));
    const target = new ProfileBuilder();
    new Merger(target).append(chunk);
    const direct = profileOf([chunk]);
    for (const profile of [direct, target.profile]) {
      expect(profile.waits.length).toBe(3);
      expect(samplesOf(offWakeProfile(profile))).toEqual(
        samplesOf(offWakeProfile(waiting().profile)),
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
