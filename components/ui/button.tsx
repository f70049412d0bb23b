import type { ButtonHTMLAttributes } from 'react';

export type ButtonLook = 'plain' | 'quiet' | 'primary' | 'danger';

const LOOKS: Readonly<Record<ButtonLook, string>> = {
  plain: 'border border-line bg-surface hover:border-line-strong hover:bg-surface-2',
  quiet: 'border border-transparent text-dim hover:bg-surface-2 hover:text-ink',
  primary: 'border border-transparent bg-accent-fill text-white hover:brightness-110',
  danger: 'border border-transparent bg-danger-fill text-white hover:brightness-110',
};

/** Classes of a button of 28 px; also for links that look like buttons. */
export function buttonClass(look: ButtonLook = 'plain', extra = ''): string {
  return `inline-flex h-7 shrink-0 items-center justify-center gap-1.5 whitespace-nowrap rounded-md px-2.5 text-sm font-medium disabled:pointer-events-none disabled:opacity-50 ${LOOKS[look]} ${extra}`;
}

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly look?: ButtonLook;
}

export function Button({ look = 'plain', className = '', ...rest }: ButtonProps) {
  return <button type="button" {...rest} className={buttonClass(look, className)} />;
}

/** A square button with an icon alone; `label` is its name and its tooltip. */
export function IconButton({
  label,
  className = '',
  look = 'quiet',
  ...rest
}: ButtonProps & { readonly label: string }) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      {...rest}
      className={buttonClass(look, `w-7 px-0! ${className}`)}
    />
  );
}
