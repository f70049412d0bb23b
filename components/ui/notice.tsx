import type { ReactNode } from 'react';

/** In the middle of an empty space: what is (not) here, why, and what to do. */
export function Notice({
  title,
  text,
  actions,
  icon,
}: {
  readonly title: string;
  readonly text?: ReactNode;
  readonly actions?: ReactNode;
  readonly icon?: ReactNode;
}) {
  return (
    <div className="m-auto flex max-w-md flex-col items-center gap-2 p-6 text-center">
      {icon === undefined ? null : <div className="mb-1 text-dim">{icon}</div>}
      <h2 className="text-lg font-semibold text-balance">{title}</h2>
      {text === undefined ? null : <div className="text-dim text-pretty">{text}</div>}
      {actions === undefined ? null : (
        <div className="mt-2 flex flex-wrap items-center justify-center gap-2">{actions}</div>
      )}
    </div>
  );
}
