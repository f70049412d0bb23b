'use client';

import { type ReactNode, useId } from 'react';

export interface RadioOption<T extends string> {
  readonly value: T;
  readonly label: string;
  /** Shown instead of the label, which then is the name and the tooltip. */
  readonly icon?: ReactNode;
  /** A tooltip that says more than the label. */
  readonly title?: string;
}

export interface RadioGroupProps<T extends string> {
  readonly label: string;
  readonly options: readonly RadioOption<T>[];
  readonly value: T;
  onChange(value: T): void;
}

/** One of a few, side by side: native radio buttons, so arrow keys work as everywhere. */
export function RadioGroup<T extends string>({
  label,
  options,
  value,
  onChange,
}: RadioGroupProps<T>) {
  const name = useId();
  return (
    <div
      role="radiogroup"
      aria-label={label}
      className="inline-flex h-7 shrink-0 items-stretch rounded-md border border-line bg-surface-2 p-px"
    >
      {options.map((option) => (
        <label
          key={option.value}
          title={option.title ?? (option.icon === undefined ? undefined : option.label)}
          className="relative flex min-w-7 items-center justify-center rounded-[5px] px-2 text-sm text-dim hover:text-ink has-checked:bg-surface has-checked:text-ink has-checked:shadow-[0_0_0_1px_var(--border-strong)] has-focus-visible:outline-2 has-focus-visible:outline-accent"
        >
          <input
            type="radio"
            name={name}
            className="absolute inset-0 m-0 appearance-none opacity-0"
            aria-label={option.label}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
          />
          {option.icon ?? option.label}
        </label>
      ))}
    </div>
  );
}
