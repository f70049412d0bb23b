/** A thread that is blocked, in words. */
import type { BlockedThread } from './status';

/** Of the kernel's own functions those in which every thread sleeps: they say nothing of where. */
const SCHEDULING =
  /^(__schedule|schedule(_\w+)?|io_schedule(_\w+)?|do_nanosleep|__switch_to(_asm)?|preempt_schedule\w*)$/;

/** The function in which a thread sleeps, without the scheduler's own; undefined where no stack is known. */
export function whereBlocked({
  kernelStack,
}: Pick<BlockedThread, 'kernelStack'>): string | undefined {
  for (let i = kernelStack.length - 1; i >= 0; i--)
    if (!SCHEDULING.test(kernelStack[i])) return kernelStack[i];
  return kernelStack.at(-1);
}

/** A thread as others are told of it. */
export function threadText({
  process,
  thread,
  tid,
}: Pick<BlockedThread, 'process' | 'thread' | 'tid'>): string {
  return `${process === thread ? process : `${process} / ${thread}`} (${tid})`;
}
