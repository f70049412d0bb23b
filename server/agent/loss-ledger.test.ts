import { expect, it } from 'vitest';
import { LossLedger } from './loss-ledger';

const SECOND = 1e9;

it('losses are those since the last reading, and a reason that is unknown is none', () => {
  const bpf = { 'sample-ring-full': 0, 'not a reason': 5 };
  const ledger = new LossLedger(() => [bpf, { 'latency-table-full': 2 }]);
  expect(ledger.take(2 * SECOND, false)).toEqual([{ reason: 'latency-table-full', count: 2 }]);
  bpf['sample-ring-full'] = 7;
  ledger.count('stack-unknown');
  ledger.count('mapping-event-ring-full', 3);
  // It is not time yet.
  expect(ledger.take(2.5 * SECOND, false)).toEqual([]);
  expect(
    new Map(ledger.take(3 * SECOND, false).map(({ reason, count }) => [reason, count])),
  ).toEqual(
    new Map([
      ['sample-ring-full', 7],
      ['stack-unknown', 1],
      ['mapping-event-ring-full', 3],
    ]),
  );
  expect(ledger.total).toMatchObject({ 'sample-ring-full': 7, 'latency-table-full': 2 });
});

it('the last reading waits for no time', () => {
  const bpf = { 'sample-ring-full': 1 };
  const ledger = new LossLedger(() => [bpf]);
  ledger.take(2 * SECOND, false);
  bpf['sample-ring-full'] = 2;
  expect(ledger.take(2.1 * SECOND, true)).toEqual([{ reason: 'sample-ring-full', count: 1 }]);
});
