/** Where latency programs count: two tables of histograms, one of which is written to while the other is read. */
import { FREQUENT_CALLS, LONG_LATENCY_NS } from '@/profile/latency/sources';
import type { BpfMap, BpfObject, ProgramRunTime } from '../libbpf';
import { tickNs } from '../libc';
import {
  LATENCY_CONTROL,
  LATENCY_CONTROL_BYTES,
  LATENCY_KEY_BYTES,
  LATENCY_SLOT,
  LATENCY_SLOT_BYTES,
  LATENCY_VALUE,
  LATENCY_VALUE_BYTES,
} from './layout';

/** One bucket of one key (struct latency_key), summed over CPUs. The key is in a buffer that is used again. */
export type ReceiveBucket = (keys: Buffer, at: number, count: number, sum: number) => void;

/** Events since the start that are not counted as they should be. */
export interface LatencyLosses {
  /** In no histogram: they found no room. */
  readonly uncounted: number;
  /** In no histogram: their end was not seen. */
  readonly unseen: number;
  /** Their histograms are of no process, for there were too many. */
  readonly withoutProcess: number;
}

export const NO_LOSSES: LatencyLosses = { uncounted: 0, unseen: 0, withoutProcess: 0 };

export function sumOfLosses(a: LatencyLosses, b: LatencyLosses): LatencyLosses {
  return {
    uncounted: a.uncounted + b.uncounted,
    unseen: a.unseen + b.unseen,
    withoutProcess: a.withoutProcess + b.withoutProcess,
  };
}

/** Programs that count latencies. */
export interface LatencyCounter {
  /** Whether stacks can be asked for with `setStacks`. */
  readonly takesStacks: boolean;
  readonly losses: LatencyLosses;
  /** Of how many events that are not long one is timed, and bits of LATENCY_MODES; of objects that are thinned. */
  control(oneIn: number, modes: number): void;
  /** Of waits, from when to when events are counted, by the monotonic clock; until it is called: none. */
  countBetween(fromNs: bigint, untilNs?: bigint): void;
  /** Which kinds of events get stacks, as `kindsOf` has them, and from which length on all of them, in ns. */
  setStacks(kinds: bigint, thresholdNs: number): void;
  /** Hands over all that was counted since the last time, each event once. One call at a time. */
  take(receive: ReceiveBucket): Promise<void>;
  /** Ends measuring, then hands over what is left. */
  finish(receive: ReceiveBucket): Promise<void>;
  runTimes(): ProgramRunTime[];
  mapFds(): number[];
  dispose(): void;
}

/** A data section, which programs read without a look-up. */
const CONTROL_MAP = '.data.control';
const ZERO_KEY = new Uint8Array(4);
/** Of `enum latency_loss`. */
const LOSS_KEYS = [0, 1].map((loss) => new Uint8Array(Uint32Array.of(loss).buffer));
const FOREVER = 2n ** 64n - 1n;

/** Two maps and the map of maps that says which of them is written to. */
class DoubleBuffer {
  readonly #outer: BpfMap;
  #active: BpfMap;
  #spare: BpfMap;

  constructor(object: BpfObject, outer: string, first: string, second: string) {
    this.#outer = object.map(outer);
    this.#active = object.map(first, 'perCpu');
    this.#spare = object.map(second, 'perCpu');
  }

  /** The one that was written to until now, and is no more. */
  async swap(): Promise<BpfMap> {
    await this.#outer.replaceInner(this.#spare);
    [this.#active, this.#spare] = [this.#spare, this.#active];
    return this.#spare;
  }
}

export class LatencyTables {
  readonly #object: BpfObject;
  readonly #tables: DoubleBuffer;
  /** Without processes. */
  readonly #rest: DoubleBuffer;
  /** Of objects that count in them first. */
  readonly #slots: DoubleBuffer | undefined;
  readonly #lost: BpfMap;
  #withoutProcess = 0;
  #oneIn = 1;
  #modes = 0;
  #fromNs = 0n;
  #untilNs = 0n;

