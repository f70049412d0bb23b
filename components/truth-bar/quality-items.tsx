import type { ReactNode } from 'react';
import type { Analysis } from '@/components/profile-worker/client';
import { IconButton } from '@/components/ui/button';
import { formatCount, formatShare } from '@/components/ui/format';
import { CloseIcon } from '@/components/ui/icons';
import { lazyPart } from '@/components/ui/lazy-part';
import { Popover } from '@/components/ui/popover';
import type { Share } from '@/profile/quality';
import type { UnnamedCode } from '@/profile/status';
import type { View } from '@/profile/view';
import { ITEM, ITEM_BUTTON, Item, NotMeasured, Steady, Waiting } from './item';

// What the popovers show.
const HealthPanel = lazyPart(() =>
  import('@/components/stack-health/health-panel').then((module) => module.HealthPanel),
);
const UnnamedPanel = lazyPart(() =>
  import('@/components/stack-health/unnamed-panel').then((module) => module.UnnamedPanel),
);

/** How much of the stacks is whole, and of the frames named. */
export function QualityItems({
  analysis,
  unnamedReasons,
  view,
  onView,
}: {
  readonly analysis: Analysis | undefined;
  readonly unnamedReasons: readonly UnnamedCode[];
  readonly view: View;
  onView(change: Partial<View>): void;
}) {
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
