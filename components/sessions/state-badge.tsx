import type { SessionSummary } from '@/profile/session';

const LOOKS: Readonly<
  Record<SessionSummary['state'], { readonly className: string; readonly title: string }>
> = {
  recording: { className: 'bg-danger-soft text-danger', title: 'It is being recorded now' },
  complete: { className: 'bg-surface-2 text-dim', title: 'It was recorded to its end' },
  interrupted: {
    className: 'bg-warn-soft text-warn',
    title: 'Hearth ended while it was recorded; all but the last second is there',
  },
};

export function StateBadge({ state }: { readonly state: SessionSummary['state'] }) {
  const { className, title } = LOOKS[state];
  return (
    <span
      title={title}
      className={`inline-flex h-5 items-center gap-1.5 rounded-full px-2 text-xs font-medium ${className}`}
    >
      {state === 'recording' ? (
        <span aria-hidden="true" className="breathing size-1.5 rounded-full bg-danger" />
      ) : null}
      {state}
    </span>
  );
}
