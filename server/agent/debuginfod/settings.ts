/** Whether debug files may be fetched, and from where: by the environment, as elfutils' own client has it. */
import type { FetchSettings } from './protocol';

/** As in elfutils. */
const TIMEOUT_S = 90;

/**
 * Undefined unless DEBUGINFOD_URLS names servers (separated by spaces). DEBUGINFOD_TIMEOUT is in seconds, DEBUGINFOD_MAXSIZE
 * in bytes; `maxBytes` is what can be stored at all.
 */
export function debuginfodSettings(
  environment: Readonly<Record<string, string | undefined>>,
  maxBytes: number,
): FetchSettings | undefined {
  const urls = (environment.DEBUGINFOD_URLS ?? '')
    .split(/\s+/)
    .map((url) => url.replace(/\/+$/, ''))
    .filter(isHttp);
  if (urls.length === 0) return undefined;
  const maxSize = positive(environment.DEBUGINFOD_MAXSIZE);
  return {
    urls,
    timeoutMs: (positive(environment.DEBUGINFOD_TIMEOUT) ?? TIMEOUT_S) * 1000,
    maxBytes: Math.min(maxBytes, maxSize ?? maxBytes),
  };
}

function positive(text: string | undefined): number | undefined {
  const value = Number(text);
  return text !== undefined && value > 0 && Number.isFinite(value) ? value : undefined;
}

function isHttp(url: string): boolean {
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
}
