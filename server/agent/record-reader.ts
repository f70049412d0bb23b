/** Decodes the ring's records (bpf/hearth.h) and hands each to its receiver. */

import { LATENCY_KEY, LATENCY_RECORD } from './latency/layout';
import { joinArguments } from './proc';
import {
  CGROUP,
  CGROUP_PATH_BYTES,
  COMM_BYTES,
  EXEC,
  EXIT,
  FORK,
  RENAME,
  RecordType,
  SAMPLE,
  STACK,
  THREAD,
  WAIT,
  WAIT_STACK,
} from './records';
import type { Ring } from './ring';
import type { RawStack } from './stacks';

export interface RawSample {
  timeNs: number;
  cpu: number;
  pid: number;
  tid: number;
  periodNs: number;
  kernelLow: number;
  kernelHigh: number;
  userLow: number;
  userHigh: number;
}

/** Low and high half; both 0 for no stack. */
export interface StackId {
  readonly low: number;
  readonly high: number;
}

/** A wait that was drawn. Stacks that come later have a key, which is 0 for none. */
export interface RawWait {
  readonly timeNs: number;
  readonly state: number;
  readonly pid: number;
  readonly tid: number;
  readonly durationNs: number;
  readonly weightNs: number;
  readonly kernel: StackId;
  readonly user: StackId;
  readonly userKey: number;
  /** 0 where an interrupt ended the wait. */
  readonly wakerPid: number;
  readonly wakerTid: number;
  readonly wakerKernel: StackId;
  readonly wakerUser: StackId;
  readonly wakerUserKey: number;
}

/** An event of a latency source that was drawn. */
export interface RawLatency {
  readonly timeNs: number;
  readonly pid: number;
  readonly tid: number;
  readonly durationNs: number;
  readonly weightNs: number;
  readonly kernel: StackId;
  readonly user: StackId;
}

/** Times are CLOCK_MONOTONIC in ns. */
export interface RecordReceiver {
  /** Called before each record. */
  time(timeNs: number): void;
  /** `sample` is only valid during the call. */
  sample(sample: Readonly<RawSample>): void;
  stack(stack: RawStack): void;
  fork(event: {
    pid: number;
    tid: number;
    parentPid: number;
    startNs: number;
    cgroup: number;
    comm: string;
  }): void;
  exec(event: { pid: number; cgroup: number; comm: string; commandLine: string }): void;
  exit(event: { pid: number; tid: number; isLastThread: boolean; timeNs: number }): void;
  rename(event: { pid: number; tid: number; comm: string }): void;
  /** A cgroup v2 that was made (`pid` is 0), or that a process was moved to; `cgroup` is 0 in other hierarchies. */
  cgroup(event: { pid: number; cgroup: number; path: string }): void;
  wait(wait: RawWait): void;
  /** The user stack of the thread that waits, or wakes, under `key`. */
  waitStack(stack: { pid: number; tid: number; key: number; user: StackId }): void;
  /** A thread has ended; `at` is where its `struct record_thread` is, for the time of the call. */
  threadEnd(view: DataView, at: number): void;
  /** `key` is where its `struct latency_key` is in `bytes`, for the time of the call. */
  latency(event: RawLatency, bytes: Buffer, key: number): void;
}

const HIGH = 2 ** 32;
const decoder = new TextDecoder();

