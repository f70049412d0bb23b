/** What `hearth record` says at its end: what the profile holds, and how far it can be trusted. */
import { threadText, whereBlocked } from '@/profile/blocked-thread';
import { buildCallTree } from '@/profile/call-tree';
import { FunctionTable } from '@/profile/functions';
import { formatLatency, formatQuantile } from '@/profile/latency/format';
import { Histogram, QUANTILES } from '@/profile/latency/histogram';
import type { Profile } from '@/profile/profile';
import { quality, type Share } from '@/profile/quality';
import { BLOCKED_STATES, STATE_NAMES, ThreadState } from '@/profile/schema';
import { LOSS_REASONS, type OffCpuStatus } from '@/profile/status';
import { checkedDifference, threadLedger } from '@/profile/thread-ledger';
import { weighSamples } from '@/profile/weights';

export interface RecordingFacts {
  /** Length of the recording. */
  readonly seconds: number;
  readonly frequencyHz: number;
  /** Where the profile was written. */
  readonly outputName: string;
}

const SHOWN_REASONS = 5;
const SHOWN_BLOCKED = 5;

/** Lines of plain text. */
export function describeRecording(profile: Profile, facts: RecordingFacts): string[] {
  const { length } = profile.samples;
  const lostSamples = [...profile.losses]
    .filter(([reason]) => LOSS_REASONS[reason]?.unit === 'samples')
    .reduce((sum, [, count]) => sum + count, 0);
  const lines = [
    `${withCommas(length)} samples, ${withCommas(lostSamples)} lost, in ${facts.seconds.toFixed(1)} s at ` +
      `${facts.frequencyHz} Hz, written to ${facts.outputName}`,
  ];
  if (length === 0) {
    lines.push(
      'no sample was taken: what was profiled used no CPU time, or less than there is between two samples ' +
        `(${formatLatency(1e9 / facts.frequencyHz, 'nanoseconds')}), or ended before sampling began`,
    );
    return lines;
  }
  const functions = new FunctionTable(profile);
  const tree = buildCallTree(profile, functions, weighSamples(profile));
  const { whole, named, broken } = quality(tree, functions.labels);
  lines.push(`stacks that are whole: ${percent(whole)}; frames with a name: ${percent(named)}`);
  for (const { label, samples } of broken.slice(0, SHOWN_REASONS)) {
    lines.push(`  ${withCommas(samples)} samples: ${functions.labels.textOf(label)}`);
  }
  const others = broken.slice(SHOWN_REASONS).reduce((sum, { samples }) => sum + samples, 0);
  if (others > 0) lines.push(`  ${withCommas(others)} samples: other reasons`);
  lines.push(...lossLines(profile));
  return lines;
}

/** The same of what `--off-cpu` and `--wall` record. */
export function describeWaits(
  profile: Profile,
  kind: 'off-cpu' | 'wall',
  { thresholdNs, readsOpenWaits }: Pick<OffCpuStatus, 'thresholdNs' | 'readsOpenWaits'>,
  facts: RecordingFacts,
): string[] {
  const { waits, samples } = profile;
  const { weight, durationNs, waitClass } = waits.columns;
  const byState = new Map<number, { seconds: number; waits: number }>();
  for (let row = 0; row < waits.length; row++) {
    const sums = byState.get(waitClass[row]) ?? { seconds: 0, waits: 0 };
    sums.seconds += weight[row] / 1e9;
    if (durationNs[row] > 0) sums.waits += weight[row] / durationNs[row];
    byState.set(waitClass[row], sums);
  }
  const total = [...byState.values()].reduce((sum, { seconds }) => sum + seconds, 0);
  const onCpu = kind === 'wall' ? ` and ${withCommas(samples.length)} CPU samples` : '';
  const counted = (count: number): string =>
    `${withCommas(count)} ${count === 1 ? 'wait' : 'waits'}`;
  const lines = [
    `${counted(waits.length)}${onCpu} in ${facts.seconds.toFixed(1)} s, written to ${facts.outputName} in nanoseconds`,
    `waits of ${thresholdNs / 1e6} ms or more are all there, shorter ones in proportion; ` +
      (readsOpenWaits
        ? 'of those that still went on at the end the part until then'
        : 'those that still went on at the end are not (that needs Linux 6.1)'),
  ];
  const exact = countedWaits(profile);
  for (const [state, { seconds, waits: count }] of [...byState].sort(
    ([, a], [, b]) => b.seconds - a.seconds,
  )) {
    const share = total === 0 ? 0 : (seconds / total) * 100;
    lines.push(
      `  ${STATE_NAMES[state].padEnd(18)} ${seconds.toFixed(3).padStart(12)} s ${share.toFixed(1).padStart(5)}%  about ${counted(Math.round(count))}` +
        countedText(exact, STATE_NAMES[state]),
    );
  }
  if (kind === 'wall') {
    let seconds = 0;
    for (let row = 0; row < samples.length; row++) seconds += samples.columns.weight[row] / 1e9;
    lines.push(`  ${'on CPU'.padEnd(18)} ${seconds.toFixed(3).padStart(12)} s`);
  }
  lines.push(...ledgerLines(profile), ...lossLines(profile));
  return lines;
}

