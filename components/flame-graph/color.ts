/** Colours of boxes: the hue says what kind of code it is, the shade tells functions apart and stays with the name. */
import { LabelKind } from '@/profile/labels';

export type Scheme = 'light' | 'dark';

export interface BoxColor {
  readonly fill: string;
  readonly text: string;
}

interface Family {
  readonly hue: number;
  /** How far around the hue. */
  readonly spread: number;
  readonly saturation: number;
}

const FAMILIES: Readonly<Record<number, Family>> = {
  [LabelKind.Kernel]: { hue: 8, spread: 9, saturation: 62 },
  [LabelKind.Native]: { hue: 36, spread: 13, saturation: 78 },
  [LabelKind.Jit]: { hue: 142, spread: 18, saturation: 42 },
  [LabelKind.Process]: { hue: 215, spread: 8, saturation: 14 },
  [LabelKind.Root]: { hue: 30, spread: 0, saturation: 5 },
  [LabelKind.Stop]: { hue: 350, spread: 0, saturation: 8 },
  [LabelKind.Lost]: { hue: 350, spread: 0, saturation: 8 },
};

/** Lightness, and how far it varies: text keeps a contrast of at least 4.5 : 1 on all of it. */
const LIGHTNESS: Readonly<Record<Scheme, readonly [middle: number, spread: number]>> = {
  light: [76, 7],
  dark: [31, 5],
};
const TEXT: Readonly<Record<Scheme, string>> = { light: '#1d1712', dark: '#f6f1ec' };

/** FNV-1a. Source: http://www.isthe.com/chongo/tech/comp/fnv/ */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** The colour of a label, the same wherever and whenever it is drawn. */
export function boxColor(text: string, module: string, kind: LabelKind, scheme: Scheme): BoxColor {
  const { hue, spread, saturation } = FAMILIES[kind];
  const hash = hashText(`${module}\0${text}`);
  const [middle, range] = LIGHTNESS[scheme];
  const vary = (bits: number): number => ((hash >>> bits) & 0xff) / 127.5 - 1;
  const h = hue + vary(0) * spread;
  const l = middle + vary(8) * (spread === 0 ? 0 : range);
  return { fill: `hsl(${h.toFixed(1)} ${saturation}% ${l.toFixed(1)}%)`, text: TEXT[scheme] };
}

/** Colours by label, made once each. */
export class Palette {
  readonly #colors = new Map<number, BoxColor>();

  constructor(readonly scheme: Scheme) {}

  color(
    label: number,
    labels: {
      readonly text: readonly string[];
      readonly module: readonly string[];
      readonly kind: readonly LabelKind[];
    },
  ): BoxColor {
    let color = this.#colors.get(label);
    if (color === undefined) {
      color = boxColor(labels.text[label], labels.module[label], labels.kind[label], this.scheme);
      this.#colors.set(label, color);
    }
    return color;
  }
}
