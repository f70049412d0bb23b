/** One object of latency programs: loads and attaches it. */
import { distFile } from '@/server/root';
import { type BpfMap, BpfObject, type ProgramRunTime } from '../libbpf';
import { CONFIGURATION, CONFIGURATION_BYTES, FILTER_KINDS } from '../records';
import { type CountedEventPrograms, CountedEvents } from './counted-events';
import {
  type LatencyCounter,
  type LatencyLosses,
  LatencyTables,
  type ReceiveBucket,
} from './latency-tables';
import { LATENCY_STACK_CONFIGURATION, LATENCY_STACK_CONFIGURATION_BYTES } from './layout';

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

const ZERO_KEY = new Uint8Array(4);

export class LatencyObject implements LatencyCounter {
  readonly #object: BpfObject;
  readonly #tables: LatencyTables;
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
      this.#tables = new LatencyTables(this.#object);
      this.#events.followCpus();
      this.#object.attachAll({ except: Object.keys(eventPrograms) });
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  control(oneIn: number, modes: number): void {
    this.#tables.control(oneIn, modes);
  }

  countBetween(fromNs: bigint, untilNs?: bigint): void {
    this.#tables.countBetween(fromNs, untilNs);
  }

  setStacks(kinds: bigint, thresholdNs: number): void {
    const value = new DataView(new ArrayBuffer(LATENCY_STACK_CONFIGURATION_BYTES));
    value.setBigUint64(LATENCY_STACK_CONFIGURATION.threshold_ns, BigInt(thresholdNs), true);
    value.setBigUint64(LATENCY_STACK_CONFIGURATION.kinds, kinds, true);
    this.#object.map('latency_stack_configurations').update(ZERO_KEY, new Uint8Array(value.buffer));
  }

  async take(receive: ReceiveBucket): Promise<void> {
    this.#events.followCpus();
    await this.#tables.take(receive);
  }

  async finish(receive: ReceiveBucket): Promise<void> {
    this.#events.dispose();
    this.#object.detachAll();
    await this.#tables.take(receive);
  }

  get losses(): LatencyLosses {
    return this.#tables.losses;
  }

  runTimes(): ProgramRunTime[] {
    return this.#object.runTimes();
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
