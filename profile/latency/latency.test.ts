import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProfileBuilder } from '../builder';
import { decodeChunk, encodeChunk, profileOf } from '../chunk';
import { Merger } from '../merge';
import { HEADER } from '../profiles-for-tests';
import { NONE } from '../schema';
import { analyseLatency, forgetLatencies, type LatencyQuery } from './analysis';
import { BUCKETS, bucketEnd, bucketLow, bucketMiddle, bucketOf, LAST_BUCKET } from './buckets';
import { formatLatency, formatQuantile } from './format';
import { compareQuantiles, Histogram, QUANTILES } from './histogram';

const nanoseconds = fc.oneof(
  fc.nat(100),
  fc.nat(1e6),
  fc.double({ min: 0, max: 1e11, noNaN: true }).map(Math.floor),
);

describe('buckets', () => {
  it('cover all values without a gap', () => {
    for (let bucket = 0; bucket < LAST_BUCKET; bucket++) {
      expect(bucketOf(bucketLow(bucket))).toBe(bucket);
      expect(bucketOf(bucketEnd(bucket) - 1)).toBe(bucket);
      expect(bucketEnd(bucket)).toBe(bucketLow(bucket + 1));
    }
    expect(bucketOf(2 ** 37)).toBe(LAST_BUCKET);
    expect(bucketOf(2 ** 52)).toBe(BUCKETS - 1);
  });

  it('are off by 3.2% at most from 100 ns to 100 s', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 100e9 }), (value) => {
        expect(Math.abs(bucketMiddle(bucketOf(value)) - value) / value).toBeLessThanOrEqual(0.032);
      }),
    );
  });
});

const histogramOf = (values: readonly number[]): Histogram => {
  const histogram = new Histogram();
  for (const value of values) histogram.add(bucketOf(value), 1, value);
  return histogram;
};

describe('quantiles', () => {
  it('hold the true value between their bounds', () => {
    fc.assert(
      fc.property(fc.array(nanoseconds, { minLength: 1, maxLength: 300 }), (values) => {
        const histogram = histogramOf(values);
        const sorted = [...values].sort((a, b) => a - b);
        for (const { q } of QUANTILES) {
          const truth = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1];
          const quantile = histogram.quantile(q);
          expect(truth).toBeGreaterThanOrEqual(quantile?.low ?? Number.NaN);
          expect(truth).toBeLessThanOrEqual(quantile?.high ?? Number.NaN);
        }
        expect(histogram.mean).toBeCloseTo(values.reduce((a, b) => a + b, 0) / values.length, 3);
      }),
    );
  });

  it('are those of all values, in whatever parts they were merged', () => {
    fc.assert(
      fc.property(fc.array(nanoseconds), fc.array(nanoseconds), (a, b) => {
        const merged = histogramOf(a);
        merged.merge(histogramOf(b));
        expect(merged).toEqual(histogramOf([...a, ...b]));
      }),
    );
  });

  it('of nothing are not there', () => {
    expect(new Histogram().quantile(0.5)).toBeUndefined();
    expect(formatQuantile(undefined, 'nanoseconds')).toBe('–');
    expect(new Histogram().mean).toBeUndefined();
    expect(new Histogram().range).toBeUndefined();
  });

  it('say by how much a range differs from another', () => {
    const slower = compareQuantiles(histogramOf([1000, 1000]), histogramOf([2000, 4000]));
    expect(slower[0].ratio).toBeCloseTo(2, 1);
    expect(slower.at(-1)?.ratio).toBeCloseTo(4, 1);
  });
});

interface Event {
  readonly timeNs: number;
  readonly pid: number;
  readonly container?: string;
  readonly cgroup?: string;
  readonly source: string;
  readonly label: string;
  readonly value: number;
  readonly durationNs?: number;
  /** It was drawn, one in so many, and counts for all. */
  readonly oneIn?: number;
}

