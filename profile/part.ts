/** A part of a profile as a profile of its own. */
import { ProfileBuilder } from './builder';
import { Merger } from './merge';
import type { Profile } from './profile';
import { partWithin, type SampleSpans } from './sample-spans';
import { ALL_TIME, type Selection, threadFilter } from './weights';

/**
 * The samples that a selection names, of all types. `spans`: of samples that have a length: it has the part of each that is in the
 * range, in weight, too. What was lost is that of the whole, for it is not known of whom and when.
 */
export function partOf(
  source: Profile,
  selection: Omit<Selection, 'sampleType'>,
  spans?: SampleSpans,
): Profile {
  const builder = new ProfileBuilder();
  const merger = new Merger(builder, source);
  const passes = threadFilter(source, selection);
  const { range = ALL_TIME } = selection;
  const { columns, length } = source.samples;
  const types = sampleTypesIn(builder, source);
  for (let row = 0; row < length; row++) {
    const timeNs = columns.timeNs[row];
    const part = partWithin(timeNs, spans?.at(row) ?? 0, range);
    if (part === 0 || !passes(columns.thread[row])) continue;
    builder.sample({
      timeNs,
      weight: part === 1 ? columns.weight[row] : Math.round(columns.weight[row] * part),
      thread: merger.thread(columns.thread[row]),
      stack: merger.stack(columns.stack[row]),
      sampleType: types[columns.sampleType[row]],
      cpu: columns.cpu[row],
    });
  }
  const { profile } = builder;
  const { header } = source;
  profile.header = header && { ...header, endNs: Math.min(header.endNs, range.endNs) };
  profile.startNs = Math.max(source.startNs, range.startNs);
  for (const [reason, count] of source.losses) profile.losses.set(reason, count);
  return profile;
}

/** By the source's sample types, those of the builder. */
function sampleTypesIn(builder: ProfileBuilder, source: Profile): number[] {
  const { columns, length } = source.sampleTypes;
  return Array.from({ length }, (_, type) =>
    builder.sampleType(source.string(columns.name[type]), source.string(columns.unit[type])),
  );
}
