import { execFileSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { placeName } from '@/profile/names';
import { ElfError, ElfFile } from '../elf/elf-file';
import { Demangler } from './demangle';
import { ModuleSymbols } from './module-symbols';
import { readPltStubs } from './plt-stubs';
import { run, TestFolder } from './test-binaries';
import { toFrames } from './to-frames';
import { readVdso } from './vdso';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const SOURCE = `
  static int __attribute__((noinline)) hidden_helper(int a) { return a * 3; }
  int __attribute__((noinline)) shown(int a) { return hidden_helper(a) + 1; }
  int main(int argc, char **argv) { return shown(argc); }
`;

let folder: TestFolder;
let program: string;
beforeAll(() => {
  folder = new TestFolder();
  program = folder.compile('program.c', SOURCE, '-g', '-O1', '-Wl,--build-id=sha1');
});
afterAll(() => folder.remove());

const demangler = new Demangler();

function namesAt(module: ModuleSymbols, offsets: readonly number[]): (string | undefined)[] {
  const frames = toFrames(module.symbolize(Float64Array.from(offsets), demangler));
  return frames.map((frame) => frame?.functionName);
}

/** Where functions are in the file, by the unstripped program. */
function offsetsOf(path: string, ...names: string[]): number[] {
  const elf = ElfFile.open(path);
  const symbols = run('nm', [path]).split('\n');
  const offsets = names.map((name) => {
    const line = symbols.find((symbol) => symbol.endsWith(` ${name}`))!;
    return elf.fileOffsetOfAddress(Number.parseInt(line, 16))!;
  });
  elf.close();
  return offsets;
}

const FUNCTIONS = ['main', 'shown', 'hidden_helper'];

describe('a module', () => {
  it('is named by its own symbol table', () => {
    const module = ModuleSymbols.load({ key: 'own', path: program });
    expect(module.report.sources).toEqual(['.symtab', '.debug_info']);
    expect(module.report.notes).toEqual([]);
    expect(namesAt(module, offsetsOf(program, ...FUNCTIONS))).toEqual(FUNCTIONS);
    expect(namesAt(module, [0, 1e9])).toEqual([undefined, undefined]);
    module.close();
  });

  it('is read from a descriptor, even if the file is gone, and the descriptor is closed later', () => {
    const path = join(folder.path, 'deleted');
    copyFileSync(program, path);
    const fd = openSync(path, 'r');
    rmSync(path);
    const module = ModuleSymbols.load({ key: 'deleted', path, fd });
    closeSync(fd);
    expect(namesAt(module, offsetsOf(program, ...FUNCTIONS))).toEqual(FUNCTIONS);
    module.close();
  });

  it('that is no ELF file is an error that says so', () => {
    expect(() => ModuleSymbols.load({ key: 'x', path: '/etc/passwd' })).toThrow(ElfError);
    expect(() => ModuleSymbols.load({ key: 'x', path: '/nowhere' })).toThrow(/cannot open/);
  });

  it('that is stripped says so, and has the names that dynamic linking needs', () => {
    const path = join(folder.path, 'stripped');
    run('strip', ['-o', path, program]);
    const module = ModuleSymbols.load({ key: 'stripped', path });
    expect(module.report.notes.join()).toMatch(/stripped/);
    module.close();
  });

  it('that is stripped has the beginnings of functions for names, and no one function has two', () => {
    const path = join(folder.path, 'nameless');
    run('strip', ['-o', path, program]);
    const module = ModuleSymbols.load({ key: 'nameless', path });
    for (const at of offsetsOf(program, ...FUNCTIONS)) {
      expect(namesAt(module, [at, at + 1, at + 3])).toEqual(Array(3).fill(placeName(at)));
    }
    const { nameExtents } = module.symbolize(Float64Array.of(), demangler);
    expect(nameExtents).toHaveLength(2 * FUNCTIONS.length);
    module.close();
  });

  it('that is stripped keeps the names that it has: what is known of a function ends where they begin', () => {
    const source = `
      .globl shown
      .text
      .cfi_startproc
      nop; nop; nop; nop
      .type shown, @function
      shown: nop; nop
      .size shown, . - shown
      nop; nop
      .cfi_endproc
      nop`;
    const path = folder.compile('around.s', source, '-shared', '-nostdlib');
    const [shown] = offsetsOf(path, 'shown');
    run('strip', [path]);
    const module = ModuleSymbols.load({ key: 'around', path });
    const place = placeName(shown - 4);
    const { nameExtents } = module.symbolize(Float64Array.of(shown - 2), demangler);
    expect([...nameExtents]).toEqual([shown - 4, shown]);
    expect(namesAt(module, [shown - 4, shown, shown + 1, shown + 2, shown + 3, shown + 4])).toEqual(
      [place, 'shown', 'shown', place, place, undefined],
    );
    module.close();
  });

  it('may be the vDSO', () => {
    const module = ModuleSymbols.load({ key: 'vdso', path: '[vdso]' });
    const vdso = readVdso();
    const line = run('readelf', ['-sW', folder.write('vdso.so', vdso.readAt(0, vdso.size))])
      .split('\n')
      .find((symbol) => symbol.includes('__vdso_clock_gettime'))!;
    expect(namesAt(module, [Number.parseInt(line.trim().split(/\s+/)[1], 16)])).toEqual([
      '__vdso_clock_gettime',
    ]);
    expect(vdso.buildId).toMatch(/^[0-9a-f]{40}$/);
  });
});

describe('separate debug files', () => {
  function split(name: string, ...stripFlags: string[]): { stripped: string; debug: string } {
    const stripped = join(folder.path, name);
    const debug = `${stripped}.debug`;
    run('objcopy', ['--only-keep-debug', program, debug]);
    run('objcopy', [
      '--strip-all',
      `--add-gnu-debuglink=${debug}`,
      ...stripFlags,
      program,
      stripped,
    ]);
    return { stripped, debug };
  }

  it('are found beside the module by its debug link', () => {
    const { stripped, debug } = split('linked');
    const module = ModuleSymbols.load({ key: 'linked', path: stripped });
    expect(module.report.sources).toContain(debug);
    expect(namesAt(module, offsetsOf(program, ...FUNCTIONS))).toEqual(FUNCTIONS);
    module.close();
  });

  it('are found in the root folder of the process', () => {
    const { stripped, debug } = split('in-root');
    const path = `/proc/${process.pid}/root${stripped}`;
    const module = ModuleSymbols.load({ key: 'in-root', path });
    expect(module.report.sources).toContain(`/proc/${process.pid}/root${debug}`);
    module.close();
  });

  it('are checked: by build ID, and without one by their checksum', () => {
    const other = folder.compile('other.c', SOURCE, '-g', '-O2', '-Wl,--build-id=sha1');
    const { stripped, debug } = split('wrong-id');
    run('objcopy', ['--only-keep-debug', other, debug]);
    const wrong = ModuleSymbols.load({ key: 'wrong-id', path: stripped });
    expect(wrong.report.sources).not.toContain(debug);
    expect(wrong.report.notes.join()).toMatch(/of another build/);

    const noId = split('no-id', '--remove-section=.note.gnu.build-id');
    expect(ElfFile.open(noId.stripped).buildId).toBe('');
    const right = ModuleSymbols.load({ key: 'no-id', path: noId.stripped });
    expect(right.report.sources).toContain(noId.debug);
    right.close();
    const bytes = readFileSync(noId.debug);
    // In the padding of the header: nothing but the checksum notices.
    bytes[10] ^= 1;
    writeFileSync(noId.debug, bytes);
    const damaged = ModuleSymbols.load({ key: 'no-id-2', path: noId.stripped });
    expect(damaged.report.notes.join()).toMatch(/checksum/);
  });

  it('are found by build ID below /usr/lib/debug', () => {
    const root = join('/proc', String(process.pid), 'root');
    const buildId = ElfFile.open(program).buildId;
    const name = `/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;
    mkdirSync(join(name, '..'), { recursive: true });
    try {
      run('objcopy', ['--only-keep-debug', program, name]);
      const stripped = join(folder.path, 'by-id');
      run('strip', ['-o', stripped, program]);
      const module = ModuleSymbols.load({ key: 'by-id', path: root + stripped });
      expect(module.report.sources).toContain(root + name);
      expect(namesAt(module, offsetsOf(program, ...FUNCTIONS))).toEqual(FUNCTIONS);
      module.close();
    } finally {
      rmSync(name);
    }
  });

  it('may be packed into the module itself, by xz', () => {
    const mini = join(folder.path, 'mini');
    const packed = join(folder.path, 'packed');
    run('objcopy', ['--only-keep-debug', '--strip-debug', program, mini]);
    run('xz', ['-k', mini]);
    run('objcopy', ['--strip-all', `--add-section=.gnu_debugdata=${mini}.xz`, program, packed]);
    const module = ModuleSymbols.load({ key: 'packed', path: packed });
    expect(module.report.sources).toContain('.gnu_debugdata');
    expect(namesAt(module, offsetsOf(program, ...FUNCTIONS))).toEqual(FUNCTIONS);

    const broken = readFileSync(`${mini}.xz`);
    broken[broken.length >> 1] ^= 0xff;
    const brokenPath = folder.write('broken.xz', broken);
    run('objcopy', ['--strip-all', `--add-section=.gnu_debugdata=${brokenPath}`, program, packed]);
    const other = ModuleSymbols.load({ key: 'broken', path: packed });
    expect(other.report.notes.join()).toMatch(/\.gnu_debugdata: xz data: corrupt/);
  });
});

describe('a Go program without symbols', () => {
  /** A pclntab like Go's, made by the assembler: of format 1.16 (absolute) or 1.20 (relative to the code's start). */
  const source = (magic: string, relative: boolean): string => {
    const word = relative ? '.long' : '.quad';
    const pc = (label: string) => (relative ? `${label} - first` : label);
    return `
      .globl _start
      .text
      first: nop; nop; nop; nop
      second: nop; nop
      _start: nop
      end: nop
      .section .gopclntab, "aw"
      table: .long ${magic}
      .byte 0, 0, 1, 8
      .quad 3, 0
      ${relative ? '.quad first' : ''}
      .quad names - table, names_end - table, 0, 0, functions - table
      names: .string "main.first"
      name2: .string "main.(*T).second"
      name3: .string "main.third"
      names_end:
      functions:
      ${word} ${pc('first')}, f1 - functions, ${pc('second')}, f2 - functions, ${pc('_start')}, f3 - functions, ${pc('end')}
      f1: ${word} ${pc('first')}
      .long 0
      f2: ${word} ${pc('second')}
      .long name2 - names
      f3: ${word} ${pc('_start')}
      .long name3 - names
    `;
  };

  it.each([
    ['1.16', '0xfffffffa', false],
    ['1.18', '0xfffffff0', true],
    ['1.20', '0xfffffff1', true],
  ])('is named by the table of its runtime, format %s', (version, magic, relative) => {
    const path = folder.compile(`go-${version}.s`, source(magic, relative), '-nostdlib', '-static');
    const [first, second, third] = offsetsOf(path, 'first', 'second', '_start');
    run('strip', [path]);
    const module = ModuleSymbols.load({ key: version, path });
    expect(module.report.sources).toEqual(['.gopclntab']);
    expect(namesAt(module, [first, second - 1, second, third, third + 1])).toEqual([
      'main.first',
      'main.first',
      'main.(*T).second',
      'main.third',
      undefined,
    ]);
  });

  const hasGo = (() => {
    try {
      return run('go', ['version']).startsWith('go');
    } catch {
      return false;
    }
  })();

  it.skipIf(!hasGo)('has the names that it had before it was stripped', () => {
    const file = folder.write(
      'program.go',
      'package main\nimport "fmt"\nfunc main() { fmt.Println(1) }\n',
    );
    const env = { ...process.env, GO111MODULE: 'off', GOCACHE: join(folder.path, 'cache') };
    const build = (output: string, ...flags: string[]): string => {
      const path = join(folder.path, output);
      execFileSync('go', ['build', ...flags, '-o', path, file], { env });
      return path;
    };
    const whole = build('go-whole');
    const stripped = build('go-stripped', '-ldflags=-s -w');
    const functions = run('nm', [whole])
      .split('\n')
      .map((line) => / [tT] ((?:main\.main|fmt\.\(\*pp\))\S*)$/.exec(line)?.[1])
      .filter((name) => name !== undefined);
    expect(functions.length).toBeGreaterThan(10);
    const module = ModuleSymbols.load({ key: basename(stripped), path: stripped });
    // (The same code is at the same place in both.)
    expect(namesAt(module, offsetsOf(whole, ...functions))).toEqual(functions);
  });
});

describe('stubs of the procedure linkage table', () => {
  const CALLER = `
    #include <string>
    #include <cstring>
    static int one(int a) { return a + 1; }
    extern "C" int (*resolve(void))(int) { return one; }
    extern "C" int __attribute__((ifunc("resolve"))) chosen(int);
    int main(int count, char **arguments) {
      std::string text(arguments[0]);
      text.append(arguments[0]);
      return strlen(text.c_str()) + chosen(count);
    }
  `;
  const APPEND = /^std::.*string.*::append\(char const\*\)@plt$/;

  function stubNames(path: string): { starts: number[]; names: (string | undefined)[] } {
    const elf = ElfFile.open(path);
    const stubs = readPltStubs(elf);
    const starts = Array.from(
      { length: stubs.length },
      (_, i) => elf.fileOffsetOfAddress(stubs.at(i).start)!,
    );
    elf.close();
    const module = ModuleSymbols.load({ key: basename(path), path });
    const names = namesAt(module, starts);
    expect(namesAt(module, starts)).toEqual(names);
    expect(
      namesAt(
        module,
        starts.map((start) => start + 7),
      ),
    ).toEqual(names);
    module.close();
    return { starts, names };
  }

  it('are named by what they lead to, with symbols and without', () => {
    const flags = ['-O0', '-fno-builtin', '-Wl,-z,lazy'];
    const program = folder.compile('stubs.cpp', CALLER, ...flags);
    const whole = stubNames(program);
    expect(whole.names).toEqual(expect.arrayContaining(['strlen@plt', 'chosen@plt']));
    expect(whole.names).toContainEqual(expect.stringMatching(APPEND));
    const stripped = `${program}.stripped`;
    run('strip', ['-o', stripped, program]);
    const { names, starts } = stubNames(stripped);
    expect(names).toContain('strlen@plt');
    expect(names).toContainEqual(expect.stringMatching(APPEND));
    // Who chooses it has no name here.
    const chosen = whole.names.indexOf('chosen@plt');
    expect(starts).toEqual(whole.starts);
    expect(names[chosen]).not.toMatch(/@plt/);
  });
});
