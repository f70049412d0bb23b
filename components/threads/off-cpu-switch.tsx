'use client';

import { useState } from 'react';
import { messageOf, setOffCpu } from '@/components/shell/api';
import { Button, type ButtonLook } from '@/components/ui/button';

/** The shortest wait that is always taken: 10 ms, as often as samples at 99 Hz. */
const THRESHOLD_NS = 10e6;

/** Switches off-CPU profiling on or off. */
export function OffCpuSwitch({
  isOn,
  look = 'plain',
  disabled,
  onError,
}: {
  readonly isOn: boolean;
  readonly look?: ButtonLook;
  readonly disabled: boolean;
  onError(text: string | undefined): void;
}) {
  const [busy, setBusy] = useState(false);
  const change = async (): Promise<void> => {
    setBusy(true);
    try {
      await setOffCpu({ enabled: !isOn, thresholdNs: THRESHOLD_NS });
      onError(undefined);
    } catch (error) {
      onError(messageOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Button look={look} disabled={disabled || busy} onClick={() => void change()}>
      {isOn ? 'Stop off-CPU' : 'Turn on off-CPU profiling'}
    </Button>
  );
}
