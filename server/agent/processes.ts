/** Every process that runs or was just sampled: names, threads, cgroups and mappings as of the newest event. */
import { uptime } from 'node:os';
import { CgroupPaths, cgroupOfProcess, UNKNOWN_CGROUP } from './cgroups';
import { containerOfCgroup } from './containers';
import { MappingTable } from './mappings';
import type { MmapEvent } from './mmap-events';
import type { Module, Modules } from './modules';
import {
  listPids,
  namespacePid,
  type ProcessRecord,
  readExecutableMappings,
  readProcess,
  readThreadName,
} from './proc';

/** One thread, and not another one that has its number after it. */
export interface Thread {
  name: string;
}

export class Process {
  /** Counts the names, images and cgroups that it has had: a change makes a new row in the profile. */
  image = 0;
  commandLine = '';
  cgroup = UNKNOWN_CGROUP;
  /** Those that run, by tid; others may be missing until they are asked for. */
  readonly #threads = new Map<number, Thread>();
  /** Undefined until they are needed and read. */
  mappings: MappingTable | undefined;
  exitedNs: number | undefined;
  /** When they were last read as a whole, in ms of Date.now(). */
  mappingsReadMs = 0;
  #namespacePid: number | undefined;

  constructor(
    readonly pid: number,
    public parentPid: number,
    public name: string,
    /** CLOCK_BOOTTIME. */
    readonly startNs: number,
  ) {}

  get namespacePid(): number {
    this.#namespacePid ??= namespacePid(this.pid);
    return this.#namespacePid;
  }

  /** The thread that has this number now. Its name is that of the process where it has no other or is gone. */
  thread(tid: number): Thread {
    return (
      this.#threads.get(tid) ?? this.addThread(tid, readThreadName(this.pid, tid) ?? this.name)
    );
  }

  /** A thread that has just started. */
  addThread(tid: number, name: string): Thread {
    const thread = { name };
    this.#threads.set(tid, thread);
    return thread;
  }

  renameThread(tid: number, name: string): void {
    const thread = this.#threads.get(tid);
    if (thread === undefined) this.addThread(tid, name);
    else thread.name = name;
  }

  /** Undefined if nobody has asked for it. */
  knownThread(tid: number): Thread | undefined {
    return this.#threads.get(tid);
  }

  /** Forgets a thread that has ended, unless its number is another one's by now. */
  forgetThread(tid: number, thread: Thread): void {
    if (this.#threads.get(tid) === thread) this.#threads.delete(tid);
  }

  /** Another program runs in it: only the main thread is left. */
  replaceThreads(name: string): void {
    this.#threads.clear();
    this.addThread(this.pid, name);
  }
}

/** Samples of a process may be read this long after it ended. */
const GRACE_NS = 2e9;
const REREAD_MS = 1000;
/** CPU time is counted in ticks of 10 ms: shares of a shorter life mean nothing. */
const SHORT_LIFE_NS = 1e8;

export class Processes {
  readonly #processes = new Map<number, Process>();
  readonly #exited: Process[] = [];
  readonly #exitedThreads: {
    readonly process: Process;
    readonly tid: number;
    readonly thread: Thread;
    readonly exitedNs: number;
  }[] = [];
  /** Those whose mappings changed, or were read, since they were last asked for. */
  readonly #remapped = new Set<Process>();

  readonly #cgroups = new CgroupPaths();

  constructor(readonly modules: Modules) {}

  /** Reads all processes that run now, but not yet their mappings. Returns them, those that used the largest share of a CPU first. */
  scan(): Process[] {
    const uptimeNs = uptime() * 1e9;
    return listPids()
      .map((pid) => {
        const record = readProcess(pid);
        const lifeNs = Math.max(SHORT_LIFE_NS, uptimeNs - (record?.startNs ?? 0));
        return { process: this.#add(pid, record), share: (record?.cpuTicks ?? 0) / lifeNs };
      })
      .sort((a, b) => b.share - a.share)
      .map(({ process }) => process);
  }

  /** The process; read from /proc, or made up without a name, where no event has told of it. */
  get(pid: number): Process {
    return this.#processes.get(pid) ?? this.#add(pid, readProcess(pid));
  }

  #add(pid: number, record: ProcessRecord | undefined): Process {
    const process = new Process(
      pid,
      record?.parentPid ?? 0,
      record?.name ?? `pid ${pid}`,
      record?.startNs ?? 0,
    );
    process.commandLine = record?.commandLine ?? '';
    process.cgroup = cgroupOfProcess(pid) ?? UNKNOWN_CGROUP;
    this.#processes.set(pid, process);
    return process;
  }

  fork(event: {
    pid: number;
    tid: number;
    parentPid: number;
    startNs: number;
    cgroup: number;
    comm: string;
  }): void {
    if (event.pid !== event.tid) {
      this.#processes.get(event.pid)?.addThread(event.tid, event.comm);
      return;
    }
    const parent = this.get(event.parentPid);
    const child = new Process(event.pid, event.parentPid, event.comm, event.startNs);
    child.commandLine = parent.commandLine;
    child.addThread(event.tid, event.comm);
    // A child starts with a copy of its parent's memory. If the parent's mappings can't be had any more, its own may.
    child.mappings = parent.mappings;
    child.cgroup = parent.cgroup;
    this.#move(child, this.#cgroups.of(event.cgroup));
    this.#processes.set(event.pid, child);
  }

