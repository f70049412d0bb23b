/**
 * Why an ELF file could not be read. `kind` says what a caller can do about it: `io` may be gone at the next try,
 * `not-elf` and `unsupported` never will, `malformed` and `too-large` are files that lie or that exceed a bound.
 */
export type ElfErrorKind = 'io' | 'not-elf' | 'unsupported' | 'malformed' | 'too-large';

export class ElfError extends Error {
  override readonly name = 'ElfError';
  readonly kind: ElfErrorKind;

  constructor(kind: ElfErrorKind, message: string) {
    super(message);
    this.kind = kind;
  }
}
