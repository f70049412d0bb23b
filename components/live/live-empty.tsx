import type { LiveWindow } from '@/components/profile-worker/client';
import { Button } from '@/components/ui/button';
import { Notice } from '@/components/ui/notice';
import type { LiveStatus } from '@/profile/status';
import type { View } from '@/profile/view';

export interface LiveEmptyProps {
  readonly view: View;
  readonly window: LiveWindow;
  readonly status: LiveStatus | undefined;
  onAllProcesses(): void;
  onWindow(window: LiveWindow): void;
}

/** Why there is nothing in the window, and what to do about it. */
export function LiveEmpty({ view, window, status, onAllProcesses, onWindow }: LiveEmptyProps) {
  const span = window === 'all' ? 'so far' : `in the last ${window} seconds`;
  const wider = window === 'all' ? undefined : window === 5 ? 15 : window === 15 ? 60 : 'all';
  const widen =
    wider === undefined ? null : (
      <Button onClick={() => onWindow(wider)}>
        {wider === 'all' ? 'Look at everything since start' : `Look at the last ${wider} s`}
      </Button>
    );
  if (view.pids.length + view.tids.length + view.containers.length > 0) {
    return (
      <Notice
        title={`What you picked ${view.mode === 'cpu' ? 'used no CPU time' : 'has no waits'} ${span}`}
        text={
          view.mode === 'cpu'
            ? 'It may be waiting for something, or it has ended. Only time on a CPU is sampled.'
            : 'It may still wait, or it has ended. A wait is shown when it has ended.'
        }
        actions={
          <>
            <Button onClick={onAllProcesses}>Show all processes</Button>
            {widen}
          </>
        }
      />
    );
  }
  if (view.mode === 'latency') {
    return (
      <Notice
        title="No event with a stack"
        text="Of what was selected on the page Latency, none has been drawn, or stacks are off there."
      />
    );
  }
  if (view.mode !== 'cpu' && status?.collector !== undefined) {
    return status.collector.offCpu === undefined ? (
      <Notice
        title="Off-CPU profiling is off"
        text="Switch it on above, and you see where threads wait, what for, and who wakes them."
      />
    ) : (
      <Notice
        title={`No waits ${span}`}
        text="A wait is shown when it has ended."
        actions={widen}
      />
    );
  }
  const hz = status?.collector?.frequencyHz;
  if (status !== undefined && status.agent.state !== 'running') {
    return (
      <Notice
        title={`No samples ${span}`}
        text="The agent is not running, so nothing is sampled."
      />
    );
  }
  return (
    <Notice
      title={`No samples ${span}`}
      text={`The machine is idle, and idle time is not sampled.${hz === undefined ? '' : ` Each busy CPU gives ${hz} samples a second.`} Run something.`}
      actions={widen}
    />
  );
}
