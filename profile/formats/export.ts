/** Writes recorded profiles: the one place that knows which samples and weights the files of each mode have. */
import { DerivedProfile } from '../derived-profile';
import { partOf } from '../part';
import type { Profile } from '../profile';
import { DEFAULT_VIEW } from '../view';
import { ALL_WAITS } from '../waits';
import { EVERYTHING } from '../weights';
import { writeCollapsed } from './collapsed';
import type { ExportFormat, ExportMode, ExportScope } from './formats';
import { writePprof } from './pprof';

/**
 * What is in the scope of a recorded profile: as lines of collapsed stacks, which count samples of CPU time, and nanoseconds of all
 * else; or as pprof's protocol buffer, not yet gzipped.
 */
export function writeProfile(
  recorded: Profile,
  mode: ExportMode,
  format: ExportFormat,
  scope: ExportScope = DEFAULT_VIEW,
): Iterable<string | Uint8Array<ArrayBuffer>> {
  const profile = profileIn(recorded, mode, scope);
  switch (format) {
    case 'collapsed':
      return writeCollapsed(profile, EVERYTHING, mode === 'cpu' ? 'samples' : 'sampleType');
    case 'pprof':
      return [writePprof(profile)];
  }
}

function profileIn(recorded: Profile, mode: ExportMode, scope: ExportScope): Profile {
  const { pids, tids, containers, range } = scope;
  const derived =
    mode === 'cpu'
      ? undefined
      : new DerivedProfile(recorded, mode, ALL_WAITS, { waits: scope.waits });
  const profile = derived?.profile ?? recorded;
  if (pids.length + tids.length + containers.length === 0 && range === undefined) return profile;
  return partOf(profile, scope, derived?.spans);
}
