/** Programs load where the kernel's structures are those of an older one: libbpf is given types that say so. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Kind, stringAt, stringsOf, typesOf } from '@/server/agent/btf-for-tests';
import { distFile } from '@/server/root';

const LOAD = `
  #include <bpf/libbpf.h>
  /* The file with the types, then an object file. */
  int main(int count, char **arguments) {
    struct bpf_object_open_opts options = {.sz = sizeof(options), .btf_custom_path = arguments[1]};
    struct bpf_object *object = bpf_object__open_file(arguments[2], &options);
    return !object || bpf_object__load(object) ? 1 : 0;
  }`;
const MEMBER_BYTES = 12;
const STRINGS_LENGTH_AT = 20;

const directory = mkdtempSync(join(tmpdir(), 'hearth-older-kernels-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** The types of the kernel that runs, but that a cgroup has the IDs of those above it, as it had before Linux 6.1. */
function typesBefore61(): Uint8Array {
  const bytes = new Uint8Array(readFileSync('/sys/kernel/btf/vmlinux'));
  const view = new DataView(bytes.buffer);
  const isU64 = new Set<number>();
  let [ofU64, ancestors] = [0, 0];
  for (const { id, name, kind, size, at, count } of typesOf(view)) {
    if (kind === Kind.Int && size === 8) isU64.add(id);
    if (kind === Kind.Array && isU64.has(view.getUint32(at, true))) ofU64 = id;
    if (kind !== Kind.Struct || name !== 'cgroup') continue;
    for (let member = at; member < at + count * MEMBER_BYTES; member += MEMBER_BYTES)
      if (stringAt(view, view.getUint32(member, true)) === 'ancestors') ancestors = member;
  }
  expect(ofU64).toBeGreaterThan(0);
  expect(ancestors).toBeGreaterThan(0);
  const { start, length } = stringsOf(view);
  expect(start + length).toBe(bytes.length);
  const name = new TextEncoder().encode('ancestor_ids\0');
  view.setUint32(ancestors, length, true);
  view.setUint32(ancestors + 4, ofU64, true);
  view.setUint32(STRINGS_LENGTH_AT, length + name.length, true);
  return Buffer.concat([bytes, name]);
}

describe('before Linux 6.1', () => {
  const [types, source, load] = ['types', 'load.c', 'load'].map((name) => join(directory, name));
  writeFileSync(types, typesBefore61());
  writeFileSync(source, LOAD);
  execFileSync('clang', [source, '-o', load, '-lbpf']);

  it.each(
    readdirSync(distFile('bpf')).filter(
      (name) => name.endsWith('.bpf.o') && !name.startsWith('layouts'),
    ),
  )('%s knows the cgroups that processes are in', (name) => {
    expect(() =>
      execFileSync(load, [types, distFile(`bpf/${name}`)], { stdio: 'pipe' }),
    ).not.toThrow();
  });
});
