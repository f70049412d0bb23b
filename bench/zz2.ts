import { BpfObject, enableRunTimeStatistics } from '@/server/agent/libbpf';
import { spawnSync } from 'node:child_process';
enableRunTimeStatistics();
const o = BpfObject.load('/tmp/w/latency-scratch/v/v.o'); o.attachAll();
spawnSync('taskset', ['-c','1','perf','bench','sched','pipe','-l','100000']);
for (const t of o.runTimes()) console.log(t.name, (t.runTimeNs/t.runs).toFixed(1));
o.dispose();
