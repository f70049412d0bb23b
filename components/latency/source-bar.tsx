'use client';

import { useEffect, useRef, useState } from 'react';
import { messageOf, setLatencySource } from '@/components/shell/api';
import { Button } from '@/components/ui/button';
import { RadioGroup } from '@/components/ui/radio-group';
import { LATENCY_SOURCES, LATENCY_TEXTS, type LatencySource } from '@/profile/latency/sources';
import { type Extra, programCost } from '@/profile/program-cost';
import type { CollectorStatus } from '@/profile/status';

/** Which source is shown. */
export function SourceSwitch({
  value,
  onChange,
}: {
  readonly value: LatencySource;
  onChange(source: LatencySource): void;
}) {
  const bar = useRef<HTMLDivElement>(null);
  // On narrow screens the sources are wider than the bar: the one that is shown is in sight.
  useEffect(() => {
    if (bar.current === null) return;
    const chosen = bar.current.querySelectorAll('label')[LATENCY_SOURCES.indexOf(value)];
    const { left, width } = chosen.getBoundingClientRect();
    const within = bar.current.getBoundingClientRect();
    bar.current.scrollLeft += left + width / 2 - within.left - within.width / 2;
  }, [value]);
  return (
    <div ref={bar} className="max-w-full overflow-x-auto [&_label]:whitespace-nowrap [&>div]:w-max">
      <RadioGroup
        label="Source"
        options={LATENCY_SOURCES.map((source) => ({
          value: source,
          label: LATENCY_TEXTS[source].title,
          title: LATENCY_TEXTS[source].text,
        }))}
        value={value}
        onChange={onChange}
      />
    </div>
  );
}

/** Starts and ends measuring a source. */
export function MeasureSwitch({
  source,
  collector,
  disabled,
  onError,
}: {
  readonly source: LatencySource;
  readonly collector: CollectorStatus | undefined;
  readonly disabled: boolean;
  onError(text: string | undefined): void;
}) {
  const [busy, setBusy] = useState(false);
  const isOn = collector?.latency.sources.includes(source) ?? false;
  const isPart = source === 'waits' && collector?.offCpu !== undefined;
  const change = async (): Promise<void> => {
    setBusy(true);
    try {
      await setLatencySource(source, { measured: !isOn, stacks: false });
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
      // As wide for both of its words: nothing beside it moves.
      className="min-w-[7.5rem]"
      aria-pressed={isOn}
      disabled={disabled || busy || collector === undefined || isPart}
      title={isPart ? 'Part of off-CPU profiling, which is on' : undefined}
      onClick={() => void change()}
    >
      {isOn ? 'Stop measuring' : 'Measure'}
    </Button>
  );
}

/** What the programs of a source cost where it is measured, in a place whose size is always the same. */
export function MeasureCost({
  source,
  collector,
}: {
  readonly source: LatencySource;
  readonly collector: CollectorStatus | undefined;
}) {
  return (
    <div className="min-h-7 min-w-0 flex-1 basis-28 text-xs leading-[14px] text-dim">
      {collector?.latency.sources.includes(source) === true ? (
        <Cost source={source} collector={collector} />
      ) : null}
    </div>
  );
}

function Cost({
  source,
  collector,
}: {
  readonly source: LatencySource;
  readonly collector: CollectorStatus;
}) {
  const cost = programCost(source, collector);
  if (cost === undefined) return 'cost not measured yet';
  const lines = [
    `costs ${(100 * cost.cpu).toFixed(2)}% of one CPU`,
    cost.runs === 0 ? 'no run' : `${(cost.runNs / cost.runs).toFixed(0)} ns a run`,
  ];
  return (
    <div title={explain(source, cost.extras)}>
      {lines.map((line) => (
        <div key={line} className="truncate">
          {line}
        </div>
      ))}
    </div>
  );
}

/** `extras`: those that are measured by the same programs. */
function explain(source: LatencySource, extras: readonly Extra[]): string {
  if (extras.includes('offCpu'))
    return 'That of off-CPU profiling, whose programs count it, too. As the kernel measures it, a quarter of a second in ten.';
  const others = LATENCY_SOURCES.filter((other) => other !== source && extras.includes(other));
  if (others.length === 0)
    return 'Run time of its BPF programs, as the kernel measures it, a quarter of a second in ten.';
  return `Shared with ${others
    .map((other) => LATENCY_TEXTS[other].title)
    .join(' and ')}: they are measured by the same programs.`;
}
