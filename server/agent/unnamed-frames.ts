/** Counts, by module, the frames that have no name, and keeps the reason. */
import type { UnnamedCode } from '@/profile/status';

/** Of modules: those that came first stay. */
const MAX_MODULES = 2000;
const MAX_REASON = 400;

export class UnnamedFrames {
  readonly #modules = new Map<string, { frames: number; reason: string }>();

  /** Whether it is known why frames of the module have none. */
  has(module: string): boolean {
    return this.#modules.has(module);
  }

  /** `change` more frames of the module have no name, or fewer if it is negative; `reason` is the latest, if it is another. */
  add(module: string, change: number, reason?: string): void {
    if (change === 0) return;
    const known = this.#modules.get(module);
    if (known === undefined) {
      if (change < 0 || this.#modules.size >= MAX_MODULES) return;
      this.#modules.set(module, { frames: change, reason: (reason ?? '').slice(0, MAX_REASON) });
      return;
    }
    known.frames += change;
    if (reason !== undefined) known.reason = reason.slice(0, MAX_REASON);
    if (known.frames <= 0) this.#modules.delete(module);
  }

  clear(): void {
    this.#modules.clear();
  }

  /** Those with most frames, the worst first. */
  worst(count: number): UnnamedCode[] {
    return [...this.#modules]
      .map(([module, { frames, reason }]) => ({ module, frames, reason }))
      .sort((a, b) => b.frames - a.frames)
      .slice(0, count);
  }
}
