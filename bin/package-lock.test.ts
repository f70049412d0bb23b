import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '@/server/root';

interface LockedPackage {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  /** Of the project itself, whose path is ''. */
  readonly devDependencies?: Readonly<Record<string, string>>;
  /** Only needed by these. */
  readonly dev?: true;
}

function readLock(): { readonly packages: Readonly<Record<string, LockedPackage>> } {
  return JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
}

// npm leaves packages for other platforms out of the lock file where it could not look them up when it wrote it, and
// then `npm ci` refuses that lock file.
it('the lock file has an entry for every optional package, whatever its platform', () => {
  const { packages } = readLock();
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies }]) =>
    Object.keys(optionalDependencies ?? {}).filter(
      (name) =>
        packages[`${path}/node_modules/${name}`] === undefined &&
        packages[`node_modules/${name}`] === undefined,
    ),
  );
  expect(missing).toEqual([]);
});

// What is also an optional peer of a package that stays is installed with it, even where `npm ci` leaves out the others.
it('no package for tests alone comes with those that the server needs', () => {
  const { packages } = readLock();
  const { devDependencies } = packages[''];
  const installed = Object.keys(devDependencies ?? {}).filter(
    (name) => packages[`node_modules/${name}`]?.dev !== true,
  );
  expect(installed).toEqual([]);
});
