/** libc by FFI, for the sandbox's system calls; they apply to the calling thread. */
import { constants } from 'node:os';
import koffi from 'koffi';

export const libc = koffi.load('libc.so.6');

export class SystemError extends Error {
  override readonly name = 'SystemError';
  constructor(call: string, errno: number) {
    const name = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0];
    super(`${call}: ${name ?? `errno ${errno}`}`);
  }
}

/** The result of a call. Throws SystemError where it says that the call failed. */
export function check(call: string, result: number | bigint): number {
  if (Number(result) < 0) throw new SystemError(call, koffi.errno());
  return Number(result);
}
