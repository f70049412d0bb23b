/** What was lost, and why, in the words of LOSS_REASONS. */
import { formatCount } from '@/components/ui/format';
import { LOSS_REASONS } from '@/profile/status';

export interface LossRow {
  readonly reason: string;
  readonly text: string;
  readonly unit: string;
  readonly count: number;
}

/** Every reason, those with losses first: those with none were counted too. Unknown ones are under their own name. */
export function lossRows(losses: Readonly<Record<string, number>>): LossRow[] {
  const known = Object.entries(LOSS_REASONS).map(([reason, { unit, text }]) => ({
    reason,
    text,
    unit: unit as string,
    count: losses[reason] ?? 0,
  }));
  const unknown = Object.entries(losses)
    .filter(([reason]) => !(reason in LOSS_REASONS))
    .map(([reason, count]) => ({ reason, text: reason, unit: 'events', count }));
  const isNone = ({ count }: LossRow): number => (count > 0 ? 0 : 1);
  return [...known, ...unknown].sort((a, b) => isNone(a) - isNone(b));
}

/** All losses in a few words, by unit: '0', '12 samples', '12 samples, 3 stacks'. */
export function lossSummary(rows: readonly LossRow[]): string {
  const byUnit = new Map(['samples', 'stacks', 'events'].map((unit) => [unit, 0]));
  for (const { unit, count } of rows) byUnit.set(unit, (byUnit.get(unit) ?? 0) + count);
  const parts = Array.from(byUnit)
    .filter(([, count]) => count > 0)
    .map(([unit, count]) => `${formatCount(count)} ${count === 1 ? unit.replace(/s$/, '') : unit}`);
  return parts.length === 0 ? '0' : parts.join(', ');
}
