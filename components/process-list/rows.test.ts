import { describe, expect, it } from 'vitest';
import type { ProcessRow } from '@/profile/process-list';
import { filterRows, pickedText, pidsAfterClick } from './rows';

function row(pid: number, name: string, more: Partial<ProcessRow> = {}): ProcessRow {
  return {
    pid,
    name,
    commandLine: '',
    container: '',
    group: '/',
    weight: 1,
    samples: 1,
    share: 0.1,
    ...more,
  };
}

const ROWS = [
  row(12, 'node', { commandLine: 'node server.js' }),
  row(120, 'postgres', { container: 'db', group: 'db' }),
  row(7, 'Xorg', { group: '/user.slice' }),
];

describe('the process list', () => {
  it('filters by name, command line, container, cgroup and the start of the pid', () => {
    const pids = (filter: string) => filterRows(ROWS, filter).map(({ pid }) => pid);
    expect(pids(' ')).toEqual([12, 120, 7]);
    expect(pids('xorg')).toEqual([7]);
    expect(pids('SERVER')).toEqual([12]);
    expect(pids('db')).toEqual([120]);
    expect(pids('/user')).toEqual([7]);
    expect(pids('12')).toEqual([12, 120]);
  });

  it('names what is picked', () => {
    const none = { pids: [], tids: [], containers: [] };
    expect(pickedText(none, ROWS)).toBeUndefined();
    expect(pickedText({ ...none, pids: [120] }, ROWS)).toBe('postgres (120)');
    expect(pickedText({ ...none, pids: [99] }, ROWS)).toBe('process (99)');
    expect(pickedText({ ...none, pids: [7, 12] }, ROWS)).toBe('2 processes');
    expect(pickedText({ ...none, containers: ['db'] }, ROWS)).toBe('db');
    expect(pickedText({ ...none, pids: [7], tids: [8] }, ROWS)).toBe('thread 8');
  });

  it('selects one with a click, and none with a second', () => {
    expect(pidsAfterClick([], 7, false)).toEqual([7]);
    expect(pidsAfterClick([1, 7], 7, false)).toEqual([7]);
    expect(pidsAfterClick([7], 7, false)).toEqual([]);
  });

  it('adds and takes out with a modifier key', () => {
    expect(pidsAfterClick([1], 7, true)).toEqual([1, 7]);
    expect(pidsAfterClick([1, 7], 1, true)).toEqual([7]);
  });
});
