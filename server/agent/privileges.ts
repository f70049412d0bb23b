/** What this process may do, by the capabilities that the kernel shows of it. */
import { readFileSync } from 'node:fs';

/** Numbers of <linux/capability.h>. */
export const CAPABILITIES = {
  CAP_DAC_READ_SEARCH: 2,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYSLOG: 34,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const;
export type Capability = keyof typeof CAPABILITIES;

/** What collecting can't do without, then what it gets poorer without; CAP_SYS_ADMIN stands for the former two. */
export const REQUIRED_CAPABILITIES: readonly Capability[] = ['CAP_BPF', 'CAP_PERFMON'];
export const USEFUL_CAPABILITIES: Readonly<Partial<Record<Capability, string>>> = {
  CAP_SYS_PTRACE: "reads other users' processes: without it their functions have no names",
  CAP_DAC_READ_SEARCH: 'reads programs that only their owner may read',
  CAP_SYSLOG: 'reads kernel addresses: without it kernel functions have no names',
};

/** The effective capabilities as a bit set, from the text of /proc/PID/status. */
export function effectiveCapabilities(statusText: string): bigint {
  const found = /^CapEff:\s*([0-9a-f]+)$/m.exec(statusText);
  return found === null ? 0n : BigInt(`0x${found[1]}`);
}

/** Those of `wanted` that are not in the set. */
export function missingCapabilities(wanted: readonly Capability[], set: bigint): Capability[] {
  const has = (name: Capability): boolean => ((set >> BigInt(CAPABILITIES[name])) & 1n) === 1n;
  return wanted.filter(
    (name) => !has(name) && !(REQUIRED_CAPABILITIES.includes(name) && has('CAP_SYS_ADMIN')),
  );
}

/** What to tell a user who may not profile this machine; undefined where they may. */
export function privilegeProblem(command: string): string | undefined {
  const set = effectiveCapabilities(readFileSync('/proc/self/status', 'utf8'));
  const missing = missingCapabilities(REQUIRED_CAPABILITIES, set);
  if (missing.length === 0) return undefined;
  return `profiling needs root, or ${missing.join(' and ')}, which this process does not have. Try: sudo ${command}`;
}
