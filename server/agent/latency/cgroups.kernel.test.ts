import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { analyseLatency } from '@/profile/latency/analysis';
import type { Profile } from '@/profile/profile';
import { cgroup2Mount } from '../cgroups';
import { systemCall, systemCallsOfChildren } from './collect-for-tests';

/** Each program calls it once, when it starts. */
const STARTS = systemCall('set_tid_address');
const RUNS = 20;
/** The shell moves itself to a cgroup, and runs short processes there. */
const LOOP = `echo $$ > "$0"; i=0; while [ $i -lt ${RUNS} ]; do /bin/true; i=$((i + 1)); done`;
/** It is in one after the other, each for more than a second. */
const MOVES = `for to; do echo $$ > "$to/cgroup.procs"; for i in $(seq 15); do sleep 0.1; done; done`;

const made: string[] = [];

afterEach(() => {
  for (const directory of made.splice(0).reverse()) if (existsSync(directory)) rmdirSync(directory);
});

function makeCgroup(directory: string): string {
  mkdirSync(directory);
  made.push(directory);
  return directory;
}

/** Runs short processes in a cgroup. */
async function runIn(directory: string): Promise<void> {
  const loop = spawn('sh', ['-c', LOOP, join(directory, 'cgroup.procs')], { stdio: 'inherit' });
  expect(await once(loop, 'exit')).toEqual([0, null]);
}

/** How many of the short processes ran there, by those of their latencies that say so. */
function startedIn(profile: Profile, container: string): number {
  const { processes } = analyseLatency(profile, { ...STARTS, containers: [container] });
  return processes.filter(({ name, count }) => name === 'true' && count === 1).length;
}

describe('latencies by cgroup', () => {
  const mount = cgroup2Mount() ?? '';

  it('are of the cgroup that a process was in, though both lived for an instant', async () => {
    const name = `hearth-${process.pid}-short`;
    const profile = await systemCallsOfChildren(async () => {
      const directory = makeCgroup(join(mount, name));
      await runIn(directory);
      rmdirSync(directory);
    });
    expect(startedIn(profile, `/${name}`)).toBe(RUNS);
  });

  it('are of each cgroup that a process was moved to', async () => {
    const [before, after] = ['a', 'b'].map((end) => `hearth-${process.pid}-${end}`);
    const profile = await systemCallsOfChildren(async () => {
      const directories = [before, after].map((name) => makeCgroup(join(mount, name)));
      const moving = spawn('sh', ['-c', MOVES, 'sh', ...directories], { stdio: 'inherit' });
      await once(moving, 'exit');
      await sleep(300);
    });
    const { groups } = analyseLatency(profile, systemCall('wait4'));
    const names = groups.map(({ name }) => name);
    expect(names).toContain(`/${before}`);
    expect(names).toContain(`/${after}`);
  });

  const v1 = '/sys/fs/cgroup/pids';
  it.skipIf(!existsSync(join(v1, 'cgroup.procs')))(
    'are of a container that other hierarchies know',
    async () => {
      const id = 'abcdef012345'.padEnd(64, String(process.pid % 10));
      const profile = await systemCallsOfChildren(async () => {
        const directory = makeCgroup(join(v1, `docker-${id}.scope`));
        await runIn(directory);
        rmdirSync(directory);
      });
      expect(startedIn(profile, 'docker:abcdef012345')).toBe(RUNS);
    },
  );
});
