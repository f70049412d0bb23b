/** One object of latency programs, and its two tables of histograms: one is written to while the other is read. */
import { LONG_LATENCY_NS } from '@/profile/latency/sources';
import { distFile } from '@/server/root';
import { type BpfMap, BpfObject, type ProgramRunTime } from '../libbpf';
import { tickNs } from '../libc';
import { CONFIGURATION, CONFIGURATION_BYTES, FILTER_KINDS } from '../records';
import { type CountedEventPrograms, CountedEvents } from './counted-events';
import {
  LATENCY_CONTROL,
  LATENCY_CONTROL_BYTES,
  LATENCY_KEY_BYTES,
  LATENCY_SLOT,
  LATENCY_SLOT_BYTES,
  LATENCY_STACK_CONFIGURATION,
  LATENCY_STACK_CONFIGURATION_BYTES,
  LATENCY_VALUE,
  LATENCY_VALUE_BYTES,
} from './layout';

/** Whose events are counted: what an object's filter maps say, or some processes', or (undefined) everybody's. */
export type LatencyFilter =
  | { readonly maps: readonly BpfMap[] }
  | { readonly onlyPids: readonly number[] | undefined };

/** What only programs that take stacks use: large, so not made for others. */
const STACK_MAPS = [
  'events',
  'counters',
  'sent_stacks',
  ...['modules', 'pages', 'rows', 'rules', 'segments', 'needed', 'processes', 'files'].map(
    (name) => `unwind_${name}`,
  ),
  'latency_scratches',
  'latency_stack_configurations',
  'request_stacks',
  'connect_stacks',
];

/** Of <linux/perf_event.h>. */
const PERF_COUNT_SW_PAGE_FAULTS_MIN = 5;
const PERF_COUNT_SW_PAGE_FAULTS_MAJ = 6;

/** Programs that are not attached by their section's name, by object. */
const EVENT_PROGRAMS: Readonly<Record<string, CountedEventPrograms>> = {
  faults: {
    latency_fault_minor: PERF_COUNT_SW_PAGE_FAULTS_MIN,
    latency_fault_major: PERF_COUNT_SW_PAGE_FAULTS_MAJ,
  },
};

/** A data section, which programs read without a look-up. */
const CONTROL_MAP = '.data.control';

const ZERO_KEY = new Uint8Array(4);

/** One bucket of one key (struct latency_key), summed over CPUs. The key is in a buffer that is used again. */
export type ReceiveBucket = (keys: Buffer, at: number, count: number, sum: number) => void;

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

export class LatencyObject {
  readonly #object: BpfObject;
  readonly #tables: DoubleBuffer;
  /** Of objects that count in them first. */
  readonly #slots: DoubleBuffer | undefined;
  readonly #lostMap: BpfMap;
  readonly #events: CountedEvents;

  /**
   * Loads and attaches. With `takesStacks`, which needs a filter by maps, stacks can be asked for with `setStacks`. Throws
   * BpfError and SystemError.
   */
  constructor(
    readonly name: string,
    filter: LatencyFilter,
    readonly takesStacks: boolean,
  ) {
    const path = distFile(`bpf/latency-${name}.bpf.o`);
    const shared = 'maps' in filter ? filter.maps : [];
    this.#object = BpfObject.load(
      path,
      takesStacks
        ? { shared, constants: { '.rodata.stacks': Uint8Array.of(1, 0, 0, 0) } }
        : {
            shared: shared.filter(({ name }) => !STACK_MAPS.includes(name)),
            withoutMaps: STACK_MAPS,
          },
    );
    const eventPrograms = EVENT_PROGRAMS[name] ?? {};
    this.#events = new CountedEvents(this.#object, eventPrograms);
    try {
      if ('onlyPids' in filter && filter.onlyPids !== undefined) this.#watch(filter.onlyPids);
      this.#tables = new DoubleBuffer(this.#object, 'latency_tables', 'latency_a', 'latency_b');
      this.#slots = this.#object.hasMap('latency_slot_tables')
        ? new DoubleBuffer(
            this.#object,
            'latency_slot_tables',
            'latency_slots_a',
            'latency_slots_b',
          )
        : undefined;
      this.#lostMap = this.#object.map('latency_lost', 'perCpu');
      this.#events.followCpus();
      this.#object.attachAll({ except: Object.keys(eventPrograms) });
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** Of how many events that are not long one is timed, and what is counted of system calls; of objects that are thinned. */
  control(oneIn: number, modes: number): void {
    if (!this.#object.hasMap(CONTROL_MAP)) return;
    const value = new DataView(new ArrayBuffer(LATENCY_CONTROL_BYTES));
    value.setUint32(LATENCY_CONTROL.one_in, oneIn, true);
    value.setUint32(LATENCY_CONTROL.modes, modes, true);
    value.setUint32(LATENCY_CONTROL.tick_ns, tickNs(), true);
    value.setUint32(LATENCY_CONTROL.long_ticks, Math.round(LONG_LATENCY_NS / tickNs()), true);
    this.#object.map(CONTROL_MAP).update(ZERO_KEY, new Uint8Array(value.buffer));
  }

  /** Which kinds of events get stacks, as `kindsOf` has them, and from which length on all of them, in ns. */
  setStacks(kinds: bigint, thresholdNs: number): void {
    const value = new DataView(new ArrayBuffer(LATENCY_STACK_CONFIGURATION_BYTES));
    value.setBigUint64(LATENCY_STACK_CONFIGURATION.threshold_ns, BigInt(thresholdNs), true);
    value.setBigUint64(LATENCY_STACK_CONFIGURATION.kinds, kinds, true);
    this.#object.map('latency_stack_configurations').update(ZERO_KEY, new Uint8Array(value.buffer));
  }

  /** Hands over all that was counted since the last time, each event once. One call at a time. */
  async take(receive: ReceiveBucket): Promise<void> {
    this.#events.followCpus();
    await this.#takeTables(receive);
  }

  /** Ends measuring, then hands over what is left. */
  async finish(receive: ReceiveBucket): Promise<void> {
    this.#events.dispose();
    this.#object.detachAll();
    await this.#takeTables(receive);
  }

  /** Events that found no room, since the start. */
  get lost(): number {
    const values = this.#lostMap.lookup(ZERO_KEY);
    if (values === undefined) return 0;
    return new BigUint64Array(values.buffer).reduce((sum, value) => sum + Number(value), 0);
  }

  runTimes(): ProgramRunTime[] {
    return this.#object.runTimes();
  }

  async #takeTables(receive: ReceiveBucket): Promise<void> {
    const [table, slots] = await Promise.all([this.#tables.swap(), this.#slots?.swap()]);
    readTable(table, receive);
    if (slots !== undefined) readSlots(slots, receive);
  }

  #watch(pids: readonly number[]): void {
    const watched = this.#object.map('watched');
    for (const pid of pids)
      watched.update(new Uint8Array(Uint32Array.of(pid).buffer), Uint8Array.of(1));
    const configuration = new DataView(new ArrayBuffer(CONFIGURATION_BYTES));
    configuration.setUint32(CONFIGURATION.filter, FILTER_KINDS.indexOf('processes'), true);
    this.#object.map('configurations').update(ZERO_KEY, new Uint8Array(configuration.buffer));
  }

  mapFds(): number[] {
    return this.#object.mapFds();
  }

  dispose(): void {
    this.#events.dispose();
    this.#object.dispose();
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
