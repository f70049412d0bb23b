/** Whom the web process becomes, and what that user must be able to reach. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { distFile, ROOT } from '@/server/root';

export interface Credentials {
  /** Undefined: stay who we are. */
  readonly become:
    | { readonly uid: number; readonly gid: number; readonly name: string }
    | undefined;
  /** To be said at the start. */
  readonly notes: readonly string[];
}

/** SUDO_UID where sudo was used, else the system user `hearth`, else `nobody`; root where they can't read the checkout. */
export function chooseCredentials(environment: NodeJS.ProcessEnv = process.env): Credentials {
  if (process.getuid?.() !== 0) {
    return {
      become: undefined,
      notes: ['not started as root: sessions can be looked at, but nothing can be profiled'],
    };
  }
  const user = sudoUser(environment) ?? systemUser('hearth') ?? systemUser('nobody');
  if (user === undefined) {
    return {
      become: undefined,
      notes: ['there is no unprivileged user: the web process stays root, without any capability'],
    };
  }
  if (!canRead(user)) {
    const note = `${ROOT} can be read by root alone: the web process stays root, without any capability`;
    return { become: undefined, notes: [note] };
  }
  return { become: user, notes: [] };
}

type User = NonNullable<Credentials['become']>;

function sudoUser(environment: NodeJS.ProcessEnv): User | undefined {
  const uid = Number(environment.SUDO_UID);
  const gid = Number(environment.SUDO_GID);
  if (!Number.isInteger(uid) || !Number.isInteger(gid) || uid <= 0) return undefined;
  return { uid, gid, name: environment.SUDO_USER ?? String(uid) };
}

function systemUser(name: string): User | undefined {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [user, , uid, gid] = line.split(':');
    if (user === name) return { uid: Number(uid), gid: Number(gid), name };
  }
  return undefined;
}

/** Tried for real, by a process of that user: permissions alone don't tell of ACLs and mount options. */
function canRead({ uid, gid }: User): boolean {
  const needed = [
    distFile('web.js'),
    join(ROOT, 'node_modules/next/package.json'),
    join(ROOT, '.next/BUILD_ID'),
  ];
  const script = 'for(const f of process.argv.slice(1)) require("node:fs").readFileSync(f)';
  const { status } = spawnSync(
    process.execPath,
    ['-e', script, ...needed.filter((path) => existsSync(path))],
    {
      uid,
      gid,
      stdio: 'ignore',
    },
  );
  return status === 0;
}

/** What server/web/sandbox/main.ts expects before `--`. */
export function sandboxArguments(
  { become }: Credentials,
  directory: string,
  port: number,
): string[] {
  return [become === undefined ? '-' : `${become.uid}:${become.gid}`, directory, String(port)];
}
