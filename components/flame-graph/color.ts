/** Colours of boxes: the hue says what kind of code it is, the shade tells functions apart and stays with the name. */
import { LabelKind, type Labels } from '@/profile/labels';

export type Scheme = 'light' | 'dark';

export interface BoxColor {
  readonly fill: string;
  readonly text: string;
}

/** Hue in degrees and saturation in percent, each with how far functions differ in it. */
interface Family {
  readonly hue: number;
  readonly hueSpread: number;
  readonly saturation: number;
  readonly lightSpread: number;
}

const FAMILIES: Readonly<Record<number, Family>> = {
  [LabelKind.Kernel]: { hue: 10, hueSpread: 9, saturation: 68, lightSpread: 1 },
  [LabelKind.Native]: { hue: 38, hueSpread: 11, saturation: 80, lightSpread: 1 },
  [LabelKind.Jit]: { hue: 140, hueSpread: 20, saturation: 40, lightSpread: 1 },
  [LabelKind.Process]: { hue: 30, hueSpread: 0, saturation: 7, lightSpread: 0.6 },
  [LabelKind.Root]: { hue: 30, hueSpread: 0, saturation: 6, lightSpread: 0 },
  [LabelKind.Stop]: { hue: 355, hueSpread: 0, saturation: 16, lightSpread: 0 },
  [LabelKind.Lost]: { hue: 355, hueSpread: 0, saturation: 16, lightSpread: 0 },
  [LabelKind.Wait]: { hue: 205, hueSpread: 14, saturation: 34, lightSpread: 1 },
  [LabelKind.Waker]: { hue: 305, hueSpread: 12, saturation: 42, lightSpread: 0.6 },
};
/** Of code that waits: cold, where code that runs is warm. */
const WAITING_FAMILIES: Readonly<Record<number, Family>> = {
  ...FAMILIES,
  [LabelKind.Kernel]: { hue: 250, hueSpread: 9, saturation: 58, lightSpread: 1 },
  [LabelKind.Native]: { hue: 214, hueSpread: 11, saturation: 66, lightSpread: 1 },
  [LabelKind.Jit]: { hue: 178, hueSpread: 12, saturation: 38, lightSpread: 1 },
};

/** Of time spent waiting for a CPU, in whatever code. */
export const RUNNABLE_COLOR: Readonly<Record<Scheme, string>> = {
  light: '#e3cb52',
  dark: '#6b5a14',
};

/** Lightness in percent, how far functions differ in it, and what part of a family's saturation there is. */
const TONES: Readonly<
  Record<Scheme, { readonly middle: number; readonly spread: number; readonly saturation: number }>
> = {
  light: { middle: 76, spread: 6, saturation: 1 },
  dark: { middle: 33, spread: 5, saturation: 0.7 },
};
const TEXT: Readonly<Record<Scheme, string>> = { light: '#1d1712', dark: '#f8f4f0' };
const TEXT_RGB: Readonly<Record<Scheme, number>> = {
  light: Number.parseInt(TEXT.light.slice(1), 16),
  dark: Number.parseInt(TEXT.dark.slice(1), 16),
};
/** Lightness changes by this where text could not be read. */
const GIVES_WAY: Readonly<Record<Scheme, number>> = { light: 1, dark: -1 };
/** WCAG 2.1, level AA, for text of this size, and a little more for rounding. */
const MIN_CONTRAST = 4.6;

/** FNV-1a of both, one after the other. Source: http://www.isthe.com/chongo/tech/comp/fnv/ */
function hashOf(module: string, text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < module.length; i++) hash = Math.imul(hash ^ module.charCodeAt(i), 0x01000193);
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  // FNV's low bits differ little between names that end alike.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** Linear light of a channel's value. Source: WCAG 2.1, "relative luminance". */
const LINEAR = Float64Array.from({ length: 256 }, (_, value) =>
  value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
);

/** The colour of a label, the same wherever and whenever it is drawn; `waits`: of its time off the CPU. */
export function boxColor(
  text: string,
  module: string,
  kind: LabelKind,
  scheme: Scheme,
  waits = false,
): BoxColor {
  return shadeColor(shadeOf(text, module), kind, scheme, waits);
}

