'use client';

/** The functions by self and total: a flat profile. Only the rows that are seen exist. */
import { memo, useMemo, useState } from 'react';
import type { Analysis } from '@/components/profile-worker/client';
import { formatCount, formatDuration, formatShare } from '@/components/ui/format';
import { HeldOrder } from '@/components/ui/held-order';
import { useHeld } from '@/components/ui/use-held';
import { useRovingRows } from '@/components/ui/use-roving-rows';
import { useVisibleRows } from '@/components/ui/use-visible-rows';
import { type LabelIndex, LabelKind } from '@/profile/labels';
import { type FunctionOrder, orderedRows } from './row-order';

export interface FunctionTableProps {
  readonly analysis: Analysis;
  /** What a label is called in the table; hovering tells its full name. */
  nameOf(label: LabelIndex): string;
  /** A function was picked, by its name. */
  onSelect(name: string): void;
  /** As in the view: matching functions only, while there is one. */
  readonly search: string;
}

const ROW_HEIGHT = 24;
const TITLES = {
  self: { text: 'Self', title: 'Time in the function itself' },
  total: { text: 'Total', title: 'Time in the function and all that it calls' },
  name: { text: 'Function', title: 'Name' },
} as const;

export const FunctionTable = memo(function FunctionTable({
  analysis,
  nameOf,
  onSelect,
  search,
}: FunctionTableProps) {
  const { functions, labels, tree, unit } = analysis;
  const hasModules = !analysis.isImport;
  const [by, setBy] = useState<FunctionOrder>('self');
  const [isHeld, hold] = useHeld();
  const [order] = useState(() => new HeldOrder<number>());
  const found = analysis.search;
  const sorted = useMemo(() => orderedRows(functions, by, nameOf), [functions, by, nameOf]);
  const rows = useMemo(() => {
    const labelOf = (row: number): LabelIndex => functions.label[row];
    const all = order.rows(sorted, labelOf, isHeld, [labels, by, nameOf, found?.text]);
    return found === undefined ? all : all.filter((row) => found.matches[labelOf(row)] === 1);
  }, [order, sorted, functions, labels, by, nameOf, found, isHeld]);

  // Another order, or another search: its beginning is what was asked for.
  const seen = useVisibleRows(rows.length, ROW_HEIGHT, `${by} ${found?.text}`);
  const { first, last, count } = seen;
  const controlOf = useRovingRows({
    scroller: seen.element,
    count,
    keyAt: (index) => functions.label[rows[index]],
    seen,
  });

  const all = tree.total[0];
  const share = (weight: number): number => (all === 0 ? 0 : weight / all);
  const title = (weight: number, samples: number): string => {
    const count = `${formatCount(samples)} ${samples === 1 ? 'sample' : 'samples'}`;
    return unit === 'nanoseconds' ? `${formatDuration(weight / 1e6)}, ${count}` : count;
  };
  return (
    <div
      ref={seen.element}
      className="@container relative min-h-0 min-w-0 flex-1 contain-strict scroll-pt-7 overflow-y-auto overscroll-contain"
      onScroll={seen.onScroll}
      {...hold}
    >
      <table
        aria-label="Functions"
        aria-rowcount={rows.length + 1}
        className="w-full table-fixed border-separate border-spacing-0 text-sm"
      >
        <thead className="sticky top-0 z-10 bg-surface-2 text-xs">
          <tr aria-rowindex={1} className="h-7">
            {(['self', 'total', 'name'] as const).map((column) => (
              <th
                key={column}
                scope="col"
                aria-sort={
                  by === column ? (column === 'name' ? 'ascending' : 'descending') : 'none'
                }
                className={`border-b border-line font-normal ${column === 'name' ? 'pl-3 text-left' : 'w-16 pr-2 text-right'}`}
              >
                <button
                  type="button"
                  title={TITLES[column].title}
                  className={`h-7 min-w-7 hover:text-ink ${by === column ? 'font-semibold text-ink' : 'text-dim'}`}
                  onClick={() => setBy(column)}
                >
                  {TITLES[column].text}
                  <span aria-hidden="true">
                    {by === column ? (column === 'name' ? ' ↑' : ' ↓') : ''}
                  </span>
                </button>
                {column === 'name' ? (
                  <span className="pl-2 text-dim">{formatCount(rows.length)}</span>
                ) : null}
              </th>
            ))}
            {hasModules ? (
              <th
                scope="col"
                className="hidden w-22 border-b border-line pr-2 text-left font-normal text-dim @sm:table-cell @2xl:w-[30%]"
              >
                Module
              </th>
            ) : null}
          </tr>
        </thead>
        <tbody>
          <tr style={{ height: first * ROW_HEIGHT }} />
          {rows.slice(first, last).map((row, i) => {
            const label = functions.label[row];
            const name = labels.textOf(label);
            const module = labels.moduleOf(label);
            return (
              <tr
                key={label}
                aria-rowindex={first + i + 2}
                className="group hover:bg-surface-2"
                style={{ height: ROW_HEIGHT }}
              >
                <ShareCell
                  share={share(functions.self[row])}
                  title={title(functions.self[row], functions.selfSamples[row])}
                />
                <ShareCell
                  share={share(functions.total[row])}
                  title={title(functions.total[row], functions.totalSamples[row])}
                />
                <td className="py-0 pr-2 pl-3">
                  <button
                    {...controlOf(label)}
                    type="button"
                    aria-pressed={search !== '' && search === name}
                    className="flex max-w-full text-left font-mono group-hover:underline aria-pressed:font-semibold aria-pressed:text-accent"
                    title={module === '' ? name : `${name}\n${module}`}
                    onClick={() => onSelect(name)}
                  >
                    <Name text={nameOf(label)} isNamed={labels.named[label] === 1} />
                  </button>
                </td>
                {hasModules ? (
                  <td
                    className="hidden truncate py-0 pr-2 text-xs text-dim @sm:table-cell"
                    title={module}
                  >
                    {MODULE_OF_KIND[labels.kind[label] as LabelKind] ?? module}
                  </td>
                ) : null}
              </tr>
            );
          })}
          <tr style={{ height: (count - last) * ROW_HEIGHT }} />
        </tbody>
      </table>
      {rows.length === 0 ? (
        <p className="px-4 py-6 text-center text-sm text-dim">
          {search === '' ? 'No functions' : 'No function matches the search'}
        </p>
      ) : null}
    </div>
  );
});

