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
const TITLES = { self: 'Self', total: 'Total', name: 'Function' } as const;

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
    <div
      ref={body}
      className="relative min-h-0 min-w-0 flex-1 overflow-y-auto"
      onScroll={(event) => setScrollTop(event.currentTarget.scrollTop)}
    >
      <table
        aria-label="Functions"
        aria-rowcount={rows.length + 1}
        className="w-full table-fixed border-separate border-spacing-0 text-sm"
      >
        <thead className="sticky top-0 z-10 bg-surface-2 text-xs">
          <tr className="h-7">
            {(['self', 'total', 'name'] as const).map((column) => (
              <th
                key={column}
                scope="col"
                aria-sort={
                  order === column ? (column === 'name' ? 'ascending' : 'descending') : 'none'
                }
                className={`border-b border-line font-normal ${column === 'name' ? 'pl-3 text-left' : 'w-17 pr-2 text-right'}`}
              >
                <button
                  type="button"
                  className={`hover:text-ink ${order === column ? 'font-semibold text-ink' : 'text-dim'}`}
                  onClick={() => setOrder(column)}
                >
                  {TITLES[column]}
                  <span aria-hidden="true">
                    {order === column ? (column === 'name' ? ' ↑' : ' ↓') : ''}
                  </span>
                </button>
                {column === 'name' ? (
                  <span className="pl-2 text-dim">{formatCount(rows.length)}</span>
                ) : null}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <tr style={{ height: first * ROW_HEIGHT }} />
          {Array.from(rows.subarray(first, last), (row, i) => {
            const label = functions.label[row];
            const name = labels.text[label];
            return (
              <tr
                key={label}
                aria-rowindex={first + i + 2}
                className="hover:bg-surface-2"
                style={{ height: ROW_HEIGHT }}
              >
                <ShareCell share={share(functions.self[row])} />
                <ShareCell share={share(functions.total[row])} />
                <td className="py-0 pr-2 pl-3">
                  <span className="flex min-w-0 items-baseline">
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
                  </span>
                </td>
              </tr>
            );
          })}
          <tr style={{ height: (rows.length - last) * ROW_HEIGHT }} />
        </tbody>
      </table>
      {rows.length === 0 ? (
        <p className="px-4 py-6 text-center text-sm text-dim">
          {search === '' ? 'No functions' : 'No function matches the search'}
        </p>
      ) : null}
    </div>
  );
}

/** A share, over a bar of its length. */
function ShareCell({ share }: { readonly share: number }) {
  return (
    <td className="relative py-0 pr-2 text-right">
      <span
        aria-hidden="true"
        className="absolute inset-y-0.5 right-0 rounded-sm bg-accent-soft"
        style={{ width: `${Math.min(100, share * 100)}%` }}
      />
      <span className="relative">{share === 0 ? '–' : formatShare(share)}</span>
    </td>
  );
}
