import { LatencyPrograms } from '@/server/agent/latency/latency-programs';
import { enableRunTimeStatistics } from '@/server/agent/libbpf';
import { spawnSync } from 'node:child_process';
import type { LatencySource } from '@/profile/latency/sources';
const run = () => { const r = spawnSync('taskset', ['-c','1','perf','bench','sched','pipe','-l','200000'],{encoding:'utf8'}); return Number(/([\d.]+) usecs\/op/.exec(r.stdout)?.[1]); };
const only = process.argv.slice(2).filter(a=>a!=='stats') as LatencySource[];
if (process.argv.includes('stats')) enableRunTimeStatistics();
const p = new LatencyPrograms({ onlyPids: undefined });
const bare: number[] = [], on: number[] = [];
for (let i=0;i<4;i++) {
  await p.set([]); bare.push(run());
  await p.set(only.length ? only : ['runqueue','block','syscalls','fs','tcp','futex']); console.log(p.problems);
  on.push(run());
  const b = await p.take(); const t = p.runTimes().filter(x=>x.runs).map(x=>`${x.name} ${(x.runTimeNs/x.runs).toFixed(0)}ns x${x.runs}`);
  console.log(bare[i], on[i], (on[i]/bare[i]).toFixed(3), b.length, p.lost, t.join('; '));
}
console.log('min ratio', (Math.min(...on)/Math.min(...bare)).toFixed(3));
p.dispose();
