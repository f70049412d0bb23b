/** The header of an encoded chunk, checked: what comes from a file or a socket may be anything. */
import type { ChunkHeader, Loss } from './chunk';
import { isEventTable, TABLE_NAMES, type TableName } from './schema';

/** As in the chunk's JSON: what the sections behind it are, in numbers. */
export interface EncodedHeader {
  readonly header: ChunkHeader;
  readonly losses: readonly Loss[];
  readonly strings: readonly [base: number, count: number, bytes: number];
  /** Those that are not there are empty: a chunk of an older version has fewer. */
  readonly tables: Readonly<Partial<Record<TableName, readonly [base: number, length: number]>>>;
  /** Rows of the symbol patch. */
  readonly patch: number;
}

const HEADER_FIELDS = ['sequence', 'startNs', 'endNs', 'wallOffsetNs', 'frequencyHz'] as const;
const OPTIONAL_FIELDS = ['thresholdNs', 'latencyOneIn'] as const;
const FLAGS = ['amends', 'hasOpenWaits'] as const;

/** The header that JSON text holds; undefined where it holds something else. */
export function parseEncodedHeader(text: string): EncodedHeader | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(parsed) || !isRecord(parsed.tables)) return undefined;
  const { header, losses, strings, tables, patch } = parsed;
  const isValid =
    isHeader(header) &&
    Array.isArray(losses) &&
    losses.every(isLoss) &&
    isCounts(strings, 3) &&
    TABLE_NAMES.every((name) =>
      tables[name] === undefined ? isEventTable(name) : isCounts(tables[name], 2),
    ) &&
    isCount(patch);
  return isValid ? (parsed as unknown as EncodedHeader) : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isHeader(value: unknown): boolean {
  return (
    isRecord(value) &&
    HEADER_FIELDS.every((field) => Number.isFinite(value[field])) &&
    OPTIONAL_FIELDS.every((field) => value[field] === undefined || Number.isFinite(value[field])) &&
    (value.latencySources === undefined || isSources(value.latencySources)) &&
    FLAGS.every((field) => value[field] === undefined || value[field] === true)
  );
}

/** A later Hearth may know more of them. */
function isSources(value: unknown): boolean {
  return Array.isArray(value) && value.every((source) => typeof source === 'string');
}

function isLoss(value: unknown): boolean {
  return isRecord(value) && typeof value.reason === 'string' && Number.isFinite(value.count);
}

function isCounts(value: unknown, length: number): boolean {
  return Array.isArray(value) && value.length === length && value.every(isCount);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
