'use client';

import { memo, type ReactNode } from 'react';
import type { Analysis } from '@/components/profile-worker/client';
import { IconButton } from '@/components/ui/button';
import { formatBytes, formatCount, formatShare, formatShortCount } from '@/components/ui/format';
import { CloseIcon } from '@/components/ui/icons';
import { lazyPart } from '@/components/ui/lazy-part';
import { Popover } from '@/components/ui/popover';
import type { SkippedLines } from '@/profile/profile';
import type { Share } from '@/profile/quality';
import type {
  BudgetStatus,
  LiveStatus,
  Measured,
  ProcessCost,
  UnnamedCode,
} from '@/profile/status';
import type { View } from '@/profile/view';
import { lossRows, lossSummary } from './losses';
import { rateText } from './rate-text';

// What the popovers show.
const HealthPanel = lazyPart(() =>
  import('@/components/stack-health/health-panel').then((module) => module.HealthPanel),
);
const UnnamedPanel = lazyPart(() =>
  import('@/components/stack-health/unnamed-panel').then((module) => module.UnnamedPanel),
);
const BudgetForm = lazyPart(() => import('./budget-form').then((module) => module.BudgetForm));
const SamplingForm = lazyPart(() =>
  import('./sampling-form').then((module) => module.SamplingForm),
);

export type TruthBarProps = {
  readonly view: View;
  onView(change: Partial<View>): void;
} & (
  | {
      readonly kind: 'live';
      /** There is no connection: the numbers are the last ones that came. */
      readonly isOld: boolean;
      /** By how much what is shown is older than the present; 0 where the page keeps up. */
      readonly secondsBehind: number;
      readonly status: LiveStatus | undefined;
      readonly analysis: Analysis | undefined;
    }
  | {
      readonly kind: 'recorded';
      readonly analysis: Analysis | undefined;
    }
);

/** What the panels need to look at one process. */
type Looking = Pick<TruthBarProps, 'view' | 'onView'>;

const ITEM = 'flex h-6 items-center gap-1.5 whitespace-nowrap rounded px-1.5';
const ITEM_BUTTON = `${ITEM} hover:bg-surface-2 hover:text-ink`;

/** How far what is on the screen can be trusted, and what it costs to look. What isn't measured says so, and why. */
export const TruthBar = memo(function TruthBar(props: TruthBarProps) {
  return (
    <section
      aria-label="Truth bar"
      title={props.kind === 'live' && props.isOld ? 'The last numbers that came' : undefined}
      className={`flex min-h-8 shrink-0 flex-wrap items-center gap-x-1 border-t border-line bg-surface px-1.5 py-0.5 text-sm text-dim ${props.kind === 'live' && props.isOld ? 'opacity-60' : ''}`}
    >
      {props.kind === 'live' ? <LiveItems {...props} /> : <RecordedItems {...props} />}
    </section>
  );
});

