import { describe, expect, it } from 'vitest';
import { bucketOf } from './buckets';
import { LatencySummary } from './summary';

const event = (value: number) => ({ bucket: bucketOf(value), count: 1, sum: value });

describe('a summary of latencies', () => {
  it('has a histogram for each label of each owner, those with most events first', () => {
    const summary = new LatencySummary();
    summary.add('docker:web', 'read', 7, event(10));
    summary.add('docker:web', 'read', 8, event(30));
    summary.add('docker:web', 'write', 8, event(5));
    summary.add('/ssh.service', 'read', 9, event(1));
    const rows = summary
      .labels()
      .map(({ owner, label, histogram, processes }) => [
        owner,
        label,
        histogram.sum,
        [...processes.keys()],
      ]);
    expect(rows[0]).toEqual(['docker:web', 'read', 40, [7, 8]]);
    expect(rows.slice(1)).toContainEqual(['docker:web', 'write', 5, [8]]);
    expect(rows.slice(1)).toContainEqual(['/ssh.service', 'read', 1, [9]]);
  });

  it('puts owners together, and loses nothing', () => {
    const summary = new LatencySummary();
    summary.add(7, 'read', 7, event(10));
    summary.add(7, 'write', 7, event(20));
    summary.add('sleep', 'read', 8, event(30));
    summary.fold(7, 'sleep');
    summary.fold(9, 'sleep');
    const rows = summary.labels();
    expect(rows.map(({ owner, label, histogram }) => [owner, label, histogram.sum])).toEqual([
      ['sleep', 'read', 40],
      ['sleep', 'write', 20],
    ]);
    expect([...rows[0].processes]).toEqual([
      [8, { count: 1, sum: 30 }],
      [7, { count: 1, sum: 10 }],
    ]);
  });
});
