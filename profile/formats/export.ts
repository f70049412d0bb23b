/** Writes recorded profiles: the one place that knows which samples and weights the files of each mode have. */
import { derivedProfile } from '../derived-profile';
import type { Profile } from '../profile';
import { EVERYTHING } from '../weights';
import { writeCollapsed } from './collapsed';
import type { ExportFormat, ExportMode } from './formats';
import { writePprof } from './pprof';

/**
 * All of a recorded profile: as lines of collapsed stacks, which count samples of CPU time, and nanoseconds of all else; or as
 * pprof's protocol buffer, not yet gzipped.
 */
export function writeProfile(
  recorded: Profile,
  mode: ExportMode,
  format: ExportFormat,
): Iterable<string | Uint8Array<ArrayBuffer>> {
  const profile = mode === 'cpu' ? recorded : derivedProfile(recorded, mode);
  switch (format) {
    case 'collapsed':
      return writeCollapsed(profile, EVERYTHING, mode === 'cpu' ? 'samples' : 'sampleType');
    case 'pprof':
      return [writePprof(profile)];
  }
}