  constructor(object: BpfObject) {
    this.#object = object;
    this.#tables = new DoubleBuffer(object, 'latency_tables', 'latency_a', 'latency_b');
    this.#rest = new DoubleBuffer(
      object,
      'latency_rest_tables',
      'latency_rest_a',
      'latency_rest_b',
    );
    this.#slots = object.hasMap('latency_slot_tables')
      ? new DoubleBuffer(object, 'latency_slot_tables', 'latency_slots_a', 'latency_slots_b')
      : undefined;
    this.#lost = object.map('latency_lost', 'perCpu');
  }

  /** As of LatencyCounter. */
  control(oneIn: number, modes: number): void {
    [this.#oneIn, this.#modes] = [oneIn, modes];
    this.#writeControl();
  }

  /** As of LatencyCounter. */
  countBetween(fromNs: bigint, untilNs = FOREVER): void {
    [this.#fromNs, this.#untilNs] = [fromNs, untilNs];
    this.#writeControl();
  }

  /** Hands over all that was counted since the last time, each event once. One call at a time. */
  async take(receive: ReceiveBucket): Promise<void> {
    const [table, rest, slots] = await Promise.all([
      this.#tables.swap(),
      this.#rest.swap(),
      this.#slots?.swap(),
    ]);
    readTable(table, receive);
    readTable(rest, (keys, at, count, sum) => {
      this.#withoutProcess += count;
      receive(keys, at, count, sum);
    });
    if (slots !== undefined) readSlots(slots, receive);
  }

  get losses(): LatencyLosses {
    const [uncounted, unseen] = LOSS_KEYS.map((key) =>
      new BigUint64Array(this.#lost.lookup(key)?.buffer ?? new ArrayBuffer(0)).reduce(
        (sum, value) => sum + Number(value),
        0,
      ),
    );
    return {
      uncounted,
      unseen,
      withoutProcess: this.#withoutProcess,
    };
  }

  #writeControl(): void {
    if (!this.#object.hasMap(CONTROL_MAP)) return;
    const value = new DataView(new ArrayBuffer(LATENCY_CONTROL_BYTES));
    value.setUint32(LATENCY_CONTROL.one_in, this.#oneIn, true);
    value.setUint32(LATENCY_CONTROL.modes, this.#modes, true);
    value.setUint32(LATENCY_CONTROL.tick_ns, tickNs(), true);
    value.setUint32(LATENCY_CONTROL.long_ticks, Math.round(LONG_LATENCY_NS / tickNs()), true);
    const calls = Math.round((FREQUENT_CALLS.aSecond * tickNs()) / 1e9);
    value.setUint32(LATENCY_CONTROL.calls_in_tick, calls, true);
    value.setUint32(LATENCY_CONTROL.one_call_in, FREQUENT_CALLS.oneIn, true);
    value.setBigUint64(LATENCY_CONTROL.from_ns, this.#fromNs, true);
    value.setBigUint64(LATENCY_CONTROL.until_ns, this.#untilNs, true);
    this.#object.map(CONTROL_MAP).update(ZERO_KEY, new Uint8Array(value.buffer));
  }
}

function readTable(table: BpfMap, receive: ReceiveBucket): void {
  table.takeAll((keyBytes, valueBytes, rows) => {
    const keys = Buffer.from(keyBytes.buffer);
    const values = new DataView(valueBytes.buffer);
    const copies = valueBytes.length / (keyBytes.length / LATENCY_KEY_BYTES) / LATENCY_VALUE_BYTES;
    for (let row = 0, at = 0; row < rows; row++) {
      let [count, sum] = [0, 0];
      for (let cpu = 0; cpu < copies; cpu++, at += LATENCY_VALUE_BYTES) {
        count += Number(values.getBigUint64(at + LATENCY_VALUE.count, true));
        sum += Number(values.getBigUint64(at + LATENCY_VALUE.sum, true));
      }
      receive(keys, row * LATENCY_KEY_BYTES, count, sum);
    }
  });
}

function readSlots(slots: BpfMap, receive: ReceiveBucket): void {
  const values = Buffer.from(slots.takeArray().buffer);
  for (let at = 0; at < values.length; at += LATENCY_SLOT_BYTES) {
    const value = at + LATENCY_SLOT.value;
    const count = Number(values.readBigUInt64LE(value + LATENCY_VALUE.count));
    if (count > 0)
      receive(values, at, count, Number(values.readBigUInt64LE(value + LATENCY_VALUE.sum)));
  }
}
