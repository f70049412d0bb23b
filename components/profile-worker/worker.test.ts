import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Chunk, encodeChunk } from '@/profile/chunk';
import { HEADER, TestProfile } from '@/profile/profiles-for-tests';
import type { AnalysisUpdate } from './analysis';
import type { FromWorker, ToWorker } from './protocol';
import { type Answer, type Question, STACKS } from './question';
import { NO_THREADS } from './thread-analysis';

/** The worker's global scope, and what it has posted. */
class Scope {
  onmessage: ((event: { readonly data: ToWorker }) => void) | undefined;
  readonly posted: FromWorker[] = [];

  postMessage(message: FromWorker): void {
    this.posted.push(message);
  }

  send(message: ToWorker): void {
    this.onmessage?.({ data: message });
  }

  /** What was posted since the last call, without answers. */
  take(): FromWorker[] {
    return this.posted.splice(0).filter(({ type }) => type !== 'answer');
  }
}

const bytesOf = (chunk: Chunk): ArrayBuffer => encodeChunk(chunk).slice().buffer;

/** Three chunks of a live stream; each has rows that the others have not. */
function stream(): ArrayBuffer[] {
  const source = new TestProfile();
  return ['a', 'b', 'c'].map((name) => bytesOf(source.add({ stack: ['main', name] }).cut()));
}

const UNTIL_MS = (HEADER.endNs + HEADER.wallOffsetNs) / 1e6;

/** A snapshot in one part. */
const WHOLE = { type: 'snapshot', isFirst: true, restBytes: 0 } as const;

const FILE_LATENCY: Question = {
  of: 'latency',
  query: {
    source: 'fs',
    label: undefined,
    windowSeconds: undefined,
    range: undefined,
    baseline: undefined,
    buckets: undefined,
    pids: [],
    containers: [],
  },
};

let scope: Scope;

/** What was posted since the last call, the answers of one kind. */
function answers<Kind extends Answer['of']>(kind: Kind): Extract<Answer, { of: Kind }>[] {
  return scope.posted
    .splice(0)
    .flatMap((message) => (message.type === 'answer' ? [message.answer] : []))
    .filter((answer): answer is Extract<Answer, { of: Kind }> => answer.of === kind);
}

