'use client';

import { useState } from 'react';
import { messageOf, setLatencySource } from '@/components/shell/api';
import { Button } from '@/components/ui/button';
import type { LatencySource } from '@/profile/latency/sources';
import type { CollectorStatus } from '@/profile/status';

/** Starts and ends taking stacks of a source's events, which is measured for it. */
export function StackSwitch({
  source,
  collector,
  onError,
}: {
  readonly source: LatencySource;
  readonly collector: CollectorStatus | undefined;
  onError(text: string | undefined): void;
}) {
  const [busy, setBusy] = useState(false);
  const isOn = collector?.latency.stacks.includes(source) ?? false;
  const change = async (): Promise<void> => {
    setBusy(true);
    try {
      await setLatencySource(source, { measured: true, stacks: !isOn });
      onError(undefined);
    } catch (error) {
      onError(messageOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Button
      look={isOn ? 'plain' : 'primary'}
      disabled={busy || collector === undefined}
      onClick={() => void change()}
    >
      {isOn ? 'Stop taking stacks' : 'Take stacks'}
    </Button>
  );
}
