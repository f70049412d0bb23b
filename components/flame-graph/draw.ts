/** Draws boxes: plain functions of (context, picture, viewport). */
import type { CallTree, NodeIndex } from '@/profile/call-tree';
import { LabelKind, type Labels } from '@/profile/labels';
import type { WaitShares } from '@/profile/wait-shares';
import type { BoxColor } from './color';
import { type Boxes, boxOf, NO_NODE, rowTop, type Viewport, type WeightRange } from './layout';
import type { Fitter } from './text';

export interface CanvasColors {
  readonly background: string;
  /** Of text on what is dimmed. */
  readonly dimText: string;
  readonly outline: string;
  readonly accent: string;
  /** Boxes too narrow to tell apart. */
  readonly narrow: string;
}

export interface Picture {
  readonly tree: CallTree;
  readonly labels: Labels;
  readonly boxes: Boxes;
  /** The range that fills the width. */
  readonly shown: WeightRange;
  /** Rows before this are of ancestors of what is zoomed into: they are pale. */
  readonly firstRow: number;
  readonly colors: CanvasColors;
  readonly font: string;
  readonly fitter: Fitter;
  /** Device pixels in a pixel: boxes start and end on whole ones. */
  readonly pixelRatio: number;
  /** By node, what share of its time is waiting; undefined where none is. */
  readonly shares: WaitShares | undefined;
  /** Of time spent waiting for a CPU. */
  readonly runnableColor: string;
  colorOf(label: number, waits: boolean): BoxColor;
  nameOf(label: number): string;
  /** By label: 1 where the search matches; undefined without a search. */
  readonly matches: Uint8Array | undefined;
  /** Node under the pointer, node that the keyboard has; NO_NODE for none. */
  readonly hovered: NodeIndex;
  readonly selected: NodeIndex;
}

const TEXT_PADDING = 4;
const MIN_TEXT_WIDTH = 30;
/** Opacity of what the search does not match, and of ancestors. */
const DIMMED = 0.25;
const PALE = 0.55;
const HATCH_STEP = 6;

export type Canvas2d = Pick<
  CanvasRenderingContext2D,
  | 'fillRect'
  | 'strokeRect'
  | 'fillText'
  | 'beginPath'
  | 'moveTo'
  | 'lineTo'
  | 'stroke'
  | 'save'
  | 'restore'
  | 'rect'
  | 'clip'
  | 'fillStyle'
  | 'strokeStyle'
  | 'font'
  | 'textBaseline'
  | 'globalAlpha'
  | 'lineWidth'
>;

interface Name {
  readonly text: string;
  readonly x: number;
  readonly y: number;
  readonly style: string;
}

/** Draws all that is seen, over whatever was there. */
export function draw(context: Canvas2d, picture: Picture, viewport: Viewport): void {
  const { boxes, tree, labels, matches, colors } = picture;
  context.globalAlpha = 1;
  context.fillStyle = colors.background;
  context.fillRect(0, 0, viewport.width, viewport.height);
  context.font = picture.font;
  context.textBaseline = 'middle';
  const height = viewport.rowHeight - 1;
  const snap = (x: number): number => Math.round(x * picture.pixelRatio) / picture.pixelRatio;
  // A colour costs as much as a box, as it is text: it is set only where it changes, and names follow when all boxes are there.
  let style = '';
  const fillWith = (next: string): void => {
    if (next !== style) context.fillStyle = next;
    style = next;
  };
  const names: Name[] = [];
  for (let i = 0; i < boxes.length; i++) {
    const top = rowTop(boxes.row[i], viewport);
    const left = Math.max(0, snap(boxes.x[i]));
    const right = Math.min(viewport.width, snap(boxes.x[i] + boxes.width[i]));
    const node = boxes.node[i];
    if (node === NO_NODE) {
      context.globalAlpha = matches === undefined ? 1 : DIMMED;
      fillWith(colors.narrow);
      context.fillRect(left, top, Math.max(right - left, 1 / picture.pixelRatio), height);
      continue;
    }
    const label = tree.label[node];
    const isDimmed = matches !== undefined && matches[label] !== 1;
    const waiting = picture.shares?.waiting[node] ?? 0;
    const color = picture.colorOf(label, waiting > 0.5);
    // A hairline between neighbours, while there is room for it.
    const width = right - left - (right - left > 3 ? 1 : 0);
    context.globalAlpha = isDimmed ? DIMMED : boxes.row[i] < picture.firstRow ? PALE : 1;
    fillWith(color.fill);
    context.fillRect(left, top, width, height);
    if (waiting > 0 && waiting < 1) {
      // Its times side by side: running, waiting for a CPU, blocked.
      const running = Math.round(width * (1 - waiting));
      const [from, to] = waiting > 0.5 ? [0, running] : [running, width];
      fillWith(picture.colorOf(label, waiting <= 0.5).fill);
      context.fillRect(left + from, top, to - from, height);
    }
    const kind = labels.kind[label];
    const runnable = picture.shares?.runnable[node] ?? 0;
    if (runnable > 0 && kind !== LabelKind.Root && kind !== LabelKind.Process) {
      fillWith(picture.runnableColor);
      context.fillRect(left + width * (1 - waiting), top, width * runnable, height);
    }
    if ((kind === LabelKind.Stop || kind === LabelKind.Lost) && width > 2)
      hatch(context, left, top, width, height, color.text);
    if (width < MIN_TEXT_WIDTH) continue;
    const text = picture.fitter.fit(picture.nameOf(label), width - 2 * TEXT_PADDING);
    if (text === '') continue;
    const x = left + TEXT_PADDING;
    const y = top + viewport.rowHeight / 2;
    names.push({ text, x, y, style: isDimmed ? colors.dimText : color.text });
  }
  // Text is never seen through: on a paler box it is read the better.
  context.globalAlpha = 1;
  for (const name of names) {
    fillWith(name.style);
    context.fillText(name.text, name.x, name.y);
  }
  outline(context, picture, viewport, picture.hovered, colors.outline, 1);
  outline(context, picture, viewport, picture.selected, colors.accent, 2);
}

/** A frame around a node's box, also where the box is too narrow to be drawn alone. */
function outline(
  context: Canvas2d,
  { tree, shown }: Picture,
  viewport: Viewport,
  node: NodeIndex,
  style: string,
  lineWidth: number,
): void {
  if (node === NO_NODE) return;
  const box = boxOf(tree, node, shown, viewport);
  const left = Math.max(0, box.x);
  const right = Math.min(viewport.width, Math.max(box.x + box.width, left + 2 * lineWidth));
  if (right <= left || box.x > viewport.width || box.x + box.width < 0) return;
  context.strokeStyle = style;
  context.lineWidth = lineWidth;
  context.strokeRect(
    left + lineWidth / 2,
    box.top + lineWidth / 2,
    right - left - lineWidth,
    viewport.rowHeight - 1 - lineWidth,
  );
}

/** Diagonal lines: what looks like this is no code. They start from the same places wherever the box is cut. */
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
  context.globalAlpha *= 0.3;
  context.strokeStyle = style;
  context.lineWidth = 1;
  context.beginPath();
  const first = Math.floor((x - height) / HATCH_STEP) * HATCH_STEP;
  for (let at = first; at < x + width; at += HATCH_STEP) {
    context.moveTo(at, y + height);
    context.lineTo(at + height, y);
  }
  context.stroke();
  context.restore();
}
