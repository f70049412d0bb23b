/** Reads structs and enums from the BTF of a BPF object, to compare layouts with. Format: Linux, Documentation/bpf/btf.rst. */
import { ElfFile } from './elf/elf-file';

export interface Btf {
  readonly structs: Map<string, { readonly size: number; readonly offsets: Map<string, number> }>;
  readonly enums: Map<string, Map<string, number>>;
}

const Kind = {
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

export function readBtf(path: string): Btf {
  const btf: Btf = { structs: new Map(), enums: new Map() };
  const elf = ElfFile.open(path);
  const section = elf.section('.BTF');
  if (section === undefined) throw new Error(`${path} has no BTF`);
  const bytes = elf.read(section);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const headerBytes = view.getUint32(4, true);
  const types = headerBytes + view.getUint32(8, true);
  const typesEnd = types + view.getUint32(12, true);
  const strings = headerBytes + view.getUint32(16, true);
  const string = (offset: number): string => {
    const start = strings + offset;
    return new TextDecoder().decode(bytes.subarray(start, bytes.indexOf(0, start)));
  };
  for (let at = types; at < typesEnd; ) {
    const name = string(view.getUint32(at, true));
    const info = view.getUint32(at + 4, true);
    const size = view.getUint32(at + 8, true);
    const count = info & 0xffff;
    const kind = (info >>> 24) & 0x1f;
    const hasBitFields = info >>> 31 === 1;
    at += 12;
    switch (kind) {
      case Kind.Struct:
      case Kind.Union: {
        const offsets = new Map<string, number>();
        for (let i = 0; i < count; i++, at += 12) {
          const bits = view.getUint32(at + 8, true);
          offsets.set(
            string(view.getUint32(at, true)),
            (hasBitFields ? bits & 0xffffff : bits) / 8,
          );
        }
        if (name !== '') btf.structs.set(name, { size, offsets });
        break;
      }
      case Kind.Enum: {
        const values = new Map<string, number>();
        for (let i = 0; i < count; i++, at += 8)
          values.set(string(view.getUint32(at, true)), view.getInt32(at + 4, true));
        if (name !== '') btf.enums.set(name, values);
        break;
      }
      case Kind.Int:
      case Kind.Var:
      case Kind.DeclTag:
        at += 4;
        break;
      case Kind.Array:
      case Kind.DataSection:
      case Kind.Enum64:
        at += kind === Kind.Array ? 12 : count * 12;
        break;
      case Kind.FuncProto:
        at += count * 8;
        break;
    }
  }
  return btf;
}