beforeEach(async () => {
  vi.resetModules();
  vi.useFakeTimers();
  scope = new Scope();
  vi.stubGlobal('self', scope);
  await import('./worker');
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe('a live stream', () => {
  it('is acknowledged chunk by chunk', () => {
    const [first, second] = stream();
    scope.send({ ...WHOLE, number: 1, bytes: first });
    scope.send({ type: 'chunk', number: 2, bytes: second });
    expect(scope.take()).toEqual([
      { type: 'applied', number: 1, untilMs: UNTIL_MS },
      { type: 'applied', number: 2, untilMs: UNTIL_MS },
    ]);
  });

  it('is asked for anew, once, after a gap; what has to be dropped is acknowledged too', () => {
    const [first, , third] = stream();
    scope.send({ ...WHOLE, number: 1, bytes: first });
    scope.send({ type: 'chunk', number: 2, bytes: third.slice(0) });
    scope.send({ type: 'chunk', number: 3, bytes: third.slice(0) });
    const posted = scope.take();
    expect(posted.filter(({ type }) => type === 'applied')).toEqual(
      [1, 2, 3].map((number) => ({ type: 'applied', number, untilMs: UNTIL_MS })),
    );
    expect(posted.filter(({ type }) => type === 'resynchronize')).toHaveLength(1);
    const [again, next] = stream();
    scope.send({ ...WHOLE, number: 4, bytes: again });
    scope.send({ type: 'chunk', number: 5, bytes: next });
    expect(scope.take()).toEqual([
      { type: 'applied', number: 4, untilMs: UNTIL_MS },
      { type: 'applied', number: 5, untilMs: UNTIL_MS },
    ]);
  });

  it('is not asked for again where its snapshot can not be read', () => {
    scope.send({ ...WHOLE, number: 1, bytes: new ArrayBuffer(64) });
    const types = scope.take().map(({ type }) => type);
    expect(types.toSorted()).toEqual(['applied', 'error']);
  });

  it('is shown as soon as its snapshot is there', () => {
    scope.send({ type: 'window', window: 'all' });
    vi.runAllTimers();
    expect(scope.posted).toEqual([]);
    scope.send({ ...WHOLE, number: 1, bytes: stream()[0] });
    vi.runAllTimers();
    const [update] = answers('stacks');
    expect(update.update.profile?.result.tree.totalSamples[0]).toBe(1);
    expect(update.update.profile?.labels.isNewTable).toBe(true);
  });

  it('is shown when the last part of its snapshot is there, and not as it was before', () => {
    const [first, second, third] = stream();
    const shown = () => {
      vi.runAllTimers();
      scope.send({ type: 'taken' });
      return answers('stacks').map(({ update }) => update.profile?.result.tree.totalSamples[0]);
    };
    scope.send({ type: 'window', window: 'all' });
    scope.send({ ...WHOLE, restBytes: 200, number: 1, bytes: first });
    scope.send({ ...WHOLE, isFirst: false, restBytes: 100, number: 2, bytes: second });
    expect(shown()).toEqual([]);
    scope.send({ type: 'window', window: 60 });
    expect(shown()).toEqual([]);
    scope.send({ ...WHOLE, isFirst: false, number: 3, bytes: third });
    expect(shown()).toEqual([3]);
    // A new one, of which something is missing.
    const [again, , gap] = stream();
    scope.send({ ...WHOLE, restBytes: 200, number: 4, bytes: again });
    scope.send({ ...WHOLE, isFirst: false, restBytes: 100, number: 5, bytes: gap.slice(0) });
    scope.send({ ...WHOLE, isFirst: false, number: 6, bytes: gap });
    expect(scope.take().map(({ type }) => type)).toEqual([
      'applied',
      'error',
      'applied',
      'applied',
    ]);
  });

  it('sends no update before the page has taken the last one', () => {
    const [first, second] = stream();
    const updates = () => scope.posted.filter(({ type }) => type === 'answer').length;
    scope.send({ type: 'window', window: 'all' });
    scope.send({ ...WHOLE, number: 1, bytes: first });
    vi.runAllTimers();
    scope.send({ type: 'chunk', number: 2, bytes: second });
    vi.runAllTimers();
    expect(updates()).toBe(1);
    scope.send({ type: 'taken' });
    vi.runAllTimers();
    expect(updates()).toBe(2);
  });

  it('is answered with latencies, and what is new of their stacks, where they are asked for', () => {
    const source = new TestProfile();
    const chunk = (): ArrayBuffer =>
      bytesOf(
        source
          .addLatency({ source: 'fs', label: 'ext4 read', stack: ['main'], durationNs: 7 })
          .cut(),
      );
    scope.send({ type: 'ask', number: 1, question: FILE_LATENCY });
    scope.send({ ...WHOLE, number: 1, bytes: chunk() });
    const answer = () => {
      vi.runAllTimers();
      scope.send({ type: 'taken' });
      return answers('latency')[0].stacks?.profile?.result;
    };
    expect(answer()).toMatchObject({ mode: 'latency', unit: 'nanoseconds' });
    scope.send({ type: 'chunk', number: 2, bytes: bytesOf(source.cut()) });
    expect(answer()).toBeUndefined();
    scope.send({ type: 'chunk', number: 3, bytes: chunk() });
    expect(answer()?.tree.total[0]).toBe(14);
  });

  it('is told anew, with all labels, to the page that takes the place of another', () => {
    const source = new TestProfile();
    source.addLatency({ source: 'fs', label: 'ext4 read', stack: ['read'], durationNs: 7 });
    source.add({ stack: ['main', 'work'] });
    scope.send({ type: 'window', window: 'all' });
    scope.send({ ...WHOLE, number: 1, bytes: bytesOf(source.cut()) });
    const labels = (update: AnalysisUpdate | undefined) => {
      const { rows, isNewTable } = update?.profile?.labels ?? {};
      return [isNewTable, rows?.textEnd.length];
    };
    const asked = (number: number, question: Question) => {
      scope.send({ type: 'ask', number, question });
      vi.runAllTimers();
      scope.send({ type: 'taken' });
    };
    asked(0, STACKS);
    const [first] = answers('stacks');
    asked(1, FILE_LATENCY);
    expect(labels(answers('latency')[0].stacks)[0]).toBe(true);
    asked(2, STACKS);
    const [again] = answers('stacks');
    expect(labels(again.update)).toEqual(labels(first.update));
    expect(again.update.profile?.result.tree.totalSamples[0]).toBe(1);
    asked(3, { of: 'threads', query: NO_THREADS });
    expect(answers('threads')[0].update.list).toBeDefined();
    asked(4, { of: 'threads', query: NO_THREADS });
    expect(answers('threads')[0].update.list).toBeDefined();
  });
});
