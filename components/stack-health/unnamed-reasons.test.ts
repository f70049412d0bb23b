import { expect, it } from 'vitest';
import { LabelKind } from '@/profile/labels';
import { whyUnnamed } from './unnamed-reasons';

const row = (module: string, kind: LabelKind) => ({ module, kind, unnamed: 1, frames: 2 });
const REASONS = [
  { module: '/usr/lib/libz.so.1', frames: 3, reason: 'it is stripped' },
  { module: '[kernel]', frames: 1, reason: 'kallsyms is hidden' },
  { module: '[anon:77]', frames: 9, reason: 'there is no /tmp/perf-77.map' },
];

it('says what the agent says of the module, and else what is likely', () => {
  expect(whyUnnamed(row('libz.so.1', LabelKind.Native), REASONS)).toBe('it is stripped');
  expect(whyUnnamed(row('kernel', LabelKind.Kernel), REASONS)).toBe('kallsyms is hidden');
  expect(whyUnnamed(row('[jit]', LabelKind.Jit), REASONS)).toBe('there is no /tmp/perf-77.map');
  expect(whyUnnamed(row('libm.so.6', LabelKind.Native), REASONS)).toContain('debug symbols');
});
