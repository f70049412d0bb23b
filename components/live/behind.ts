/** Whether a live page keeps up with what it is sent. */
import type { ProfileState } from '@/components/profile-worker/client';

/** What has just ended is sent and taken in within a second or so. */
const FROM_S = 3;

/**
 * How many seconds old the newest is of what a page has that is to show the present; 0 where it keeps up. Both times are of the machine that is
 * profiled, for the browser's clock may be another one.
 */
export function secondsBehind({ connection, paused, status, takenUntilMs }: ProfileState): number {
  const toldMs = status?.collector?.timeMs;
  if (connection !== 'connected' || paused || toldMs === undefined || takenUntilMs === undefined)
    return 0;
  const seconds = Math.floor((toldMs - takenUntilMs) / 1e3);
  return seconds < FROM_S ? 0 : seconds;
}
