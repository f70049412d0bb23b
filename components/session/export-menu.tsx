'use client';

import { exportPath } from '@/components/shell/api';
import { useView } from '@/components/shell/use-view';
import { buttonClass } from '@/components/ui/button';
import { DownloadIcon } from '@/components/ui/icons';
import { Popover } from '@/components/ui/popover';
import type { ExportMode } from '@/profile/formats/formats';

const FORMATS = [
  { format: 'pprof', label: 'pprof', text: 'For go tool pprof, speedscope and others' },
  {
    format: 'collapsed',
    label: 'Collapsed stacks',
    text: 'Text, a stack a line, for flamegraph.pl',
  },
] as const;

const CONTENTS: Readonly<Record<ExportMode, string>> = {
  cpu: 'All CPU samples of this recording:',
  'off-cpu': 'All waits of this recording:',
  wall: 'All of this recording, on CPUs and waiting:',
  'off-wake': 'All waits of this recording, by who ended them:',
};

/** All of a recording, in the view's mode, as a file. */
export function ExportMenu({ id }: { readonly id: string }) {
  const { view } = useView();
  const mode = view.mode === 'latency' ? 'cpu' : view.mode;
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
        <ul className="-m-1.5 w-64">
          <li className="px-2 pt-1 pb-0.5 text-sm text-dim">{CONTENTS[mode]}</li>
          {FORMATS.map(({ format, label, text }) => (
            <li key={format}>
              <a
                href={exportPath(id, mode, format)}
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
      )}
    </Popover>
  );
}
