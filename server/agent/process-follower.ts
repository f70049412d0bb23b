/** Follows all processes of the machine, for those who sample nothing: their names and cgroups, however short they live. */
import { distFile } from '@/server/root';
import { BpfObject } from './libbpf';
import { Modules } from './modules';
import { type Process, Processes } from './processes';
import { type RecordReceiver, readRecords } from './record-reader';
import { COUNTERS } from './records';
import { Ring } from './ring';

const nothing = (): void => {};
const ZERO_KEY = new Uint8Array(4);

export class ProcessFollower {
  readonly #object: BpfObject;
  readonly #ring: Ring;
  readonly #processes = new Processes(new Modules());
  readonly #receiver: RecordReceiver = {
    time: nothing,
    sample: nothing,
    stack: nothing,
    fork: (event) => this.#processes.fork(event),
    exec: (event) => this.#processes.exec(event),
    exit: (event) => this.#processes.exit(event),
    rename: (event) => this.#processes.rename(event),
    cgroup: (event) => this.#processes.cgroup(event),
    wait: nothing,
    waitStack: nothing,
    threadEnd: nothing,
    latency: nothing,
  };

  private constructor(object: BpfObject, ring: Ring) {
    this.#object = object;
    this.#ring = ring;
    object.attachAll();
    this.#processes.scan();
  }

  /** Loads and attaches. Rejects with BpfError and SystemError. */
  static async start(): Promise<ProcessFollower> {
    const object = await BpfObject.load(distFile('bpf/process.bpf.o'));
    let ring: Ring | undefined;
    try {
      ring = new Ring(object.map('events'));
      return new ProcessFollower(object, ring);
    } catch (error) {
      ring?.dispose();
      object.dispose();
      throw error;
    }
  }

  /** Takes in what has happened until now. To be called about once a second. */
  read(): void {
    readRecords(this.#ring, this.#ring.position(), this.#receiver);
  }

  /** Forgets those that had ended a while before. To be called when what was read has been looked at. */
  forgetEnded(): void {
    this.#processes.forgetExited(Number(process.hrtime.bigint()));
  }

  /** As of the last reading; made up without a name where it is not known. */
  get(pid: number): Process {
    return this.#processes.get(pid);
  }

  /** Events that found no room, since the start: names may be missing. */
  get lost(): number {
    const values = this.#object.map('counters', 'perCpu').lookup(ZERO_KEY);
    if (values === undefined) return 0;
    const at = COUNTERS.indexOf('process-event-ring-full');
    return new BigUint64Array(values.buffer).reduce(
      (sum, value, i) => (i % COUNTERS.length === at ? sum + Number(value) : sum),
      0,
    );
  }

  dispose(): void {
    this.#ring.dispose();
    this.#object.dispose();
  }
}
