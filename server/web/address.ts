/** Where a running server listens, for commands that need it: a file in the data directory as long as it runs. */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const FILE_NAME = 'address';
const MAX_BYTES = 4096;

const addressSchema = z.object({
  /** Of the web process. */
  pid: z.int().min(1),
  /** An address of this machine. */
  host: z.string().regex(/^[\w.:-]{1,255}$/),
  port: z.int().min(1).max(65535),
});
export type ServerAddress = z.infer<typeof addressSchema>;

/** `host` as given to `listen`: one that stands for all interfaces is reached by the loopback one. */
export function writeAddress(dataDirectory: string, host: string, port: number): void {
  const reached = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const address: ServerAddress = { pid: process.pid, host: reached, port };
  writeFileSync(join(dataDirectory, FILE_NAME), `${JSON.stringify(address)}\n`, { mode: 0o600 });
}

export function removeAddress(dataDirectory: string): void {
  rmSync(join(dataDirectory, FILE_NAME), { force: true });
}

/** Undefined where there is none that can be one; the server may have ended since all the same. */
export function readAddress(dataDirectory: string): ServerAddress | undefined {
  try {
    const text = readSmallFile(join(dataDirectory, FILE_NAME));
    return addressSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Follows no link: the reader may be root, and the directory another user's. */
function readSmallFile(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = fstatSync(fd);
    if (size > MAX_BYTES) throw new Error(`${path} has ${size} bytes`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
