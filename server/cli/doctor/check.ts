/** One thing that Hearth needs or can use, and how this machine stands with it. */

/** `degraded`: Hearth runs without it, and with less. */
export type CheckState = 'ok' | 'degraded' | 'missing';

export interface Check {
  /** Stable, for scripts. */
  readonly id: string;
  readonly group: 'kernel' | 'permissions' | 'collecting' | 'installation';
  readonly title: string;
  readonly state: CheckState;
  /** Without it nothing can be profiled. */
  readonly required: boolean;
  /** What was found. */
  readonly found: string;
  /** What Hearth uses it for, and so which way it takes here. */
  readonly meaning: string;
  /** What to do; undefined where all is well or nothing can be done. */
  readonly advice: string | undefined;
}

/** What a probe found out. Where all is well, `advice` is left out. */
export interface Finding {
  readonly state: CheckState;
  readonly found: string;
  readonly advice?: string;
  /** Which way is taken here, where it differs from the probe's own `meaning`. */
  readonly meaning?: string;
}

export interface Probe extends Pick<Check, 'id' | 'group' | 'title' | 'required' | 'meaning'> {
  readonly look: () => Finding | Promise<Finding>;
}

/** Runs a probe. What it throws is a finding too: the thing does not work. */
export async function runProbe({ look, ...probe }: Probe): Promise<Check> {
  let finding: Finding;
  try {
    finding = await look();
  } catch (error) {
    finding = {
      state: probe.required ? 'missing' : 'degraded',
      found: error instanceof Error ? error.message : String(error),
    };
  }
  return {
    ...probe,
    state: finding.state,
    found: finding.found,
    meaning: finding.meaning ?? probe.meaning,
    advice: finding.advice,
  };
}

/** Whether Hearth can profile here. */
export function isUsable(checks: readonly Check[]): boolean {
  return !checks.some((check) => check.required && check.state === 'missing');
}
