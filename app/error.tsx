'use client';

import { Button } from '@/components/ui/button';
import { Notice } from '@/components/ui/notice';

export default function ErrorPage({
  error,
  reset,
}: {
  readonly error: Error & { readonly digest?: string };
  reset(): void;
}) {
  return (
    <main className="flex min-h-0 flex-1">
      <Notice
        title="This page failed"
        text={error.message}
        actions={<Button onClick={reset}>Try again</Button>}
      />
    </main>
  );
}
