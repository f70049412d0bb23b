/**
 * Giving up privileges, and executing another program without them. Credentials belong to a thread: these calls change
 * the calling one, and the execve that follows on it makes them those of the whole new process.
 */
import koffi from 'koffi';
import { check, libc, SystemError } from './libc';

const prctlCall = libc.func(
  'int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)',
);
const syscall1 = libc.func('syscall', 'long', ['long', 'int', 'void *']);
const syscall3 = libc.func('syscall', 'long', ['long', 'int', 'int', 'int']);
const capsetCall = libc.func('syscall', 'long', ['long', 'uint8_t *', 'uint8_t *']);
const execveCall = libc.func(
  'int execve(const char *path, const char **arguments, const char **environment)',
);
const fcntlCall = libc.func('int fcntl(int fd, int command, int argument)');

/** System call numbers: raw calls, for libc's own would change every thread. */
const CALLS =
  process.arch === 'arm64'
    ? { setgroups: 159, setresgid: 149, setresuid: 147, capset: 91 }
    : { setgroups: 116, setresgid: 119, setresuid: 117, capset: 126 };
const PR_CAPBSET_READ = 23;
const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;

/** Leaves this thread no capability, none that it could get back, and no supplementary group; then becomes the user. */
export function dropPrivileges(
  become: { readonly uid: number; readonly gid: number } | undefined,
): void {
  for (let capability = 0; prctlCall(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
    check('prctl(PR_CAPBSET_DROP)', prctlCall(PR_CAPBSET_DROP, capability, 0, 0, 0));
  }
  check('prctl(PR_CAP_AMBIENT)', prctlCall(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  check('setgroups', syscall1(CALLS.setgroups, 0, null));
  if (become !== undefined) {
    check('setresgid', syscall3(CALLS.setresgid, become.gid, become.gid, become.gid));
    check('setresuid', syscall3(CALLS.setresuid, become.uid, become.uid, become.uid));
  }
  const header = new Uint8Array(Uint32Array.of(0x20080522, 0).buffer); // _LINUX_CAPABILITY_VERSION_3, this thread
  check('capset', capsetCall(CALLS.capset, header, new Uint8Array(24)));
}

/** What is executed from here on can't gain privileges, by set-user-ID programs or otherwise. */
export function setNoNewPrivileges(): void {
  check('prctl(PR_SET_NO_NEW_PRIVS)', prctlCall(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/** Replaces this process by another program, which inherits `fds`. Returns only by throwing SystemError. */
export function execute(
  path: string,
  args: readonly string[],
  environment: readonly string[],
  fds: readonly number[],
): never {
  const F_SETFD = 2;
  for (const fd of fds) check('fcntl', fcntlCall(fd, F_SETFD, 0));
  execveCall(path, [path, ...args, null], [...environment, null]);
  throw new SystemError(`execve ${path}`, koffi.errno());
}
