/** What differs from one machine to the next: DWARF register numbers and what a signal's frame looks like. */
import type { UnwindMachine } from './format';

export interface Machine {
  readonly name: UnwindMachine;
  /** DWARF register numbers. `returnAddress` is the column that CIEs give to it. */
  readonly stackPointer: number;
  readonly framePointer: number;
  readonly instructionPointer: number;
  /**
   * A register that callees preserve, in which a few functions have the CFA while they call others (x86-64's rbx); -1 where
   * there is none.
   */
  readonly baseRegister: number;
  /** True where a call leaves the return address in a register, not on the stack. */
  readonly hasLinkRegister: boolean;
  /** Offsets from the stack pointer in the signal return trampoline, in bytes. */
  readonly signalFrame: {
    readonly stackPointer: number;
    readonly instructionPointer: number;
    readonly framePointer: number;
  };
}

export const MACHINES: Readonly<Record<UnwindMachine, Machine>> = {
  'x86-64': {
    name: 'x86-64',
    stackPointer: 7,
    framePointer: 6,
    instructionPointer: 16,
    baseRegister: 3,
    hasLinkRegister: false,
    // struct rt_sigframe after its return address was popped: a ucontext, whose general registers begin at 40.
    signalFrame: { stackPointer: 160, instructionPointer: 168, framePointer: 120 },
  },
  arm64: {
    name: 'arm64',
    stackPointer: 31,
    framePointer: 29,
    instructionPointer: 32,
    baseRegister: -1,
    hasLinkRegister: true,
    // struct rt_sigframe: 128 bytes of siginfo, 176 of ucontext before its mcontext, 8 before its registers.
    signalFrame: { stackPointer: 560, instructionPointer: 568, framePointer: 544 },
  },
};
