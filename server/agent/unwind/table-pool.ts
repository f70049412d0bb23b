/**
 * The tables that BPF can search: it owns the shared arrays (rows, pages, rules, modules; see format.ts), which BPF reads
 * while they change. It works on plain views, so it needs no BPF itself.
 *
 * A module is what one build of a file is in every process that maps it. It has an ID as long as anybody refers to it,
 * and keeps its table after that, until the room is needed. Before anything of a module is written over, its state says
 * so, in one word that BPF compares before and after it looks something up: a stack never takes another module's rows for
 * its own, and one that meets a module without a table ends with the reason.
 */
import { MODULE_WORDS, ModuleState, ModuleWord, type UnwindTable } from './format';
import { RangeAllocator } from './range-allocator';
import { RuleRegistry } from './rule-registry';

/** What BPF reads. The sizes are the pool's bounds. */
export interface UnwindArrays {
  /** Only written, and too large to keep mapped for that. */
  readonly rows: { readonly length: number; set(rows: Uint32Array, at: number): void };
  readonly pages: Uint32Array;
  /** Two words a rule. */
  readonly rules: Uint32Array;
  /** MODULE_WORDS a module. */
  readonly modules: Uint32Array;
  /** A module's byte is 1 where a stack has needed it since the pool last looked. */
  readonly needed: Uint8Array;
}

/** An index in `modules`; 0 is no module. */
export type ModuleId = number & { readonly __unwind?: 'module' };
export const NO_MODULE: ModuleId = 0;

export interface AcquiredModule {
  readonly id: ModuleId;
  readonly needsTable: boolean;
}

export interface PoolOptions {
  /** A table that is in use makes room for another one only if no stack has needed it for this long. */
  readonly minIdleMs?: number;
  /** How long an ID that nobody refers to any more stays unused, so that no BPF program is left that has read it. */
  readonly idQuarantineMs?: number;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
  /** Called before an ID is taken from its module, to be given to another one. */
  readonly onForget?: (id: ModuleId) => void;
}

export interface PoolUsage {
  readonly rows: number;
  readonly rowCapacity: number;
  readonly pages: number;
  readonly pageCapacity: number;
  readonly rules: number;
  readonly ruleCapacity: number;
  /** With a table / known at all / possible. */
  readonly tables: number;
  readonly modules: number;
  readonly moduleCapacity: number;
  /** Since the start: tables that had to make room, and those for which there was none. */
  readonly evictions: number;
  readonly refusals: number;
  /** Rules that could not be numbered, see RuleRegistry. */
  readonly refusedRules: number;
}

interface Loaded {
  readonly rowStart: number;
  readonly rowCount: number;
  readonly pageStart: number;
  /** Entries, so one more than pages. */
  readonly pageEntries: number;
  readonly rules: Uint16Array;
}

interface Module {
  readonly id: ModuleId;
  readonly key: string;
  references: number;
  lastUseMs: number;
  /** When there was no room: not to be tried again before. */
  retryAtMs: number;
  state: ModuleState;
  loaded: Loaded | undefined;
}

const MIN_IDLE_MS = 10_000;
const ID_QUARANTINE_MS = 1000;

export class TablePool {
  readonly #arrays: UnwindArrays;
  readonly #minIdleMs: number;
  readonly #idQuarantineMs: number;
  readonly #now: () => number;
  readonly #onForget: (id: ModuleId) => void;
  readonly #rows: RangeAllocator;
  readonly #pages: RangeAllocator;
  readonly #rules: RuleRegistry;
  readonly #byKey = new Map<string, Module>();
  readonly #byId: (Module | undefined)[] = [undefined];
  readonly #moduleCapacity: number;
  /** IDs that were given back, oldest first. */
  readonly #freedIds: { readonly id: ModuleId; readonly atMs: number }[] = [];
  #evictions = 0;
  #refusals = 0;

  constructor(arrays: UnwindArrays, options: PoolOptions = {}) {
    this.#arrays = arrays;
    this.#minIdleMs = options.minIdleMs ?? MIN_IDLE_MS;
    this.#idQuarantineMs = options.idQuarantineMs ?? ID_QUARANTINE_MS;
    this.#now = options.now ?? (() => performance.now());
    this.#onForget = options.onForget ?? (() => {});
    this.#rows = new RangeAllocator(arrays.rows.length);
    this.#pages = new RangeAllocator(arrays.pages.length);
    this.#rules = new RuleRegistry(arrays.rules);
    this.#moduleCapacity = Math.floor(arrays.modules.length / MODULE_WORDS);
  }

