/** Whether collecting really works, by doing it for a moment. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildCallTree } from '@/profile/call-tree';
import { FunctionTable } from '@/profile/functions';
import { quality } from '@/profile/quality';
import { weighSamples } from '@/profile/weights';
import { Collector } from '@/server/agent/collector';
import { enableRunTimeStatistics, libbpfVersion } from '@/server/agent/libbpf';
import { distFile } from '@/server/root';
import { Recording } from '../recording';
import { unwindTableCache } from '../unwind-table-cache';
import type { Finding, Probe } from './check';
import { requirePrivileges } from './permissions';

const TEST_FREQUENCY_HZ = 199;
const TEST_MS = 400;
/** Long enough for a look at what runs; tables of what runs are made before that. */
const HEALTH_MS = 2000;
const PREPARE_MS = 10_000;
const SHOWN_REASONS = 3;
/** Below this share of whole stacks something is worth looking at. */
const HEALTHY_SHARE = 0.99;

/** Something to sample, on a machine that may have nothing else to do. */
function burnCpu(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** Profiles the whole machine for a moment. */
async function stackHealth(): Promise<Finding> {
  requirePrivileges();
  const recording = new Recording();
  const collector = await Collector.start({
    frequencyHz: TEST_FREQUENCY_HZ,
    filter: { kind: 'all' },
    cacheDirectory: unwindTableCache(),
    onChunk: (chunk) => recording.add(chunk),
    onStatus: () => {},
  });
  try {
    await collector.settled(PREPARE_MS);
    recording.begin(Number(process.hrtime.bigint()));
    burnCpu(TEST_MS);
    await sleep(HEALTH_MS - TEST_MS);
  } finally {
    await collector.stop();
  }
  const { profile } = recording;
  const functions = new FunctionTable(profile);
  const tree = buildCallTree(profile, functions, weighSamples(profile));
  const { whole, named, broken } = quality(tree, functions.labels);
  if (whole.share === undefined || named.share === undefined) {
    return { state: 'degraded', found: 'nothing ran that could be sampled' };
  }
  const percent = (share: number): string => `${(share * 100).toFixed(1)}%`;
  const reasons = broken
    .slice(0, SHOWN_REASONS)
    .map(({ label, samples }) => `, ${samples} ${functions.labels.textOf(label)}`);
  return {
    state: whole.share >= HEALTHY_SHARE ? 'ok' : 'degraded',
    found: `${percent(whole.share)} of ${whole.of} stacks whole${reasons.join('')}; ${percent(named.share)} of frames named`,
    ...(whole.share >= HEALTHY_SHARE
      ? {}
      : {
          advice:
            'the reasons name the modules whose stacks break; the stack health panel of the live view shows all',
        }),
  };
}

export const COLLECTING_PROBES: readonly Probe[] = [
  {
    id: 'libbpf',
    group: 'collecting',
    title: 'libbpf',
    required: true,
    meaning: 'loads BPF programs into the kernel',
    look: () => {
      try {
        return { state: 'ok', found: libbpfVersion() };
      } catch (error) {
        return {
          state: 'missing',
          found: (error as Error).message,
          advice: 'apt-get install libbpf1, or run bin/setup as root',
        };
      }
    },
  },
  {
    id: 'bpf-objects',
    group: 'collecting',
    title: 'BPF objects',
    required: true,
    meaning: 'Hearth’s BPF programs, compiled',
    look: () => {
      const directory = distFile('bpf');
      const objects = existsSync(directory)
        ? readdirSync(directory).filter((name) => name.endsWith('.bpf.o'))
        : [];
      return objects.length > 0
        ? { state: 'ok', found: objects.sort().join(', ') }
        : { state: 'missing', found: `none in ${join(directory)}`, advice: 'run bin/setup' };
    },
  },
  {
    id: 'sampling',
    group: 'collecting',
    title: 'Sampling',
    required: true,
    meaning: 'BPF programs are loaded, attached and read: tried with this process',
    look: async () => {
      requirePrivileges();
      const recording = new Recording();
      recording.begin(0);
      const collector = await Collector.start({
        frequencyHz: TEST_FREQUENCY_HZ,
        filter: { kind: 'processes', pids: [process.pid] },
        onChunk: (chunk) => recording.add(chunk),
        onStatus: () => {},
      });
      try {
        burnCpu(TEST_MS);
      } finally {
        await collector.stop();
      }
      const { length } = recording.profile.samples;
      const found = `${length} samples in ${TEST_MS} ms at ${TEST_FREQUENCY_HZ} Hz`;
      return length > 0
        ? { state: 'ok', found }
        : {
            state: 'missing',
            found,
            advice:
              'the programs load but never run: is kernel.perf_cpu_time_max_percent 0, or another perf user throttled (dmesg)?',
          };
    },
  },
  {
    id: 'stacks',
    group: 'collecting',
    title: 'Stack health',
    required: false,
    meaning:
      'stacks are followed to their root by unwind tables or frame pointers: tried with what runs now',
    look: stackHealth,
  },
  {
    id: 'bpf-statistics',
    group: 'collecting',
    title: 'BPF run time statistics',
    required: false,
    meaning: 'what the BPF programs cost is measured by the kernel and shown',
    look: () => {
      requirePrivileges();
      enableRunTimeStatistics()();
      return { state: 'ok', found: 'can be switched on' };
    },
  },
];
