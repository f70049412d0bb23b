import { formatBytes, formatCount } from '@/components/ui/format';
import { lazyPart } from '@/components/ui/lazy-part';
import { Popover } from '@/components/ui/popover';
import type { BudgetStatus, LiveStatus, ProcessCost } from '@/profile/status';
import { ITEM, ITEM_BUTTON, Item, MeasuredText, NOT_REPORTED } from './item';

const BudgetForm = lazyPart(() => import('./budget-form').then((module) => module.BudgetForm));

/** What Hearth itself costs, and may. */
export function CostItems({ status }: { readonly status: LiveStatus | undefined }) {
  const collector = status?.collector;
  return (
    <>
      <CostItem label="Agent" cost={collector?.agent} waiting={NOT_REPORTED} />
      <CostItem label="Web" cost={status?.web} waiting="the web process has not reported yet" />
      <BpfItem collector={collector} />
      {status === undefined ? null : <BudgetItem budget={status.budget} />}
    </>
  );
}

function CostItem({
  label,
  cost,
  waiting,
}: {
  readonly label: string;
  readonly cost: ProcessCost | undefined;
  readonly waiting: string;
}) {
  return (
    <span
      className={ITEM}
      title={`What Hearth’s ${label.toLowerCase()} process costs: share of one core over the last second, and resident memory`}
    >
      <Item label={label}>
        <MeasuredText of={cost?.cpu} waiting={waiting} format={formatCpu} width={5} />
        <MeasuredText of={cost?.residentBytes} waiting={waiting} format={formatBytes} width={8} />
      </Item>
    </span>
  );
}

function BpfItem({ collector }: { readonly collector: LiveStatus['collector'] }) {
  return (
    <span
      className={ITEM}
      title={
        collector === undefined
          ? undefined
          : `Run time of Hearth’s BPF programs, share of one core, measured a quarter of a second in ten (measuring costs, too), and memory of their maps\n${programLines(collector.bpfPrograms)}`
      }
    >
      <Item label="BPF">
        <MeasuredText of={collector?.bpfCpu} waiting={NOT_REPORTED} format={formatCpu} width={5} />
        <MeasuredText
          of={collector?.bpfMapBytes}
          waiting={NOT_REPORTED}
          format={formatBytes}
          width={8}
        />
      </Item>
    </span>
  );
}

function BudgetItem({ budget }: { readonly budget: BudgetStatus }) {
  const { cpuPercent, memoryBytes, usedPercent, usedBytes, isLowered } = budget;
  const isLarge = usedBytes !== undefined && usedBytes > memoryBytes;
  return (
    <Popover
      label="Budget"
      buttonClass={ITEM_BUTTON}
      buttonLabel={`Budget: ${cpuPercent === 0 ? 'no limit' : `${cpuPercent}% of the machine’s CPU`}${isLowered ? ', sampling is lowered' : ''}`}
      buttonTitle={`${usedPercent === undefined ? '' : `Hearth has used ${usedPercent.toFixed(1)}% of all CPUs together in the last 15 seconds. `}${cpuPercent === 0 ? 'It has no budget' : `Its budget is ${cpuPercent}%${isLowered ? ', so it samples less often' : ''}`}. Click to change.`}
      button={
        <Item label="Budget">
          <span
            className={`border-b border-dotted border-line-strong ${isLowered || isLarge ? 'text-warn' : ''}`}
          >
            {usedPercent === undefined ? '–' : `${usedPercent.toFixed(1)}%`}
            {cpuPercent === 0 ? '' : ` / ${cpuPercent}%`}
            {isLowered ? ' ↓' : ''}
          </span>
        </Item>
      }
    >
      {(close) => <BudgetForm budget={budget} onDone={close} />}
    </Popover>
  );
}

/** A share of one core; two digits below 10%, since that is where it should be. */
function formatCpu(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 2 : 1)}%`;
}

function programLines(
  programs: Readonly<Record<string, { readonly nsPerRun: number; readonly runs: number }>>,
): string {
  return Object.entries(programs)
    .filter(([, { runs }]) => runs > 0)
    .map(
      ([name, { nsPerRun, runs }]) =>
        `${name}: ${formatCount(runs)} runs/s, ${formatCount(nsPerRun)} ns each`,
    )
    .join('\n');
}
