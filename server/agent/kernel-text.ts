/** Where the kernel's code is. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

export interface KernelText {
  /** Address of _text as a signed number: kernel frames are kept relative to it, so that they survive a reboot. */
  readonly textStart: number;
  /** Lower-case hex, '' where the kernel doesn't tell. */
  readonly buildId: string;
}

/** Where the kernel is linked, for kernels that hide where it is loaded: offsets are then off by the KASLR shift. */
const LINKED_TEXT_START = -0x7f000000;

export function readKernelText(): KernelText {
  return { textStart: readTextStart() ?? LINKED_TEXT_START, buildId: readKernelBuildId() };
}

/** _text is among the first symbols: what the kernel would still have to print after it is not read. */
function readTextStart(): number | undefined {
  const file = openSync('/proc/kallsyms', 'r');
  try {
    const piece = Buffer.alloc(1 << 16);
    for (let text = '', pieces = 0; pieces < 64; pieces++) {
      const length = readSync(file, piece);
      if (length === 0) return undefined;
      text = text.slice(-256) + piece.toString('latin1', 0, length);
      const line = /^([0-9a-f]{16}) [A-Za-z] _text$/m.exec(text);
      if (line === null) continue;
      const address = BigInt.asIntN(64, BigInt(`0x${line[1]}`));
      return address === 0n ? undefined : Number(address);
    }
    return undefined;
  } finally {
    closeSync(file);
  }
}

function readKernelBuildId(): string {
  const NOTE_BUILD_ID = 3;
  let notes: Buffer;
  try {
    notes = readFileSync('/sys/kernel/notes');
  } catch {
    return '';
  }
  for (let at = 0; at + 12 <= notes.length; ) {
    const nameBytes = notes.readUInt32LE(at);
    const bytes = notes.readUInt32LE(at + 4);
    const type = notes.readUInt32LE(at + 8);
    const name = at + 12;
    const content = name + ((nameBytes + 3) & ~3);
    if (type === NOTE_BUILD_ID && notes.toString('latin1', name, name + 3) === 'GNU') {
      return notes.toString('hex', content, content + bytes);
    }
    at = content + ((bytes + 3) & ~3);
  }
  return '';
}
