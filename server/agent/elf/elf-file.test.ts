import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ElfError, ElfFile, readBuildId, SectionType, SegmentFlag } from './elf-file';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });

const LIBC = '/lib/x86_64-linux-gnu/libc.so.6';
const BINARIES = [process.execPath, LIBC, '/bin/bash', '/lib64/ld-linux-x86-64.so.2'];

let folder: string;
let program: string;
let compressed: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-elf-'));
  program = join(folder, 'program');
  compressed = join(folder, 'compressed');
  const source = join(folder, 'program.c');
  writeFileSync(source, 'int main(int argc, char **argv) { return argc - 1; }\n');
  run('gcc', '-g', '-Wl,--build-id=0x0123456789abcdef', '-o', program, source);
  run('objcopy', '--compress-debug-sections=zlib', program, compressed);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('an ELF file', () => {
  it.each(BINARIES)('%s has the segments that readelf shows', (path) => {
    const expected = run('readelf', '-lW', path)
      .split('\n')
      .filter((line) => /^ {2}LOAD /.test(line))
      .map((line) => {
        const [, offset, address, , fileSize, memorySize, ...rest] = line.trim().split(/\s+/);
        const text = rest.slice(0, -1).join('');
        return {
          numbers: [offset, address, fileSize, memorySize].map(Number),
          execute: text.includes('E'),
        };
      });
    const elf = ElfFile.open(path);
    expect(
      elf.segments.map((s) => ({
        numbers: [s.offset, s.address, s.fileSize, s.memorySize],
        execute: (s.flags & SegmentFlag.Execute) !== 0,
      })),
    ).toEqual(expected);
    elf.close();
  });

  it.each(BINARIES)('%s has the sections that readelf shows', (path) => {
    const expected = run('readelf', '-SW', path)
      .split('\n')
      .map((line) =>
        /^ {2}\[ *(\d+)\] (\S+) +\S+ +([0-9a-f]{16}) ([0-9a-f]+) ([0-9a-f]+) /.exec(line),
      )
      .filter((match) => match !== null)
      .map(([, index, name, ...hex]) => [Number(index), name, ...hex.map((h) => parseInt(h, 16))]);
    const elf = ElfFile.open(path);
    const sections = elf.sections.map((s) => [s.index, s.name, s.address, s.offset, s.size]);
    expect(sections.slice(1)).toEqual(expected.filter(([index]) => index !== 0));
    elf.close();
  });

  it('tells its build ID, interpreter and debug link', () => {
    const elf = ElfFile.open(program);
    expect(elf.buildId).toBe('0123456789abcdef');
    expect(elf.interpreter).toBe('/lib64/ld-linux-x86-64.so.2');
    expect(elf.debugLink).toBeUndefined();
    elf.close();
    const debug = join(folder, 'program.debug');
    const stripped = join(folder, 'stripped');
    run('objcopy', '--only-keep-debug', program, debug);
    run('objcopy', '--strip-all', `--add-gnu-debuglink=${debug}`, program, stripped);
    const linked = ElfFile.open(stripped);
    const crc = run(
      'python3',
      '-c',
      `import zlib; print(zlib.crc32(open('${debug}','rb').read()))`,
    );
    expect(linked.debugLink).toEqual({ name: 'program.debug', crc: Number(crc) });
    expect(ElfFile.open(debug).buildId).toBe('0123456789abcdef');
  });

  it.each(BINARIES)('%s: the cheap build ID is what readelf says', (path) => {
    const fd = openSync(path, 'r');
    const expected = /Build ID: ([0-9a-f]+)/.exec(run('readelf', '-n', path))?.[1] ?? '';
    expect(readBuildId(fd)).toBe(expected);
    closeSync(fd);
  });

  it('has no build ID where the file is not ELF', () => {
    const fd = openSync('/etc/passwd', 'r');
    expect(readBuildId(fd)).toBe('');
    closeSync(fd);
  });

  it('inflates compressed sections', () => {
    const [plain, packed] = [ElfFile.open(program), ElfFile.open(compressed)];
    const section = packed.section('.debug_info')!;
    const inflated = packed.read(section);
    expect(inflated.length).toBe(packed.uncompressedSize(section));
    expect(Buffer.from(inflated)).toEqual(Buffer.from(plain.read(plain.section('.debug_info')!)));
    expect(() => packed.read(section, 10)).toThrow(ElfError);
  });

  it('reads the same from memory as from the file', () => {
    const [disk, memory] = [ElfFile.open(LIBC), ElfFile.open(readFileSync(LIBC))];
    expect(memory.buildId).toBe(disk.buildId);
    expect(memory.sections).toEqual(disk.sections);
    const section = disk.section('.dynsym')!;
    expect(Buffer.from(memory.read(section)).equals(Buffer.from(disk.read(section)))).toBe(true);
  });

  it('says why a file can not be read', () => {
    expect(() => ElfFile.open('/nowhere')).toThrow(/cannot open \/nowhere/);
    expect(() => ElfFile.open('/etc')).toThrow(/not a regular file/);
    expect(() => ElfFile.open('/etc/passwd')).toThrow(/no ELF magic/);
    const bytes = readFileSync(program);
    bytes[4] = 1;
    expect(() => ElfFile.open(bytes)).toThrow(/32-bit/);
  });
});

