/** What a collector says of latencies while a test does something. */
import { type Chunk, decodeChunk, encodeChunk, profileOf } from '@/profile/chunk';
import type { LatencyQuery } from '@/profile/latency/analysis';
import type { Profile } from '@/profile/profile';
import type { CollectorStatus } from '@/profile/status';
import type { Filter } from '@/server/wire';
import { Collector } from '../collector';

export interface Collected {
  readonly profile: Profile;
  readonly statuses: readonly CollectorStatus[];
}

/** What was collected from before `run` until after it. Chunks are encoded and decoded, as between agent and web. */
export async function collectWhile(
  filter: Filter,
  run: (collector: Collector, statuses: readonly CollectorStatus[]) => Promise<void>,
): Promise<Collected> {
  const chunks: Chunk[] = [];
  const statuses: CollectorStatus[] = [];
  const collector = await Collector.start({
    frequencyHz: 49,
    filter,
    onChunk: (chunk) => chunks.push(decodeChunk(encodeChunk(chunk))),
    onStatus: (status) => statuses.push(status),
  });
  try {
    await run(collector, statuses);
  } finally {
    await collector.stop();
  }
  return { profile: profileOf(chunks), statuses };
}

/** System call latencies of this test's children. */
export async function systemCallsOfChildren(run: () => Promise<void>): Promise<Profile> {
  const { profile } = await collectWhile(
    { kind: 'trees', pids: [process.pid] },
    async (collector) => {
      await collector.setLatency(['syscalls']);
      await run();
    },
  );
  return profile;
}

/** All latencies of one system call. */
export const systemCall = (label: string): LatencyQuery => ({
  source: 'syscalls',
  label,
  windowSeconds: undefined,
  range: undefined,
  baseline: undefined,
  buckets: undefined,
  pids: [],
  containers: [],
});
