/**
 * From raw stacks to rows of the profile: addresses become frames by the mappings of their process, kernel and user part
 * become one stack, and what has to be named is collected for the symbolizer.
 */

import { basename } from 'node:path';
import type { ProfileBuilder } from '@/profile/builder';
import { PairTable } from '@/profile/pair-table';
import {
  type FrameIndex,
  FrameKind,
  type MappingIndex,
  MappingKind,
  NONE,
  type StackIndex,
} from '@/profile/schema';
import type { KernelText } from './kernel-text';
import type { MappingTable } from './mappings';
import type { Module } from './modules';
import type { Process, Processes } from './processes';
import { STACK_ENDS } from './records';

/** Frames of one module, or of the kernel, that wait for their names. `addresses` are offsets in the module's file. */
export interface PendingSymbols {
  readonly source:
    | { readonly kind: 'kernel' }
    | { readonly kind: 'module'; readonly module: Module }
    | { readonly kind: 'jit'; readonly process: Process };
  readonly frames: FrameIndex[];
  readonly addresses: number[];
}

export interface RawStack {
  readonly pid: number;
  readonly isUser: boolean;
  /** Index in STACK_ENDS. */
  readonly end: number;
  /** Low and high half of the stack's ID. */
  readonly idLow: number;
  readonly idHigh: number;
  /** Leaf first; kernel addresses as negative numbers (two's complement). */
  readonly addresses: Float64Array;
}

/** A user stack whose rows are known. */
interface Resolved {
  readonly end: number;
  /** Leaf first. */
  readonly addresses: Float64Array;
  /** The row down to each frame, the root's first. */
  readonly rows: Uint32Array;
}

/** The last stacks of one process, by the address of their second frame, which tells functions of threads apart. */
interface LastStacks {
  readonly mappings: MappingTable;
  readonly byBeginning: Map<number, Resolved>;
}

/** Processes whose last stacks are remembered, and stacks of each. */
const MAX_PROCESSES = 64;
const MAX_BEGINNINGS = 8;

export class Stacks {
  readonly #ids = new PairTable(4096);
  /** By the values of `#ids`: frames from the root for kernel stacks, the row for user stacks. */
  readonly #kernelFrames: (readonly FrameIndex[] | undefined)[] = [];
  readonly #userStacks: StackIndex[] = [];
  readonly #combined = new PairTable(4096);
  #pending = new Map<string, PendingSymbols>();
  readonly #mappings = new WeakMap<Module, MappingIndex>();
  #kernelMapping: MappingIndex | undefined;
  /** A process's next stack is mostly one of these but for a few frames. */
  readonly #last = new Map<Process, LastStacks>();

  constructor(
    readonly builder: ProfileBuilder,
    readonly processes: Processes,
    readonly kernel: KernelText,
  ) {}

