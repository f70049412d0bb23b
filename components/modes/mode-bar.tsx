'use client';

import { useState } from 'react';
import { RUNNABLE_COLOR } from '@/components/flame-graph/color';
import type { ProfileResult } from '@/components/profile-worker/analysis';
import { StoppedBanner, stoppedBy } from '@/components/shell/stopped-banner';
import { OffCpuSwitch } from '@/components/threads/off-cpu-switch';
import { Banner } from '@/components/ui/banner';
import { Button } from '@/components/ui/button';
import { formatLatency } from '@/profile/latency/format';
import { STATE_NAMES } from '@/profile/schema';
import type { LiveStatus } from '@/profile/status';
import type { ProfileMode, View, WaitFilter } from '@/profile/view';
import { LatencyBar } from './latency-bar';

/** Samples of the two families of colours; see flame-graph/color.ts. */
const RUNNING = 'light-dark(#f2c38b, #7a5326)';
const WAITING = 'light-dark(#9fc0ee, #2c4f86)';
const RUNNABLE = `light-dark(${RUNNABLE_COLOR.light}, ${RUNNABLE_COLOR.dark})`;
const WAKER = 'light-dark(#dfa9d9, #74386d)';

export interface ModeBarProps {
  readonly view: View;
  /** undefined before that is known. */
  readonly waits: Pick<ProfileResult, 'hasWaits' | 'hasOpenWaits'> | undefined;
  /** undefined: the profile is a recording. */
  readonly live: { readonly status: LiveStatus | undefined } | undefined;
  /** Of a recording that has a name on the server. */
  readonly session: string | undefined;
  onView(change: Partial<View>): void;
}

/** Below the toolbar, in modes that show waiting: what the colours mean, and whether waits are followed. */
export function ModeBar({ view, waits, live, session, onView }: ModeBarProps) {
  const [failure, setFailure] = useState<string>();
  const { mode, waits: filter } = view;
  if (mode === 'cpu') return null;
  if (mode === 'latency') return <LatencyBar view={view} session={session} onView={onView} />;
  const collector = live?.status?.collector;
  const offCpu = collector?.offCpu;
  const problem = failure ?? collector?.offCpuProblem;
  const stopped = stoppedBy(live?.status, 'offCpu');
  return (
    <>
      {problem === undefined ? null : <Banner look="danger">{problem}</Banner>}
      {stopped === undefined ? null : <StoppedBanner stopped={stopped} />}
      <Banner
        look="calm"
        actions={
          live === undefined ? undefined : (
            <OffCpuSwitch
              isOn={offCpu !== undefined}
              look={offCpu === undefined ? 'primary' : 'plain'}
              disabled={collector === undefined}
              onError={setFailure}
            />
          )
        }
      >
        <span className="inline-flex flex-wrap items-center gap-x-4 gap-y-0.5">
          <Legend mode={mode} />
          {filter === undefined ? null : (
            <span className="inline-flex items-center gap-2 text-ink">
              Only {filterText(filter)}
              <Button className="h-6! px-2!" onClick={() => onView({ waits: undefined, zoom: [] })}>
                Show all waits
              </Button>
            </span>
          )}
          <span className={offCpu === undefined ? '' : 'max-sm:hidden'}>
            {explain(mode, waits, live === undefined, offCpu?.thresholdNs)}
          </span>
        </span>
      </Banner>
    </>
  );
}

/** 'waits of 1.00 ms to 2.00 ms: disk, lock' */
function filterText({ states, minNs, maxNs }: WaitFilter): string {
  const text = (ns: number): string => formatLatency(ns, 'nanoseconds');
  const lengths =
    maxNs === Number.POSITIVE_INFINITY
      ? minNs === 0
        ? 'waits'
        : `waits of ${text(minNs)} and more`
      : `waits of ${text(minNs)} to ${text(maxNs)}`;
  return states.length === 0
    ? lengths
    : `${lengths}: ${states.map((state) => STATE_NAMES[state] ?? 'unknown').join(', ')}`;
}

function Legend({ mode }: { readonly mode: ProfileMode }) {
  const entries =
    mode === 'wall'
      ? [
          { color: RUNNING, text: 'on CPU' },
          { color: RUNNABLE, text: 'waiting for a CPU' },
          { color: WAITING, text: 'blocked' },
        ]
      : mode === 'off-wake'
        ? [
            { color: WAITING, text: 'waiter' },
            { color: WAKER, text: 'woken by' },
            { color: RUNNING, text: 'waker, its root last' },
          ]
        : [
            { color: RUNNABLE, text: 'waiting for a CPU' },
            { color: WAITING, text: 'blocked' },
          ];
  return (
    <span className="inline-flex flex-wrap items-center gap-x-3">
      {entries.map(({ color, text }) => (
        <span key={text} className="inline-flex items-center gap-1.5 whitespace-nowrap text-ink">
          <span className="size-3 rounded-sm" style={{ background: color }} />
          {text}
        </span>
      ))}
    </span>
  );
}

function explain(
  mode: ProfileMode,
  waits: ModeBarProps['waits'],
  isRecording: boolean,
  thresholdNs: number | undefined,
): string {
  if (isRecording) {
    if (waits === undefined) return '';
    if (waits.hasOpenWaits)
      return 'Long waits are all there; of those that went on at the end, the part until then.';
    if (waits.hasWaits)
      return 'Long waits are all there but for those that went on when the recording ended.';
    return mode === 'wall'
      ? 'Off-CPU profiling was off in this recording: only time on a CPU is here.'
      : 'Off-CPU profiling was off in this recording.';
  }
  if (thresholdNs === undefined) {
    return 'Off-CPU profiling is off. It takes all waits of 10 ms (T) or more, and shorter ones in proportion. It costs about a tenth of the time of a program that does nothing but switch, else next to nothing.';
  }
  return `Waits of ${thresholdNs / 1e6} ms or more are all taken, shorter ones in proportion; each comes when it ends, with the part that is in the window. What still waits is on the page Threads.`;
}
