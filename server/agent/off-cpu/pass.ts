/** Reading what an iterator of the kernel's writes in one pass over all threads. */
import { closeSync, readSync } from 'node:fs';

/** More than the kernel hands out at a time (8 pages). */
const READ_BYTES = 1 << 16;

export interface RecordBatch {
  readonly view: DataView;
  /** Where its records end: the first is at 0. */
  readonly end: number;
}

/** Whole records of `recordBytes` each, as they come; a batch is valid until the next. `open` begins a pass. */
export function* readPass(open: () => number, recordBytes: number): Generator<RecordBatch> {
  const buffer = new Uint8Array(READ_BYTES);
  const view = new DataView(buffer.buffer);
  const fd = open();
  try {
    let kept = 0;
    for (;;) {
      const bytes = readSync(fd, buffer, kept, buffer.length - kept, null);
      if (bytes === 0) return;
      const length = kept + bytes;
      kept = length % recordBytes;
      yield { view, end: length - kept };
      buffer.copyWithin(0, length - kept, length);
    }
  } finally {
    closeSync(fd);
  }
}
