'use client';

import { useRef } from 'react';
import { FlameGraph } from '@/components/flame-graph/flame-graph';
import type { Analysis } from '@/components/profile-worker/client';
import { OrientationSwitch } from '@/components/shell/orientation-switch';
import { PageLink } from '@/components/shell/page-link';
import { SearchBox } from '@/components/shell/search-box';
import { useNames } from '@/components/shell/use-names';
import { useShortcuts } from '@/components/shell/use-shortcuts';
import { OffCpuSwitch } from '@/components/threads/off-cpu-switch';
import { buttonClass } from '@/components/ui/button';
import { formatCount, formatDuration } from '@/components/ui/format';
import { formatLatency } from '@/profile/latency/format';
import {
  DEFAULT_STACK_THRESHOLD_NS,
  hasStacks,
  LATENCY_TEXTS,
  STACK_SOURCES,
} from '@/profile/latency/sources';
import type { CollectorStatus } from '@/profile/status';
import { DEFAULT_VIEW } from '@/profile/view';
import type { LatencyView } from './latency-query';
import { StackSwitch } from './stack-switch';

export interface StacksPanelProps {
  /** Of the stacks of what is selected; undefined until it has come. */
  readonly analysis: Analysis | undefined;
  readonly view: LatencyView;
  change(part: Partial<LatencyView>, how?: 'push' | 'replace'): void;
  /** What is shown: of the view's source. */
  readonly label: string;
  /** The same in a page of its own. */
  readonly href: string;
  /** undefined: a recording. */
  readonly live: { readonly collector: CollectorStatus | undefined } | undefined;
  onError(text: string | undefined): void;
}

/** The flame graph of the selected events; or why there is none, and what would bring it. */
export function StacksPanel(props: StacksPanelProps) {
  const { analysis, view, change, label, href, live, onError } = props;
  const search = useRef<HTMLInputElement>(null);
  const nameOf = useNames(analysis?.labels, DEFAULT_VIEW.names);
  useShortcuts({
    '/': () => {
      search.current?.focus();
      search.current?.select();
      return search.current !== null;
    },
  });
  const drawn = analysis?.mode === 'latency' ? analysis.tree.totalSamples[0] : 0;
  const shown = drawn > 0 ? analysis : undefined;
  return (
    <section
      aria-label="Stacks of the selected events"
      className={`flex flex-col border-t border-line ${shown === undefined ? 'shrink-0' : 'h-96 shrink-0 lg:h-auto lg:min-h-80 lg:flex-1 lg:shrink'}`}
    >
      <div className="flex min-h-9 shrink-0 flex-wrap items-center gap-1.5 border-b border-line px-3 py-1 text-sm">
        <h2 className="font-medium">Stacks</h2>
        {shown === undefined ? (
          <Hint {...props} />
        ) : (
          <>
            <span
              className="mr-1.5 text-dim"
              title="The longest events are all there; of shorter ones each stands for several like it, in proportion to its length."
            >
              {formatCount(drawn)} {drawn === 1 ? 'event' : 'events'} drawn, for{' '}
              {formatDuration(shown.tree.total[0] / 1e6)}
            </span>
            <SearchBox
              search={view.search}
              analysis={shown}
              onSearch={(text) => change({ search: text }, 'replace')}
              inputRef={search}
            />
            <OrientationSwitch
              value={view.orientation}
              onChange={(orientation) => change({ orientation })}
            />
            <PageLink href={href} className={buttonClass()}>
              Open as a page
            </PageLink>
          </>
        )}
        {live !== undefined && STACK_SOURCES.includes(view.source) ? (
          <StackSwitch source={view.source} collector={live.collector} onError={onError} />
        ) : null}
      </div>
      {shown === undefined ? null : (
        <FlameGraph
          analysis={shown}
          view={{ ...DEFAULT_VIEW, zoom: view.zoom, orientation: view.orientation }}
          nameOf={nameOf}
          onZoom={(zoom) => change({ zoom })}
          onSelect={() => {}}
          label={`Flame graph of ${label}`}
        />
      )}
    </section>
  );
}

/** Why there are no stacks. */
function Hint({ view, label, live, onError }: StacksPanelProps) {
  const { source } = view;
  const text = (what: string) => <span className="min-w-60 flex-1 text-dim">{what}</span>;
  if (!hasStacks(source, label))
    return text(
      source === 'tcp'
        ? 'Of TCP only connecting has stacks.'
        : 'What is counted here has no stacks.',
    );
  const isOwn = STACK_SOURCES.includes(source);
  if (live === undefined) {
    return text(
      isOwn
        ? 'None of what is selected in this recording: they were off, or no event was drawn.'
        : 'None of what is selected in this recording: off-CPU profiling was off, or no wait was drawn.',
    );
  }
  if (!isOwn) {
    const isOn = live.collector?.offCpu !== undefined;
    return (
      <>
        {text(
          isOn
            ? 'No wait of what is selected has been drawn yet.'
            : `${LATENCY_TEXTS[source].title}: its stacks are those of off-CPU profiling, which is off.`,
        )}
        {isOn ? null : (
          <OffCpuSwitch
            isOn={false}
            look="primary"
            disabled={live.collector === undefined}
            onError={onError}
          />
        )}
      </>
    );
  }
  if (live.collector?.latency.stacks.includes(source) === true)
    return text('No event of what is selected has been drawn yet.');
  return text(costText(live.collector?.offCpu?.thresholdNs ?? DEFAULT_STACK_THRESHOLD_NS));
}

function costText(thresholdNs: number): string {
  const length = formatLatency(thresholdNs, 'nanoseconds');
  const perSecond = formatCount(Math.round(1e9 / thresholdNs));
  return `Off. Events of ${length} or more would all have one, shorter ones in proportion: at most ${perSecond} stacks a second for each thread that is in such events, of 1 to 10 us each.`;
}
