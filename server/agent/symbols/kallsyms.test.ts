import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CurrentKernelSymbols, KernelSymbols } from './kallsyms';
import { SymbolError } from './protocol';

const TEXT = `\
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000000 t first_function
ffffffff81000040 t local_alias
ffffffff81000040 W weak_alias
ffffffff81000040 T __global_alias
ffffffff81000040 T global_alias
ffffffff81000100 D some_data
ffffffff81000140 T last_function
ffffffff81000180 T _etext
ffffffffc0201000 t module_second\t[nf_tables]
ffffffffc0200000 t module_first\t[nf_tables]
ffffffffc0300000 t other_module\t[ext4]
ffffffffc0400000 t bpf_prog_6deef7357e7b4530_sample\t[bpf]
`;
/** The double of a kernel address: its signed 64-bit value. */
const address = (hex: string): number => Number(BigInt.asIntN(64, BigInt(`0x${hex}`)));

describe('kernel symbols', () => {
  const symbols = KernelSymbols.parse(Buffer.from(TEXT));
  const nameAt = (hex: string) => {
    const entry = symbols.find(address(hex));
    if (entry < 0) return undefined;
    const { functionName, module } = symbols.functionAt(entry);
    return module === undefined ? functionName : `${functionName} [${module}]`;
  };

  it('reach from their address to the next symbol', () => {
    expect(nameAt('ffffffff80ffffff')).toBeUndefined();
    expect(nameAt('ffffffff81000000')).toBe('first_function');
    expect(nameAt('ffffffff8100003f')).toBe('first_function');
    expect(nameAt('ffffffff81000040')).toBe('global_alias');
    expect(nameAt('ffffffff81000100')).toBeUndefined();
    expect(nameAt('ffffffff81000140')).toBe('last_function');
    expect(nameAt('ffffffff81000180')).toBeUndefined();
  });

  it('of modules are found though they are out of order, and end with their module', () => {
    expect(nameAt('ffffffffc0200000')).toBe('module_first [nf_tables]');
    expect(nameAt('ffffffffc0201000')).toBe('module_second [nf_tables]');
    expect(nameAt('ffffffffc02fffff')).toBeUndefined();
    expect(nameAt('ffffffffc0300000')).toBe('other_module [ext4]');
  });

  it('know BPF programs', () => {
    expect(nameAt('ffffffffc0400010')).toBe('bpf_prog_6deef7357e7b4530_sample [bpf]');
    expect(symbols.isBpf(symbols.find(address('ffffffffc0400010')))).toBe(true);
    expect(symbols.isBpf(symbols.find(address('ffffffff81000040')))).toBe(false);
  });

  it('count from _text', () => expect(symbols.base).toBe(-2130706432));

  it('say so where the kernel hides its addresses', () => {
    const hidden = TEXT.replace(/^[0-9a-f]{16}/gm, '0000000000000000');
    expect(() => KernelSymbols.parse(Buffer.from(hidden))).toThrow(/kptr_restrict/);
    expect(() => KernelSymbols.parse(Buffer.from(''))).toThrow(SymbolError);
    expect(() => KernelSymbols.read('/nowhere')).toThrow(/cannot read \/nowhere/);
  });

  it('bear garbage', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.constant(TEXT.slice(0, 60)))), (lines) => {
        try {
          KernelSymbols.parse(Buffer.from(lines.join('\n'))).find(0);
        } catch (error) {
          if (!(error instanceof SymbolError)) throw error;
        }
      }),
    );
  });
});

const real = readFileSync('/proc/kallsyms', 'latin1');

describe.skipIf(!/^[0-9a-f]*[1-9a-f]/.test(real))('the symbols of this kernel', () => {
  it('are found at their addresses, to the last bit', () => {
    const symbols = KernelSymbols.read();
    const names = new Map<string, Set<string>>();
    for (const line of real.split('\n')) {
      const [hex, type, name] = line.split(/[ \t]/);
      if (!/^[tTwW]$/.test(type ?? '') || /^_(e|einit)text$/.test(name)) continue;
      names.set(hex, (names.get(hex) ?? new Set()).add(name));
    }
    let wrong = 0;
    for (const [hex, expected] of names) {
      const entry = symbols.find(address(hex));
      if (entry < 0 || !expected.has(symbols.functionAt(entry).functionName)) wrong++;
    }
    expect(names.size).toBeGreaterThan(10_000);
    // BPF programs may have come and gone between the two readings.
    expect(wrong).toBeLessThan(names.size / 1000);
    expect(symbols.bytes).toBeLessThan(20e6);
  });
});

describe('the symbols of the kernel that runs', () => {
  const nowhere = Float64Array.of(0);
  const somewhere = Float64Array.of(KernelSymbols.read().base + 4096);

  it('are read again where code may have come to an address, and not too often', () => {
    const current = new CurrentKernelSymbols();
    const first = current.for(nowhere, 1, 0);
    expect(current.for(nowhere, 2, 9000)).toBe(first);
    expect(current.for(somewhere, 2, 11_000)).toBe(first);
    const second = current.for(nowhere, 2, 12_000);
    expect(second).not.toBe(first);
    expect(current.for(nowhere, 3, 21_000)).toBe(second);
    expect(current.for(nowhere, 3, 23_000)).not.toBe(second);
  });

  it('are not read again where it is known that none has', () => {
    const current = new CurrentKernelSymbols();
    const first = current.for(nowhere, 1, 0);
    expect(current.for(nowhere, 1, 100_000)).toBe(first);
    // Who does not know has to look.
    expect(current.for(nowhere, undefined, 100_000)).not.toBe(first);
  });
});
