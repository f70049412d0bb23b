/** From an answer's columns to objects. */
import { FrameTexts } from './frame-rows';
import { type FrameColumns, NONE, type SourcePlace, type SymbolizedFrame } from './protocol';

/**
 * One for each address, undefined where it has no name; equal rows are one object. `known` has the frames whose names have
 * been sent before, by their names' numbers, and gets those that are new.
 */
export function toFrames(
  columns: FrameColumns,
  known: SymbolizedFrame[] = [],
): (SymbolizedFrame | undefined)[] {
  const { functionName, name: numbers, file, line, outer, kernelModule, frame } = columns;
  const texts = new FrameTexts(columns);
  if (file.length === 0) return plainFrames(columns, texts, known);
  const places: (SourcePlace | undefined)[] = new Array(functionName.length);
  const place = (row: number): SourcePlace => {
    let found = places[row];
    if (found === undefined) {
      const name = texts.at(functionName[row]);
      found =
        file[row] === NONE && line[row] === 0
          ? { functionName: name }
          : {
              functionName: name,
              ...(file[row] !== NONE && { file: texts.at(file[row]) }),
              ...(line[row] > 0 && { line: line[row] }),
            };
      places[row] = found;
    }
    return found;
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
      frames[row] ??= numbers[row] === NONE ? whole(row) : named(columns, row, texts, known);
      result[i] = frames[row];
    }
  }
  return result;
}

/** The same where functions' names are all that is known. */
function plainFrames(
  columns: FrameColumns,
  texts: FrameTexts,
  known: SymbolizedFrame[],
): (SymbolizedFrame | undefined)[] {
  const { functionName, frame } = columns;
  const frames: SymbolizedFrame[] = new Array(functionName.length);
  for (let row = 0; row < frames.length; row++) frames[row] = named(columns, row, texts, known);
  const result: (SymbolizedFrame | undefined)[] = new Array(frame.length);
  for (let i = 0; i < frame.length; i++) {
    result[i] = frame[i] === NONE ? undefined : frames[frame[i]];
  }
  return result;
}

/** The frame of a row of which nothing but the function's name is known. */
function named(
  { functionName, name }: FrameColumns,
  row: number,
  texts: FrameTexts,
  known: SymbolizedFrame[],
): SymbolizedFrame {
  if (functionName[row] === NONE) return known[name[row]];
  const frame = { functionName: texts.at(functionName[row]) };
  if (name[row] !== NONE) known[name[row]] = frame;
  return frame;
}
