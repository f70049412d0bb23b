import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compileWorkload } from '@/bench/workloads/compile';
import { Histogram } from '@/profile/latency/histogram';
import { ROOT } from '@/server/root';
import { hasLibbpfTool, LibbpfTool } from '../libbpf-tools-for-tests';
import { LatencyPrograms } from './latency-programs';

/** Half a bucket, and the part of a microsecond that biolatency drops. */
const BUCKET_ERROR = 0.05;

interface Row {
  /** Microseconds. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

function rowsOf(output: string): Row[] {
  return [...output.matchAll(/(\d+) -> (\d+)\s*: (\d+)/g)].map(([, low, high, count]) => ({
    low: Number(low),
    high: Number(high),
    count: Number(count),
  }));
}

/** The row with the event of this rank; `share`: 0 to 1. */
function rowAt(rows: readonly Row[], share: number): Row {
  const events = rows.reduce((sum, { count }) => sum + count, 0);
  let seen = 0;
  const row = rows.find(({ count }) => {
    seen += count;
    return seen >= Math.max(1, share * events);
  });
  if (row === undefined) throw new Error('biolatency printed no events');
  return row;
}

it.runIf(hasLibbpfTool('biolatency'))(
  'block requests are as many, and as long in the device, as biolatency says',
  async () => {
    const directory = mkdtempSync(join(ROOT, 'dist', '.biolatency-'));
    const programs = new LatencyPrograms({ onlyPids: undefined });
    try {
      const other = await LibbpfTool.start('biolatency', ['600', '1'], 2);
      await programs.set(['block']);
      const workload = spawn(compileWorkload('latency'), ['file', '300', join(directory, 'file')], {
        stdio: ['pipe', 'ignore', 'inherit'],
      });
      workload.stdin.end('go\n\n');
      await once(workload, 'close');
      await programs.set([]);
      const rows = rowsOf(await other.stop());
      const own = new Histogram();
      for (const { label, bucket, count, sum } of await programs.take())
        if (label.endsWith('in the device')) own.add(bucket, count, sum);

      // Each read and each fsync makes a request or more.
      expect(own.count).toBeGreaterThan(600);
      const theirs = rows.reduce((sum, { count }) => sum + count, 0);
      // The two start and end a moment apart, and see what others do then.
      expect(Math.abs(own.count - theirs)).toBeLessThanOrEqual(10 + 0.02 * theirs);
      for (const share of [0.1, 0.5, 0.9, 0.97]) {
        const us = (own.quantile(share)?.value ?? 0) / 1000;
        const text = `p${100 * share}: ${us} us`;
        expect(us, text).toBeGreaterThan(rowAt(rows, share - 0.02).low * (1 - BUCKET_ERROR) - 1);
        expect(us, text).toBeLessThan((rowAt(rows, share + 0.02).high + 1) * (1 + BUCKET_ERROR));
      }
    } finally {
      programs.dispose();
      rmSync(directory, { recursive: true, force: true });
    }
  },
);
