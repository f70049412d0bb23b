/** Which code has no names: the frames without a function's name, by module. */
import type { CallTree } from './call-tree';
import { LabelKind, type Labels } from './labels';

export interface UnnamedModule {
  /** As `moduleName` gives it; '' for memory without a file. */
  readonly module: string;
  readonly kind: LabelKind;
  /** Frames of samples: a sample counts once for each of its frames. */
  readonly unnamed: number;
  readonly frames: number;
}

/** The modules that have frames without names, most of them first. Inlined functions are not counted. */
export function unnamedModules(tree: CallTree, labels: Labels): UnnamedModule[] {
  const modules = new Map<string, { kind: LabelKind; unnamed: number; frames: number }>();
  for (let node = 1; node < tree.length; node++) {
    const label = tree.label[node];
    const kind = labels.kind[label];
    const isCode = kind === LabelKind.Kernel || kind === LabelKind.Native || kind === LabelKind.Jit;
    if (!isCode || labels.inlined[label]) continue;
    const module = labels.moduleOf(label);
    let sum = modules.get(module);
    if (sum === undefined) {
      sum = { kind, unnamed: 0, frames: 0 };
      modules.set(module, sum);
    }
    sum.frames += tree.totalSamples[node];
    if (!labels.named[label]) sum.unnamed += tree.totalSamples[node];
  }
  return Array.from(modules, ([module, sum]) => ({ module, ...sum }))
    .filter(({ unnamed }) => unnamed > 0)
    .sort((a, b) => b.unnamed - a.unnamed || (a.module < b.module ? -1 : 1));
}
