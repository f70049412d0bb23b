/** Commands that profile by themselves share the server's unwind tables. */
import { join } from 'node:path';
import { dataDirectory, makeDataDirectory } from '@/server/store/data-directory';

/** Where the server's agent keeps its tables too; undefined where that can't be written. */
export function unwindTableCache(): string | undefined {
  const directory = dataDirectory();
  const cache = join(directory, 'agent');
  try {
    makeDataDirectory(directory);
    makeDataDirectory(cache);
    return cache;
  } catch {
    return undefined;
  }
}
