/** The file that a module's unwind table is made from. */
import type { ElfFile } from '../elf/elf-file';
import { openBuild } from '../elf/open-build';
import { readVdso } from '../symbols/vdso';
import type { UnwindModule } from './protocol';

const VDSO = '[vdso]';

/** Throws ElfError. */
export const openModule = ({ key, path, fd }: UnwindModule): ElfFile =>
  path === VDSO ? readVdso() : openBuild(fd ?? path, key);
