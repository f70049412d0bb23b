import { normalize } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ElfError, ElfFile } from '../../elf/elf-file';
import { run, TestFolder } from '../test-binaries';
import { Dwarf } from './dwarf';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const CPP = `
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>
namespace shapes {
struct Shape { virtual ~Shape() = default; virtual double area() const = 0; };
template <typename T> inline T squared(T value) { return value * value; }
class Circle : public Shape {
  double radius_;
 public:
  explicit Circle(double radius) : radius_(radius) {}
  double area() const override { return 3.14159 * squared(radius_); }
};
}
static std::string describe(const std::map<std::string, double> &sums) {
  std::ostringstream out;
  for (const auto &[name, sum] : sums) out << name << '=' << sum << ' ';
  return out.str();
}
int main(int argc, char **argv) {
  std::vector<std::unique_ptr<shapes::Shape>> all;
  for (int i = 0; i < 100 * argc; i++) all.push_back(std::make_unique<shapes::Circle>(i));
  std::sort(all.begin(), all.end(), [](const auto &a, const auto &b) { return a->area() > b->area(); });
  std::map<std::string, double> sums;
  for (const auto &shape : all) sums[shape->area() > 500 ? "large" : "small"] += shape->area();
  std::string text = describe(sums);
  std::printf("%s\\n", text.c_str());
}
`;

const RUST = `
use std::collections::BTreeMap;
trait Shape { fn area(&self) -> f64; }
struct Circle(f64);
#[inline(always)]
fn squared(value: f64) -> f64 { value * value }
impl Shape for Circle { fn area(&self) -> f64 { 3.14159 * squared(self.0) } }
fn main() {
    let count = std::env::args().count();
    let mut all: Vec<Box<dyn Shape>> = (0..100 * count).map(|i| Box::new(Circle(i as f64)) as Box<dyn Shape>).collect();
    all.sort_by(|a, b| b.area().partial_cmp(&a.area()).unwrap());
    let mut sums = BTreeMap::new();
    for shape in &all {
        *sums.entry(if shape.area() > 500.0 { "large" } else { "small" }.to_string()).or_insert(0.0) += shape.area();
    }
    let text = sums.iter().map(|(name, sum)| format!("{name}={sum:.1}")).collect::<Vec<_>>().join(" ");
    let handle = std::thread::spawn(move || text.chars().filter(|c| c.is_alphabetic()).count());
    println!("{}", handle.join().unwrap());
}
`;

const C = `
  static inline __attribute__((always_inline)) int innermost(int a) { return a * 3 + 1; }
  static inline __attribute__((always_inline)) int middle(int a) { return innermost(a + 1) ^ 5; }
  int __attribute__((noinline)) outer(int a) { return middle(a) + middle(a * 2); }
  int main(int argc, char **argv) { return outer(argc); }
`;

let folder: TestFolder;
beforeAll(() => {
  folder = new TestFolder();
});
afterAll(() => folder.remove());

interface Place {
  readonly name: string;
  /** file:line, the line 0 where unknown. */
  readonly at: string;
}

/** What addr2line says of each address, innermost first. */
function expectedPlaces(path: string, addresses: readonly number[], tool: string): Place[][] {
  const input = addresses.map((address) => `0x${address.toString(16)}\n`).join('');
  const answers: Place[][] = [];
  const lines = run(tool, ['-a', '-i', '-f', '-e', path], input).split('\n');
  for (let i = 0; i < lines.length; ) {
    if (/^0x[0-9a-f]+$/.test(lines[i])) {
      answers.push([]);
      i++;
    } else if (lines[i] === '') i++;
    else {
      const at = /^(.*?):(\d+|\?)(?: \(discriminator \d+\))?$/.exec(lines[i + 1])!;
      const line = at[2] === '?' ? 0 : Number(at[2]);
      answers.at(-1)!.push({ name: lines[i], at: `${normalize(at[1])}:${line}` });
      i += 2;
    }
  }
  return answers;
}

/** Compares `count` random addresses of code that has debug information; returns how many, and what differs. */
function compare(path: string, count: number, tool = 'addr2line') {
  const elf = ElfFile.open(path);
  const notes: string[] = [];
  const dwarf = Dwarf.open(elf, notes)!;
  const text = elf.section('.text')!;
  let seed = 1;
  const random = (): number => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed / 2 ** 31;
  };
  const addresses = Array.from(
    { length: count * 4 },
    () => text.address + Math.floor(random() * text.size),
  )
    .filter((address) => dwarf.find(address)?.[0]?.functionName !== undefined)
    .slice(0, count);
  const expected = expectedPlaces(path, addresses, tool);
  const different: unknown[] = [];
  addresses.forEach((address, i) => {
    const places = dwarf.find(address)!.map(({ functionName, file, line }) => ({
      name: functionName,
      at: `${file === undefined ? '??' : normalize(file)}:${line}`,
    }));
    // Of the first and the last, addr2line may give the symbol. It does not qualify plain names.
    const sameName = (name: string | undefined, other: string) =>
      name === other || name?.endsWith(`::${other}`) === true;
    const same =
      places.length === expected[i].length &&
      places.every(({ at }, k) => at === expected[i][k].at) &&
      places.slice(1, -1).every(({ name }, k) => sameName(name, expected[i][k + 1].name));
    if (!same) different.push({ address: address.toString(16), places, expected: expected[i] });
  });
  const inlined = expected.filter((places) => places.length > 1).length;
  const { bytes } = dwarf;
  dwarf.close();
  return { compared: addresses.length, inlined, different, notes, bytes };
}

