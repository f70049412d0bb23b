/** The other side of bpf/bell.bpf.h: calls when code runs that the agent has never seen. */
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BpfMap } from './libbpf';
import { closeFd, openEvent, readable } from './libc';
import { Ring } from './ring';

const KEY = new Uint8Array(4);
const ARMED = new Uint8Array(Uint32Array.of(1).buffer);
/** After a program has started, until it has its libraries mapped too. */
const LOADING_MS = 10;
/** A tool chain's programs start one after the other; what goes on and on is left to the timer. */
const MOST_CALLS = 8;

export class Bell {
  readonly #ring: Ring;
  readonly #map: BpfMap;
  readonly #armed: BpfMap;
  readonly #onRing: () => void;
  /** Readable when nobody waits any more. */
  readonly #end = openEvent();
  readonly #waiting: Promise<void>;
  #calls = MOST_CALLS;
  #isArmed = false;
  #isDisposed = false;

  /** `onRing` is called once for each time that the bell was armed, at most. */
  constructor(maps: { readonly bell: BpfMap; readonly armed: BpfMap }, onRing: () => void) {
    this.#map = maps.bell;
    this.#ring = new Ring(maps.bell);
    this.#armed = maps.armed;
    this.#onRing = onRing;
    this.rearm();
    this.#waiting = this.#wait();
    process.once('exit', this.#endWaiting);
  }

  /** To be called on each turn of the timer: it is worth one call. */
  refill(): void {
    this.#calls = Math.min(MOST_CALLS, this.#calls + 1);
    this.rearm();
  }

  /** To be called when what it rang for was read. */
  rearm(): void {
    if (this.#isArmed || this.#calls === 0) return;
    this.#calls--;
    this.#isArmed = true;
    this.#armed.update(KEY, ARMED);
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    this.#endWaiting();
    process.off('exit', this.#endWaiting);
    await this.#waiting;
    closeFd(this.#end);
    this.#ring.dispose();
  }

  async #wait(): Promise<void> {
    for (;;) {
      await readable([this.#map.fd, this.#end]);
      if (this.#isDisposed) return;
      if (this.#ring.drain(this.#ring.position(), () => {}) === 0) continue;
      this.#isArmed = false;
      await sleep(LOADING_MS);
      if (!this.#isDisposed) this.#onRing();
    }
  }

  readonly #endWaiting = (): void => {
    writeSync(this.#end, BigUint64Array.of(1n));
  };
}
