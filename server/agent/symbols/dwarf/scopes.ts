/**
 * The functions of one unit and what was inlined into them: which function is innermost at an address, and the chain
 * of calls that the compiler replaced by their bodies.
 */
import { ElfError } from '../../elf/elf-file';
import { latestOnTop } from '../latest-on-top';
import { NONE } from '../protocol';
import { lastAtOrBelow } from '../sorted-order';
import type { AbbreviationTable } from './abbreviations';
import { Cursor } from './cursor';
import { fixedBytes, readValue } from './forms';
import type { DebugSections } from './sections';
import { Attribute, addRanges, RangeList, type Unit, type Value } from './unit';

const Tag = { InlinedSubroutine: 0x1d, Subprogram: 0x2e } as const;
/** What qualifies names: classes, structures, unions, modules, namespaces. */
const CONTAINERS: ReadonlySet<number> = new Set([0x02, 0x13, 0x17, 0x1e, 0x39]);
/** Entries below which there is no code: array, enumeration and function types, and call sites. */
const WITHOUT_CODE: ReadonlySet<number> = new Set([0x01, 0x04, 0x15, 0x48, 0x4109]);
const MAX_DEPTH = 4096;

export class UnitScopes {
  /** Disjoint ranges, rising, and the scope that is innermost in each. */
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #scopes: Uint32Array;
  /** Of each scope: its entry in .debug_info, the scope that it is inlined into or NONE, and the place of that call. */
  readonly entryAt: Float64Array;
  readonly parent: Uint32Array;
  readonly callFile: Uint32Array;
  readonly callLine: Uint32Array;
  /**
   * What is around a function that has a plain name only, and around what is around it: entries in .debug_info. (GCC
   * gives no linkage name to templates of local types, such as lambdas.)
   */
  readonly containerOf: ReadonlyMap<number, number>;

  constructor(builder: ScopeBuilder) {
    const top = latestOnTop(Float64Array.from(builder.starts), Float64Array.from(builder.ends));
    this.#starts = top.starts;
    this.#ends = top.ends;
    this.#scopes = top.owners.map((range) => builder.scopes[range]);
    this.entryAt = Float64Array.from(builder.entryAt);
    this.parent = Uint32Array.from(builder.parent);
    this.callFile = Uint32Array.from(builder.callFile);
    this.callLine = Uint32Array.from(builder.callLine);
    this.containerOf = builder.containerOf;
  }

  get bytes(): number {
    return this.#starts.length * 20 + this.parent.length * 20 + this.containerOf.size * 40;
  }

