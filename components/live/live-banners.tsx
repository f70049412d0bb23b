'use client';

import { DisconnectedBanner } from '@/components/shell/disconnected-banner';
import { Banner } from '@/components/ui/banner';
import { Button } from '@/components/ui/button';
import { ReloadIcon } from '@/components/ui/icons';
import { useNow } from '@/components/ui/use-now';
import type { LiveStatus } from '@/profile/status';

export interface LiveBannersProps {
  /** Wall clock in ms since when there is no connection. */
  readonly disconnectedMs: number | undefined;
  readonly status: LiveStatus | undefined;
  /** When `status` came, in ms. */
  readonly statusMs: number;
  /** Why the picture that is there can't be continued; undefined where it can. */
  readonly error: string | undefined;
}

/** Says why the live view stands still, where it does. */
export function LiveBanners({ disconnectedMs, status, statusMs, error }: LiveBannersProps) {
  if (error !== undefined) {
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
        <strong>This picture is old:</strong> {error.replace(/\.$/, '')}.
      </Banner>
    );
  }
  if (disconnectedMs !== undefined) return <DisconnectedBanner sinceMs={disconnectedMs} />;
  if (status?.agent.state === 'dead') {
    return (
      <Banner look="danger">
        <strong>Nothing is sampled now:</strong> {status.agent.reason.replace(/\.$/, '')}.{' '}
        <Restart restartInMs={status.agent.restartInMs} statusMs={statusMs} />
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
  return null;
}

function Restart({
  restartInMs,
  statusMs,
}: {
  readonly restartInMs: number | undefined;
  readonly statusMs: number;
}) {
  const now = useNow(restartInMs === undefined ? undefined : 250);
  if (restartInMs === undefined) {
    return <>It will not start again by itself: restart hearth serve. What was recorded is kept.</>;
  }
  const seconds = Math.ceil(Math.max(0, statusMs + restartInMs - now) / 1000);
  return (
    <>
      {seconds > 0 ? `It starts again in ${seconds} s.` : 'It is starting again.'} What was recorded
      is kept.
    </>
  );
}