function add(builder: ProfileBuilder, processes: Map<number, number>, event: Event): void {
  const { timeNs, durationNs = 1e9, pid, container, cgroup, source, label, value } = event;
  const { oneIn = 1 } = event;
  if (pid !== 0 && !processes.has(pid)) {
    const name = builder.string(`prog${pid}`);
    processes.set(
      pid,
      builder.process({
        pid,
        parentPid: 1,
        name,
        commandLine: name,
        container: container === undefined ? NONE : builder.string(container),
        cgroup: cgroup === undefined ? NONE : builder.string(cgroup),
        startNs: 0,
      }),
    );
  }
  builder.latency({
    timeNs,
    source: builder.string(source),
    label: builder.string(label),
    process: processes.get(pid) ?? NONE,
    bucket: bucketOf(value),
    count: oneIn,
    sum: value * oneIn,
    oneIn,
    durationNs,
  });
}

const QUERY: LatencyQuery = {
  source: 'syscalls',
  label: undefined,
  windowSeconds: undefined,
  range: undefined,
  baseline: undefined,
  buckets: undefined,
  pids: [],
  containers: [],
};

const events: Event[] = [
  { timeNs: 0, pid: 7, source: 'syscalls', label: 'read', value: 1000 },
  { timeNs: 0, pid: 7, source: 'syscalls', label: 'read', value: 1000 },
  { timeNs: 0, pid: 8, source: 'syscalls', label: 'write', value: 500 },
  { timeNs: 1e9, pid: 8, source: 'syscalls', label: 'read', value: 2e6 },
  { timeNs: 1e9, pid: 0, source: 'tcp', label: 'sent to 10.0.0.1, bytes', value: 2048 },
  { timeNs: 2e9, pid: 7, source: 'syscalls', label: 'read', value: 1e9 },
];

/** What a thinned second holds: drawn ones count four times, long ones once. */
const thinned: Event[] = [
  ...Array.from({ length: 25 }, () => ({
    timeNs: 3e9,
    pid: 7,
    source: 'syscalls',
    label: 'write',
    value: 1000,
    oneIn: 4,
  })),
  { timeNs: 3e9, pid: 7, source: 'syscalls', label: 'fsync', value: 3e8 },
];

function profileWith(all: readonly Event[]) {
  const builder = new ProfileBuilder();
  const processes = new Map<number, number>();
  for (const event of all) add(builder, processes, event);
  return profileOf([builder.cutChunk({ ...HEADER, endNs: 3e9 }, [])]);
}

describe('a quantile in the last bucket', () => {
  it('says only that it is longer than all that is told apart', () => {
    const longest = histogramOf([1199e9, 5]).quantile(1);
    expect(longest).toEqual({ value: 2 ** 37, low: 2 ** 37, high: Number.POSITIVE_INFINITY });
    expect(formatQuantile(longest, 'nanoseconds')).toBe('≥ 137 s');
    expect(formatQuantile(histogramOf([5]).quantile(1), 'nanoseconds')).toBe('5 ns');
  });
});

