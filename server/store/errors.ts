/** Why the store can't do what it was asked: each class is one that a caller can act on, and its message is for the user. */

/** Any failure of the storage that none of the others describes. */
export class StoreError extends Error {
  override readonly name: string = 'StoreError';
}

/** Another process has the database open. */
export class StoreLockedError extends StoreError {
  override readonly name = 'StoreLockedError';
}

/** The database's file can't be read as one. Nothing was changed or deleted. */
export class StoreCorruptError extends StoreError {
  override readonly name = 'StoreCorruptError';
}

/** No space is left on the disk, or the quota is used up. What was stored before is safe. */
export class StoreFullError extends StoreError {
  override readonly name = 'StoreFullError';
}

/** Turns what DuckDB throws about the database file at `path` into one of the above. */
export function storeError(path: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  if (/Could not set lock on file/.test(text)) {
    const holder = /\(PID (\d+)\)/.exec(text)?.[1];
    return new StoreLockedError(
      `${path} is in use by another process${holder === undefined ? '' : ` (${holder})`}: is another Hearth running? ` +
        'End it, or give this one a data directory of its own (--data-dir).',
      { cause },
    );
  }
  if (/No space left on device|Disk quota exceeded/.test(text)) {
    return new StoreFullError(
      `No space is left on the disk that holds ${path}. Free some; what was stored before is safe.`,
      { cause },
    );
  }
  if (
    /not a valid DuckDB database file|Corrupt database file|Could not read enough bytes|WAL file.*(corrupt|replay)|Failure while replaying WAL/i.test(
      text,
    )
  ) {
    return new StoreCorruptError(
      `${path} is damaged and can't be read (${firstLine(text)}). Nothing was deleted. Move it and ${path}.wal, if there is ` +
        'one, to another place, and start Hearth again: it begins with an empty one. Or put a copy of it from a backup there.',
      { cause },
    );
  }
  if (
    /database file was created with|newer version of DuckDB|older version of DuckDB/i.test(text)
  ) {
    return new StoreCorruptError(
      `${path} was written by another version of Hearth, which this one can't read (${firstLine(text)}). Nothing was changed.`,
      { cause },
    );
  }
  if (/Permission denied|Read-only file system|cannot open file|Cannot open file/i.test(text)) {
    return new StoreError(`${path} can't be opened or written: ${firstLine(text)}`, { cause });
  }
  return new StoreError(`Storing in ${path} failed: ${firstLine(text)}`, { cause });
}

const firstLine = (text: string): string => text.split('\n', 1)[0];
