/** Which container a cgroup is, or is in, by its path. */
import { readFileSync } from 'node:fs';

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
