import { describe, expect, it } from 'vitest';
import { LAST_BUCKET } from '@/profile/latency/buckets';
import { distFile } from '@/server/root';
import { readBtf } from '../btf-for-tests';
import { addressText } from './labels';
import * as layout from './layout';
import { syscallName } from './syscall-names';

const btf = readBtf(distFile('bpf/layouts.bpf.o'));

describe('what the latency programs count', () => {
  it.each([
    ['latency_key', layout.LATENCY_KEY, layout.LATENCY_KEY_BYTES],
    ['latency_value', layout.LATENCY_VALUE, layout.LATENCY_VALUE_BYTES],
    ['record_latency', layout.LATENCY_RECORD, layout.LATENCY_RECORD_BYTES],
    [
      'latency_stack_configuration',
      layout.LATENCY_STACK_CONFIGURATION,
      layout.LATENCY_STACK_CONFIGURATION_BYTES,
    ],
    ['latency_control', layout.LATENCY_CONTROL, layout.LATENCY_CONTROL_BYTES],
    ['latency_slot', layout.LATENCY_SLOT, layout.LATENCY_SLOT_BYTES],
  ])('%s is where the compiled programs have it', (name, offsets, bytes) => {
    const members = btf.structs.get(name);
    expect(members?.size).toBe(bytes);
    for (const [member, offset] of Object.entries(offsets))
      expect(members?.offsets.get(member), `${name}.${member}`).toBe(offset);
  });

  it('has the names of the enums in their order', () => {
    const names = (name: string): string[] => [...(btf.enums.get(name) ?? new Map()).keys()];
    expect(names('latency_kind').slice(0, -1)).toHaveLength(layout.LATENCY_KINDS.length);
    expect(names('file_operation').slice(0, -1)).toEqual(
      layout.FILE_OPERATIONS.map((text) => `FILE_${text.toUpperCase()}`),
    );
    expect(names('futex_outcome').slice(0, -1)).toHaveLength(layout.FUTEX_OUTCOMES.length);
    expect(names('futex_operation').slice(0, -1)).toHaveLength(layout.FUTEX_OPERATIONS.length);
    expect(names('fault_access').slice(0, -1)).toEqual(
      layout.FAULT_ACCESSES.map((text) => `FAULT_${text.toUpperCase().replace('-', '_')}`),
    );
    expect(names('fault_outcome').slice(0, -1)).toHaveLength(layout.FAULT_OUTCOMES.length);
    expect([...(btf.enums.get('latency_mode') ?? new Map()).values()]).toEqual(
      Object.values(layout.LATENCY_MODES),
    );
    expect([...(btf.enums.get('latency_limit') ?? new Map()).values()]).toEqual([LAST_BUCKET]);
  });
});

describe('labels', () => {
  it('name system calls', () => {
    expect(syscallName(0, false)).toBe(process.arch === 'arm64' ? 'io_setup' : 'read');
    expect(syscallName(5000, false)).toBe('syscall 5000');
    expect(syscallName(3, true)).toBe('32-bit syscall 3');
  });

  it.each([
    ['00000000000000000000ffff7f000001', '127.0.0.1'],
    ['00000000000000000000000000000001', '::1'],
    ['20010db8000000000001000000000000', '2001:db8:0:0:1::'],
    ['fe800000000000000001000200030004', 'fe80::1:2:3:4'],
    ['20010db8000100020003000400050006', '2001:db8:1:2:3:4:5:6'],
  ])('write the address %s as %s', (hex, text) => {
    expect(addressText(Buffer.from(hex, 'hex'))).toBe(text);
  });
});