  /**
   * The ID of the module with that key (its build ID, or whatever else is the same for the same contents only), with a
   * reference more; `release` takes it back. `needsTable`: the caller should compile it and call `load` or `fail`; said
   * once, until the table is evicted. NO_MODULE where all IDs are in use.
   */
  acquire(key: string): AcquiredModule {
    let module = this.#byKey.get(key);
    if (module === undefined) {
      const id = this.#takeId();
      if (id === NO_MODULE) return { id, needsTable: false };
      module = {
        id,
        key,
        references: 0,
        lastUseMs: 0,
        retryAtMs: 0,
        state: ModuleState.Absent,
        loaded: undefined,
      };
      this.#byKey.set(key, module);
      this.#byId[id] = module;
    }
    module.references++;
    module.lastUseMs = this.#now();
    const needsTable = module.state === ModuleState.Absent || module.state === ModuleState.Evicted;
    if (needsTable) this.#setState(module, ModuleState.Pending);
    return { id: module.id, needsTable };
  }

  /** Takes back one reference. Call it when BPF can't find the ID by any process any more. */
  release(id: ModuleId): void {
    const module = this.#module(id);
    if (module.references === 0) throw new RangeError(`module ${id} has no references`);
    module.references--;
    module.lastUseMs = this.#now();
  }