describe('what the page shows', () => {
  const profile = profileWith(events);

  it('is the histograms of a source by label', () => {
    const result = analyseLatency(profile, QUERY);
    expect(result.labels.map(({ label, histogram }) => [label, histogram.count])).toEqual([
      ['read', 4],
      ['write', 1],
    ]);
    expect(result.label).toBe('read');
    expect(result.sources).toEqual({ syscalls: 5, tcp: 1 });
  });

  it('has a column for each second, and all events in them', () => {
    const { heatmap } = analyseLatency(profile, QUERY);
    expect([...heatmap.startNs]).toEqual([0, 1e9, 2e9]);
    expect([...heatmap.endNs]).toEqual([1e9, 2e9, 3e9]);
    expect(heatmap.counts.reduce((a, b) => a + b, 0)).toBe(4);
    expect(heatmap.counts[0]).toBe(2);
    expect(heatmap.mostPerSecond).toBe(2);
  });

  it('has columns as long as it took until they were read, and rates by that', () => {
    const slice = (timeNs: number, durationNs: number) => ({ ...events[0], timeNs, durationNs });
    const late = [slice(0, 1e9), ...Array.from({ length: 3 }, () => slice(1e9, 3e9))];
    const last = [slice(4e9, 0.5e9)];
    const { heatmap } = analyseLatency(profileWith([...late, ...last]), QUERY);
    expect([...heatmap.startNs]).toEqual([0, 1e9, 4e9]);
    expect([...heatmap.endNs]).toEqual([1e9, 4e9, 4.5e9]);
    expect([...heatmap.counts]).toEqual([1, 3, 1]);
    expect(heatmap.mostPerSecond).toBe(2);
  });

  it('has a gap only where nothing was measured, or an old recording does not tell', () => {
    const ends = (durationNs: number) => {
      const all = [0, 1e9, 4e9].map((timeNs) => ({ ...events[0], timeNs, durationNs }));
      return [...analyseLatency(profileWith(all), QUERY).heatmap.endNs];
    };
    expect(ends(1e9)).toEqual([1e9, 2e9, 5e9]);
    expect(ends(0)).toEqual([1e9, 2e9, 5e9]);
  });

  it('tells whose events are in a rectangle of the heatmap', () => {
    const slow = analyseLatency(profile, { ...QUERY, buckets: [bucketOf(1e6), LAST_BUCKET] });
    expect(slow.processes).toEqual([
      { pid: 7, name: 'prog7', count: 1, sum: 1e9 },
      { pid: 8, name: 'prog8', count: 1, sum: 2e6 },
    ]);
    const rectangle = analyseLatency(profile, {
      ...QUERY,
      buckets: [bucketOf(1e6), LAST_BUCKET],
      range: { startNs: 2e9, endNs: 3e9 },
    });
    expect(rectangle.processes).toEqual([{ pid: 7, name: 'prog7', count: 1, sum: 1e9 }]);
  });

  it('compares two ranges', () => {
    const [read] = analyseLatency(profile, {
      ...QUERY,
      range: { startNs: 2e9, endNs: 3e9 },
      baseline: { startNs: 0, endNs: 1e9 },
    }).labels;
    expect(read.histogram.count).toBe(1);
    expect(read.baseline?.count).toBe(2);
  });

  it('is of the chosen processes, and of the last seconds only', () => {
    expect(analyseLatency(profile, { ...QUERY, pids: [8] }).labels[0].histogram.count).toBe(1);
    expect(analyseLatency(profile, { ...QUERY, windowSeconds: 1 }).labels).toHaveLength(1);
  });

  it('says what was measured, and how much of it', () => {
    expect(analyseLatency(profile, QUERY).rates).toEqual(profile.rates);
    expect(profile.rates).toHaveLength(1);
  });

  it('has events whose process is not known', () => {
    const { processes, groups } = analyseLatency(profile, { ...QUERY, source: 'tcp' });
    expect(processes).toEqual([{ pid: 0, name: 'not known', count: 1, sum: 2048 }]);
    expect(groups).toEqual([{ name: '', processes: 1, count: 1, sum: 2048 }]);
  });

  it('tells whose events they are by container, or by cgroup where there is none', () => {
    const event = { timeNs: 0, source: 'syscalls', label: 'read', value: 10 };
    const grouped = profileWith([
      { ...event, pid: 7, container: 'docker:web', cgroup: '/docker/1/init' },
      { ...event, pid: 8, container: 'docker:web', cgroup: '/docker/1/worker' },
      { ...event, pid: 8 },
      { ...event, pid: 9, cgroup: '/system.slice/ssh.service' },
      { ...event, pid: 9 },
    ]);
    const web = { name: 'docker:web', processes: 2, count: 3, sum: 30 };
    const ssh = { name: '/system.slice/ssh.service', processes: 1, count: 2, sum: 20 };
    expect(analyseLatency(grouped, QUERY).groups).toEqual([web, ssh]);

    // What a filter shows is of the container alone, but for the list in which another can be picked.
    const filtered = analyseLatency(grouped, { ...QUERY, containers: [ssh.name] });
    expect(filtered.labels[0].histogram.count).toBe(2);
    expect(filtered.heatmap.counts.reduce((a, b) => a + b, 0)).toBe(2);
    expect(filtered.processes.map(({ pid }) => pid)).toEqual([9]);
    expect(filtered.groups).toEqual([web, ssh]);

    const ofProcess = analyseLatency(grouped, { ...QUERY, pids: [8] });
    expect(ofProcess.processes.map(({ pid }) => pid)).toEqual([8, 9, 7]);
    expect(ofProcess.groups).toEqual([{ ...web, processes: 1, count: 2, sum: 20 }]);
  });

  it('has those first who have most bytes, where bytes are measured', () => {
    const sent = { timeNs: 0, source: 'tcp', label: 'sent to 10.0.0.1, bytes' };
    const { processes } = analyseLatency(
      profileWith([
        { ...sent, pid: 7, value: 10 },
        { ...sent, pid: 7, value: 10 },
        { ...sent, pid: 8, value: 1000 },
      ]),
      { ...QUERY, source: 'tcp' },
    );
    expect(processes.map(({ pid, sum }) => [pid, sum])).toEqual([
      [8, 1000],
      [7, 20],
    ]);
  });

  it('has the second that had begun before the recording did', () => {
    const builder = new ProfileBuilder();
    add(builder, new Map(), { ...events[0], timeNs: 0.4e9 });
    const late = profileOf([builder.cutChunk({ ...HEADER, startNs: 1e9, endNs: 2e9 }, [])]);
    const result = analyseLatency(late, QUERY);
    expect(result.labels[0].histogram.count).toBe(1);
    expect(result.startNs).toBe(0.4e9);
  });

  it('has counts with their standard error where only some events were timed', () => {
    const whole = analyseLatency(profileWith([...events, ...thinned]), QUERY);
    expect(whole.oneIn).toBe(4);
    const errorOf = (label: string): number | undefined =>
      whole.labels.find((row) => row.label === label)?.countError;
    // 25 of 100 were drawn, the long one was not left to chance, and one was timed before that.
    expect(whole.labels[0]).toMatchObject({ label: 'write', histogram: { count: 101 } });
    expect(errorOf('write')).toBeCloseTo((Math.sqrt((1 - 1 / 4) / 25) * 100) / 101);
    expect(errorOf('fsync')).toBe(0);
    expect(errorOf('read')).toBe(0);
    const before = analyseLatency(profileWith([...events, ...thinned]), {
      ...QUERY,
      range: { startNs: 0, endNs: 3e9 },
    });
    expect(before.oneIn).toBe(1);
  });

  it('forgets what is old', () => {
    const old = profileWith(events);
    forgetLatencies(old, 2e9);
    expect(old.latencies.length).toBe(1);
    expect(analyseLatency(old, QUERY).labels[0].histogram.quantile(1)?.high).toBeGreaterThan(9e8);
  });
});

