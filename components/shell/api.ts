/** The REST calls of the screen; see profile/live-protocol.ts for what each does. All reject with ApiError. */
import type { ExportFormat, ExportMode, ExportScope } from '@/profile/formats/formats';
import type { LatencySource } from '@/profile/latency/sources';
import { API } from '@/profile/live-protocol';
import type { SessionSummary } from '@/profile/session';
import { DEFAULT_VIEW, viewToQuery } from '@/profile/view';

export const NOT_SIGNED_IN =
  'This browser is not signed in. Open the link that `hearth serve` printed in its terminal.';

/** A request failed. `status` is 0 where there was no answer at all; the message is fit to be shown. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export function listSessions(): Promise<SessionSummary[]> {
  return request('GET', '/sessions');
}

export function getSession(id: string): Promise<SessionSummary> {
  return request('GET', `/sessions/${encodeURIComponent(id)}`);
}

/** Starts recording. */
export function startRecording(name: string): Promise<SessionSummary> {
  return request('POST', '/sessions', name === '' ? {} : { name });
}

export function stopRecording(id: string): Promise<SessionSummary> {
  return request('POST', `/sessions/${encodeURIComponent(id)}/stop`, {});
}

export function renameSession(id: string, name: string): Promise<SessionSummary> {
  return request('PATCH', `/sessions/${encodeURIComponent(id)}`, { name });
}

export function deleteSession(id: string): Promise<void> {
  return request('DELETE', `/sessions/${encodeURIComponent(id)}`);
}

export function setFrequency(frequencyHz: number): Promise<void> {
  return request('PUT', '/sampling', { frequencyHz });
}

/** Measures latencies of a source, or no more; with the stacks of its events, or without. Others are left as they are. */
export function setLatencySource(
  source: LatencySource,
  wanted: { readonly measured: boolean; readonly stacks: boolean },
): Promise<void> {
  return request('PUT', `/latency/${source}`, wanted);
}

/** Starts or ends off-CPU profiling; waits of `thresholdNs` or longer are always taken, shorter ones in proportion. */
export function setOffCpu(offCpu: {
  readonly enabled: boolean;
  readonly thresholdNs: number;
}): Promise<void> {
  return request('PUT', '/off-cpu', offCpu);
}

/** What Hearth may cost; 0 percent: no limit. */
export function setBudget(budget: {
  readonly cpuPercent: number;
  readonly memoryBytes: number;
}): Promise<void> {
  return request('PUT', '/budget', budget);
}

export function exportPath(
  id: string,
  mode: ExportMode,
  format: ExportFormat,
  { pids, tids, containers, range, waits }: ExportScope,
): string {
  const path = `${API}/sessions/${encodeURIComponent(id)}/export?format=${format}&mode=${mode}`;
  const scope = viewToQuery({ ...DEFAULT_VIEW, pids, tids, containers, range, waits });
  return scope === '' ? path : `${path}&${scope}`;
}

/** What to show of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  let response: Response;
  try {
    response = await fetch(API + path, {
      method,
      ...(body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
  } catch {
    throw new ApiError(0, 'Hearth does not answer. Is `hearth serve` still running?');
  }
  if (response.status === 401) throw new ApiError(401, NOT_SIGNED_IN);
  if (!response.ok) throw new ApiError(response.status, await errorText(response));
  return (response.status === 204 ? undefined : await response.json()) as T;
}

async function errorText(response: Response): Promise<string> {
  try {
    const answer = (await response.json()) as { error?: unknown };
    if (typeof answer.error === 'string') return answer.error;
  } catch {
    // Not JSON: the status has to do.
  }
  return `The server answered ${response.status} ${response.statusText}`.trimEnd();
}
