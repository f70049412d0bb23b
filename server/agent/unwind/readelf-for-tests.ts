/** What `readelf` says about call frame information: the second opinion that tests compare the tables with. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A row of `readelf --debug-dump=frames-interp`, whose columns are its own words ("rsp+8", "c-16", "u", "exp"). */
export interface ReadelfRow {
  readonly address: number;
  readonly cfa: string;
  readonly fp: string;
  readonly base: string;
  readonly ra: string;
}

export interface ReadelfFrame {
  readonly section: string;
  readonly start: number;
  readonly end: number;
  readonly rows: readonly ReadelfRow[];
}

/** Calls back for every FDE of the file's own sections, in their order. */
export async function readelfFrames(
  path: string,
  onFrame: (frame: ReadelfFrame) => void,
): Promise<void> {
  let section = '';
  let columns: string[] = [];
  // CIEs by their offset, which readelf prints in front of them: an FDE without rows of its own has those of its CIE.
  let cies = new Map<string, ReadelfRow[]>();
  let rows: ReadelfRow[] = [];
  let entry: { cie: string; start: number; end: number } | undefined;
  const finish = (): void => {
    if (entry === undefined) return;
    const own = rows.length > 0 ? rows : (cies.get(entry.cie) ?? []);
    const first = own[0];
    onFrame({
      section,
      start: entry.start,
      end: entry.end,
      rows: rows.length > 0 || first === undefined ? own : [{ ...first, address: entry.start }],
    });
    entry = undefined;
  };
  await readelfLines(path, '--debug-dump=frames-interp', (line) => {
    if (line.startsWith('Contents of the ')) {
      finish();
      section = line.slice(16).split(' ')[0];
      cies = new Map();
      return;
    }
    if (/^[0-9a-f]{16} [^0-9]/.test(line)) {
      rows.push(parseRow(line, columns));
      return;
    }
    const head = /^([0-9a-f]{8,16}) [0-9a-f]{16} [0-9a-f]{8,16} (CIE|FDE) ?(.*)$/.exec(line);
    if (head !== null) {
      finish();
      columns = [];
      rows = [];
      if (head[2] === 'CIE') cies.set(head[1], rows);
      else {
        const range = /cie=([0-9a-f]+) pc=([0-9a-f]+)\.\.([0-9a-f]+)/.exec(head[3]);
        if (range === null) throw new Error(`readelf says ${line}`);
        entry = {
          cie: range[1],
          start: Number.parseInt(range[2], 16),
          end: Number.parseInt(range[3], 16),
        };
      }
    } else if (/^\s+LOC\s+CFA/.test(line)) columns = line.trim().split(/\s+/);
  });
  finish();
}

function parseRow(line: string, columns: readonly string[]): ReadelfRow {
  // A register is printed as "r9 (r9)", and as "rbx" and "r3 (rbx)" in other columns.
  const words = line.replace(/ \([^)]*\)/g, '').split(/\s+/);
  const column = (name: string): string => {
    const index = columns.indexOf(name);
    return index < 0 ? '' : words[index];
  };
  return {
    address: Number.parseInt(words[0], 16),
    cfa: words[1],
    fp: column('rbp'),
    base: column('rbx'),
    ra: column('ra'),
  };
}

/** The expressions of .eh_frame by the address from which they hold: of the CFA, and of rbp where it is saved by one. */
export async function readelfExpressions(
  path: string,
): Promise<{ cfa: Map<number, string>; fp: Map<number, string> }> {
  const cfa = new Map<number, string>();
  const fp = new Map<number, string>();
  let address = Number.NaN;
  await readelfLines(path, '--debug-dump=frames', (line) => {
    const start = /FDE cie=\S+ pc=([0-9a-f]+)\.\./.exec(line);
    const advance = start ?? /DW_CFA_advance_loc\d?: \d+ to ([0-9a-f]+)/.exec(line);
    if (advance !== null) address = Number.parseInt(advance[1], 16);
    else if (line.includes(' CIE')) address = Number.NaN;
    else {
      const found = /DW_CFA_def_cfa_expression \((.*)\)$/.exec(line);
      if (found !== null) cfa.set(address, found[1]);
      const saved = /DW_CFA_expression: r6 \(rbp\) \((.*)\)$/.exec(line);
      if (saved !== null) fp.set(address, saved[1]);
    }
  });
  return { cfa, fp };
}

async function readelfLines(
  path: string,
  option: string,
  onLine: (line: string) => void,
): Promise<void> {
  // Not the sections of separate debug files, which it would find by itself.
  const child = spawn('readelf', ['--wide', option, '--debug-dump=no-follow-links', path], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', resolve);
  });
  const lines = createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY });
  lines.on('line', onLine);
  await new Promise((resolve) => lines.once('close', resolve));
  const code = await exited;
  if (code !== 0) throw new Error(`readelf ${option} ${path} exited with ${code}`);
}