  /** Takes a stack that the kernel has sent; a second copy of one that is known changes nothing. */
  add(raw: RawStack): void {
    if (this.#ids.get(raw.idLow, raw.idHigh) !== NONE) return;
    const index = this.#userStacks.length;
    this.#ids.set(raw.idLow, raw.idHigh, index);
    this.#kernelFrames.push(raw.isUser ? undefined : this.#resolveKernel(raw));
    this.#userStacks.push(raw.isUser ? this.#resolveUser(raw) : NONE);
  }

  /** How many stacks of the kernel's it remembers. */
  get size(): number {
    return this.#userStacks.length;
  }

  has(idLow: number, idHigh: number): boolean {
    return (idLow | idHigh) === 0 || this.#ids.get(idLow, idHigh) !== NONE;
  }

  /** The row of a sample's whole stack; `has` must be true of both parts, of which an ID of 0 means "no such part". */
  combine(kernelLow: number, kernelHigh: number, userLow: number, userHigh: number): StackIndex {
    const user =
      (userLow | userHigh) === 0 ? NONE : this.#userStacks[this.#ids.get(userLow, userHigh)];
    if ((kernelLow | kernelHigh) === 0) return user;
    const kernel = this.#ids.get(kernelLow, kernelHigh);
    const known = this.#combined.get(kernel, user);
    if (known !== NONE) return known;
    let stack: StackIndex = user;
    for (const frame of this.#kernelFrames[kernel] ?? []) stack = this.builder.stack(stack, frame);
    if (stack !== NONE) this.#combined.set(kernel, user, stack);
    return stack;
  }

  /** The frames that got no name yet, and forgets them. */
  takePending(): PendingSymbols[] {
    if (this.#pending.size === 0) return [];
    const pending = [...this.#pending.values()];
    this.#pending = new Map();
    return pending;
  }

  #resolveKernel(raw: RawStack): FrameIndex[] {
    this.#kernelMapping ??= this.builder.mapping(
      this.kernel.buildId,
      '[kernel]',
      MappingKind.Kernel,
    );
    const frames: FrameIndex[] = [];
    for (let i = raw.addresses.length - 1; i >= 0; i--) {
      // All but the leaf are return addresses: the call is before them.
      const address = raw.addresses[i] - (i === 0 ? 0 : 1);
      const frame = this.#frame(
        this.#kernelMapping,
        address - this.kernel.textStart,
        FrameKind.Kernel,
        address,
        'kernel',
        {
          kind: 'kernel',
        },
      );
      frames.push(frame);
    }
    return frames;
  }

  #resolveUser(raw: RawStack): StackIndex {
    const { addresses, end } = raw;
    const count = addresses.length;
    const process = this.processes.get(raw.pid);
    const known = this.processes.mappings(process);
    const last = this.#lastOf(process, known).get(addresses[count - 2]);
    let shared =
      last === undefined || last.end !== end ? 0 : sharedFrames(addresses, last.addresses);
    const mappings = this.processes.mappingsFor(process, addresses.subarray(0, count - shared));
    if (mappings !== known) shared = 0;

    const rows = new Uint32Array(count);
    if (last !== undefined) rows.set(last.rows.subarray(0, shared));
    let stack: StackIndex = shared === 0 ? this.#stop(raw, mappings) : rows[shared - 1];
    for (let depth = shared; depth < count; depth++) {
      const address = addresses[count - 1 - depth];
      const mapping = mappings.find(address);
      const module = mapping?.module ?? this.processes.modules.anonymous(raw.pid);
      const frame =
        module.kind === MappingKind.Jit || mapping === undefined
          ? this.#frame(this.#mappingOf(module), address, FrameKind.Jit, address, module.key, {
              kind: 'jit',
              process,
            })
          : this.#moduleFrame(module, address - mapping.start + mapping.fileOffset);
      stack = this.builder.stack(stack, frame);
      rows[depth] = stack;
    }
    const byBeginning = this.#lastOf(process, mappings);
    if (byBeginning.size >= MAX_BEGINNINGS) byBeginning.clear();
    byBeginning.set(addresses[count - 2], { addresses, end, rows });
    return stack;
  }

  /** Where the stack ended: above all frames of one that is not whole. */
  #stop({ addresses, end }: RawStack, mappings: MappingTable): StackIndex {
    const { text, namesModule } = STACK_ENDS[end];
    if (text === '') return NONE;
    const last = namesModule ? mappings.find(addresses[addresses.length - 1]) : undefined;
    const where = namesModule
      ? ` in ${last === undefined ? 'memory without a file' : basename(last.module.path)}`
      : '';
    return this.builder.stack(NONE, this.#stopFrame(`[${text}${where}]`));
  }

  #lastOf(process: Process, mappings: MappingTable): Map<number, Resolved> {
    const known = this.#last.get(process);
    if (known?.mappings === mappings) return known.byBeginning;
    if (this.#last.size >= MAX_PROCESSES) this.#last.clear();
    const byBeginning = new Map<number, Resolved>();
    this.#last.set(process, { mappings, byBeginning });
    return byBeginning;
  }

  #moduleFrame(module: Module, offset: number): FrameIndex {
    return this.#frame(this.#mappingOf(module), offset, FrameKind.Native, offset, module.key, {
      kind: 'module',
      module,
    });
  }

  #mappingOf(module: Module): MappingIndex {
    let mapping = this.#mappings.get(module);
    if (mapping === undefined) {
      mapping = this.builder.mapping(module.buildId, module.path, module.kind);
      this.#mappings.set(module, mapping);
    }
    return mapping;
  }

  #frame(
    mapping: number,
    offset: number,
    kind: FrameKind,
    address: number,
    key: string,
    source: PendingSymbols['source'],
  ): FrameIndex {
    const known = this.builder.profile.frames.length;
    const frame = this.builder.frameAt(mapping, Math.max(0, offset), kind);
    if (frame === known) {
      let pending = this.#pending.get(key);
      if (pending === undefined) {
        pending = { source, frames: [], addresses: [] };
        this.#pending.set(key, pending);
      }
      pending.frames.push(frame);
      pending.addresses.push(address);
    }
    return frame;
  }

  #stopFrame(text: string): FrameIndex {
    const functionName = this.builder.string(text);
    return this.builder.namedFrame(
      { functionName, file: NONE, line: 0, inlinedInto: NONE },
      NONE,
      FrameKind.Stop,
    );
  }
}

/** How many frames from the root two stacks have in common. */
function sharedFrames(a: Float64Array, b: Float64Array): number {
  const most = Math.min(a.length, b.length);
  let shared = 0;
  while (shared < most && a[a.length - 1 - shared] === b[b.length - 1 - shared]) shared++;
  return shared;
}
