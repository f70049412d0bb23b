/**
 * Why there is no unwind table for a file. `kind` says what a caller can do about it: `io`, `timeout`, `worker-ended`
 * may go better at another try; the rest is in the file.
 */
import type { ElfErrorKind } from '../elf/elf-file';

export type UnwindErrorKind =
  | ElfErrorKind
  /** The file has no call frame information (and no other code that is known to need none). */
  | 'no-frames'
  | 'timeout'
  /** The worker died while it worked on this file. */
  | 'worker-ended'
  | 'disposed'
  | 'internal';

export class UnwindError extends Error {
  override readonly name = 'UnwindError';
  readonly kind: UnwindErrorKind;

  constructor(kind: UnwindErrorKind, message: string) {
    super(message);
    this.kind = kind;
  }

  static tooLarge(what: string): UnwindError {
    return new UnwindError('too-large', `more than ${what} of call frame information`);
  }

  static timeout(): UnwindError {
    return new UnwindError('timeout', 'compiling the unwind table took too long');
  }
}
