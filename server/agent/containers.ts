/** Which container a process is in, by its cgroup. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** How container runtimes name their cgroups; the first group is the container's ID or name. */
const PATTERNS: readonly (readonly [runtime: string, pattern: RegExp])[] = [
  ['docker', /docker[-/]([0-9a-f]{64})/],
  ['podman', /libpod-([0-9a-f]{64})/],
  ['containerd', /cri-containerd[-:]([0-9a-f]{64})/],
  ['cri-o', /crio-([0-9a-f]{64})/],
  ['kubernetes', /kubepods[^/]*\/.*\/([0-9a-f]{64})/],
  ['lxc', /\/lxc(?:\.payload)?[./]([^/]+)/],
  ['nspawn', /machine\.slice\/machine-([^/]+)\.scope/],
];

const SHORT_ID = 12;

/** A container's name by the path of its cgroup: "docker:web-1", "containerd:0123456789ab"; '' outside of containers. */
export function containerOfCgroup(path: string): string {
  for (const [runtime, pattern] of PATTERNS) {
    const id = pattern.exec(path)?.[1];
    if (id === undefined) continue;
    if (!/^[0-9a-f]{64}$/.test(id)) return `${runtime}:${id}`;
    return `${runtime}:${(runtime === 'docker' && dockerName(id)) || id.slice(0, SHORT_ID)}`;
  }
  return '';
}

/** Docker keeps the name that a user gave in a file; '' where it can't be read. */
function dockerName(id: string): string {
  try {
    const config: unknown = JSON.parse(
      readFileSync(`/var/lib/docker/containers/${id}/config.v2.json`, 'utf8'),
    );
    const name = (config as { Name?: unknown }).Name;
    return typeof name === 'string' ? name.replace(/^\//, '') : '';
  } catch {
    return '';
  }
}

/** The container of a process that can be looked at in /proc; '' where it is in none or gone. */
export function containerOfProcess(pid: number): string {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  } catch {
    return '';
  }
  for (const line of text.split('\n')) {
    const container = containerOfCgroup(line.slice(line.indexOf('/')));
    if (container !== '') return container;
  }
  return '';
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

/** Containers by cgroup ID, for processes that are gone before /proc can be read. */
export class ContainersByCgroup {
  readonly #known = new Map<number, string>();
  #walkedMs = 0;

  /** `id` as in the process events. */
  get(id: number): string {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    // A new cgroup: look for it, but not for every event of a storm.
    if (Date.now() - this.#walkedMs > 1000) {
      this.#walkedMs = Date.now();
      const mount = cgroup2Mount();
      if (mount !== undefined) this.#walk(mount, '/');
    }
    return this.#known.get(id) ?? '';
  }

  #walk(mount: string, path: string): void {
    try {
      const directory = join(mount, path);
      const id = statSync(directory).ino;
      if (!this.#known.has(id)) this.#known.set(id, containerOfCgroup(path));
      for (const entry of readdirSync(directory, { withFileTypes: true })) {
        if (entry.isDirectory()) this.#walk(mount, join(path, entry.name));
      }
    } catch {
      // The cgroup was removed while we looked: nothing in it is left to be named.
    }
  }
}
