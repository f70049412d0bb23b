/** What the kernel side counted by, in words. */
import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { BYTES_SUFFIX, CONNECT_PREFIX, type LatencySource } from '@/profile/latency/sources';
import { STATE_NAMES } from '@/profile/schema';
import {
  DNS_NO_ANSWER,
  FAULT_ACCESSES,
  FAULT_OUTCOMES,
  FILE_OPERATIONS,
  FUTEX_OPERATIONS,
  FUTEX_OUTCOMES,
  LATENCY_KEY,
  LATENCY_KINDS,
  LATENCY_LABEL_BYTES,
  type LatencyKind,
} from './layout';
import { syscallName } from './syscall-names';

const SOURCE_OF: Readonly<Record<LatencyKind, LatencySource>> = {
  runqueue: 'runqueue',
  syscall: 'syscalls',
  file: 'fs',
  futex: 'futex',
  'block-queued': 'block',
  'block-service': 'block',
  'tcp-connect': 'tcp',
  'tcp-round-trip': 'tcp',
  'tcp-sent': 'tcp',
  'tcp-received': 'tcp',
  'tcp-retransmitted': 'tcp',
  fault: 'faults',
  dns: 'dns',
  blocked: 'waits',
};

/** The bits of these sources' kinds in `struct latency_stack_configuration`. */
export function kindsOf(sources: readonly LatencySource[]): bigint {
  return LATENCY_KINDS.reduce(
    (bits, kind, bit) => (sources.includes(SOURCE_OF[kind]) ? bits | (1n << BigInt(bit)) : bits),
    0n,
  );
}

/** By `enum req_op` of the kernel's blk_types.h. */
const BLOCK_OPERATIONS: ReadonlyMap<number, string> = new Map([
  [0, 'read'],
  [1, 'write'],
  [2, 'flush'],
  [3, 'discard'],
  [5, 'secure erase'],
  [7, 'zone append'],
  [9, 'write zeroes'],
  [10, 'zone open'],
  [11, 'zone close'],
  [12, 'zone finish'],
  [13, 'zone reset'],
  [15, 'zone reset all'],
  [34, 'driver in'],
  [35, 'driver out'],
]);

/** RCODEs of RFC 1035, 4.1.1. */
const DNS_RESULTS: ReadonlyMap<number, string> = new Map([
  [0, 'answer'],
  [1, 'format error'],
  [2, 'server failure'],
  [3, 'no such name'],
  [4, 'not implemented'],
  [5, 'refused'],
]);

export interface Label {
  readonly source: LatencySource;
  readonly text: string;
}

/** Labels of keys (struct latency_key), made once each. */
export class Labels {
  readonly #known = new Map<string, Label>();
  /** Names by major << 20 | minor. */
  readonly #devices = new Map<number, string>();

  /** Of the key that starts at `at`. */
  of(keys: Buffer, at: number): Label {
    const id = keys.toString(
      'latin1',
      at + LATENCY_KEY.kind,
      at + LATENCY_KEY.label + LATENCY_LABEL_BYTES,
    );
    let label = this.#known.get(id);
    if (label === undefined) {
      const kind = LATENCY_KINDS[keys[at + LATENCY_KEY.kind]];
      const raw = keys.subarray(
        at + LATENCY_KEY.label,
        at + LATENCY_KEY.label + LATENCY_LABEL_BYTES,
      );
      label = {
        source: SOURCE_OF[kind],
        text: this.#text(kind, keys[at + LATENCY_KEY.operation], raw),
      };
      this.#known.set(id, label);
    }
    return label;
  }

  #text(kind: LatencyKind, operation: number, raw: Buffer): string {
    const number = (): number => Number(raw.readBigUInt64LE(0));
    switch (kind) {
      case 'runqueue':
        return 'waiting for a CPU';
      case 'blocked':
        return STATE_NAMES[operation];
      case 'syscall':
        return syscallName(number(), operation === 1);
      case 'file':
        return `${raw.toString('utf8', 0, raw.indexOf(0))} ${FILE_OPERATIONS[operation]}`;
      case 'futex':
        return `${FUTEX_OPERATIONS[operation]}: ${FUTEX_OUTCOMES[number()]}`;
      case 'block-queued':
        return `${this.#device(number())} ${blockOperation(operation)}, in the queue`;
      case 'block-service':
        return `${this.#device(number())} ${blockOperation(operation)}, in the device`;
      case 'tcp-connect':
        return CONNECT_PREFIX + addressText(raw);
      case 'tcp-round-trip':
        return `round trip to ${addressText(raw)}`;
      case 'tcp-sent':
        return `sent to ${addressText(raw)}${BYTES_SUFFIX}`;
      case 'tcp-received':
        return `received from ${addressText(raw)}${BYTES_SUFFIX}`;
      case 'tcp-retransmitted':
        return `retransmitted to ${addressText(raw)}${BYTES_SUFFIX}`;
      case 'dns':
        return operation === DNS_NO_ANSWER
          ? `no answer from ${addressText(raw)} in 5 s`
          : `${DNS_RESULTS.get(operation) ?? `error ${operation}`} from ${addressText(raw)}`;
      case 'fault': {
        const inKernel = raw.readBigUInt64LE(8) === 1n ? ', in the kernel' : '';
        return `${FAULT_OUTCOMES[number()]}: ${FAULT_ACCESSES[operation]}${inKernel}`;
      }
    }
  }

  #device(number: number): string {
    let name = this.#devices.get(number);
    if (name === undefined) {
      const [major, minor] = [Math.floor(number / 2 ** 20), number % 2 ** 20];
      try {
        name = basename(readlinkSync(`/sys/dev/block/${major}:${minor}`));
      } catch {
        name = `${major}:${minor}`; // it has gone since
      }
      this.#devices.set(number, name);
    }
    return name;
  }
}

function blockOperation(operation: number): string {
  return BLOCK_OPERATIONS.get(operation) ?? `operation ${operation}`;
}

/** Of 16 bytes in the network's order: '10.0.0.1' for IPv4 that is mapped, else as RFC 5952 writes IPv6. */
export function addressText(raw: Buffer): string {
  const isMapped = raw.readBigUInt64BE(0) === 0n && raw.readUInt32BE(8) === 0xffff;
  if (isMapped) return raw.subarray(12, 16).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => raw.readUInt16BE(2 * i).toString(16));
  // The longest run of two zeros or more, the first of several, becomes '::'.
  let [start, length] = [-1, 1];
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === '0') end++;
    if (end - i > length) [start, length] = [i, end - i];
  }
  if (start < 0) return groups.join(':');
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
}
