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

const LATENCY = {
  value: 'latency',
  label: 'Latency',
  title: 'Time in the events of a latency source that were selected on the page Latency',
} as const;

/** What the flame graph's widths are. */
export function ModeSwitch({
  hasLatency,
  ...props
}: {
  readonly value: ProfileMode;
  onChange(value: ProfileMode): void;
  /** The view says which events of a latency source are to be shown. */
  readonly hasLatency: boolean;
}) {
  const options = hasLatency ? [...OPTIONS, LATENCY] : OPTIONS;
  return <RadioGroup<ProfileMode> label="Mode" options={options} {...props} />;
}
