/** States of threads as they are drawn: calm colours for waits that are mostly meant, strong ones for the others. */
import type { Scheme } from '@/components/flame-graph/color';
import { STATE_NAMES } from '@/profile/schema';
import { THREAD_STATES } from '@/profile/thread-ledger';

/** By ThreadState. */
const COLORS: Readonly<Record<Scheme, readonly string[]>> = {
  light: [
    '#d9480f',
    '#eab308',
    '#946200',
    '#cfcac3',
    '#c05b80',
    '#7048c6',
    '#1c7ed6',
    '#0c8599',
    '#a9c4d8',
    '#5c940d',
    '#8f8a83',
    '#f3dd8f',
  ],
  dark: [
    '#f0793a',
    '#e8bc3a',
    '#a87b1e',
    '#45423e',
    '#b0587c',
    '#9a7be8',
    '#4a9be8',
    '#2fa8bb',
    '#3f5a6c',
    '#8bbf3a',
    '#7a756e',
    '#6e5c22',
  ],
};

export function stateColors(scheme: Scheme): readonly string[] {
  return COLORS[scheme];
}

/** By ThreadState; for CSS, in either scheme. */
export const STATE_CSS: readonly string[] = COLORS.light.map(
  (light, state) => `light-dark(${light}, ${COLORS.dark[state]})`,
);

/** The states of a sum by state, the longest first, those alone that there are. */
export function statesByTime(
  ns: ArrayLike<number>,
): readonly { readonly state: number; readonly name: string; readonly share: number }[] {
  let all = 0;
  for (let state = 0; state < THREAD_STATES; state++) all += ns[state];
  return STATE_NAMES.map((name, state) => ({ state, name, share: ns[state] / all }))
    .filter(({ share }) => share > 0)
    .sort((a, b) => b.share - a.share);
}

/** A bar of a sum's shares, as a CSS background. */
export function shareBar(ns: ArrayLike<number>, wholeNs: number): string {
  const stops: string[] = [];
  let at = 0;
  for (let state = 0; state < THREAD_STATES; state++) {
    if (ns[state] <= 0) continue;
    const to = Math.min(100, at + (ns[state] / wholeNs) * 100);
    stops.push(`${STATE_CSS[state]} ${at.toFixed(2)}% ${to.toFixed(2)}%`);
    at = to;
  }
  stops.push(`transparent ${at.toFixed(2)}%`);
  return `linear-gradient(to right, ${stops.join(', ')})`;
}
