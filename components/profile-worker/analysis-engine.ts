/**
 * Holds a profile, live or whole, and computes what the page shows of it. It runs in the worker, but knows nothing of
 * messages, so that it can be tested without one.
 */
import { buildCallTree } from '@/profile/call-tree';
import { applyChunk, decodeChunk, splitChunks } from '@/profile/chunk';
import { functionList } from '@/profile/function-list';
import { FunctionTable } from '@/profile/functions';
import { isImport } from '@/profile/names';
import { processList } from '@/profile/process-list';
import { Profile } from '@/profile/profile';
import { quality } from '@/profile/quality';
import { SampleOrder } from '@/profile/sample-order';
import { type SearchResult, searchTree } from '@/profile/search';
import { DEFAULT_VIEW, type TimeRange, type View } from '@/profile/view';
import {
  ALL_TIME,
  EVERYTHING,
  filterByProcess,
  type Selection,
  type StackWeights,
  selectionOf,
} from '@/profile/weights';
import { WindowWeights } from '@/profile/window-weights';
import type { Activity, AnalysisResult, LabelUpdate, LiveWindow } from './analysis';

/** As much as the server's ring holds: a tab that is open for days stays as it is. */
const RING_NS = 600e9;
const RING_SAMPLES = 1_000_000;
/** Forgetting copies the samples that stay: not for every chunk. */
const FORGET_EVERY_NS = 20e9;
/** Tables only grow; beyond this a fresh snapshot is smaller. */
const MAX_STACKS = 400_000;
const ACTIVITY_BUCKETS = 400;
/** A new one each time: it is moved to the page. */
const noActivity = (): Activity => ({ startNs: 0, bucketNs: 0, weights: new Float64Array(0) });

/** A window over the samples that one selection lets through. */
interface Window {
  readonly key: string;
  readonly weights: WindowWeights;
}

export class AnalysisEngine {
  #profile = new Profile();
  #order = new SampleOrder(this.#profile);
  #functions = new FunctionTable(this.#profile);
  #isLive = false;
  #view: View = DEFAULT_VIEW;
  #window: LiveWindow = 15;
  /** Without and with the view's thread filter. */
  #all: Window | undefined;
  #threads: Window | undefined;
  #search: SearchResult | undefined;
  #activity: Activity | undefined;
  #forgottenAtNs = 0;
  #sentLabels = 0;
  #isNewLabelTable = true;

  /** Starts over with an empty profile. */
  reset(isLive: boolean): void {
    this.#replace(new Profile());
    this.#isLive = isLive;
  }

  /** Starts over with a profile as it is. */
  #replace(profile: Profile): void {
    this.#profile = profile;
    this.#order = new SampleOrder(profile);
    this.#functions = new FunctionTable(profile);
    this.#all = undefined;
    this.#threads = undefined;
    this.#search = undefined;
    this.#activity = undefined;
    this.#forgottenAtNs = 0;
    this.#sentLabels = 0;
    this.#isNewLabelTable = true;
  }

  open(profile: Profile): void {
    this.#replace(profile);
    this.#isLive = false;
  }

  /** Appends chunks that follow one another. Throws ChunkFormatError. */
  append(bytes: Uint8Array): void {
    for (const chunk of splitChunks(bytes)) applyChunk(this.#profile, decodeChunk(chunk));
    this.#activity = undefined;
    if (this.#isLive) this.#bound();
  }

  /** The tables have grown far beyond what the samples need. */
  get needsSnapshot(): boolean {
    return this.#isLive && this.#profile.stacks.length > MAX_STACKS;
  }

  setView(view: View): void {
    this.#view = view;
  }

  setWindow(window: LiveWindow): void {
    this.#window = window;
  }

  /** Labels that the page has not been sent. */
  takeLabels(): LabelUpdate {
    const { labels } = this.#functions;
    const update = { rows: labels.since(this.#sentLabels), isNewTable: this.#isNewLabelTable };
    this.#sentLabels = labels.length;
    this.#isNewLabelTable = false;
    return update;
  }

  /** undefined while there is nothing to show. */
  analyse(): AnalysisResult | undefined {
    const profile = this.#profile;
    const imported = isImport(profile);
    if (profile.header === undefined && !imported) return undefined;
    const selection = selectionOf(profile, this.#view);
    const range = this.#range();
    this.#order.update();
    const everything = this.#weigh(
      'all',
      { ...EVERYTHING, sampleType: selection.sampleType },
      range,
    );
    const tree = buildCallTree(
      profile,
      this.#functions,
      this.#filter(selection, everything, range),
    );
    const { labels } = this.#functions;
    this.#search = searchTree(tree, labels, this.#view.search, this.#search);
    const { units, header } = { units: profile.sampleTypes.columns.unit, header: profile.header };
    return {
      tree,
      processes: imported ? [] : processList(profile, everything),
      functions: functionList(tree, labels),
      quality: quality(tree, labels),
      ...(this.#view.search === ''
        ? {}
        : { search: { ...this.#search, matches: this.#search.matches.slice() } }),
      ...(this.#search.error === undefined ? {} : { searchError: this.#search.error }),
      unit:
        profile.sampleTypes.length === 0
          ? 'nanoseconds'
          : profile.string(units[selection.sampleType]),
      startNs: Math.max(range.startNs, this.#firstNs()),
      endNs: Math.min(range.endNs, header?.endNs ?? 0),
      wallOffsetNs: header?.wallOffsetNs ?? 0,
      activity: this.#activityOf(imported),
      losses: Object.fromEntries(profile.losses),
      sampleCount: profile.samples.length,
      isImport: imported,
    };
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
    if (this.#window === 'all') return ALL_TIME;
    return { startNs: endNs - this.#window * 1e9, endNs: ALL_TIME.endNs };
  }

  #firstNs(): number {
    return this.#profile.startNs;
  }

  #bound(): void {
    const { samples, header } = this.#profile;
    const endNs = header?.endNs ?? 0;
    const tooMany = samples.length > RING_SAMPLES * 1.2;
    if (!tooMany && endNs - this.#forgottenAtNs < FORGET_EVERY_NS) return;
    this.#forgottenAtNs = endNs;
    const oldestNs = tooMany
      ? samples.columns.timeNs[samples.length - RING_SAMPLES]
      : endNs - RING_NS;
    if (oldestNs <= this.#profile.startNs) return;
    this.#order.forgetBefore(oldestNs);
    this.#profile.startNs = oldestNs;
  }

  /** Weight over time of everything that is loaded. */
  #activityOf(imported: boolean): Activity {
    if (this.#isLive || imported) return noActivity();
    this.#activity ??= this.#sumActivity();
    return { ...this.#activity, weights: this.#activity.weights.slice() };
  }

  #sumActivity(): Activity {
    const { samples, header, startNs } = this.#profile;
    const length = Math.max(1, (header?.endNs ?? 0) - startNs);
    const bucketNs = length / ACTIVITY_BUCKETS;
    const weights = new Float64Array(ACTIVITY_BUCKETS);
    const { timeNs, weight } = samples.columns;
    for (let row = 0; row < samples.length; row++) {
      const bucket = Math.floor((timeNs[row] - startNs) / bucketNs);
      weights[Math.min(ACTIVITY_BUCKETS - 1, Math.max(0, bucket))] += weight[row];
    }
    return { startNs, bucketNs, weights };
  }
}
