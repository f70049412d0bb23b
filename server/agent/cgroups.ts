/** In which cgroup a process is, and so in which container; cgroups by the IDs that BPF sees. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { containerOfCgroup } from './containers';

/** Where a process is. */
export interface Cgroup {
  /** Of its cgroup v2, below the root of the hierarchy, which is '/' itself; '' where it is not known. */
  readonly path: string;
  /** '' outside of containers. */
  readonly container: string;
}

export const UNKNOWN_CGROUP: Cgroup = { path: '', container: '' };

/** Of a process that can be looked at in /proc; undefined where it is gone. */
export function cgroupOfProcess(pid: number): Cgroup | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  } catch {
    return undefined;
  }
  return parseCgroups(text);
}

/** What a process's file `cgroup` says: of each hierarchy its number, its controllers and the path. */
export function parseCgroups(text: string): Cgroup {
  let { path, container } = UNKNOWN_CGROUP;
  for (const line of text.split('\n')) {
    // The cgroup of a process that has not been waited for yet may be gone.
    const at = line.slice(line.indexOf('/')).replace(/ \(deleted\)$/, '');
    if (line.startsWith('0::')) path = at;
    if (container === '') container = containerOfCgroup(at);
  }
  return { path, container };
}

/** Where the cgroup v2 hierarchy is mounted; undefined where it isn't. */
export function cgroup2Mount(): string | undefined {
  const line = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .find((mount) => mount.split(' ')[2] === 'cgroup2');
  return line?.split(' ')[1];
}

/** A cgroup v2's ID, as BPF sees it, and its depth below the root. Throws where there is no such cgroup. */
export function cgroupId(path: string): { id: bigint; level: number } {
  const mount = cgroup2Mount();
  if (mount === undefined)
    throw new Error('no cgroup v2 hierarchy is mounted: filter by process instead');
  const relative = path.startsWith(mount) ? path.slice(mount.length) : path;
  const id = statSync(join(mount, relative), { bigint: true }).ino;
  return { id, level: relative.split('/').filter((part) => part !== '').length };
}

const LOOK_AGAIN_MS = 1000;
/** Where cgroups come and go, those that are gone are many one day: then all are forgotten, and those that are there found again. */
const MAX_KNOWN = 20_000;

/** Paths of cgroups v2 by ID, for processes that are gone before /proc can be read. */
export class CgroupPaths {
  readonly #paths = new Map<number, string>();
  #lookedMs = Number.NEGATIVE_INFINITY;

  /** One that was just made, and may be gone before it is looked for. */
  add(id: number, path: string): void {
    if (this.#paths.size >= MAX_KNOWN) {
      this.#paths.clear();
      this.#lookedMs = Number.NEGATIVE_INFINITY;
    }
    this.#paths.set(id, path);
  }

  /** '' where there is none that is known. */
  of(id: number): string {
    const known = this.#paths.get(id);
    if (known !== undefined) return known;
    // One that was there before, or whose event was lost: look for it, but not for every event of a storm.
    if (performance.now() - this.#lookedMs > LOOK_AGAIN_MS) {
      this.#lookedMs = performance.now();
      const mount = cgroup2Mount();
      if (mount !== undefined) this.#walk(mount, '/');
      // It is gone, or cannot be seen from here: IDs are not given out again, and of new ones `add` is told.
      if (!this.#paths.has(id)) this.add(id, '');
    }
    return this.#paths.get(id) ?? '';
  }

  #walk(mount: string, path: string): void {
    try {
      const directory = join(mount, path);
      this.#paths.set(statSync(directory).ino, path);
      for (const entry of readdirSync(directory, { withFileTypes: true })) {
        if (entry.isDirectory()) this.#walk(mount, join(path, entry.name));
      }
    } catch {
      // The cgroup was removed while we looked: nothing in it is left to be named.
    }
  }
}
