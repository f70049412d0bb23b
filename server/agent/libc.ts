/**
 * The few calls of libc that Node.js doesn't offer, by FFI. Every wrapper checks the result and throws a SystemError with
 * the name of the failed call.
 */
import { constants } from 'node:os';
import koffi from 'koffi';

export class SystemError extends Error {
  override readonly name = 'SystemError';
  constructor(
    readonly call: string,
    readonly errno: number,
  ) {
    super(`${call}: ${errnoName(errno)}`);
  }
}

export function errnoName(errno: number): string {
  const name = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0];
  return name ?? `errno ${errno}`;
}

const libc = koffi.load('libc.so.6');
const mmapCall = libc.func(
  'void *mmap(void *address, size_t length, int prot, int flags, int fd, int64_t offset)',
);
const munmapCall = libc.func('int munmap(void *address, size_t length)');
const closeCall = libc.func('int close(int fd)');
const mallocTrimCall = libc.func('int malloc_trim(size_t keep)');
const pageSizeCall = libc.func('int getpagesize()');
const perfEventOpenCall = libc.func(
  'long syscall(long number, _Inout_ uint8_t *attributes, int pid, int cpu, int group, unsigned long flags)',
);
const clockResolutionCall = libc.func('int clock_getres(int clock, _Out_ uint8_t *resolution)');
const ioctlCall = libc.func('int ioctl(int fd, unsigned long request, unsigned long argument)');
const ioctlPointerCall = libc.func('ioctl', 'int', ['int', 'unsigned long', '_Inout_ uint8_t *']);

const eventFdCall = libc.func('int eventfd(unsigned int value, int flags)');
const pollCall = libc.func('int poll(void *files, unsigned long count, int timeout)');

const CLOCK_MONOTONIC_COARSE = 6;

/** How long the kernel's tick is, in ns: the coarse clocks have it for their resolution. */
export function tickNs(): number {
  const timespec = new DataView(new ArrayBuffer(16));
  if (clockResolutionCall(CLOCK_MONOTONIC_COARSE, new Uint8Array(timespec.buffer)) !== 0)
    throw new SystemError('clock_getres', koffi.errno());
  return Number(timespec.getBigInt64(8, true));
}

export const PAGE_BYTES: number = pageSizeCall();

const PERF_EVENT_OPEN = process.arch === 'arm64' ? 241 : 298;
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/** Memory mapped from a file descriptor. Its views must not be touched after `dispose`: that would crash the process. */
export class MappedMemory {
  readonly buffer: ArrayBuffer;
  #address: bigint;
  readonly #bytes: number;

  /** Maps `bytes` bytes from `offset` (a multiple of the page size) of `fd`, shared. */
  constructor(fd: number, bytes: number, offset: number, writable: boolean) {
    const address = mmapCall(
      null,
      bytes,
      PROT_READ | (writable ? PROT_WRITE : 0),
      MAP_SHARED,
      fd,
      offset,
    );
    if (address === MAP_FAILED) throw new SystemError('mmap', koffi.errno());
    this.#address = address;
    this.#bytes = bytes;
    this.buffer = koffi.view(address, bytes);
  }

  dispose(): void {
    if (this.#address === 0n) return;
    munmapCall(this.#address, this.#bytes);
    this.#address = 0n;
  }
}

/** eventfd(2): readable from when something other than 0 is written to it. */
export function openEvent(): number {
  const CLOSE_ON_EXEC = 0o2000000;
  const fd = eventFdCall(0, CLOSE_ON_EXEC);
  if (fd < 0) throw new SystemError('eventfd', koffi.errno());
  return fd;
}

/**
 * Resolves when one of the files is readable; seldom, before. A thread of libuv's pool waits for it: until then the process
 * can't end, and the files must stay open.
 */
export function readable(fds: readonly number[]): Promise<void> {
  const POLLIN = 1;
  const files = new Int32Array(fds.flatMap((fd) => [fd, POLLIN]));
  return new Promise((resolve, reject) => {
    pollCall.async(files, fds.length, -1, (error: unknown) => {
      // Used here, so that the array lives as long as the call.
      if (error === null && files.length > 0) resolve();
      else reject(error);
    });
  });
}

/** Gives freed memory of all threads back to the system: glibc keeps it in pieces that it can't trim by itself. */
export function trimMemory(): void {
  mallocTrimCall(0);
}

export function closeFd(fd: number): void {
  closeCall(fd);
}

/** perf_event_open(2); returns the file descriptor, which is closed on exec. */
export function perfEventOpen(attributes: Uint8Array, pid: number, cpu: number): number {
  const CLOSE_ON_EXEC = 8;
  const fd = Number(perfEventOpenCall(PERF_EVENT_OPEN, attributes, pid, cpu, -1, CLOSE_ON_EXEC));
  if (fd < 0) throw new SystemError('perf_event_open', koffi.errno());
  return fd;
}

export function ioctl(fd: number, request: number, argument: number | Uint8Array): void {
  const result =
    typeof argument === 'number'
      ? ioctlCall(fd, request, argument)
      : ioctlPointerCall(fd, request, argument);
  if (result < 0) throw new SystemError('ioctl', koffi.errno());
}
