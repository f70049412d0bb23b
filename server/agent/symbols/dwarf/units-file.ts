/**
 * Which unit has which code, as bytes, for the cache on disk: numbers of little-endian u32, then the columns, then notes
 * as JSON. A file that was cut short, damaged, written by another version, or made up, is refused.
 */
import { ElfError } from '../../elf/elf-file';
import { Checksum } from '../checksum';

/** The units of one file, and the ranges of code that they describe. */
export interface UnitRanges {
  /** Where each unit starts in .debug_info, rising. */
  readonly offsets: Float64Array;
  /** Disjoint ranges of code, rising, and the unit of each, as an index of `offsets`. */
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  readonly owners: Uint32Array;
  /** What is wrong with units that were passed over. */
  readonly notes: readonly string[];
}

/** "HRTH", "UNIT", version. */
const MAGIC = [0x48545248, 0x54494e55, 1] as const;
const CHECKSUM_WORD = 3;
const HEADER_WORDS = 8;

export function encodeUnits({ offsets, starts, ends, owners, notes }: UnitRanges): Uint8Array[] {
  const header = Uint32Array.of(...MAGIC, 0, offsets.length, starts.length, 0, 0);
  const parts = [header, offsets, starts, ends, owners].map(
    ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
  );
  parts.push(Buffer.from(JSON.stringify(notes)));
  header[CHECKSUM_WORD] = checksumOf(parts);
  return parts;
}

/** `bytes` must be 8-aligned; what is answered are views of it. Throws ElfError, `malformed`. */
export function decodeUnits(bytes: Uint8Array<ArrayBuffer>): UnitRanges {
  if (bytes.length < HEADER_WORDS * 4) throw malformed('its size');
  const header = new Uint32Array(bytes.buffer, bytes.byteOffset, HEADER_WORDS);
  if (MAGIC.some((word, i) => header[i] !== word)) throw malformed('its magic number or version');
  const [units, ranges] = [header[4], header[5]];
  const textAt = HEADER_WORDS * 4 + units * 8 + ranges * 20;
  if (textAt > bytes.length) throw malformed('its size');
  if (checksumOf([bytes]) !== header[CHECKSUM_WORD]) throw malformed('its checksum');
  const floats = (index: number, length: number): Float64Array =>
    new Float64Array(bytes.buffer, bytes.byteOffset + HEADER_WORDS * 4 + index * 8, length);
  const offsets = floats(0, units);
  const starts = floats(units, ranges);
  const ends = floats(units + ranges, ranges);
  const owners = new Uint32Array(bytes.buffer, bytes.byteOffset + textAt - ranges * 4, ranges);
  for (let i = 1; i < units; i++) if (!(offsets[i] > offsets[i - 1])) throw malformed('its units');
  for (let i = 0; i < ranges; i++) {
    const isRising = i === 0 || starts[i] >= ends[i - 1];
    if (!(isRising && ends[i] > starts[i] && owners[i] < units)) throw malformed('its ranges');
  }
  return { offsets, starts, ends, owners, notes: notesIn(bytes.subarray(textAt)) };
}

function notesIn(bytes: Uint8Array): string[] {
  try {
    const notes: unknown = JSON.parse(Buffer.from(bytes).toString());
    if (Array.isArray(notes) && notes.every((note) => typeof note === 'string')) return notes;
  } catch {
    // Said below.
  }
  throw malformed('its notes');
}

function checksumOf([first, ...others]: readonly Uint8Array[]): number {
  const checksum = new Checksum();
  checksum.add(first.subarray((CHECKSUM_WORD + 1) * 4));
  for (const part of others) checksum.add(part);
  return checksum.value;
}

const malformed = (what: string): ElfError =>
  new ElfError('malformed', `not a file of units of this version: ${what}`);
