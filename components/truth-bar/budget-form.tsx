'use client';

import { useId, useState } from 'react';
import { messageOf, setBudget } from '@/components/shell/api';
import { Button } from '@/components/ui/button';
import { formatBytes, formatClock } from '@/components/ui/format';
import type { BudgetStatus } from '@/profile/status';

/** What Hearth may cost, and what it has done to keep to that. */
export function BudgetForm({ budget, onDone }: { readonly budget: BudgetStatus; onDone(): void }) {
  const [text, setText] = useState(String(budget.cpuPercent));
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const errorId = useId();
  const wanted = Number(text);
  const valid = text.trim() !== '' && wanted >= 0 && wanted <= 100;
  const { usedBytes, memoryBytes } = budget;

  const apply = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      await setBudget({ cpuPercent: wanted, memoryBytes });
      onDone();
    } catch (failure) {
      setError(messageOf(failure));
    } finally {
      setBusy(false);
    }
  };

  return (
    <form
      className="flex w-80 max-w-full flex-col gap-2 text-sm"
      onSubmit={(event) => {
        event.preventDefault();
        if (valid) void apply();
      }}
    >
      <label className="flex flex-col gap-1">
        <span className="font-semibold">Percent of all CPUs that Hearth may use</span>
        <span className="flex gap-1.5">
          <input
            type="number"
            aria-label="Budget in percent of all CPUs"
            min={0}
            max={100}
            step="any"
            required
            value={text}
            aria-invalid={!valid}
            aria-describedby={errorId}
            onChange={(event) => setText(event.target.value)}
            className="h-7 min-w-0 flex-1 rounded-md border border-line bg-bg px-2"
          />
          <Button type="submit" look="primary" disabled={!valid || busy}>
            Apply
          </Button>
        </span>
      </label>
      <p id={errorId} className={error === undefined ? 'text-dim' : 'text-danger'}>
        {error ??
          'Agent, web and BPF programs together. Above it, Hearth samples less often by itself, and more often again when there is room. 0: no limit.'}
      </p>
      {usedBytes === undefined ? null : (
        <p className={usedBytes > memoryBytes ? 'text-warn' : 'text-dim'}>
          {formatBytes(usedBytes)} of memory are used; {formatBytes(memoryBytes)} are expected.
          {usedBytes > memoryBytes
            ? ' Off-CPU profiling, latencies and recording take some: end what you don’t look at.'
            : ''}
        </p>
      )}
      {budget.changes.length === 0 ? null : (
        <ul
          aria-label="What the budget has changed"
          className="flex flex-col gap-1 border-t border-line pt-2"
        >
          {budget.changes.toReversed().map(({ timeMs, text: change }) => (
            <li key={timeMs}>
              <span className="text-dim">{formatClock(timeMs)}</span> {change}
            </li>
          ))}
        </ul>
      )}
    </form>
  );
}
