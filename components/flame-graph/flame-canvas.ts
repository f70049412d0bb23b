/**
 * The canvas and its scroller, outside React: draws in animation frames and only when something has changed, keeps the
 * place when the tree is made anew, and says which box is under the pointer, also when it is the box that moved.
 */
import type { Analysis } from '@/components/profile-worker/client';
import type { CallTree, NodeIndex } from '@/profile/call-tree';
import type { LabelIndex, Labels } from '@/profile/labels';
import type { Orientation } from '@/profile/view';
import { waitShares } from '@/profile/wait-shares';
import { Palette, RUNNABLE_COLOR } from './color';
import { draw } from './draw';
import {
  boxAt,
  emptyBoxes,
  layOut,
  NO_NODE,
  rangeBetween,
  rangeOf,
  rowCount,
  rowTop,
  type Viewport,
  type WeightRange,
} from './layout';
import { Fitter, measureBy } from './text';
import type { CanvasTheme } from './use-theme';

export interface Scene {
  readonly analysis: Analysis;
  readonly zoomed: NodeIndex;
  /** Tells one zoom from another, whatever tree it is in. */
  readonly zoomKey: string;
  /** NO_NODE for none. */
  readonly selected: NodeIndex;
  readonly orientation: Orientation;
  /** What a label's boxes are called. */
  nameOf(label: LabelIndex): string;
  readonly theme: CanvasTheme;
}

/** A node, and the tree that it is of. */
export interface Spot {
  readonly analysis: Analysis;
  readonly node: NodeIndex;
}

export interface FlameElements {
  readonly scroller: HTMLElement;
  /** In the scroller, as high as the graph. */
  readonly content: HTMLElement;
  /** In the content, as large as what is seen. */
  readonly canvas: HTMLCanvasElement;
}

const ROW_HEIGHT = 20;
const ZOOM_MS = 180;
/** The whole width, as a share of the root's total. */
const ALL: WeightRange = { start: 0, end: 1 };
const FIRST_PICTURE = 'hearth:first-picture';

export class FlameCanvas {
  readonly #elements: FlameElements;
  readonly #onHover: (spot: Spot | undefined) => void;
  readonly #observer: ResizeObserver;
  readonly #boxes = emptyBoxes();
  #scene: Scene | undefined;
  #palette: Palette | undefined;
  #paletteLabels: Labels | undefined;
  #fitter: Fitter | undefined;
  #fitterFont = '';
  #width = 0;
  #height = 0;
  #contentHeight = 0;
  /** Shares of the root's total: what fills the width now, and what it moves to. */
  #shown = ALL;
  #goal = ALL;
  #move: { readonly from: WeightRange; readonly startMs: number } | undefined;
  #pointer: { readonly x: number; readonly y: number } | undefined;
  #hovered: Spot | undefined;
  #frame = 0;
  #markedLabels: Labels | undefined;

