/** For tests: a tool of libbpf-tools (Debian's package of that name) that measures beside Hearth, as a second opinion. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const START_MS = 10_000;

const pathOf = (name: string): string => `/usr/sbin/${name}`;

/** Whether a tool is installed. Those that need kprobes don't run on every kernel all the same. */
export const hasLibbpfTool = (name: string): boolean => existsSync(pathOf(name));

export class LibbpfTool {
  readonly #child: ChildProcess;
  #output = '';
  #errors = '';

  private constructor(name: string, args: readonly string[]) {
    this.#child = spawn(pathOf(name), args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.on('data', (piece: Buffer) => {
      this.#output += piece.toString();
    });
    this.#child.stderr?.on('data', (piece: Buffer) => {
      this.#errors += piece.toString();
    });
  }

  /** Resolves when all its programs are attached, `programs` of them. Throws where it ends before. */
  static async start(name: string, args: readonly string[], programs: number): Promise<LibbpfTool> {
    const tool = new LibbpfTool(name, args);
    const end = performance.now() + START_MS;
    while (tool.#attached() < programs) {
      if (tool.#child.exitCode !== null || performance.now() > end) {
        tool.#child.kill('SIGKILL');
        throw new Error(`${name} does not start: ${tool.#errors}`);
      }
      await sleep(20);
    }
    return tool;
  }

  /** Ends it as Ctrl-C does; what it has printed on the standard output. */
  async stop(): Promise<string> {
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGINT');
    await ended;
    return this.#output;
  }

  #attached(): number {
    const directory = `/proc/${this.#child.pid}/fd`;
    if (!existsSync(directory)) return 0;
    return readdirSync(directory).filter((fd) => isLink(`${directory}/${fd}`)).length;
  }
}

function isLink(path: string): boolean {
  try {
    return /bpf_link|bpf-link/.test(readlinkSync(path));
  } catch {
    return false; // closed since
  }
}
