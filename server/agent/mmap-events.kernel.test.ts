import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { LatencyPrograms } from './latency/latency-programs';
import { MmapEvents } from './mmap-events';
import { onlineCpus } from './perf-event';

it('tells when BPF programs have come and gone, and only then', async () => {
  let changes = 0;
  const events = new MmapEvents({ lost: () => {}, kernelChanged: () => changes++ });
  const changesDuring = async (work: () => unknown): Promise<number> => {
    const before = changes;
    await work();
    events.drain(Number(process.hrtime.bigint()));
    return changes - before;
  };
  try {
    // What was there before is not told.
    expect(await changesDuring(() => onlineCpus().map((cpu) => events.open(cpu)))).toBeGreaterThan(
      0,
    );
    const programs = new LatencyPrograms({ onlyPids: [process.pid] });
    expect(await changesDuring(() => programs.set(['faults']))).toBeGreaterThan(0);
    expect(programs.problems).toEqual({});
    // Those of others on the machine come and go, too, but not all the time.
    await expect.poll(() => changesDuring(() => sleep(200)), { timeout: 10_000 }).toBe(0);
    // The kernel frees programs later than they are detached.
    expect(
      await changesDuring(async () => {
        programs.dispose();
        await sleep(1000);
      }),
    ).toBeGreaterThan(0);
  } finally {
    events.dispose();
  }
});
