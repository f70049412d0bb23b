/** The profile's rows for processes and threads: a new one for each program image, each thread, and each name that it has had. */
import type { ProfileBuilder } from '@/profile/builder';
import { NONE, type ProcessIndex, type StringIndex, type ThreadIndex } from '@/profile/schema';
import type { Process, Thread } from './processes';

interface ThreadRow {
  readonly thread: Thread;
  /** That it had then. */
  readonly name: string;
  readonly row: ThreadIndex;
}

interface ProcessRows {
  readonly image: number;
  readonly process: ProcessIndex;
  /** The newest by tid. */
  readonly threads: Map<number, ThreadRow>;
}

export class Rows {
  readonly #rows = new WeakMap<Process, ProcessRows>();

  constructor(readonly builder: ProfileBuilder) {}

  /** Of the image that runs in it now. */
  process(process: Process): ProcessIndex {
    return this.#rowsOf(process).process;
  }

  thread(process: Process, tid: number): ThreadIndex {
    const rows = this.#rowsOf(process);
    const thread = process.thread(tid);
    const { name } = thread;
    const known = rows.threads.get(tid);
    if (known?.thread === thread && known.name === name) return known.row;
    const row = this.builder.thread({
      tid,
      process: rows.process,
      name: this.builder.string(name),
    });
    rows.threads.set(tid, { thread, name, row });
    return row;
  }

  #rowsOf(process: Process): ProcessRows {
    let rows = this.#rows.get(process);
    if (rows === undefined || rows.image !== process.image) {
      rows = { image: process.image, process: this.#process(process), threads: new Map() };
      this.#rows.set(process, rows);
    }
    return rows;
  }

  #process(process: Process): ProcessIndex {
    const { builder } = this;
    const nonEmpty = (text: string): StringIndex => (text === '' ? NONE : builder.string(text));
    return builder.process({
      pid: process.pid,
      parentPid: process.parentPid,
      name: builder.string(process.name),
      commandLine: builder.string(process.commandLine),
      container: nonEmpty(process.cgroup.container),
      cgroup: nonEmpty(process.cgroup.path),
      startNs: process.startNs,
    });
  }
}
