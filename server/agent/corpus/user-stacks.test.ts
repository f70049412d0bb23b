import { describe, expect, it } from 'vitest';
import { hasCalls, knownCalls, plainName, shareBound, type UserStack } from './user-stacks';

const stackOf = (names: string, samples = 1, stop?: string): UserStack => ({
  frames: names.split(' ').map((name) => ({ name, module: '/bin/x' })),
  stop,
  samples,
});

describe('the lower bound of a share', () => {
  it('is below the share, and nears it with more samples', () => {
    expect(shareBound(0, 0).lowerBound).toBe(0);
    expect(shareBound(10, 10).lowerBound).toBeLessThan(0.6);
    expect(shareBound(1800, 1800).lowerBound).toBeGreaterThan(0.995);
    expect(shareBound(1790, 1800).lowerBound).toBeLessThan(0.99);
    expect(shareBound(179_000, 180_000).lowerBound).toBeGreaterThan(0.9935);
  });
});

describe('calls in a stack', () => {
  it('are found only whole and in order', () => {
    const stack = stackOf('_start main work qsort msort compare');
    expect(hasCalls(stack, ['main', 'work', '...', 'compare'])).toBe(true);
    expect(hasCalls(stack, ['work', 'qsort'])).toBe(true);
    expect(hasCalls(stack, ['work', 'compare'])).toBe(false);
    expect(hasCalls(stack, ['qsort', 'work'])).toBe(false);
  });

  it('count as whole where any chain with that end is there', () => {
    const chains = [
      ['main', 'one', 'burn'],
      ['main', 'two', 'burn'],
    ];
    const stacks = [
      stackOf('main one burn', 3),
      stackOf('main two burn', 4),
      stackOf('main burn', 2),
      stackOf('main idle', 100),
    ];
    const { whole, seen } = knownCalls(stacks, chains);
    expect([whole.count, whole.of]).toEqual([7, 9]);
    expect(seen).toEqual([3, 4]);
  });
});

describe('plain names', () => {
  it.each([
    ['main', 'main'],
    ['std::sort<int*, bool (*)(int)>(int*, int*)', 'std::sort'],
    ['void std::__introsort_loop<int*, long>(int*, int*, long)', 'std::__introsort_loop'],
    ['Square::area(unsigned long) const', 'Square::area'],
    ['crate::descend::h0123456789abcdef', 'crate::descend'],
    ['burn.constprop.0', 'burn'],
    ['work(int) [clone .cold]', 'work'],
    ['operator<<(std::ostream&, int)', 'operator'],
    ['std::vector<int, std::allocator<int> >::push_back(int&&)', 'std::vector::push_back'],
    ['(anonymous namespace)::twice(int)', 'anonymous::twice'],
    ['__libc_start_main@@GLIBC_2.34', '__libc_start_main'],
    ['non-virtual thunk to a::Job<b::C>::run()', 'a::Job::run'],
    ['{virtual override thunk({offset(-56)}, a::Job<b::C>::run())}', 'a::Job::run'],
    ['main.sortCase.func1', 'main.sortCase.func1'],
  ])('%s', (name, plain) => {
    expect(plainName(name)).toBe(plain);
  });
});