function LiveItems({
  status,
  analysis,
  secondsBehind,
  ...looking
}: Extract<TruthBarProps, { kind: 'live' }>) {
  const collector = status?.collector;
  const waiting = 'the agent has not reported yet';
  return (
    <>
      {secondsBehind === 0 ? null : (
        <span
          className={ITEM}
          title="What is shown is so old: this page can’t take in what is measured as fast as it comes. Nothing is left out; fewer sources of latencies, or a lower rate, make it less."
        >
          <Item label="Behind">
            <span className="text-warn">{secondsBehind} s</span>
          </Item>
        </span>
      )}
      <Popover
        label="Sampling rate"
        buttonClass={ITEM_BUTTON}
        buttonLabel={`Sampling rate: ${collector === undefined ? 'not known yet' : `${collector.frequencyHz} Hz`}`}
        buttonTitle="Samples a second on each CPU. Click to change."
        button={
          <Item label="Rate">
            {collector === undefined ? (
              <Waiting why={waiting} />
            ) : (
              <span className="border-b border-dotted border-line-strong">
                {collector.frequencyHz} Hz × {collector.cpus} CPU{collector.cpus === 1 ? '' : 's'}
              </span>
            )}
          </Item>
        }
      >
        {(close) => <SamplingForm frequencyHz={status?.budget.wishedHz ?? 99} onDone={close} />}
      </Popover>
      <span className={ITEM} title="Samples that the agent received in the last second">
        <Item label="Samples/s">
          {collector === undefined ? (
            <Waiting why={waiting} />
          ) : (
            <Steady width={5}>{formatShortCount(collector.samplesPerSecond)}</Steady>
          )}
        </Item>
      </span>
      <QualityItems analysis={analysis} unnamedReasons={collector?.unnamed ?? []} {...looking} />
      <LossItem losses={collector?.losses} since="since the agent started" />
      <span
        className={ITEM}
        title="Steal: of this machine’s CPU time, what the host of a virtual machine gave to others over the last ten seconds. What ran meanwhile has it in its times, for no clock stands still."
      >
        <Item label="Stolen">
          <MeasuredText of={collector?.stolen} waiting={waiting} format={formatShare} width={5} />
        </Item>
      </span>
      <Divider />
      <CostItem label="Agent" cost={collector?.agent} waiting={waiting} />
      <CostItem label="Web" cost={status?.web} waiting="the web process has not reported yet" />
      <span
        className={ITEM}
        title={
          collector === undefined
            ? undefined
            : `Run time of Hearth’s BPF programs, share of one core, measured a quarter of a second in ten (measuring costs, too), and memory of their maps\n${programLines(collector.bpfPrograms)}`
        }
      >
        <Item label="BPF">
          <MeasuredText of={collector?.bpfCpu} waiting={waiting} format={formatCpu} width={5} />
          <MeasuredText
            of={collector?.bpfMapBytes}
            waiting={waiting}
            format={formatBytes}
            width={8}
          />
        </Item>
      </span>
      {status === undefined ? null : <BudgetItem budget={status.budget} />}
    </>
  );
}

function BudgetItem({ budget }: { readonly budget: BudgetStatus }) {
  const { cpuPercent, memoryBytes, usedPercent, usedBytes, isLowered } = budget;
  const isLarge = usedBytes !== undefined && usedBytes > memoryBytes;
  return (
    <Popover
      label="Budget"
      buttonClass={ITEM_BUTTON}
      buttonLabel={`Budget: ${cpuPercent === 0 ? 'no limit' : `${cpuPercent}% of the machine’s CPU`}${isLowered ? ', sampling is lowered' : ''}`}
      buttonTitle={`${usedPercent === undefined ? '' : `Hearth has used ${usedPercent.toFixed(1)}% of all CPUs together in the last 15 seconds. `}${cpuPercent === 0 ? 'It has no budget' : `Its budget is ${cpuPercent}%${isLowered ? ', so it samples less often' : ''}`}. Click to change.`}
      button={
        <Item label="Budget">
          <span
            className={`border-b border-dotted border-line-strong ${isLowered || isLarge ? 'text-warn' : ''}`}
          >
            {usedPercent === undefined ? '–' : `${usedPercent.toFixed(1)}%`}
            {cpuPercent === 0 ? '' : ` / ${cpuPercent}%`}
            {isLowered ? ' ↓' : ''}
          </span>
        </Item>
      }
    >
      {(close) => <BudgetForm budget={budget} onDone={close} />}
    </Popover>
  );
}

function RecordedItems({ analysis, ...looking }: Extract<TruthBarProps, { kind: 'recorded' }>) {
  const rate = analysis && rateText(analysis.rates);
  return (
    <>
      <span className={ITEM} title="Samples a second on each CPU">
        <Item label="Rate">
          {analysis === undefined ? (
            <Waiting why="nothing is loaded yet" />
          ) : (
            (rate ?? <NotMeasured why="the file does not say how often it was sampled" />)
          )}
        </Item>
      </span>
      <span className={ITEM} title="In the time range and the processes that are looked at">
        <Item label="Samples">
          {analysis === undefined ? (
            <Waiting why="nothing is loaded yet" />
          ) : (
            formatCount(analysis.tree.totalSamples[0])
          )}
        </Item>
      </span>
      <QualityItems analysis={analysis} unnamedReasons={[]} {...looking} />
      {analysis?.isImport === true ? (
        <span className={ITEM}>
          <Item label="Lost">
            {analysis.skippedLines !== undefined ? (
              <SkippedText {...analysis.skippedLines} />
            ) : (
              <NotMeasured why="the file does not say what was lost when it was written" />
            )}
          </Item>
        </span>
      ) : (
        <LossItem losses={analysis?.losses} since="in this recording" />
      )}
    </>
  );
}

