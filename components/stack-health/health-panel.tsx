import { useState } from 'react';
import { pidsAfterClick } from '@/components/process-list/rows';
import { formatCount, formatShare } from '@/components/ui/format';
import { standardError } from '@/profile/quality';
import type { ProcessHealth, StackFailure, StackHealth } from '@/profile/stack-health';
import { stopReason } from './stop-reasons';

/** How whole the stacks of what is shown are, and for each reason and module how many are not; a click looks at one process. */
export function HealthPanel({
  health,
  pids,
  onPids,
}: {
  readonly health: StackHealth;
  /** The processes that are looked at; none for all. */
  readonly pids: readonly number[];
  onPids(pids: readonly number[]): void;
}) {
  const { samples, brokenSamples, failures, processes, brokenProcesses } = health;
  const whole = samples === 0 ? 0 : (samples - brokenSamples) / samples;
  const error = 1.96 * standardError(whole, samples);
  return (
    <div className="w-[min(560px,calc(100vw-48px))]">
      <h2 className="text-sm font-semibold">Stack health</h2>
      <p className="mt-1 text-sm">
        <span className="text-lg font-semibold">{formatShare(whole)}</span>{' '}
        <span className="text-dim">± {(error * 100).toFixed(1)}%</span> of {formatCount(samples)}{' '}
        samples, in the time and the processes that are shown, have a stack that reaches the root of
        its thread.
      </p>
      {brokenSamples === 0 ? (
        <p className="mt-2 text-sm text-dim">
          Every stack is whole: totals of callers are what they seem.
        </p>
      ) : (
        <>
          <ul
            aria-label="Why stacks are not whole"
            className="mt-2 divide-y divide-line border-t border-line"
          >
            {byReason(failures).map(([reason, rows]) => (
              <Reason key={reason} reason={reason} rows={rows} samples={samples} />
            ))}
          </ul>
          <h3 className="mt-3 text-sm font-semibold">By process</h3>
          <ul aria-label="Stack health by process" className="divide-y divide-line">
            {processes.map((process) => (
              <Process
                key={process.pid}
                process={process}
                selected={pids.includes(process.pid)}
                onClick={(withModifier) => onPids(pidsAfterClick(pids, process.pid, withModifier))}
              />
            ))}
          </ul>
          {brokenProcesses > processes.length ? (
            <p className="pt-1 text-xs text-dim">
              and {formatCount(brokenProcesses - processes.length)} more with fewer broken stacks
            </p>
          ) : null}
        </>
      )}
    </div>
  );
}

/** Each reason with its modules, the most frequent first. */
function byReason(failures: readonly StackFailure[]): [string, StackFailure[]][] {
  const reasons = new Map<string, StackFailure[]>();
  for (const failure of failures) {
    const rows = reasons.get(failure.reason);
    if (rows === undefined) reasons.set(failure.reason, [failure]);
    else rows.push(failure);
  }
  return [...reasons].sort(([, a], [, b]) => sum(b) - sum(a));
}

const sum = (rows: readonly StackFailure[]): number =>
  rows.reduce((all, { samples }) => all + samples, 0);

const MAX_MODULES = 8;

function Reason({
  reason,
  rows,
  samples,
}: {
  readonly reason: string;
  readonly rows: readonly StackFailure[];
  readonly samples: number;
}) {
  const { title, why, advice } = stopReason(reason);
  const modules = rows.filter(({ module }) => module !== '');
  const rest = modules.slice(MAX_MODULES);
  return (
    <li className="py-2">
      <Line name={title} samples={sum(rows)} of={samples} look="font-medium" />
      <p className="mt-0.5 text-xs text-dim">
        {why} {advice === '' ? null : <span className="text-ink">{advice}</span>}
      </p>
      {modules.length === 0 ? null : (
        <ul aria-label={`${title}, by module`} className="mt-1 pl-3">
          {modules.slice(0, MAX_MODULES).map((row) => (
            <li key={row.module}>
              <Line name={row.module} samples={row.samples} of={samples} look="font-mono text-xs" />
            </li>
          ))}
          {rest.length === 0 ? null : (
            <li>
              <Line
                name={`${rest.length} other ${rest.length === 1 ? 'file' : 'files'}`}
                samples={sum(rest)}
                of={samples}
                look="text-xs text-dim"
              />
            </li>
          )}
        </ul>
      )}
    </li>
  );
}

function Process({
  process,
  selected,
  onClick,
}: {
  readonly process: ProcessHealth;
  readonly selected: boolean;
  onClick(withModifier: boolean): void;
}) {
  const { pid, name, samples, brokenSamples, failures } = process;
  const [open, setOpen] = useState(false);
  const whole = (samples - brokenSamples) / samples;
  return (
    <li>
      <div className="flex items-center gap-1">
        <button
          type="button"
          aria-label={`${name} (${pid})`}
          aria-pressed={selected}
          title={selected ? 'Look at all processes again' : 'Look at this process alone'}
          onClick={(event) => onClick(event.ctrlKey || event.metaKey || event.shiftKey)}
          className="flex min-w-0 flex-1 items-baseline gap-2 rounded px-1 py-1 text-left text-sm hover:bg-surface-2 aria-pressed:bg-accent-soft"
        >
          <span className="min-w-0 truncate">{name}</span>
          <span className="text-xs text-dim">{pid}</span>
          <span className="ml-auto shrink-0">
            <span className="text-dim">whole</span>{' '}
            <span className={whole < 0.9 ? 'text-warn' : ''}>{formatShare(whole)}</span>{' '}
            <span className="text-dim">of {formatCount(samples)}</span>
          </span>
        </button>
        <button
          type="button"
          aria-expanded={open}
          aria-label={`Why not all stacks of ${name} (${pid}) are whole`}
          onClick={() => setOpen(!open)}
          className="h-7 shrink-0 rounded px-2 text-xs text-dim hover:bg-surface-2 hover:text-ink"
        >
          {open ? 'Less' : 'Why'}
        </button>
      </div>
      {open ? (
        <ul className="pb-1.5 pl-3">
          {failures.slice(0, MAX_MODULES).map(({ reason, module, samples: count }) => (
            <li key={`${reason} ${module}`}>
              <Line
                name={
                  module === ''
                    ? stopReason(reason).title
                    : `${stopReason(reason).title}: ${module}`
                }
                samples={count}
                of={samples}
                look="text-xs"
              />
            </li>
          ))}
        </ul>
      ) : null}
    </li>
  );
}

/** A name, and how many samples of all that are looked at. */
export function Line({
  name,
  samples,
  of,
  look,
}: {
  readonly name: string;
  readonly samples: number;
  readonly of: number;
  readonly look: string;
}) {
  return (
    <div className={`flex items-baseline gap-3 ${look}`}>
      <span className="min-w-0 truncate" title={name}>
        {name}
      </span>
      <span className="ml-auto shrink-0 text-dim">{formatCount(samples)}</span>
      <span className="w-12 shrink-0 text-right">{formatShare(of === 0 ? 0 : samples / of)}</span>
    </div>
  );
}
