/** Reads the types of BTF: a BPF object's, to compare layouts with, or the kernel's. Format: Linux, Documentation/bpf/btf.rst. */
import { ElfFile } from './elf/elf-file';

export interface Btf {
  readonly structs: Map<string, { readonly size: number; readonly offsets: Map<string, number> }>;
  readonly enums: Map<string, Map<string, number>>;
}

export const Kind = {
  Int: 1,
  Array: 3,
  Struct: 4,
  Union: 5,
  Enum: 6,
  FuncProto: 13,
  Var: 14,
  DataSection: 15,
  DeclTag: 17,
  Enum64: 19,
} as const;

interface BtfType {
  /** From 1. */
  readonly id: number;
  readonly name: string;
  readonly kind: number;
  /** In bytes; of some kinds it is another type's ID. */
  readonly size: number;
  /** What follows the type, such as members: where, and how many. */
  readonly at: number;
  readonly count: number;
  readonly hasBitFields: boolean;
}

/** Where strings are: `length` from `start` on, in bytes. */
export function stringsOf(view: DataView): { start: number; length: number } {
  const start = view.getUint32(4, true) + view.getUint32(16, true);
  return { start, length: view.getUint32(20, true) };
}

/** The string of that offset. */
export function stringAt(view: DataView, offset: number): string {
  const start = stringsOf(view).start + offset;
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return new TextDecoder().decode(bytes.subarray(start, bytes.indexOf(0, start)));
}

/** All types, in their order. */
export function* typesOf(view: DataView): Generator<BtfType> {
  const types = view.getUint32(4, true) + view.getUint32(8, true);
  const end = types + view.getUint32(12, true);
  for (let at = types, id = 1; at < end; id++) {
    const info = view.getUint32(at + 4, true);
    const [count, kind] = [info & 0xffff, (info >>> 24) & 0x1f];
    yield {
      id,
      name: stringAt(view, view.getUint32(at, true)),
      kind,
      size: view.getUint32(at + 8, true),
      at: at + 12,
      count,
      hasBitFields: info >>> 31 === 1,
    };
    at += 12 + bytesAfter(kind, count);
  }
}

function bytesAfter(kind: number, count: number): number {
  switch (kind) {
    case Kind.Int:
    case Kind.Var:
    case Kind.DeclTag:
      return 4;
    case Kind.Array:
      return 12;
    case Kind.Struct:
    case Kind.Union:
    case Kind.DataSection:
    case Kind.Enum64:
      return count * 12;
    case Kind.Enum:
    case Kind.FuncProto:
      return count * 8;
    default:
      return 0;
  }
}

/** The structs and enums of a BPF object. */
export function readBtf(path: string): Btf {
  const btf: Btf = { structs: new Map(), enums: new Map() };
  const elf = ElfFile.open(path);
  const section = elf.section('.BTF');
  if (section === undefined) throw new Error(`${path} has no BTF`);
  const bytes = elf.read(section);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (const { name, kind, size, at, count, hasBitFields } of typesOf(view)) {
    if (name === '') continue;
    const string = (offset: number): string => stringAt(view, view.getUint32(at + offset, true));
    if (kind === Kind.Struct || kind === Kind.Union) {
      const offsets = new Map<string, number>();
      for (let i = 0; i < count; i++) {
        const bits = view.getUint32(at + i * 12 + 8, true);
        offsets.set(string(i * 12), (hasBitFields ? bits & 0xffffff : bits) / 8);
      }
      btf.structs.set(name, { size, offsets });
    } else if (kind === Kind.Enum) {
      const values = new Map<string, number>();
      for (let i = 0; i < count; i++)
        values.set(string(i * 8), view.getInt32(at + i * 8 + 4, true));
      btf.enums.set(name, values);
    }
  }
  return btf;
}
