/**
 * Landlock: this thread, and what it executes, may write below one directory only, may not connect by TCP, and may listen
 * on one port only. Source: Linux, Documentation/userspace-api/landlock.rst and <linux/landlock.h>.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { check, libc } from './libc';

const CREATE_RULESET = 444;
const ADD_RULE = 445;
const RESTRICT_SELF = 446;
const VERSION_FLAG = 1;
const RULE_PATH_BENEATH = 1;
const RULE_NET_PORT = 2;

/** Bits of access rights to files that change something, and the Landlock version that brought each. */
const WRITE_RIGHTS: readonly (readonly [bit: number, version: number, appliesToFiles: boolean])[] =
  [
    [1, 1, true], // WRITE_FILE
    [4, 1, false], // REMOVE_DIR
    [5, 1, false], // REMOVE_FILE
    [6, 1, false], // MAKE_CHAR
    [7, 1, false], // MAKE_DIR
    [8, 1, false], // MAKE_REG
    [9, 1, false], // MAKE_SOCK
    [10, 1, false], // MAKE_FIFO
    [11, 1, false], // MAKE_BLOCK
    [12, 1, false], // MAKE_SYM
    [13, 2, false], // REFER
    [14, 3, true], // TRUNCATE
    [15, 5, true], // IOCTL_DEV
  ];
const NET_VERSION = 4;
const NET_BIND = 1n;
const NET_CONNECT = 2n;
const SCOPE_VERSION = 6;
const SCOPE_ABSTRACT_UNIX_SOCKET = 1n;
const SCOPE_SIGNAL = 2n;

const createRuleset = libc.func(
  'long syscall(long number, uint8_t *attributes, size_t size, uint32_t flags)',
);
const addRule = libc.func('syscall', 'long', ['long', 'int', 'int', 'uint8_t *', 'uint32_t']);
const restrictSelf = libc.func('syscall', 'long', ['long', 'int', 'uint32_t']);

/** The version of Landlock that the kernel has; 0 for none. */
export function landlockVersion(): number {
  const version = Number(createRuleset(CREATE_RULESET, null, 0, VERSION_FLAG));
  return Math.max(0, version);
}

const rights = (version: number, filesOnly: boolean): bigint =>
  WRITE_RIGHTS.filter(([, since, files]) => since <= version && (files || !filesOnly)).reduce(
    (bits, [bit]) => bits | (1n << BigInt(bit)),
    0n,
  );

/**
 * Restricts the calling thread for good; needs no_new_privs. `port` 0: any port may be listened on. Returns the version
 * that is in force, 0 where the kernel has no Landlock. Throws SystemError.
 */
export function restrictToDirectory(directory: string, port: number): number {
  const version = landlockVersion();
  if (version === 0) return 0;
  const attributes = new BigUint64Array(3);
  attributes[0] = rights(version, false);
  if (version >= NET_VERSION) attributes[1] = NET_CONNECT | (port === 0 ? 0n : NET_BIND);
  if (version >= SCOPE_VERSION) attributes[2] = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
  const size = version >= SCOPE_VERSION ? 24 : version >= NET_VERSION ? 16 : 8;
  const ruleset = check(
    'landlock_create_ruleset',
    createRuleset(CREATE_RULESET, new Uint8Array(attributes.buffer), size, 0),
  );
  allowPath(ruleset, directory, rights(version, false));
  allowPath(ruleset, '/dev/null', rights(version, true));
  if (version >= NET_VERSION && port !== 0) {
    const rule = new BigUint64Array([NET_BIND, BigInt(port)]);
    check(
      `landlock_add_rule for port ${port}`,
      addRule(ADD_RULE, ruleset, RULE_NET_PORT, new Uint8Array(rule.buffer), 0),
    );
  }
  check('landlock_restrict_self', restrictSelf(RESTRICT_SELF, ruleset, 0));
  closeSync(ruleset);
  return version;
}

function allowPath(ruleset: number, path: string, allowed: bigint): void {
  const O_PATH = 0o10000000;
  const fd = openSync(path, constants.O_RDONLY | O_PATH);
  // struct landlock_path_beneath_attr is packed: u64 allowed_access, s32 parent_fd.
  const rule = new DataView(new ArrayBuffer(12));
  rule.setBigUint64(0, allowed, true);
  rule.setInt32(8, fd, true);
  check(
    `landlock_add_rule for ${path}`,
    addRule(ADD_RULE, ruleset, RULE_PATH_BENEATH, new Uint8Array(rule.buffer), 0),
  );
  closeSync(fd);
}
