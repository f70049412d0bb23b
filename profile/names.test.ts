import { describe, expect, it } from 'vitest';
import { frameName, hasName, isImport, moduleName, processName } from './names';
import { TestProfile } from './profiles-for-tests';
import { FrameKind, MappingKind, NONE } from './schema';

describe('the name of a frame', () => {
  const test = new TestProfile();
  const nameOf = (text: string): string => frameName(test.profile, test.frame(text));

  it('is its function', () => {
    expect(nameOf('main')).toBe('main');
    expect(nameOf('outer>inner')).toBe('inner');
    expect(nameOf('[unwinding stopped: no frame pointer]')).toBe(
      '[unwinding stopped: no frame pointer]',
    );
  });

  it('is where it is, in hexadecimal, while it has no name', () => {
    expect(nameOf('?@libz.so#6699')).toBe('libz.so+0x1a2b');
    expect(nameOf('k:?#16')).toBe('kernel+0x10');
    expect(nameOf('j:?#4096')).toBe('[jit]+0x1000');
    const { builder } = test;
    const nowhere = builder.frameAt(NONE, 0x7f0012345678, FrameKind.Native);
    expect(frameName(test.profile, nowhere)).toBe('[unknown]+0x7f0012345678');
  });

  it('is no name of its own where it says only where the function begins', () => {
    const isNamed = (text: string): boolean => hasName(test.profile, test.frame(text));
    expect(isNamed('?@libz.so#6699')).toBe(false);
    expect(isNamed('main@libz.so')).toBe(true);
    test.rename('?@libz.so#20', 'libz.so+0x10').rename('?@libz.so#21', 'liby.so+0x10');
    expect(nameOf('?@libz.so#20')).toBe('libz.so+0x10');
    expect(isNamed('?@libz.so#20')).toBe(false);
    expect(isNamed('?@libz.so#21')).toBe(true);
  });
});

describe('the name of a module', () => {
  const { builder, profile } = new TestProfile();
  it.each([
    ['/usr/lib/libc.so.6', MappingKind.Executable, 'libc.so.6'],
    ['/tmp/prog (deleted)', MappingKind.Executable, 'prog'],
    ['/lib/modules/6.1/ext4.ko', MappingKind.Module, 'ext4.ko'],
    ['[kernel]', MappingKind.Kernel, 'kernel'],
    ['//anon', MappingKind.Jit, '[jit]'],
    ['[vdso]', MappingKind.Vdso, '[vdso]'],
    ['', MappingKind.Unknown, '[unknown]'],
  ])('of %s', (path, kind, name) => {
    expect(moduleName(profile, builder.mapping('', path, kind))).toBe(name);
  });

  it('is empty for none', () => {
    expect(moduleName(profile, NONE)).toBe('');
  });
});

describe('a process', () => {
  it('is shown with its pid', () => {
    const { profile } = new TestProfile().add({ pid: 12, process: 'node', stack: ['main'] });
    expect(processName(profile, 0)).toBe('node (12)');
    expect(isImport(profile)).toBe(false);
  });
});
