import type { Metadata, Viewport } from 'next';
import { cookies, headers } from 'next/headers';
import { type ReactNode, Suspense } from 'react';
import { AppShell } from '@/components/shell/app-shell';
import { THEME_COOKIE, themeFrom } from '@/components/theme/theme';
import './globals.css';

export const metadata: Metadata = {
  title: { default: 'Hearth', template: '%s · Hearth' },
  description: 'Live CPU profile of this machine',
  icons: { icon: '/icon.svg' },
};

export const viewport: Viewport = {
  themeColor: [
    { media: '(prefers-color-scheme: light)', color: '#ffffff' },
    { media: '(prefers-color-scheme: dark)', color: '#191817' },
  ],
};

export default async function Layout({ children }: { readonly children: ReactNode }) {
  // Rendered for each request: the nonce of the Content-Security-Policy is a request's own, and Next puts it on its
  // scripts only where it renders for that request.
  await headers();
  const theme = themeFrom((await cookies()).get(THEME_COOKIE)?.value);
  return (
    // Code may come after React. Without a boundary around all, React 19.3 would try to hydrate the page over and over until
    // it is there, for `useDeferredValue` in Next's router starts another attempt in each. Around less, large pages would be
    // sent hidden first.
    <Suspense>
      <html lang="en" data-theme={theme === 'system' ? undefined : theme}>
        <body>
          <AppShell theme={theme}>{children}</AppShell>
        </body>
      </html>
    </Suspense>
  );
}
