/** What a page shows of the samples of one profile, in a window or a range of time; computed anew only where it has changed. */
import { buildCallTree, type CallTree } from '@/profile/call-tree';
import { findNode } from '@/profile/call-tree-path';
import { functionList } from '@/profile/function-list';
import { FunctionTable } from '@/profile/functions';
import { isImport } from '@/profile/names';
import { processList } from '@/profile/process-list';
import type { Profile } from '@/profile/profile';
import { quality } from '@/profile/quality';
import { SampleOrder } from '@/profile/sample-order';
import type { SampleSpans } from '@/profile/sample-spans';
import { type SearchResult, searchTree } from '@/profile/search';
import { StackEnds, stackHealth } from '@/profile/stack-health';
import { unnamedModules } from '@/profile/unnamed-code';
import type { ProfileMode, TimeRange, View, WaitFilter } from '@/profile/view';
import { summarizeWaits, type WaitSummary } from '@/profile/wait-summary';
import { weightVariance } from '@/profile/wait-variance';
import { forgetWaitsBefore, selectedWaits } from '@/profile/waits';
import {
  EVERYTHING,
  filterByProcess,
  type Selection,
  type StackWeights,
  selectionOf,
} from '@/profile/weights';
import { WindowWeights } from '@/profile/window-weights';
import { liveGrid, sumActivity, wholeGrid } from './activity-sums';
import type {
  Activity,
  AnalysisUpdate,
  LabelUpdate,
  ProfileResult,
  SearchOutcome,
} from './analysis';
import { byName } from './functions-by-name';

/** A window over the samples that one selection lets through. */
interface Window {
  readonly key: string;
  readonly weights: WindowWeights;
}

/** What the last tree was made of, for knowing whether the next one would be the same. */
interface Made {
  readonly contents: string;
  /** undefined until something is searched for in it: the page has the one that it was made as. */
  readonly tree?: CallTree;
  readonly search: SearchResult;
}

/** What is looked at. */
export interface Scope {
  readonly view: View;
  /** Path of the frame that is selected, as `pathOf` gives it. */
  readonly selected: readonly string[] | undefined;
  readonly range: TimeRange;
  readonly isLive: boolean;
  /** Samples before this are not held. */
  readonly heldFromNs: number;
  /** Counts up when losses were reported. */
  readonly lossRevision: number;
  /** Whether there are waits to show in other modes. */
  readonly hasWaits: boolean;
}

export class StackView {
  readonly mode: ProfileMode;
  readonly order: SampleOrder;
  readonly #profile: Profile;
  readonly #functions: FunctionTable;
  readonly #ends: StackEnds;
  /** Without and with the view's thread filter. */
  #all: Window | undefined;
  #threads: Window | undefined;
  #made: Made | undefined;
  #activity: { readonly key: string; readonly sums: Activity } | undefined;
  #sentLabels = 0;
  #isNewLabelTable = true;

  /** `spans`: of the profile's samples, where they have a length. */
  constructor(profile: Profile, mode: ProfileMode, spans?: SampleSpans) {
    this.mode = mode;
    this.#profile = profile;
    this.order = new SampleOrder(profile, spans);
    this.#functions = new FunctionTable(profile);
    this.#ends = new StackEnds(profile);
  }

  /** The page has shown something else since: it needs everything. */
  sendAgain(): void {
    this.#made = undefined;
    this.#sentLabels = 0;
    this.#isNewLabelTable = true;
  }

