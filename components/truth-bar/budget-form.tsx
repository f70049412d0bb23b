'use client';

import { useId, useState } from 'react';
import { messageOf, setBudget } from '@/components/shell/api';
import { Button } from '@/components/ui/button';
import { formatClock, formatCount } from '@/components/ui/format';
import type { BudgetStatus } from '@/profile/status';

const MB = 1e6;
const FIELD = 'h-7 min-w-0 rounded-md border border-line bg-bg px-2';

/** What Hearth may cost, and what it has done to keep to that. */
export function BudgetForm({ budget, onDone }: { readonly budget: BudgetStatus; onDone(): void }) {
  const [text, setText] = useState(String(budget.cpuPercent));
  const [memoryText, setMemoryText] = useState(String(Math.round(budget.memoryBytes / MB)));
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const errorId = useId();
  const wanted = Number(text);
  const valid = text.trim() !== '' && wanted >= 0 && wanted <= 100;
  const wantedMb = Number(memoryText);
  const memoryValid = Number.isInteger(wantedMb) && wantedMb >= 1;
  const { usedBytes, memoryBytes } = budget;

  const apply = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      await setBudget({ cpuPercent: wanted, memoryBytes: wantedMb * MB });
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
        if (valid && memoryValid) void apply();
      }}
    >
      <label className="flex flex-col gap-1">
        <span className="font-semibold">Percent of all CPUs that Hearth may use</span>
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
          className={FIELD}
        />
      </label>
      <p id={errorId} className={error === undefined ? 'text-dim' : 'text-danger'}>
        {error ??
          'Agent, web and BPF programs together. Above it, Hearth samples less often by itself, and more often again when there is room. Where that is not enough, it switches off what costs most of off-CPU profiling and latencies. 0: no limit.'}
      </p>
      <label className="flex flex-col gap-1">
        <span className="font-semibold">Memory that it should not exceed, in MB</span>
        <span className="flex gap-1.5">
          <input
            type="number"
            aria-label="Memory budget in MB"
            min={1}
            required
            value={memoryText}
            aria-invalid={!memoryValid}
            onChange={(event) => setMemoryText(event.target.value)}
            className={`${FIELD} flex-1`}
          />
          <Button type="submit" look="primary" disabled={!valid || !memoryValid || busy}>
            Apply
          </Button>
        </span>
      </label>
      {usedBytes === undefined ? null : (
        <p className={usedBytes > memoryBytes ? 'text-warn' : 'text-dim'}>
          {formatCount(Math.round(usedBytes / MB))} MB are used.
          {usedBytes > memoryBytes
            ? ' Live views hold less then, and go back less far. Off-CPU profiling, latencies and recording take some: end what you don’t look at.'
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
