/** Abbreviation tables: the shapes of debugging entries, by code. */
import { ElfError } from '../../elf/elf-file';
import { Cursor } from './cursor';
import { Form } from './forms';
import type { DebugSections } from './sections';

const MAX_ATTRIBUTES = 256;
const MAX_ABBREVIATIONS = 1_000_000;
const FIRST_READ_BYTES = 16 * 1024;

export interface Abbreviation {
  readonly tag: number;
  readonly hasChildren: boolean;
  /** Triples of attribute, form, and the value of implicit constants. */
  readonly attributes: readonly number[];
}

export type AbbreviationTable = ReadonlyMap<number, Abbreviation>;

/** Reads the table at `offset`, or only up to the entry with the code `until`. Throws ElfError. */
export function readAbbreviations(
  sections: DebugSections,
  offset: number,
  until?: number,
): AbbreviationTable {
  const size = sections.size('.debug_abbrev') - offset;
  // Nothing says how long a table is: try with a piece, and take a larger one where that ends too early.
  for (let length = FIRST_READ_BYTES; ; length *= 4) {
    const whole = length >= size;
    const bytes = sections.window('.debug_abbrev', offset, whole ? size : length);
    try {
      return parse(new Cursor(bytes), until);
    } catch (error) {
      if (whole || bytes.length >= size || !(error instanceof ElfError)) throw error;
    }
  }
}

function parse(cursor: Cursor, until: number | undefined): AbbreviationTable {
  const table = new Map<number, Abbreviation>();
  for (;;) {
    const code = cursor.unsigned();
    if (code === 0) return table;
    const tag = cursor.unsigned();
    const hasChildren = cursor.u8() !== 0;
    const attributes: number[] = [];
    for (;;) {
      const attribute = cursor.unsigned();
      const form = cursor.unsigned();
      const constant = form === Form.ImplicitConst ? cursor.signed() : 0;
      if (attribute === 0 && form === 0) break;
      attributes.push(attribute, form, constant);
      // An entry's size in the file says nothing of how many of these it has: they may take no bytes at all.
      if (attributes.length > MAX_ATTRIBUTES * 3) {
        throw new ElfError('malformed', 'a debugging entry with too many attributes');
      }
    }
    table.set(code, { tag, hasChildren, attributes });
    if (code === until) return table;
    if (table.size > MAX_ABBREVIATIONS) {
      throw new ElfError('too-large', 'too many abbreviations in the debug information');
    }
  }
}