describe('addresses and file offsets', () => {
  it.each(BINARIES)('%s: each is the inverse of the other in executable sections', (path) => {
    const elf = ElfFile.open(path);
    for (const { flags, type, address, offset, size } of elf.sections) {
      if ((flags & 4) === 0 || type === SectionType.NoBits || size === 0) continue;
      expect(elf.addressOfFileOffset(offset)).toBe(address);
      expect(elf.addressOfFileOffset(offset + size - 1)).toBe(address + size - 1);
      expect(elf.fileOffsetOfAddress(address)).toBe(offset);
    }
    expect(elf.addressOfFileOffset(elf.size + 65536)).toBeUndefined();
    elf.close();
  });

  it('holds where segments do not start at pages, as lld lays them out', () => {
    // Two segments share a page of the file: bytes 0x0 to 0x1810 are data at 0x0, then code at 0x2810.
    const bytes = elfImage([
      { flags: 4, offset: 0, address: 0, size: 0x1810 },
      { flags: 5, offset: 0x1810, address: 0x2810, size: 0x1000 },
      { flags: 5, offset: 0x2810, address: 0x4810, size: 0x20 },
    ]);
    const elf = ElfFile.open(bytes);
    expect(elf.addressOfFileOffset(0x1810)).toBe(0x2810);
    expect(elf.addressOfFileOffset(0x280f)).toBe(0x380f);
    expect(elf.addressOfFileOffset(0x2810)).toBe(0x4810);
    // Before the code in its first page: brought in by rounding alone.
    expect(elf.addressOfFileOffset(0x1800)).toBe(0x2800);
    expect(elf.addressOfFileOffset(0xfff)).toBeUndefined();
    expect(elf.fileOffsetOfAddress(0x4810)).toBe(0x2810);
    expect(elf.fileOffsetOfAddress(0x4810 + 0x20)).toBeUndefined();
  });
});

describe('hostile files', () => {
  const readAll = (bytes: Uint8Array): void => {
    try {
      const elf = ElfFile.open(bytes);
      elf.addressOfFileOffset(0x1000);
      elf.fileOffsetOfAddress(0x1000);
      for (const part of [
        () => elf.buildId,
        () => elf.interpreter,
        () => elf.debugLink,
        () => elf.sections.map((section) => elf.read(section, 1 << 20)),
      ]) {
        try {
          part();
        } catch (error) {
          if (!(error instanceof ElfError)) throw error;
        }
      }
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
    }
  };

  it('made of random bytes fail with an ElfError', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), readAll), { numRuns: 300 });
  });

  it('made by changing a real one fail with an ElfError, or read', () => {
    const originals = [readFileSync(program), readFileSync(compressed)];
    const change = fc.record({
      // Mostly in the headers, where it matters.
      at: fc.oneof(
        fc.nat(1023),
        fc.nat(originals[0].length - 8),
        fc.integer({ min: -2400, max: -8 }),
      ),
      value: fc.oneof(fc.bigInt(0n, 0xffffffffffffffffn), fc.bigInt(0n, 0xffffn)),
    });
    fc.assert(
      fc.property(fc.nat(1), fc.array(change, { minLength: 1, maxLength: 4 }), (which, changes) => {
        const bytes = Buffer.from(originals[which]);
        bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
        for (const { at, value } of changes) {
          bytes.writeBigUInt64LE(value, at < 0 ? bytes.length + at : at % (bytes.length - 8));
        }
        bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
        readAll(bytes);
      }),
      { numRuns: 500 },
    );
  });

  it('cut short anywhere fail with an ElfError, or read', () => {
    const original = readFileSync(program);
    fc.assert(fc.property(fc.nat(original.length), (n) => readAll(original.subarray(0, n))));
  });
});

interface Loaded {
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/** An ELF image with these PT_LOAD segments and nothing else. */
function elfImage(loads: readonly Loaded[]): Uint8Array {
  const size = Math.max(...loads.map(({ offset, size }) => offset + size));
  const bytes = Buffer.alloc(Math.max(size, 64 + loads.length * 56));
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.writeUInt16LE(3, 16);
  bytes.writeUInt16LE(62, 18);
  bytes.writeUInt32LE(64, 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(loads.length, 56);
  loads.forEach(({ flags, offset, address, size }, index) => {
    const at = 64 + index * 56;
    bytes.writeUInt32LE(1, at);
    bytes.writeUInt32LE(flags, at + 4);
    bytes.writeUInt32LE(offset, at + 8);
    bytes.writeUInt32LE(address, at + 16);
    bytes.writeUInt32LE(size, at + 32);
    bytes.writeUInt32LE(size, at + 40);
    bytes.writeUInt32LE(0x1000, at + 48);
  });
  return bytes;
}
