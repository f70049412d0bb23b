import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { NONE } from '@/profile/schema';
import { systemCallsOfChildren } from './collect-for-tests';

/** So many keep within what the kernel's tables hold of one second. */
const RUNS = 300;
const SHELL = `i=0; while [ $i -lt ${RUNS} ]; do /bin/sleep 0.003; i=$((i + 1)); done`;

it('latencies of processes that live for an instant have their names', async () => {
  const profile = await systemCallsOfChildren(async () => {
    await once(spawn('sh', ['-c', SHELL], { stdio: 'ignore' }), 'exit');
  });
  const { columns } = profile.latencies;
  const rows = new Set(columns.process.subarray(0, profile.latencies.length));
  const names = [...rows]
    .filter((row) => row !== NONE)
    .map((row) => profile.string(profile.processes.columns.name[row]));
  expect(names.filter((name) => name.startsWith('pid '))).toEqual([]);
  expect(names.filter((name) => name === 'sleep').length).toBe(RUNS);
});
