import { formatCount, formatShare } from '@/components/ui/format';
import type { LatencyProcess } from '@/profile/latency/analysis';
import { formatLatency } from '@/profile/latency/format';
import { amountOf, type LatencyUnit } from '@/profile/latency/sources';

const SHOWN = 200;

/** Whose events are selected. A process's button shows its latencies alone. */
export function ProcessTable({
  processes,
  unit,
  pids,
  onPids,
}: {
  readonly processes: readonly LatencyProcess[];
  readonly unit: LatencyUnit;
  readonly pids: readonly number[];
  onPids(pids: readonly number[]): void;
}) {
  const total = processes.reduce((sum, process) => sum + amountOf(process, unit), 0);
  return (
    <section aria-label="Processes of the selected events" className="flex min-h-0 flex-1 flex-col">
      <div className="flex h-9 shrink-0 items-center justify-between border-b border-line px-3">
        <h2 className="font-medium">
          {formatCount(processes.length)} {processes.length === 1 ? 'process' : 'processes'}
        </h2>
        {pids.length === 0 ? null : (
          <button
            type="button"
            className="rounded px-1 text-sm text-accent hover:bg-surface-2"
            onClick={() => onPids([])}
          >
            Show all
          </button>
        )}
      </div>
      <ul className="min-h-0 flex-1 overflow-y-auto p-1">
        {processes.slice(0, SHOWN).map((process) => {
          const { pid, name, count } = process;
          const amount = amountOf(process, unit);
          const isChosen = pids.includes(pid);
          return (
            <li key={pid}>
              <button
                type="button"
                aria-pressed={isChosen}
                onClick={() => onPids(isChosen ? pids.filter((id) => id !== pid) : [...pids, pid])}
                className="relative flex h-7 w-full items-center gap-2 rounded-md px-2 text-left text-sm hover:bg-surface-2 aria-pressed:bg-accent-soft"
              >
                <span aria-hidden="true" className="absolute inset-x-2 bottom-0.5 h-0.5">
                  <span
                    className="block h-full rounded-full bg-accent/75"
                    style={{ width: `${((100 * amount) / total).toFixed(2)}%` }}
                  />
                </span>
                <span className="min-w-0 flex-1 truncate">
                  {name} {pid === 0 ? null : <span className="text-xs text-dim">{pid}</span>}
                </span>
                <span className="text-dim" title={`${formatCount(count)} events`}>
                  {unit === 'bytes' ? formatLatency(amount, unit) : formatCount(count)}
                </span>
                <span className="w-12 text-right">{formatShare(amount / total)}</span>
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
