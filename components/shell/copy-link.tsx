'use client';

import { useEffect, useState } from 'react';
import { Button } from '@/components/ui/button';
import { CheckIcon, LinkIcon } from '@/components/ui/icons';

const SHOWN_MS = 1600;

/** Copies the page's address, which holds the view. */
export function CopyLink() {
  const [result, setResult] = useState<'copied' | 'failed'>();
  useEffect(() => {
    if (result === undefined) return;
    const timer = setTimeout(() => setResult(undefined), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [result]);
  return (
    <>
      <Button
        aria-label="Copy link"
        title="Copy a link that shows exactly this view"
        onClick={() => {
          void copy(location.href).then((done) => setResult(done ? 'copied' : 'failed'));
        }}
      >
        {result === 'copied' ? <CheckIcon /> : <LinkIcon />}
        <span className="hidden min-w-14 text-left xl:inline">
          {result === 'copied' ? 'Copied' : 'Copy link'}
        </span>
      </Button>
      <span role="status" className="sr-only">
        {result === 'copied' ? 'Link copied' : ''}
        {result === 'failed' ? 'The link could not be copied: copy the address of this page' : ''}
      </span>
    </>
  );
}

/** The clipboard API is there on https and on localhost only. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}