  /** Drops samples before `timeNs`; windows, which are at `range` now, take away what leaves them while it is there. */
  forgetBefore(timeNs: number, range: TimeRange): void {
    for (const window of [this.#all, this.#threads]) window?.weights.move(range);
    this.order.forgetBefore(timeNs);
    forgetWaitsBefore(this.#profile, timeNs);
  }

  /** Gives back the room for more, of the profile, too. */
  trim(): void {
    this.#profile.trim();
    this.#functions.trim();
    this.#ends.trim();
    for (const window of [this.#all, this.#threads]) window?.weights.trim();
  }

  /** As AnalysisEngine.update. */
  update(scope: Scope): AnalysisUpdate | undefined {
    const { view } = scope;
    const selection = selectionOf(this.#profile, view);
    this.order.update();
    const contents = this.#contents(selection, scope);
    const made = this.#made;
    if (made?.contents === contents) {
      if (made.search.text === view.search) return undefined;
      // The next tree of a live profile is another; that of a whole one is searched while somebody types.
      if (!scope.isLive) {
        const tree = made.tree ?? this.#tree(selection, scope.range);
        const search = searchTree(tree, this.#functions.labels, view.search);
        this.#made = { contents, tree, search };
        return { found: outcomeOf(search) };
      }
    }
    const result = this.#analyse(selection, scope);
    const search = searchTree(result.tree, this.#functions.labels, view.search, made?.search);
    this.#made = { contents, search };
    return { profile: { result, labels: this.#takeLabels() }, found: outcomeOf(search) };
  }

  #tree(selection: Selection, range: TimeRange): CallTree {
    const everything = this.#weigh(
      'all',
      { ...EVERYTHING, sampleType: selection.sampleType },
      range,
    );
    const weights = this.#filter(selection, everything, range);
    return buildCallTree(this.#profile, this.#functions, weights);
  }

  #analyse(selection: Selection, scope: Scope): ProfileResult {
    const { range, heldFromNs } = scope;
    const profile = this.#profile;
    const { sampleType } = selection;
    const imported = isImport(profile);
    const everything = this.#weigh('all', { ...EVERYTHING, sampleType }, range);
    const weights = this.#filter(selection, everything, range);
    const tree = buildCallTree(profile, this.#functions, weights);
    const { labels } = this.#functions;
    const { header, sampleTypes } = profile;
    return {
      mode: this.mode,
      hasWaits: scope.hasWaits,
      hasOpenWaits: header?.hasOpenWaits === true,
      tree,
      waits: this.#waits(tree, selection, scope),
      variance:
        this.mode === 'cpu'
          ? undefined
          : weightVariance(
              profile,
              this.#functions,
              {
                ...selection,
                range,
                waitClasses: waitsShown(scope.view)?.states ?? [],
                lengths: waitsShown(scope.view),
              },
              weights,
              this.order.spans !== undefined,
            ),
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
      activity: imported ? NO_ACTIVITY() : this.#activityOf(selection, scope),
      rates: profile.rates,
      losses: Object.fromEntries(profile.losses),
      sampleCount: profile.samples.length,
      isImport: imported,
      skippedLines: profile.skippedLines,
    };
  }

  /** How long the waits of what is selected were, or of what is zoomed into where that is not in the tree. */
  #waits(tree: CallTree, selection: Selection, scope: Scope): WaitSummary | undefined {
    // The events of a latency source are told of by its histogram.
    if (this.mode === 'cpu' || this.mode === 'latency') return undefined;
    const { view, range, selected = view.zoom } = scope;
    const { labels } = this.#functions;
    const path: number[] = [];
    const node = findNode(tree, labels, selected);
    const isThere = tree.depth[node] === selected.length;
    for (
      let at = isThere ? node : findNode(tree, labels, view.zoom);
      at !== 0;
      at = tree.parent[at]
    )
      path.unshift(tree.label[at]);
    return summarizeWaits(this.#profile, this.#functions, { ...selection, range }, path);
  }

  /** Says all that a result is made of, but for the search: the same text, the same result. */
  #contents(
    { pids, tids, containers, sampleType }: Selection,
    { view, selected, range, isLive, lossRevision, hasWaits }: Scope,
  ): string {
    const { symbolGeneration, processes, header } = this.#profile;
    const { forgottenRows } = this.order;
    // Samples by their place in the order of time. One that comes late moves all that follow it.
    const first = forgottenRows + this.order.firstAt(range.startNs);
    const last = forgottenRows + this.order.firstAt(range.endNs);
    const revisions = [symbolGeneration, processes.length, lossRevision, hasWaits];
    // A live profile's end moves all the time; that of another says that there is more of it.
    if (!isLive && header !== undefined) revisions.push(header.sequence);
    // What has a length may be in it in part.
    if (this.order.spans !== undefined) revisions.push(range.startNs, range.endNs);
    const shown = this.mode === 'cpu' || this.mode === 'latency' ? [] : [view.zoom, selected];
    return JSON.stringify([pids, tids, containers, sampleType, first, last, revisions, shown]);
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
      window = { key, weights: new WindowWeights(this.order, { ...selection, range: undefined }) };
      if (which === 'all') this.#all = window;
      else this.#threads = window;
    }
    return window.weights.move(range);
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
  #activityOf(selection: Selection, { view, isLive, heldFromNs }: Scope): Activity {
    const { header } = this.#profile;
    const grid = isLive ? liveGrid(heldFromNs, header?.endNs ?? 0) : wholeGrid(this.#profile);
    const filter = waitsShown(view);
    // Whatever range is selected: it is selected here.
    const shown = { ...selection, range: undefined };
    const key = JSON.stringify([shown, grid, isLive || header?.sequence, filter]);
    if (this.#activity?.key !== key) {
      const waits =
        this.mode === 'cpu'
          ? undefined
          : selectedWaits(this.#profile, {
              ...shown,
              waitClasses: filter?.states ?? [],
              lengths: filter,
            });
      this.#activity = {
        key,
        sums: sumActivity(this.#profile, shown, grid, isLive, waits),
      };
    }
    const { sums } = this.#activity;
    return { ...sums, weights: sums.weights.slice() };
  }
}

const NO_ACTIVITY = (): Activity => ({ startNs: 0, bucketNs: 0, weights: new Float64Array(0) });

/** Of the derived profile's waits; those of mode 'latency' are its events, and have been chosen. */
const waitsShown = ({ mode, waits }: View): WaitFilter | undefined =>
  mode === 'latency' ? undefined : waits;

/** With a copy of the matches: the view keeps its own for the next search. */
function outcomeOf(search: SearchResult): SearchOutcome {
  if (search.text === '') return {};
  // An expression that is not finished yet has found nothing out: all stays as bright as before.
  if (search.error !== undefined) return { searchError: search.error };
  return { search: { ...search, matches: search.matches.slice() } };
}
