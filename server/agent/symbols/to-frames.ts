/** From an answer's columns to objects. */
import { FrameTexts } from './frame-rows';
import {
  type FrameColumns,
  NAMED,
  NO_NAME,
  NONE,
  type SourcePlace,
  type SymbolizedFrame,
} from './protocol';

/**
 * One for each address, undefined where it has no name; equal rows are one object. `known` has the frames of which only the
 * function is known, by their names' numbers, and gets those that are new.
 */
export function toFrames(
  columns: FrameColumns,
  known: SymbolizedFrame[] = [],
): (SymbolizedFrame | undefined)[] {
  const { frame, firstName, nameText, nameEnds } = columns;
  const names = new FrameTexts(nameText, nameEnds);
  for (let i = 0; i < nameEnds.length; i++) {
    // Objects that were given out stay the same.
    known[firstName + i] ??= frameOf(names.at(i));
  }
  const rows = rowsOf(columns);
  const result: (SymbolizedFrame | undefined)[] = new Array(frame.length);
  for (let i = 0; i < frame.length; i++) {
    const at = frame[i];
    const found = at < NAMED ? rows[at] : at === NONE ? undefined : known[at - NAMED];
    result[i] = found === NO_NAME ? undefined : found;
  }
  return result;
}

const frameOf = (functionName: string): SymbolizedFrame =>
  functionName === NO_NAME.functionName ? NO_NAME : { functionName };

function rowsOf(columns: FrameColumns): readonly SymbolizedFrame[] {
  const { functionName, file, line, outer, kernelModule, text, textEnds } = columns;
  const texts = new FrameTexts(text, textEnds);
  const places: (SourcePlace | undefined)[] = new Array(functionName.length);
  const place = (row: number): SourcePlace => {
    let found = places[row];
    if (found === undefined) {
      const name = texts.at(functionName[row]);
      found =
        file.length === 0 || (file[row] === NONE && line[row] === 0)
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
  return Array.from(functionName, (_, row) => {
    if (file.length === 0) return place(row);
    const inlined: SourcePlace[] = [];
    for (let at = outer[row]; at !== NONE; at = outer[at]) inlined.push(place(at));
    if (inlined.length === 0 && kernelModule[row] === NONE) return place(row);
    return {
      ...place(row),
      ...(inlined.length > 0 && { inlined }),
      ...(kernelModule[row] !== NONE && { kernelModule: texts.at(kernelModule[row]) }),
    };
  });
}
