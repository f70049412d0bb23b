import { defineConfig } from 'playwright/test';
import { CHROMIUM } from './e2e/chromium';

// One worker: the tests profile this machine, and must not share its CPUs with each other.
export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  workers: 1,
  fullyParallel: false,
  retries: 0,
  forbidOnly: process.env.CI !== undefined,
  timeout: 120_000,
  expect: { timeout: 15_000 },
  reporter: 'list',
  use: {
    browserName: 'chromium',
    // A trace would cost the CPU time that is measured.
    trace: 'off',
    screenshot: 'only-on-failure',
    launchOptions: CHROMIUM,
  },
});
