/** From an answer's columns to objects. */
import { FrameTexts } from './frame-rows';
import { type FrameColumns, NONE, type SourcePlace, type SymbolizedFrame } from './protocol';

/** One for each address, undefined where it has no name; equal rows are one object. */
export function toFrames(columns: FrameColumns): (SymbolizedFrame | undefined)[] {
  const { functionName, file, line, outer, kernelModule, frame } = columns;
  const texts = new FrameTexts(columns);
  if (file.length === 0) return plainFrames(columns, texts);
  const places: (SourcePlace | undefined)[] = new Array(functionName.length);
  const place = (row: number): SourcePlace => {
    let known = places[row];
    if (known === undefined) {
      const name = texts.at(functionName[row]);
      known =
        file[row] === NONE && line[row] === 0
          ? { functionName: name }
          : {
              functionName: name,
              ...(file[row] !== NONE && { file: texts.at(file[row]) }),
              ...(line[row] > 0 && { line: line[row] }),
            };
      places[row] = known;
    }
    return known;
  };
  const whole = (row: number): SymbolizedFrame => {
    const inlined: SourcePlace[] = [];
    for (let at = outer[row]; at !== NONE; at = outer[at]) inlined.push(place(at));
    if (inlined.length === 0 && kernelModule[row] === NONE) return place(row);
    return {
      ...place(row),
      ...(inlined.length > 0 && { inlined }),
      ...(kernelModule[row] !== NONE && { kernelModule: texts.at(kernelModule[row]) }),
    };
  };
  const frames: (SymbolizedFrame | undefined)[] = new Array(functionName.length);
  const result: (SymbolizedFrame | undefined)[] = new Array(frame.length);
  for (let i = 0; i < frame.length; i++) {
    const row = frame[i];
    if (row === NONE) result[i] = undefined;
    else {
      frames[row] ??= whole(row);
      result[i] = frames[row];
    }
  }
  return result;
}

/** The same where functions' names are all that is known. */
function plainFrames(
  { functionName, frame }: FrameColumns,
  texts: FrameTexts,
): (SymbolizedFrame | undefined)[] {
  const frames: SymbolizedFrame[] = new Array(functionName.length);
  for (let row = 0; row < frames.length; row++) {
    frames[row] = { functionName: texts.at(functionName[row]) };
  }
  const result: (SymbolizedFrame | undefined)[] = new Array(frame.length);
  for (let i = 0; i < frame.length; i++) {
    result[i] = frame[i] === NONE ? undefined : frames[frame[i]];
  }
  return result;
}
