import { describe, expect, it } from 'vitest';
import { ProtobufWriter } from './protobuf';

function integer(value: number | bigint): number[] {
  const writer = new ProtobufWriter();
  writer.integer(1, value);
  return [...writer.bytes()];
}

describe('protocol buffers', () => {
  it.each<[number | bigint, number[]]>([
    [1, [0x08, 1]],
    [127, [0x08, 0x7f]],
    [128, [0x08, 0x80, 1]],
    [300, [0x08, 0xac, 2]],
    [2 ** 31, [0x08, 0x80, 0x80, 0x80, 0x80, 8]],
    [2 ** 32 + 1, [0x08, 0x81, 0x80, 0x80, 0x80, 0x10]],
    [Number.MAX_SAFE_INTEGER, [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    [-1, [0x08, ...Array<number>(9).fill(0xff), 1]],
    [2n ** 64n - 1n, [0x08, ...Array<number>(9).fill(0xff), 1]],
  ])('encode %s', (value, bytes) => {
    expect(integer(value)).toEqual(bytes);
  });

  it('leave out what is the default, but not an element of a list', () => {
    const writer = new ProtobufWriter();
    writer.integer(1, 0);
    writer.boolean(2, false);
    writer.packed(3, new ProtobufWriter());
    expect(writer.length).toBe(0);
    writer.string(4, '');
    expect([...writer.bytes()]).toEqual([0x22, 0]);
  });

  it('encode text, messages and packed lists by their length', () => {
    const writer = new ProtobufWriter();
    writer.string(6, 'é');
    const inner = new ProtobufWriter();
    inner.element(0);
    inner.element(300);
    writer.packed(2, inner);
    expect([...writer.bytes()]).toEqual([0x32, 2, 0xc3, 0xa9, 0x12, 3, 0, 0xac, 2]);
  });

  it('grow to any size', () => {
    const writer = new ProtobufWriter(16);
    writer.string(1, 'x'.repeat(100_000));
    expect(writer.length).toBe(100_004);
    writer.clear();
    expect(writer.length).toBe(0);
  });
});
