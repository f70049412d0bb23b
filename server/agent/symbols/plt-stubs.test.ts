import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ElfFile } from '../elf/elf-file';
import { type PltStub, type PltStubs, readPltStubs } from './plt-stubs';
import { run, TestFolder } from './test-binaries';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const CALLER = `
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  int main(int count, char **arguments) {
    return printf("%zu", strlen(arguments[0])) + abs(count) + atexit(0) + atoi(arguments[0]);
  }
`;

let folder: TestFolder;
beforeAll(() => {
  folder = new TestFolder();
});
afterAll(() => folder.remove());

const nameOf = ({ name }: PltStub): string => Buffer.from(name ?? []).toString();

/** Names are copied: they are views. */
const all = (stubs: PltStubs): PltStub[] =>
  Array.from({ length: stubs.length }, (_, i) => {
    const stub = stubs.at(i);
    return { ...stub, name: stub.name?.slice() };
  });

function stubsOf(path: string): PltStub[] {
  const elf = ElfFile.open(path);
  const stubs = all(readPltStubs(elf));
  elf.close();
  return stubs;
}

/** The second opinion: starts and names. */
function objdumpStubs(path: string): [number, string][] {
  const sections = ['.plt', '.plt.sec', '.plt.got'].flatMap((name) => ['-j', name]);
  const text = run('sh', ['-c', `objdump -d ${sections.join(' ')} ${path} || true`]);
  return [...text.matchAll(/^([0-9a-f]+) <([^@>]+).*@plt>:$/gm)].map(([, start, name]) => [
    Number.parseInt(start, 16),
    name,
  ]);
}

describe('the stubs of a program', () => {
  it.each([
    ['bound when they are first called', []],
    ['bound at the start', ['-Wl,-z,now']],
    ['with marks for indirect branches', ['-fcf-protection=full', '-Wl,-z,ibtplt']],
    ['of another linker', ['-fuse-ld=lld']],
  ])('have the names that objdump gives them: %s', (what, flags) => {
    const name = `${what.replaceAll(' ', '-')}.c`;
    const program = folder.compile(name, CALLER, '-O1', '-fno-builtin', ...flags);
    const stubs = stubsOf(program);
    expect(stubs.map(nameOf)).toEqual(expect.arrayContaining(['strlen', 'printf', 'abs']));
    const theirs = objdumpStubs(program);
    expect(theirs.length).toBeGreaterThan(3);
    expect(stubs.map((stub) => [stub.start, nameOf(stub)])).toEqual(theirs);
  });

  it('of a library with very many have them, too', () => {
    const library = run('g++', ['-print-file-name=libstdc++.so.6']).trim();
    const stubs = stubsOf(library).filter(({ name }) => name !== undefined);
    expect(stubs.length).toBeGreaterThan(100);
    expect(stubs.map((stub) => [stub.start, nameOf(stub)])).toEqual(objdumpStubs(library));
  });

  it('are found by any address of theirs, and by no other', () => {
    const stubs = readPltStubs(
      ElfFile.open(folder.compile('found.c', CALLER, '-O1', '-fno-builtin')),
    );
    const first = stubs.at(0);
    expect(stubs.find(first.start)).toEqual(first);
    expect(stubs.find(first.end - 1)).toEqual(first);
    expect(stubs.find(first.start - 1)).toBeUndefined();
    expect(stubs.find(Math.max(...all(stubs).map(({ end }) => end)))).toBeUndefined();
    const none = readPltStubs(ElfFile.open(folder.compile('none.c', 'int x;', '-c')));
    expect(none.length).toBe(0);
    expect(none.names.file).toBeUndefined();
    expect(none.find(first.start)).toBeUndefined();
  });

  it('of a static program, which chooses some functions as it starts, know who chooses', () => {
    const program = folder.compile('static.c', CALLER, '-O1', '-static');
    const stubs = stubsOf(program);
    expect(stubs.length).toBeGreaterThan(5);
    const resolvers = run('nm', [program])
      .split('\n')
      .filter((line) => line.includes(' i '))
      .map((line) => Number.parseInt(line, 16));
    for (const { name, resolver } of stubs) {
      expect(name).toBeUndefined();
      expect(resolvers).toContain(resolver);
    }
  });
});

describe('the stubs of an arm64 library', () => {
  const SOURCE = `
    int first(int), second(int);
    int caller(int x) { return first(x) + second(x + 1) * 3; }
  `;

  it.each([
    ['plain', [], 16],
    ['with marks for indirect branches', ['-mbranch-protection=bti', '-Wl,-z,force-bti'], 24],
  ])('have names: %s', (what, flags, bytes) => {
    const source = folder.write(`${what.replaceAll(' ', '-')}-arm64.c`, SOURCE);
    const library = `${source}.so`;
    const target = ['--target=aarch64-linux-gnu', '-fuse-ld=lld', '-nostdlib', '-fPIC', '-shared'];
    run('clang', [...target, ...flags, '-O1', '-o', library, source]);
    const stubs = stubsOf(library);
    expect(stubs.map(nameOf).sort()).toEqual(['first', 'second']);
    const section = run('readelf', ['-SW', library]).match(/ \.plt +PROGBITS +(\w+) +\w+ (\w+)/)!;
    const end = Number.parseInt(section[1], 16) + Number.parseInt(section[2], 16);
    expect(stubs[1].end).toBe(end);
    expect(stubs.map(({ start }) => end - start)).toEqual([2 * bytes, bytes]);
  });
});
