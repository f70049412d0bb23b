/** Which unit describes the code at an address, and which unit an entry belongs to. */
import { ElfError } from '../../elf/elf-file';
import { latestOnTop } from '../latest-on-top';
import { addNote } from '../protocol';
import { lastAtOrBelow } from '../sorted-order';
import { type AbbreviationTable, readAbbreviations } from './abbreviations';
import { readAddressRanges } from './address-ranges';
import type { DebugSections } from './sections';
import { Attribute, addRanges, isSplit, RangeList, readUnit, type Unit, unitOffsets } from './unit';
import type { UnitRanges } from './units-file';

const MAX_UNITS = 500_000;
/** Of each kind, units and their abbreviations that are kept ready. */
const KEPT = 64;

/** Reads the head of every unit whose code is not listed elsewhere. One that can't be read is passed over, and noted. */
export function readUnitRanges(
  sections: DebugSections,
  isCode: (address: number) => boolean,
): UnitRanges {
  const notes: string[] = [];
  const offsets: number[] = [];
  const [starts, ends, owners]: [number[], number[], number[]] = [[], [], []];
  let split = 0;
  const attempt = (action: () => void): void => {
    try {
      action();
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      addNote(notes, error.message);
    }
  };
  const list = new RangeList();
  const listed = readAddressRanges(sections.elf);
  const add = (pairs: readonly number[], first: number, index: number): void => {
    for (let i = first; i < pairs.length; i += 2) {
      if (!isCode(pairs[i]) || pairs[i + 1] <= pairs[i]) continue;
      starts.push(pairs[i]);
      ends.push(pairs[i + 1]);
      owners.push(index);
    }
  };
  attempt(() => {
    for (const offset of unitOffsets(sections)) {
      const index = offsets.push(offset) - 1;
      if (index >= MAX_UNITS)
        throw new ElfError('too-large', 'too many units of debug information');
      const ofUnit = listed.get(offset);
      if (ofUnit !== undefined) {
        add(ofUnit, 0, index);
        continue;
      }
      attempt(() => {
        const unit = readUnit(sections, offset);
        if (isSplit(unit)) split++;
        const { root } = unit;
        const first = list.pairs.length;
        addRanges(
          sections,
          unit,
          root.get(Attribute.LowPc),
          root.get(Attribute.HighPc),
          root.get(Attribute.Ranges),
          list,
        );
        add(list.pairs, first, index);
      });
    }
  });
  if (split > 0) {
    addNote(
      notes,
      `${split} units have their debug information in .dwo files, which Hearth does not read`,
    );
  }
  const top = latestOnTop(Float64Array.from(starts), Float64Array.from(ends));
  return {
    offsets: Float64Array.from(offsets),
    starts: top.starts,
    ends: top.ends,
    owners: top.owners.map((range) => owners[range]),
    notes,
  };
}

export class UnitIndex {
  readonly #sections: DebugSections;
  readonly #offsets: Float64Array;
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #owners: Uint32Array;
  readonly #units = new Map<number, Unit>();
  readonly #abbreviations = new Map<number, AbbreviationTable>();

  constructor(sections: DebugSections, { offsets, starts, ends, owners }: UnitRanges) {
    this.#sections = sections;
    this.#offsets = offsets;
    this.#starts = starts;
    this.#ends = ends;
    this.#owners = owners;
  }

  get bytes(): number {
    return this.#offsets.byteLength + this.#starts.length * 20;
  }

  /** The offset of the unit that describes the code at an address. */
  find(address: number): number | undefined {
    const index = lastAtOrBelow(this.#starts, address);
    return index >= 0 && address < this.#ends[index]
      ? this.#offsets[this.#owners[index]]
      : undefined;
  }

  /** Whether some unit describes code in [start, end). */
  overlaps(start: number, end: number): boolean {
    const index = lastAtOrBelow(this.#starts, end - 1);
    return index >= 0 && this.#ends[index] > start;
  }

  /** The unit that has the entry at this offset of .debug_info. Throws ElfError. */
  unitOfEntry(entryAt: number): Unit {
    const index = lastAtOrBelow(this.#offsets, entryAt);
    const unit = index < 0 ? undefined : this.unit(this.#offsets[index]);
    if (unit === undefined || entryAt < unit.rootAt || entryAt >= unit.end) {
      throw new ElfError('malformed', 'a reference to where no debugging entry is');
    }
    return unit;
  }

  /** The unit at this offset of .debug_info. Throws ElfError. */
  unit(offset: number): Unit {
    return remember(this.#units, offset, () => readUnit(this.#sections, offset));
  }

  abbreviations({ abbreviationsAt }: Unit): AbbreviationTable {
    return remember(this.#abbreviations, abbreviationsAt, () =>
      readAbbreviations(this.#sections, abbreviationsAt),
    );
  }
}

function remember<V>(known: Map<number, V>, key: number, compute: () => V): V {
  let value = known.get(key);
  if (value === undefined) {
    value = compute();
    if (known.size >= KEPT) known.delete(known.keys().next().value as number);
    known.set(key, value);
  }
  return value;
}
