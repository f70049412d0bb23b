import type { RealServer } from '@/e2e/real-server';
import { API } from '@/profile/live-protocol';
import type { LiveStatus } from '@/profile/status';

/** The server's REST interface, as its pages use it. */
export class Rest {
  readonly #origin: string;
  readonly #headers: Record<string, string>;

  private constructor(origin: string, cookie: string) {
    this.#origin = origin;
    this.#headers = { cookie, origin, 'content-type': 'application/json' };
  }

  static async login({ url, origin }: RealServer): Promise<Rest> {
    const { headers } = await fetch(url, { redirect: 'manual' });
    return new Rest(origin, headers.get('set-cookie')?.split(';')[0] ?? '');
  }

  async put(path: string, body: unknown): Promise<void> {
    await this.#call('PUT', path, body);
  }

  /** The answer's JSON. */
  async post(path: string, body: unknown): Promise<unknown> {
    return (await this.#call('POST', path, body)).json();
  }

  async status(): Promise<LiveStatus> {
    return (await (await this.#call('GET', '/status')).json()) as LiveStatus;
  }

  async #call(method: string, path: string, body?: unknown): Promise<Response> {
    const answer = await fetch(`${this.#origin}${API}${path}`, {
      method,
      headers: this.#headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }
}
