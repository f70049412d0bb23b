/** What the items of the truth bar are made of. */
import type { ReactNode } from 'react';
import type { Measured } from '@/profile/status';

export const ITEM = 'flex h-6 items-center gap-1.5 whitespace-nowrap rounded px-1.5';
export const ITEM_BUTTON = `${ITEM} hover:bg-surface-2 hover:text-ink`;

/** Why there is no number of the agent's. */
export const NOT_REPORTED = 'the agent has not reported yet';

export function Item({
  label,
  children,
}: {
  readonly label: string;
  readonly children: ReactNode;
}) {
  return (
    <>
      <span>{label}</span>
      <span className="flex gap-1.5 text-ink">{children}</span>
    </>
  );
}

export function MeasuredText({
  of,
  waiting,
  format,
  width,
}: {
  readonly of: Measured | undefined;
  readonly waiting: string;
  format(value: number): string;
  readonly width: number;
}) {
  if (of === undefined) {
    return (
      <Steady width={width}>
        <Waiting why={waiting} />
      </Steady>
    );
  }
  if ('notMeasured' in of) return <NotMeasured why={of.notMeasured} />;
  return <Steady width={width}>{format(of.value)}</Steady>;
}

export function NotMeasured({ why }: { readonly why: string }) {
  return (
    <span
      title={`Not measured: ${why}`}
      className="border-b border-dotted border-line-strong text-dim italic"
    >
      not measured<span className="sr-only">: {why}</span>
    </span>
  );
}

/** It will be measured, but there is no number yet. */
export function Waiting({ why }: { readonly why: string }) {
  return (
    <span title={why} className="text-dim">
      –<span className="sr-only">{why}</span>
    </span>
  );
}

/** Keeps room for `width` characters, so that its neighbours stay where they are. */
export function Steady({
  width,
  children,
}: {
  readonly width: number;
  readonly children: ReactNode;
}) {
  return (
    <span className="inline-block" style={{ minWidth: `${width}ch` }}>
      {children}
    </span>
  );
}

export function Divider() {
  return <span aria-hidden="true" className="mx-1 hidden h-4 border-l border-line lg:block" />;
}
