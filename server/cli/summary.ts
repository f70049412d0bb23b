/** What `hearth record` says at its end: what the profile holds, and how far it can be trusted. */
import { buildCallTree } from '@/profile/call-tree';
import { FunctionTable } from '@/profile/functions';
import type { Profile } from '@/profile/profile';
import { quality, type Share } from '@/profile/quality';
import { LOSS_REASONS } from '@/profile/status';
import { weighSamples } from '@/profile/weights';

export interface RecordingFacts {
  /** Length of the recording. */
  readonly seconds: number;
  readonly frequencyHz: number;
  /** Where the profile was written. */
  readonly outputName: string;
}

const SHOWN_REASONS = 5;

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
    lines.push('no sample was taken: what was profiled used no CPU time');
    return lines;
  }
  const functions = new FunctionTable(profile);
  const tree = buildCallTree(profile, functions, weighSamples(profile));
  const { whole, named, broken } = quality(tree, functions.labels);
  lines.push(`stacks that are whole: ${percent(whole)}; frames with a name: ${percent(named)}`);
  for (const { label, samples } of broken.slice(0, SHOWN_REASONS)) {
    lines.push(`  ${withCommas(samples)} samples: ${functions.labels.text[label]}`);
  }
  const others = broken.slice(SHOWN_REASONS).reduce((sum, { samples }) => sum + samples, 0);
  if (others > 0) lines.push(`  ${withCommas(others)} samples: other reasons`);
  for (const [reason, count] of profile.losses) {
    if (count > 0)
      lines.push(`  lost ${withCommas(count)}: ${LOSS_REASONS[reason]?.text ?? reason}`);
  }
  return lines;
}

function percent({ share }: Share): string {
  return share === undefined ? 'none to measure' : `${(share * 100).toFixed(1)}%`;
}

function withCommas(count: number): string {
  return count.toLocaleString('en-US');
}
