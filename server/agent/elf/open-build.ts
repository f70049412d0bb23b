/** Opens a file for those who want one build of it. */
import { ElfError } from './elf-error';
import { ElfFile } from './elf-file';

/** What keys of modules begin with that have a build ID; it follows, in lower-case hex, up to the end or a space. */
export const BUILD_ID_KEY = 'build-id:';

/**
 * The file of that name or descriptor. Throws ElfError where it can't be read, or where `key` names a build ID and this is
 * another build: files are replaced, and written over.
 */
export function openBuild(file: string | number, key: string): ElfFile {
  const elf = ElfFile.open(file);
  if (!key.startsWith(BUILD_ID_KEY)) return elf;
  const [buildId] = key.slice(BUILD_ID_KEY.length).split(' ', 1);
  if (elf.buildId === buildId) return elf;
  elf.close();
  throw new ElfError('io', 'the file that was mapped is gone, another is in its place');
}
