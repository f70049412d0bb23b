/** From the symbolizer's answers to rows of the profile. */
import type { FrameSymbol, ProfileBuilder } from '@/profile/builder';
import { isPlaceName, moduleName } from '@/profile/names';
import { type FrameIndex, type FrameKind, NONE } from '@/profile/schema';
import type { SourcePlace, SymbolizedFrame } from './symbols/protocol';

/** The symbol columns of a frame; functions that it was inlined into become frames of their own. */
export function frameSymbol(
  builder: ProfileBuilder,
  frame: FrameIndex,
  symbol: SymbolizedFrame,
): FrameSymbol {
  const { mapping, kind } = builder.profile.frames.columns;
  const place = (at: SourcePlace, inlinedInto: FrameIndex): FrameSymbol => ({
    functionName: builder.string(
      isPlaceName(at.functionName)
        ? moduleName(builder.profile, mapping[frame]) + at.functionName
        : at.functionName,
    ),
    file: at.file === undefined ? NONE : builder.string(at.file),
    line: at.line ?? 0,
    inlinedInto,
  });
  let outer: FrameIndex = NONE;
  for (const caller of [...(symbol.inlined ?? [])].reverse()) {
    outer = builder.namedFrame(place(caller, outer), mapping[frame], kind[frame] as FrameKind);
  }
  return place(symbol, outer);
}
