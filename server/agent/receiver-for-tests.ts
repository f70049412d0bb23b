/** For tests that read only some records of the ring. */
import type { RecordReceiver } from './record-reader';

const nothing = (): void => {};

export const IGNORE_ALL: RecordReceiver = {
  time: nothing,
  sample: nothing,
  stack: nothing,
  fork: nothing,
  exec: nothing,
  exit: nothing,
  rename: nothing,
  cgroup: nothing,
  wait: nothing,
  waitStack: nothing,
  threadEnd: nothing,
  latency: nothing,
};
