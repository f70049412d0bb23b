/** Decompresses xz by the system's liblzma, which is loaded when it is first needed. */
import { createRequire } from 'node:module';
import { ElfError } from '../elf/elf-file';

const FOOTER_BYTES = 12;
/** What the decoder itself may take: the largest preset, -9, needs 65 MiB. */
const DECODER_MEMORY_BYTES = 80n * 1024n * 1024n;
const RESULTS: Readonly<Record<number, string>> = {
  5: 'out of memory',
  6: 'its dictionary is larger than allowed',
  7: 'not in xz format',
  8: 'options that liblzma does not know',
  9: 'corrupt',
  10: 'cut short',
};

type StreamBufferDecode = (
  memoryLimit: BigUint64Array,
  flags: number,
  allocator: null,
  input: Uint8Array,
  inputPosition: BigUint64Array,
  inputSize: number,
  output: Uint8Array,
  outputPosition: BigUint64Array,
  outputSize: number,
) => number;

let decode: StreamBufferDecode | string | undefined;

/** liblzma's function, or why it can't be had. */
function loadDecoder(): StreamBufferDecode | string {
  try {
    // Not imported above: the native module would be loaded by every worker, and few files need it.
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    return koffi
      .load('liblzma.so.5')
      .func(
        'int lzma_stream_buffer_decode(void *memlimit, uint32_t flags, void *allocator, void *in, void *in_pos, size_t in_size, void *out, void *out_pos, size_t out_size)',
      ) as unknown as StreamBufferDecode;
  } catch (error) {
    return `liblzma.so.5 can't be loaded (apt-get install liblzma5): ${(error as Error).message}`;
  }
}

/** The contents of an xz file of one stream. Throws ElfError, also where they would be more than `maxBytes`. */
export function decompressXz(input: Uint8Array, maxBytes: number): Uint8Array {
  const size = uncompressedSize(input);
  if (size > maxBytes) {
    throw new ElfError('too-large', `xz data of ${size} bytes, more than the ${maxBytes} allowed`);
  }
  decode ??= loadDecoder();
  if (typeof decode === 'string') throw new ElfError('unsupported', decode);
  const output = new Uint8Array(size);
  const outputPosition = new BigUint64Array(1);
  const result = decode(
    BigUint64Array.of(DECODER_MEMORY_BYTES),
    0,
    null,
    input,
    new BigUint64Array(1),
    input.length,
    output,
    outputPosition,
    size,
  );
  if (result !== 0 || outputPosition[0] !== BigInt(size)) {
    throw new ElfError('malformed', `xz data: ${RESULTS[result] ?? `liblzma error ${result}`}`);
  }
  return output;
}

/** The sum of the sizes in the index, which is in front of the footer. */
function uncompressedSize(bytes: Uint8Array): number {
  const malformed = (why: string): ElfError => new ElfError('malformed', `xz data: ${why}`);
  const footer = bytes.length - FOOTER_BYTES;
  if (footer < FOOTER_BYTES || bytes[footer + 10] !== 0x59 || bytes[footer + 11] !== 0x5a) {
    throw malformed('no footer');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const indexBytes = (view.getUint32(footer + 4, true) + 1) * 4;
  let at = footer - indexBytes;
  if (at < FOOTER_BYTES || bytes[at++] !== 0) throw malformed('no index');
  const next = (): number => {
    for (let value = 0, factor = 1; at < footer; factor *= 128) {
      const byte = bytes[at++];
      value += (byte & 0x7f) * factor;
      if (value > Number.MAX_SAFE_INTEGER) break;
      if (byte < 0x80) return value;
    }
    throw malformed('a bad index');
  };
  let sum = 0;
  // Each record takes two bytes at least, so that a false count ends with the index.
  for (let records = next(); records > 0; records--) {
    next();
    sum += next();
  }
  return sum;
}
