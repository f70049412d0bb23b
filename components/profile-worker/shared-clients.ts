/** Clients that outlive the page that opened them, so that the next page need not load the same again. */
import { ProfileClient } from './client';

/** So long one is kept that no page has: chunks go on to come, and what it holds takes memory. */
const KEPT_MS = 10_000;

interface Shared {
  readonly client: ProfileClient;
  holders: number;
  end?: ReturnType<typeof setTimeout>;
}

export class SharedClients {
  /** By the recording's ID; undefined: live. */
  readonly #byProfile = new Map<string | undefined, Shared>();

  /** That of a profile: the one that is there, if it has not failed. It is to be held by who uses it. */
  clientOf(profile: string | undefined): ProfileClient {
    const known = this.#byProfile.get(profile);
    if (known !== undefined && known.client.getState().phase !== 'error') return known.client;
    const client = new ProfileClient();
    this.#byProfile.set(profile, { client, holders: 0 });
    return client;
  }

  /** Whether one has lost its connection. */
  get isDisconnected(): boolean {
    return [...this.#byProfile.values()].some(
      ({ client }) => client.getState().connection === 'disconnected',
    );
  }

  /** Keeps a client until the function that it returns has been called, and a little longer. */
  hold(client: ProfileClient): () => void {
    const [profile, shared] = [...this.#byProfile].find(([, one]) => one.client === client) ?? [];
    // Another has taken its place.
    if (shared === undefined) return () => client.dispose();
    shared.holders++;
    clearTimeout(shared.end);
    return () => {
      shared.holders--;
      if (shared.holders > 0) return;
      shared.end = setTimeout(() => {
        client.dispose();
        if (this.#byProfile.get(profile) === shared) this.#byProfile.delete(profile);
      }, KEPT_MS);
    };
  }
}
