'use client';

import { usePathname, useSearchParams } from 'next/navigation';
import type { ReactNode } from 'react';
import { HelpProvider, useOpenHelp } from '@/components/help/help';
import type { Theme } from '@/components/theme/theme';
import { ThemeSwitch } from '@/components/theme/theme-switch';
import { IconButton } from '@/components/ui/button';
import { Ember } from '@/components/ui/icons';
import { PageLink } from './page-link';
import { pagePath } from './picked';

const PAGES = [
  { href: '/', label: 'Live' },
  { href: '/latency', label: 'Latency' },
  { href: '/threads', label: 'Threads' },
  { href: '/sessions', label: 'Sessions' },
  { href: '/open', label: 'Open file' },
] as const;

/** What is around every page. A page fills the rest of the window's height. */
export function AppShell({
  theme,
  children,
}: {
  readonly theme: Theme;
  readonly children: ReactNode;
}) {
  return (
    <HelpProvider>
      <div className="flex h-dvh flex-col">
        <Header theme={theme} />
        {children}
      </div>
    </HelpProvider>
  );
}

function Header({ theme }: { readonly theme: Theme }) {
  const path = usePathname();
  const query = useSearchParams();
  const openHelp = useOpenHelp();
  return (
    <header className="flex h-11 shrink-0 items-center gap-1 border-b border-line bg-surface px-3">
      <PageLink
        href="/"
        className="flex shrink-0 items-center gap-1.5 rounded-md text-lg font-semibold tracking-tight sm:mr-4"
      >
        <Ember />
        <span className="max-sm:sr-only">Hearth</span>
      </PageLink>
      <nav
        aria-label="Pages"
        className="flex min-w-0 items-center gap-0.5 overflow-x-auto p-0.5 [scrollbar-width:none]"
      >
        {PAGES.map(({ href, label }) => {
          const current = href === '/' ? path === '/' : path.startsWith(href);
          return (
            <PageLink
              key={href}
              href={pagePath(href, path, query)}
              aria-current={current ? 'page' : undefined}
              className="flex h-7 items-center whitespace-nowrap rounded-md px-1.5 text-dim hover:text-ink aria-[current=page]:bg-surface-2 aria-[current=page]:font-medium aria-[current=page]:text-ink sm:px-2.5"
            >
              {label}
            </PageLink>
          );
        })}
      </nav>
      <div className="ml-auto flex shrink-0 items-center gap-1.5">
        <ThemeSwitch initial={theme} />
        <IconButton label="Keyboard shortcuts" className="max-sm:hidden" onClick={openHelp}>
          <span aria-hidden="true" className="text-base font-semibold">
            ?
          </span>
        </IconButton>
      </div>
    </header>
  );
}