/**
 * Shades of a family: so many hues, each in so many lightnesses. Finer steps are not told apart, and a canvas takes more
 * memory for a colour than for a box.
 */
const STEP_BITS = 4;
const STEPS = 1 << STEP_BITS;
const SHADES = STEPS * STEPS;

/** 0 to SHADES - 1. */
const shadeOf = (text: string, module: string): number => hashOf(module, text) & (SHADES - 1);

function shadeColor(shade: number, kind: LabelKind, scheme: Scheme, waits: boolean): BoxColor {
  const family = (waits ? WAITING_FAMILIES : FAMILIES)[kind];
  const tone = TONES[scheme];
  const saturation = family.saturation * tone.saturation;
  const hue = family.hue + varied(shade & (STEPS - 1)) * family.hueSpread;
  let lightness = tone.middle + varied(shade >>> STEP_BITS) * tone.spread * family.lightSpread;
  let color = rgb(hue, saturation, lightness);
  // Yellow is brighter than red of the same lightness: where text could not be read, it gives way.
  while (contrast(color, TEXT_RGB[scheme]) < MIN_CONTRAST && lightness > 0 && lightness < 100) {
    lightness += GIVES_WAY[scheme];
    color = rgb(hue, saturation, lightness);
  }
  return { fill: `#${color.toString(16).padStart(6, '0')}`, text: TEXT[scheme] };
}

/** -1 to 1. */
const varied = (step: number): number => (2 * step) / (STEPS - 1) - 1;

/**
 * A colour in HSL, as 0xrrggbb: hundreds of them are looked for before the first picture, and numbers leave no garbage.
 * Source: CSS Color 4, "HSL to RGB".
 */
function rgb(hue: number, saturation: number, lightness: number): number {
  const s = saturation / 100;
  const l = lightness / 100;
  return (channel(hue, s, l, 0) << 16) | (channel(hue, s, l, 8) << 8) | channel(hue, s, l, 4);
}

function channel(hue: number, s: number, l: number, n: number): number {
  const k = (n + (hue + 360) / 30) % 12;
  const value = l - s * Math.min(l, 1 - l) * Math.max(-1, Math.min(k - 3, 9 - k, 1));
  return Math.round(value * 255);
}

/** How well two colours, 0xrrggbb, can be told apart: 1 to 21. Source: WCAG 2.1, "contrast ratio". */
export function contrast(a: number, b: number): number {
  const x = luminance(a);
  const y = luminance(b);
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

function luminance(color: number): number {
  return (
    0.2126 * LINEAR[color >>> 16] +
    0.7152 * LINEAR[(color >>> 8) & 0xff] +
    0.0722 * LINEAR[color & 0xff]
  );
}

/** Colours by label, each shade made once, for one table of labels. */
export class Palette {
  readonly scheme: Scheme;
  readonly #labels: Labels;
  /** By label. */
  readonly #running: BoxColor[];
  readonly #waiting: BoxColor[] = [];
  readonly #shades = new Map<number, BoxColor>();

  constructor(scheme: Scheme, labels: Labels) {
    this.scheme = scheme;
    this.#labels = labels;
    // With its length: an array that is filled here and there is a hash table else.
    this.#running = new Array(labels.length);
  }

  color(label: number, waits: boolean): BoxColor {
    const colors = waits ? this.#waiting : this.#running;
    colors[label] ??= this.#make(label, waits);
    return colors[label];
  }

  #make(label: number, waits: boolean): BoxColor {
    const labels = this.#labels;
    const kind = labels.kind[label] as LabelKind;
    const shade = shadeOf(labels.textOf(label), labels.moduleOf(label));
    const key = (kind * 2 + (waits ? 1 : 0)) * SHADES + shade;
    const known = this.#shades.get(key);
    if (known !== undefined) return known;
    const made = shadeColor(shade, kind, this.scheme, waits);
    this.#shades.set(key, made);
    return made;
  }
}
