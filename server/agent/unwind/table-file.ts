/**
 * An unwind table as bytes, for the cache on disk: a header of little-endian u32 words, then pages, rows and rules as
 * they are in memory. A file that was cut short, damaged, written by another version, or made up, is refused: what
 * `decodeTable` answers has the shape that format.ts promises.
 */
import {
  isKnownRule,
  MAX_PAGES,
  MAX_RULES,
  SPECIAL_RULES,
  specialRules,
  UNSUPPORTED_REASONS,
  type UnwindMachine,
  type UnwindTable,
} from './format';
import { UnwindError } from './unwind-error';

/** "HEARTHUW" */
const MAGIC = [0x52414548, 0x57554854] as const;
/** Change it with the layout, and with whatever makes the compiler answer differently. */
const VERSION = 5;
const MACHINE_NUMBERS: Readonly<Record<UnwindMachine, number>> = { 'x86-64': 1, arm64: 2 };

const Word = {
  Magic: 0,
  Version: 2,
  Machine: 3,
  /** Over the machine, and all words behind this one. */
  Checksum: 4,
  BasePage: 5,
  PageEntries: 6,
  Rows: 7,
  Rules: 8,
  Fdes: 9,
  SkippedFdes: 10,
  LeafRows: 11,
  LostFpRows: 12,
  /** One for each UnsupportedReason. */
  UnsupportedRows: 13,
  /** In bytes, then the bytes. */
  BuildId: 20,
} as const;
const MAX_BUILD_ID_BYTES = 64;
const HEADER_WORDS = Word.BuildId + 1 + MAX_BUILD_ID_BYTES / 4;
export const MAX_TABLE_FILE_BYTES = 128 * 1024 * 1024;

/** The file's parts, in order; all but the first are views of the table. */
export function encodeTable(table: UnwindTable): Uint8Array[] {
  const header = new Uint32Array(HEADER_WORDS);
  const buildId = Buffer.from(table.buildId, 'hex');
  header.set(MAGIC, Word.Magic);
  header[Word.Version] = VERSION;
  header[Word.Machine] = MACHINE_NUMBERS[table.machine];
  header[Word.BasePage] = table.basePage;
  header[Word.PageEntries] = table.pages.length;
  header[Word.Rows] = table.rows.length;
  header[Word.Rules] = table.rules.length / 2;
  header[Word.Fdes] = table.counts.fdes;
  header[Word.SkippedFdes] = table.counts.skippedFdes;
  header[Word.LeafRows] = table.counts.leafRows;
  header[Word.LostFpRows] = table.counts.lostFpRows;
  header.set(table.counts.unsupportedRows, Word.UnsupportedRows);
  header[Word.BuildId] = buildId.length;
  bytesOf(header).set(buildId, (Word.BuildId + 1) * 4);
  const parts = [header, table.pages, table.rows, table.rules];
  header[Word.Checksum] = checksum([
    header.subarray(Word.Machine, Word.Checksum),
    header.subarray(Word.Checksum + 1),
    ...parts.slice(1),
  ]);
  return parts.map(bytesOf);
}

/**
 * The table of the file with that build ID; its arrays are views of `bytes`, which must be 4-aligned. Throws UnwindError
 * `malformed`, which says what is wrong.
 */
export function decodeTable(bytes: Uint8Array<ArrayBuffer>, buildId: string): UnwindTable {
  if (bytes.length < HEADER_WORDS * 4 || bytes.length % 4 !== 0) throw malformed('its size');
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  if (words[0] !== MAGIC[0] || words[1] !== MAGIC[1]) throw malformed('its magic number');
  if (words[Word.Version] !== VERSION) throw malformed(`version ${words[Word.Version]}`);
  const machine = (Object.keys(MACHINE_NUMBERS) as UnwindMachine[]).find(
    (name) => MACHINE_NUMBERS[name] === words[Word.Machine],
  );
  if (machine === undefined) throw malformed('its machine');
  const pageEntries = words[Word.PageEntries];
  const rowCount = words[Word.Rows];
  const ruleCount = words[Word.Rules];
  if (HEADER_WORDS + pageEntries + rowCount + ruleCount * 2 !== words.length) {
    throw malformed('its size');
  }
  const idBytes = words[Word.BuildId];
  if (idBytes > MAX_BUILD_ID_BYTES) throw malformed('its build ID');
  const idAt = bytes.byteOffset + (Word.BuildId + 1) * 4;
  if (Buffer.from(bytes.buffer, idAt, idBytes).toString('hex') !== buildId) {
    throw malformed("another file's build ID");
  }
  const summed = [words.subarray(Word.Machine, Word.Checksum), words.subarray(Word.Checksum + 1)];
  if (checksum(summed) !== words[Word.Checksum]) {
    throw malformed('its checksum');
  }
  const rowsAt = HEADER_WORDS + pageEntries;
  const table: UnwindTable = {
    machine,
    buildId,
    basePage: words[Word.BasePage],
    pages: words.subarray(HEADER_WORDS, rowsAt),
    rows: words.subarray(rowsAt, rowsAt + rowCount),
    rules: words.subarray(rowsAt + rowCount),
    counts: {
      fdes: words[Word.Fdes],
      skippedFdes: words[Word.SkippedFdes],
      leafRows: words[Word.LeafRows],
      lostFpRows: words[Word.LostFpRows],
      unsupportedRows: UNSUPPORTED_REASONS.map((_, i) => words[Word.UnsupportedRows + i]),
    },
  };
  const problem = findProblem(table);
  if (problem !== undefined) throw malformed(problem);
  return table;
}

/** What breaks the promises of format.ts; undefined if nothing does. */
export function findProblem(table: UnwindTable): string | undefined {
  const { pages, rows, rules } = table;
  const pageCount = pages.length - 1;
  if (pageCount < 1 || pageCount > MAX_PAGES) return 'the number of pages';
  if (pages[0] !== 0 || pages[pageCount] !== rows.length) return 'the rows of its pages';
  const ruleCount = rules.length / 2;
  if (ruleCount < SPECIAL_RULES || ruleCount > MAX_RULES) return 'the number of rules';
  const specials = specialRules();
  for (let i = 0; i < specials.length; i++) {
    if (rules[i] !== specials[i]) return 'the special rules';
  }
  for (let i = SPECIAL_RULES; i < ruleCount; i++) {
    if (!isKnownRule(rules[i * 2])) return `rule ${i}`;
  }
  for (let page = 0; page < pageCount; page++) {
    const first = pages[page];
    const end = pages[page + 1];
    if (first >= end || end > rows.length) return `page ${page}`;
    if (rows[first] >>> 16 !== 0) return `the first row of page ${page}`;
    let before = -1;
    for (let i = first; i < end; i++) {
      const low = rows[i] >>> 16;
      if (low <= before || (rows[i] & 0xffff) >= ruleCount) return `row ${i}`;
      before = low;
    }
  }
  return undefined;
}

function malformed(what: string): UnwindError {
  return new UnwindError('malformed', `not a table file of this version: ${what}`);
}

const bytesOf = (words: Uint32Array): Uint8Array =>
  new Uint8Array(words.buffer, words.byteOffset, words.byteLength);

/** Finds damage, not forgery: the folder is writable by nobody else. */
function checksum(parts: readonly Uint32Array[]): number {
  let sum = 0x811c9dc5;
  for (const words of parts) {
    for (let i = 0; i < words.length; i++) {
      sum = Math.imul(sum ^ words[i], 0x01000193);
      sum ^= sum >>> 15;
    }
  }
  return sum >>> 0;
}
