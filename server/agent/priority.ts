/**
 * On a machine whose CPUs are all busy, a profiler that waits its turn is late with names and unwind tables, and loses
 * samples. It needs little time, so it may have it first.
 */
import { setPriority } from 'node:os';

const NICE = -20;

/** Raises the priority of the calling thread, and of those that it starts from now on. */
export function raisePriority(): void {
  try {
    setPriority(0, NICE);
  } catch {
    // Without CAP_SYS_NICE: everything works, only later.
  }
}
