import { describe, expect, it } from 'vitest';
import { readPerfScript } from './perf';

const TEXT = `  6471.100000500: 
\tffffffff8100d3b4 asm_exc_page_fault ([kernel.kallsyms])
\t    558f2c6c1139 std::sort<int*>(int*, int*) (/tmp/a (deleted))
\t    7f3a1c2280d0 [unknown] (/usr/lib/libc.so.6)
\t    558f2c6c1050 _start (/tmp/a)

  6471.200000000: 
\t    7ffc0a1f39d1 __vdso_clock_gettime ([vdso])

  6472.000000000: 
\t    558f2c6c1050 _start (/tmp/a)

`;

async function* lines(): AsyncGenerator<string> {
  yield* TEXT.split('\n');
}

describe('what perf script prints', () => {
  it('becomes stacks from the root, without the kernel, of the time that was asked for', async () => {
    const stacks = await readPerfScript(lines(), 6471.1e9, 6472e9);
    expect(stacks.map(({ frames }) => frames)).toEqual([
      [
        { name: '_start', module: '/tmp/a' },
        { name: '', module: '/usr/lib/libc.so.6' },
        { name: 'std::sort<int*>(int*, int*)', module: '/tmp/a (deleted)' },
      ],
      [{ name: '__vdso_clock_gettime', module: '[vdso]' }],
    ]);
  });
});
