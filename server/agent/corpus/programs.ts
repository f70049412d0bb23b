/** The corpus: programs that tests build or find, as different compilers, languages and options make them. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import { ROOT } from '@/server/root';
import type { CallChain } from './user-stacks';

const SOURCES = join(ROOT, 'server', 'agent', 'corpus', 'programs');

/** A program that works until it is killed, and says `ready` when it has begun. */
export interface Program {
  /** What it is, in a few words; different for each. */
  readonly title: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Whom it runs as, if not as root. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Calls that are in its stacks whenever the last function of the chain is. */
  readonly chains: readonly CallChain[];
}

/** Call chains by source: see the comments in them. */
const CHAINS: Readonly<Record<string, readonly CallChain[]>> = {
  'calls.c': [
    ['main', 'recursion_case', ...repeat('descend', 25), 'burn'],
    ['main', 'variable_frame_case', 'in_variable_frame', 'burn'],
    ['main', 'interrupted_case', ...repeat('descend', 4), 'burn'],
    ['main', 'interrupted_case', '...', 'on_signal', 'burn_in_handler', 'burn'],
    ['main', 'sort_case', '...', 'compare_numbers'],
    ['main', 'math_case'],
    ['main', 'string_case'],
    ['main', 'clock_case'],
    ['main', 'kernel_case'],
    ['coroutine', 'burn_in_coroutine', 'descend', 'descend', 'descend', 'burn'],
    ['main', 'jump_case', ...repeat('leap', 6), 'burn'],
    ['main', 'jump_case', 'leap', '...', 'burn'],
  ],
  'objects.cpp': [
    ['work', 'exception_case', ...repeat('throw_deep', 13), 'burn'],
    ['work', 'exception_case', 'burn_after_catch', 'burn'],
    ['work', 'sort_case', '...', 'is_before'],
    ['work', 'function_case', 'call_back', '...', 'burn'],
    ['work', 'virtual_case', 'Square::area', 'burn'],
    ['work', 'virtual_case', 'Circle::area', 'burn'],
    ['work', 'container_case'],
  ],
  'crate.rs': [
    ['crate::work', 'crate::recursion_case', '...', ...repeat('crate::descend', 31), 'crate::burn'],
    ['crate::work', 'crate::sort_case', '...', 'crate::is_before'],
    ['crate::work', 'crate::closure_case', '...', 'crate::call_back', '...', 'crate::burn'],
    ['crate::work', 'crate::collection_case'],
    ['crate::work', 'crate::panic_case', '...', ...repeat('crate::fall', 9), 'crate::burn'],
  ],
  'lazy.c': [['main', 'bind_all']],
  'goroutines.go': [
    ['main.work', 'main.recursionCase', ...repeat('main.descend', 31), 'main.burn'],
    ['main.work', 'main.sortCase', '...', 'main.isBefore'],
    ['main.work', 'main.formatCase'],
  ],
};

const FRAMES = ['-fno-omit-frame-pointer'];
const NO_FRAMES = ['-fomit-frame-pointer'];
const LEVELS: readonly (readonly string[])[] = [['-O0'], ['-O2'], ['-O3'], ['-O2', '-flto']];

/** Each level of optimization, with and without frame pointers. */
function levels(compiler: string, source: string, libraries: readonly string[]): Program[] {
  return LEVELS.flatMap((level) =>
    [FRAMES, NO_FRAMES].map((frames) => built(compiler, source, [...level, ...frames], libraries)),
  );
}

/** The programs whose compilers every machine has on which the tests run. */
export function compiledPrograms(): Program[] {
  return [
    ...levels('gcc', 'calls.c', ['-lm']),
    built('gcc', 'calls.c', ['-O2', '-static'], ['-lm']),
    built('gcc', 'calls.c', ['-O2', '-fcf-protection', '-Wl,-z,ibtplt,-z,lazy'], ['-lm']),
    built('gcc', 'calls.c', ['-O2', '-fno-plt', '-Wl,-z,now'], ['-lm']),
    built('gcc', 'calls.c', ['-O2', '-g', ...DEBUG_FRAME_ONLY], ['-lm']),
    built('clang', 'calls.c', ['-O2'], ['-lm']),
    ...levels('g++', 'objects.cpp', ['-pthread']),
    ...RUST_OPTIONS.map((options) => built('rustc', 'crate.rs', options, [])),
  ];
}

/** Calls functions through a procedure linkage table that is always empty. */
export function lazyProgram(): Program {
  return built('gcc', 'lazy.c', ['-O2', '-fno-builtin', '-Wl,-z,lazy,-z,norelro'], []);
}

/** Programs whose stacks are short enough for a copy of each, and native to the root. */
export function programsForPerf(): Program[] {
  const [calls, objects, crate] = [
    built('gcc', 'calls.c', ['-O2', '-fomit-frame-pointer'], ['-lm']),
    built('g++', 'objects.cpp', ['-O2', '-fomit-frame-pointer'], ['-pthread']),
    built('rustc', 'crate.rs', ['-O'], []),
  ];
  return [
    { ...calls, args: ['one-stack'] },
    objects,
    crate,
    script(process.execPath, 'natives.cjs'),
  ];
}

/** A script and what runs it; `options` are the interpreter's, `args` the script's. */
export function script(
  command: string,
  source: string,
  options: readonly string[] = [],
  args: readonly string[] = [],
): Program {
  const path = join(SOURCES, source);
  const title = [basename(command), ...options, source].join(' ');
  return { title, command, args: [...options, path, ...args], chains: [] };
}

/** Throws where Go is missing. */
export function builtGo(): Program {
  return built('go', 'goroutines.go', [], []);
}

/** No `.eh_frame` of its own: what a debugger needs is in `.debug_frame`. */
const DEBUG_FRAME_ONLY = ['-fno-asynchronous-unwind-tables', '-fno-unwind-tables'];
const RUST_OPTIONS = [
  [],
  ['-C', 'force-frame-pointers=yes'],
  ['-O'],
  ['-O', '-C', 'force-frame-pointers=yes'],
  ['-O', '-C', 'lto=fat', '-C', 'codegen-units=1'],
];

/** Compiles once for each set of options. */
function built(
  compiler: string,
  source: string,
  options: readonly string[],
  libraries: readonly string[],
): Program {
  return {
    title: [compiler, ...options, source].join(' '),
    command: build(compiler, source, [...options], libraries),
    args: [],
    chains: CHAINS[source] ?? [],
  };
}

/** Path of the program. Throws where it can't be compiled. */
function build(
  compiler: string,
  source: string,
  options: readonly string[],
  libraries: readonly string[],
): string {
  const path = join(SOURCES, source);
  const hash = createHash('sha256')
    .update(readFileSync(path))
    .update([compiler, ...options, ...libraries].join(' '))
    .digest('hex')
    .slice(0, 16);
  const directory = join(tmpdir(), `hearth-corpus-${process.getuid?.()}`, hash);
  const program = join(directory, basename(source, extname(source)));
  if (!existsSync(program)) {
    mkdirSync(directory, { recursive: true });
    const unfinished = `${program}.${process.pid}`;
    const args =
      compiler === 'go'
        ? ['build', ...options, '-o', unfinished, path]
        : [...options, path, '-o', unfinished, ...libraries];
    execFileSync(compiler, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    renameSync(unfinished, program);
  }
  return program;
}

function repeat(name: string, times: number): string[] {
  return Array.from({ length: times }, () => name);
}