  exec(event: { pid: number; cgroup: number; comm: string; commandLine: string }): void {
    const process = this.get(event.pid);
    process.image++;
    process.name = event.comm;
    if (event.commandLine !== '') process.commandLine = event.commandLine;
    this.#move(process, this.#cgroups.of(event.cgroup));
    process.replaceThreads(event.comm);
  }

  rename(event: { pid: number; tid: number; comm: string }): void {
    const process = this.#processes.get(event.pid);
    if (process === undefined) return;
    process.renameThread(event.tid, event.comm);
    if (event.tid === event.pid && process.name !== event.comm) {
      process.name = event.comm;
      process.image++;
    }
  }

  /** A cgroup v2 that was made (`pid` is 0), or that a process was moved to; `cgroup` is 0 in other hierarchies. */
  cgroup({ pid, cgroup, path }: { pid: number; cgroup: number; path: string }): void {
    if (cgroup !== 0 && path !== '') this.#cgroups.add(cgroup, path);
    const process = this.#processes.get(pid);
    if (process === undefined) return;
    const before = process.cgroup;
    if (cgroup !== 0) this.#move(process, this.#cgroups.of(cgroup));
    else process.cgroup = { ...before, container: containerOfCgroup(path) || before.container };
    const { cgroup: after } = process;
    if (after.path !== before.path || after.container !== before.container) process.image++;
  }

  exit(event: { pid: number; tid: number; isLastThread: boolean; timeNs: number }): void {
    const process = this.#processes.get(event.pid);
    if (process === undefined || process.exitedNs !== undefined) return;
    if (!event.isLastThread) {
      const { tid, timeNs: exitedNs } = event;
      const thread = process.knownThread(tid);
      if (thread !== undefined) this.#exitedThreads.push({ process, tid, thread, exitedNs });
      return;
    }
    process.exitedNs = event.timeNs;
    this.#exited.push(process);
  }

  mmap(event: MmapEvent): void {
    const process = this.get(event.pid);
    if (event.kind === 'exec') {
      process.mappings = MappingTable.EMPTY;
      this.#remapped.add(process);
      return;
    }
    // Until they are needed, the process's mappings are best read whole.
    if (process.mappings === undefined) return;
    const { start, end, fileOffset, path, buildId } = event;
    const module = this.modules.of({
      pid: event.pid,
      parentPid: process.parentPid,
      start,
      end,
      path,
      buildId,
    });
    process.mappings = process.mappings.with({ start, end, fileOffset, module });
    this.#remapped.add(process);
  }

  /** The processes whose mappings are new or have changed since the last call. */
  takeRemapped(): Process[] {
    const processes = [...this.#remapped].filter(({ exitedNs }) => exitedNs === undefined);
    this.#remapped.clear();
    return processes;
  }

  mappings(process: Process): MappingTable {
    process.mappings ??= this.#read(process);
    return process.mappings;
  }

  /**
   * The mappings, read again where one of the first `count` addresses is in none of them: events can be lost. Not more than
   * once a second, for there are addresses that are in none.
   */
  mappingsFor(process: Process, addresses: Float64Array, count: number): MappingTable {
    const known = this.mappings(process);
    const now = Date.now();
    if (
      process.exitedNs !== undefined ||
      now - process.mappingsReadMs < REREAD_MS ||
      known.holds(addresses, count)
    ) {
      return known;
    }
    const read = this.#read(process);
    // Nothing to read: it is just ending.
    if (!read.isEmpty) process.mappings = read;
    return process.mappings ?? known;
  }

  #read(process: Process): MappingTable {
    this.#remapped.add(process);
    process.mappingsReadMs = Date.now();
    return MappingTable.of(
      readExecutableMappings(process.pid).map(
        ({ start, end, fileOffset, device, inode, path }) => ({
          start,
          end,
          fileOffset,
          module: this.modules.of({
            pid: process.pid,
            parentPid: process.parentPid,
            start,
            end,
            path,
            buildId: '',
            file: { device, inode },
          }),
        }),
      ),
    );
  }

  /** Forgets what ended long before `nowNs` (CLOCK_MONOTONIC); returns it. */
  forgetExited(nowNs: number): Process[] {
    const gone: Process[] = [];
    while (this.#exited.length > 0 && (this.#exited[0].exitedNs ?? 0) < nowNs - GRACE_NS) {
      const process = this.#exited.shift() as Process;
      gone.push(process);
      if (this.#processes.get(process.pid) === process) this.#processes.delete(process.pid);
      this.modules.forget(process.pid);
    }
    let ended = 0;
    for (const { process, tid, thread, exitedNs } of this.#exitedThreads) {
      if (exitedNs >= nowNs - GRACE_NS) break;
      ended++;
      process.forgetThread(tid, thread);
    }
    this.#exitedThreads.splice(0, ended);
    return gone;
  }

  /** Closes the files that no process maps any more. To be called about once a minute. */
  forgetModules(): void {
    const mapped = new Set<Module>();
    for (const { mappings } of this.#processes.values())
      for (const { module } of mappings ?? []) mapped.add(module);
    this.modules.forgetUnused(mapped);
  }

  /** `path`: of its cgroup v2, '' where it is not known. Other hierarchies, which know containers as well, only /proc tells of. */
  #move(process: Process, path: string): void {
    if (path === '' || path === process.cgroup.path) return;
    const container = containerOfCgroup(path);
    process.cgroup =
      container === ''
        ? (cgroupOfProcess(process.pid) ?? { path, container })
        : { path, container };
  }
}
