/** Why a module's frames have no names, in words. */
import { LabelKind } from '@/profile/labels';
import type { UnnamedCode } from '@/profile/status';
import type { UnnamedModule } from '@/profile/unnamed-code';

/** Where the agent has not said why. */
const LIKELY: Readonly<Partial<Record<LabelKind, string>>> = {
  [LabelKind.Kernel]:
    'the kernel does not list this code in /proc/kallsyms, or Hearth may not read it there',
  [LabelKind.Native]:
    'the file has no symbols for this code. Install its debug symbols, or build it without stripping',
  [LabelKind.Jit]:
    'the program writes no perf map. node: --perf-basic-prof; Python 3.12: -X perf; Java: jcmd PID Compiler.perfmap',
};

/** The agent's own words for the module where it has some, which it has of what it sees now. */
export function whyUnnamed(
  { module, kind }: UnnamedModule,
  reasons: readonly UnnamedCode[],
): string {
  const known = reasons.find(({ module: path }) => {
    if (kind === LabelKind.Kernel) return path === '[kernel]';
    if (kind === LabelKind.Jit) return path.startsWith('[anon:');
    return path.slice(path.lastIndexOf('/') + 1) === module;
  });
  return known?.reason ?? LIKELY[kind] ?? 'the reason is not known';
}
