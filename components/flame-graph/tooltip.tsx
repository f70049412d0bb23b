/** What a box is: name, module, self and total, with the error that sampling makes. */
import type { Analysis } from '@/components/profile-worker/client';
import { formatCount, formatDuration, formatShare } from '@/components/ui/format';
import type { NodeIndex } from '@/profile/call-tree';
import { LabelKind } from '@/profile/labels';
import { standardError } from '@/profile/quality';

/** 95 of 100 times the true share is within so many standard errors. */
const CONFIDENCE_95 = 1.96;

const KIND_NAMES: Readonly<Record<number, string>> = {
  [LabelKind.Kernel]: 'kernel',
  [LabelKind.Native]: 'native code',
  [LabelKind.Jit]: 'JIT-compiled code',
  [LabelKind.Process]: 'process',
  [LabelKind.Root]: 'all samples',
  [LabelKind.Stop]: 'the stack could not be followed further towards its root',
  [LabelKind.Lost]: 'the stack was lost',
};

export interface NodeFacts {
  readonly name: string;
  readonly where: string;
  readonly rows: readonly {
    readonly what: string;
    readonly share: string;
    readonly error: string;
    readonly time: string;
    readonly samples: string;
  }[];
}

/** A node's facts as text. */
export function nodeFacts({ tree, labels, unit }: Analysis, node: NodeIndex): NodeFacts {
  const label = tree.label[node];
  const all = tree.totalSamples[0];
  const row = (what: string, weight: number, samples: number) => {
    const share = all === 0 ? 0 : samples / all;
    const error = CONFIDENCE_95 * standardError(share, all);
    return {
      what,
      share: formatShare(tree.total[0] === 0 ? 0 : weight / tree.total[0]),
      error: `± ${(error * 100).toFixed(1)}%`,
      time: unit === 'nanoseconds' ? formatDuration(weight / 1e6) : '',
      samples: `${formatCount(samples)} ${samples === 1 ? 'sample' : 'samples'}`,
    };
  };
  const module = labels.module[label];
  const kind = KIND_NAMES[labels.kind[label]];
  const inlined = labels.inlined[label] ? ' · inlined' : '';
  return {
    name: labels.text[label],
    where: (module === '' || module === kind ? kind : `${module} · ${kind}`) + inlined,
    rows: [
      row('Total', tree.total[node], tree.totalSamples[node]),
      row('Self', tree.self[node], tree.selfSamples[node]),
    ],
  };
}

const WIDTH = 320;
const MARGIN = 8;

export function Tooltip({
  facts,
  x,
  y,
  bounds,
}: {
  readonly facts: NodeFacts;
  readonly x: number;
  readonly y: number;
  readonly bounds: { readonly width: number; readonly height: number };
}) {
  const width = Math.min(WIDTH, bounds.width - 2 * MARGIN);
  const left = Math.max(MARGIN, Math.min(x + 14, bounds.width - width - MARGIN));
  const isLow = y > bounds.height / 2;
  return (
    <div
      role="tooltip"
      className="pointer-events-none absolute z-10 rounded-md border border-line-strong bg-surface px-3 py-2 text-sm shadow-lg"
      style={{ left, width, ...(isLow ? { bottom: bounds.height - y + 14 } : { top: y + 18 }) }}
    >
      <div className="font-mono text-sm font-semibold break-all line-clamp-4">{facts.name}</div>
      <div className="mt-0.5 text-xs text-dim break-all">{facts.where}</div>
      <table className="mt-1.5 w-full text-xs">
        <tbody>
          {facts.rows.map(({ what, share, error, time, samples }) => (
            <tr key={what}>
              <th className="pr-2 text-left font-normal text-dim">{what}</th>
              <td className="text-right font-semibold">{share}</td>
              <td
                className="pl-1.5 text-dim"
                title="95 % confidence of the share, from the number of samples"
              >
                {error}
              </td>
              <td className="pl-2 text-right">{time}</td>
              <td className="pl-2 text-right whitespace-nowrap">{samples}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
