/** Draws boxes: plain functions of (context, layout, viewport). */
import { LabelKind, type Labels } from '@/profile/labels';
import type { Palette } from './color';
import { type Boxes, NO_NODE, rowTop, type Viewport } from './layout';

export interface Picture {
  readonly boxes: Boxes;
  /** By node. */
  readonly label: Uint32Array;
  readonly labels: Labels;
  readonly palette: Palette;
  /** By label: 1 where the search matches; undefined without a search. */
  readonly matches: Uint8Array | undefined;
  /** Node under the pointer, node that the keyboard has; NO_NODE for none. */
  readonly hovered: number;
  readonly selected: number;
  readonly background: string;
  readonly outline: string;
  readonly accent: string;
  readonly narrow: string;
}

const TEXT_PADDING = 5;
const MIN_TEXT_WIDTH = 28;
const DIMMED = 0.28;
const FONT = '12px system-ui, sans-serif';

export type Canvas2d = Pick<
  CanvasRenderingContext2D,
  | 'clearRect'
  | 'fillRect'
  | 'strokeRect'
  | 'fillText'
  | 'measureText'
  | 'beginPath'
  | 'moveTo'
  | 'lineTo'
  | 'stroke'
  | 'save'
  | 'restore'
  | 'rect'
  | 'clip'
> & {
  fillStyle: CanvasRenderingContext2D['fillStyle'];
  strokeStyle: CanvasRenderingContext2D['strokeStyle'];
  font: string;
  textBaseline: CanvasTextBaseline;
  globalAlpha: number;
  lineWidth: number;
};

export function draw(context: Canvas2d, picture: Picture, viewport: Viewport): void {
  const { boxes, label, labels, palette, matches } = picture;
  context.globalAlpha = 1;
  context.fillStyle = picture.background;
  context.fillRect(0, 0, viewport.width, viewport.height);
  context.font = FONT;
  context.textBaseline = 'middle';
  const characterWidth = context.measureText('abcdefghijklmnopqrstuvwxyz:_').width / 28;
  for (let i = 0; i < boxes.length; i++) {
    const top = rowTop(boxes.row[i], viewport);
    const left = Math.max(0, boxes.x[i]);
    const right = Math.min(viewport.width, boxes.x[i] + boxes.width[i]);
    const node = boxes.node[i];
    if (node === NO_NODE) {
      context.globalAlpha = 1;
      context.fillStyle = picture.narrow;
      context.fillRect(left, top, right - left, viewport.rowHeight - 1);
      continue;
    }
    const own = label[node];
    const color = palette.color(own, labels);
    context.globalAlpha = matches !== undefined && matches[own] === 0 ? DIMMED : 1;
    context.fillStyle = color.fill;
    // A hairline between neighbours, while there is room for it.
    const gap = right - left > 3 ? 1 : 0;
    context.fillRect(left, top, right - left - gap, viewport.rowHeight - 1);
    const kind = labels.kind[own];
    if (kind === LabelKind.Stop || kind === LabelKind.Lost)
      hatch(context, left, top, right - left - gap, viewport.rowHeight - 1, color.text);
    if (right - left >= MIN_TEXT_WIDTH) {
      const text = shorten(labels.text[own], (right - left - 2 * TEXT_PADDING) / characterWidth);
      if (text !== '') {
        context.fillStyle = color.text;
        context.fillText(text, left + TEXT_PADDING, top + viewport.rowHeight / 2);
      }
    }
  }
  context.globalAlpha = 1;
  outline(context, picture, viewport, picture.hovered, picture.outline, 1);
  outline(context, picture, viewport, picture.selected, picture.accent, 2);
}

/** The text in at most `length` characters: its end is cut, for names differ at their start less than modules do. */
export function shorten(text: string, length: number): string {
  const room = Math.floor(length);
  if (text.length <= room) return text;
  return room < 3 ? '' : `${text.slice(0, room - 1)}…`;
}

function outline(
  context: Canvas2d,
  { boxes }: Picture,
  viewport: Viewport,
  node: number,
  style: string,
  width: number,
): void {
  if (node === NO_NODE) return;
  for (let i = 0; i < boxes.length; i++) {
    if (boxes.node[i] !== node) continue;
    const left = Math.max(0, boxes.x[i]);
    const right = Math.min(viewport.width, boxes.x[i] + boxes.width[i]);
    context.strokeStyle = style;
    context.lineWidth = width;
    const inset = width / 2;
    context.strokeRect(
      left + inset,
      rowTop(boxes.row[i], viewport) + inset,
      Math.max(1, right - left - width),
      viewport.rowHeight - 1 - width,
    );
    return;
  }
}

/** Diagonal lines: what looks like this is no code. */
function hatch(
  context: Canvas2d,
  x: number,
  y: number,
  width: number,
  height: number,
  style: string,
): void {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.globalAlpha = 0.22;
  context.strokeStyle = style;
  context.lineWidth = 1;
  context.beginPath();
  for (let at = x - height; at < x + width; at += 6) {
    context.moveTo(at, y + height);
    context.lineTo(at + height, y);
  }
  context.stroke();
  context.restore();
}