  constructor(elements: FlameElements, onHover: (spot: Spot | undefined) => void) {
    this.#elements = elements;
    this.#onHover = onHover;
    this.#observer = new ResizeObserver(this.#resize);
    this.#observer.observe(elements.scroller);
    elements.scroller.addEventListener('scroll', this.#request);
    this.#resize();
  }

  dispose(): void {
    cancelAnimationFrame(this.#frame);
    this.#observer.disconnect();
    this.#elements.scroller.removeEventListener('scroll', this.#request);
  }

  show(scene: Scene): void {
    const before = this.#scene;
    this.#scene = scene;
    const { tree } = scene.analysis;
    const total = tree.total[0];
    const { start, end } = rangeOf(tree, scene.zoomed);
    this.#goal = total > 0 ? { start: start / total, end: end / total } : ALL;
    const isZoom = before !== undefined && before.zoomKey !== scene.zoomKey;
    if (isZoom && !matchMedia('(prefers-reduced-motion: reduce)').matches)
      this.#move = { from: this.#shown, startMs: performance.now() };
    if (this.#move === undefined) this.#shown = this.#goal;
    this.#fitContent(before !== undefined && before.orientation !== scene.orientation);
    if (isZoom) this.reveal(scene.zoomed);
    this.#request();
  }

  /** The pointer is here, in pixels from the canvas's corner; undefined: it has left. */
  point(pointer: { readonly x: number; readonly y: number } | undefined): void {
    this.#pointer = pointer;
    this.#request();
  }

  /** The node whose box is at a point; NO_NODE where there is none, or several too narrow to tell apart. */
  nodeAt(x: number, y: number): NodeIndex {
    const box = this.#scene === undefined ? -1 : boxAt(this.#boxes, this.#viewport(), x, y);
    return box < 0 ? NO_NODE : this.#boxes.node[box];
  }

  /** Scrolls as little as brings a node's row into sight. */
  reveal(node: NodeIndex): void {
    if (this.#scene === undefined) return;
    const { scroller } = this.#elements;
    const top = rowTop(this.#scene.analysis.tree.depth[node], this.#viewport());
    const below = top + ROW_HEIGHT - this.#height;
    if (top < 0) scroller.scrollTop += top;
    else if (below > 0) scroller.scrollTop += below;
  }

  readonly #resize = (): void => {
    const { scroller, canvas } = this.#elements;
    const { clientWidth, clientHeight } = scroller;
    // An observer tells the first size, too: all would be drawn twice for the first picture.
    if (clientWidth === this.#width && clientHeight === this.#height) return;
    this.#width = clientWidth;
    this.#height = clientHeight;
    canvas.style.width = `${this.#width}px`;
    canvas.style.height = `${this.#height}px`;
    this.#fitContent(false);
    // At once: a canvas that waits for its next frame is seen stretched, or empty.
    this.#paint();
  };

  readonly #request = (): void => {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame((nowMs) => {
      this.#frame = 0;
      if (this.#advance(nowMs)) this.#request();
      this.#paint();
    });
  };

  /**
   * Makes the content as high as the rows need, without moving what is seen: the distance to the root's row stays, and
   * where a deep stack has gone, its room stays until it is scrolled away.
   */
  #fitContent(isTurned: boolean): void {
    const scene = this.#scene;
    if (scene === undefined) return;
    const { scroller, content } = this.#elements;
    const isFlame = scene.orientation === 'flame';
    const isFirst = this.#contentHeight === 0;
    const scrolled =
      isFirst || isTurned
        ? 0
        : isFlame
          ? Math.max(0, this.#contentHeight - scroller.scrollTop - this.#height)
          : scroller.scrollTop;
    const needed = rowCount(scene.analysis.tree, scene.zoomed) * ROW_HEIGHT;
    const height = Math.max(needed, this.#height + scrolled);
    if (height !== this.#contentHeight) {
      this.#contentHeight = height;
      content.style.height = `${height}px`;
    }
    const scrollTop = isFlame ? height - this.#height - scrolled : scrolled;
    if (Math.abs(scroller.scrollTop - scrollTop) >= 1) scroller.scrollTop = scrollTop;
  }

  #viewport(): Viewport {
    return {
      width: this.#width,
      height: this.#height,
      scrollTop: this.#elements.scroller.scrollTop,
      rowHeight: ROW_HEIGHT,
      orientation: this.#scene?.orientation ?? 'icicle',
      contentHeight: this.#contentHeight,
    };
  }

  /** Moves what is shown towards the goal; true while there is way to go. */
  #advance(nowMs: number): boolean {
    if (this.#move === undefined) return false;
    const t = Math.min(1, Math.max(0, (nowMs - this.#move.startMs) / ZOOM_MS));
    this.#shown = rangeBetween(this.#move.from, this.#goal, 1 - (1 - t) ** 3);
    if (t === 1) this.#move = undefined;
    return t < 1;
  }

  #paint(): void {
    const scene = this.#scene;
    const { canvas } = this.#elements;
    const context = canvas.getContext('2d', { alpha: false });
    if (scene === undefined || context === null || this.#width === 0) return;
    const pixelRatio = window.devicePixelRatio || 1;
    const width = Math.round(this.#width * pixelRatio);
    const height = Math.round(this.#height * pixelRatio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    context.setTransform(pixelRatio, 0, 0, pixelRatio, 0, 0);
    const { analysis, theme } = scene;
    const { tree, labels } = analysis;
    const total = tree.total[0];
    const shown = { start: this.#shown.start * total, end: this.#shown.end * total };
    const viewport = this.#viewport();
    layOut(tree, shown, viewport, this.#boxes);
    this.#hover(analysis);
    const palette = this.#paletteFor(scene);
    draw(
      context,
      {
        tree,
        labels,
        boxes: this.#boxes,
        shown,
        firstRow: tree.depth[scene.zoomed],
        colors: theme.colors,
        font: theme.font,
        fitter: this.#fitterFor(context, theme.font),
        pixelRatio,
        shares: analysis.mode === 'cpu' ? undefined : waitShares(tree, labels, analysis.mode),
        runnableColor: RUNNABLE_COLOR[theme.scheme],
        colorOf: (label, waits) => palette.color(label, waits),
        nameOf: scene.nameOf,
        matches: analysis.search?.matches,
        hovered: this.#hovered?.node ?? NO_NODE,
        selected: scene.selected,
      },
      viewport,
    );
    this.#mark(tree, labels);
  }

  #hover(analysis: Analysis): void {
    const node =
      this.#pointer === undefined ? NO_NODE : this.nodeAt(this.#pointer.x, this.#pointer.y);
    if (node === NO_NODE && this.#hovered === undefined) return;
    if (node === this.#hovered?.node && analysis === this.#hovered.analysis) return;
    this.#hovered = node === NO_NODE ? undefined : { analysis, node };
    this.#onHover(this.#hovered);
  }

  #paletteFor({ theme, analysis }: Scene): Palette {
    if (this.#palette?.scheme !== theme.scheme || this.#paletteLabels !== analysis.labels) {
      this.#palette = new Palette(theme.scheme, analysis.labels);
      this.#paletteLabels = analysis.labels;
    }
    return this.#palette;
  }

  #fitterFor(context: CanvasRenderingContext2D, font: string): Fitter {
    if (this.#fitter === undefined || this.#fitterFont !== font) {
      const width = (character: string): number => {
        context.font = font;
        return context.measureText(character).width;
      };
      this.#fitter = new Fitter(measureBy(width));
      this.#fitterFont = font;
    }
    return this.#fitter;
  }

  /** Says, once per profile, that there is something to see. */
  #mark(tree: CallTree, labels: Labels): void {
    if (this.#markedLabels === labels || tree.totalSamples[0] === 0) return;
    this.#markedLabels = labels;
    performance.mark(FIRST_PICTURE);
  }
}
