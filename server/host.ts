/** The machine. */
import { readFileSync } from 'node:fs';
import { cpus, hostname, release } from 'node:os';
import { join } from 'node:path';
import type { HostDescription } from '@/profile/status';
import { ROOT } from './root';

const readVersion = (): string =>
  (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;

export function describeHost(): HostDescription {
  return {
    hostname: hostname(),
    kernel: release(),
    cpus: cpus().length,
    hearth: readVersion(),
  };
}