/** Reads the ring up to position `end`. */
export function readRecords(ring: Ring, end: number, receiver: RecordReceiver): void {
  const { view, bytes, u32: words } = ring;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u32 = (at: number): number => view.getUint32(at, true);
  const u64 = (at: number): number =>
    view.getUint32(at, true) + view.getUint32(at + 4, true) * HIGH;
  const stackId = (at: number): StackId => ({ low: u32(at), high: u32(at + 4) });
  const text = (at: number, most: number): string => {
    const all = bytes.subarray(at, at + most);
    const end = all.indexOf(0);
    return decoder.decode(end < 0 ? all : all.subarray(0, end));
  };
  const comm = (at: number): string => text(at, COMM_BYTES);
  const sample: RawSample = {
    timeNs: 0,
    cpu: 0,
    pid: 0,
    tid: 0,
    periodNs: 0,
    kernelLow: 0,
    kernelHigh: 0,
    userLow: 0,
    userHigh: 0,
  };

  ring.drain(end, (at) => {
    switch (u32(at)) {
      case RecordType.Sample:
        sample.timeNs = u64(at + SAMPLE.time_ns);
        sample.cpu = u32(at + SAMPLE.cpu);
        sample.pid = u32(at + SAMPLE.pid);
        sample.tid = u32(at + SAMPLE.tid);
        sample.periodNs = u64(at + SAMPLE.period_ns);
        sample.kernelLow = u32(at + SAMPLE.kernel_stack);
        sample.kernelHigh = u32(at + SAMPLE.kernel_stack + 4);
        sample.userLow = u32(at + SAMPLE.user_stack);
        sample.userHigh = u32(at + SAMPLE.user_stack + 4);
        receiver.time(sample.timeNs);
        receiver.sample(sample);
        break;
      case RecordType.Stack: {
        const addresses = new Float64Array(view.getUint16(at + STACK.count, true));
        let word = (at + STACK.addresses) / 4;
        for (let i = 0; i < addresses.length; i++) {
          // The high half as signed: kernel addresses become small negative numbers, which a double holds exactly.
          addresses[i] = words[word] + (words[word + 1] | 0) * HIGH;
          word += 2;
        }
        receiver.time(u64(at + STACK.time_ns));
        receiver.stack({
          pid: u32(at + STACK.pid),
          isUser: bytes[at + STACK.is_user] === 1,
          end: bytes[at + STACK.end],
          idLow: u32(at + STACK.id),
          idHigh: u32(at + STACK.id + 4),
          addresses,
        });
        break;
      }
      case RecordType.Fork:
        receiver.time(u64(at + FORK.time_ns));
        receiver.fork({
          pid: u32(at + FORK.pid),
          tid: u32(at + FORK.tid),
          parentPid: u32(at + FORK.parent_pid),
          startNs: u64(at + FORK.start_ns),
          cgroup: u64(at + FORK.cgroup),
          comm: comm(at + FORK.comm),
        });
        break;
      case RecordType.Exec: {
        const args = at + EXEC.args;
        receiver.time(u64(at + EXEC.time_ns));
        receiver.exec({
          pid: u32(at + EXEC.pid),
          cgroup: u64(at + EXEC.cgroup),
          comm: comm(at + EXEC.comm),
          commandLine: joinArguments(
            decoder.decode(bytes.subarray(args, args + u32(at + EXEC.args_bytes))),
          ),
        });
        break;
      }
      case RecordType.Exit:
        receiver.time(u64(at + EXIT.time_ns));
        receiver.exit({
          pid: u32(at + EXIT.pid),
          tid: u32(at + EXIT.tid),
          isLastThread: u32(at + EXIT.is_last_thread) === 1,
          timeNs: u64(at + EXIT.time_ns),
        });
        break;
      case RecordType.Rename:
        receiver.time(u64(at + RENAME.time_ns));
        receiver.rename({
          pid: u32(at + RENAME.pid),
          tid: u32(at + RENAME.tid),
          comm: comm(at + RENAME.comm),
        });
        break;
      case RecordType.Cgroup:
        receiver.time(u64(at + CGROUP.time_ns));
        receiver.cgroup({
          pid: u32(at + CGROUP.pid),
          cgroup: u64(at + CGROUP.cgroup),
          path: text(at + CGROUP.path, CGROUP_PATH_BYTES),
        });
        break;
      case RecordType.Wait:
        // Its time is that of the wait's end, which may be before that of records that are before it.
        receiver.wait({
          timeNs: u64(at + WAIT.time_ns),
          state: u32(at + WAIT.state),
          pid: u32(at + WAIT.pid),
          tid: u32(at + WAIT.tid),
          durationNs: u64(at + WAIT.duration_ns),
          weightNs: u64(at + WAIT.weight_ns),
          kernel: stackId(at + WAIT.kernel_stack),
          user: stackId(at + WAIT.user_stack),
          userKey: u64(at + WAIT.user_key),
          wakerPid: u32(at + WAIT.waker_pid),
          wakerTid: u32(at + WAIT.waker_tid),
          wakerKernel: stackId(at + WAIT.waker_kernel_stack),
          wakerUser: stackId(at + WAIT.waker_user_stack),
          wakerUserKey: u64(at + WAIT.waker_user_key),
        });
        break;
      case RecordType.WaitStack:
        receiver.time(u64(at + WAIT_STACK.time_ns));
        receiver.waitStack({
          pid: u32(at + WAIT_STACK.pid),
          tid: u32(at + WAIT_STACK.tid),
          key: u64(at + WAIT_STACK.key),
          user: stackId(at + WAIT_STACK.user_stack),
        });
        break;
      case RecordType.Thread:
        receiver.time(u64(at + THREAD.time_ns));
        receiver.threadEnd(view, at);
        break;
      case RecordType.Latency:
        receiver.time(u64(at + LATENCY_RECORD.time_ns));
        receiver.latency(
          {
            timeNs: u64(at + LATENCY_RECORD.time_ns),
            pid: u32(at + LATENCY_RECORD.key + LATENCY_KEY.pid),
            tid: u32(at + LATENCY_RECORD.tid),
            durationNs: u64(at + LATENCY_RECORD.duration_ns),
            weightNs: u64(at + LATENCY_RECORD.weight_ns),
            kernel: stackId(at + LATENCY_RECORD.kernel_stack),
            user: stackId(at + LATENCY_RECORD.user_stack),
          },
          buffer,
          at + LATENCY_RECORD.key,
        );
        break;
    }
  });
}
