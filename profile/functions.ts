/**
 * Functions: frames by what they are called, so that all places in a function are one node. Inlined functions get frames
 * of their own here. Each stack of the profile maps to a path, a row of a prefix tree of labels:
 *
 *     stacks                          paths
 *     main+0x10                       main
 *     main+0x10 < f+0x4 in g+0x8      main < g < f (inlined)
 *     main+0x22                       main
 */
import { type LabelIndex, LabelKind, LabelTable } from './labels';
import { frameName, hasName, moduleName, processName, STACK_LOST } from './names';
import { PairRows } from './pair-rows';
import type { Profile } from './profile';
import {
  type FrameIndex,
  FrameKind,
  type MappingIndex,
  NONE,
  type ProcessIndex,
  type StackIndex,
} from './schema';
import { U32List } from './u32-list';

export type PathIndex = number & { readonly __table?: 'paths' };

/** A longer chain of inlined functions is a cycle: no compiler makes it. */
const MAX_INLINE_DEPTH = 512;

export class FunctionTable {
  readonly profile: Profile;
  readonly labels: LabelTable = new LabelTable();
  readonly rootLabel: LabelIndex;
  readonly lostLabel: LabelIndex;
  /** By frame: its label, and the symbol columns that it was made from. */
  readonly #frameLabel = new U32List();
  readonly #frameName = new U32List();
  readonly #frameInlinedInto = new U32List();
  readonly #pathOfStack = new U32List();
  /** (parent, label) */
  #paths: PairRows;
  /** How often a stack was given another path: its old one may be unused since. */
  #movedStacks = 0;
  #symbolGeneration: number;
  readonly #moduleNames: string[] = [];
  readonly #processLabels: LabelIndex[] = [];

  constructor(profile: Profile) {
    this.profile = profile;
    this.#symbolGeneration = profile.symbolGeneration;
    this.#paths = new PairRows(64);
    const noCode = { module: '', inlined: false, named: true };
    this.rootLabel = this.labels.intern({ text: 'all', kind: LabelKind.Root, ...noCode });
    this.lostLabel = this.labels.intern({ text: STACK_LOST, kind: LabelKind.Lost, ...noCode });
    this.update();
  }

  /** Number of paths. */
  get pathCount(): number {
    return this.#paths.length;
  }

  /** By stack: its path. These three are as of the last update, longer than needed, and not to be kept. */
  get pathOfStack(): Uint32Array {
    return this.#pathOfStack.values;
  }

  /** By path: the caller's path, NONE at the root, always a smaller index than the path's own. */
  get pathParent(): Uint32Array {
    return this.#paths.first;
  }

  get pathLabel(): Uint32Array {
    return this.#paths.second;
  }

  /** Takes in what was added to the profile, and symbols that came late. Costs little where nothing did. */
  update(): void {
    const { profile } = this;
    const knownFrames = this.#frameLabel.length;
    for (let frame = knownFrames; frame < profile.frames.length; frame++) this.#addFrame(frame);
    if (profile.symbolGeneration !== this.#symbolGeneration) {
      this.#symbolGeneration = profile.symbolGeneration;
      this.#renameFrames(knownFrames);
    }
    const { parent, frame } = profile.stacks.columns;
    this.#pathOfStack.reserve(profile.stacks.length);
    for (let stack = this.#pathOfStack.length; stack < profile.stacks.length; stack++) {
      this.#pathOfStack.push(this.#extend(this.#callerPath(parent[stack]), frame[stack]));
    }
  }

  /** Gives back the room for more, and what only finds what is there already: it is made again when there is more. */
  trim(): void {
    for (const column of [
      this.#frameLabel,
      this.#frameName,
      this.#frameInlinedInto,
      this.#pathOfStack,
      this.#paths,
      this.labels,
    ])
      column.trim();
  }

