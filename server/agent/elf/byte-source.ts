/** Where an ELF file's bytes come from: an open file, of which only what is asked is read, or memory. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { ElfError } from './elf-error';

export interface ByteSource {
  /** In bytes. */
  readonly size: number;
  /** All of it is in memory as long as the source is. */
  readonly isInMemory: boolean;
  /** Exactly `length` bytes at `offset`: fresh and 8-aligned from a file, a view from memory. Throws ElfError. */
  read(offset: number, length: number): Uint8Array;
  /** Fills `target` with the bytes at `offset`. Throws ElfError. */
  readInto(offset: number, target: Uint8Array): void;
  /** Closes what the source itself opened. */
  close(): void;
}

/** `source` is a path (opened here, closed by `close`), a file descriptor (stays the caller's), or bytes. */
export function openByteSource(source: string | number | Uint8Array): ByteSource {
  if (source instanceof Uint8Array) return new MemorySource(source);
  if (typeof source === 'number') return new FileSource(source, false);
  let fd: number;
  try {
    // Not blocking, so that a FIFO that someone put there can't hold us.
    fd = openSync(source, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    throw new ElfError('io', `cannot open ${source}: ${(error as Error).message}`);
  }
  try {
    return new FileSource(fd, true);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function checkRange(offset: number, length: number, size: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= size)) {
    throw new ElfError(
      'malformed',
      `bytes ${offset} to ${offset + length} are outside of the file's ${size} bytes`,
    );
  }
}

class MemorySource implements ByteSource {
  readonly isInMemory = true;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(offset, length, this.size);
    return this.#bytes.subarray(offset, offset + length);
  }

  readInto(offset: number, target: Uint8Array): void {
    target.set(this.read(offset, target.length));
  }

  close(): void {}
}

class FileSource implements ByteSource {
  readonly isInMemory = false;
  readonly size: number;
  readonly #fd: number;
  readonly #owned: boolean;
  #closed = false;

  constructor(fd: number, owned: boolean) {
    this.#fd = fd;
    this.#owned = owned;
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile()) throw new ElfError('not-elf', 'not a regular file');
      this.size = stat.size;
    } catch (error) {
      if (error instanceof ElfError) throw error;
      throw new ElfError('io', (error as Error).message);
    }
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(offset, length, this.size);
    // Not zeroed first: every byte is written below, or nothing is returned.
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer, 0, length);
    this.readInto(offset, bytes);
    return bytes;
  }

  readInto(offset: number, target: Uint8Array): void {
    if (this.#closed) throw new ElfError('io', 'the file was closed');
    const { length } = target;
    checkRange(offset, length, this.size);
    let done = 0;
    while (done < length) {
      let count: number;
      try {
        count = readSync(this.#fd, target, done, length - done, offset + done);
      } catch (error) {
        throw new ElfError('io', (error as Error).message);
      }
      if (count === 0) throw new ElfError('io', 'the file was cut short while it was read');
      done += count;
    }
  }

  close(): void {
    if (this.#owned && !this.#closed) closeSync(this.#fd);
    this.#closed = true;
  }
}
