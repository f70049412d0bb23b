/** Small ELF files in memory, with call frame information written by hand. */
import type { UnwindMachine } from './format';

export interface ImageSection {
  readonly name: string;
  readonly address: number;
  readonly bytes: Uint8Array;
}

export const TEXT_ADDRESS = 0x10000;
const MACHINE_NUMBERS: Readonly<Record<UnwindMachine, number>> = { 'x86-64': 62, arm64: 183 };
const TEXT_FLAGS = 5;
const DATA_FLAGS = 4;

/** A shared object with `textSize` bytes of code at TEXT_ADDRESS, of which the file holds none, and these sections. */
export function elfImage(
  sections: readonly ImageSection[],
  { machine = 'x86-64' as UnwindMachine, textSize = 0x10000, withSectionHeaders = true } = {},
): Uint8Array {
  const names = ['', ...sections.map(({ name }) => name), '.shstrtab'];
  const nameBytes = Buffer.from(`${names.join('\0')}\0`);
  const ehFrameHeader = sections.find(({ name }) => name === '.eh_frame_hdr');
  const segmentCount = 1 + sections.length + (ehFrameHeader ? 1 : 0);
  const headerBytes = 64 + 56 * segmentCount;
  let size = headerBytes;
  const offsets = [...sections.map(({ bytes }) => bytes), nameBytes].map((bytes) => {
    const at = Math.ceil(size / 8) * 8;
    size = at + bytes.length;
    return at;
  });
  const sectionsAt = Math.ceil(size / 8) * 8;
  const image = new Uint8Array(sectionsAt + 64 * names.length);
  const view = new DataView(image.buffer);
  const u64 = (at: number, value: number): void =>
    view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
  image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 3, true);
  view.setUint16(18, MACHINE_NUMBERS[machine], true);
  u64(32, 64);
  u64(40, withSectionHeaders ? sectionsAt : 0);
  view.setUint16(54, 56, true);
  view.setUint16(56, segmentCount, true);
  view.setUint16(58, 64, true);
  view.setUint16(60, withSectionHeaders ? names.length : 0, true);
  view.setUint16(62, withSectionHeaders ? names.length - 1 : 0, true);

  const segment = (
    index: number,
    type: number,
    flags: number,
    at: number,
    address: number,
    inFile: number,
    inMemory: number,
  ): void => {
    const header = 64 + 56 * index;
    view.setUint32(header, type, true);
    view.setUint32(header + 4, flags, true);
    [at, address, address, inFile, inMemory, 8].forEach((value, i) => {
      u64(header + 8 + i * 8, value);
    });
  };
  // From an offset other than 0, so that its first bytes are not the ELF header.
  segment(0, 1, TEXT_FLAGS, 64, TEXT_ADDRESS, 0, textSize);
  sections.forEach(({ address, bytes }, i) => {
    segment(1 + i, 1, DATA_FLAGS, offsets[i], address, bytes.length, bytes.length);
  });
  if (ehFrameHeader !== undefined) {
    const { address, bytes } = ehFrameHeader;
    const at = offsets[sections.indexOf(ehFrameHeader)];
    segment(segmentCount - 1, 0x6474e550, DATA_FLAGS, at, address, bytes.length, bytes.length);
  }

  let nameAt = 0;
  names.forEach((name, index) => {
    const header = sectionsAt + 64 * index;
    if (index > 0) {
      const isNames = index === names.length - 1;
      const section = sections[index - 1];
      view.setUint32(header, nameAt, true);
      view.setUint32(header + 4, isNames ? 3 : 1, true);
      u64(header + 16, isNames ? 0 : section.address);
      u64(header + 24, offsets[index - 1]);
      u64(header + 32, isNames ? nameBytes.length : section.bytes.length);
    }
    nameAt += Buffer.byteLength(name) + 1;
  });
  [...sections.map(({ bytes }) => bytes), nameBytes].forEach((bytes, i) => {
    image.set(bytes, offsets[i]);
  });
  return image;
}

export const u32 = (value: number): number[] => [
  value & 255,
  (value >>> 8) & 255,
  (value >>> 16) & 255,
  value >>> 24,
];

export const u64 = (value: number): number[] => [
  ...u32(value >>> 0),
  ...u32(Math.floor(value / 2 ** 32) >>> 0),
];

export function uleb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest % 128) | (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return bytes;
}

export function sleb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = ((rest % 128) + 128) % 128;
    rest = Math.floor(rest / 128);
    const isDone = (rest === 0 && low < 64) || (rest === -1 && low >= 64);
    bytes.push(isDone ? low : low | 128);
    if (isDone) return bytes;
  }
}

/** Writes `.eh_frame` (or `.debug_frame`): CIEs and FDEs one after the other. */
export class FrameWriter {
  readonly #bytes: number[] = [];
  readonly #isEhFrame: boolean;
  readonly address: number;

  constructor({ isEhFrame = true, address = 0x1000 } = {}) {
    this.#isEhFrame = isEhFrame;
    this.address = address;
  }

  get length(): number {
    return this.#bytes.length;
  }

  get bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  raw(...bytes: readonly number[]): this {
    this.#bytes.push(...bytes);
    return this;
  }

  /** Returns where it is, for `fde`. `encoding`: DW_EH_PE_* of the FDEs' addresses; absolute without it. */
  cie(
    instructions: readonly number[],
    {
      version = 1,
      augmentation = '',
      augmentationData = [] as readonly number[],
      codeAlign = 1,
      dataAlign = -8,
      returnAddress = 16,
    } = {},
  ): number {
    const at = this.length;
    this.#entry([
      ...u32(this.#isEhFrame ? 0 : 0xffffffff),
      version,
      ...Buffer.from(`${augmentation}\0`),
      ...(version === 4 ? [8, 0] : []),
      ...uleb(codeAlign),
      ...sleb(dataAlign),
      ...(version === 1 ? [returnAddress] : uleb(returnAddress)),
      ...(augmentation.startsWith('z') ? uleb(augmentationData.length) : []),
      ...augmentationData,
      ...instructions,
    ]);
    return at;
  }

  /** `start` and `size` as bytes in the CIE's encoding, absolute numbers otherwise. */
  fde(
    cie: number,
    start: number | readonly number[],
    size: number | readonly number[],
    instructions: readonly number[],
    augmentationData: readonly number[] = [],
  ): this {
    return this.#entry([
      ...u32(this.#isEhFrame ? this.length + 4 - cie : cie),
      ...(typeof start === 'number' ? u64(start) : start),
      ...(typeof size === 'number' ? u64(size) : size),
      ...augmentationData,
      ...instructions,
    ]);
  }

  #entry(body: number[]): this {
    while (body.length % 4 !== 0) body.push(0);
    this.#bytes.push(...u32(body.length), ...body);
    return this;
  }
}

/** rsp + 8, return address at CFA - 8: how every x86-64 CIE begins. */
export const X86_START = [0x0c, 7, 8, 0x80 | 16, 1];
/** sp + 0, return address in x30. */
export const ARM64_START = [0x0c, 31, 0];