function QualityItems({
  analysis,
  unnamedReasons,
  view,
  onView,
}: {
  readonly analysis: Analysis | undefined;
  readonly unnamedReasons: readonly UnnamedCode[];
} & Looking) {
  return (
    <>
      <ShareItem
        label="Whole stacks"
        panel="Stack health"
        analysis={analysis}
        of="whole"
        what="samples whose stack reached the root of its thread"
        whyNotMeasured="an imported file does not say where its stacks end"
      >
        {(shown) => (
          <HealthPanel
            health={shown.health}
            pids={view.pids}
            onPids={(pids) => onView({ pids, zoom: [] })}
          />
        )}
      </ShareItem>
      <ShareItem
        label="Named frames"
        panel="Frames without names"
        analysis={analysis}
        of="named"
        what="frames that have a function’s name"
        whyNotMeasured="an imported file does not say which of its frames are names"
      >
        {(shown) => <UnnamedPanel analysis={shown} reasons={unnamedReasons} />}
      </ShareItem>
    </>
  );
}

function ShareItem({
  label,
  panel,
  analysis,
  of,
  what,
  whyNotMeasured,
  children,
}: {
  readonly label: string;
  /** The name of what opens. */
  readonly panel: string;
  readonly analysis: Analysis | undefined;
  readonly of: 'whole' | 'named';
  readonly what: string;
  /** Of imports. */
  readonly whyNotMeasured: string;
  readonly children: (analysis: Analysis) => ReactNode;
}) {
  const share = analysis?.quality[of];
  if (analysis === undefined || share?.share === undefined || analysis.isImport) {
    return (
      <span className={ITEM}>
        <Item label={label}>
          {analysis?.isImport === true ? (
            <NotMeasured why={whyNotMeasured} />
          ) : (
            <Steady width={6}>
              <Waiting why="there are no samples" />
            </Steady>
          )}
        </Item>
      </span>
    );
  }
  return (
    <Popover
      label={panel}
      buttonClass={ITEM_BUTTON}
      buttonLabel={`${label}: ${formatShare(share.share)}`}
      buttonTitle={`${shareTitle(share, what)}\nClick to see why, and in which files.`}
      button={
        <Item label={label}>
          <Steady width={6}>
            <span
              className={`border-b border-dotted border-line-strong ${share.share < 0.9 ? 'text-warn' : ''}`}
            >
              {formatShare(share.share)}
            </span>
          </Steady>
        </Item>
      }
    >
      {(close) => (
        <div className="relative">
          {children(analysis)}
          <IconButton label="Close" className="absolute -top-1 -right-1" onClick={close}>
            <CloseIcon />
          </IconButton>
        </div>
      )}
    </Popover>
  );
}

function shareTitle(share: Share, what: string): string {
  const error = `± ${(1.96 * share.standardError * 100).toFixed(2)}%`;
  return `${formatCount(share.count)} of ${formatCount(share.of)} ${what} (${error})`;
}

