/** The page's side: one profile, kept by a worker, as a store outside React. */
import { type LatencyResult, receivedLatency } from '@/profile/latency/analysis';
import { API, type SnapshotPart } from '@/profile/live-protocol';
import type { SessionSummary } from '@/profile/session';
import type { LiveStatus } from '@/profile/status';
import type { View } from '@/profile/view';
import type { Analysis, AnalysisUpdate, LiveWindow, ProfileResult } from './analysis';
import type { LiveSocket } from './live-socket';
import type { FromWorker, ToWorker } from './protocol';
import { type Answer, type Question, STACKS } from './question';
import { ReceivedLabels } from './received-labels';
import type { ThreadsUpdate } from './thread-analysis';

export type { Activity, Analysis, LiveWindow } from './analysis';

export interface ProfileState {
  readonly phase: 'empty' | 'loading' | 'ready' | 'error';
  /** In plain words. */
  readonly error?: string;
  readonly progress?: { readonly loadedBytes: number; readonly totalBytes?: number };
  /** Of live views; 'none' for others. */
  readonly connection: 'none' | 'connecting' | 'connected' | 'disconnected';
  /** Since when there is none where there was one, in ms, or none could be made. */
  readonly disconnectedMs?: number | undefined;
  readonly paused: boolean;
  /** Of live views. */
  readonly status?: LiveStatus;
  /** Up to when what was sent had been taken in when the status came, by the clock of the machine that is profiled. */
  readonly takenUntilMs?: number | undefined;
  readonly sessions?: readonly SessionSummary[];
  /** Answers; undefined until the first to a question of this kind. */
  readonly analysis?: Analysis | undefined;
  readonly latency?: LatencyResult | undefined;
  readonly threads?: ThreadsUpdate | undefined;
}

const EMPTY: ProfileState = { phase: 'empty', connection: 'none', paused: false };
/** Where the server ended the connection itself, socket.io does not come back by itself. */
const RETRY_MS = 2000;
/** A status comes a moment before a chunk, and is shown in the same picture: one of its own costs as much again. */
const STATUS_WAIT_MS = 100;
/** So long after a sample its functions may get their names: they are asked for once a second. */
const NAMES_MS = 1500;

export class ProfileClient {
  #state = EMPTY;
  readonly #listeners = new Set<() => void>();
  /** A new one for each profile: with the old one goes all that it held. */
  #worker: Worker | undefined;
  /** What was opened last: a recording's ID, or the machine as it runs. */
  #opened: { readonly session: string | undefined } | undefined;
  #socket: LiveSocket | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** The last one, as long as it is not shown. */
  #status: LiveStatus | undefined;
  #statusTimer: ReturnType<typeof setTimeout> | undefined;
  #takenUntilMs: number | undefined;
  #view: View | undefined;
  #window: LiveWindow | undefined;
  #selected: readonly string[] | undefined;
  #question = STACKS;
  /** Counts up with each question of another kind: answers to those before are for a page that is gone. */
  #asked = 0;
  #labels = new ReceivedLabels();
  #result: ProfileResult | undefined;
  #isSubscribed = false;
  /** Paused a moment ago: of chunks only the names are taken. */
  #takesNames = false;
  #namesTimer: ReturnType<typeof setTimeout> | undefined;
  /** Chunks that were on their way when the subscription started continue something else. */
  #awaitsSnapshot = true;
  #nextNumber = 0;
  readonly #acknowledgements = new Map<number, () => void>();

