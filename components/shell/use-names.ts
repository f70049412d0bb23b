'use client';

import { useMemo } from 'react';
import type { LabelIndex, Labels } from '@/profile/labels';
import { ShortNames } from '@/profile/short-name';
import type { View } from '@/profile/view';

/** What labels are called; the same function for as long as the answers are the same. */
export function useNames(
  labels: Labels | undefined,
  names: View['names'],
): (label: LabelIndex) => string {
  return useMemo<(label: LabelIndex) => string>(() => {
    if (labels === undefined) return () => '';
    if (names === 'full') return (label) => labels.textOf(label);
    const short = new ShortNames(labels);
    return (label) => short.of(label);
  }, [labels, names]);
}