interface CountedWaits {
  /** Of all waits that ended, by what they were for. */
  readonly byState: ReadonlyMap<string, Histogram>;
  /** Of the intervals in which any were counted: those that are not whole in the recording are not in it. */
  readonly seconds: number;
}

function countedWaits(profile: Profile): CountedWaits {
  const { columns, length } = profile.latencies;
  const byState = new Map<string, Histogram>();
  const intervals = new Map<number, number>();
  for (let row = 0; row < length; row++) {
    if (profile.string(columns.source[row]) !== 'waits') continue;
    intervals.set(columns.timeNs[row], columns.durationNs[row]);
    const label = profile.string(columns.label[row]);
    const histogram = byState.get(label) ?? new Histogram();
    histogram.add(columns.bucket[row], columns.count[row], columns.sum[row]);
    byState.set(label, histogram);
  }
  const ns = [...intervals.values()].reduce((sum, length) => sum + length, 0);
  return { byState, seconds: ns / 1e9 };
}

/** '; in the 4.3 s in which any were counted exactly 423 ended, p50 1.06 ms, p99 20.3 ms' */
function countedText({ byState, seconds }: CountedWaits, state: string): string {
  const histogram = byState.get(state);
  if (histogram === undefined) return '';
  const quantiles = QUANTILES.filter(({ name }) => name === 'p50' || name === 'p99').map(
    ({ name, q }) => `${name} ${formatQuantile(histogram.quantile(q), 'nanoseconds')}`,
  );
  return `; in the ${seconds.toFixed(1)} s in which any were counted exactly ${withCommas(histogram.count)} ended, ${quantiles.join(', ')}`;
}

/** Who waits still. */
export function describeBlocked({ blocked, blockedThreads }: OffCpuStatus): string[] {
  if (blockedThreads === 0) return [];
  const shown = blocked.slice(0, SHOWN_BLOCKED);
  const lines = shown.map((thread) => {
    const { waitClass, forMs } = thread;
    const where = whereBlocked(thread);
    return (
      `  ${threadText(thread)}: ${STATE_NAMES[waitClass]} for ${(forMs / 1000).toFixed(1)} s` +
      (where === undefined ? '' : `, in ${where}`)
    );
  });
  const others = blockedThreads - shown.length;
  if (others > 0) lines.push(`  and ${withCommas(others)} more`);
  const threads = blockedThreads === 1 ? 'thread has' : 'threads have';
  return [`${withCommas(blockedThreads)} ${threads} been waiting for over a second:`, ...lines];
}

/** The exact sums of threads, beside which the estimates stand. */
function ledgerLines(profile: Profile): string[] {
  const ledger = threadLedger(profile, {
    startNs: profile.startNs,
    endNs: profile.header?.endNs ?? Number.POSITIVE_INFINITY,
  });
  if (ledger.length === 0) return [];
  const sum = (...states: readonly number[]): string =>
    (
      ledger.reduce((all, { ns }) => all + states.reduce((part, s) => part + ns[s], 0), 0) / 1e9
    ).toFixed(3);
  const { Running, Runnable, Throttled, Waking } = ThreadState;
  const most = (percents: readonly number[]): number =>
    percents.reduce((worst, percent) => Math.max(worst, Math.abs(percent)), 0);
  const worst = most(ledger.map(({ residualPercent }) => residualPercent));
  const differences = ledger
    .map(({ schedulerDifference, startNs, endNs }) =>
      checkedDifference(schedulerDifference, endNs - startNs),
    )
    .filter((difference) => !Number.isNaN(difference));
  const checked =
    differences.length === 0
      ? ''
      : `, nor, where it was there for 0.1 s, from the scheduler's own account by more than ${most(differences).toFixed(2)}%`;
  return [
    `exactly, over ${withCommas(ledger.length)} ${ledger.length === 1 ? 'thread' : 'threads'}: ${sum(Running)} s on CPU, ${sum(Runnable, Throttled, Waking)} s waiting for one, ` +
      `${sum(...BLOCKED_STATES)} s blocked; no thread's time is off by more than ${worst.toFixed(2)}%${checked}`,
  ];
}

function lossLines(profile: Profile): string[] {
  return [...profile.losses]
    .filter(([, count]) => count > 0)
    .map(
      ([reason, count]) => `  lost ${withCommas(count)}: ${LOSS_REASONS[reason]?.text ?? reason}`,
    );
}

function percent({ share }: Share): string {
  return share === undefined ? 'none to measure' : `${(share * 100).toFixed(1)}%`;
}

function withCommas(count: number): string {
  return count.toLocaleString('en-US');
}
