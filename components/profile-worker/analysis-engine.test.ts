import { describe, expect, it } from 'vitest';
import { ProfileBuilder } from '@/profile/builder';
import { encodeChunk } from '@/profile/chunk';
import { FrameKind, NONE } from '@/profile/schema';
import { DEFAULT_VIEW } from '@/profile/view';
import { AnalysisEngine } from './analysis-engine';

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

const processesOf = (engine: AnalysisEngine): string[] | undefined =>
  engine
    .analyse()
    ?.processes.map(({ name }) => name)
    .sort();

describe('AnalysisEngine', () => {
  it('has nothing to show before the first chunk', () => {
    expect(new AnalysisEngine().analyse()).toBeUndefined();
  });

  it('shows of a live profile what is in the window', () => {
    const engine = new AnalysisEngine();
    engine.reset(true);
    engine.setWindow(5);
    for (const chunk of chunks(['a', 'b', 'c', 'd', 'e', 'f', 'g'])) engine.append(chunk);
    expect(processesOf(engine)).toEqual(['c', 'd', 'e', 'f', 'g']);
    engine.setWindow('all');
    expect(processesOf(engine)).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    expect(engine.analyse()?.losses).toEqual({ 'sample-ring-full': 3 });
  });

  it('filters and searches as the view says, and keeps listing all processes', () => {
    const engine = new AnalysisEngine();
    engine.reset(false);
    for (const chunk of chunks(['a', 'b', 'c'])) engine.append(chunk);
    engine.setView({ ...DEFAULT_VIEW, pids: [2], search: 'b' });
    const analysis = engine.analyse();
    expect(analysis?.tree.totalSamples[0]).toBe(1);
    expect(analysis?.processes).toHaveLength(3);
    expect(analysis?.search?.matches.some((match) => match === 1)).toBe(true);
    engine.setView({ ...DEFAULT_VIEW, search: '/(/' });
    expect(engine.analyse()?.searchError).toBeDefined();
    engine.setView({ ...DEFAULT_VIEW, range: { startNs: 1e9, endNs: 2e9 } });
    expect(engine.analyse()?.tree.totalSamples[0]).toBe(1);
  });

  it('sends each label once', () => {
    const engine = new AnalysisEngine();
    engine.reset(false);
    const [first, second] = chunks(['a', 'b']);
    engine.append(first);
    engine.analyse();
    const before = engine.takeLabels();
    expect(before.isNewTable).toBe(true);
    engine.append(second);
    engine.analyse();
    const after = engine.takeLabels();
    expect(after.isNewTable).toBe(false);
    expect(after.rows.base).toBe(before.rows.text.length);
    expect(after.rows.text).toContain('b');
  });

  it('refuses a chunk whose predecessor is missing', () => {
    const engine = new AnalysisEngine();
    engine.reset(true);
    const [first, , third] = chunks(['a', 'b', 'c']);
    engine.append(first);
    expect(() => engine.append(third)).toThrow(/missing/);
  });
});
