import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ProfileClient } from './client';
import type { FromWorker, ToWorker } from './protocol';

/** Workers that were started, and what each was sent. */
class FakeWorker {
  static started: FakeWorker[] = [];
  onmessage: ((event: { readonly data: FromWorker }) => void) | undefined;
  isTerminated = false;
  readonly sent: ToWorker[] = [];

  constructor() {
    FakeWorker.started.push(this);
  }

  postMessage(message: ToWorker): void {
    this.sent.push(message);
  }

  terminate(): void {
    this.isTerminated = true;
  }
}

beforeEach(() => {
  FakeWorker.started = [];
  vi.stubGlobal('Worker', FakeWorker);
  vi.stubGlobal('document', new EventTarget());
});

afterEach(() => vi.unstubAllGlobals());

describe('ProfileClient', () => {
  it('reads a second file at once, and ends the reading of the first', () => {
    const client = new ProfileClient();
    const [first, second] = [new File(['a 1\n'], 'a'), new File(['b 1\n'], 'b')];
    client.openFile(first);
    client.setWindow(60);
    client.openFile(second);
    expect(FakeWorker.started.map(({ isTerminated }) => isTerminated)).toEqual([true, false]);
    expect(FakeWorker.started[1].sent).toEqual([
      { type: 'window', window: 60 },
      { type: 'file', file: second },
    ]);
    expect(client.getState()).toMatchObject({ phase: 'loading', connection: 'none' });
    client.dispose();
  });

  it('takes each update, and shows an error in place of what was loading', () => {
    const client = new ProfileClient();
    client.openFile(new File(['a 1\n'], 'a'));
    const [worker] = FakeWorker.started;
    worker.onmessage?.({ data: { type: 'progress', loadedBytes: 1, totalBytes: 4 } });
    expect(client.getState().progress).toEqual({ loadedBytes: 1, totalBytes: 4 });
    worker.onmessage?.({ data: { type: 'error', message: 'no file' } });
    expect(client.getState()).toMatchObject({ phase: 'error', error: 'no file' });
    worker.onmessage?.({ data: { type: 'update', update: { found: {} } } });
    expect(worker.sent.at(-1)).toEqual({ type: 'taken' });
    client.dispose();
  });
});
