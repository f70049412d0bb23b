/**
 * Holds a profile, live or whole, and computes what the page shows of it. It runs in the worker, but knows nothing of
 * messages, so that it can be tested without one.
 */
import { buildCallTree, type CallTree } from '@/profile/call-tree';
import { applyChunk, decodeChunk, splitChunks } from '@/profile/chunk';
import { functionList } from '@/profile/function-list';
import { FunctionTable } from '@/profile/functions';
import {
  analyseLatency,
  forgetLatencies,
  type LatencyQuery,
  type LatencyResult,
} from '@/profile/latency/analysis';
import { isImport } from '@/profile/names';
import { processList } from '@/profile/process-list';
import { Profile } from '@/profile/profile';
import { quality } from '@/profile/quality';
import { SampleOrder } from '@/profile/sample-order';
import { type SearchResult, searchTree } from '@/profile/search';
import { StackEnds, stackHealth } from '@/profile/stack-health';
import { unnamedModules } from '@/profile/unnamed-code';
import { DEFAULT_VIEW, type TimeRange, type View } from '@/profile/view';
import { forgetWaitsBefore } from '@/profile/waits';
import {
  ALL_TIME,
  EVERYTHING,
  filterByProcess,
  type Selection,
  type StackWeights,
  selectionOf,
} from '@/profile/weights';
import { WindowWeights } from '@/profile/window-weights';
import { sumActivity } from './activity-sums';
import type {
  Activity,
  AnalysisUpdate,
  LabelUpdate,
  LiveWindow,
  ProfileResult,
  SearchOutcome,
} from './analysis';
import { byName } from './functions-by-name';
import { ThreadAnalysis, type ThreadsQuery, type ThreadsUpdate } from './thread-analysis';

/** How much of a live profile is kept; what is older is forgotten. */
export interface LiveBounds {
  readonly ringNs: number;
  readonly samples: number;
  /** Tables only grow; from so many stacks on, a fresh snapshot may be smaller. */
  readonly stacks: number;
}

/** As much as the server's ring holds: a tab that is open for days stays as small as one that was just opened. */
const LIVE_BOUNDS: LiveBounds = { ringNs: 600e9, samples: 1_000_000, stacks: 400_000 };
/** Forgetting copies the samples that stay: not for every chunk. */
const FORGET_EVERY = 1 / 30;

/** A window over the samples that one selection lets through. */
interface Window {
  readonly key: string;
  readonly weights: WindowWeights;
}

/** What the last tree was made of, for knowing whether the next one would be the same. */
interface Made {
  readonly contents: string;
  /** undefined where it was handed over with its buffers. */
  readonly tree: CallTree | undefined;
  readonly search: SearchResult;
}

export class AnalysisEngine {
  readonly #bounds: LiveBounds;
  #profile = new Profile();
  #order = new SampleOrder(this.#profile);
  #functions = new FunctionTable(this.#profile);
  #ends = new StackEnds(this.#profile);
  #threadAnalysis = new ThreadAnalysis();
  #isLive = false;
  #view: View = DEFAULT_VIEW;
  #window: LiveWindow = 15;
  /** Without and with the view's thread filter. */
  #all: Window | undefined;
  #threads: Window | undefined;
  #made: Made | undefined;
  #activity: { readonly sampleType: number; readonly sums: Activity } | undefined;
  /** Of a live profile: samples before this are forgotten. */
  #heldFromNs = 0;
  #forgottenAtNs = 0;
  #snapshotStacks = 0;
  #lossRevision = 0;
  #sentLabels = 0;
  #isNewLabelTable = true;

  constructor(bounds: LiveBounds = LIVE_BOUNDS) {
    this.#bounds = bounds;
  }

  /** Starts over with a live profile, as its first chunk holds it. Throws ChunkFormatError. */
  openSnapshot(bytes: Uint8Array): void {
    const profile = new Profile();
    for (const chunk of splitChunks(bytes)) applyChunk(profile, decodeChunk(chunk));
    this.open(profile);
    this.#isLive = true;
    this.#heldFromNs = profile.startNs;
    this.#forgottenAtNs = profile.header?.endNs ?? 0;
    this.#snapshotStacks = profile.stacks.length;
  }