const NO_DIFFERENCE = { compared: 200, different: [], notes: [] };

describe('inlined functions and lines agree with addr2line -i', () => {
  it('in C++, -O2, DWARF 5, and where the sections are compressed', () => {
    const path = folder.compile('cpp-5.cpp', CPP, '-O2', '-g', '-gdwarf-5');
    const result = compare(path, 200);
    expect(result).toMatchObject(NO_DIFFERENCE);
    expect(result.inlined).toBeGreaterThan(20);
    expect(result.bytes).toBeLessThan(20e6);
    run('objcopy', ['--compress-debug-sections=zlib', path, `${path}.packed`]);
    expect(compare(`${path}.packed`, 200)).toMatchObject(NO_DIFFERENCE);
  });

  it('in C++, -O2, DWARF 4', () => {
    const path = folder.compile('cpp-4.cpp', CPP, '-O2', '-g', '-gdwarf-4');
    expect(compare(path, 200)).toMatchObject(NO_DIFFERENCE);
  });

  it.each(['2', '3', '4', '5'])('in C, DWARF %s', (version) => {
    const path = folder.compile(`c-${version}.c`, C, '-O2', `-gdwarf-${version}`);
    const result = compare(path, 200);
    expect(result).toMatchObject({ different: [], notes: [] });
    expect(result.inlined).toBeGreaterThan(3);
  });

  it('in Rust, optimized', () => {
    const path = folder.compile('rust.rs', RUST, '-Copt-level=3', '-g');
    const result = compare(path, 200);
    expect(result).toMatchObject(NO_DIFFERENCE);
    expect(result.inlined).toBeGreaterThan(20);
  });

  const hasClang = (() => {
    try {
      return run('llvm-addr2line', ['--version']) !== '' && run('clang', ['--version']) !== '';
    } catch {
      return false;
    }
  })();

  it.skipIf(!hasClang)('in C from clang, which uses indexed addresses, strings and ranges', () => {
    const source = folder.write('clang.c', C);
    const path = `${source}.out`;
    run('clang', ['-O2', '-g', '-gdwarf-5', '-ffunction-sections', '-o', path, source]);
    const elf = ElfFile.open(path);
    expect(elf.section('.debug_addr')).toBeDefined();
    const dwarf = Dwarf.open(elf, [])!;
    const text = elf.section('.text')!;
    const addresses = Array.from({ length: text.size }, (_, i) => text.address + i).filter(
      (address) => dwarf.find(address) !== undefined,
    );
    const expected = expectedPlaces(path, addresses, 'llvm-addr2line');
    expect(
      addresses.map((address) => dwarf.find(address)!.map((place) => place.functionName)),
    ).toEqual(expected.map((places) => places.map(({ name }) => name)));
    expect(expected.some((places) => places.length === 3)).toBe(true);
  });
});

describe('debug information', () => {
  it('names the chain of calls, innermost first, with the line of each call', () => {
    const path = folder.compile('chain.c', C, '-O2', '-g');
    const elf = ElfFile.open(path);
    const dwarf = Dwarf.open(elf, [])!;
    const text = elf.section('.text')!;
    const chain = Array.from(
      { length: text.size },
      (_, i) => dwarf.find(text.address + i) ?? [],
    ).find((places) => places.length === 3)!;
    expect(chain.map(({ functionName }) => functionName)).toEqual(['innermost', 'middle', 'outer']);
    expect(chain.map(({ line }) => line)).toEqual([2, 3, 4]);
    expect(chain[0].file).toBe(`${folder.path}/chain.c`);
    expect(dwarf.find(0)).toBeUndefined();
    expect(dwarf.describes(0)).toBe(false);
  });

  it('that is in .dwo files is said to be there', () => {
    const path = folder.compile('split.c', C, '-O2', '-g', '-gsplit-dwarf');
    const notes: string[] = [];
    const dwarf = Dwarf.open(ElfFile.open(path), notes)!;
    const text = dwarf.elf.section('.text')!;
    for (let at = 0; at < text.size; at += 4) dwarf.find(text.address + at);
    expect(notes.join()).toMatch(/\.dwo files/);
  });

  it('that is hostile fails with a note, and in bounded time', () => {
    const path = folder.compile('hostile.c', C, '-O2', '-g');
    const packed = ElfFile.open(path);
    const original = Buffer.from(packed.readAt(0, packed.size));
    const places = packed.sections.filter(({ name }) => name.startsWith('.debug_'));
    const text = packed.section('.text')!;
    const change = fc.record({
      where: fc.nat(places.length - 1),
      at: fc.nat(1 << 16),
      value: fc.oneof(fc.constantFrom(0, 0xff, 0x7f, 0x80, 1), fc.nat(255)),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        const bytes = Buffer.from(original);
        for (const { where, at, value } of changes) {
          bytes[places[where].offset + (at % places[where].size)] = value;
        }
        const start = performance.now();
        try {
          const dwarf = Dwarf.open(ElfFile.open(bytes), []);
          for (let at = 0; at < text.size; at += 8) dwarf?.find(text.address + at);
        } catch (error) {
          if (!(error instanceof ElfError)) throw error;
        }
        expect(performance.now() - start).toBeLessThan(10_000);
      }),
      { numRuns: 500 },
    );
  });
});