function LossItem({
  losses,
  since,
}: {
  readonly losses: Readonly<Record<string, number>> | undefined;
  readonly since: string;
}) {
  if (losses === undefined) {
    return (
      <span className={ITEM}>
        <Item label="Lost">
          <Waiting why="nothing was received yet" />
        </Item>
      </span>
    );
  }
  const rows = lossRows(losses);
  const summary = lossSummary(rows);
  return (
    <Popover
      label="What was lost"
      buttonClass={ITEM_BUTTON}
      buttonLabel={`Lost: ${summary}`}
      buttonTitle={`What was lost ${since}, and why`}
      button={
        <Item label="Lost">
          <span
            className={`border-b border-dotted border-line-strong ${summary === '0' ? '' : 'text-warn'}`}
          >
            {summary}
          </span>
        </Item>
      }
    >
      {() => (
        <div className="w-[min(460px,calc(100vw-48px))]">
          <h2 className="mb-1.5 text-sm font-semibold">What was lost {since}</h2>
          <table className="w-full text-sm">
            <thead className="sr-only">
              <tr>
                <th>Count</th>
                <th>What and why</th>
              </tr>
            </thead>
            <tbody className="divide-y divide-line">
              {rows.map(({ reason, text, count }) => (
                <tr key={reason}>
                  <td
                    className={`py-1 pr-3 text-right align-top font-medium ${count === 0 ? 'text-dim' : 'text-warn'}`}
                  >
                    {formatCount(count)}
                  </td>
                  <td className="w-full py-1">
                    {text}
                    <div className="font-mono text-xs text-dim">{reason}</div>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Popover>
  );
}

function CostItem({
  label,
  cost,
  waiting,
}: {
  readonly label: string;
  readonly cost: ProcessCost | undefined;
  readonly waiting: string;
}) {
  return (
    <span
      className={ITEM}
      title={`What Hearth’s ${label.toLowerCase()} process costs: share of one core over the last second, and resident memory`}
    >
      <Item label={label}>
        <MeasuredText of={cost?.cpu} waiting={waiting} format={formatCpu} width={5} />
        <MeasuredText of={cost?.residentBytes} waiting={waiting} format={formatBytes} width={8} />
      </Item>
    </span>
  );
}

function Item({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return (
    <>
      <span>{label}</span>
      <span className="flex gap-1.5 text-ink">{children}</span>
    </>
  );
}

function MeasuredText({
  of,
  waiting,
  format,
  width,
}: {
  readonly of: Measured | undefined;
  readonly waiting: string;
  format(value: number): string;
  readonly width: number;
}) {
  if (of === undefined) {
    return (
      <Steady width={width}>
        <Waiting why={waiting} />
      </Steady>
    );
  }
  if ('notMeasured' in of) return <NotMeasured why={of.notMeasured} />;
  return <Steady width={width}>{format(of.value)}</Steady>;
}

function SkippedText({ count, first }: SkippedLines) {
  const why = `of the file, which are no stack with a weight: the first is line ${first}. What was lost when it was written, it does not say.`;
  return (
    <span title={why} className="border-b border-dotted border-line-strong text-warn">
      {formatCount(count)} {count === 1 ? 'line' : 'lines'}
      <span className="sr-only"> {why}</span>
    </span>
  );
}

function NotMeasured({ why }: { readonly why: string }) {
  return (
    <span
      title={`Not measured: ${why}`}
      className="border-b border-dotted border-line-strong text-dim italic"
    >
      not measured<span className="sr-only">: {why}</span>
    </span>
  );
}

/** It will be measured, but there is no number yet. */
function Waiting({ why }: { readonly why: string }) {
  return (
    <span title={why} className="text-dim">
      –<span className="sr-only">{why}</span>
    </span>
  );
}

/** Keeps room for `width` characters, so that its neighbours stay where they are. */
function Steady({ width, children }: { readonly width: number; readonly children: ReactNode }) {
  return (
    <span className="inline-block" style={{ minWidth: `${width}ch` }}>
      {children}
    </span>
  );
}

function Divider() {
  return <span aria-hidden="true" className="mx-1 hidden h-4 border-l border-line lg:block" />;
}

/** A share of one core; two digits below 10%, since that is where it should be. */
function formatCpu(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 2 : 1)}%`;
}

function programLines(
  programs: Readonly<Record<string, { readonly nsPerRun: number; readonly runs: number }>>,
): string {
  return Object.entries(programs)
    .filter(([, { runs }]) => runs > 0)
    .map(
      ([name, { nsPerRun, runs }]) =>
        `${name}: ${formatCount(runs)} runs/s, ${formatCount(nsPerRun)} ns each`,
    )
    .join('\n');
}