  /** Starts over with a whole profile. */
  open(profile: Profile): void {
    this.#profile = profile;
    this.#order = new SampleOrder(profile);
    this.#functions = new FunctionTable(profile);
    this.#ends = new StackEnds(profile);
    this.#threadAnalysis = new ThreadAnalysis();
    this.#isLive = false;
    this.#all = undefined;
    this.#threads = undefined;
    this.#made = undefined;
    this.#activity = undefined;
    this.#sentLabels = 0;
    this.#isNewLabelTable = true;
  }

  /** Appends chunks that follow one another. Throws ChunkFormatError. */
  append(bytes: Uint8Array): void {
    for (const encoded of splitChunks(bytes)) {
      const chunk = decodeChunk(encoded);
      applyChunk(this.#profile, chunk);
      if (chunk.losses.some(({ count }) => count > 0)) this.#lossRevision++;
    }
    this.#activity = undefined;
    if (this.#isLive) this.#forget();
  }

  /** The tables of a live profile have grown far beyond what its samples can need. */
  get needsSnapshot(): boolean {
    const limit = Math.max(this.#bounds.stacks, 2 * this.#snapshotStacks);
    return this.#isLive && this.#profile.stacks.length > limit;
  }

  setView(view: View): void {
    this.#view = view;
  }

  setWindow(window: LiveWindow): void {
    this.#window = window;
  }

  /**
   * What has changed since the last call; undefined where nothing has. With `keepsTree`, a later search is done in the same
   * tree, whose buffers must then be copied, not moved.
   */
  update({ keepsTree }: { readonly keepsTree: boolean }): AnalysisUpdate | undefined {
    const selection = selectionOf(this.#profile, this.#view);
    const range = this.#range();
    this.#order.update();
    const contents = this.#contents(selection, range);
    const made = this.#made;
    if (made?.contents === contents) {
      if (made.search.text === this.#view.search) return undefined;
      if (made.tree !== undefined) {
        const search = searchTree(made.tree, this.#functions.labels, this.#view.search);
        this.#made = { ...made, search };
        return { found: outcomeOf(search) };
      }
    }
    const result = this.#analyse(selection, range);
    const search = searchTree(result.tree, this.#functions.labels, this.#view.search, made?.search);
    this.#made = { contents, tree: keepsTree ? result.tree : undefined, search };
    return { profile: { result, labels: this.#takeLabels() }, found: outcomeOf(search) };
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

  #analyse(selection: Selection, range: TimeRange): ProfileResult {
    const profile = this.#profile;
    const { sampleType } = selection;
    const imported = isImport(profile);
    const everything = this.#weigh('all', { ...EVERYTHING, sampleType }, range);
    const weights = this.#filter(selection, everything, range);
    const tree = buildCallTree(profile, this.#functions, weights);
    const { labels } = this.#functions;
    const { header, sampleTypes } = profile;
    const heldFromNs = this.#isLive ? this.#heldFromNs : profile.startNs;
    return {
      tree,
      processes: imported ? [] : processList(profile, everything),
      functions: byName(functionList(tree, labels), labels),
      quality: quality(tree, labels),
      health: stackHealth(this.#ends, weights),
      unnamed: unnamedModules(tree, labels),
      unit:
        sampleTypes.length === 0
          ? 'nanoseconds'
          : profile.string(sampleTypes.columns.unit[sampleType]),
      startNs: Math.max(range.startNs, heldFromNs),
      endNs: Math.min(range.endNs, header?.endNs ?? 0),
      wallOffsetNs: header?.wallOffsetNs ?? 0,
      activity: this.#activityOf(sampleType, imported),
      losses: Object.fromEntries(profile.losses),
      sampleCount: profile.samples.length,
      isImport: imported,
    };
  }

  /** Says all that a result is made of, but for the search: the same text, the same result. */
  #contents({ pids, tids, containers, sampleType }: Selection, range: TimeRange): string {
    const { symbolGeneration, processes, header } = this.#profile;
    const { forgottenRows } = this.#order;
    // Samples by their place in the order of time. One that comes late moves all that follow it.
    const first = forgottenRows + this.#order.firstAt(range.startNs);
    const last = forgottenRows + this.#order.firstAt(range.endNs);
    const revisions = [symbolGeneration, processes.length, this.#lossRevision];
    // A live profile's end moves all the time; that of another says that there is more of it.
    if (!this.#isLive && header !== undefined) revisions.push(header.sequence);
    return JSON.stringify([pids, tids, containers, sampleType, first, last, revisions]);
  }

  #filter(selection: Selection, everything: StackWeights, range: TimeRange): StackWeights {
    const base =
      selection.tids.length === 0
        ? everything
        : this.#weigh('threads', { ...selection, pids: [], containers: [] }, range);
    if (selection.pids.length + selection.containers.length === 0) return base;
    return filterByProcess(this.#profile, base, selection);
  }

  #weigh(which: 'all' | 'threads', selection: Selection, range: TimeRange): StackWeights {
    const key = JSON.stringify([selection.tids, selection.sampleType]);
    let window = which === 'all' ? this.#all : this.#threads;
    if (window?.key !== key) {
      window = { key, weights: new WindowWeights(this.#order, { ...selection, range: undefined }) };
      if (which === 'all') this.#all = window;
      else this.#threads = window;
    }
    return window.weights.move(range);
  }

  #range(): TimeRange {
    if (!this.#isLive) return this.#view.range ?? ALL_TIME;
    const endNs = this.#profile.header?.endNs ?? 0;
    const startNs = this.#window === 'all' ? this.#heldFromNs : endNs - this.#window * 1e9;
    return { startNs, endNs: ALL_TIME.endNs };
  }

  #forget(): void {
    const { samples, header } = this.#profile;
    const { ringNs, samples: maxSamples } = this.#bounds;
    const endNs = header?.endNs ?? 0;
    const isTooMany = samples.length > maxSamples * (1 + FORGET_EVERY);
    if (!isTooMany && endNs - this.#forgottenAtNs < ringNs * FORGET_EVERY) return;
    this.#forgottenAtNs = endNs;
    this.#order.update();
    const oldestKept = this.#order.rowAt(Math.max(0, samples.length - maxSamples));
    const oldestNs = Math.max(
      endNs - ringNs,
      isTooMany ? samples.columns.timeNs[oldestKept] : Number.NEGATIVE_INFINITY,
    );
    if (oldestNs <= this.#heldFromNs) return;
    this.#heldFromNs = oldestNs;
    // Windows take away what leaves them while it is still there.
    for (const window of [this.#all, this.#threads]) window?.weights.move(this.#range());
    this.#order.forgetBefore(oldestNs);
    forgetLatencies(this.#profile, oldestNs);
    forgetWaitsBefore(this.#profile, oldestNs);
  }

  /** Labels that have not been handed over yet. */
  #takeLabels(): LabelUpdate {
    const { labels } = this.#functions;
    const update = { rows: labels.since(this.#sentLabels), isNewTable: this.#isNewLabelTable };
    this.#sentLabels = labels.length;
    this.#isNewLabelTable = false;
    return update;
  }

  /** A copy each time: it is moved to the page. */
  #activityOf(sampleType: number, imported: boolean): Activity {
    if (this.#isLive || imported) return { startNs: 0, bucketNs: 0, weights: new Float64Array(0) };
    if (this.#activity?.sampleType !== sampleType)
      this.#activity = { sampleType, sums: sumActivity(this.#profile, sampleType) };
    const { sums } = this.#activity;
    return { ...sums, weights: sums.weights.slice() };
  }
}

/** With a copy of the matches: the engine keeps its own for the next search. */
function outcomeOf(search: SearchResult): SearchOutcome {
  if (search.text === '') return {};
  // An expression that is not finished yet has found nothing out: all stays as bright as before.
  if (search.error !== undefined) return { searchError: search.error };
  return { search: { ...search, matches: search.matches.slice() } };
}
