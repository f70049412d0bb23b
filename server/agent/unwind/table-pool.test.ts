import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findRule,
  MODULE_WORDS,
  ModuleState,
  ModuleWord,
  SPECIAL_RULES,
  SpecialRule,
  type UnwindTable,
} from './format';
import { tableOfRows } from './table-for-tests';
import { type PoolOptions, TablePool, type UnwindArrays } from './table-pool';

type Memory = UnwindArrays & { readonly rows: Uint32Array };

const arrays = ({ rows = 1000, pages = 100, rules = 200, modules = 8 } = {}): Memory => ({
  rows: new Uint32Array(rows),
  pages: new Uint32Array(pages),
  rules: new Uint32Array(rules * 2),
  modules: new Uint32Array(modules * MODULE_WORDS),
  needed: new Uint8Array(modules),
});

/** Pools whose time stands still until it is moved. */
function poolAt(
  memory: UnwindArrays,
  options: PoolOptions = {},
): { pool: TablePool; pass(ms: number): void } {
  let nowMs = 0;
  return {
    pool: new TablePool(memory, { ...options, now: () => nowMs }),
    pass: (ms) => {
      nowMs += ms;
    },
  };
}

/** A table with `count` rows, 8 bytes apart, from `address` on; each row has a CFA of its own. */
function tableOf(count: number, address = 0x10000, seed = 0): UnwindTable {
  const rows = Array.from({ length: count - 1 }, (_, i) => ({
    address: address + i * 8,
    cfaOffset: seed + (i % 50) * 8 + 8,
  }));
  return tableOfRows(rows, address + (count - 1) * 8);
}

/** A stack needs a module; true if its table is to be compiled again. */
function need(memory: Memory, pool: TablePool, id: number): boolean {
  memory.needed[id] = 1;
  return pool.takeNeeded().includes(id);
}

/** The CFA's offset at an address, as BPF finds it; the name of why not otherwise. */
function lookUp(
  { rows, pages, rules, modules }: Memory,
  id: number,
  address: number,
): number | string {
  const entry = id * MODULE_WORDS;
  const state = modules[entry + ModuleWord.State];
  const name = Object.entries(ModuleState).find(([, value]) => value === (state & 0xff))?.[0];
  if (name !== 'Ready') return name ?? 'unknown';
  const page = (Math.floor(address / 65536) - modules[entry + ModuleWord.BasePage]) >>> 0;
  if (page >= modules[entry + ModuleWord.PageCount]) return 'no page';
  const at = modules[entry + ModuleWord.FirstPage] + page;
  let low = pages[at];
  let high = pages[at + 1];
  const key = (((address & 0xffff) << 16) | 0xffff) >>> 0;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (rows[middle] <= key) low = middle;
    else high = middle;
  }
  const rule = rows[low] & 0xffff;
  return rule < SPECIAL_RULES ? `special ${rule}` : rules[rule * 2 + 1];
}

/** The same from the table itself. */
function expected(table: UnwindTable, address: number): number | string {
  const page = (Math.floor(address / 65536) - table.basePage) >>> 0;
  if (page >= table.pages.length - 1) return 'no page';
  const rule = findRule(table, address);
  return rule < SPECIAL_RULES ? `special ${rule}` : table.rules[rule * 2 + 1];
}

