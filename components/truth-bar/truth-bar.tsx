'use client';

import { memo } from 'react';
import type { Analysis } from '@/components/profile-worker/client';
import { formatCount, formatShare, formatShortCount } from '@/components/ui/format';
import { lazyPart } from '@/components/ui/lazy-part';
import { Popover } from '@/components/ui/popover';
import type { SkippedLines } from '@/profile/profile';
import type { LiveStatus } from '@/profile/status';
import type { View } from '@/profile/view';
import { CostItems } from './cost-items';
import {
  Divider,
  ITEM,
  ITEM_BUTTON,
  Item,
  MeasuredText,
  NOT_REPORTED,
  NotMeasured,
  Steady,
  Waiting,
} from './item';
import { LossItem } from './loss-item';
import { QualityItems } from './quality-items';
import { rateText } from './rate-text';

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
              <Waiting why={NOT_REPORTED} />
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
            <Waiting why={NOT_REPORTED} />
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
          <MeasuredText
            of={collector?.stolen}
            waiting={NOT_REPORTED}
            format={formatShare}
            width={5}
          />
        </Item>
      </span>
      <Divider />
      <CostItems status={status} />
    </>
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

function SkippedText({ count, first }: SkippedLines) {
  const why = `of the file, which are no stack with a weight: the first is line ${first}. What was lost when it was written, it does not say.`;
  return (
    <span title={why} className="border-b border-dotted border-line-strong text-warn">
      {formatCount(count)} {count === 1 ? 'line' : 'lines'}
      <span className="sr-only"> {why}</span>
    </span>
  );
}
