/** Where Hearth keeps what it must not forget: sessions and the access token. */
import { mkdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';

export interface DataDirectoryChoice {
  /** What the command line says; before all else. */
  readonly asked?: string | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** The user who started Hearth, not the one that the web process becomes. */
  readonly isRoot?: boolean;
}

/**
 * The data directory's absolute path: what was asked for, $HEARTH_DATA_DIR, /var/lib/hearth for root, else
 * $XDG_DATA_HOME/hearth or ~/.local/share/hearth. Does not look whether it exists.
 */
export function dataDirectory(choice: DataDirectoryChoice = {}): string {
  const { environment = process.env, isRoot = process.getuid?.() === 0 } = choice;
  const asked = choice.asked || environment.HEARTH_DATA_DIR;
  if (asked) return resolve(asked);
  if (isRoot) return '/var/lib/hearth';
  const xdg = environment.XDG_DATA_HOME;
  // The XDG specification says to ignore relative paths.
  if (xdg && isAbsolute(xdg)) return join(xdg, 'hearth');
  return join(environment.HOME || homedir(), '.local/share/hearth');
}

/** The message says what to do. */
export class DataDirectoryError extends Error {
  override readonly name = 'DataDirectoryError';
}

/**
 * Makes the directory where it is missing, for its owner alone: what it will hold names everything that runs here. Throws
 * DataDirectoryError.
 */
export function makeDataDirectory(path: string): void {
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
    mkdirSync(dirname(path), { recursive: true });
    mkdirSync(path, { mode: 0o700 });
  } catch (cause) {
    throw new DataDirectoryError(
      `The data directory ${path} can't be made: ${(cause as Error).message}. ` +
        'Name another one with --data-dir or HEARTH_DATA_DIR.',
      { cause },
    );
  }
}
