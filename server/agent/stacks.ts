/**
 * From raw stacks to rows of the profile: addresses become frames by the mappings of their process, kernel and user part
 * become one stack, and what has to be named is collected for the symbolizer.
 */

import { basename } from 'node:path';
import type { FramesByOffset, ProfileBuilder } from '@/profile/builder';
import { PairTable } from '@/profile/pair-table';
import { type FrameIndex, FrameKind, MappingKind, NONE, type StackIndex } from '@/profile/schema';
import type { KernelText } from './kernel-text';
import type { MappingTable } from './mappings';
import type { Module } from './modules';
import type { Process, Processes } from './processes';
import type { StackId } from './record-reader';
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

/** Where the frames of one module, or of the kernel, are in the profile. */
interface Place {
  readonly kind: FrameKind;
  readonly frames: FramesByOffset;
  /** Undefined for the kernel. */
  readonly module: Module | undefined;
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
  readonly #places = new WeakMap<Module, Place>();
  #kernelPlace: Place | undefined;
  /** A process's next stack is mostly one of these but for a few frames. */
  readonly #last = new Map<Process, LastStacks>();

  constructor(
    readonly builder: ProfileBuilder,
    readonly processes: Processes,
    readonly kernelText: KernelText,
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

  /** The row of a user stack, NONE for the ID 0; undefined where it is not known. */
  user({ low, high }: StackId): StackIndex | undefined {
    if ((low | high) === 0) return NONE;
    const index = this.#ids.get(low, high);
    return index === NONE ? undefined : this.#userStacks[index];
  }

  /** The frames of a kernel stack from the root on, none for the ID 0; undefined where it is not known. */
  kernel({ low, high }: StackId): readonly FrameIndex[] | undefined {
    if ((low | high) === 0) return [];
    const index = this.#ids.get(low, high);
    return index === NONE ? undefined : this.#kernelFrames[index];
  }

  /** The row of a whole stack, where both of its parts are known; NONE where it has neither. */
  combine(kernel: StackId, user: StackId): StackIndex | undefined {
    const row = this.user(user);
    if (row === undefined || (kernel.low | kernel.high) === 0) return row;
    const index = this.#ids.get(kernel.low, kernel.high);
    if (index === NONE) return undefined;
    const known = this.#combined.get(index, row);
    if (known !== NONE) return known;
    let stack: StackIndex = row;
    for (const frame of this.#kernelFrames[index] ?? []) stack = this.builder.stack(stack, frame);
    if (stack !== NONE) this.#combined.set(index, row, stack);
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
    const place = this.#kernel();
    const frames: FrameIndex[] = [];
    for (let i = raw.addresses.length - 1; i >= 0; i--) {
      // All but the leaf are return addresses: the call is before them.
      const address = raw.addresses[i] - (i === 0 ? 0 : 1);
      const offset = Math.max(0, address - this.kernelText.textStart);
      frames.push(this.#frame(place, offset, address));
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
    const mappings = this.processes.mappingsFor(process, addresses, count - shared);
    if (mappings !== known) shared = 0;

    const rows = new Uint32Array(count);
    if (last !== undefined) rows.set(last.rows.subarray(0, shared));
    let stack: StackIndex = shared === 0 ? this.#stop(raw, mappings) : rows[shared - 1];
    let place: Place | undefined;
    for (let depth = shared; depth < count; depth++) {
      const address = addresses[count - 1 - depth];
      const mapping = mappings.find(address);
      const module = mapping?.module ?? this.processes.modules.anonymous(raw.pid);
      if (place?.module !== module) place = this.#placeOf(module);
      const offset =
        mapping === undefined || place.kind === FrameKind.Jit
          ? Math.max(0, address)
          : address - mapping.start + mapping.fileOffset;
      stack = this.builder.stack(stack, this.#frame(place, offset, address, process));
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

  #kernel(): Place {
    if (this.#kernelPlace === undefined) {
      const mapping = this.builder.mapping(this.kernelText.buildId, '[kernel]', MappingKind.Kernel);
      const frames = this.builder.framesIn(mapping, FrameKind.Kernel);
      this.#kernelPlace = { kind: FrameKind.Kernel, frames, module: undefined };
    }
    return this.#kernelPlace;
  }

  #placeOf(module: Module): Place {
    let place = this.#places.get(module);
    if (place === undefined) {
      const { buildId, path, kind } = module;
      const mapping = this.builder.mapping(buildId, path, kind);
      const frameKind = kind === MappingKind.Jit ? FrameKind.Jit : FrameKind.Native;
      place = { kind: frameKind, frames: this.builder.framesIn(mapping, frameKind), module };
      this.#places.set(module, place);
    }
    return place;
  }

  /** `process`: in which user code runs. */
  #frame(place: Place, offset: number, address: number, process?: Process): FrameIndex {
    const known = this.builder.profile.frames.length;
    const frame = place.frames.at(offset);
    if (frame === known) {
      this.#nameLater(place, frame, place.kind === FrameKind.Native ? offset : address, process);
    }
    return frame;
  }

  /** Takes note of a frame that is to be named. */
  #nameLater({ module, kind }: Place, frame: FrameIndex, address: number, process?: Process): void {
    const key = module?.namesKey ?? 'kernel';
    let pending = this.#pending.get(key);
    if (pending === undefined) {
      const source: PendingSymbols['source'] =
        module === undefined
          ? { kind: 'kernel' }
          : kind === FrameKind.Jit && process !== undefined
            ? { kind: 'jit', process }
            : { kind: 'module', module };
      pending = { source, frames: [], addresses: [] };
      this.#pending.set(key, pending);
    }
    pending.frames.push(frame);
    pending.addresses.push(address);
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
