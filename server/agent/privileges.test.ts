import { describe, expect, it } from 'vitest';
import { effectiveCapabilities, missingCapabilities } from './privileges';

const bits = (...numbers: number[]): bigint =>
  numbers.reduce((set, bit) => set | (1n << BigInt(bit)), 0n);

describe('capabilities', () => {
  it('are read from /proc/PID/status', () => {
    const status =
      'Name:\tnode\nCapPrm:\t0000000000000000\nCapEff:\t000000c000000000\nCapBnd:\t0\n';
    expect(effectiveCapabilities(status)).toBe(bits(38, 39));
    expect(effectiveCapabilities('Name:\tnode\n')).toBe(0n);
  });

  it('are missing one by one', () => {
    expect(missingCapabilities(['CAP_BPF', 'CAP_PERFMON'], bits(39))).toEqual(['CAP_PERFMON']);
    expect(missingCapabilities(['CAP_BPF', 'CAP_PERFMON'], bits(38, 39))).toEqual([]);
  });

  it('of CAP_SYS_ADMIN stand for BPF and PERFMON, as the kernel has it, and for no other', () => {
    expect(missingCapabilities(['CAP_BPF', 'CAP_PERFMON', 'CAP_SYS_PTRACE'], bits(21))).toEqual([
      'CAP_SYS_PTRACE',
    ]);
  });
});
