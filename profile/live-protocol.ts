/**
 * The socket.io events between web and browser, and the REST paths. A live client first gets a `snapshot`, part by part, then
 * `chunk`s that continue it; it acknowledges those of which that is asked, and with them all before. One that falls behind is
 * sent no more until it has acknowledged some, and then goes on where it was: what it needs is in the live ring, so that
 * nothing is buffered for it. Where that is forgotten already, it gets a new snapshot.
 */
import type { SessionSummary } from './session';
import type { LiveStatus } from './status';

/** Which part of a snapshot: what is shown before the last one came would be of the past. */
export interface SnapshotPart {
  /** The profile starts over. */
  readonly isFirst: boolean;
  /** Bytes that are to come; 0 with the last part. */
  readonly restBytes: number;
}

export interface ServerToBrowser {
  /** Chunks, one after another, of all that the live ring held when the first part was sent. */
  snapshot: (chunks: ArrayBuffer, part: SnapshotPart, acknowledge: () => void) => void;
  /** One or more, that continue what came before: the agent's stream, which may start over (ChunkStream). */
  chunk: (chunks: ArrayBuffer, acknowledge?: () => void) => void;
  status: (status: LiveStatus) => void;
  /** The sessions changed: all of them, newest first. */
  sessions: (sessions: readonly SessionSummary[]) => void;
}

export interface BrowserToServer {
  /** Ask for a snapshot and the chunks that follow it. */
  subscribe: () => void;
  /** Send no more chunks: paused, or the page is hidden. */
  unsubscribe: () => void;
}

/**
 * REST, all below /api/v1, JSON unless said otherwise; errors are `{ error: string }` with a fitting status.
 *   GET    /status                      LiveStatus
 *   PUT    /sampling                    { frequencyHz: 1..4999 }          -> 204
 *   PUT    /latency                     { sources, stacks?: LatencySource[] } -> 204; measures `sources`, and no others, with
 *                                       stacks of the events of those that are in `stacks`, too
 *   PUT    /latency/:source             { measured, stacks: boolean }     -> 204; this source, and others as they are
 *   PUT    /off-cpu                     { enabled: boolean, thresholdNs: 1e3..1e9 } -> 204
 *   PUT    /budget                      { cpuPercent: 0..100 (0: no limit), memoryBytes } -> 204
 *   GET    /sessions                    SessionSummary[], newest first
 *   POST   /sessions                    { name?: string }                 -> 201 SessionSummary; starts recording; 409 while one records
 *   GET    /sessions/:id                SessionSummary
 *   PATCH  /sessions/:id                { name: string }                  -> SessionSummary
 *   POST   /sessions/:id/stop           {}                                -> SessionSummary
 *   POST   /sessions/:id/symbolize      {}                                -> SymbolizingMessage a line (application/x-ndjson); 409 while it
 *                                       records, or while another is symbolized
 *   DELETE /sessions/:id                -> 204; 409 while it records
 *   GET    /sessions/:id/chunks         application/octet-stream: its chunks one after another (splitChunks)
 *   GET    /sessions/:id/export?format=collapsed|pprof&mode=cpu|off-cpu|wall|off-wake
 *                                       a file, of CPU samples where no mode is named; 409 for others where nothing waited
 */
export const API = '/api/v1';
