import { describe, expect, it } from 'vitest';
import { ProfileBuilder } from '../builder';
import { buildCallTree } from '../call-tree';
import { decodeChunk, encodeChunk, profileOf } from '../chunk';
import { derivedProfile } from '../derived-profile';
import { FunctionTable } from '../functions';
import { Merger } from '../merge';
import type { Profile } from '../profile';
import { TestProfile } from '../profiles-for-tests';
import { NONE, ThreadState } from '../schema';
import type { LatencyFilter } from '../view';
import { weightVariance } from '../wait-variance';
import { ALL_WAITS, forgetWaitsBefore } from '../waits';
import { weighSamples } from '../weights';
import { bucketOf } from './buckets';

const events = () =>
  new TestProfile()
    .add({ stack: ['main', 'work'], weight: 30 })
    .addWait({ stack: ['main', 'lock'], durationNs: 100, waitClass: ThreadState.Lock })
    .addWait({ stack: ['main', 'spin'], durationNs: 70, waitClass: ThreadState.Runnable })
    .addWait({ stack: ['main', 'spin'], durationNs: 9, waitClass: ThreadState.Throttled })
    .addLatency({
      source: 'syscalls',
      label: 'read',
      stack: ['main', 'load'],
      durationNs: 10,
      weight: 40,
    })
    .addLatency({ source: 'syscalls', label: 'read', stack: ['main', 'load'], durationNs: 90 })
    .addLatency({ source: 'syscalls', label: 'fsync', stack: ['main', 'save'], durationNs: 500 })
    .addLatency({ source: 'fs', label: 'ext4 fsync', stack: undefined, durationNs: 500 });

/** Weight by stack of what a filter lets through. */
function latencyOf(profile: Profile, latency: LatencyFilter): Record<string, number> {
  const sums: Record<string, number> = {};
  const { samples, stacks, frames, ...derived } = derivedProfile(profile, 'latency', ALL_WAITS, {
    latency,
  });
  for (let row = 0; row < samples.length; row++) {
    const path: string[] = [];
    for (let at = samples.columns.stack[row]; at !== NONE; at = stacks.columns.parent[at])
      path.unshift(derived.strings[frames.columns.functionName[stacks.columns.frame[at]]]);
    const key = path.join(';');
    sums[key] = (sums[key] ?? 0) + samples.columns.weight[row];
  }
  return sums;
}

const ALL = { label: undefined, buckets: undefined } as const;

describe('stacks of latency events', () => {
  it('are those of one source, and end in what the event was', () => {
    const { profile } = events();
    expect(latencyOf(profile, { source: 'syscalls', ...ALL })).toEqual({
      'main;load;[read]': 130,
      'main;save;[fsync]': 500,
    });
    expect(latencyOf(profile, { source: 'fs', ...ALL })).toEqual({ '[ext4 fsync]': 500 });
    expect(latencyOf(profile, { source: 'block', ...ALL })).toEqual({});
  });

  it('of waits are those that off-CPU profiling has taken, of threads that were blocked', () => {
    const { profile } = events().addWait({
      stack: ['main', 'rest'],
      durationNs: 20,
      waitClass: ThreadState.Sleep,
    });
    expect(latencyOf(profile, { source: 'waits', ...ALL })).toEqual({
      'main;lock;[waiting: lock]': 100,
      'main;rest;[waiting: sleep]': 20,
    });
    expect(latencyOf(profile, { source: 'waits', ...ALL, label: 'sleep' })).toEqual({
      'main;rest;[waiting: sleep]': 20,
    });
  });

  it('are those of a label, and of lengths', () => {
    const { profile } = events();
    expect(latencyOf(profile, { source: 'syscalls', ...ALL, label: 'fsync' })).toEqual({
      'main;save;[fsync]': 500,
    });
    const bucket = bucketOf(90);
    expect(latencyOf(profile, { source: 'syscalls', ...ALL, buckets: [bucket, bucket] })).toEqual({
      'main;load;[read]': 90,
    });
  });

  it('are waits for a CPU where the source is the run queue', () => {
    const { profile } = events();
    expect(latencyOf(profile, { source: 'runqueue', ...ALL })).toEqual({
      'main;spin;[waiting for a CPU]': 70,
      'main;spin;[throttled]': 9,
    });
    const buckets = [bucketOf(60), bucketOf(80)] as const;
    expect(latencyOf(profile, { source: 'runqueue', ...ALL, buckets })).toEqual({
      'main;spin;[waiting for a CPU]': 70,
    });
  });

  it('have the error of the rule by which they were drawn', () => {
    const derived = derivedProfile(events().profile, 'latency', ALL_WAITS, {
      latency: { source: 'syscalls', ...ALL },
    });
    const functions = new FunctionTable(derived);
    const weights = weighSamples(derived);
    const tree = buildCallTree(derived, functions, weights);
    const { total } = weightVariance(derived, functions, ALL_WAITS, weights, false);
    expect(tree.total[0]).toBe(630);
    expect(total[0]).toBe(40 * (40 - 10));
  });

  it('go through chunks and merging unchanged, and are forgotten in time', () => {
    const { profile } = events();
    const filter = { source: 'syscalls', ...ALL } as const;
    const chunk = decodeChunk(encodeChunk(events().cut()));
    expect(latencyOf(profileOf([chunk]), filter)).toEqual(latencyOf(profile, filter));
    const builder = new ProfileBuilder();
    builder.string('something before');
    new Merger(builder).append(chunk);
    expect(latencyOf(builder.profile, filter)).toEqual(latencyOf(profile, filter));
    forgetWaitsBefore(profile, 1);
    expect(profile.latencySamples.length).toBe(0);
  });
});
