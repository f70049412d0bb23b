/** `hearth doctor`: what this machine offers Hearth, which way Hearth takes on it, and what to do about the rest. */
import { release } from 'node:os';
import packageJson from '@/package.json';
import { type Check, isUsable, type Probe, runProbe } from './check';
import { COLLECTING_PROBES } from './collecting';
import { installationProbes } from './installation';
import { KERNEL_PROBES } from './kernel';
import { offCpuProbes } from './off-cpu';
import { PERMISSION_PROBES } from './permissions';
import { formatReport } from './report';

export interface DoctorOptions {
  readonly json: boolean;
  /** Undefined: the one that `serve` would use. */
  readonly dataDir: string | undefined;
}

/** What `--json` prints. */
export interface DoctorReport {
  readonly hearth: string;
  readonly kernel: string;
  readonly node: string;
  /** Nothing that is required is missing. */
  readonly usable: boolean;
  readonly checks: readonly Check[];
}

export async function examine(probes: readonly Probe[]): Promise<DoctorReport> {
  const checks: Check[] = [];
  // One after another: they load the same libraries, and one of them measures.
  for (const probe of probes) checks.push(await runProbe(probe));
  return {
    hearth: packageJson.version,
    kernel: release(),
    node: process.version,
    usable: isUsable(checks),
    checks,
  };
}

/** Prints the report; resolves to the exit status: 1 where something that is required is missing. */
export async function doctor({ json, dataDir }: DoctorOptions): Promise<number> {
  const report = await examine([
    ...KERNEL_PROBES,
    ...PERMISSION_PROBES,
    ...COLLECTING_PROBES,
    ...offCpuProbes(),
    ...installationProbes(dataDir),
  ]);
  if (json) {
    console.log(JSON.stringify(report, undefined, 2));
  } else {
    const { isTTY, columns = 100 } = process.stdout;
    const colour = isTTY === true && process.env.NO_COLOR === undefined;
    console.log(formatReport(report, { colour, columns }));
  }
  return report.usable ? 0 : 1;
}
