/** Names in boxes: cut so that what tells functions apart stays readable. */
import { shortName } from '@/profile/short-name';

/** Width of a text in pixels. */
export type Measure = (text: string) => number;

const ELLIPSIS = '…';

/** Texts, and what they have been cut to, are remembered up to this number. */
const MAX_KNOWN = 20_000;

/** Fits names into boxes. */
export class Fitter {
  readonly #measure: Measure;
  readonly #forms = new Map<string, readonly string[]>();

  constructor(measure: Measure) {
    this.#measure = measure;
  }

  /**
   * The text in at most `room` pixels; '' where nothing useful fits. What can best be missed goes first: arguments and
   * template parameters, namespaces, then the end, but of `module+0xoffset` the module's.
   *
   *     std::map<int, Node>::find(int const&)  >  std::map<…>::find  >  …find  >  fin…
   */
  fit(text: string, room: number): string {
    // Not even two narrow characters and an ellipsis.
    if (text.length > 8 && room < 12) return '';
    const offset = /\+0x[0-9a-f]+$/.exec(text)?.[0];
    if (offset !== undefined && this.#measure(text) > room) {
      const head = cutEnd(
        text.slice(0, -offset.length),
        room - this.#measure(offset),
        this.#measure,
      );
      if (head !== '') return head + offset;
      if (this.#measure(ELLIPSIS + offset) <= room) return ELLIPSIS + offset;
    }
    const forms = this.#formsOf(text);
    for (const form of forms) if (this.#measure(form) <= room) return form;
    const shortest = forms[forms.length - 1];
    const start = shortest.startsWith(ELLIPSIS) ? ELLIPSIS.length : 0;
    return cutEnd(shortest.slice(start), room, this.#measure);
  }

  /** From the longest to the shortest. */
  #formsOf(text: string): readonly string[] {
    const known = this.#forms.get(text);
    if (known !== undefined) return known;
    const forms = [text];
    for (const drop of [shortName, withoutNamespaces]) {
      const longer = forms[forms.length - 1];
      const form = drop(longer);
      if (form !== longer) forms.push(form);
    }
    if (this.#forms.size >= MAX_KNOWN) this.#forms.clear();
    this.#forms.set(text, forms);
    return forms;
  }
}

/** As much of the text's beginning as fits before an ellipsis; '' where that is not even three characters. */
function cutEnd(text: string, room: number, measure: Measure): string {
  if (measure(text) <= room) return text;
  let [fits, tooLong] = [0, text.length];
  while (tooLong - fits > 1) {
    const middle = (fits + tooLong) >>> 1;
    if (measure(text.slice(0, middle) + ELLIPSIS) <= room) fits = middle;
    else tooLong = middle;
  }
  // Not through the middle of a character that takes two code units.
  if (isHighSurrogate(text.charCodeAt(fits - 1))) fits--;
  return fits < 3 ? '' : text.slice(0, fits) + ELLIPSIS;
}

/** `std::chrono::now` -> `…now`, but not where `::` stands between brackets or at the end. */
function withoutNamespaces(name: string): string {
  let depth = 0;
  for (let at = name.length - 1; at > 0; at--) {
    if (')>]'.includes(name[at])) depth++;
    else if ('(<['.includes(name[at])) depth--;
    else if (depth === 0 && name[at] === ':' && name[at - 1] === ':')
      return at === name.length - 1 ? name : ELLIPSIS + name.slice(at + 1);
  }
  return name;
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}

/** Sums the widths of characters, each asked for once: far cheaper than to measure each text, and nearly as exact. */
export function measureBy(widthOf: (character: string) => number): Measure {
  const widths = new Map<string, number>();
  return (text) => {
    let sum = 0;
    // Without an iterator, which makes an object for each character.
    for (let at = 0; at < text.length; ) {
      const character = isHighSurrogate(text.charCodeAt(at)) ? text.slice(at, at + 2) : text[at];
      at += character.length;
      let width = widths.get(character);
      if (width === undefined) {
        width = widthOf(character);
        widths.set(character, width);
      }
      sum += width;
    }
    return sum;
  };
}
