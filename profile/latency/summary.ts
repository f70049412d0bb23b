/** Histograms by label and process, gathered from what collectors report each second. */
import { Histogram } from './histogram';
import { type LatencyUnit, unitOf } from './sources';

export interface LabelSummary {
  readonly label: string;
  readonly unit: LatencyUnit;
  readonly histogram: Histogram;
  /** Events by process, whatever a process is to the caller. */
  readonly processes: ReadonlyMap<number, number>;
}

export class LatencySummary {
  readonly #labels = new Map<
    string,
    { readonly histogram: Histogram; readonly processes: Map<number, number> }
  >();

  add(label: string, process: number, bucket: number, count: number, sum: number): void {
    let entry = this.#labels.get(label);
    if (entry === undefined) {
      entry = { histogram: new Histogram(), processes: new Map() };
      this.#labels.set(label, entry);
    }
    entry.histogram.add(bucket, count, sum);
    entry.processes.set(process, (entry.processes.get(process) ?? 0) + count);
  }

  /** Those with most events first. */
  labels(): LabelSummary[] {
    return [...this.#labels]
      .map(([label, entry]) => ({ label, unit: unitOf(label), ...entry }))
      .sort((a, b) => b.histogram.count - a.histogram.count || (a.label < b.label ? -1 : 1));
  }
}
