/**
 * Holds a profile, live or whole, and computes what the page shows of it. It runs in the worker, but knows nothing of
 * messages, so that it can be tested without one.
 */
import { splitChunks } from '@/profile/chunk';
import { applyNamesOfNext, applyNext, ChunkStream } from '@/profile/chunk-stream';
import { DerivedProfile } from '@/profile/derived-profile';
import {
  analyseLatency,
  forgetLatencies,
  type LatencyQuery,
  type LatencyResult,
} from '@/profile/latency/analysis';
import { Profile } from '@/profile/profile';
import { DEFAULT_VIEW, type TimeRange, type View } from '@/profile/view';
import { ALL_WAITS } from '@/profile/waits';
import { ALL_TIME } from '@/profile/weights';
import type { AnalysisUpdate, LiveWindow } from './analysis';
import { StackView } from './stack-view';
import { ThreadAnalysis, type ThreadsQuery, type ThreadsUpdate } from './thread-analysis';

/** How much of a live profile is kept; what is older is forgotten. */
export interface LiveBounds {
  readonly ringNs: number;
  /** Of samples, of waits, and of latency samples, each. */
  readonly samples: number;
  /** Rows of latencies: many of them push no samples out. */
  readonly latencies: number;
  /** Tables only grow; from this size on (`Profile.size`), a fresh snapshot may be smaller. */
  readonly tables: number;
}

/** As much as the server's ring holds: a tab that is open for days stays as small as one that was just opened. */
const LIVE_BOUNDS: LiveBounds = {
  ringNs: 300e9,
  samples: 1_000_000,
  latencies: 1_000_000,
  tables: 300_000,
};
/** Forgetting copies the samples that stay: not for every chunk. */
const FORGET_EVERY = 1 / 30;
/** What has that bound; latencies that were counted have one of their own. */
const FORGOTTEN_TABLES = ['samples', 'waits', 'latencySamples'] as const;

/** Samples of another mode than CPU: they are made of the profile, and follow it. */
interface Derived {
  /** What it was made for; see `derivedKey`. */
  readonly key: string;
  readonly source: DerivedProfile;
  readonly stacks: StackView;
}

export class AnalysisEngine {
  readonly #bounds: LiveBounds;
  #profile = new Profile();
  #stream = new ChunkStream(this.#profile);
  #onCpu = new StackView(this.#profile, 'cpu');
  /** Of the view's mode, if that is another one. */
  #derived: Derived | undefined;
  #threadAnalysis = new ThreadAnalysis();
  #isLive = false;
  /** A live profile of which parts are still to come: what it has is of the past. */
  #opening: ChunkStream | undefined;
  #view: View = DEFAULT_VIEW;
  #window: LiveWindow = 15;
  #selected: readonly string[] | undefined;
  /** Of a live profile: samples before this are forgotten. */
  #heldFromNs = 0;
  #forgottenAtNs = 0;
  #snapshotSize = 0;
  #lossRevision = 0;

  constructor(bounds: LiveBounds = LIVE_BOUNDS) {
    this.#bounds = bounds;
  }

  /**
   * The first part of a live profile that takes the place of what there is as soon as it is whole; until then others are appended.
   * Throws ChunkFormatError.
   */
  openSnapshot(bytes: Uint8Array): void {
    this.#opening = new ChunkStream(new Profile());
    this.append(bytes);
  }

  /** What was opened is there as a whole. */
  endSnapshot(): void {
    const stream = this.#opening;
    if (stream === undefined) return;
    const { profile } = stream;
    this.open(profile, stream);
    this.#isLive = true;
    this.#heldFromNs = profile.startNs;
    this.#forgottenAtNs = profile.header?.endNs ?? 0;
    this.#snapshotSize = profile.size;
  }

  /** Starts over with a whole profile. */
  open(profile: Profile, stream = new ChunkStream(profile)): void {
    this.#profile = profile;
    this.#stream = stream;
    this.#onCpu = new StackView(profile, 'cpu');
    this.#derived = undefined;
    this.#threadAnalysis = new ThreadAnalysis();
    this.#isLive = false;
    this.#opening = undefined;
  }

