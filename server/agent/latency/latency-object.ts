/** One object of latency programs: loads and attaches it. */
import { distFile } from '@/server/root';
import { type BpfMap, BpfObject, type ProgramRunTime } from '../libbpf';
import { CONFIGURATION, CONFIGURATION_BYTES, FILTER_KINDS, WATCH } from '../records';
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
  readonly takesStacks: boolean;
  readonly #object: BpfObject;
  readonly #tables: LatencyTables;
  readonly #events: CountedEvents;

  private constructor(object: BpfObject, events: CountedEvents, takesStacks: boolean) {
    this.takesStacks = takesStacks;
    this.#object = object;
    this.#tables = new LatencyTables(object);
    this.#events = events;
  }

  /**
   * Loads and attaches. With `takesStacks`, which needs a filter by maps, stacks can be asked for with `setStacks`. Rejects
   * with BpfError and SystemError.
   */
  static async load(
    name: string,
    filter: LatencyFilter,
    takesStacks: boolean,
  ): Promise<LatencyObject> {
    const shared = 'maps' in filter ? filter.maps : [];
    const object = await BpfObject.load(
      distFile(`bpf/latency-${name}.bpf.o`),
      takesStacks
        ? { shared, constants: { '.rodata.stacks': Uint8Array.of(1, 0, 0, 0) } }
        : {
            shared: shared.filter(({ name }) => !STACK_MAPS.includes(name)),
            withoutMaps: STACK_MAPS,
          },
    );
    const eventPrograms = EVENT_PROGRAMS[name] ?? {};
    const events = new CountedEvents(object, eventPrograms);
    try {
      if ('onlyPids' in filter && filter.onlyPids !== undefined) watch(object, filter.onlyPids);
      const latency = new LatencyObject(object, events, takesStacks);
      events.followCpus();
      object.attachAll({ except: Object.keys(eventPrograms) });
      return latency;
    } catch (error) {
      events.dispose();
      object.dispose();
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

  mapFds(): number[] {
    return this.#object.mapFds();
  }

  dispose(): void {
    this.#events.dispose();
    this.#object.dispose();
  }
}

function watch(object: BpfObject, pids: readonly number[]): void {
  const watched = object.map('watched');
  for (const pid of pids)
    watched.update(new Uint8Array(Uint32Array.of(pid).buffer), Uint8Array.of(WATCH.now));
  const configuration = new DataView(new ArrayBuffer(CONFIGURATION_BYTES));
  configuration.setUint32(CONFIGURATION.filter, FILTER_KINDS.indexOf('processes'), true);
  object.map('configurations').update(ZERO_KEY, new Uint8Array(configuration.buffer));
}
