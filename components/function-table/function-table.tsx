'use client';

/** The functions by self and total: a flat profile. Only the rows that are seen exist. */
import { useEffect, useMemo, useRef, useState } from 'react';
import type { Analysis } from '@/components/profile-worker/client';
import { formatCount, formatShare } from '@/components/ui/format';
import { type FunctionOrder, sortedFunctions } from '@/profile/function-list';

export interface FunctionTableProps {
  readonly analysis: Analysis;
  /** A function was picked, by its name. */
  onSelect(name: string): void;
  /** As in the view: matching functions only, while there is one. */
  readonly search: string;
}

const ROW_HEIGHT = 24;
const MORE_ROWS = 6;
const COLUMNS = 'grid grid-cols-[4.25rem_4.25rem_minmax(0,1fr)] gap-x-1';

export function FunctionTable({ analysis, onSelect, search }: FunctionTableProps) {
  const { functions, labels, tree } = analysis;
  const [order, setOrder] = useState<FunctionOrder>('self');
  const [scrollTop, setScrollTop] = useState(0);
  const [height, setHeight] = useState(0);
  const body = useRef<HTMLDivElement>(null);
  const matches = analysis.search?.matches;
  const rows = useMemo(() => {
    const sorted = sortedFunctions(functions, labels, order);
    return matches === undefined
      ? sorted
      : sorted.filter((row) => matches[functions.label[row]] === 1);
  }, [functions, labels, order, matches]);

  useEffect(() => {
    const element = body.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const all = tree.total[0];
  const first = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - MORE_ROWS);
  const last = Math.min(rows.length, Math.ceil((scrollTop + height) / ROW_HEIGHT) + MORE_ROWS);
  const share = (weight: number): number => (all === 0 ? 0 : weight / all);
  return (
    // biome-ignore lint/a11y/useSemanticElements: rows are placed by hand, so that only those that are seen exist
    <div
      role="table"
      aria-label="Functions"
      aria-rowcount={rows.length + 1}
      className="flex min-h-0 min-w-0 flex-1 flex-col text-sm"
    >
      <div role="rowgroup" className="shrink-0 border-b border-line bg-surface-2">
        {/* biome-ignore lint/a11y/useSemanticElements: see above */}
        {/* biome-ignore lint/a11y/useFocusableInteractive: its buttons are */}
        <div role="row" className={`${COLUMNS} h-7 items-center px-2 text-xs`}>
          {(['self', 'total', 'name'] as const).map((column) => (
            // biome-ignore lint/a11y/useFocusableInteractive: its button is
            // biome-ignore lint/a11y/useSemanticElements: see above
            <div
              key={column}
              role="columnheader"
              aria-sort={
                order === column ? (column === 'name' ? 'ascending' : 'descending') : 'none'
              }
              className={column === 'name' ? 'pl-2' : 'text-right'}
            >
              <button
                type="button"
                className={`hover:text-ink ${order === column ? 'font-semibold text-ink' : 'text-dim'}`}
                onClick={() => setOrder(column)}
              >
                {column === 'self' ? 'Self' : column === 'total' ? 'Total' : `Function`}
                <span aria-hidden="true">
                  {order === column ? (column === 'name' ? ' ↑' : ' ↓') : ''}
                </span>
              </button>
              {column === 'name' ? (
                <span className="pl-2 text-dim">{formatCount(rows.length)}</span>
              ) : null}
            </div>
          ))}
        </div>
      </div>
      <div
        ref={body}
        role="rowgroup"
        className="relative min-h-0 flex-1 overflow-y-auto"
        onScroll={(event) => setScrollTop(event.currentTarget.scrollTop)}
      >
        <div style={{ height: rows.length * ROW_HEIGHT }} />
        {Array.from(rows.subarray(first, last), (row, i) => {
          const label = functions.label[row];
          const name = labels.text[label];
          const self = share(functions.self[row]);
          const total = share(functions.total[row]);
          return (
            // biome-ignore lint/a11y/useSemanticElements: see above
            // biome-ignore lint/a11y/useFocusableInteractive: its button is
            <div
              key={label}
              role="row"
              aria-rowindex={first + i + 2}
              className={`${COLUMNS} absolute inset-x-0 items-center px-2 hover:bg-surface-2`}
              style={{ top: (first + i) * ROW_HEIGHT, height: ROW_HEIGHT }}
            >
              <Cell share={self} />
              <Cell share={total} />
              {/* biome-ignore lint/a11y/useSemanticElements: see above */}
              <div role="cell" className="flex min-w-0 items-baseline pl-2">
                <button
                  type="button"
                  aria-pressed={search === name}
                  className="min-w-0 truncate text-left font-mono hover:underline aria-pressed:font-semibold aria-pressed:text-accent"
                  title={name}
                  onClick={() => onSelect(name)}
                >
                  {name}
                </button>
                <span className="ml-2 max-w-[40%] shrink-0 truncate text-xs text-dim">
                  {labels.module[label]}
                </span>
              </div>
            </div>
          );
        })}
        {rows.length === 0 ? (
          <p className="absolute inset-x-0 top-6 px-4 text-center text-dim">
            {search === '' ? 'No functions' : 'No function matches the search'}
          </p>
        ) : null}
      </div>
    </div>
  );
}

/** A share, over a bar of its length. */
function Cell({ share }: { readonly share: number }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: see above
    <div role="cell" className="relative text-right">
      <span
        aria-hidden="true"
        className="absolute inset-y-0.5 right-0 -z-0 rounded-sm bg-accent-soft"
        style={{ width: `${Math.min(100, share * 100)}%` }}
      />
      <span className="relative pr-1">{share === 0 ? '–' : formatShare(share)}</span>
    </div>
  );
}
