/** npm run bench [-- NAME...] [--json]: runs the benchmarks and prints each number beside its peer or limit. */
import type { Bench, Measurement } from './bench';
import { budget } from './budget';
import { cost } from './cost';
import { latency } from './latency';
import { latencySources } from './latency-sources';
import { memory } from './memory';
import { offCpu } from './off-cpu';
import { opening } from './opening';
import { symbols } from './symbols';
import { unwinding } from './unwinding';

const BENCHES: readonly Bench[] = [
  cost,
  latency,
  latencySources,
  opening,
  memory,
  symbols,
  unwinding,
  offCpu,
  budget,
];

async function main(args: readonly string[]): Promise<number> {
  const json = args.includes('--json');
  const names = args.filter((arg) => !arg.startsWith('--'));
  const unknown = names.filter((name) => !BENCHES.some((bench) => bench.name === name));
  if (unknown.length > 0 || args.includes('--help')) {
    process.stderr.write(
      `Usage: npm run bench [-- NAME...] [--json]\n\n${BENCHES.map(({ name, what }) => `  ${name.padEnd(16)} ${what}\n`).join('')}`,
    );
    return unknown.length > 0 ? 2 : 0;
  }
  for (const bench of BENCHES.filter(({ name }) => names.length === 0 || names.includes(name))) {
    if (!json) process.stdout.write(`\n${bench.name}: ${bench.what}\n`);
    await bench.run((metric, unit, value, peer, peerValue) => {
      const measurement: Measurement = {
        bench: bench.name,
        metric,
        unit,
        value,
        peer,
        peerValue,
        ratio: value / peerValue,
      };
      process.stdout.write(json ? `${JSON.stringify(measurement)}\n` : `${line(measurement)}\n`);
    });
  }
  return 0;
}

function line({ metric, unit, value, peer, peerValue, ratio }: Measurement): string {
  const number = (n: number): string => n.toPrecision(3).padStart(9);
  return `  ${metric.padEnd(56)} ${number(value)} ${unit.padEnd(12)} ${peer}: ${number(peerValue).trim()} (ratio ${ratio.toFixed(2)})`;
}

// What has been started ends with this process, by its `exit` listeners.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

process.exitCode = await main(process.argv.slice(2));
