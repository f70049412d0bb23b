import { describe, expect, it } from 'vitest';
import { ProfileBuilder } from '@/profile/builder';
import { encodeChunk } from '@/profile/chunk';
import type { LabelRows } from '@/profile/labels';
import type { LatencyQuery } from '@/profile/latency/analysis';
import { bucketOf } from '@/profile/latency/buckets';
import { Profile } from '@/profile/profile';
import { HEADER, TestProfile } from '@/profile/profiles-for-tests';
import { FrameKind, NONE, ThreadState } from '@/profile/schema';
import { DEFAULT_VIEW, type ProfileMode, type View } from '@/profile/view';
import type { ProfileResult } from './analysis';
import { AnalysisEngine, type LiveBounds } from './analysis-engine';

/** Chunks of one second each: a process of its own for each name, one sample of it. */
function chunks(names: readonly string[]): Uint8Array[] {
  const builder = new ProfileBuilder();
  const sampleType = builder.sampleType('cpu', 'nanoseconds');
  return names.map((text, second) => {
    const name = builder.string(text);
    const process = builder.process({
      pid: second + 1,
      parentPid: 0,
      name,
      commandLine: name,
      container: NONE,
      cgroup: NONE,
      startNs: 0,
    });
    const thread = builder.thread({ tid: second + 1, process, name });
    const frame = builder.namedFrame(
      { functionName: name, file: NONE, line: 0, inlinedInto: NONE },
      NONE,
      FrameKind.Native,
    );
    builder.sample({
      timeNs: second * 1e9 + 5e8,
      weight: 1e7,
      thread,
      stack: builder.stack(NONE, frame),
      sampleType,
      cpu: 0,
    });
    const losses = second === 0 ? [{ reason: 'sample-ring-full', count: 3 }] : [];
    return encodeChunk(
      builder.cutChunk(
        { startNs: second * 1e9, endNs: (second + 1) * 1e9, wallOffsetNs: 0, frequencyHz: 100 },
        losses,
      ),
    );
  });
}

/** A live profile of which these chunks came. */
function live(encoded: readonly Uint8Array[], bounds?: LiveBounds): AnalysisEngine {
  const engine = bounds === undefined ? new AnalysisEngine() : new AnalysisEngine(bounds);
  engine.openSnapshot(encoded[0]);
  engine.endSnapshot();
  for (const chunk of encoded.slice(1)) engine.append(chunk);
  return engine;
}

/** A session of these chunks. */
function whole(encoded: readonly Uint8Array[]): AnalysisEngine {
  const engine = new AnalysisEngine();
  engine.open(new Profile());
  for (const chunk of encoded) engine.append(chunk);
  return engine;
}

const update = (engine: AnalysisEngine) => engine.update();
const resultOf = (engine: AnalysisEngine): ProfileResult => {
  const result = update(engine)?.profile?.result;
  if (result === undefined) throw new Error('nothing new');
  return result;
};
const processesOf = (engine: AnalysisEngine): string[] =>
  resultOf(engine)
    .processes.map(({ name }) => name)
    .sort();

/** The texts of labels as they are sent. */
const textsIn = (rows: LabelRows | undefined): string[] =>
  Array.from(
    rows?.textEnd ?? [],
    (end, i) => rows?.text.slice(rows.textEnd[i - 1] ?? 0, end) ?? '',
  );

