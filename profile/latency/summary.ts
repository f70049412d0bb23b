/** Histograms by label and process, gathered from what collectors report each second. */
import { Histogram } from './histogram';
import { type EventSums, type LatencyUnit, unitOf } from './sources';

export interface LabelSummary {
  readonly label: string;
  readonly unit: LatencyUnit;
  readonly histogram: Histogram;
  /** By process, whatever a process is to the caller. */
  readonly processes: ReadonlyMap<number, EventSums>;
}

export class LatencySummary {
  readonly #labels = new Map<
    string,
    { readonly histogram: Histogram; readonly processes: Map<number, EventSums> }
  >();

  add(label: string, process: number, bucket: number, count: number, sum: number): void {
    let entry = this.#labels.get(label);
    if (entry === undefined) {
      entry = { histogram: new Histogram(), processes: new Map() };
      this.#labels.set(label, entry);
    }
    entry.histogram.add(bucket, count, sum);
    const before = entry.processes.get(process) ?? { count: 0, sum: 0 };
    entry.processes.set(process, { count: before.count + count, sum: before.sum + sum });
  }

  /** Those with most events first. */
  labels(): LabelSummary[] {
    return [...this.#labels]
      .map(([label, entry]) => ({ label, unit: unitOf(label), ...entry }))
      .sort((a, b) => b.histogram.count - a.histogram.count || (a.label < b.label ? -1 : 1));
  }
}
