import { FlameIcon, IcicleIcon } from '@/components/ui/icons';
import { RadioGroup } from '@/components/ui/radio-group';
import type { Orientation } from '@/profile/view';

const OPTIONS = [
  { value: 'icicle', label: 'Icicle', title: 'Icicle: callers on top', icon: <IcicleIcon /> },
  { value: 'flame', label: 'Flame', title: 'Flame: callers at the bottom', icon: <FlameIcon /> },
] as const;

export function OrientationSwitch(props: {
  readonly value: Orientation;
  onChange(value: Orientation): void;
}) {
  return <RadioGroup label="Orientation" options={OPTIONS} {...props} />;
}
