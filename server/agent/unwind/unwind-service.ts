/** What the unwind worker does: one module after the other, from the cache or by compiling. */
import type { ElfFile } from '../elf/elf-file';
import { openBuild } from '../elf/open-build';
import { readVdso } from '../symbols/vdso';
import { TableCache } from './cache';
import { compileUnwindTable } from './compile';
import type { CompiledTable, UnwindModule, WorkerSettings } from './protocol';

const VDSO = '[vdso]';
/** Shorter ones are no hashes. */
const MIN_BUILD_ID_DIGITS = 16;

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
  table(module: UnwindModule): CompiledTable {
    const startedMs = performance.now();
    const elf = openModule(module);
    try {
      const cache = elf.buildId.length >= MIN_BUILD_ID_DIGITS ? this.#cache : undefined;
      const cached = cache?.get(elf.buildId, elf.size);
      if (cached !== undefined) {
        return { table: cached, source: 'cache', ms: performance.now() - startedMs };
      }
      const table = compileUnwindTable(elf);
      cache?.put(elf.size, table);
      return { table, source: 'compiled', ms: performance.now() - startedMs };
    } finally {
      elf.close();
    }
  }

  close(): void {
    this.#cache?.close();
  }
}

const openModule = ({ key, path, fd }: UnwindModule): ElfFile =>
  path === VDSO ? readVdso() : openBuild(fd ?? path, key);