  /** The label of a process's node. */
  processLabel(process: ProcessIndex, withPid: boolean): LabelIndex {
    const at = process * 2 + (withPid ? 1 : 0);
    this.#processLabels[at] ??= this.labels.intern({
      text: withPid
        ? processName(this.profile, process)
        : this.profile.string(this.profile.processes.columns.name[process]) || '[unknown]',
      module: '',
      kind: LabelKind.Process,
      inlined: false,
      named: true,
    });
    return this.#processLabels[at];
  }

  #addFrame(frame: FrameIndex): void {
    const { functionName, inlinedInto } = this.profile.frames.columns;
    this.#frameLabel.push(this.#labelOf(frame));
    this.#frameName.push(functionName[frame]);
    this.#frameInlinedInto.push(inlinedInto[frame]);
  }

  #labelOf(frame: FrameIndex): LabelIndex {
    const { inlinedInto, mapping, kind } = this.profile.frames.columns;
    return this.labels.intern({
      text: frameName(this.profile, frame),
      module: this.#moduleName(mapping[frame]),
      kind: kind[frame] as FrameKind,
      inlined: inlinedInto[frame] !== NONE,
      named: kind[frame] === FrameKind.Stop || hasName(this.profile, frame),
    });
  }

  #moduleName(mapping: MappingIndex): string {
    if (mapping === NONE) return '';
    this.#moduleNames[mapping] ??= moduleName(this.profile, mapping);
    return this.#moduleNames[mapping];
  }

  /** Labels the frames before `end` again whose symbols have changed, and moves their stacks to other paths. */
  #renameFrames(end: number): void {
    const { functionName, inlinedInto } = this.profile.frames.columns;
    const changed = new Uint8Array(this.#frameLabel.length);
    let changes = 0;
    for (let frame = 0; frame < end; frame++) {
      if (
        functionName[frame] === this.#frameName.values[frame] &&
        inlinedInto[frame] === this.#frameInlinedInto.values[frame]
      )
        continue;
      this.#frameLabel.values[frame] = this.#labelOf(frame);
      this.#frameName.values[frame] = functionName[frame];
      this.#frameInlinedInto.values[frame] = inlinedInto[frame];
      changed[frame] = 1;
      changes++;
    }
    if (changes === 0) return;
    // Paths that nothing uses any more are thrown away when they might be most of all.
    if (this.#movedStacks > this.#pathOfStack.length + 1024) this.#forgetPaths();
    else this.#moveStacks(changed);
  }

  #forgetPaths(): void {
    this.#movedStacks = 0;
    this.#pathOfStack.clear();
    this.#paths = new PairRows(this.profile.stacks.length);
  }

  #moveStacks(changed: Uint8Array): void {
    const { inlinedInto } = this.profile.frames.columns;
    const { parent, frame } = this.profile.stacks.columns;
    const isChanged = (start: FrameIndex): boolean => {
      let at = start;
      for (let depth = 0; at !== NONE && depth < MAX_INLINE_DEPTH; depth++) {
        if (changed[at] === 1) return true;
        at = inlinedInto[at];
      }
      return false;
    };
    const moved = new Uint8Array(this.#pathOfStack.length);
    for (let stack = 0; stack < moved.length; stack++) {
      const caller = parent[stack];
      if (!isChanged(frame[stack]) && (caller === NONE || moved[caller] === 0)) continue;
      const path = this.#extend(this.#callerPath(caller), frame[stack]);
      if (path === this.#pathOfStack.values[stack]) continue;
      this.#pathOfStack.values[stack] = path;
      moved[stack] = 1;
      this.#movedStacks++;
    }
  }

  #callerPath(caller: StackIndex): PathIndex {
    return caller === NONE ? NONE : this.#pathOfStack.values[caller];
  }

  /** The path below `caller` of a frame and of all that it was inlined into. */
  #extend(caller: PathIndex, frame: FrameIndex): PathIndex {
    const outer = this.#frameInlinedInto.values[frame];
    if (outer === NONE) return this.#paths.intern(caller, this.#frameLabel.values[frame]);
    const chain: FrameIndex[] = [frame];
    for (let at = outer; at !== NONE && chain.length < MAX_INLINE_DEPTH; ) {
      chain.push(at);
      at = this.#frameInlinedInto.values[at];
    }
    let path = caller;
    for (let i = chain.length - 1; i >= 0; i--)
      path = this.#paths.intern(path, this.#frameLabel.values[chain[i]]);
    return path;
  }
}
