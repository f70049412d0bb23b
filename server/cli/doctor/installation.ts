/** Whether the checkout is set up, and what stands around it. */
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { distFile, ROOT } from '@/server/root';
import { dataDirectory } from '@/server/store/data-directory';
import { chooseCredentials } from '@/server/web/sandbox/credentials';
import { landlockVersion } from '@/server/web/sandbox/landlock';
import type { Finding, Probe } from './check';

const BUNDLES = ['agent.js', 'web.js', 'sandbox.js', 'symbol-worker.js'];
const DEBUG_FILES = '/usr/lib/debug/.build-id';
/** The version from which Landlock holds back TCP connections too. */
const LANDLOCK_TCP_VERSION = 4;

/** The nearest directory on the way to `path` that exists. */
function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path));
}

function lookAtDataDirectory(path: string): Finding {
  const existing = nearestExisting(path);
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
  } catch {
    return {
      state: 'missing',
      found: `${existing} can't be written`,
      meaning:
        '`serve` does not start: it has nowhere to keep sessions (`record` needs no data directory)',
      advice: 'choose another by --data-dir or $HEARTH_DATA_DIR, or run as root',
    };
  }
  return { state: 'ok', found: existing === path ? path : `${path} (will be made)` };
}

function lookAtWebUser(): Finding {
  const { become, notes } = chooseCredentials();
  if (become?.name === 'nobody') {
    return {
      state: 'degraded',
      found: 'nobody: there is no user hearth',
      meaning: 'the web process shares its user with other services, which could read its sessions',
      advice: 'run bin/setup as root: it makes the user',
    };
  }
  if (become !== undefined) return { state: 'ok', found: become.name };
  const isRoot = process.getuid?.() === 0;
  return {
    state: 'degraded',
    found: notes.join('; '),
    ...(isRoot
      ? { advice: 'move the checkout to where others can read it, for example to /opt' }
      : {}),
  };
}

/** `dataDir`: what the command line says. */
export function installationProbes(dataDir: string | undefined): readonly Probe[] {
  return [
    {
      id: 'bundles',
      group: 'installation',
      title: 'Server',
      required: true,
      meaning: 'the agent’s and the web process’s programs, built',
      look: () => {
        const missing = BUNDLES.filter((name) => !existsSync(distFile(name)));
        return missing.length === 0
          ? { state: 'ok', found: `built in ${distFile('')}` }
          : { state: 'missing', found: `no ${missing.join(', ')}`, advice: 'run bin/setup' };
      },
    },
    {
      id: 'pages',
      group: 'installation',
      title: 'Web pages',
      required: false,
      meaning: '`serve` shows them; `record` does without',
      look: () =>
        existsSync(join(ROOT, '.next/BUILD_ID'))
          ? { state: 'ok', found: 'built' }
          : { state: 'missing', found: 'not built', advice: 'run bin/setup' },
    },
    {
      id: 'store',
      group: 'installation',
      title: 'DuckDB',
      required: false,
      meaning: 'keeps sessions',
      look: async () => {
        const { version } = await import('@duckdb/node-api');
        return { state: 'ok', found: version() };
      },
    },
    {
      id: 'data-directory',
      group: 'installation',
      title: 'Data directory',
      required: false,
      meaning: 'holds sessions and the access token',
      look: () => lookAtDataDirectory(dataDirectory({ asked: dataDir })),
    },
    {
      id: 'web-user',
      group: 'installation',
      title: 'User of the web process',
      required: false,
      meaning: 'the web process becomes this user and drops all capabilities',
      look: lookAtWebUser,
    },
    {
      id: 'landlock',
      group: 'installation',
      title: 'Landlock',
      required: false,
      meaning: 'the web process can write in the data directory only',
      look: () => {
        const version = landlockVersion();
        if (version === 0) {
          return {
            state: 'degraded',
            found: 'not in this kernel, or not switched on',
            meaning: 'the web process is held back by its user alone',
            advice:
              'boot with landlock in the list of lsm=, on a kernel with CONFIG_SECURITY_LANDLOCK=y',
          };
        }
        const tcp = version < LANDLOCK_TCP_VERSION ? '; TCP connections are not restricted' : '';
        return { state: 'ok', found: `version ${version}${tcp}` };
      },
    },
    {
      id: 'debug-files',
      group: 'installation',
      title: 'Debug information',
      required: false,
      meaning:
        'separate debug files add names, inlined functions and source lines of stripped programs',
      look: () => {
        const count = existsSync(DEBUG_FILES) ? readdirSync(DEBUG_FILES).length : 0;
        return {
          state: 'ok',
          found:
            count === 0
              ? 'none installed: programs are named by what they carry themselves'
              : `installed in ${dirname(DEBUG_FILES)}`,
        };
      },
    },
  ];
}
