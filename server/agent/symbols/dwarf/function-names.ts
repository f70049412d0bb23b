/** The names of functions, by their entries in .debug_info. */
import { ElfError } from '../../elf/elf-file';
import { NONE } from '../protocol';
import { Cursor } from './cursor';
import type { DebugSections } from './sections';
import { Attribute, readAttributes, referenceOf, textOf, type Unit, type Value } from './unit';
import type { UnitIndex } from './unit-index';

/** An inlined copy refers to its pattern, that to its declaration. */
const MAX_REFERENCES = 8;
const MAX_CONTAINERS = 32;
const MAX_REMEMBERED = 20_000;

export class FunctionNames {
  readonly #sections: DebugSections;
  readonly #index: UnitIndex;
  readonly #known = new Map<number, string | undefined>();

  constructor(sections: DebugSections, index: UnitIndex) {
    this.#sections = sections;
    this.#index = index;
  }

  get bytes(): number {
    return this.#known.size * 150;
  }

  /**
   * The linkage name of the function that the entry describes, else its plain name, qualified by what is around it
   * as far as `containerOf` knows. Throws ElfError.
   */
  find(entryAt: number, containerOf: ReadonlyMap<number, number>): string | undefined {
    let known = this.#known.get(entryAt);
    if (known === undefined && !this.#known.has(entryAt)) {
      known = this.#resolve(entryAt, containerOf);
      if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
      this.#known.set(entryAt, known);
    }
    return known;
  }

  #resolve(entryAt: number, containerOf: ReadonlyMap<number, number>): string | undefined {
    let plain: string | undefined;
    let plainAt = NONE;
    let at: number | undefined = entryAt;
    for (let step = 0; at !== undefined && step < MAX_REFERENCES; step++) {
      const unit = this.#index.unitOfEntry(at);
      const values = this.#readEntry(unit, at);
      const linkage = values.get(Attribute.LinkageName) ?? values.get(Attribute.MipsLinkageName);
      if (linkage !== undefined) {
        const text = textOf(this.#sections, unit, linkage);
        if (text !== undefined) return text;
      }
      const name = values.get(Attribute.Name);
      if (name !== undefined && plain === undefined) {
        plain = textOf(this.#sections, unit, name);
        plainAt = at;
      }
      const origin = values.get(Attribute.AbstractOrigin) ?? values.get(Attribute.Specification);
      at = origin && referenceOf(unit, origin);
    }
    if (plain === undefined) return undefined;
    const unnamed = plain.startsWith('operator()') ? '{lambda}' : '(anonymous)';
    return this.#qualifier(plainAt, containerOf, unnamed) + plain;
  }

  /** The names of what is around an entry, each with `::` behind it. */
  #qualifier(entryAt: number, containerOf: ReadonlyMap<number, number>, unnamed: string): string {
    let text = '';
    let at = containerOf.get(entryAt);
    for (let depth = 0; at !== undefined && depth < MAX_CONTAINERS; depth++) {
      const unit = this.#index.unitOfEntry(at);
      const name = this.#readEntry(unit, at).get(Attribute.Name);
      const label = (name && textOf(this.#sections, unit, name)) ?? unnamed;
      text = `${label}::${text}`;
      at = containerOf.get(at);
    }
    return text;
  }

  #readEntry(unit: Unit, at: number): Map<number, Value> {
    const left = unit.end - at;
    const abbreviations = this.#index.abbreviations(unit);
    for (let length = 256; ; length *= 16) {
      const bytes = this.#sections.window('.debug_info', at, Math.min(length, left));
      try {
        const cursor = new Cursor(bytes);
        const shape = abbreviations.get(cursor.unsigned());
        if (shape === undefined) {
          throw new ElfError('malformed', 'an entry of unknown shape in the debug information');
        }
        return readAttributes(cursor, shape.attributes, unit);
      } catch (error) {
        if (length >= left || !(error instanceof ElfError)) throw error;
      }
    }
  }
}
