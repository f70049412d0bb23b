/** The processes by weight. */
import { groupOf } from './process-group';
import type { Profile } from './profile';
import type { ProcessIndex } from './schema';
import type { StackWeights } from './weights';

export interface ProcessRow {
  readonly pid: number;
  /** Of the newest program image among those with samples. */
  readonly name: string;
  readonly commandLine: string;
  /** '' where it is in none. */
  readonly container: string;
  /** The container, or else the cgroup; see `groupOf`. */
  readonly group: string;
  /** In the sample type's unit. */
  readonly weight: number;
  readonly samples: number;
  /** Of the weight of all rows, 0..1. */
  readonly share: number;
}

/**
 * One row per pid with samples, heaviest first, ties by pid. Give it weights that are not filtered by process, so that a
 * list with a filter on still shows what else there is.
 */
export function processList(profile: Profile, weights: StackWeights): ProcessRow[] {
  const { pid, name, commandLine, container } = profile.processes.columns;
  const weightOf = new Float64Array(profile.processes.length);
  const samplesOf = new Float64Array(profile.processes.length);
  let all = 0;
  for (let i = 0; i < weights.length; i++) {
    weightOf[weights.process[i]] += weights.weight[i];
    samplesOf[weights.process[i]] += weights.samples[i];
    all += weights.weight[i];
  }
  const sums = new Map<number, { newest: ProcessIndex; weight: number; samples: number }>();
  for (let process = 0; process < profile.processes.length; process++) {
    if (samplesOf[process] === 0) continue;
    const sum = sums.get(pid[process]) ?? { newest: process, weight: 0, samples: 0 };
    sum.newest = process;
    sum.weight += weightOf[process];
    sum.samples += samplesOf[process];
    sums.set(pid[process], sum);
  }
  const rows = Array.from(
    sums,
    ([id, { newest, weight, samples }]): ProcessRow => ({
      pid: id,
      name: profile.string(name[newest]),
      commandLine: profile.string(commandLine[newest]),
      container: profile.string(container[newest]),
      group: groupOf(profile, newest),
      weight,
      samples,
      share: all === 0 ? 0 : weight / all,
    }),
  );
  return rows.sort((a, b) => b.weight - a.weight || a.pid - b.pid);
}
