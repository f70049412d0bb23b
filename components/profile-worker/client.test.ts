import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ProfileClient } from './client';
import type { LiveSocket } from './live-socket';
import type { FromWorker, ToWorker } from './protocol';
import { STACKS } from './question';
import { NO_THREADS } from './thread-analysis';

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

/** What a page said to the server, and how the server answers. */
class FakeSocket {
  static last: FakeSocket;
  connected = true;
  readonly emitted: string[] = [];
  readonly #listeners = new Map<string, (...message: unknown[]) => void>();

  constructor() {
    FakeSocket.last = this;
  }

  on(event: string, listener: (...message: unknown[]) => void): void {
    this.#listeners.set(event, listener);
  }

  off(): void {}
  disconnect(): void {}

  emit(event: string): void {
    this.emitted.push(event);
  }

  say(event: string, ...message: unknown[]): void {
    this.#listeners.get(event)?.(...message);
  }
}

vi.mock('./live-socket', () => ({ connect: () => new FakeSocket() as unknown as LiveSocket }));

const answer = (number: number): FromWorker => ({
  type: 'answer',
  number,
  answer: { of: 'stacks', update: { found: {} } },
});

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
    worker.onmessage?.({ data: answer(0) });
    expect(worker.sent.at(-1)).toEqual({ type: 'taken' });
    client.dispose();
  });

  it('shows answers to the kind of question that is asked, and none to one before', () => {
    const client = new ProfileClient();
    client.openSession('one');
    const [worker] = FakeWorker.started;
    const threads = { list: undefined } as never;
    const tell = (number: number): void =>
      worker.onmessage?.({
        data: { type: 'answer', number, answer: { of: 'threads', update: threads } },
      });
    client.ask({ of: 'threads', query: NO_THREADS });
    expect(worker.sent.at(-1)).toMatchObject({ type: 'ask', number: 1 });
    worker.onmessage?.({ data: answer(0) });
    expect(client.getState().phase).toBe('loading');
    tell(1);
    expect(client.getState()).toMatchObject({ phase: 'ready', threads });
    client.ask({ of: 'threads', query: { ...NO_THREADS, windowSeconds: 60 } });
    expect(worker.sent.at(-1)).toMatchObject({ type: 'ask', number: 1 });
    expect(client.getState().threads).toEqual(threads);
    client.ask(STACKS);
    expect(client.getState().threads).toBeUndefined();
    tell(1);
    expect(client.getState().threads).toBeUndefined();
    expect(worker.sent.at(-1)).toEqual({ type: 'taken' });
    client.dispose();
  });

  it('opens a recording once, and again where there is more of it or it failed', () => {
    const client = new ProfileClient();
    const started = () => FakeWorker.started.length;
    client.openSession('one');
    FakeWorker.started[0].onmessage?.({
      data: { type: 'progress', loadedBytes: 1, totalBytes: 4 },
    });
    client.openSession('one');
    client.openSession('one', 4);
    expect(started()).toBe(1);
    client.openSession('one', 5);
    expect(started()).toBe(2);
    FakeWorker.started[1].onmessage?.({ data: { type: 'error', message: 'it is damaged' } });
    client.openSession('one');
    expect(started()).toBe(3);
    client.openSession('two');
    expect(started()).toBe(4);
    client.dispose();
  });

  describe('that is paused', () => {
    const WHOLE = { isFirst: true, restBytes: 0 };
    /** The kinds of what the worker was sent since the last call. */
    let seen = 0;
    const sent = (): string[] => {
      const kinds = FakeWorker.started[0].sent.map(({ type }) => type);
      const fresh = kinds.slice(seen);
      seen = kinds.length;
      return fresh;
    };
    let client: ProfileClient;
    const chunk = (acknowledge?: () => void): void =>
      FakeSocket.last.say('chunk', new ArrayBuffer(8), acknowledge);

    beforeEach(async () => {
      vi.useFakeTimers();
      seen = 0;
      client = new ProfileClient();
      client.openLive();
      await vi.waitFor(() => expect(FakeSocket.last).toBeDefined());
      await vi.dynamicImportSettled();
      FakeSocket.last.say('connect');
      FakeSocket.last.say('snapshot', new ArrayBuffer(8), WHOLE);
      chunk();
      expect(FakeSocket.last.emitted).toEqual(['subscribe']);
      expect(sent()).toEqual(['snapshot', 'chunk']);
    });
    afterEach(() => {
      client.dispose();
      vi.useRealTimers();
    });

    it('takes the names that are still to come, and then nothing', () => {
      client.setPaused(true);
      chunk();
      expect(sent()).toEqual(['names']);
      // The server means to replace what is held.
      const acknowledge = vi.fn();
      FakeSocket.last.say('snapshot', new ArrayBuffer(8), WHOLE, acknowledge);
      chunk(acknowledge);
      expect(sent()).toEqual([]);
      expect(acknowledge).toHaveBeenCalledTimes(2);
      vi.advanceTimersByTime(2000);
      expect(FakeSocket.last.emitted).toEqual(['subscribe', 'unsubscribe']);
      client.setPaused(false);
      expect(FakeSocket.last.emitted).toEqual(['subscribe', 'unsubscribe', 'subscribe']);
    });

    it('starts over with a snapshot, however soon it goes on', () => {
      client.setPaused(true);
      client.setPaused(true);
      chunk();
      client.setPaused(false);
      chunk();
      expect(sent()).toEqual(['names']);
      expect(FakeSocket.last.emitted).toEqual(['subscribe', 'unsubscribe', 'subscribe']);
      FakeSocket.last.say('snapshot', new ArrayBuffer(8), WHOLE);
      chunk();
      vi.advanceTimersByTime(5000);
      chunk();
      expect(sent()).toEqual(['snapshot', 'chunk', 'chunk']);
      expect(FakeSocket.last.emitted).toHaveLength(3);
    });
  });
});
