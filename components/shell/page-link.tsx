'use client';

import Link from 'next/link';
import type { ComponentProps } from 'react';
import { isDisconnected } from '@/components/profile-worker/use-profile';

/**
 * A link to another page of Hearth. While the server is gone it leads nowhere: a page that can't be loaded would take the
 * place of this one, and of the last picture. Without a connection the page says so.
 */
export function PageLink(props: ComponentProps<typeof Link>) {
  return (
    <Link
      {...props}
      onNavigate={(event) => {
        if (isDisconnected()) event.preventDefault();
      }}
    />
  );
}
