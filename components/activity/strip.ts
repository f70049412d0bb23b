/** Geometry of the time strip: from buckets to a path, from pixels to times and back. */
import type { SamplingRates } from '@/profile/profile';
import type { TimeRange } from '@/profile/view';

/** Times are nanoseconds on the profile's clock. */
export interface Activity {
  readonly startNs: number;
  readonly bucketNs: number;
  readonly weights: Float64Array;
}

export function activityEndNs({ startNs, bucketNs, weights }: Activity): number {
  return startNs + bucketNs * weights.length;
}

/** Narrower columns would be noise: fewer are enough for a recording that is long. */
const MIN_COLUMN_NS = 200e6;
const MIN_COLUMNS = 60;
const MAX_COLUMNS = 800;
/** A column holds a sample more or less by chance, on each CPU: of so many that is a tenth of its height. */
const PERIODS_PER_COLUMN = 10;

/** How many columns a strip has, so that they show how busy the CPUs were and not how single samples fall. */
export function columnCount(
  activity: Activity,
  rates: readonly Pick<SamplingRates, 'frequencyHz'>[],
): number {
  const lengthNs = activityEndNs(activity) - activity.startNs;
  const wanted = Math.min(MAX_COLUMNS, Math.max(MIN_COLUMNS, lengthNs / MIN_COLUMN_NS));
  const known = rates.map(({ frequencyHz }) => frequencyHz).filter((hz) => hz > 0);
  const periods = (lengthNs / 1e9) * Math.min(...known);
  return Math.max(1, Math.round(Math.min(wanted, periods / PERIODS_PER_COLUMN)));
}

/** At most `columns` values: the means of equal runs of buckets, so that the strip's area stays true. */
export function columnMeans(weights: Float64Array, columns: number): Float64Array {
  if (weights.length <= columns) return weights;
  const means = new Float64Array(columns);
  for (let column = 0; column < columns; column++) {
    const from = Math.floor((column * weights.length) / columns);
    const to = Math.floor(((column + 1) * weights.length) / columns);
    let sum = 0;
    for (let i = from; i < to; i++) sum += weights[i];
    means[column] = sum / (to - from);
  }
  return means;
}

/** A step line around the area below `values`, as an SVG path in a box of values.length by 1. */
export function areaPath(values: Float64Array, max: number): string {
  if (values.length === 0 || !(max > 0)) return '';
  let path = 'M0 1';
  for (let i = 0; i < values.length; i++) {
    path += `V${(1 - values[i] / max).toFixed(4)}H${i + 1}`;
  }
  return `${path}V1Z`;
}

/** The range between two places of the strip (0..1, in any order), within it. */
export function rangeBetween(activity: Activity, a: number, b: number): TimeRange {
  const [from, to] = a < b ? [a, b] : [b, a];
  const lengthNs = activity.bucketNs * activity.weights.length;
  const startNs = Math.round(activity.startNs + clamp(from) * lengthNs);
  return {
    startNs,
    endNs: Math.max(startNs + 1, Math.round(activity.startNs + clamp(to) * lengthNs)),
  };
}

/** Where a time is in the strip, 0..1. */
export function placeOf(activity: Activity, timeNs: number): number {
  const lengthNs = activity.bucketNs * activity.weights.length;
  return lengthNs === 0 ? 0 : clamp((timeNs - activity.startNs) / lengthNs);
}

/** Steps between ticks that people count time in, in seconds, from a second up. */
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200];

/** Round times from 0 to `seconds`, at most `count` and one. */
export function timeTicks(seconds: number, count: number): number[] {
  if (!(seconds > 0)) return [0];
  const step = timeStep(seconds / count);
  const ticks: number[] = [];
  for (let i = 0; i * step <= seconds * (1 + 1e-9); i++) {
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return ticks;
}

/** The smallest round step that is not below `atLeast`: of time from a second up, else 1, 2 or 5 times a power of ten. */
function timeStep(atLeast: number): number {
  if (atLeast > 0.5) {
    const days = 86400 * Math.ceil(atLeast / 86400);
    return TIME_STEPS.find((step) => step >= atLeast) ?? days;
  }
  const power = 10 ** Math.floor(Math.log10(atLeast));
  return power * ([1, 2, 5].find((factor) => factor * power >= atLeast) ?? 10);
}

function clamp(place: number): number {
  return Math.min(1, Math.max(0, place));
}
