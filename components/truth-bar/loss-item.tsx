import { formatCount } from '@/components/ui/format';
import { Popover } from '@/components/ui/popover';
import { ITEM, ITEM_BUTTON, Item, Waiting } from './item';
import { lossRows, lossSummary } from './losses';

export function LossItem({
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
