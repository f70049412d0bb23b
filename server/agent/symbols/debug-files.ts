/** Finds the separate files that hold the symbols and debug information that were stripped off a module. */
import { basename, dirname } from 'node:path';
import { ElfError, ElfFile, SectionType } from '../elf/elf-file';
import { addNote } from './protocol';

const DEBUG_FOLDER = '/usr/lib/debug';
/** A file is identified by its checksum only if it is not larger than this: that takes a second. */
const MAX_CHECKED_BYTES = 256 * 1024 * 1024;
const CRC_PIECE_BYTES = 1024 * 1024;

export interface DebugFile {
  readonly elf: ElfFile;
  /** As this process sees it. */
  readonly path: string;
}

/**
 * The debug file of a module, opened: looked for by build ID and by the module's debug link, in the root folder of the
 * process that has the module mapped and in our own. Undefined where there is none that belongs to the module. `path`
 * is the module's, as in ModuleReference; it need not exist any more. What was there, but is not right, goes to `notes`.
 */
export function findDebugFile(elf: ElfFile, path: string, notes: string[]): DebugFile | undefined {
  const { buildId, debugLink } = elf;
  for (const candidate of candidatePaths(path, buildId, debugLink?.name)) {
    let debug: ElfFile;
    try {
      debug = ElfFile.open(candidate);
    } catch (error) {
      if (error instanceof ElfError && error.kind !== 'io')
        addNote(notes, `${candidate}: ${error.message}`);
      continue;
    }
    try {
      if (!hasSymbols(debug)) {
        // The module itself, found by its own debug link, or an empty shell.
      } else if (buildId !== '' && debug.buildId !== '') {
        if (debug.buildId === buildId) return { elf: debug, path: candidate };
        addNote(notes, `${candidate} is of another build: its build ID is ${debug.buildId}`);
      } else if (debugLink !== undefined && debug.size <= MAX_CHECKED_BYTES) {
        if (crc32(debug) === debugLink.crc) return { elf: debug, path: candidate };
        addNote(
          notes,
          `${candidate} is of another build: its checksum is not that of the debug link`,
        );
      }
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      addNote(notes, `${candidate}: ${error.message}`);
    }
    debug.close();
  }
  return undefined;
}

function candidatePaths(path: string, buildId: string, linkName: string | undefined): string[] {
  const inProcess = /^(\/proc\/\d+\/root)(\/.*)$/.exec(path);
  const modulePath = inProcess?.[2] ?? path;
  const roots = inProcess === null ? [''] : [inProcess[1], ''];
  const folder = dirname(modulePath);
  const names: string[] = [];
  if (buildId.length > 2) {
    const name = `${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;
    names.push(`${DEBUG_FOLDER}/.build-id/${name}`);
  }
  if (linkName !== undefined && folder.startsWith('/')) {
    if (linkName !== basename(modulePath)) names.push(`${folder}/${linkName}`);
    names.push(`${folder}/.debug/${linkName}`, `${DEBUG_FOLDER}${folder}/${linkName}`);
  }
  return names.flatMap((name) => roots.map((root) => root + name));
}

/** Whether there is anything in it for which one would look into a debug file. */
export function hasSymbols(elf: ElfFile): boolean {
  return ['.symtab', '.debug_info'].some((name) => {
    const section = elf.section(name);
    return section !== undefined && section.type !== SectionType.NoBits && section.size > 0;
  });
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** The CRC-32 of a whole file. (Node has one of its own only since 20.15.) */
function crc32(elf: ElfFile): number {
  let crc = 0xffffffff;
  for (let at = 0; at < elf.size; at += CRC_PIECE_BYTES) {
    const piece = elf.readAt(at, Math.min(CRC_PIECE_BYTES, elf.size - at));
    for (let i = 0; i < piece.length; i++) crc = CRC_TABLE[(crc ^ piece[i]) & 0xff] ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
