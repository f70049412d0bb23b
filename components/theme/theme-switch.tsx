'use client';

import { useState } from 'react';
import { IconButton } from '@/components/ui/button';
import { MonitorIcon, MoonIcon, SunIcon } from '@/components/ui/icons';
import { RadioGroup } from '@/components/ui/radio-group';
import { applyTheme, type Theme } from './theme';

const OPTIONS = [
  { value: 'system', label: 'As the system', icon: <MonitorIcon /> },
  { value: 'light', label: 'Light', icon: <SunIcon /> },
  { value: 'dark', label: 'Dark', icon: <MoonIcon /> },
] as const;

/** Three choices side by side; a single button that goes through them where there is no room. */
export function ThemeSwitch({ initial }: { readonly initial: Theme }) {
  const [theme, setTheme] = useState(initial);
  const change = (next: Theme): void => {
    setTheme(next);
    applyTheme(next);
  };
  const place = OPTIONS.findIndex(({ value }) => value === theme);
  const next = OPTIONS[(place + 1) % OPTIONS.length];
  return (
    <>
      <div className="hidden sm:flex">
        <RadioGroup label="Theme" options={OPTIONS} value={theme} onChange={change} />
      </div>
      <IconButton
        label={`Theme: ${OPTIONS[place].label.toLowerCase()}`}
        className="sm:hidden"
        onClick={() => change(next.value)}
      >
        {OPTIONS[place].icon}
      </IconButton>
    </>
  );
}