/** Rows that are no functions have no module. */
const MODULE_OF_KIND: Readonly<Partial<Record<LabelKind, string>>> = {
  [LabelKind.Stop]: 'broken stacks',
  [LabelKind.Lost]: 'lost stacks',
};

/** As `truncate`, without the room for scrolling that each of many elements would have. */
const CUT = 'overflow-clip text-ellipsis whitespace-nowrap';

/** A name; of `module+0xoffset` the module's is what is cut, of `namespace::function` the namespace. */
function Name({ text, isNamed }: { readonly text: string; readonly isNamed: boolean }) {
  const cut = isNamed ? functionAt(text) : text.lastIndexOf('+0x');
  if (cut <= 0) return <span className={`min-w-0 ${CUT}`}>{text}</span>;
  return (
    <>
      <span className={`min-w-6 shrink-[1000] ${CUT}`}>{text.slice(0, cut)}</span>
      <span className={`min-w-0 ${CUT}`}>{text.slice(cut)}</span>
    </>
  );
}

/** Where the function's own name starts: behind the last `::` that is in no bracket, of a closure the one before. */
function functionAt(name: string): number {
  let depth = 0;
  for (let at = name.length - 1; at > 1; at--) {
    if (')>]}'.includes(name[at]) && name[at - 1] !== '-') depth++;
    else if ('(<[{'.includes(name[at])) depth--;
    else if (
      depth === 0 &&
      name.startsWith('::', at - 1) &&
      !/[{'$]|^operator/.test(name.slice(at + 1, at + 9))
    )
      return at + 1;
  }
  return 0;
}

/** A share, over a bar of its length. */
const ShareCell = memo(function ShareCell({
  share,
  title,
}: {
  readonly share: number;
  readonly title: string;
}) {
  return (
    <td
      className="bg-[linear-gradient(var(--accent-soft),var(--accent-soft))] bg-right bg-no-repeat py-0 pr-2 text-right"
      title={title}
      // Whole percents: finer ones are not seen, and each change is drawn.
      style={{ backgroundSize: `${Math.min(100, Math.ceil(share * 100))}% calc(100% - 4px)` }}
    >
      {share === 0 ? '–' : formatShare(share)}
    </td>
  );
});
