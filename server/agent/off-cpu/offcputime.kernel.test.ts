import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { compileWorkload } from '@/bench/workloads/compile';
import { ProfiledRun, RunningWorkload, stackNames } from '@/bench/workloads/run';
import { hasLibbpfTool, LibbpfTool } from '../libbpf-tools-for-tests';

const THRESHOLD_NS = 10e6;

interface Result {
  readonly threads: readonly { readonly name: string; readonly tid: number }[];
}

/** Nanoseconds by thread ID, of the lines that offcputime prints for each stack: "-  NAME (TID)", then microseconds. */
function offCpuTimes(output: string): Map<number, number> {
  const times = new Map<number, number>();
  for (const [, tid, us] of output.matchAll(/^\s+-\s+.* \((\d+)\)\n\s+(\d+)$/gm))
    times.set(Number(tid), (times.get(Number(tid)) ?? 0) + Number(us) * 1000);
  return times;
}

// Its user stacks miss the function that calls into the C library, which keeps no frame pointers; but each function of
// this workload has a thread of its own.
it.runIf(hasLibbpfTool('offcputime'))(
  'off-CPU time by function is what offcputime says of the thread that runs it',
  async () => {
    const run = await ProfiledRun.start(
      19,
      { kind: 'all' },
      { thresholdNs: THRESHOLD_NS, stackTime: 'late' },
    );
    const other = await LibbpfTool.start('offcputime', ['--stack-storage-size', '65536', '600'], 1);
    const workload = new RunningWorkload(compileWorkload('waits'), ['sleeps', 5]);
    const { threads } = await workload.result<Result>();
    const theirs = offCpuTimes(await other.stop());
    await sleep(300);
    const profile = await run.stop();

    const { waits, threads: known, processes } = profile;
    const { thread, weight, durationNs, stack } = waits.columns;
    for (const { name, tid } of threads) {
      const inner = `sleep_${name.split('-')[1]}ms`;
      let [own, variance, longest] = [0, 0, 0];
      for (let row = 0; row < waits.length; row++) {
        if (processes.columns.pid[known.columns.process[thread[row]]] !== workload.pid) continue;
        // By function alone, whichever thread: each of these functions has one.
        if (!stackNames(profile, stack[row]).includes(inner)) continue;
        own += weight[row];
        variance += weight[row] * Math.max(0, weight[row] - durationNs[row]);
        longest = Math.max(longest, durationNs[row]);
      }
      const truth = theirs.get(tid) ?? 0;
      expect(truth, `${name} by offcputime`).toBeGreaterThan(4e9);
      // Drawing; a wait whose stack came while the process's tables were still being made; each tool's own cost.
      const bound = 3 * Math.sqrt(variance) + longest + 0.02 * truth;
      expect(Math.abs(own - truth), `${inner}: ${own}, ${truth} by offcputime`).toBeLessThan(bound);
    }
  },
);
