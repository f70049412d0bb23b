import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  NO_THREADS,
  ThreadAnalysis,
  type ThreadList,
} from '@/components/profile-worker/thread-analysis';
import { ProfileBuilder } from '@/profile/builder';
import { NONE, ThreadState } from '@/profile/schema';
import { columnNs, HeldRows, pickedProcesses, type RowsQuery, rowsOf } from './rows';

interface Thread {
  readonly pid: number;
  readonly tid: number;
  readonly process?: string;
  readonly container?: string;
  readonly cgroup?: string;
  readonly name?: string;
  readonly ns?: Partial<Record<keyof typeof ThreadState, number>>;
  /** On a CPU, by the scheduler; as long as it was if not said. */
  readonly scheduler?: number;
}

/** The list of threads, each with one slice that ends at a second. */
function listOf(threads: readonly Thread[]): ThreadList {
  const builder = new ProfileBuilder();
  for (const {
    pid,
    tid,
    process = `p${pid}`,
    container,
    cgroup,
    name = `t${tid}`,
    ns = { Running: 100e6 },
    scheduler = ns.Running ?? 0,
  } of threads) {
    const row = builder.process({
      pid,
      parentPid: 1,
      name: builder.string(process),
      commandLine: builder.string(''),
      container: container === undefined ? NONE : builder.string(container),
      cgroup: cgroup === undefined ? NONE : builder.string(cgroup),
      startNs: 0,
    });
    const thread = builder.thread({ tid, process: row, name: builder.string(name) });
    for (const [state, value] of Object.entries(ns))
      builder.threadTime({
        timeNs: 1e9,
        thread,
        state: ThreadState[state as keyof typeof ThreadState],
        ns: value,
        count: 1,
        schedulerNs: state === 'Running' ? scheduler : 0,
        schedulerClockNs: 0,
      });
  }
  const { profile } = builder;
  profile.header = { sequence: 0, startNs: 0, endNs: 1e9, wallOffsetNs: 0, frequencyHz: 99 };
  const update = new ThreadAnalysis().update(profile, NO_THREADS, 0);
  return update?.list as ThreadList;
}

const QUERY: RowsQuery = {
  search: '',
  pids: [],
  containers: [],
  sort: 'cpu',
  isGrouped: true,
  closed: new Set(),
};

/** The rows in words: `p1:2` for the row of a process with two threads, a thread's number for its row. */
function textOf(
  list: ThreadList,
  query: Partial<RowsQuery> = {},
  held = new HeldRows(),
  isHeld = false,
): string {
  const { rows, groups } = rowsOf(list, { ...QUERY, ...query }, held, isHeld);
  return Array.from(rows, (row) =>
    row < 0 ? `${groups[-1 - row].process}:${groups[-1 - row].threads}` : String(list.tid[row]),
  ).join(' ');
}

const THREADS: readonly Thread[] = [
  { pid: 1, tid: 1, name: 'main', ns: { Running: 10, Sleep: 500 } },
  { pid: 1, tid: 11, name: 'Worker', ns: { Running: 30 } },
  { pid: 2, tid: 2, name: 'only', ns: { Running: 35, Lock: 1 } },
  { pid: 3, tid: 3, ns: { Running: 1, Lock: 20 } },
  { pid: 3, tid: 33, ns: { Running: 2, Lock: 10 } },
];

