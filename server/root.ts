/** The checkout's root, from source (tests) and from dist/ (the bundles) alike. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function findRoot(): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    if (existsSync(join(at, 'package.json'))) return at;
    if (at === dirname(at))
      throw new Error('no package.json above this file: the installation is damaged');
  }
}

export const ROOT = findRoot();

/** A bundle or BPF object made by bin/setup: `dist/<name>`. */
export const distFile = (name: string): string => join(ROOT, 'dist', name);
