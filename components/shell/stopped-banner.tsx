import type { ReactNode } from 'react';
import { Banner } from '@/components/ui/banner';
import { formatClock } from '@/components/ui/format';
import { type Extra, extraTitle } from '@/profile/program-cost';
import type { LiveStatus, StoppedExtra } from '@/profile/status';

export function stoppedBy(status: LiveStatus | undefined, extra: Extra): StoppedExtra | undefined {
  return status?.budget.stopped.find((stopped) => stopped.extra === extra);
}

/** Says that something was switched off to keep to the budget, until somebody switches it on again. */
export function StoppedBanner({
  stopped: { extra, timeMs, reason },
  actions,
}: {
  readonly stopped: StoppedExtra;
  readonly actions?: ReactNode;
}) {
  return (
    <Banner look="warn" actions={actions}>
      <strong>
        {extraTitle(extra)}: switched off at {formatClock(timeMs)} to keep to the budget.
      </strong>{' '}
      Measuring {reason}. To keep it on, raise the budget first, at the foot of the live page.
    </Banner>
  );
}
