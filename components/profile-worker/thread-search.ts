/** What it means that a thread is found. */

export interface NamedThread {
  readonly pid: number;
  readonly tid: number;
  readonly process: string;
  readonly thread: string;
}

/** Text that is in the name of the thread or its process, in whatever case, or the number of one of them. */
export function isFound({ process, thread, pid, tid }: NamedThread, search: string): boolean {
  const text = search.trim().toLowerCase();
  return (
    process.toLowerCase().includes(text) ||
    thread.toLowerCase().includes(text) ||
    String(pid) === text ||
    String(tid) === text
  );
}
