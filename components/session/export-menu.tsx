'use client';

import { exportPath } from '@/components/shell/api';
import { buttonClass } from '@/components/ui/button';
import { DownloadIcon } from '@/components/ui/icons';
import { Popover } from '@/components/ui/popover';

const FORMATS = [
  { format: 'pprof', label: 'pprof', text: 'For go tool pprof, speedscope and others' },
  {
    format: 'collapsed',
    label: 'Collapsed stacks',
    text: 'Text, a stack a line, for flamegraph.pl',
  },
] as const;

/** The whole recording as a file. */
export function ExportMenu({ id }: { readonly id: string }) {
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
          {FORMATS.map(({ format, label, text }) => (
            <li key={format}>
              <a
                href={exportPath(id, format)}
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