describe('latencies in chunks', () => {
  it('survive encoding and merging', () => {
    const event = fc.record({
      timeNs: fc.nat(5).map((second) => second * 1e9),
      pid: fc.nat(3),
      source: fc.constantFrom('syscalls', 'tcp'),
      label: fc.constantFrom('read', 'write', 'sent to ::1, bytes'),
      value: nanoseconds,
    });
    fc.assert(
      fc.property(fc.array(fc.array(event)), (chunks) => {
        const builder = new ProfileBuilder();
        const processes = new Map<number, number>();
        const target = new ProfileBuilder();
        target.string('moves indices');
        const merger = new Merger(target);
        const bytes = chunks.map((all) => {
          for (const one of all) add(builder, processes, one);
          const chunk = decodeChunk(encodeChunk(builder.cutChunk(HEADER, [])));
          merger.append(chunk);
          return chunk;
        });
        const merged = profileOf([target.cutChunk(HEADER, [])]);
        const expected = profileOf(bytes);
        for (const source of ['syscalls', 'tcp'] as const) {
          const [a, b] = [expected, merged].map((profile) => {
            const { labels, processes } = analyseLatency(profile, { ...QUERY, source });
            return { labels, processes };
          });
          expect(b).toEqual(a);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('latencies as text', () => {
  it('have three digits', () => {
    expect(formatLatency(0, 'nanoseconds')).toBe('0 ns');
    expect(formatLatency(1234, 'nanoseconds')).toBe('1.23 us');
    expect(formatLatency(999_800, 'nanoseconds')).toBe('1.00 ms');
    expect(formatLatency(45.6e9, 'nanoseconds')).toBe('45.6 s');
    expect(formatLatency(2048, 'bytes')).toBe('2.00 KiB');
  });
});
