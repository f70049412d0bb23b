import { RadioGroup } from '@/components/ui/radio-group';
import type { ProfileMode } from '@/profile/view';

const OPTIONS = [
  { value: 'cpu', label: 'CPU', title: 'Time on a CPU' },
  { value: 'off-cpu', label: 'Off-CPU', title: 'Time spent waiting, by what waited, and what for' },
  { value: 'wall', label: 'Wall clock', title: 'Time on a CPU and waiting in one graph' },
  {
    value: 'off-wake',
    label: 'Off-wake',
    title: 'Time spent waiting, by who ended it: the waiter’s stack, then the waker’s upside down',
  },
] as const;

/** What the flame graph's widths are. */
export function ModeSwitch(props: {
  readonly value: ProfileMode;
  onChange(value: ProfileMode): void;
}) {
  return <RadioGroup label="Mode" options={OPTIONS} {...props} />;
}
