/** What a box is, beside the pointer. */
import { useLayoutEffect, useRef } from 'react';
import type { NodeFacts } from './node-facts';

const MARGIN = 8;
const FROM_POINTER = 16;

export function Tooltip({
  facts,
  x,
  y,
}: {
  readonly facts: NodeFacts;
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
    const bottom = window.innerHeight - height - MARGIN;
    const left = x + FROM_POINTER > right ? x - FROM_POINTER - width : x + FROM_POINTER;
    const top = y + FROM_POINTER > bottom ? y - FROM_POINTER - height : y + FROM_POINTER;
    own.style.left = `${Math.max(MARGIN, Math.min(left, right))}px`;
    own.style.top = `${Math.max(MARGIN, Math.min(top, bottom))}px`;
  });

  return (
    <div
      ref={element}
      role="tooltip"
      className="pointer-events-none fixed z-20 w-max max-w-[min(26rem,calc(100vw-1rem))] rounded-md border border-line-strong bg-surface px-3 py-2 text-sm shadow-lg"
    >
      <div className="line-clamp-4 font-mono font-semibold break-all">{facts.name}</div>
      <div className="mt-0.5 text-xs break-all text-dim">{facts.where}</div>
      <table className="mt-1.5 text-xs">
        <tbody>
          {facts.rows.map(({ what, share, error, time, samples }) => (
            <tr key={what}>
              <th scope="row" className="pr-3 text-left font-normal text-dim">
                {what}
              </th>
              <td className="text-right font-semibold">{share}</td>
              <td className="pl-1.5 whitespace-nowrap text-dim">{error}</td>
              <td className="pl-3 text-right whitespace-nowrap">{time}</td>
              <td className="pl-3 text-right whitespace-nowrap">{samples}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {facts.split === '' ? null : <div className="mt-1 text-xs text-dim">{facts.split}</div>}
    </div>
  );
}
