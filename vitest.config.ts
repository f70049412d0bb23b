import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Two projects: `unit` runs anywhere; `kernel` needs root and a kernel with eBPF, and runs one file at a time,
// because its workloads measure CPU shares and must not share the CPUs with each other.
export default defineConfig({
  resolve: { alias: { '@': fileURLToPath(new URL('.', import.meta.url)) } },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{profile,server,components,bin,bench}/**/*.test.{ts,tsx}'],
          exclude: ['**/*.kernel.test.ts'],
          setupFiles: ['profile/transfer-for-tests.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'kernel',
          include: ['{server,bpf}/**/*.kernel.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
