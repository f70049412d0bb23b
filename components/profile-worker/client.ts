/** The page's side: one profile, kept by a worker, as a store outside React. */
import { io, type Socket } from 'socket.io-client';
import { LabelTable } from '@/profile/labels';
import { API, type BrowserToServer, type ServerToBrowser } from '@/profile/live-protocol';
import type { SessionSummary } from '@/profile/session';
import type { LiveStatus } from '@/profile/status';
import type { View } from '@/profile/view';
import type { Analysis, LiveWindow } from './analysis';
import type { FromWorker, ToWorker } from './protocol';

export type { Activity, Analysis, LiveWindow } from './analysis';

export interface ProfileState {
  readonly phase: 'empty' | 'loading' | 'ready' | 'error';
  /** In plain words. */
  readonly error?: string;
  readonly progress?: { readonly loadedBytes: number; readonly totalBytes?: number };
  /** Of live views; 'none' for others. */
  readonly connection: 'none' | 'connecting' | 'connected' | 'disconnected';
  readonly paused: boolean;
  /** Of live views. */
  readonly status?: LiveStatus;
  readonly sessions?: readonly SessionSummary[];
  readonly analysis?: Analysis;
}

const EMPTY: ProfileState = { phase: 'empty', connection: 'none', paused: false };

export class ProfileClient {
  #state = EMPTY;
  readonly #listeners = new Set<() => void>();
  #worker: Worker | undefined;
  #socket: Socket<ServerToBrowser, BrowserToServer> | undefined;
  #labels = new LabelTable();
  #isSubscribed = false;
  #nextNumber = 0;
  readonly #acknowledgements = new Map<number, () => void>();

  /** The machine as it runs. */
  openLive(): void {
    this.#start({ phase: 'loading', connection: 'connecting' });
    this.#post({ type: 'live' });
    const socket: Socket<ServerToBrowser, BrowserToServer> = io({ transports: ['websocket'] });
    this.#socket = socket;
    socket.on('connect', () => {
      this.#change({ connection: 'connected' });
      this.#isSubscribed = false;
      this.#follow();
    });
    socket.on('disconnect', () => this.#change({ connection: 'disconnected' }));
    socket.on('connect_error', () => this.#change({ connection: 'disconnected' }));
    socket.on('status', (status) => this.#change({ status }));
    socket.on('sessions', (sessions) => this.#change({ sessions }));
    socket.on('snapshot', (bytes, acknowledge) => this.#forward('snapshot', bytes, acknowledge));
    socket.on('chunk', (bytes, acknowledge) => this.#forward('chunk', bytes, acknowledge));
    document.addEventListener('visibilitychange', this.#follow);
  }

  openSession(id: string): void {
    this.#start({ phase: 'loading' });
    this.#post({ type: 'session', url: `${API}/sessions/${encodeURIComponent(id)}/chunks` });
  }

  openFile(file: File): void {
    this.#start({ phase: 'loading' });
    this.#post({ type: 'file', file });
  }

  setView(view: View): void {
    this.#post({ type: 'view', view });
  }

  setWindow(window: LiveWindow): void {
    this.#post({ type: 'window', window });
  }

  setPaused(paused: boolean): void {
    this.#change({ paused });
    this.#follow();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  getState = (): ProfileState => this.#state;

  dispose(): void {
    this.#close();
    this.#worker?.terminate();
    this.#worker = undefined;
  }

  /** Leaves what was open before. */
  #start(state: Partial<ProfileState>): void {
    this.#close();
    this.#change({ ...EMPTY, ...state });
  }

  #close(): void {
    document.removeEventListener('visibilitychange', this.#follow);
    this.#socket?.disconnect();
    this.#socket = undefined;
    this.#isSubscribed = false;
    this.#acknowledgements.clear();
  }

  /** Chunks come while somebody looks. */
  #follow = (): void => {
    const socket = this.#socket;
    if (socket === undefined) return;
    const wanted = socket.connected && !this.#state.paused && !document.hidden;
    if (wanted === this.#isSubscribed) return;
    this.#isSubscribed = wanted;
    socket.emit(wanted ? 'subscribe' : 'unsubscribe');
  };

  /** A chunk is acknowledged when the worker has taken it in: a slow page is sent less. */
  #forward(type: 'snapshot' | 'chunk', bytes: ArrayBuffer, acknowledge: () => void): void {
    const number = this.#nextNumber++;
    this.#acknowledgements.set(number, acknowledge);
    if (this.#isSubscribed) this.#post({ type, number, bytes }, [bytes]);
    else this.#acknowledge(number);
  }

  #acknowledge(number: number): void {
    this.#acknowledgements.get(number)?.();
    this.#acknowledgements.delete(number);
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case 'applied':
        this.#acknowledge(message.number);
        break;
      case 'resynchronize':
        // The server sends nothing more before what it has sent is acknowledged, taken in or not.
        for (const number of [...this.#acknowledgements.keys()]) this.#acknowledge(number);
        if (this.#isSubscribed) this.#socket?.emit('subscribe');
        break;
      case 'progress': {
        const { loadedBytes, totalBytes } = message;
        this.#change({
          progress: totalBytes === undefined ? { loadedBytes } : { loadedBytes, totalBytes },
        });
        break;
      }
      case 'analysis':
        if (message.labels.isNewTable) this.#labels = new LabelTable();
        this.#labels.append(message.labels.rows);
        this.#change({ phase: 'ready', analysis: { ...message.result, labels: this.#labels } });
        break;
      case 'error':
        this.#change({ phase: 'error', error: message.message });
        break;
    }
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    if (this.#worker === undefined) {
      this.#worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
      this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
      this.#worker.onerror = ({ message }) =>
        this.#change({ phase: 'error', error: `The profile worker failed: ${message}` });
    }
    this.#worker.postMessage(message, transfer);
  }

  #change(change: Partial<ProfileState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}
