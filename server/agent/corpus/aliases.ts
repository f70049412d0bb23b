/** Functions that have several names: two profilers may choose different ones for the same address. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** From a function's name to the first, by the alphabet, of all names that its address has in the file and its debug file. */
export type Aliases = ReadonlyMap<string, string>;

/** Throws where `nm` is missing. */
export function aliasesOf(path: string): Aliases {
  const files = [path, debugFileOf(path)].filter((file) => file !== undefined);
  const byAddress = new Map<string, Set<string>>();
  for (const file of files) {
    for (const table of [[], ['-D']]) {
      for (const line of nm([...table, '--defined-only', file])) {
        const symbol = /^([0-9a-f]+) [tTwWiI] ([^@]+)/.exec(line);
        if (symbol === null) continue;
        const names = byAddress.get(symbol[1]) ?? new Set();
        byAddress.set(symbol[1], names.add(symbol[2]));
      }
    }
  }
  const aliases = new Map<string, string>();
  for (const names of byAddress.values()) {
    const [first] = [...names].sort();
    for (const name of names) aliases.set(name, first);
  }
  return aliases;
}

function nm(args: readonly string[]): string[] {
  const options = { encoding: 'utf8', maxBuffer: 1 << 28, stdio: 'pipe' } as const;
  return execFileSync('nm', args, options).split('\n');
}

function debugFileOf(path: string): string | undefined {
  const notes = execFileSync('readelf', ['-n', path], { encoding: 'utf8', stdio: 'pipe' });
  const buildId = /Build ID: ([0-9a-f]+)/.exec(notes)?.[1];
  if (buildId === undefined) return undefined;
  const file = `/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;
  return existsSync(file) ? file : undefined;
}