describe('rows of threads', () => {
  it('are by process, those with most in the column first; one thread alone needs no row above it', () => {
    const list = listOf(THREADS);
    expect(textOf(list)).toBe('p1:2 11 1 2 p3:2 33 3');
    expect(textOf(list, { sort: 'lock' })).toBe('p3:2 3 33 2 p1:2 1 11');
    expect(textOf(list, { sort: 'thread' })).toBe('p1:2 11 1 2 p3:2 3 33');
    expect(textOf(list, { isGrouped: false })).toBe('2 11 1 33 3');
  });

  it('are by how much they differ from the scheduler, either way; those of which it is not known come last', () => {
    const list = listOf([
      { pid: 1, tid: 1, scheduler: 99e6 },
      { pid: 1, tid: 11, scheduler: -1 },
      { pid: 2, tid: 2, scheduler: 97e6 },
      { pid: 3, tid: 3, scheduler: 105e6 },
      // There for too short a time for it to say something.
      { pid: 4, tid: 4, ns: { Running: 1000 }, scheduler: 500 },
    ]);
    expect(textOf(list, { sort: 'scheduler' })).toBe('3 2 p1:2 1 11 4');
  });

  it('leave out the threads of a process that is closed, but count them', () => {
    const list = listOf(THREADS);
    expect(textOf(list, { closed: new Set([1]) })).toBe('p1:2 2 p3:2 33 3');
    const query = { ...QUERY, closed: new Set([1]) };
    const { threads, groups } = rowsOf(list, query, new HeldRows(), false);
    expect(threads).toBe(5);
    expect(groups[0].elapsedNs).toBe(510 + 30);
    expect(groups[0].ns[ThreadState.Running]).toBe(40);
  });

  it('are those whose name, or that of their process, has the text, or that have the number', () => {
    const list = listOf(THREADS);
    expect(textOf(list, { search: ' worker' })).toBe('11');
    expect(textOf(list, { search: 'P3' })).toBe('p3:2 33 3');
    expect(textOf(list, { search: '2' })).toBe('2');
    expect(textOf(list, { pids: [1, 2] })).toBe('p1:2 11 1 2');
    expect(textOf(list, { search: 'nobody' })).toBe('');
  });

  it('are those of the containers, or else cgroups, that are picked, as are processes', () => {
    const list = listOf([
      { pid: 1, tid: 1, container: 'web', cgroup: '/docker/1' },
      { pid: 2, tid: 2, container: 'web', cgroup: '/docker/1' },
      { pid: 3, tid: 3, cgroup: '/system.slice/ssh.service' },
      // Of neither, but with their name.
      { pid: 4, tid: 4, process: 'web' },
    ]);
    const picked = (query: Partial<RowsQuery>): string => {
      const isPicked = pickedProcesses(list, { ...QUERY, ...query });
      const pids = [1, 2, 3, 4].filter(isPicked).join(' ');
      expect(textOf(list, query)).toBe(pids);
      return pids;
    };
    expect(picked({})).toBe('1 2 3 4');
    expect(picked({ containers: ['web'] })).toBe('1 2');
    expect(picked({ containers: ['web'], pids: [2, 3] })).toBe('2');
    expect(picked({ containers: ['web', '/system.slice/ssh.service'] })).toBe('1 2 3');
    expect(picked({ containers: ['/docker/1'] })).toBe('');
    expect(pickedProcesses(undefined, { pids: [], containers: ['web'] })(1)).toBe(false);
  });

  it('have every thread once, whatever the order, and columns that make up all of the time', () => {
    const states = Object.keys(ThreadState) as (keyof typeof ThreadState)[];
    const thread = fc.record({
      pid: fc.integer({ min: 1, max: 4 }),
      ns: fc.dictionary(fc.constantFrom(...states), fc.integer({ min: 1, max: 90 }), {
        minKeys: 1,
      }),
    });
    fc.assert(
      fc.property(
        fc.array(thread, { minLength: 1, maxLength: 20 }),
        fc.constantFrom('thread', 'elapsed', 'cpu', 'lock', 'residual' as const),
        fc.boolean(),
        (all, sort, isGrouped) => {
          const list = listOf(all.map((one, i) => ({ ...one, tid: i + 1 })));
          const query = { ...QUERY, sort: sort as 'cpu', isGrouped };
          const { rows } = rowsOf(list, query, new HeldRows(), false);
          const tids = Array.from(rows)
            .filter((row) => row >= 0)
            .map((row) => list.tid[row]);
          expect(tids.toSorted((a, b) => a - b)).toEqual(all.map((_, i) => i + 1));
          const columns = [
            'cpu',
            'queue',
            'waking',
            'sleep',
            'lock',
            'disk',
            'network',
            'pipe',
            'poll',
            'fault',
            'other',
          ] as const;
          for (let entry = 0; entry < list.length; entry++) {
            const sum = columns.reduce((time, key) => time + columnNs(list.ns, entry, key), 0);
            expect(sum).toBeCloseTo(list.endNs[entry] - list.startNs[entry], 6);
          }
        },
      ),
    );
  });
});

describe('their order', () => {
  const first = listOf([
    { pid: 1, tid: 1, ns: { Running: 9 } },
    { pid: 1, tid: 11, ns: { Running: 8 } },
    { pid: 2, tid: 2, ns: { Running: 5 } },
  ]);
  const second = listOf([
    { pid: 1, tid: 1, ns: { Running: 9 } },
    { pid: 1, tid: 11, ns: { Running: 10 } },
    { pid: 2, tid: 2, ns: { Running: 50 } },
    { pid: 1, tid: 111, ns: { Running: 12 } },
    { pid: 3, tid: 3, ns: { Running: 40 } },
  ]);

  it('is that of the times that are shown', () => {
    const held = new HeldRows();
    expect(textOf(first, {}, held)).toBe('p1:2 1 11 2');
    expect(textOf(second, {}, held)).toBe('2 3 p1:3 111 11 1');
  });

  it('stays as long as it is held; new threads come last, of all or of their process', () => {
    const held = new HeldRows();
    textOf(first, {}, held);
    expect(textOf(second, {}, held, true)).toBe('p1:3 1 11 111 2 3');
    expect(textOf(second, { closed: new Set([1]) }, held, true)).toBe('p1:3 2 3');
    expect(textOf(second, {}, held, true)).toBe('p1:3 1 11 111 2 3');
    expect(textOf(second, {}, held)).toBe('2 3 p1:3 111 11 1');
  });

  it('is made anew at once for another query', () => {
    for (const query of [{ sort: 'elapsed' }, { isGrouped: false }, { search: 't' }] as const) {
      const held = new HeldRows();
      textOf(first, {}, held, true);
      expect(textOf(second, query, held, true)).toBe(textOf(second, query));
    }
  });
});