describe('the pool of tables', () => {
  it('says what BPF finds of a module from the first reference to the last', () => {
    const memory = arrays();
    const { pool } = poolAt(memory);
    const table = tableOf(100, 0x1fff0);
    const { id, needsTable } = pool.acquire('a');
    expect([id, needsTable]).toEqual([1, true]);
    expect(lookUp(memory, id, 0x1fff0)).toBe('Pending');
    expect(pool.acquire('a')).toEqual({ id, needsTable: false });
    expect(pool.load(id, table)).toBe(true);
    for (let at = 0x1ff00; at < 0x20400; at += 3) {
      expect(lookUp(memory, id, at)).toBe(expected(table, at));
    }
    expect(lookUp(memory, id, 0xffff)).toBe('no page');
    expect(lookUp(memory, id, 0x30000)).toBe('no page');
    expect(lookUp(memory, 0, 0x1fff0)).toBe('Absent');
    expect(pool.usage).toMatchObject({ rows: table.rows.length, pages: 3, tables: 1, modules: 1 });
    pool.release(id);
    pool.release(id);
    // It keeps its table, for the next process that maps it.
    expect(pool.acquire('a')).toEqual({ id, needsTable: false });
    expect(pool.state(id)).toBe(ModuleState.Ready);
    expect(pool.key(id)).toBe('a');
    expect(() => pool.release(7)).toThrow(RangeError);
  });

  it('remembers which modules have no table', () => {
    const memory = arrays();
    const { pool } = poolAt(memory);
    const { id } = pool.acquire('a');
    pool.fail(id);
    expect(lookUp(memory, id, 0)).toBe('NoTable');
    expect(pool.acquire('a').needsTable).toBe(false);
  });

  it('numbers the rules of all tables together', () => {
    const memory = arrays({ rows: 1000 });
    const { pool } = poolAt(memory);
    const tables = [tableOf(60, 0x10000), tableOf(60, 0x30000, 80)];
    const ids = tables.map((table, i) => {
      const { id } = pool.acquire(`module ${i}`);
      pool.load(id, table);
      return id;
    });
    // The second has ten rules that the first doesn't have.
    expect(pool.usage.rules).toBe(SPECIAL_RULES + 60);
    expect(lookUp(memory, ids[1], 0x30008)).toBe(96);
  });

  it('evicts what nobody uses first, then what no stack has needed for long, and says so', () => {
    const memory = arrays({ rows: 250 });
    const { pool, pass } = poolAt(memory, { minIdleMs: 1000 });
    const table = tableOf(100);
    const load = (key: string): { id: number; loaded: boolean } => {
      const { id } = pool.acquire(key);
      return { id, loaded: pool.load(id, table) };
    };
    const a = load('a').id;
    pass(1);
    const b = load('b').id;
    pass(1);
    pool.release(b);
    const c = load('c');
    expect(c.loaded).toBe(true);
    expect([a, b, c.id].map((id) => pool.state(id))).toEqual([
      ModuleState.Ready,
      ModuleState.Evicted,
      ModuleState.Ready,
    ]);
    expect(lookUp(memory, b, 0x10000)).toBe('Evicted');
    // Both others are in use and were loaded just now.
    const d = load('d');
    expect(d.loaded).toBe(false);
    expect(lookUp(memory, d.id, 0x10000)).toBe('NoRoom');
    pass(1000);
    expect(need(memory, pool, c.id)).toBe(false);
    expect(need(memory, pool, d.id)).toBe(true);
    expect(pool.load(d.id, table)).toBe(true);
    expect([a, c.id].map((id) => pool.state(id))).toEqual([ModuleState.Evicted, ModuleState.Ready]);
    // A stack that meets the evicted module asks for its table again, once.
    expect([need(memory, pool, a), need(memory, pool, a)]).toEqual([true, false]);
    expect(lookUp(memory, a, 0x10000)).toBe('Pending');
    expect(pool.usage).toMatchObject({ evictions: 2, refusals: 1 });
  });

  it('evicts nothing for a table that is larger than all there is', () => {
    const { pool } = poolAt(arrays({ rows: 250 }));
    const small = pool.acquire('small').id;
    pool.load(small, tableOf(100));
    pool.release(small);
    const large = pool.acquire('large').id;
    expect(pool.load(large, tableOf(300))).toBe(false);
    expect(pool.state(small)).toBe(ModuleState.Ready);
  });

  it('evicts nothing for a table that still would not fit in one piece', () => {
    const { pool } = poolAt(arrays({ rows: 320 }));
    const [a, b, c] = ['a', 'b', 'c'].map((key) => {
      const { id } = pool.acquire(key);
      pool.load(id, tableOf(100));
      return id;
    });
    pool.release(a);
    pool.release(c);
    const large = pool.acquire('large').id;
    expect(pool.load(large, tableOf(200))).toBe(false);
    expect([a, b, c].map((id) => pool.state(id))).toEqual(Array(3).fill(ModuleState.Ready));
    pool.release(b);
    expect(pool.load(large, tableOf(200))).toBe(true);
  });

  it('changes the state before it writes over anything, and every time to another word', () => {
    const memory = arrays({ rows: 120 });
    const states = new Set<number>();
    const stateWord = (id: number): number => memory.modules[id * MODULE_WORDS];
    // Whoever has read this before the row was written must find another word afterwards.
    let owner: { id: number; state: number } | undefined;
    const rows: UnwindArrays['rows'] = {
      length: memory.rows.length,
      set: (values, at) => {
        if (owner !== undefined) expect(stateWord(owner.id)).not.toBe(owner.state);
        memory.rows.set(values, at);
      },
    };
    const { pool, pass } = poolAt({ ...memory, rows }, { minIdleMs: 0 });
    for (let i = 0; i < 20; i++) {
      pass(1);
      const { id, needsTable } = pool.acquire(`module ${i % 3}`);
      pool.release(id);
      if (!needsTable && !need(memory, pool, id)) continue;
      expect(pool.load(id, tableOf(100))).toBe(true);
      owner = { id, state: stateWord(id) };
      expect(states.has(id * 2 ** 32 + owner.state)).toBe(false);
      states.add(id * 2 ** 32 + owner.state);
    }
    expect(states.size).toBeGreaterThan(10);
  });

  it('gives an ID to another module only after a while', () => {
    const { pool, pass } = poolAt(arrays({ modules: 3 }), { idQuarantineMs: 1000 });
    const a = pool.acquire('a').id;
    const b = pool.acquire('b').id;
    expect(pool.acquire('c')).toEqual({ id: 0, needsTable: false });
    pool.release(a);
    expect(pool.acquire('c').id).toBe(0);
    pass(1000);
    expect(pool.acquire('c')).toEqual({ id: a, needsTable: true });
    expect(pool.key(b)).toBe('b');
    expect(pool.acquire('a').id).toBe(0);
  });

  it("whatever comes and goes: BPF finds a module's own rules, or why there are none", () => {
    const operation = fc.record({
      kind: fc.constantFrom('open', 'open', 'open', 'close', 'need', 'wait'),
      module: fc.nat(9),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 80 }), (operations) => {
        const memory = arrays({ rows: 300, pages: 30, rules: 120, modules: 8 });
        const { pool, pass } = poolAt(memory, { minIdleMs: 5, idQuarantineMs: 1 });
        const tables = Array.from({ length: 10 }, (_, i) =>
          tableOf(20 + i * 12, 0x10000 * (i + 1), i * 400),
        );
        const open: { id: number; module: number }[] = [];
        for (const { kind, module } of operations) {
          pass(1);
          if (kind === 'wait') pass(10);
          if (kind === 'open') {
            const { id, needsTable } = pool.acquire(`${module}`);
            if (id !== 0) open.push({ id, module });
            if (needsTable) pool.load(id, tables[module]);
          }
          const some = open[module % Math.max(1, open.length)];
          if (kind === 'close' && some !== undefined) {
            pool.release(some.id);
            open.splice(open.indexOf(some), 1);
          }
          if (kind === 'need' && some !== undefined && need(memory, pool, some.id)) {
            pool.load(some.id, tables[some.module]);
          }
          for (const { id, module } of open) {
            expect(pool.key(id)).toBe(`${module}`);
            for (const offset of [0, 8, 77, 150]) {
              const address = 0x10000 * (module + 1) + offset;
              const found = lookUp(memory, id, address);
              if (pool.state(id) === ModuleState.Ready) {
                const tooMany = `special ${SpecialRule.Unsupported + 5}`;
                if (found !== tooMany) expect(found).toBe(expected(tables[module], address));
              } else expect(['Evicted', 'NoRoom', 'Pending']).toContain(found);
            }
          }
          const { rows, rowCapacity } = pool.usage;
          expect(rows).toBeLessThanOrEqual(rowCapacity);
        }
      }),
      { numRuns: 300 },
    );
  });
});
