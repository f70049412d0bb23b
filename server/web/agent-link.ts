/** The agent, as seen from the web process: its frames, its state, and what it is told. The launcher starts it. */
import type { Socket } from 'node:net';
import type { LatencySource } from '@/profile/latency/sources';
import type { CollectorStatus, HostDescription, LiveStatus } from '@/profile/status';
import { type AgentFrame, type Control, FrameReader, type Question } from '@/server/wire';

/** What the launcher says over the IPC channel; `agent` comes with the socket. */
export type LauncherMessage =
  | { readonly type: 'agent'; readonly restarts: number }
  | { readonly type: 'agent-exit'; readonly reason: string; readonly restartInMs?: number }
  | { readonly type: 'stop' };

/** What it is told. */
export interface WebMessage {
  readonly type: 'ready';
}

export interface AgentEvents {
  chunk(bytes: Uint8Array<ArrayBuffer>): void;
  /** The state or the collector's status has changed. */
  changed(): void;
  /** An agent has begun to collect. */
  started(): void;
  status(status: CollectorStatus): void;
}

export interface LatencyWish {
  readonly sources: readonly LatencySource[];
  /** Those of them whose events get stacks. */
  readonly stacks: readonly LatencySource[];
}

/** Told a recording's end, as a chunk; undefined where no agent will say it. */
export type EndReceiver = (bytes: Uint8Array<ArrayBuffer> | undefined) => void;

export class AgentLink {
  readonly #events: AgentEvents;
  /** Whom the agent still owes an answer, which come in the order of the questions. */
  readonly #asking: EndReceiver[] = [];
  #socket: Socket | undefined;
  /** The last of each kind: what agents do has to outlive them. */
  readonly #told = new Map<Control['set'], Control>();
  #restarts = 0;
  #failure: string | undefined;
  #state: LiveStatus['agent'] = { state: 'starting' };
  /** When a dead agent is started again, by performance.now(); undefined where it is not. */
  #restartAtMs: number | undefined;
  collector: CollectorStatus | undefined;
  host: HostDescription | undefined;

  constructor(events: AgentEvents) {
    this.#events = events;
  }

  /** As of now: the time to the restart of a dead agent gets shorter. */
  get state(): LiveStatus['agent'] {
    if (this.#state.state !== 'dead') return this.#state;
    return {
      ...this.#state,
      restartInMs:
        this.#restartAtMs === undefined
          ? undefined
          : Math.max(0, this.#restartAtMs - performance.now()),
    };
  }

  get isConnected(): boolean {
    return this.#socket !== undefined;
  }

  /** A new agent has been started; the socket is its other end. */
  connect(socket: Socket, restarts: number): void {
    this.#socket = socket;
    this.#restarts = restarts;
    const reader = new FrameReader();
    socket.on('data', (data) => {
      try {
        for (const frame of reader.push(data)) this.#receive(frame);
      } catch (error) {
        // A stream that can't be read is as good as none: the agent ends at its end, and is started again.
        this.#failure = `its data could not be read: ${error instanceof Error ? error.message : error}`;
        socket.destroy();
      }
    });
    // The launcher tells why it ended.
    socket.on('error', () => {});
    socket.on('close', () => {
      for (const receive of this.#asking.splice(0)) receive(undefined);
    });
    for (const control of this.#told.values()) this.#write(socket, control);
    socket.resume();
  }

  exited(reason: string, restartInMs: number | undefined): void {
    this.#socket = undefined;
    this.collector = undefined;
    this.#state = { state: 'dead', reason: this.#failure ?? reason, restartInMs };
    this.#restartAtMs = restartInMs === undefined ? undefined : performance.now() + restartInMs;
    this.#failure = undefined;
    this.#events.changed();
  }

  /** What latencies it has been told to measure. */
  get latency(): LatencyWish {
    const told = this.#told.get('latency');
    return told?.set === 'latency' ? told : { sources: [], stacks: [] };
  }

  /** False where no agent runs. The next agent is told the same. */
  tell(control: Control): boolean {
    if (this.#socket === undefined) return false;
    this.#told.set(control.set, control);
    this.#write(this.#socket, control);
    return true;
  }

  /**
   * Asks for what a recording that ends now has beyond the chunks until the answer. `receive` is called once, between the
   * chunks that come before the answer and those that come after it.
   */
  askForEnd(receive: EndReceiver): void {
    if (this.#socket?.writable !== true) {
      receive(undefined);
      return;
    }
    this.#asking.push(receive);
    this.#write(this.#socket, { ask: 'recordingEnd' });
  }

  #write(socket: Socket, line: Control | Question): void {
    socket.write(`${JSON.stringify(line)}\n`);
  }

  #receive(frame: AgentFrame): void {
    switch (frame.type) {
      case 'hello':
        this.host = frame.hello.host;
        this.#state = {
          state: 'running',
          pid: frame.hello.pid,
          sinceMs: Date.now(),
          restarts: this.#restarts,
        };
        this.#events.started();
        this.#events.changed();
        break;
      case 'chunk':
        this.#events.chunk(frame.bytes);
        break;
      case 'recordingEnd':
        this.#asking.shift()?.(frame.bytes);
        break;
      case 'status':
        this.collector = frame.status;
        this.#events.status(frame.status);
        this.#events.changed();
        break;
      case 'failure':
        this.#failure = frame.failure.message;
        break;
    }
  }
}
