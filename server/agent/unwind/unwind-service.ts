/** What the unwind worker does: compiles one module after the other, and puts their tables into the cache. */
import { TableCache } from './cache';
import { compileUnwindTable } from './compile';
import { openModule } from './open-module';
import type { CompiledTable, UnwindModule, WorkerSettings } from './protocol';

export class UnwindService {
  readonly #cache: TableCache | undefined;

  constructor({ cacheDirectory, cacheBytes }: WorkerSettings) {
    this.#cache =
      cacheDirectory === undefined ? undefined : new TableCache(cacheDirectory, cacheBytes);
  }

  get cacheUsed(): number {
    return this.#cache?.bytes ?? 0;
  }

  get cacheProblem(): string | undefined {
    return this.#cache?.problem;
  }

  /** Throws UnwindError or ElfError. */
  compile(module: UnwindModule): CompiledTable {
    const startedMs = performance.now();
    const elf = openModule(module);
    try {
      const table = compileUnwindTable(elf);
      this.#cache?.put(elf.size, table);
      return { table, source: 'compiled', ms: performance.now() - startedMs };
    } finally {
      elf.close();
    }
  }
}
