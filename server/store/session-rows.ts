/** Rows of the table `sessions`, checked: the file may have been written by anything. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { z } from 'zod';
import type { SessionSummary } from '@/profile/session';

const hostSchema = z.object({
  hostname: z.string(),
  kernel: z.string(),
  cpus: z.number(),
  hearth: z.string(),
});

const rowSchema = z.object({
  key: z.number(),
  id: z.string(),
  name: z.string(),
  state: z.enum(['recording', 'complete', 'interrupted']),
  started_ms: z.number(),
  frequency_hz: z.number(),
  host: z.string().transform((text) => hostSchema.parse(JSON.parse(text))),
  duration_ms: z.number(),
  samples: z.number(),
  bytes: z.number(),
});

export async function readSummaries(
  connection: DuckDBConnection,
): Promise<{ key: number; summary: SessionSummary }[]> {
  const result = await connection.runAndReadAll('SELECT * FROM sessions');
  return result.getRowObjects().map((object) => {
    const row = rowSchema.parse(object);
    return {
      key: row.key,
      summary: {
        id: row.id,
        name: row.name,
        state: row.state,
        startedMs: row.started_ms,
        durationMs: row.duration_ms,
        samples: row.samples,
        bytes: row.bytes,
        frequencyHz: row.frequency_hz,
        host: row.host,
      },
    };
  });
}
