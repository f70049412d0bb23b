'use client';

import { type DragEvent, useEffect, useRef, useState } from 'react';
import { useOwnProfile, useProfileState } from '@/components/profile-worker/use-profile';
import { RecordedView } from '@/components/shell/recorded-view';
import { useView } from '@/components/shell/use-view';
import { Button } from '@/components/ui/button';
import { formatBytes } from '@/components/ui/format';
import { FileIcon } from '@/components/ui/icons';
import { DEFAULT_VIEW } from '@/profile/view';

/** A profile from a file, read in this browser. */
export function OpenPage() {
  const client = useOwnProfile();
  const state = useProfileState(client);
  const [file, setFile] = useState<File>();
  const [isOver, setIsOver] = useState(false);
  const { changeView } = useView();
  const picker = useRef<HTMLInputElement>(null);

  useEffect(() => {
    if (file !== undefined) client.openFile(file);
  }, [client, file]);

  const open = (next: File): void => {
    // What was zoomed into in one file is not in the next.
    if (file !== undefined) changeView(DEFAULT_VIEW, 'replace');
    setFile(next);
  };
  const drop = {
    onDragOver: (event: DragEvent) => {
      event.preventDefault();
      setIsOver(true);
    },
    onDragLeave: (event: DragEvent) => {
      if (event.currentTarget === event.target) setIsOver(false);
    },
    onDrop: (event: DragEvent) => {
      event.preventDefault();
      setIsOver(false);
      const dropped = event.dataTransfer.files[0];
      if (dropped !== undefined) open(dropped);
    },
  };
  const input = (
    <input
      ref={picker}
      type="file"
      aria-label="Profile file"
      className="sr-only"
      onChange={(event) => {
        const picked = event.target.files?.[0];
        if (picked !== undefined) open(picked);
        // So that the same file can be picked again after it changed.
        event.target.value = '';
      }}
    />
  );
  const pick = (text: string, look: 'plain' | 'primary') => (
    <Button look={look} onClick={() => picker.current?.click()}>
      <FileIcon />
      {text}
    </Button>
  );

  if (file === undefined) {
    return (
      <main className="flex min-h-0 flex-1 overflow-y-auto p-4 sm:p-8" {...drop}>
        <div
          className={`m-auto flex w-full max-w-xl flex-col items-center gap-3 rounded-xl border border-dashed px-6 py-14 text-center ${isOver ? 'border-accent bg-accent-soft' : 'border-line-strong bg-surface'}`}
        >
          <h1 className="text-lg font-semibold">Open a profile</h1>
          <p className="max-w-sm text-dim text-pretty">
            Drop a file here: collapsed stacks, as <code className="font-mono">hearth record</code>,
            Brendan Gregg’s stackcollapse scripts and many others write them.
          </p>
          {pick('Choose a file', 'primary')}
          {input}
          <p className="text-sm text-dim">It is read in this browser. Nothing is uploaded.</p>
        </div>
      </main>
    );
  }
  return (
    <div className="flex min-h-0 flex-1 flex-col" {...drop}>
      <div className="flex min-h-10 shrink-0 flex-wrap items-center gap-x-3 border-b border-line bg-surface px-3 py-1">
        <h1 className="min-w-0 truncate text-lg font-semibold tracking-tight">{file.name}</h1>
        <span className="text-sm text-dim">
          {formatBytes(file.size)} · read in this browser, not uploaded
        </span>
      </div>
      {input}
      <RecordedView
        client={client}
        state={state}
        canLink={false}
        session={undefined}
        cpus={undefined}
        actions={pick('Open another', 'plain')}
        onError={pick('Choose another file', 'primary')}
      />
    </div>
  );
}
