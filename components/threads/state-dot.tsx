import { STATE_CSS } from './states';

/** The colour of a ThreadState, beside its name. */
export function StateDot({ state }: { readonly state: number }) {
  return (
    <span
      aria-hidden="true"
      className="inline-block size-2.5 shrink-0 rounded-[2px]"
      style={{ background: STATE_CSS[state] }}
    />
  );
}