  /** Gives back the room for more: for a profile that is there as a whole. */
  trim(): void {
    for (const stacks of [this.#onCpu, this.#derived?.stacks]) stacks?.trim();
  }

  /** Appends chunks that follow one another, or start over; to what is being opened, if anything is. Throws ChunkFormatError. */
  append(bytes: Uint8Array): void {
    if (this.#opening !== undefined) {
      for (const encoded of splitChunks(bytes)) applyNext(this.#opening, encoded);
      return;
    }
    for (const encoded of splitChunks(bytes)) {
      const chunk = applyNext(this.#stream, encoded);
      this.#derived?.source.append(chunk);
      if (chunk.losses.some(({ count }) => count > 0)) this.#lossRevision++;
    }
    if (this.#isLive) {
      this.#forget();
      this.#forgetLatencies();
    }
  }

  /** Takes the names out of chunks that follow, for what is there; all else of them is left, and they can't be continued by `append`. Throws ChunkFormatError. */
  appendNames(bytes: Uint8Array): void {
    for (const encoded of splitChunks(bytes)) {
      const chunk = applyNamesOfNext(this.#stream, encoded);
      this.#derived?.source.append(chunk);
    }
  }

  /** Up to when the profile goes, by the clock of the machine that is profiled, in ms; undefined where there is none. */
  get untilMs(): number | undefined {
    const { header } = this.#profile;
    return header && (header.endNs + header.wallOffsetNs) / 1e6;
  }

  /** The tables of a live profile have grown far beyond what its samples can need. */
  get needsSnapshot(): boolean {
    const limit = Math.max(this.#bounds.tables, 2 * this.#snapshotSize);
    return this.#isLive && this.#profile.size > limit;
  }

  setView(view: View): void {
    if (derivedKey(view) !== derivedKey(this.#view)) {
      this.#derived = undefined;
      this.#onCpu.sendAgain();
    }
    this.#view = view;
  }

  /** The frame whose waits are told of, as `pathOf` gives it; undefined: what is zoomed into. */
  setSelected(path: readonly string[] | undefined): void {
    this.#selected = path;
  }

  setWindow(window: LiveWindow): void {
    this.#window = window;
  }

  /** The page has let go of what it was sent, and of what was selected. */
  sendAgain(): void {
    for (const stacks of [this.#onCpu, this.#derived?.stacks]) stacks?.sendAgain();
    this.#threadAnalysis = new ThreadAnalysis();
    this.#selected = undefined;
  }

  /** What has changed since the last call; undefined where nothing has. All buffers of the answer are the caller's. */
  update(): AnalysisUpdate | undefined {
    return this.#update(this.#view, this.#range());
  }

  /** The same for the stacks of what is selected of latencies; of the view only what the query leaves open counts. */
  latencyStacks({ query, label }: LatencyResult): AnalysisUpdate | undefined {
    const { source, buckets, pids, containers, range, windowSeconds } = query;
    const endNs = this.#profile.header?.endNs ?? 0;
    const startNs = windowSeconds === undefined ? ALL_TIME.startNs : endNs - windowSeconds * 1e9;
    const view: View = {
      ...this.#view,
      mode: 'latency',
      latency: { source, label, buckets },
      waits: undefined,
      pids,
      tids: [],
      containers,
    };
    return this.#update(view, range ?? { startNs, endNs: ALL_TIME.endNs });
  }

  #update(view: View, range: TimeRange): AnalysisUpdate | undefined {
    return this.#shown(view).update({
      view,
      selected: this.#selected,
      range,
      isLive: this.#isLive,
      heldFromNs: this.#isLive ? this.#heldFromNs : this.#profile.startNs,
      lossRevision: this.#lossRevision,
      hasWaits: this.#profile.waits.length > 0,
    });
  }

  /** Latencies; of a live profile as far back as it is held. */
  latency(query: LatencyQuery): LatencyResult {
    return analyseLatency(this.#profile, query);
  }

  /** What is new of the threads' times since the last call; undefined where nothing is. */
  threads(query: ThreadsQuery): ThreadsUpdate | undefined {
    const heldFromNs = this.#isLive ? this.#heldFromNs : this.#profile.startNs;
    return this.#threadAnalysis.update(this.#profile, query, heldFromNs);
  }

  #shown(view: View): StackView {
    const { mode } = view;
    if (mode === 'cpu') return this.#onCpu;
    const key = derivedKey(view);
    if (this.#derived?.key !== key) {
      const source = new DerivedProfile(this.#profile, mode, ALL_WAITS, view);
      this.#derived = { key, source, stacks: new StackView(source.profile, mode, source.spans) };
    }
    return this.#derived.stacks;
  }

  #range(): TimeRange {
    const { range } = this.#view;
    if (range !== undefined || !this.#isLive) return range ?? ALL_TIME;
    const endNs = this.#profile.header?.endNs ?? 0;
    const startNs = this.#window === 'all' ? this.#heldFromNs : endNs - this.#window * 1e9;
    return { startNs, endNs: ALL_TIME.endNs };
  }

  #forget(): void {
    const { ringNs } = this.#bounds;
    const endNs = this.#profile.header?.endNs ?? 0;
    const tooMany = FORGOTTEN_TABLES.filter(
      (name) => this.#profile[name].length > this.#bounds.samples * (1 + FORGET_EVERY),
    );
    if (tooMany.length === 0 && endNs - this.#forgottenAtNs < ringNs * FORGET_EVERY) return;
    this.#forgottenAtNs = endNs;
    this.#onCpu.order.update();
    const oldestNs = Math.max(endNs - ringNs, ...tooMany.map((name) => this.#oldestKeptNs(name)));
    if (oldestNs <= this.#heldFromNs) return;
    this.#heldFromNs = oldestNs;
    for (const stacks of [this.#onCpu, this.#derived?.stacks])
      stacks?.forgetBefore(oldestNs, this.#range());
    forgetLatencies(this.#profile, oldestNs);
  }

  /** From when on a table has as many rows as are to be kept. */
  #oldestKeptNs(name: (typeof FORGOTTEN_TABLES)[number]): number {
    const { columns, length } = this.#profile[name];
    const oldest = length - this.#bounds.samples;
    return columns.timeNs[name === 'samples' ? this.#onCpu.order.rowAt(oldest) : oldest];
  }

  /** The oldest latencies where there are too many, but always whole seconds, and never the newest. */
  #forgetLatencies(): void {
    const { length, columns } = this.#profile.latencies;
    const { latencies: most } = this.#bounds;
    if (length <= most * (1 + FORGET_EVERY)) return;
    const { timeNs } = columns;
    let kept = length - most;
    while (kept < length && timeNs[kept] === timeNs[kept - 1]) kept++;
    forgetLatencies(this.#profile, timeNs[Math.min(kept, length - 1)]);
  }
}

/** Says what a derived profile is made by. Infinity is none in JSON, and no other number is. */
const derivedKey = ({ mode, waits, latency }: View): string =>
  JSON.stringify([mode, waits ?? null, mode === 'latency' ? (latency ?? null) : null]);
