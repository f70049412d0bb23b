/** The doctor's report as text for people. */
import type { Check, CheckState } from './check';
import type { DoctorReport } from './doctor';

const GROUP_TITLES: Readonly<Record<Check['group'], string>> = {
  kernel: 'Kernel',
  permissions: 'Permissions',
  collecting: 'Collecting',
  installation: 'Installation',
};

/** ANSI colours: green, yellow, red. */
const COLOURS: Readonly<Record<CheckState, number>> = { ok: 32, degraded: 33, missing: 31 };

export interface ReportStyle {
  readonly colour: boolean;
  /** Width to wrap to. */
  readonly columns: number;
}

const STATE_WIDTH = 'degraded'.length;

export function formatReport(report: DoctorReport, style: ReportStyle): string {
  const titleWidth = Math.max(0, ...report.checks.map(({ title }) => title.length));
  const lines = [`Hearth ${report.hearth} on Linux ${report.kernel}, Node.js ${report.node}`];
  for (const [group, title] of Object.entries(GROUP_TITLES)) {
    const checks = report.checks.filter((check) => check.group === group);
    if (checks.length === 0) continue;
    lines.push('', title);
    for (const check of checks) lines.push(...formatCheck(check, titleWidth, style));
  }
  lines.push('', conclusion(report));
  return lines.join('\n');
}

/** What is well takes one line; what isn't says what that means and what to do. */
function formatCheck(check: Check, titleWidth: number, style: ReportStyle): string[] {
  const state = check.state.padEnd(STATE_WIDTH);
  const shown = style.colour ? `\x1b[${COLOURS[check.state]}m${state}\x1b[0m` : state;
  const indent = 2 + STATE_WIDTH + 2 + titleWidth + 2;
  const details =
    check.state === 'ok'
      ? [check.found]
      : [check.found, check.meaning, ...(check.advice === undefined ? [] : [`→ ${check.advice}`])];
  const [first, ...rest] = details.flatMap((text) =>
    wrap(text, Math.max(40, style.columns - indent)),
  );
  return [
    `  ${shown}  ${check.title.padEnd(titleWidth)}  ${first}`,
    ...rest.map((line) => ' '.repeat(indent) + line),
  ];
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(' ')) {
      if (line !== '' && line.length + 1 + word.length > width) {
        lines.push(line);
        line = word;
      } else {
        line = line === '' ? word : `${line} ${word}`;
      }
    }
    lines.push(line);
  }
  return lines;
}

function conclusion({ checks, usable }: DoctorReport): string {
  const titles = (chosen: readonly Check[]): string => chosen.map(({ title }) => title).join(', ');
  if (!usable) {
    const missing = checks.filter(({ required, state }) => required && state === 'missing');
    return `Hearth can't profile here yet. Missing: ${titles(missing)}.`;
  }
  const lesser = checks.filter(({ state }) => state !== 'ok');
  if (lesser.length === 0) return 'All is well.';
  return `Hearth can profile here. See above for: ${titles(lesser)}.`;
}
