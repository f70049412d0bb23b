/** Whether waiting is seen, and by which of the kernel's ways: tried with this process. */
import { pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';
import { NONE } from '@/profile/schema';
import type { OffCpuStatus } from '@/profile/status';
import { Collector } from '@/server/agent/collector';
import { MIN_THRESHOLD_NS, type StackTime } from '@/server/agent/off-cpu/off-cpu-programs';
import { Recording } from '../recording';
import type { Finding, Probe } from './check';
import { requirePrivileges } from './permissions';

const FREQUENCY_HZ = 99;
/** Each is handed to a thread of Node.js' pool, which takes some milliseconds for it, and waited for. */
const JOBS = 20;
const JOB_ROUNDS = 10_000;

/** What was seen of this process. */
export interface OffCpuTrial {
  readonly stackTime: StackTime;
  readonly waits: number;
  /** Waits of which is known which thread ended them. */
  readonly woken: number;
  /** Threads whose time was added up. */
  readonly threads: number;
}

/** Throws where it may not be tried, or the kernel refuses. */
async function tryOffCpu(): Promise<OffCpuTrial> {
  requirePrivileges();
  const recording = new Recording();
  recording.begin(0);
  const collector = await Collector.start({
    frequencyHz: FREQUENCY_HZ,
    filter: { kind: 'processes', pids: [process.pid] },
    onChunk: (chunk) => recording.add(chunk),
    onStatus: () => {},
  });
  let status: OffCpuStatus | undefined;
  try {
    await collector.setOffCpu({ thresholdNs: MIN_THRESHOLD_NS });
    for (let job = 0; job < JOBS; job++)
      await promisify(pbkdf2)('password', 'salt', JOB_ROUNDS, 32, 'sha256');
  } finally {
    status = await collector.stop();
  }
  const { waits, threadTimes } = recording.profile;
  return {
    stackTime: (status as OffCpuStatus).stackTime,
    waits: waits.length,
    woken: waits.columns.wakerThread.subarray(0, waits.length).filter((thread) => thread !== NONE)
      .length,
    threads: new Set(threadTimes.columns.thread.subarray(0, threadTimes.length)).size,
  };
}

const ELSEWHERE =
  'in a container, run Hearth with the process IDs of the machine (docker run --pid=host), or on the machine itself';

/** `run`: once for all probes. */
export function offCpuProbes(run: () => Promise<OffCpuTrial> = tryOffCpu): readonly Probe[] {
  let trial: Promise<OffCpuTrial> | undefined;
  const tried = (): Promise<OffCpuTrial> => {
    trial ??= run();
    return trial;
  };
  const ifItWorks = (look: (trial: OffCpuTrial) => Finding) => async (): Promise<Finding> => {
    const seen = await tried().catch(() => undefined);
    return seen === undefined
      ? { state: 'degraded', found: 'not tried, as off-CPU profiling does not work' }
      : look(seen);
  };
  return [
    {
      id: 'off-cpu',
      group: 'collecting',
      title: 'Off-CPU profiling',
      required: false,
      meaning: 'waits are seen, with what they are for: tried with this process',
      look: async () => {
        try {
          const { waits } = await tried();
          const found = `${waits} waits of this process`;
          return waits > 0
            ? { state: 'ok', found }
            : { state: 'degraded', found, advice: ELSEWHERE };
        } catch (error) {
          return {
            state: 'degraded',
            found: (error as Error).message,
            meaning: 'without it, CPU time alone: no off-CPU, wall clock, off-wake or threads',
            advice: 'mend what is missing above; where nothing is, use a newer kernel',
          };
        }
      },
    },
    {
      id: 'off-cpu-stacks',
      group: 'collecting',
      title: 'Stacks of waits',
      required: false,
      meaning: 'each wait has the user stack that it was in, whatever its length',
      look: ifItWorks(({ stackTime }) =>
        stackTime === 'late'
          ? {
              state: 'ok',
              found:
                'taken on the way back to user mode, when the wait’s length is known (bpf_task_work_schedule_resume)',
            }
          : {
              state: 'degraded',
              found:
                'taken as a thread is switched out: this kernel has no bpf_task_work_schedule_resume',
              meaning:
                'which stacks are taken is guessed from the thread’s waits before: a wait far longer than those has a large error',
              advice:
                'use Linux 6.18 or newer; until then trust sums over many waits more than single long ones',
            },
      ),
    },
    {
      id: 'thread-times',
      group: 'collecting',
      title: 'Thread times',
      required: false,
      meaning: 'what each thread’s time is spent on is added up, second by second',
      look: ifItWorks(({ threads }) => ({
        state: threads > 0 ? 'ok' : 'degraded',
        found: `${threads} threads of this process`,
        ...(threads > 0 ? {} : { advice: ELSEWHERE }),
      })),
    },
    {
      id: 'wakers',
      group: 'collecting',
      title: 'Wakers',
      required: false,
      meaning: 'waits are seen with the thread that ended them',
      look: ifItWorks(({ waits, woken }) => ({
        state: woken > 0 ? 'ok' : 'degraded',
        found: `known for ${woken} of ${waits} waits; interrupts and the scheduler end others`,
        ...(woken > 0
          ? {}
          : {
              meaning: 'waits are seen without the thread that ended them',
              advice: 'use off-CPU and wall clock here, and not off-wake',
            }),
      })),
    },
  ];
}
