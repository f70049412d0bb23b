import { Button } from '@/components/ui/button';
import type { View } from '@/profile/view';

/** Short names of functions, or all of them. */
export function NamesSwitch({
  value,
  onChange,
}: {
  readonly value: View['names'];
  onChange(value: View['names']): void;
}) {
  const isFull = value === 'full';
  return (
    <Button
      aria-label="Full names"
      aria-pressed={isFull}
      title={
        isFull
          ? 'Show short names'
          : 'Show full names, with arguments, template parameters and folders'
      }
      className="px-2! font-mono aria-pressed:border-line-strong aria-pressed:bg-surface-2 aria-pressed:text-accent"
      onClick={() => onChange(isFull ? 'short' : 'full')}
    >
      f(…)
    </Button>
  );
}
