import type { ReactElement } from 'react';
import type { ProfileState } from '@/components/profile-worker/client';
import { Banner } from '@/components/ui/banner';
import { Button } from '@/components/ui/button';
import { formatClock } from '@/components/ui/format';
import { ReloadIcon } from '@/components/ui/icons';
import { useNow, useTimeOf } from '@/components/ui/use-now';
import type { LiveStatus } from '@/profile/status';

/** Says why a live page stands still, or that what it records is lost, where that is so. `hasPicture`: one that stays. */
export function serverBanner(
  { phase, error, disconnectedMs, status }: ProfileState,
  hasPicture: boolean,
): ReactElement | undefined {
  if (phase === 'error' && hasPicture) {
    return (
      <Banner
        look="danger"
        actions={
          <Button onClick={() => location.reload()}>
            <ReloadIcon />
            Load again
          </Button>
        }
      >
        <strong>This picture is old:</strong> {withoutStop(error ?? 'the reason is not known')}.
      </Banner>
    );
  }
  if (disconnectedMs !== undefined && hasPicture) {
    return (
      <Banner look="warn">
        <strong>Disconnected since {formatClock(disconnectedMs)}.</strong> This is the last picture
        that came, and stays; other pages can’t be loaded. Trying to connect again; if it doesn’t,
        check that <code>hearth serve</code> is running.
      </Banner>
    );
  }
  if (status?.agent.state === 'dead') {
    return (
      <Banner look="danger">
        <strong>Nothing is measured now:</strong> {withoutStop(status.agent.reason)}.{' '}
        <Restart status={status} restartInMs={status.agent.restartInMs} /> What was recorded is
        kept.
      </Banner>
    );
  }
  if (status?.storeProblem !== undefined) {
    return (
      <Banner look="danger">
        <strong>The recording can’t be stored:</strong> {status.storeProblem}
      </Banner>
    );
  }
  return undefined;
}

const withoutStop = (sentence: string): string => sentence.replace(/\.$/, '');

function Restart({
  status,
  restartInMs,
}: {
  readonly status: LiveStatus;
  readonly restartInMs: number | undefined;
}) {
  const statusMs = useTimeOf(status);
  const now = useNow(restartInMs === undefined ? undefined : 250);
  if (restartInMs === undefined)
    return <>It will not start again by itself: restart hearth serve.</>;
  const seconds = Math.ceil(Math.max(0, statusMs + restartInMs - now) / 1000);
  return <>{seconds > 0 ? `It starts again in ${seconds} s.` : 'It is starting again.'}</>;
}
