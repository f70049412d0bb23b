/** How long threads of the workload `waits` were in run queues. */

interface Sleeper {
  readonly name: string;
  readonly count: number;
  readonly lifetimeSeconds: number;
  /** By the scheduler. */
  readonly queueNs: number;
}

/**
 * What a worker was in run queues by the scheduler, of one that sleeps no longer than it did not ask to sleep: since Linux
 * 6.12 the scheduler takes a sleep for run queue now and then.
 */
export function queuedNs({ name, count, lifetimeSeconds, queueNs }: Sleeper): number {
  const milliseconds = /^sleep-(\d+)$/.exec(name)?.[1];
  if (milliseconds === undefined) return queueNs;
  return Math.min(queueNs, lifetimeSeconds * 1e9 - count * Number(milliseconds) * 1e6);
}
