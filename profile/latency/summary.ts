/** Histograms by label, of everybody or of each owner, gathered from what collectors report each second. */
import { Histogram } from './histogram';
import { type EventSums, type LatencyUnit, unitOf } from './sources';

/** Whose events they are: a process (its pid) or whatever has a name; '' for everybody's together. */
export type LatencyOwner = number | string;

export interface LabelSummary {
  readonly owner: LatencyOwner;
  readonly label: string;
  readonly unit: LatencyUnit;
  readonly histogram: Histogram;
  /** By pid. */
  readonly processes: ReadonlyMap<number, EventSums>;
}

interface Sums extends LabelSummary {
  readonly processes: Map<number, EventSums>;
}

export class LatencySummary {
  readonly #owners = new Map<LatencyOwner, Map<string, Sums>>();

  add(
    owner: LatencyOwner,
    label: string,
    pid: number,
    { bucket, count, sum }: EventSums & { readonly bucket: number },
  ): void {
    const { histogram, processes } = this.#sums(owner, label);
    histogram.add(bucket, count, sum);
    addTo(processes, pid, { count, sum });
  }

  /** From now on what was `from`'s is `to`'s: there are no more owners than somebody can look at. */
  fold(from: LatencyOwner, to: LatencyOwner): void {
    const labels = this.#owners.get(from);
    if (labels === undefined || from === to) return;
    this.#owners.delete(from);
    for (const [label, { histogram, processes }] of labels) {
      const sums = this.#sums(to, label);
      sums.histogram.merge(histogram);
      for (const [pid, events] of processes) addTo(sums.processes, pid, events);
    }
  }

  /** All that have something. */
  owners(): Iterable<LatencyOwner> {
    return this.#owners.keys();
  }

  /** Those with most events first. */
  labels(): LabelSummary[] {
    const all: LabelSummary[] = [...this.#owners.values()].flatMap((own) => [...own.values()]);
    return all.sort(
      (a, b) => b.histogram.count - a.histogram.count || (a.label < b.label ? -1 : 1),
    );
  }

  #sums(owner: LatencyOwner, label: string): Sums {
    let labels = this.#owners.get(owner);
    if (labels === undefined) {
      labels = new Map();
      this.#owners.set(owner, labels);
    }
    let sums = labels.get(label);
    if (sums === undefined) {
      const [histogram, processes] = [new Histogram(), new Map()];
      sums = { owner, label, unit: unitOf(label), histogram, processes };
      labels.set(label, sums);
    }
    return sums;
  }
}

function addTo(processes: Map<number, EventSums>, pid: number, { count, sum }: EventSums): void {
  const before = processes.get(pid) ?? { count: 0, sum: 0 };
  processes.set(pid, { count: before.count + count, sum: before.sum + sum });
}
