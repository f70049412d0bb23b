/** The frames of a kernel stack below each other, the leaf first. */
export function KernelStack({
  frames,
  userFunction,
}: {
  /** The root first. */
  readonly frames: readonly string[];
  /** What called the kernel. */
  readonly userFunction?: string | undefined;
}) {
  return (
    <ol
      aria-label="Kernel stack, the leaf first"
      className="my-1 rounded bg-surface-2 px-2 py-1 font-mono text-xs break-all"
    >
      {frames.toReversed().map((frame, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a frame is its place in the stack
        <li key={i}>{frame}</li>
      ))}
      {userFunction === undefined ? null : <li className="text-dim">{userFunction}</li>}
    </ol>
  );
}
