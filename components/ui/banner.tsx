import type { ReactNode } from 'react';
import { WarnIcon } from './icons';

const LOOKS = {
  danger: 'bg-danger-soft text-danger',
  warn: 'bg-warn-soft text-warn',
  calm: 'bg-surface-2 text-dim',
} as const;

/** A line across the page that says what is wrong with it, or worth knowing. */
export function Banner({
  look,
  children,
  actions,
}: {
  readonly look: keyof typeof LOOKS;
  readonly children: ReactNode;
  readonly actions?: ReactNode;
}) {
  return (
    <div
      role={look === 'calm' ? 'status' : 'alert'}
      className={`flex min-h-9 shrink-0 flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-3 py-1 ${LOOKS[look]}`}
    >
      {look === 'calm' ? null : <WarnIcon />}
      <div className="min-w-0 flex-1 basis-64">{children}</div>
      {actions}
    </div>
  );
}
