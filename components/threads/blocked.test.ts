import { describe, expect, it } from 'vitest';
import { isFound } from '@/components/profile-worker/thread-search';
import { whereBlocked } from '@/profile/blocked-thread';
import { ThreadState } from '@/profile/schema';
import type { BlockedThread } from '@/profile/status';
import {
  blockedStates,
  blockedText,
  groupBlocked,
  isKernelThread,
  wakerGrounds,
  wakerText,
} from './blocked';

const thread = (part: Partial<BlockedThread>): BlockedThread => ({
  pid: 1,
  tid: 1,
  process: 'program',
  thread: 'worker',
  waitClass: ThreadState.Lock,
  forMs: 5200,
  kernelStack: ['do_syscall_64', 'futex_wait', 'schedule', '__schedule'],
  alike: 1,
  lastWaker: undefined,
  ...part,
});

describe('a blocked thread', () => {
  it('is where it sleeps, not in the scheduler', () => {
    expect(whereBlocked(thread({}))).toBe('futex_wait');
    expect(whereBlocked(thread({ kernelStack: ['schedule'] }))).toBe('schedule');
    expect(whereBlocked(thread({ kernelStack: [] }))).toBeUndefined();
    expect(blockedText(thread({}))).toBe('lock for 5.2 s');
  });

  it('is told apart from the kernel’s own by where its stack begins', () => {
    const kernelStack = ['ret_from_fork_asm', 'ret_from_fork', 'kthread', 'worker_thread'];
    expect(isKernelThread(thread({ kernelStack }))).toBe(true);
    expect(isKernelThread(thread({}))).toBe(false);
  });

  it('is found by names and numbers', () => {
    expect(isFound(thread({}), 'PROG')).toBe(true);
    expect(isFound(thread({ tid: 77 }), '77')).toBe(true);
    expect(isFound(thread({ tid: 77 }), '7')).toBe(false);
  });

  it('is one with those that are alike', () => {
    const all = [thread({}), thread({ tid: 2, kernelStack: ['other'] }), thread({ tid: 3 })];
    expect(groupBlocked(all).map(({ threads }) => threads.map(({ tid }) => tid))).toEqual([
      [1, 3],
      [2],
    ]);
    expect(blockedStates([...all, thread({ waitClass: ThreadState.Disk })])).toMatchObject([
      { name: 'lock', count: 3 },
      { name: 'disk', count: 1 },
    ]);
  });
});

describe('a probable waker', () => {
  it('is said with its grounds', () => {
    const waker = { kind: 'thread', pid: 5, tid: 6, process: 'db', thread: 'writer' } as const;
    expect(wakerText(waker, ThreadState.Lock)).toBe('db / writer (6)');
    expect(wakerText({ ...waker, thread: 'db' }, ThreadState.Lock)).toBe('db (6)');
    expect(wakerText({ kind: 'interrupt' }, ThreadState.Disk)).toMatch(/^an interrupt/);
    expect(wakerText({ kind: 'interrupt' }, ThreadState.Sleep)).toBe('its timer');
    expect(wakerGrounds({ waker, share: 0.92, waits: 40.4, basis: 'same-place' })).toBe(
      '92.0% of 40 of its waits here',
    );
  });
});
