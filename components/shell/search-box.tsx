'use client';

import { type RefObject, useId } from 'react';
import type { Analysis } from '@/components/profile-worker/client';
import { formatShare } from '@/components/ui/format';
import { SearchIcon } from '@/components/ui/icons';

export interface SearchBoxProps {
  readonly search: string;
  readonly analysis: Analysis | undefined;
  onSearch(search: string): void;
  readonly inputRef: RefObject<HTMLInputElement | null>;
}

/** The search for functions, and beside it what share of the time is in what it found. */
export function SearchBox({ search, analysis, onSearch, inputRef }: SearchBoxProps) {
  const resultId = useId();
  const error = search === '' ? undefined : (analysis?.searchError ?? analysis?.search?.error);
  const share = matchedShare(search, analysis);
  return (
    <div
      className={`flex h-7 mr-auto min-w-0 max-w-2xl flex-1 basis-52 max-sm:basis-full items-center gap-1.5 rounded-md border bg-bg px-2 focus-within:border-line-strong ${error === undefined ? 'border-line' : 'border-danger'}`}
    >
      <span className="text-dim">
        <SearchIcon />
      </span>
      <input
        ref={inputRef}
        type="search"
        aria-label="Search functions"
        aria-keyshortcuts="/"
        aria-describedby={resultId}
        aria-invalid={error !== undefined}
        placeholder="Search functions, or /regex/"
        title="Text, or a regular expression between slashes: /^std::/"
        autoComplete="off"
        spellCheck={false}
        value={search}
        onChange={(event) => onSearch(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          event.preventDefault();
          onSearch('');
          event.currentTarget.blur();
        }}
        className="h-full min-w-0 flex-1 bg-transparent text-sm outline-none placeholder:text-dim"
      />
      <span
        id={resultId}
        role="status"
        className={`shrink-0 truncate text-sm ${error === undefined ? 'text-dim' : 'max-w-56 text-danger'}`}
        title={error}
      >
        {shortError(error) ?? (share === undefined ? '' : `${formatShare(share)} matched`)}
      </span>
    </div>
  );
}

/** The engine's message repeats the whole expression, which is right beside it. */
function shortError(error: string | undefined): string | undefined {
  return error?.replace(/^Invalid regular expression: \/.*\/\w*: /s, '');
}

function matchedShare(search: string, analysis: Analysis | undefined): number | undefined {
  if (search === '' || analysis?.search === undefined) return undefined;
  // While someone types, the result is of the text before.
  if (analysis.search.text !== search) return undefined;
  const total = analysis.tree.total[0];
  return total === 0 ? 0 : analysis.search.matchedTotal / total;
}
