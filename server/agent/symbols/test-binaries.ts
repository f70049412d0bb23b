/** Programs that tests build, in a folder of their own. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs a tool and returns what it printed; throws where it fails. */
export function run(command: string, args: readonly string[], input?: string): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['pipe', 'pipe', 'ignore'],
    ...(input !== undefined && { input }),
  });
}

export class TestFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'hearth-symbols-'));

  /** Writes a file and returns its path. */
  write(name: string, contents: string | Uint8Array): string {
    const path = join(this.path, name);
    writeFileSync(path, contents);
    return path;
  }

  /** Compiles `source`, which is named like its language (`x.c`, `x.cpp`, `x.s`, `x.rs`), and returns the program's path. */
  compile(name: string, source: string, ...flags: readonly string[]): string {
    const input = this.write(name, source);
    const output = join(this.path, `${name}.out`);
    if (name.endsWith('.rs')) run('rustc', [...flags, '-o', output, input]);
    else run(name.endsWith('.cpp') ? 'g++' : 'gcc', [...flags, '-o', output, input]);
    return output;
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}
