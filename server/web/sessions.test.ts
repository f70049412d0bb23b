import { beforeEach, describe, expect, it } from 'vitest';
import type { EndReceiver } from './agent-link';
import { LiveSource } from './live-source';
import { MemoryStore } from './memory-store-for-tests';
import { ConflictError, Sessions } from './sessions';

const HOST = { hostname: 'here', kernel: '6.18', cpus: 2, hearth: '0.1.0' };

describe('while a recording ends', () => {
  let store: MemoryStore;
  let sessions: Sessions;
  let asked: EndReceiver[];
  let id: string;

  beforeEach(async () => {
    store = new MemoryStore();
    asked = [];
    sessions = await Sessions.open(store, {
      source: new LiveSource(),
      askForEnd: (receive) => asked.push(receive),
      onChange: () => {},
    });
    ({ id } = await sessions.record('mine', 99, HOST));
  });

  it('who stops it again gets the same session, and the agent is asked once', async () => {
    const both = [sessions.stop(id), sessions.stop(id)];
    expect(asked).toHaveLength(1);
    asked[0](undefined);
    const [first, second] = await Promise.all(both);
    expect(first).toMatchObject({ id, state: 'complete' });
    expect(second).toBe(first);
    await expect(sessions.stop(id)).rejects.toThrow(ConflictError);
  });

  it('it is not deleted, nor is another one started', async () => {
    const stopped = sessions.stop(id);
    await expect(sessions.delete(id)).rejects.toThrow(ConflictError);
    await expect(sessions.record('other', 99, HOST)).rejects.toThrow(ConflictError);
    asked[0](undefined);
    await stopped;
    await sessions.delete(id);
    expect(await sessions.list()).toEqual([]);
  });

  it('the store is closed after it', async () => {
    const closed = sessions.close();
    expect(store.closed).toBe(false);
    asked[0](undefined);
    await closed;
    expect(await store.get(id)).toMatchObject({ state: 'complete' });
    expect(store.closed).toBe(true);
  });
});
