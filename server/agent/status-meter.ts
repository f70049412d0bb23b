/** What a status tells: what is sampled and measured, and what came of it and what it cost since the status before. */
import type { CollectorStatus } from '@/profile/status';
import { CostMeter, MapMemory, RunTimeMeter, StealMeter } from './cost';
import type { CpuSampler } from './cpu-sampler';
import type { LatencyPrograms } from './latency/latency-programs';
import type { OffCpu } from './off-cpu/off-cpu';

const STATUS_MS = 1000;

/** What there is to tell of. */
export interface Told extends Pick<CollectorStatus, 'losses' | 'offCpuProblem' | 'unnamed'> {
  /** Since profiling began. */
  readonly samples: number;
  readonly offCpu: OffCpu | undefined;
}

export class StatusMeter {
  readonly #sampler: CpuSampler;
  readonly #latency: LatencyPrograms;
  readonly #cost = new CostMeter();
  readonly #mapMemory = new MapMemory();
  readonly #steal = new StealMeter();
  readonly #runTimes: RunTimeMeter;
  #atMs = Date.now();
  #samples = 0;

  /** `measuresBpfAlways`: as in CollectorOptions. */
  constructor(sampler: CpuSampler, latency: LatencyPrograms, measuresBpfAlways?: boolean) {
    this.#sampler = sampler;
    this.#latency = latency;
    this.#runTimes = new RunTimeMeter(measuresBpfAlways);
  }

  get isDue(): boolean {
    return Date.now() - this.#atMs >= STATUS_MS;
  }

  read({ samples, losses, offCpu, offCpuProblem, unnamed }: Told): CollectorStatus {
    const [sampler, latency] = [this.#sampler, this.#latency];
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
        () => [...sampler.runTimes(), ...latency.runTimes(), ...(offCpu?.runTimes() ?? [])],
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
