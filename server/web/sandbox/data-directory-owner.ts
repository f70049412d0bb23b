/**
 * Gives the web process's part of the data directory to the user that it becomes. Root does this in a directory that an
 * unprivileged user may own, and that may be named by mistake, so it trusts neither: no links are followed, and nothing
 * is changed that isn't Hearth's own.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  openSync,
  readdirSync,
  realpathSync,
} from 'node:fs';
import type { Credentials } from './credentials';

/** Everything that Hearth puts into the data directory, and into the web process's part of it. */
const OWN_PARTS: ReadonlySet<string> = new Set(['web', 'agent']);
const OWN_FILES: ReadonlySet<string> = new Set([
  'hearth.duckdb',
  'hearth.duckdb.wal',
  'token',
  'address',
]);
const PASS_THROUGH = 0o011;

export class DataDirectoryError extends Error {
  override readonly name = 'DataDirectoryError';
}

/**
 * Makes `webDirectory`, which is in `directory`, and Hearth's own files in it the web user's, who may only pass through
 * `directory` itself. Does nothing where this process isn't root. Throws DataDirectoryError where one of them is
 * not Hearth's.
 */
export function giveDataDirectory(
  directory: string,
  webDirectory: string,
  { become }: Credentials,
): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid, name } = become ?? { uid: 0, gid: 0, name: 'root' };
  if (become !== undefined) letPass(directory, uid);
  const fd = openDirectory(webDirectory);
  try {
    const opened = `/proc/self/fd/${fd}`;
    const entries = readdirSync(opened);
    const owner = fstatSync(fd);
    const foreign = entries.filter((entry) => !OWN_FILES.has(entry));
    if (owner.uid !== uid && foreign.length > 0) {
      throw new DataDirectoryError(
        `${webDirectory} does not belong to ${name}, whom the web process runs as, and holds files that are not ` +
          `Hearth's (${foreign.slice(0, 3).join(', ')}). Choose another data directory.`,
      );
    }
    for (const entry of entries) {
      if (OWN_FILES.has(entry)) giveFile(`${opened}/${entry}`, uid, gid);
    }
    if (owner.uid !== uid || owner.gid !== gid) fchownSync(fd, uid, gid);
  } finally {
    closeSync(fd);
  }
}

/** Lets everybody pass through a directory of Hearth's alone; one that is shared stays as it is, and must let them pass. */
function letPass(directory: string, uid: number): void {
  // The way to it may be a link of the administrator's.
  const fd = openDirectory(realpathSync(directory));
  try {
    const { uid: owner, mode } = fstatSync(fd);
    if (owner === uid || (mode & PASS_THROUGH) === PASS_THROUGH) return;
    if (!readdirSync(`/proc/self/fd/${fd}`).every((entry) => OWN_PARTS.has(entry))) {
      throw new DataDirectoryError(
        `${directory} holds other things than Hearth's and can't be passed through by the user that the web process ` +
          'runs as. Choose a new or an empty data directory.',
      );
    }
    fchmodSync(fd, (mode & 0o7777) | PASS_THROUGH);
  } finally {
    closeSync(fd);
  }
}

function openDirectory(path: string): number {
  try {
    return openSync(path, constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'ELOOP' && code !== 'ENOTDIR') throw cause;
    throw new DataDirectoryError(
      `${path} is a link or no directory: name the directory itself as the data directory.`,
      { cause },
    );
  }
}

function giveFile(path: string, uid: number, gid: number): void {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    // A link or socket that somebody has put there, or a file that is gone again: not ours to give.
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ELOOP' || code === 'ENOENT' || code === 'ENXIO') return;
    throw error;
  }
  try {
    const file = fstatSync(fd);
    // A file with a second name may be another user's, linked to here.
    if (!file.isFile() || file.nlink !== 1) return;
    if (file.uid !== uid || file.gid !== gid) fchownSync(fd, uid, gid);
  } finally {
    closeSync(fd);
  }
}
