/** Debian's Chromium, headless: Playwright's own browsers can't be had everywhere, and are not needed. */
import type { LaunchOptions } from 'playwright/test';

export const CHROMIUM: LaunchOptions = {
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};
