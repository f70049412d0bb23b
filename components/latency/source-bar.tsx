'use client';

import { useEffect, useRef, useState } from 'react';
import { messageOf, setLatencySources } from '@/components/shell/api';
import { Button } from '@/components/ui/button';
import { RadioGroup } from '@/components/ui/radio-group';
import { LATENCY_SOURCES, LATENCY_TEXTS, type LatencySource } from '@/profile/latency/sources';
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

/** Starts and ends measuring a source, and says what its programs cost. */
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
  const measured = collector?.latency.sources ?? [];
  const isOn = measured.includes(source);
  const set = async (sources: readonly LatencySource[]): Promise<void> => {
    setBusy(true);
    try {
      const stacks = collector?.latency.stacks ?? [];
      await setLatencySources(
        sources,
        stacks.filter((other) => sources.includes(other)),
      );
      onError(undefined);
    } catch (error) {
      onError(messageOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Button
        look={isOn ? 'plain' : 'primary'}
        aria-pressed={isOn}
        disabled={disabled || busy || collector === undefined}
        onClick={() => {
          const others = measured.filter((other) => other !== source);
          void set(isOn ? others : [...others, source]);
        }}
      >
        {isOn ? 'Stop measuring' : 'Measure'}
      </Button>
      {isOn && collector !== undefined ? <Cost source={source} collector={collector} /> : null}
    </>
  );
}

/** Sources of the same programs share their cost. */
const PROGRAMS: Readonly<Record<LatencySource, string>> = {
  runqueue: 'latency_runqueue',
  block: 'latency_block',
  syscalls: 'latency_syscall',
  fs: 'latency_syscall',
  futex: 'latency_syscall',
  tcp: 'latency_tcp',
  faults: 'latency_fault',
  dns: 'latency_dns',
};

function Cost({
  source,
  collector,
}: {
  readonly source: LatencySource;
  readonly collector: CollectorStatus;
}) {
  const programs = Object.entries(collector.bpfPrograms).filter(([name]) =>
    name.startsWith(PROGRAMS[source]),
  );
  const cpu = programs.reduce((sum, [, program]) => sum + program.cpu, 0);
  const runs = programs.reduce((sum, [, program]) => sum + program.runs, 0);
  const perRun = runs === 0 ? 0 : programs.reduce((s, [, p]) => s + p.nsPerRun * p.runs, 0) / runs;
  const shared = LATENCY_SOURCES.filter(
    (other) => PROGRAMS[other] === PROGRAMS[source] && collector.latency.sources.includes(other),
  );
  return (
    <span
      className="whitespace-nowrap text-sm text-dim"
      title={
        shared.length > 1
          ? `Shared with ${shared
              .filter((other) => other !== source)
              .map((other) => LATENCY_TEXTS[other].title)
              .join(' and ')}: they are measured by the same programs.`
          : 'Run time of its BPF programs, as the kernel measures it, one second in ten.'
      }
    >
      costs {(100 * cpu).toFixed(2)}% of one CPU, {perRun.toFixed(0)} ns a run
    </span>
  );
}
