/** Whether a live page keeps up with what it is sent. */
import type { ProfileState } from '@/components/profile-worker/client';

/** What has just ended is sent, taken in and shown within a second or so. */
const FROM_S = 3;

/**
 * How many seconds old is what a page shows that is to show the present; 0 where it keeps up. Both times are of the machine that is
 * profiled, for the browser's clock may be another one.
 */
export function secondsBehind({ connection, paused, status, analysis }: ProfileState): number {
  const toldMs = status?.collector?.timeMs;
  if (connection !== 'connected' || paused || toldMs === undefined || analysis === undefined)
    return 0;
  const shownMs = (analysis.endNs + analysis.wallOffsetNs) / 1e6;
  const seconds = Math.floor((toldMs - shownMs) / 1e3);
  return seconds < FROM_S ? 0 : seconds;
}