  /** The machine as it runs, unless that is what there is. */
  openLive(): void {
    if (this.#isOpen(undefined)) return;
    this.#open();
    this.#opened = { session: undefined };
    this.#change({ connection: 'connecting' });
    const worker = this.#worker;
    import('./live-socket').then(
      ({ connect }) => {
        if (this.#worker === worker) this.#listen(connect());
      },
      () => {
        if (this.#worker !== worker) return;
        this.#change({
          phase: 'error',
          error: 'The part of this page that connects to Hearth could not be loaded.',
        });
      },
    );
  }

  #listen(socket: LiveSocket): void {
    this.#socket = socket;
    socket.on('connect', () => {
      this.#change({ connection: 'connected', disconnectedMs: undefined });
      this.#follow();
    });
    socket.on('disconnect', () => this.#onDisconnect(socket));
    socket.on('connect_error', () => this.#onDisconnect(socket));
    socket.on('status', (status) => {
      this.#status = status;
      this.#statusTimer ??= setTimeout(() => this.#change({}), STATUS_WAIT_MS);
    });
    socket.on('sessions', (sessions) => this.#change({ sessions }));
    socket.on('snapshot', (bytes, part, acknowledge) => this.#forward(bytes, part, acknowledge));
    socket.on('chunk', (bytes, acknowledge) => this.#forward(bytes, undefined, acknowledge));
    document.addEventListener('visibilitychange', this.#follow);
  }

  /** A recorded session, from the server, unless that is what there is, with so many bytes if that is said. */
  openSession(id: string, bytes?: number): void {
    const isAsLarge = bytes === undefined || this.#state.progress?.totalBytes === bytes;
    if (isAsLarge && this.#isOpen(id)) return;
    this.#open({ type: 'session', url: `${API}/sessions/${encodeURIComponent(id)}/chunks` });
    this.#opened = { session: id };
  }

  #isOpen(session: string | undefined): boolean {
    const opened = this.#opened;
    return opened !== undefined && opened.session === session && this.#state.phase !== 'error';
  }

  /** A file of collapsed stacks. */
  openFile(file: File): void {
    this.#open({ type: 'file', file });
  }

  setView(view: View): void {
    this.#view = view;
    this.#post({ type: 'view', view });
  }

  /** The frame whose waits are told of, by its path; undefined: what is zoomed into. */
  setSelected(path: readonly string[] | undefined): void {
    this.#selected = path;
    this.#post({ type: 'selected', path });
  }

  setWindow(window: LiveWindow): void {
    this.#window = window;
    this.#post({ type: 'window', window });
  }

  /** What is to be answered from now on. Where it is of another kind than before, those answers are let go of. */
  ask(question: Question): void {
    if (question.of !== this.#question.of) {
      this.#asked++;
      this.#selected = undefined;
      this.#forgetAnswers();
      this.#change({ analysis: undefined, latency: undefined, threads: undefined });
    }
    this.#question = question;
    this.#post({ type: 'ask', question, number: this.#asked });
  }

  /** What is there stays and can be looked at; nothing is received meanwhile but the names that were still to come. */
  setPaused(paused: boolean): void {
    if (paused === this.#state.paused) return;
    clearTimeout(this.#namesTimer);
    // What came after it is missing: who was held is not continued, but gets a snapshot.
    if (this.#takesNames) this.#unsubscribe();
    this.#takesNames = paused && this.#isSubscribed;
    if (this.#takesNames) this.#namesTimer = setTimeout(() => this.#unsubscribe(), NAMES_MS);
    this.#change({ paused });
    this.#follow();
  }

  #unsubscribe(): void {
    this.#takesNames = false;
    this.#follow();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  getState = (): ProfileState => this.#state;

  /** Ends the connection and the worker; another profile can be opened afterwards. */
  dispose(): void {
    document.removeEventListener('visibilitychange', this.#follow);
    clearTimeout(this.#retry);
    clearTimeout(this.#namesTimer);
    this.#takesNames = false;
    clearTimeout(this.#statusTimer);
    this.#statusTimer = undefined;
    this.#status = undefined;
    this.#takenUntilMs = undefined;
    this.#socket?.off();
    this.#socket?.disconnect();
    this.#socket = undefined;
    this.#isSubscribed = false;
    this.#acknowledgements.clear();
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#opened = undefined;
    this.#forgetAnswers();
  }

  #forgetAnswers(): void {
    this.#result = undefined;
    this.#labels = new ReceivedLabels();
  }

  /** `message`: what the worker is to read by itself. */
  #open(message?: ToWorker): void {
    this.dispose();
    this.#change({ ...EMPTY, phase: 'loading' }, true);
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    worker.onerror = ({ message: what }) =>
      this.#change({
        phase: 'error',
        error: `The part of this page that reads profiles failed: ${what ?? 'it could not be loaded'}.`,
      });
    this.#worker = worker;
    this.#asked = 0;
    if (this.#view !== undefined) this.#post({ type: 'view', view: this.#view });
    if (this.#selected !== undefined) this.#post({ type: 'selected', path: this.#selected });
    if (this.#window !== undefined) this.#post({ type: 'window', window: this.#window });
    if (this.#question.of !== STACKS.of)
      this.#post({ type: 'ask', question: this.#question, number: this.#asked });
    if (message !== undefined) this.#post(message);
  }

  #onDisconnect(socket: LiveSocket): void {
    const { disconnectedMs = Date.now() } = this.#state;
    this.#change({ connection: 'disconnected', disconnectedMs });
    this.#isSubscribed = false;
    // The server has forgotten what it waited for.
    this.#acknowledgements.clear();
    if (socket.active) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => socket.connect(), RETRY_MS);
  }

  /** Chunks come while somebody looks. */
  #follow = (): void => {
    const socket = this.#socket;
    if (socket === undefined) return;
    const { paused } = this.#state;
    const wanted = socket.connected && (!paused || this.#takesNames) && !document.hidden;
    if (wanted === this.#isSubscribed) return;
    this.#isSubscribed = wanted;
    this.#awaitsSnapshot = true;
    if (socket.connected) socket.emit(wanted ? 'subscribe' : 'unsubscribe');
  };

  /** A chunk is acknowledged, where that is asked, when the worker has taken it in: a slow page is sent less. */
  #forward(bytes: ArrayBuffer, part: SnapshotPart | undefined, acknowledge?: () => void): void {
    if (part?.isFirst === true) this.#awaitsSnapshot = false;
    // What is held is not replaced.
    if (this.#takesNames && part !== undefined) this.#awaitsSnapshot = true;
    if (!this.#isSubscribed || this.#awaitsSnapshot) {
      acknowledge?.();
      return;
    }
    if (part !== undefined && this.#state.phase === 'loading') this.#showProgress(bytes, part);
    const number = this.#nextNumber++;
    if (acknowledge !== undefined) this.#acknowledgements.set(number, acknowledge);
    const chunks = { number, bytes };
    this.#post(
      part === undefined
        ? { type: this.#takesNames ? 'names' : 'chunk', ...chunks }
        : { type: 'snapshot', ...chunks, ...part },
      [bytes],
    );
  }

  #showProgress({ byteLength }: ArrayBuffer, { isFirst, restBytes }: SnapshotPart): void {
    const before = isFirst ? 0 : (this.#state.progress?.loadedBytes ?? 0);
    const loadedBytes = before + byteLength;
    this.#change({ progress: { loadedBytes, totalBytes: loadedBytes + restBytes } });
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case 'applied':
        this.#takenUntilMs = message.untilMs;
        this.#acknowledgements.get(message.number)?.();
        this.#acknowledgements.delete(message.number);
        break;
      case 'resynchronize':
        this.#awaitsSnapshot = true;
        if (this.#isSubscribed) this.#socket?.emit('subscribe');
        break;
      case 'progress': {
        const { loadedBytes, totalBytes } = message;
        this.#change({
          progress: totalBytes === undefined ? { loadedBytes } : { loadedBytes, totalBytes },
        });
        break;
      }
      case 'answer':
        this.#post({ type: 'taken' });
        if (message.number === this.#asked) this.#show(message.answer);
        break;
      case 'error':
        this.#change({ phase: 'error', error: message.message });
        break;
    }
  }

  #show(answer: Answer): void {
    switch (answer.of) {
      case 'stacks':
        this.#take(answer.update);
        break;
      case 'latency':
        if (answer.stacks !== undefined) this.#take(answer.stacks);
        this.#change({ phase: 'ready', latency: receivedLatency(answer.result) });
        break;
      case 'threads':
        this.#change({ phase: 'ready', threads: { ...this.#state.threads, ...answer.update } });
        break;
    }
  }

  #take({ profile, found }: AnalysisUpdate): void {
    if (profile !== undefined) {
      const { rows, isNewTable } = profile.labels;
      if (isNewTable) this.#labels = new ReceivedLabels();
      this.#labels.append(rows);
      this.#result = profile.result;
    }
    if (this.#result === undefined) return;
    this.#change({
      phase: 'ready',
      analysis: { ...this.#result, ...found, labels: this.#labels },
    });
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }

  #change(change: Partial<ProfileState>, isAll = false): void {
    this.#state = isAll ? { ...EMPTY, ...change } : { ...this.#state, ...change };
    if (this.#status !== undefined) {
      this.#state = {
        ...this.#state,
        status: this.#status,
        takenUntilMs: this.#takenUntilMs,
      };
      this.#status = undefined;
      clearTimeout(this.#statusTimer);
      this.#statusTimer = undefined;
    }
    for (const listener of this.#listeners) listener();
  }
}
