/** What a thread did in a slice of its time. */
import { useLayoutEffect, useRef } from 'react';
import type { ShownSlices, ThreadList } from '@/components/profile-worker/thread-analysis';
import { formatCount, formatShare } from '@/components/ui/format';
import { formatLatency } from '@/profile/latency/format';
import { THREAD_STATES } from '@/profile/thread-ledger';
import { STATE_CSS, statesByTime } from './states';
import { clockText } from './timeline-draw';

const MARGIN = 8;
const FROM_POINTER = 16;

export function sliceText(slices: ShownSlices, slice: number, list: ThreadList): string {
  const states = statesByTime(timesOf(slices, slice));
  return `${whenText(slices, slice, list)}: ${states.map(({ name, share }) => `${formatShare(share)} ${name}`).join(', ')}`;
}

export function SliceTooltip({
  title,
  list,
  slices,
  slice,
  x,
  y,
}: {
  readonly title: string;
  readonly list: ThreadList;
  readonly slices: ShownSlices;
  readonly slice: number;
  /** The pointer, in pixels of the window. */
  readonly x: number;
  readonly y: number;
}) {
  const element = useRef<HTMLDivElement>(null);
  // Its size is known when it is there: it is put where it fits before it is seen.
  useLayoutEffect(() => {
    const own = element.current;
    if (own === null) return;
    const { offsetWidth: width, offsetHeight: height } = own;
    const right = window.innerWidth - width - MARGIN;
    const left = x + FROM_POINTER > right ? x - FROM_POINTER - width : x + FROM_POINTER;
    const bottom = window.innerHeight - height - MARGIN;
    const top = y + FROM_POINTER > bottom ? y - FROM_POINTER - height : y + FROM_POINTER;
    own.style.left = `${Math.max(MARGIN, left)}px`;
    own.style.top = `${Math.max(MARGIN, top)}px`;
  });
  const ns = timesOf(slices, slice);
  return (
    <div
      ref={element}
      role="tooltip"
      className="pointer-events-none fixed z-20 w-max max-w-[min(24rem,calc(100vw-1rem))] rounded-md border border-line-strong bg-surface px-3 py-2 text-sm shadow-lg"
    >
      <div className="font-semibold break-all">{title}</div>
      <div className="text-xs text-dim">{whenText(slices, slice, list)}</div>
      <table className="mt-1.5 text-xs">
        <tbody>
          {statesByTime(ns).map(({ state, name, share }) => {
            const count = slices.count[slice * THREAD_STATES + state];
            return (
              <tr key={state}>
                <th scope="row" className="pr-3 text-left font-normal">
                  <span
                    aria-hidden="true"
                    className="mr-1.5 inline-block size-2.5 rounded-[2px] align-[-1px]"
                    style={{ background: STATE_CSS[state] }}
                  />
                  {name}
                </th>
                <td className="text-right font-semibold">{formatShare(share)}</td>
                <td className="pl-3 text-right whitespace-nowrap">
                  {formatLatency(ns[state], 'nanoseconds')}
                </td>
                <td className="pl-3 text-right whitespace-nowrap text-dim">
                  {count === 0
                    ? 'goes on'
                    : `${formatCount(count)} ${count === 1 ? 'time' : 'times'}`}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function timesOf({ ns }: ShownSlices, slice: number): Float64Array {
  return ns.subarray(slice * THREAD_STATES, (slice + 1) * THREAD_STATES);
}

function whenText(
  { startNs, endNs }: ShownSlices,
  slice: number,
  { wallOffsetNs }: ThreadList,
): string {
  const clock = (timeNs: number): string => clockText((timeNs + wallOffsetNs) / 1e6, 0);
  const length = formatLatency(endNs[slice] - startNs[slice], 'nanoseconds');
  return `${clock(startNs[slice])} to ${clock(endNs[slice])} (${length})`;
}
