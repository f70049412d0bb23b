'use client';

import { createContext, type ReactNode, useContext, useMemo, useState } from 'react';
import { useShortcuts } from '@/components/shell/use-shortcuts';
import { HelpDialog } from './help-dialog';

const OpenHelp = createContext<() => void>(() => {});

/** Opens the help dialog, from anywhere below `HelpProvider`. */
export function useOpenHelp(): () => void {
  return useContext(OpenHelp);
}

export function HelpProvider({ children }: { readonly children: ReactNode }) {
  const [open, setOpen] = useState(false);
  const openHelp = useMemo(() => () => setOpen(true), []);
  useShortcuts({
    '?': () => {
      setOpen(true);
      return true;
    },
  });
  return (
    <OpenHelp value={openHelp}>
      {children}
      <HelpDialog open={open} onClose={() => setOpen(false)} />
    </OpenHelp>
  );
}