describe('AnalysisEngine', () => {
  it('shows of a live profile what is in the window', () => {
    const engine = live(chunks(['a', 'b', 'c', 'd', 'e', 'f', 'g']));
    engine.setWindow(5);
    expect(processesOf(engine)).toEqual(['c', 'd', 'e', 'f', 'g']);
    engine.setWindow('all');
    const result = resultOf(engine);
    expect(result.processes).toHaveLength(7);
    expect(result.losses).toEqual({ 'sample-ring-full': 3 });
  });

  it.each(['cpu', 'wall'] as const)(
    'takes names for what it holds, and nothing else: %s',
    (mode) => {
      const made = new TestProfile();
      const UNNAMED = '?@prog#64';
      const second = (number: number): Uint8Array => {
        const startNs = number * 1e9;
        const event = { stack: [UNNAMED], timeNs: startNs + 5e8 };
        made.add({ ...event, weight: 1e7 }).addWait({ ...event, durationNs: 1e8 });
        const slice = { ...HEADER, startNs, endNs: startNs + 1e9 };
        const losses = [{ reason: 'sample-ring-full', count: 1 }];
        return encodeChunk(made.builder.cutChunk(slice, losses));
      };
      const engine = live([second(0)]);
      engine.setView({ ...DEFAULT_VIEW, mode });
      const before = resultOf(engine);
      engine.appendNames(second(1));
      expect(update(engine)).toBeUndefined();
      made.rename(UNNAMED, 'late').add({ stack: ['another'], timeNs: 2.5e9 });
      engine.appendNames(second(2));
      const news = update(engine)?.profile;
      expect(textsIn(news?.labels.rows)).toContain('late');
      const { startNs, endNs, activity, losses, sampleCount } = news!.result;
      expect(news?.result.tree.total).toEqual(before.tree.total);
      expect(before).toMatchObject({ startNs, endNs, activity, losses, sampleCount });
    },
  );

  it('goes on with what there is until a new snapshot is whole', () => {
    const engine = live(chunks(['a', 'b']));
    engine.setWindow('all');
    expect(processesOf(engine)).toEqual(['a', 'b']);
    const [first, ...others] = chunks(['c', 'd', 'e']);
    engine.openSnapshot(first);
    for (const part of others) engine.append(part);
    engine.setView({ ...DEFAULT_VIEW, pids: [2] });
    expect(processesOf(engine)).toEqual(['a', 'b']);
    engine.setView(DEFAULT_VIEW);
    engine.endSnapshot();
    expect(processesOf(engine)).toEqual(['c', 'd', 'e']);
  });

  it('filters and searches as the view says, and keeps listing all processes', () => {
    const engine = whole(chunks(['a', 'b', 'c']));
    engine.setView({ ...DEFAULT_VIEW, pids: [2], search: 'b' });
    const first = update(engine);
    expect(first?.profile?.result.tree.totalSamples[0]).toBe(1);
    expect(first?.profile?.result.processes).toHaveLength(3);
    expect(first?.found.search?.matches.some((match) => match === 1)).toBe(true);
    engine.setView({ ...DEFAULT_VIEW, range: { startNs: 1e9, endNs: 2e9 } });
    expect(resultOf(engine).tree.totalSamples[0]).toBe(1);
  });

  it('finds a new text in the same tree, and says nothing where nothing has changed', () => {
    const engine = whole(chunks(['alpha', 'beta']));
    expect(update(engine)?.profile).toBeDefined();
    expect(update(engine)).toBeUndefined();
    engine.setView({ ...DEFAULT_VIEW, search: 'alph' });
    const found = update(engine);
    expect(found?.profile).toBeUndefined();
    expect(found?.found.search?.matchedSamples).toBe(1);
  });

  it('gives back the room for more, and answers and goes on as before', () => {
    const encoded = chunks(['alpha', 'beta', 'gamma']);
    const [trimmed, other] = [whole(encoded.slice(0, 2)), whole(encoded.slice(0, 2))];
    const both = (change: (engine: AnalysisEngine) => void): void => {
      for (const engine of [trimmed, other]) change(engine);
      expect(update(trimmed)).toEqual(update(other));
    };
    both(() => {});
    trimmed.trim();
    expect(update(trimmed)).toBeUndefined();
    both((engine) => engine.setView({ ...DEFAULT_VIEW, search: 'alph' }));
    both((engine) => engine.setView({ ...DEFAULT_VIEW, range: { startNs: 1e9, endNs: 2e9 } }));
    trimmed.trim();
    both((engine) => engine.append(encoded[2]));
    both((engine) => engine.setView(DEFAULT_VIEW));
  });

  it('says what is wrong with an expression that is not finished, and dims nothing by it', () => {
    const engine = whole(chunks(['alpha']));
    for (const search of ['/(/', '/alp', '/^a']) {
      engine.setView({ ...DEFAULT_VIEW, search });
      const found = update(engine)?.found;
      expect(found?.search, search).toBeUndefined();
      expect(found?.searchError, search).toMatch(/./);
    }
  });

  it('sends each label once', () => {
    const [first, second] = chunks(['a', 'b']);
    const engine = live([first]);
    const before = update(engine)?.profile?.labels;
    expect(before?.isNewTable).toBe(true);
    engine.append(second);
    const after = update(engine)?.profile?.labels;
    expect(after?.isNewTable).toBe(false);
    expect(after?.rows.base).toBe(before?.rows.textEnd.length);
    expect(textsIn(after?.rows)).toContain('b');
  });

  it('refuses a chunk whose predecessor is missing', () => {
    const [first, , third] = chunks(['a', 'b', 'c']);
    const engine = live([first]);
    expect(() => engine.append(third)).toThrow(/missing/);
  });

  it('counts nothing of what it has forgotten, and says since when it counts', () => {
    const [first, ...others] = chunks(Array.from({ length: 100 }, (_, i) => `p${i}`));
    const engine = live([first], { ringNs: 30e9, samples: 1000, latencies: 1000, tables: 10_000 });
    engine.setWindow('all');
    update(engine);
    for (const chunk of others) {
      engine.append(chunk);
      const { startNs, endNs, tree } = resultOf(engine);
      // One sample in the middle of each second.
      const expected = (endNs - startNs) / 1e9;
      expect(tree.totalSamples[0]).toBe(expected);
      expect(expected).toBeLessThanOrEqual(32);
    }
  });

  it('keeps as many samples as it may, whatever their time', () => {
    const [first, ...others] = chunks(Array.from({ length: 60 }, (_, i) => `p${i}`));
    const engine = live([first], { ringNs: 600e9, samples: 20, latencies: 1000, tables: 10_000 });
    engine.setWindow('all');
    for (const chunk of others) engine.append(chunk);
    const { tree, sampleCount } = resultOf(engine);
    expect(sampleCount).toBeLessThanOrEqual(21);
    expect(tree.totalSamples[0]).toBe(sampleCount);
  });

  it('keeps as many latencies as it may in whole seconds, and all samples', () => {
    const source = new TestProfile();
    const latencyChunk = (second: number, rows: number): Uint8Array => {
      const { builder } = source;
      for (let bucket = 0; bucket < rows; bucket++) {
        builder.latency({
          timeNs: second * 1e9,
          source: builder.string('syscalls'),
          label: builder.string('read'),
          process: NONE,
          bucket,
          count: 1,
          sum: 1,
          oneIn: 1,
          durationNs: 1e9,
        });
      }
      source.add({ stack: ['main'], timeNs: second * 1e9 });
      const header = { ...HEADER, startNs: second * 1e9, endNs: (second + 1) * 1e9 };
      return encodeChunk(builder.cutChunk(header, []));
    };
    const bounds = { ringNs: 600e9, samples: 1000, latencies: 250, tables: 10_000 };
    const engine = live(
      Array.from({ length: 10 }, (_, second) => latencyChunk(second, 100)),
      bounds,
    );
    engine.setWindow('all');
    const query: LatencyQuery = {
      source: 'syscalls',
      label: undefined,
      range: undefined,
      baseline: undefined,
      pids: [],
      containers: [],
      buckets: undefined,
      windowSeconds: undefined,
    };
    const count = (): number => engine.latency(query).labels[0].histogram.count;
    expect(count()).toBe(200);
    expect(resultOf(engine).sampleCount).toBe(10);
    // The newest second is kept whatever its size.
    engine.append(latencyChunk(10, 300));
    expect(count()).toBe(300);
    expect(resultOf(engine).sampleCount).toBe(11);
  });

  it('wants a new snapshot once its tables are too large, but not where the snapshot itself is', () => {
    const encoded = chunks(['a', 'b', 'c', 'd', 'e', 'f']);
    const bounds = { ringNs: 600e9, samples: 1000, latencies: 1000, tables: 30 };
    expect(live(encoded.slice(0, 2), bounds).needsSnapshot).toBe(false);
    expect(live(encoded.slice(0, 3), bounds).needsSnapshot).toBe(true);

    const source = new TestProfile();
    for (const name of ['a', 'b', 'c', 'd']) source.add({ stack: [name] });
    const snapshot = encodeChunk(source.cut());
    source.add({ stack: ['e'] });
    expect(live([snapshot, encodeChunk(source.cut())], bounds).needsSnapshot).toBe(false);
  });

  describe('in other modes', () => {
    const ns = 1e9;
    const test = () =>
      new TestProfile()
        .add({ stack: ['main', 'work'], weight: 30, timeNs: 0.5 * ns })
        .addWait({ stack: ['main', 'read'], durationNs: 50, timeNs: 0.6 * ns })
        .addWait({ stack: ['main', 'lock'], durationNs: 100, timeNs: 0.7 * ns });
    const mode = (name: ProfileMode, rest: Partial<View> = {}): View => ({
      ...DEFAULT_VIEW,
      mode: name,
      ...rest,
    });
    /** The chunk of a second. */
    const cutAt = ({ builder }: TestProfile, second: number) =>
      builder.cutChunk(
        { startNs: second * ns, endNs: (second + 1) * ns, wallOffsetNs: 0, frequencyHz: 100 },
        [],
      );
    const totals = (engine: AnalysisEngine): number => resultOf(engine).tree.total[0];

    it('waits are what is weighed, and labels are sent anew', () => {
      const engine = whole([encodeChunk(test().cut())]);
      expect(resultOf(engine)).toMatchObject({ mode: 'cpu', hasWaits: true, waits: undefined });
      for (const [name, total] of [
        ['off-cpu', 150],
        ['wall', 180],
        ['off-wake', 150],
        ['cpu', 30],
      ] as const) {
        engine.setView(mode(name));
        const profile = update(engine)?.profile;
        expect(profile?.result.tree.total[0], name).toBe(total);
        expect(profile?.labels).toMatchObject({ isNewTable: true, rows: { base: 0 } });
        expect(update(engine)).toBeUndefined();
      }
    });

    it('what comes later is taken in, late names too', () => {
      const source = test();
      const engine = live([encodeChunk(cutAt(source, 0))]);
      engine.setView(mode('off-cpu'));
      expect(totals(engine)).toBe(150);
      source.addWait({ stack: ['main', 'read'], durationNs: 7, timeNs: 1.5 * ns });
      const frame = source.profile.frames.length - 1;
      source.builder.symbolize(frame, {
        functionName: source.builder.string('renamed'),
        file: NONE,
        line: 0,
        inlinedInto: NONE,
      });
      engine.append(encodeChunk(cutAt(source, 1)));
      const profile = update(engine)?.profile;
      expect(profile?.result.tree.total[0]).toBe(157);
      expect(textsIn(profile?.labels.rows)).toContain('renamed');
    });

    it('the waits of what is zoomed into are summed up', () => {
      const engine = whole([encodeChunk(test().cut())]);
      engine.setView(mode('off-cpu'));
      const { waits, tree } = resultOf(engine);
      expect(waits).toMatchObject({ count: 2, sum: 150, drawn: 2 });
      expect(tree.depth[tree.length - 1]).toBe(4);
      const labels = update(engine);
      expect(labels).toBeUndefined();
    });

    it('the waits of what is selected come first, and of what is zoomed into where it is not there', () => {
      const engine = whole([encodeChunk(test().cut())]);
      engine.setView(mode('off-cpu'));
      const first = update(engine)?.profile;
      const process = textsIn(first?.labels.rows)[first?.result.tree.label[1] ?? NONE];
      const waitsOf = (path: string[] | undefined) => {
        engine.setSelected(path);
        return resultOf(engine).waits;
      };
      expect(waitsOf([process, 'main', 'lock'])).toMatchObject({ count: 1, sum: 100 });
      expect(waitsOf([process, 'main', 'read'])).toMatchObject({ count: 1, sum: 50 });
      expect(waitsOf([process, 'main', 'no such'])).toMatchObject({ sum: 150, label: undefined });
      expect(waitsOf(undefined)).toMatchObject({ sum: 150, label: undefined });
    });

    it('events of a latency source are chosen by label, length, time and process', () => {
      const event = { source: 'fs', label: 'ext4 fsync' } as const;
      const source = test()
        .addLatency({ ...event, stack: ['main', 'sync'], durationNs: 1000, timeNs: 0.2 * ns })
        .addLatency({ ...event, stack: ['main', 'log'], durationNs: 50, timeNs: 0.4 * ns })
        .addLatency({ ...event, pid: 9, stack: ['main'], durationNs: 7, timeNs: 0.6 * ns })
        .addLatency({
          ...event,
          label: 'ext4 read',
          stack: ['main'],
          durationNs: 3,
          timeNs: 0.6 * ns,
        });
      const engine = live([encodeChunk(cutAt(source, 0))]);
      const query = {
        source: 'fs',
        label: 'ext4 fsync',
        windowSeconds: 60,
        range: undefined,
        baseline: undefined,
        buckets: undefined,
        pids: [],
        containers: [],
      } as const;
      const stacksOf = (change: Partial<LatencyQuery>) => {
        const result = { ...engine.latency({ ...query, ...change }), label: query.label };
        return engine.latencyStacks(result)?.profile?.result;
      };
      expect(stacksOf({})?.tree.total[0]).toBe(1057);
      expect(stacksOf({})).toBeUndefined();
      expect(stacksOf({ buckets: [bucketOf(40), bucketOf(60)] })?.tree.total[0]).toBe(50);
      expect(stacksOf({ range: { startNs: 0.3 * ns, endNs: 0.5 * ns } })?.tree.total[0]).toBe(50);
      expect(stacksOf({ pids: [9] })?.tree.total[0]).toBe(7);
      source.addLatency({ ...event, stack: ['main'], durationNs: 100, timeNs: 1.5 * ns });
      engine.append(encodeChunk(cutAt(source, 1)));
      expect(stacksOf({})).toMatchObject({ mode: 'latency', waits: undefined });
      engine.setView(
        mode('latency', { latency: { source: 'fs', label: 'ext4 read', buckets: undefined } }),
      );
      expect(totals(engine)).toBe(3);
    });

    it.each(['waits', 'latencies'] as const)('%s are bounded by number', (kind) => {
      const source = new TestProfile();
      const cut = (second: number): Uint8Array => {
        for (let i = 0; i < 10; i++) {
          const row = { stack: ['main'], durationNs: 1, timeNs: (second + i / 10) * ns };
          if (kind === 'waits') source.addWait({ ...row, waitClass: ThreadState.Runnable });
          else source.addLatency({ ...row, source: 'runqueue', label: 'waiting for a CPU' });
        }
        return encodeChunk(cutAt(source, second));
      };
      const bounds = { ringNs: 600 * ns, samples: 90, latencies: 1000, tables: 10_000 };
      const engine = live([cut(0)], bounds);
      engine.setWindow('all');
      engine.setView(mode('off-cpu'));
      for (let second = 1; second < 50; second++) engine.append(cut(second));
      const { startNs, tree } = resultOf(engine);
      expect(startNs).toBeGreaterThanOrEqual(40 * ns);
      expect(startNs).toBeLessThanOrEqual(41 * ns);
      expect(tree.totalSamples[0]).toBe(kind === 'waits' ? 90 : 0);
    });

    it('what is forgotten is forgotten there, too', () => {
      const source = new TestProfile();
      const cut = (second: number): Uint8Array => {
        source.addWait({ stack: ['main'], durationNs: 1, timeNs: (second + 0.5) * ns });
        return encodeChunk(cutAt(source, second));
      };
      const engine = live([cut(0)], {
        ringNs: 30 * ns,
        samples: 1000,
        latencies: 1000,
        tables: 10_000,
      });
      engine.setWindow('all');
      engine.setView(mode('off-cpu'));
      update(engine);
      for (let second = 1; second < 100; second++) {
        engine.append(cut(second));
        const { tree, startNs, endNs, waits } = resultOf(engine);
        expect(tree.totalSamples[0]).toBe((endNs - startNs) / ns);
        expect(waits?.drawn).toBe(tree.totalSamples[0]);
      }
    });
  });
});
