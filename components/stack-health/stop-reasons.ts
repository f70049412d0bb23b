/** Why stacks end before the root of their thread, and what can be done about it, in plain words. */
import { STACK_LOST } from '@/profile/names';

export interface StopReason {
  readonly title: string;
  readonly why: string;
  /** '' where there is nothing to do. */
  readonly advice: string;
}

/** By the reason in the Stop frame. */
const REASONS: Readonly<Record<string, StopReason>> = {
  'no frame pointer': {
    title: 'No frame pointer',
    why: 'The code has no unwind table and keeps no frame pointer: usually code that a program generates as it runs.',
    advice:
      'Let the runtime keep frame pointers (Java: -XX:+PreserveFramePointer; Python 3.12: -X perf), or compile with -fno-omit-frame-pointer.',
  },
  'code without unwind information': {
    title: 'Code without unwind information',
    why: 'The file has unwind tables, but none for this code: hand-written assembly, or a compiler that was told to leave them out.',
    advice: 'Compile with -fasynchronous-unwind-tables or -fno-omit-frame-pointer.',
  },
  'unwind table still being made': {
    title: 'Unwind table still being made',
    why: 'Hearth was reading the file’s unwind information when these samples came.',
    advice: 'Wait: it takes seconds at most, and the table is kept for the next time.',
  },
  'no room for the unwind table': {
    title: 'No room for the unwind table',
    why: 'More code ran than Hearth keeps tables for at once; the tables of the busiest processes stay.',
    advice: 'Close programs that you do not need, or record fewer: hearth record -p PID.',
  },
  'damaged unwind table': {
    title: 'Damaged unwind table',
    why: 'The file’s unwind information contradicts itself.',
    advice: 'Install or build the file again. If it stays so, please report it, with the file.',
  },
  'unwind information not supported': {
    title: 'Unwind information not supported',
    why: 'The caller can only be found with registers or expressions that Hearth does not follow in the kernel.',
    advice: 'Compile this code with -fno-omit-frame-pointer.',
  },
  'stack memory not readable': {
    title: 'Stack memory not readable',
    why: 'The memory of the stack was not there at that moment, for example because it was swapped out.',
    advice: 'A few are normal. Many mean that the machine is short of memory.',
  },
  'broken stack': {
    title: 'Broken stack',
    why: 'The way to the caller would lead downwards: the code switches stacks (coroutines, green threads), or the stack was overwritten.',
    advice: 'Nothing, for programs that switch stacks. Else look for a memory error.',
  },
  'broken stack, its caller is not code': {
    title: 'The caller is not code',
    why: 'The return address that was found does not point into code: a wrong turn further down, or an overwritten stack.',
    advice: 'Compile what stands above the break with -fno-omit-frame-pointer.',
  },
  'newly mapped code': {
    title: 'Newly mapped code',
    why: 'The code was loaded a moment before, and Hearth had not seen it yet.',
    advice: 'Wait: samples that follow are whole.',
  },
  'truncated: as deep as Hearth can follow': {
    title: 'Deeper than Hearth can follow',
    why: 'The stack has more frames than fit, mostly because of recursion. What is nearest to the leaf is there.',
    advice: 'Self times are right. Total times of what is nearest to the root are too small.',
  },
  [STACK_LOST]: {
    title: 'Stack lost',
    why: 'The sample came without its stack, because a buffer was full or the stack could not be read at all.',
    advice: 'See what was lost, beside this. A lower sampling rate makes it rarer.',
  },
};

/** What to say about a reason; a reason that is not known here stands for itself. */
export function stopReason(reason: string): StopReason {
  return (
    REASONS[reason] ?? {
      title: reason.charAt(0).toUpperCase() + reason.slice(1),
      why: 'Hearth could not find the caller here.',
      advice: '',
    }
  );
}
