'use client';

import { useState } from 'react';
import { exportPath } from '@/components/shell/api';
import { useView } from '@/components/shell/use-view';
import { buttonClass } from '@/components/ui/button';
import { formatDuration } from '@/components/ui/format';
import { DownloadIcon } from '@/components/ui/icons';
import { Popover } from '@/components/ui/popover';
import { RadioGroup } from '@/components/ui/radio-group';
import type { ExportMode, ExportScope } from '@/profile/formats/formats';
import { DEFAULT_VIEW } from '@/profile/view';

const FORMATS = [
  { format: 'pprof', label: 'pprof', text: 'For go tool pprof, speedscope and others' },
  {
    format: 'collapsed',
    label: 'Collapsed stacks',
    text: 'Text, a stack a line, for flamegraph.pl',
  },
] as const;

const CONTENTS: Readonly<Record<ExportMode, string>> = {
  cpu: 'CPU samples',
  'off-cpu': 'Waits',
  wall: 'Time on CPUs and waiting',
  'off-wake': 'Waits, by who ended them',
};

/** A recording as a file, in the view's mode: all of it, or what is picked. */
export function ExportMenu({ id }: { readonly id: string }) {
  const { view } = useView();
  const [isWhole, setIsWhole] = useState(false);
  const mode = view.mode === 'latency' ? 'cpu' : view.mode;
  const picked = pickedOf(view, mode);
  return (
    <Popover
      label="Export"
      buttonClass={buttonClass()}
      button={
        <>
          <DownloadIcon />
          Export
        </>
      }
    >
      {(close) => (
        <div className="w-64">
          {picked.length === 0 ? null : (
            <div className="mb-2 flex justify-center">
              <RadioGroup
                label="What is exported"
                options={[
                  { value: 'picked', label: 'What is picked' },
                  { value: 'whole', label: 'All of it' },
                ]}
                value={isWhole ? 'whole' : 'picked'}
                onChange={(value) => setIsWhole(value === 'whole')}
              />
            </div>
          )}
          <p className="px-0.5 pb-0.5 text-sm text-dim">
            {CONTENTS[mode]} of{' '}
            {picked.length === 0 || isWhole ? 'all of this recording' : picked.join(', ')}:
          </p>
          <ul className="-mx-1.5 -mb-1.5">
            {FORMATS.map(({ format, label, text }) => (
              <li key={format}>
                <a
                  href={exportPath(id, mode, format, isWhole ? DEFAULT_VIEW : view)}
                  download
                  onClick={close}
                  className="block rounded-md px-2 py-1.5 hover:bg-surface-2"
                >
                  <span className="font-medium">{label}</span>
                  <span className="block text-sm text-dim">{text}</span>
                </a>
              </li>
            ))}
          </ul>
        </div>
      )}
    </Popover>
  );
}

/** In words, what makes less than all of it be looked at. */
function pickedOf(
  { pids, tids, containers, range, waits }: ExportScope,
  mode: ExportMode,
): readonly string[] {
  return [
    ...counted(pids.length, 'process', 'processes'),
    ...counted(tids.length, 'thread', 'threads'),
    ...counted(containers.length, 'container', 'containers'),
    ...(range === undefined ? [] : [formatDuration((range.endNs - range.startNs) / 1e6)]),
    ...(waits === undefined || mode === 'cpu' ? [] : ['the waits of these lengths and kinds']),
  ];
}

const counted = (count: number, one: string, many: string): readonly string[] =>
  count === 0 ? [] : [`${count} ${count === 1 ? one : many}`];