  /**
   * Notes which modules stacks have needed since the last call. Returns those that the caller should compile again: their
   * tables were evicted, or there was no room for them a while ago.
   */
  takeNeeded(): ModuleId[] {
    const { needed } = this.#arrays;
    const nowMs = this.#now();
    const again: ModuleId[] = [];
    this.#byId.forEach((module, id) => {
      if (module === undefined || needed[id] === 0) return;
      needed[id] = 0;
      module.lastUseMs = nowMs;
      if (
        module.state === ModuleState.Evicted ||
        (module.state === ModuleState.NoRoom && nowMs >= module.retryAtMs)
      ) {
        this.#setState(module, ModuleState.Pending);
        again.push(id);
      }
    });
    return again;
  }

  /** Puts a module's table where BPF finds it. False where there is no room for it: its state says so then. */
  load(id: ModuleId, table: UnwindTable): boolean {
    const module = this.#module(id);
    if (module.loaded !== undefined) return true;
    const place = this.#place(module, table.rows.length, table.pages.length);
    if (place === undefined) {
      this.#refusals++;
      module.retryAtMs = this.#now() + this.#minIdleMs;
      this.#setState(module, ModuleState.NoRoom);
      return false;
    }
    const { rowStart, pageStart } = place;
    const rules = this.#rules.acquire(table.rules);
    const { rows, pages, modules } = this.#arrays;
    rows.set(
      table.rows.map((row) => (row & 0xffff0000) | rules[row & 0xffff]),
      rowStart,
    );
    for (let i = 0; i < table.pages.length; i++) pages[pageStart + i] = rowStart + table.pages[i];
    const entry = id * MODULE_WORDS;
    modules[entry + ModuleWord.BasePage] = table.basePage;
    modules[entry + ModuleWord.PageCount] = table.pages.length - 1;
    modules[entry + ModuleWord.FirstPage] = pageStart;
    module.loaded = {
      rowStart,
      rowCount: table.rows.length,
      pageStart,
      pageEntries: table.pages.length,
      rules,
    };
    module.lastUseMs = this.#now();
    this.#setState(module, ModuleState.Ready);
    return true;
  }

  /** There is no table for that module, now or ever: stacks that meet it end there. */
  fail(id: ModuleId): void {
    const module = this.#module(id);
    if (module.loaded === undefined) this.#setState(module, ModuleState.NoTable);
  }

  state(id: ModuleId): ModuleState {
    return this.#byId[id]?.state ?? ModuleState.Absent;
  }

  /** What the ID was given out for. */
  key(id: ModuleId): string | undefined {
    return this.#byId[id]?.key;
  }

  get usage(): PoolUsage {
    let tables = 0;
    for (const module of this.#byKey.values()) if (module.loaded !== undefined) tables++;
    return {
      rows: this.#rows.capacity - this.#rows.free,
      rowCapacity: this.#rows.capacity,
      pages: this.#pages.capacity - this.#pages.free,
      pageCapacity: this.#pages.capacity,
      rules: this.#rules.length,
      ruleCapacity: this.#rules.capacity,
      tables,
      modules: this.#byKey.size,
      moduleCapacity: this.#moduleCapacity - 1,
      evictions: this.#evictions,
      refusals: this.#refusals,
      refusedRules: this.#rules.refused,
    };
  }

  #module(id: ModuleId): Module {
    const module = this.#byId[id];
    if (module === undefined) throw new RangeError(`there is no module ${id}`);
    return module;
  }

  /** Room for a table, made by evicting others where necessary. */
  #place(
    module: Module,
    rowCount: number,
    pageEntries: number,
  ): { rowStart: number; pageStart: number } | undefined {
    for (const victim of this.#victims(module, rowCount, pageEntries)) this.#evict(victim);
    const rowStart = this.#rows.allocate(rowCount);
    if (rowStart === undefined) return undefined;
    const pageStart = this.#pages.allocate(pageEntries);
    if (pageStart !== undefined) return { rowStart, pageStart };
    this.#rows.release(rowStart, rowCount);
    return undefined;
  }

  /** The tables that have to go so that another fits; none where it fits already, or where it doesn't without them all. */
  #victims(module: Module, rowCount: number, pageEntries: number): Module[] {
    const fits = (rows: RangeAllocator, pages: RangeAllocator): boolean =>
      rows.largestFree >= rowCount && pages.largestFree >= pageEntries;
    if (fits(this.#rows, this.#pages)) return [];
    const rows = this.#rows.copy();
    const pages = this.#pages.copy();
    const victims: Module[] = [];
    for (const victim of this.#evictable(module)) {
      const { loaded } = victim;
      if (loaded === undefined) continue;
      rows.release(loaded.rowStart, loaded.rowCount);
      pages.release(loaded.pageStart, loaded.pageEntries);
      victims.push(victim);
      if (fits(rows, pages)) return victims;
    }
    return [];
  }

  /** Tables that may go, those that nobody refers to first, each in the order in which they were last used. */
  #evictable(forModule: Module): Module[] {
    const idleSinceMs = this.#now() - this.#minIdleMs;
    return [...this.#byKey.values()]
      .filter(
        (module) =>
          module !== forModule &&
          module.loaded !== undefined &&
          (module.references === 0 || module.lastUseMs <= idleSinceMs),
      )
      .sort(
        (a, b) => Number(a.references > 0) - Number(b.references > 0) || a.lastUseMs - b.lastUseMs,
      );
  }

  #evict(module: Module): void {
    const loaded = module.loaded;
    if (loaded === undefined) return;
    this.#setState(module, ModuleState.Evicted);
    module.loaded = undefined;
    this.#rows.release(loaded.rowStart, loaded.rowCount);
    this.#pages.release(loaded.pageStart, loaded.pageEntries);
    this.#rules.release(loaded.rules);
    this.#evictions++;
  }

  #takeId(): ModuleId {
    if (this.#byId.length < this.#moduleCapacity) return this.#byId.push(undefined) - 1;
    if (this.#freedIds.length === 0) this.#freeIds();
    const oldest = this.#freedIds[0];
    if (oldest === undefined || oldest.atMs + this.#idQuarantineMs > this.#now()) return NO_MODULE;
    this.#freedIds.shift();
    return oldest.id;
  }

  /** Forgets the quarter of the modules that have been without references for longest. */
  #freeIds(): void {
    const unused = [...this.#byKey.values()]
      .filter(({ references }) => references === 0)
      .sort((a, b) => a.lastUseMs - b.lastUseMs);
    for (const module of unused.slice(0, Math.ceil(unused.length / 4))) {
      this.#onForget(module.id);
      this.#evict(module);
      this.#setState(module, ModuleState.Absent);
      this.#byKey.delete(module.key);
      this.#byId[module.id] = undefined;
      this.#freedIds.push({ id: module.id, atMs: module.lastUseMs });
    }
  }

  /** Stored with a barrier: what was written before is seen before it, what is written after is seen after it. */
  #setState(module: Module, state: ModuleState): void {
    module.state = state;
    const at = module.id * MODULE_WORDS + ModuleWord.State;
    const generation = ((this.#arrays.modules[at] >>> 8) + 1) & 0xffffff;
    Atomics.store(this.#arrays.modules, at, ((generation << 8) | state) >>> 0);
  }
}
