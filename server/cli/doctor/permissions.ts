/** What this process may do. */
import { readFileSync } from 'node:fs';
import {
  type Capability,
  effectiveCapabilities,
  missingCapabilities,
  privilegeProblem,
  REQUIRED_CAPABILITIES,
  USEFUL_CAPABILITIES,
} from '@/server/agent/privileges';
import type { Probe } from './check';

const ownCapabilities = (): bigint =>
  effectiveCapabilities(readFileSync('/proc/self/status', 'utf8'));

const who = (): string => (process.getuid?.() === 0 ? 'root' : `user ${process.getuid?.()}`);

/** For probes that profile. Throws with what to do where this process may not. */
export function requirePrivileges(): void {
  const problem = privilegeProblem('hearth doctor');
  if (problem !== undefined) throw new Error(`not tried: ${problem}`);
}

export const PERMISSION_PROBES: readonly Probe[] = [
  {
    id: 'capabilities',
    group: 'permissions',
    title: 'Capabilities to profile',
    required: true,
    meaning: 'loading BPF programs and opening perf events for the whole machine',
    look: () => {
      const missing = missingCapabilities(REQUIRED_CAPABILITIES, ownCapabilities());
      return missing.length === 0
        ? { state: 'ok', found: `${who()}, ${REQUIRED_CAPABILITIES.join(', ')}` }
        : {
            state: 'missing',
            found: `${who()}, without ${missing.join(', ')}`,
            advice: 'run as root: sudo hearth doctor',
          };
    },
  },
  {
    id: 'symbol-capabilities',
    group: 'permissions',
    title: 'Capabilities to name',
    required: false,
    meaning:
      'reading other users’ processes and programs, and kernel addresses, to name their functions',
    look: () => {
      const useful = Object.keys(USEFUL_CAPABILITIES) as Capability[];
      const missing = missingCapabilities(useful, ownCapabilities());
      return missing.length === 0
        ? { state: 'ok', found: useful.join(', ') }
        : {
            state: 'degraded',
            found: `without ${missing.join(', ')}`,
            meaning: missing.map((name) => `${name} ${USEFUL_CAPABILITIES[name]}`).join('; '),
            advice: 'run as root',
          };
    },
  },
  {
    id: 'perf-event-paranoid',
    group: 'permissions',
    title: 'perf_event_paranoid',
    required: false,
    meaning: 'restricts perf events of processes without CAP_PERFMON; Hearth’s agent has it',
    look: () => ({
      state: 'ok',
      found: readFileSync('/proc/sys/kernel/perf_event_paranoid', 'utf8').trim(),
    }),
  },
];
