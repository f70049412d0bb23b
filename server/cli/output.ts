/**
 * Where a profile is written. A file is opened before recording starts, so that a path that can't be written is an
 * error at once and not after an hour; it is written under a temporary name beside its own and renamed when whole, so
 * that a run that failed leaves no half file, and the old one as it was.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

export class OutputError extends Error {
  override readonly name = 'OutputError';
}

export interface Output {
  /** As a message names it. */
  readonly name: string;
  readonly isStdout: boolean;
  /** Writes the whole profile, given in pieces; it is in its place when this returns. Throws OutputError. */
  finish(pieces: Iterable<string | Uint8Array>): void;
  /** Takes away what an unfinished output left. Does nothing after `finish`. */
  discard(): void;
}

/**
 * Opens the file at `path`; undefined and '-' mean the standard output. `binary`: what will be written would upset a
 * terminal. Throws OutputError.
 */
export function openOutput(path: string | undefined, binary: boolean): Output {
  if (path === undefined || path === '-') return openStdout(binary);
  let status: ReturnType<typeof statSync> | undefined;
  try {
    status = statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw cannotWrite(path, error);
  }
  if (status?.isDirectory())
    throw new OutputError(`${path} is a directory; give -o the name of a file`);
  // /dev/null, a pipe and the like can't be replaced by renaming.
  if (status !== undefined && !status.isFile()) return openSpecial(path);
  return openFile(path, status === undefined ? path : realpathSync(path));
}

function openStdout(binary: boolean): Output {
  if (binary && process.stdout.isTTY) {
    throw new OutputError(
      'a binary profile would be written to the terminal: name a file by -o, or send the output to a pipe',
    );
  }
  return {
    name: 'the standard output',
    isStdout: true,
    finish: (pieces) => writeAll(1, pieces, 'the standard output'),
    discard: () => {},
  };
}

function openSpecial(path: string): Output {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_WRONLY);
  } catch (error) {
    throw cannotWrite(path, error);
  }
  const close = (): void => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  };
  return {
    name: path,
    isStdout: false,
    finish(pieces) {
      if (fd === undefined) throw new OutputError(`${path} is closed already`);
      writeAll(fd, pieces, path);
      close();
    },
    discard: close,
  };
}

/** `target` is `path` without symbolic links, so that the rename replaces the file and not a link to it. */
function openFile(path: string, target: string): Output {
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.partial`);
  let fd: number | undefined;
  try {
    if (target !== path || statSync(target, { throwIfNoEntry: false })) {
      closeSync(openSync(target, constants.O_WRONLY)); // may it be written at all?
    }
    fd = openSync(temporary, 'w', 0o666);
  } catch (error) {
    throw cannotWrite(path, error);
  }
  const discard = (): void => {
    if (fd === undefined) return;
    closeSync(fd);
    fd = undefined;
    rmSync(temporary, { force: true });
  };
  return {
    name: path,
    isStdout: false,
    finish(pieces) {
      if (fd === undefined) throw new OutputError(`${path} is closed already`);
      try {
        writeAll(fd, pieces, path);
        fsyncSync(fd);
        renameSync(temporary, target);
      } catch (error) {
        discard();
        throw error instanceof OutputError ? error : cannotWrite(path, error);
      }
      closeSync(fd);
      fd = undefined;
    },
    discard,
  };
}

/** Writes synchronously, so that the process may end right after. */
function writeAll(fd: number, pieces: Iterable<string | Uint8Array>, name: string): void {
  for (const piece of pieces) {
    writePiece(fd, typeof piece === 'string' ? Buffer.from(piece) : piece, name);
  }
}

function writePiece(fd: number, bytes: Uint8Array, name: string): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      // A pipe may have been made non-blocking by whoever shares it: wait for its reader.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || fstatSync(fd).isFile())
        throw cannotWrite(name, error);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

function cannotWrite(name: string, error: unknown): OutputError {
  const code = (error as NodeJS.ErrnoException).code;
  const reasons: Record<string, string> = {
    ENOENT: 'its directory does not exist',
    ENOTDIR: 'a part of its path is not a directory',
    EACCES: 'permission denied',
    EPERM: 'not permitted',
    EROFS: 'the file system is read-only',
    ENOSPC: 'the disk is full',
    EDQUOT: 'the disk quota is used up',
    EPIPE: 'its reader has gone',
    EISDIR: 'it is a directory',
    ENAMETOOLONG: 'its name is too long',
    EINVAL: 'it can not be written',
  };
  const reason = (code !== undefined && reasons[code]) || (error as Error).message;
  return new OutputError(`cannot write ${name}: ${reason}`);
}