  /** The innermost scope at an address, NONE where there is none. */
  find(address: number): number {
    const range = lastAtOrBelow(this.#starts, address);
    return range >= 0 && address < this.#ends[range] ? this.#scopes[range] : NONE;
  }
}

interface ScopeBuilder {
  /** Ranges, and the scope that each is of. A scope comes before those inlined into it, and so do its ranges. */
  readonly starts: number[];
  readonly ends: number[];
  readonly scopes: number[];
  readonly entryAt: number[];
  readonly parent: number[];
  readonly callFile: number[];
  readonly callLine: number[];
  readonly containerOf: Map<number, number>;
}

/** An abbreviation, made ready for going over many entries. */
interface Shape {
  readonly tag: number;
  readonly hasChildren: boolean;
  readonly attributes: readonly number[];
  readonly isScope: boolean;
  readonly withoutCode: boolean;
  readonly isContainer: boolean;
  /** It has a name, but no linkage name. */
  readonly isPlain: boolean;
  /** What an entry takes where that is always the same, else -1. */
  readonly bytes: number;
}

/**
 * Goes over all entries of a unit. `isCode` tells addresses of the module's code from those of functions that the
 * linker dropped. Throws ElfError.
 */
export function readScopes(
  sections: DebugSections,
  unit: Unit,
  abbreviations: AbbreviationTable,
  isCode: (address: number) => boolean,
): UnitScopes {
  const shapes = shapesOf(abbreviations, unit);
  const cursor = new Cursor(
    sections.read('.debug_info', unit.offset, unit.end - unit.offset),
    unit.rootAt - unit.offset,
  );
  const built: ScopeBuilder = {
    starts: [],
    ends: [],
    scopes: [],
    entryAt: [],
    parent: [],
    callFile: [],
    callLine: [],
    containerOf: new Map(),
  };
  const list = new RangeList();
  /** The scope that entries are in, and the entry that qualifies their names or NONE, by depth. */
  const scopeAt: number[] = [NONE];
  const containerAt: number[] = [NONE];
  let depth = 0;
  while (!cursor.atEnd) {
    const entryAt = cursor.at;
    const code = cursor.unsigned();
    if (code === 0) {
      if (--depth <= 0) break;
      continue;
    }
    const shape = shapes.get(code);
    if (shape === undefined) {
      throw new ElfError('malformed', 'an entry of unknown shape in the debug information');
    }
    let scope = scopeAt[depth];
    let container = containerAt[depth];
    if ((shape.isContainer || (shape.isScope && shape.isPlain)) && container !== NONE) {
      built.containerOf.set(unit.offset + entryAt, container);
    }
    if (shape.isContainer) container = unit.offset + entryAt;
    if (shape.isScope) {
      scope = readScope(sections, unit, cursor, shape, scope, isCode, list, built, entryAt);
    } else if (shape.bytes >= 0) {
      cursor.skip(shape.bytes);
    } else {
      const sibling = skipAttributes(cursor, shape, unit);
      // Never back: that would go on for ever.
      if (shape.withoutCode && shape.hasChildren && sibling > cursor.at) {
        cursor.skip(sibling - cursor.at);
        continue;
      }
    }
    if (shape.hasChildren) {
      if (++depth > MAX_DEPTH) throw new ElfError('too-large', 'debug information nested too deep');
      scopeAt[depth] = scope;
      containerAt[depth] = container;
    } else if (depth === 0) break;
  }
  return new UnitScopes(built);
}

function shapesOf(abbreviations: AbbreviationTable, unit: Unit): Map<number, Shape> {
  const shapes = new Map<number, Shape>();
  for (const [code, { tag, hasChildren, attributes }] of abbreviations) {
    let bytes = 0;
    for (let i = 0; i < attributes.length && bytes >= 0; i += 3) {
      const fixed = fixedBytes(attributes[i + 1], unit);
      bytes = fixed === undefined ? -1 : bytes + fixed;
    }
    const isScope = tag === Tag.Subprogram || tag === Tag.InlinedSubroutine;
    const withoutCode = WITHOUT_CODE.has(tag);
    // Where the children can be jumped over, the sibling must be read.
    if (withoutCode && hasChildren && attributes.includes(Attribute.Sibling)) bytes = -1;
    const has = (attribute: number): boolean =>
      attributes.some((value, i) => i % 3 === 0 && value === attribute);
    shapes.set(code, {
      tag,
      hasChildren,
      attributes,
      isScope,
      withoutCode,
      isContainer: CONTAINERS.has(tag),
      isPlain:
        has(Attribute.Name) && !has(Attribute.LinkageName) && !has(Attribute.MipsLinkageName),
      bytes,
    });
  }
  return shapes;
}

/** Returns where the entry's sibling is, counted as the cursor does; 0 where it does not say. */
function skipAttributes(cursor: Cursor, { attributes }: Shape, unit: Unit): number {
  let sibling = 0;
  for (let i = 0; i < attributes.length; i += 3) {
    const value = readValue(cursor, attributes[i + 1], attributes[i + 2], unit);
    if (attributes[i] === Attribute.Sibling) sibling = value;
  }
  return sibling;
}

/** Reads a function or an inlined call; returns the scope that its children are in. */
function readScope(
  sections: DebugSections,
  unit: Unit,
  cursor: Cursor,
  { tag, attributes }: Shape,
  around: number,
  isCode: (address: number) => boolean,
  list: RangeList,
  built: ScopeBuilder,
  entryAt: number,
): number {
  let [lowPc, highPc, ranges]: (Value | undefined)[] = [];
  let callFile = NONE;
  let callLine = 0;
  for (let i = 0; i < attributes.length; i += 3) {
    const form = attributes[i + 1];
    const number = readValue(cursor, form, attributes[i + 2], unit);
    switch (attributes[i]) {
      case Attribute.LowPc:
        lowPc = { form, number };
        break;
      case Attribute.HighPc:
        highPc = { form, number };
        break;
      case Attribute.Ranges:
        ranges = { form, number };
        break;
      case Attribute.CallFile:
        callFile = number;
        break;
      case Attribute.CallLine:
        callLine = number;
        break;
    }
  }
  const first = list.pairs.length;
  addRanges(sections, unit, lowPc, highPc, ranges, list);
  const scope = built.entryAt.length;
  let hasCode = false;
  for (let i = first; i < list.pairs.length; i += 2) {
    if (!isCode(list.pairs[i])) continue;
    hasCode = true;
    built.starts.push(list.pairs[i]);
    built.ends.push(list.pairs[i + 1]);
    built.scopes.push(scope);
  }
  // Without code it is a declaration, the pattern of inlined copies, or was dropped.
  if (!hasCode) return tag === Tag.Subprogram ? NONE : around;
  built.entryAt.push(unit.offset + entryAt);
  // A function within a function is one of its own.
  built.parent.push(tag === Tag.Subprogram ? NONE : around);
  built.callFile.push(callFile);
  built.callLine.push(callLine);
  return scope;
}
