import { describe, expect, it } from 'vitest';
import { type Check, isUsable, type Probe, runProbe } from './check';
import { examine } from './doctor';
import { isKernelNewEnough, lockdownMode, showsAddresses } from './kernel';
import { formatReport } from './report';

const probe = (id: string, required: boolean, look: Probe['look']): Probe => ({
  id,
  group: 'kernel',
  title: `Title of ${id}`,
  required,
  meaning: `meaning of ${id}`,
  look,
});

const GOOD = probe('good', true, () => ({ state: 'ok', found: 'yes' }));
const POOR = probe('poor', false, async () => ({
  state: 'degraded',
  found: 'no',
  meaning: 'less is seen',
  advice: 'buy more',
}));
const BROKEN = probe('broken', true, () => {
  throw new Error('it exploded');
});

describe('a report', () => {
  it('has the same shape for every check, for scripts to rely on', async () => {
    const report = await examine([GOOD, POOR, BROKEN]);
    expect(JSON.parse(JSON.stringify(report))).toEqual({
      hearth: expect.stringMatching(/^\d+\.\d+\.\d+/),
      kernel: expect.any(String),
      node: process.version,
      usable: false,
      checks: [
        {
          id: 'good',
          group: 'kernel',
          title: 'Title of good',
          state: 'ok',
          required: true,
          found: 'yes',
          meaning: 'meaning of good',
        },
        {
          id: 'poor',
          group: 'kernel',
          title: 'Title of poor',
          state: 'degraded',
          required: false,
          found: 'no',
          meaning: 'less is seen',
          advice: 'buy more',
        },
        {
          id: 'broken',
          group: 'kernel',
          title: 'Title of broken',
          state: 'missing',
          required: true,
          found: 'it exploded',
          meaning: 'meaning of broken',
        },
      ],
    });
  });

  it('is usable unless something required is missing', async () => {
    const checks = async (probes: Probe[]): Promise<Check[]> => Promise.all(probes.map(runProbe));
    expect(isUsable(await checks([GOOD, POOR]))).toBe(true);
    expect(isUsable(await checks([GOOD, BROKEN]))).toBe(false);
  });

  it('says in words what is not well and what to do', async () => {
    const report = await examine([GOOD, POOR]);
    const text = formatReport(report, { colour: false, columns: 100 });
    expect(text).toMatch(/ {2}ok {8}Title of good {2}yes\n/);
    expect(text).toMatch(/degraded {2}Title of poor {2}no\n +less is seen\n +→ buy more\n/);
    expect(text).toMatch(/Hearth can profile here\. See above for: Title of poor\.$/);
    expect(text).not.toContain('meaning of good');
  });

  it('is coloured on request only', async () => {
    const report = await examine([GOOD]);
    expect(formatReport(report, { colour: false, columns: 100 })).not.toContain('\x1b');
    expect(formatReport(report, { colour: true, columns: 100 })).toContain('\x1b[32mok');
  });
});

describe('a kernel', () => {
  it.each([
    ['5.17.0', true],
    ['6.1.0-38-amd64', true],
    ['7.0', true],
    ['5.16.20', false],
    ['4.19.0', false],
  ])('%s is new enough: %s', (version, answer) => {
    expect(isKernelNewEnough(version)).toBe(answer);
  });

  it('tells its lockdown mode in brackets', () => {
    expect(lockdownMode('none [integrity] confidentiality\n')).toBe('integrity');
    expect(lockdownMode(undefined)).toBe('none');
  });

  it('shows its addresses, or zeros to those that may not see them', () => {
    expect(showsAddresses('ffffffff81000000 T _text\nffffffff81000000 T startup_64\n')).toBe(true);
    expect(showsAddresses('0000000000000000 T _text\n0000000000000000 T startup_64\n')).toBe(false);
  });
});
