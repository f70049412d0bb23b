/** The vDSO: code of the kernel that is mapped into every process, and in no file. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { ElfError, ElfFile } from '../elf/elf-file';

const MAX_BYTES = 1024 * 1024;

/**
 * The vDSO as a process has it, by default this one: all 64-bit processes have the same. The offsets of its mapping
 * are the file offsets of the image. Throws ElfError where there is none.
 */
export function readVdso(pid: number | 'self' = 'self'): ElfFile {
  let maps: string;
  try {
    maps = readFileSync(`/proc/${pid}/maps`, 'latin1');
  } catch (error) {
    throw new ElfError('io', (error as Error).message);
  }
  const line = /^([0-9a-f]+)-([0-9a-f]+) .*\[vdso\]$/m.exec(maps);
  if (line === null) throw new ElfError('io', `process ${pid} has no vDSO`);
  const [start, end] = [Number.parseInt(line[1], 16), Number.parseInt(line[2], 16)];
  if (end - start > MAX_BYTES) throw new ElfError('too-large', 'a vDSO of more than 1 MiB');
  const image = new Uint8Array(end - start);
  let fd: number | undefined;
  try {
    fd = openSync(`/proc/${pid}/mem`, 'r');
    for (let done = 0; done < image.length; ) {
      const count = readSync(fd, image, done, image.length - done, start + done);
      if (count === 0) throw new ElfError('io', 'the vDSO could not be read');
      done += count;
    }
  } catch (error) {
    throw error instanceof ElfError ? error : new ElfError('io', (error as Error).message);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
  return ElfFile.open(image);
}
