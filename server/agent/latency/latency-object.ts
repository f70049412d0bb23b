/** One object of latency programs, and its two tables of histograms: one is written to while the other is read. */
import { distFile } from '@/server/root';
import { type BpfMap, BpfObject, type ProgramRunTime } from '../libbpf';
import { CONFIGURATION, CONFIGURATION_BYTES, FILTER_KINDS } from '../records';
import { LATENCY_KEY_BYTES, LATENCY_VALUE, LATENCY_VALUE_BYTES } from './layout';

/** Whose events are counted: what an object's filter maps say, or some processes', or (undefined) everybody's. */
export type LatencyFilter =
  | { readonly maps: readonly BpfMap[] }
  | { readonly onlyPids: readonly number[] | undefined };

const ZERO_KEY = new Uint8Array(4);

/** One bucket of one key (struct latency_key), summed over CPUs. The key is in a buffer that is used again. */
export type ReceiveBucket = (keys: Buffer, at: number, count: number, sum: number) => void;

export class LatencyObject {
  readonly #object: BpfObject;
  readonly #tables: BpfMap;
  readonly #lostMap: BpfMap;
  #active: BpfMap;
  #spare: BpfMap;

  /** Loads and attaches. Throws BpfError. */
  constructor(
    readonly name: string,
    filter: LatencyFilter,
  ) {
    this.#object = BpfObject.load(distFile(`bpf/latency-${name}.bpf.o`), {
      shared: 'maps' in filter ? filter.maps : [],
    });
    try {
      if ('onlyPids' in filter && filter.onlyPids !== undefined) this.#watch(filter.onlyPids);
      this.#tables = this.#object.map('latency_tables');
      this.#lostMap = this.#object.map('latency_lost', 'perCpu');
      this.#active = this.#object.map('latency_a', 'perCpu');
      this.#spare = this.#object.map('latency_b', 'perCpu');
      this.#object.attachAll();
    } catch (error) {
      this.#object.dispose();
      throw error;
    }
  }

  /** Writes a map of the object's own with one value of 32 bits. */
  set(mapName: string, value: number): void {
    this.#object.map(mapName).update(ZERO_KEY, new Uint8Array(Uint32Array.of(value).buffer));
  }

  /** Hands over all that was counted since the last time, each event once. One call at a time. */
  async take(receive: ReceiveBucket): Promise<void> {
    await this.#tables.replaceInner(this.#spare);
    [this.#active, this.#spare] = [this.#spare, this.#active];
    readTable(this.#spare, receive);
  }

  /** Ends measuring, then hands over what is left. */
  async finish(receive: ReceiveBucket): Promise<void> {
    this.#object.detachAll();
    await this.take(receive);
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
