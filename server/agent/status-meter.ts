/** What a status tells: what is sampled and measured, and what came of it and what it cost since the status before. */
import type { CollectorStatus } from '@/profile/status';
import { CostMeter, MapMemory, RunTimeMeter, StealMeter } from './cost';
import type { CpuSampler } from './cpu-sampler';
import type { LatencyPrograms } from './latency/latency-programs';
import type { OffCpu } from './off-cpu/off-cpu';

const STATUS_MS = 1000;

/** What there is to tell of. */
interface Told extends Pick<CollectorStatus, 'losses' | 'offCpuProblem' | 'unnamed'> {
  /** Since profiling began. */
  readonly samples: number;
}

export class StatusMeter {
  readonly #sampler: CpuSampler;
  readonly #latency: LatencyPrograms;
  readonly #offCpu: () => OffCpu | undefined;
  readonly #cost = new CostMeter();
  readonly #mapMemory = new MapMemory();
  readonly #steal = new StealMeter();
  readonly #runTimes: RunTimeMeter;
  #atMs = Date.now();
  #samples = 0;

  /** `offCpu`: what there is of it at any moment; `measuresBpfAlways`: as in CollectorOptions. */
  constructor(
    sampler: CpuSampler,
    latency: LatencyPrograms,
    offCpu: () => OffCpu | undefined,
    measuresBpfAlways?: boolean,
  ) {
    this.#sampler = sampler;
    this.#latency = latency;
    this.#offCpu = offCpu;
    this.#runTimes = new RunTimeMeter(measuresBpfAlways);
  }

  get isDue(): boolean {
    return Date.now() - this.#atMs >= STATUS_MS;
  }

  read({ samples, losses, offCpuProblem, unnamed }: Told): CollectorStatus {
    const [sampler, latency, offCpu] = [this.#sampler, this.#latency, this.#offCpu()];
    const nowMs = Date.now();
    const samplesPerSecond = ((samples - this.#samples) * 1000) / (nowMs - this.#atMs);
    this.#atMs = nowMs;
    this.#samples = samples;
    return {
      timeMs: nowMs,
      frequencyHz: sampler.frequencyHz,
      cpus: sampler.cpus.length,
      samplesPerSecond,
      losses,
      agent: this.#cost.read(),
      stolen: this.#steal.read(sampler.cpus.length),
      ...this.#runTimes.read(
        `${offCpu !== undefined} ${latency.sources} ${latency.stacks} ${latency.oneIn}`,
        // A measurement ends later than it begins: off-CPU profiling may be off by then, and its programs gone.
        () => [...sampler.runTimes(), ...latency.runTimes(), ...(this.#offCpu()?.runTimes() ?? [])],
      ),
      bpfMapBytes: this.#mapMemory.read([
        ...new Set([...sampler.mapFds(), ...latency.mapFds(), ...(offCpu?.mapFds() ?? [])]),
      ]),
      latency: {
        sources: latency.sources,
        stacks: latency.stacks,
        oneIn: latency.oneIn,
        problems: latency.problems,
      },
      offCpu: offCpu?.status(),
      offCpuProblem,
      unnamed,
    };
  }

  dispose(): void {
    this.#runTimes.dispose();
  }
}
