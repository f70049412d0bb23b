import { memo, type RefObject } from 'react';
import { ModeSwitch } from '@/components/modes/mode-switch';
import type { Analysis } from '@/components/profile-worker/client';
import { CopyLink } from '@/components/shell/copy-link';
import { NamesSwitch } from '@/components/shell/names-switch';
import { OrientationSwitch } from '@/components/shell/orientation-switch';
import { SearchBox } from '@/components/shell/search-box';
import type { PageView } from '@/components/shell/use-view';
import { Button } from '@/components/ui/button';
import { PauseIcon, PlayIcon } from '@/components/ui/icons';
import { Recorder, type RecorderProps } from './recorder';
import { WindowSwitch } from './window-switch';

export interface LiveToolbarProps extends PageView, RecorderProps {
  /** What was searched in; undefined while nothing is searched for. */
  readonly searched: Analysis | undefined;
  readonly searchRef: RefObject<HTMLInputElement | null>;
  /** As WindowSwitch has it; of the window that has no fixed length only. */
  readonly sinceMs: number | undefined;
  readonly paused: boolean;
  onPaused(isPaused: boolean): void;
}

/**
 * What is looked at, and how. Drawn when it changes, not with every update of the profile: React would write to each of
 * its inputs four times a second.
 */
export const LiveToolbar = memo(function LiveToolbar({
  view,
  window,
  changeView,
  changeWindow,
  searched,
  searchRef,
  sinceMs,
  paused,
  onPaused,
  ...recorder
}: LiveToolbarProps) {
  return (
    <div
      role="toolbar"
      aria-label="Live view"
      className="flex shrink-0 flex-wrap items-center gap-1.5 border-b border-line bg-surface px-2 py-1.5"
    >
      <SearchBox
        search={view.search}
        analysis={searched}
        onSearch={(text) => changeView({ search: text }, 'replace')}
        inputRef={searchRef}
      />
      <ModeSwitch
        value={view.mode}
        hasLatency={view.latency !== undefined}
        onChange={(mode) => changeView({ mode, zoom: [] })}
      />
      <WindowSwitch value={window} sinceMs={sinceMs} onChange={changeWindow} />
      <OrientationSwitch
        value={view.orientation}
        onChange={(orientation) => changeView({ orientation })}
      />
      <NamesSwitch value={view.names} onChange={(names) => changeView({ names })} />
      <Button
        aria-label={paused ? 'Resume' : 'Pause'}
        aria-keyshortcuts="Space"
        title={paused ? 'Resume (Space)' : 'Pause (Space)'}
        look={paused ? 'primary' : 'plain'}
        onClick={() => onPaused(!paused)}
      >
        {paused ? <PlayIcon /> : <PauseIcon />}
        <span className="hidden min-w-13 text-left xl:inline">{paused ? 'Resume' : 'Pause'}</span>
      </Button>
      <CopyLink />
      <Recorder {...recorder} />
    </div>
  );
});
