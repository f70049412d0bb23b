import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { SharedClients } from './shared-clients';

class FakeWorker {
  static terminated = 0;
  onerror: ((event: { readonly message: string }) => void) | undefined;

  constructor() {
    last = this;
  }

  postMessage(): void {}

  terminate(): void {
    FakeWorker.terminated++;
  }
}

let last: FakeWorker;

beforeEach(() => {
  FakeWorker.terminated = 0;
  vi.useFakeTimers();
  vi.stubGlobal('Worker', FakeWorker);
  vi.stubGlobal('document', new EventTarget());
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it('gives the next page the client of the last, and ends it when none has come', () => {
  const shared = new SharedClients();
  const client = shared.clientOf('one');
  const release = shared.hold(client);
  client.openSession('one');
  expect(shared.clientOf('two')).not.toBe(client);
  release();
  vi.advanceTimersByTime(9000);
  expect(shared.clientOf('one')).toBe(client);
  const releaseNext = shared.hold(client);
  vi.advanceTimersByTime(60_000);
  expect(FakeWorker.terminated).toBe(0);
  releaseNext();
  vi.advanceTimersByTime(11_000);
  expect(FakeWorker.terminated).toBe(1);
  expect(shared.clientOf('one')).not.toBe(client);
});

it('gives no page one that has failed', () => {
  const shared = new SharedClients();
  const client = shared.clientOf('one');
  const release = shared.hold(client);
  client.openSession('one');
  last.onerror?.({ message: 'no code' });
  const next = shared.clientOf('one');
  expect(next).not.toBe(client);
  release();
  vi.advanceTimersByTime(11_000);
  expect(FakeWorker.terminated).toBe(1);
  expect(shared.clientOf('one')).toBe(next);
});
