/** A second opinion on inlined functions and lines: binutils' addr2line -i, at random addresses of a program. */
import { normalize } from 'node:path';
import { ElfFile } from '../../elf/elf-file';
import { run } from '../test-binaries';
import { Dwarf } from './dwarf';

/** A C++ program whose code is mostly inlined templates of the standard library. */
export const CPP = `
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

/** The same in Rust. */
export const RUST = `
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

interface Place {
  readonly name: string;
  /** file:line, the line 0 where unknown. */
  readonly at: string;
}

/** What addr2line says of each address, innermost first. */
export function expectedPlaces(
  path: string,
  addresses: readonly number[],
  tool: string,
): Place[][] {
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

/**
 * Compares what is inlined at `count` random addresses of code that has debug information, with files and lines; returns
 * how many were compared, and what differs. `differentChains` does not look at the names of files: for code in a file that
 * another includes, as much of glibc is, addr2line 2.40 gives the including file with the line of the included one.
 */
export function compare(path: string, count: number, tool = 'addr2line') {
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
  let differentChains = 0;
  addresses.forEach((address, i) => {
    const places = dwarf.find(address)!.map(({ functionName, file, line }) => ({
      name: functionName,
      at: `${file === undefined ? '??' : normalize(file)}:${line}`,
    }));
    // Of the first and the last, addr2line may give the symbol. It does not qualify plain names.
    const sameName = (name: string | undefined, other: string) =>
      name === other || name?.endsWith(`::${other}`) === true;
    const sameChain =
      places.length === expected[i].length &&
      places.every(({ at }, k) => lineOf(at) === lineOf(expected[i][k].at)) &&
      places.slice(1, -1).every(({ name }, k) => sameName(name, expected[i][k + 1].name));
    if (!sameChain) differentChains++;
    const same = sameChain && places.every(({ at }, k) => at === expected[i][k].at);
    if (!same) different.push({ address: address.toString(16), places, expected: expected[i] });
  });
  const inlined = expected.filter((places) => places.length > 1).length;
  const { bytes } = dwarf;
  dwarf.close();
  return { compared: addresses.length, inlined, different, differentChains, notes, bytes };
}

const lineOf = (at: string): string => at.slice(at.lastIndexOf(':'));
