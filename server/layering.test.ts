import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from './root';

/** Folders that each folder's code may import from, besides itself; 'packages' are npm's, 'node' Node's own modules. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  profile: [],
  components: ['profile', 'packages'],
  app: ['components', 'profile', 'packages'],
  'server/store': ['profile', 'server', 'packages', 'node'],
  'server/agent': ['profile', 'server', 'packages', 'node'],
  'server/web': ['profile', 'server', 'server/store', 'packages', 'node'],
  'server/cli': [
    'profile',
    'server',
    'server/agent',
    'server/store',
    'server/web',
    'packages',
    'node',
  ],
  server: ['profile', 'packages', 'node'],
};

const LAYERS = Object.keys(MAY_IMPORT);

/** The only files that call C: libbpf, libc, liblzma, and libc again for the sandbox. */
const FOREIGN_FUNCTIONS = [
  'server/agent/libbpf.ts',
  'server/agent/libc.ts',
  'server/agent/symbols/xz.ts',
  'server/web/sandbox/',
];

interface Source {
  readonly path: string;
  readonly text: string;
}

function sourcesBelow(folder: string): Source[] {
  const directory = join(ROOT, folder);
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(
      (entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !entry.name.includes('.test.'),
    )
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return { path: relative(ROOT, path), text: readFileSync(path, 'utf8') };
    });
}

/** `import x from 'y'`, `import 'y'`, `export x from 'y'`, `import('y')`. */
function importsOf(text: string): string[] {
  const pattern =
    /(?:^|\n)(?:import|export)\s[^;'"=()]*?\bfrom\s*['"]([^'"\n]+)['"]|(?:^|\n)import\s*['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]\s*\)/g;
  return [...text.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? match[3]);
}

/** The innermost layer that holds the path. */
function layerOf(path: string): string {
  const candidates = LAYERS.filter((layer) => path === layer || path.startsWith(`${layer}/`));
  return candidates.sort((a, b) => b.length - a.length)[0] ?? path.split('/')[0];
}

function importedLayer(source: Source, specifier: string): string {
  if (specifier.startsWith('node:')) return 'node';
  if (specifier === '@/package.json') return 'packages';
  if (specifier.startsWith('@/')) return layerOf(specifier.slice(2));
  if (specifier.startsWith('.'))
    return layerOf(relative(ROOT, resolve(ROOT, dirname(source.path), specifier)));
  return 'packages';
}

const SOURCES = ['profile', 'components', 'app', 'server'].flatMap(sourcesBelow);

describe('imports', () => {
  it('are found in every way to write them', () => {
    const text = [
      "import a from 'a';",
      "import {\n  b,\n} from 'b';",
      "import type { C } from 'c';",
      "import 'd';",
      "export { e } from 'e';",
      "const f = await import('f');",
      "const text = 'g';",
      "export const key = 'h';",
    ].join('\n');
    expect(importsOf(text)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  });

  it.each(LAYERS)('of %s go in the allowed direction only', (layer) => {
    const wrong = SOURCES.filter((source) => layerOf(source.path) === layer).flatMap((source) =>
      importsOf(source.text)
        .filter((specifier) => {
          const target = importedLayer(source, specifier);
          return target !== layer && !MAY_IMPORT[layer].includes(target);
        })
        .map((specifier) => `${source.path} imports ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('foreign functions', () => {
  it('of libbpf are declared in one file', () => {
    const files = SOURCES.filter(({ text }) => /libbpf\.so/.test(text)).map(({ path }) => path);
    expect(files).toEqual(['server/agent/libbpf.ts']);
  });

  it('are called from few files', () => {
    const wrong = SOURCES.filter(({ text }) => /['"]koffi['"]/.test(text))
      .map(({ path }) => path)
      .filter((path) => !FOREIGN_FUNCTIONS.some((allowed) => path.startsWith(allowed)));
    expect(wrong).toEqual([]);
  });
});
