import { expect, it } from 'vitest';
import { ProfileBuilder } from '@/profile/builder';
import { bucketOf } from '@/profile/latency/buckets';
import { TestProfile } from '@/profile/profiles-for-tests';
import { FrameKind, MappingKind, NONE, ThreadState } from '@/profile/schema';
import type { BlockedThread } from '@/profile/status';
import { describeBlocked, describeRecording, describeWaits } from './summary';

const FACTS = { seconds: 2, frequencyHz: 99, outputName: 'out.txt' };

function profileOf(stacks: readonly ('whole' | 'broken')[]) {
  const builder = new ProfileBuilder();
  const process = builder.process({
    pid: 7,
    parentPid: 1,
    name: builder.string('prog'),
    commandLine: builder.string('./prog'),
    container: NONE,
    cgroup: NONE,
    startNs: 0,
  });
  const thread = builder.thread({ tid: 7, process, name: builder.string('prog') });
  const named = (name: string, mapping: number, kind: FrameKind) =>
    builder.namedFrame(
      { functionName: builder.string(name), file: NONE, line: 0, inlinedInto: NONE },
      mapping,
      kind,
    );
  const mapping = builder.mapping('', '/bin/prog', MappingKind.Executable);
  const main = named('main', mapping, FrameKind.Native);
  const stop = named('[no frame pointer]', NONE, FrameKind.Stop);
  for (const kind of stacks) {
    const root = kind === 'whole' ? NONE : builder.stack(NONE, stop);
    builder.sample({
      timeNs: 0,
      weight: 1,
      thread,
      stack: builder.stack(root, main),
      sampleType: builder.sampleType('cpu', 'nanoseconds'),
      cpu: 0,
    });
  }
  return builder.profile;
}

it('a recording is summed up: how much, how long, what was lost, how far to trust it', () => {
  const profile = profileOf(['whole', 'whole', 'whole', 'broken']);
  profile.addLosses([
    { reason: 'sample-ring-full', count: 3 },
    { reason: 'stack-ring-full', count: 2 },
  ]);
  expect(describeRecording(profile, FACTS)).toEqual([
    '4 samples, 3 lost, in 2.0 s at 99 Hz, written to out.txt',
    'stacks that are whole: 75.0%; frames with a name: 100.0%',
    '  1 samples: [no frame pointer]',
    expect.stringMatching(/^ {2}lost 3: samples that found the ring buffer full/),
    expect.stringMatching(/^ {2}lost 2: stacks that found the ring buffer full/),
  ]);
});

it('a recording without samples says why that may be', () => {
  expect(describeRecording(profileOf([]), FACTS)).toEqual([
    '0 samples, 0 lost, in 2.0 s at 99 Hz, written to out.txt',
    'no sample was taken: what was profiled used no CPU time, or less than there is between two samples (10.1 ms), or ended before sampling began',
  ]);
});

it('who waits still is told of, a few of many', () => {
  const blocked: BlockedThread[] = Array.from({ length: 7 }, (_, i) => ({
    pid: 10,
    tid: 10 + i,
    process: 'prog',
    thread: i === 0 ? 'prog' : 'worker',
    waitClass: ThreadState.Lock,
    forMs: 12_345,
    kernelStack: i === 0 ? ['do_syscall_64', 'futex_do_wait', 'schedule'] : [],
    alike: 1,
    lastWaker: undefined,
  }));
  const status = {
    thresholdNs: 1e7,
    stackTime: 'late',
    readsOpenWaits: true,
    blocked,
    blockedThreads: 9,
  } as const;
  const lines = describeBlocked(status);
  expect(lines.slice(0, 3)).toEqual([
    '9 threads have been waiting for over a second:',
    '  prog (10): lock for 12.3 s, in futex_do_wait',
    '  prog / worker (11): lock for 12.3 s',
  ]);
  expect(lines.at(-1)).toBe('  and 4 more');
  expect(describeBlocked({ ...status, blocked: [], blockedThreads: 0 })).toEqual([]);
});

it('waits are estimated by what was drawn; beside them are those that were counted, and for how long', () => {
  const test = new TestProfile()
    .addWait({ stack: ['main'], durationNs: 20e6, weight: 100e6, waitClass: ThreadState.Sleep })
    .addWait({ stack: ['main'], durationNs: 30e6, waitClass: ThreadState.Runnable });
  const { builder, profile } = test;
  const [source, label] = [builder.string('waits'), builder.string('sleep')];
  const row = { timeNs: 0, durationNs: 1e9, process: 0, oneIn: 1, source, label };
  builder.latency({ ...row, bucket: bucketOf(1e6), count: 3, sum: 3e6 });
  builder.latency({ ...row, bucket: bucketOf(20e6), count: 1, sum: 20e6 });
  const rates = { thresholdNs: 10e6, readsOpenWaits: true };
  const lines = describeWaits(profile, 'off-cpu', rates, FACTS);
  expect(lines).toContainEqual(
    expect.stringMatching(
      /^ {2}sleep .* about 5 waits; in the 1\.0 s in which any were counted exactly 4 ended, p50 [\d.]+ (ms|us), p99 [\d.]+ ms$/,
    ),
  );
  expect(lines).toContainEqual(expect.stringMatching(/^ {2}waiting for a CPU .* about 1 wait$/));
});
