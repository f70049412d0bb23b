import type { LiveWindow } from '@/components/profile-worker/client';
import { formatClock } from '@/components/ui/format';
import { RadioGroup } from '@/components/ui/radio-group';

export interface WindowSwitchProps {
  readonly value: LiveWindow;
  /** Wall clock of the oldest sample that is there, in ms; undefined where it isn't known. */
  readonly sinceMs: number | undefined;
  onChange(window: LiveWindow): void;
}

/** How much of the past the live view sums up. */
export function WindowSwitch({ value, sinceMs, onChange }: WindowSwitchProps) {
  const since =
    value === 'all' && sinceMs !== undefined ? `Since ${formatClock(sinceMs)}` : 'Since start';
  return (
    <RadioGroup
      label="Window"
      options={[
        { value: '5', label: '5 s', title: 'The last 5 seconds' },
        { value: '15', label: '15 s', title: 'The last 15 seconds' },
        { value: '60', label: '60 s', title: 'The last minute' },
        {
          value: 'all',
          label: since,
          title: 'All that is kept: at most the last 5 minutes, or a million samples',
        },
      ]}
      value={String(value)}
      onChange={(next) => onChange(next === 'all' ? 'all' : (Number(next) as 5 | 15 | 60))}
    />
  );
}
