'use client';

import { type ReactNode, useEffect, useRef } from 'react';
import { IconButton } from './button';
import { CloseIcon } from './icons';

export interface DialogProps {
  readonly label: string;
  readonly open: boolean;
  onClose(): void;
  readonly children: ReactNode;
}

/** A native modal dialog: Escape and a click outside close it, focus stays inside and comes back. */
export function Dialog({ label, open, onClose, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    if (dialog === null) return;
    if (open && !dialog.open) dialog.showModal();
    if (!open && dialog.open) dialog.close();
  }, [open]);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a native dialog.
    <dialog
      ref={ref}
      aria-label={label}
      className="w-[min(520px,calc(100vw-24px))] rounded-xl border border-line bg-surface p-0 text-ink shadow-(--shadow)"
      onClose={onClose}
      onClick={(event) => {
        if (event.target === event.currentTarget) onClose();
      }}
    >
      {open ? (
        <div className="p-4">
          <div className="mb-3 flex items-center justify-between gap-3">
            <h2 className="text-lg font-semibold">{label}</h2>
            <IconButton label="Close" onClick={onClose}>
              <CloseIcon />
            </IconButton>
          </div>
          {children}
        </div>
      ) : null}
    </dialog>
  );
}
