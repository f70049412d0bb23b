'use client';

import { useId, useState } from 'react';
import { messageOf, setFrequency } from '@/components/shell/api';
import { Button } from '@/components/ui/button';

const PRESETS = [49, 99, 199, 499, 999, 4999];

/** Sets the sampling rate of the running collector. */
export function SamplingForm({
  frequencyHz,
  onDone,
}: {
  readonly frequencyHz: number;
  onDone(): void;
}) {
  const [text, setText] = useState(String(frequencyHz));
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const errorId = useId();
  const wanted = Number(text);
  const valid = Number.isInteger(wanted) && wanted >= 1 && wanted <= 4999;

  const apply = async (hz: number): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      await setFrequency(hz);
      onDone();
    } catch (failure) {
      setError(messageOf(failure));
    } finally {
      setBusy(false);
    }
  };

  return (
    <form
      className="flex w-64 flex-col gap-2 text-sm"
      onSubmit={(event) => {
        event.preventDefault();
        if (valid) void apply(wanted);
      }}
    >
      <label className="flex flex-col gap-1">
        <span className="font-semibold">Samples a second on each CPU</span>
        <span className="flex gap-1.5">
          <input
            type="number"
            aria-label="Sampling rate in Hz"
            min={1}
            max={4999}
            step={1}
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
      <div className="flex gap-1">
        {PRESETS.map((hz) => (
          <Button
            key={hz}
            className="min-w-0 flex-1 px-0!"
            aria-label={`${hz} Hz`}
            disabled={busy}
            onClick={() => {
              setText(String(hz));
              void apply(hz);
            }}
          >
            {hz}
          </Button>
        ))}
      </div>
      <p id={errorId} className={error === undefined ? 'text-dim' : 'text-danger'}>
        {error ??
          (valid
            ? 'From 1 to 4,999. More is sharper and costs more.'
            : 'A whole number from 1 to 4,999.')}
      </p>
    </form>
  );
}
