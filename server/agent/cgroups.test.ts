import { describe, expect, it } from 'vitest';
import { CgroupPaths, cgroup2Mount, cgroupId, parseCgroups } from './cgroups';

const ID = '0123456789ab'.padEnd(64, 'c');

describe('the cgroups of a process', () => {
  it('are one where there is cgroup v2 alone', () => {
    expect(parseCgroups('0::/system.slice/ssh.service\n')).toEqual({
      path: '/system.slice/ssh.service',
      container: '',
    });
    expect(parseCgroups(`0::/system.slice/docker-${ID}.scope/init\n`)).toEqual({
      path: `/system.slice/docker-${ID}.scope/init`,
      container: 'docker:0123456789ab',
    });
  });

  it('tell of a container by any hierarchy', () => {
    const text = `9:name=systemd:/docker/${ID}\n4:memory:/docker/${ID}\n0::/\n`;
    expect(parseCgroups(text)).toEqual({ path: '/', container: 'docker:0123456789ab' });
  });

  it('may be gone before the process is, or not be known at all', () => {
    expect(parseCgroups('0::/user.slice/a b (deleted)\n').path).toBe('/user.slice/a b');
    expect(parseCgroups('4:memory:/x\n')).toEqual({ path: '', container: '' });
  });
});

describe('the paths of cgroups by ID', () => {
  it('are those that were told of, though they may be gone by now', () => {
    const paths = new CgroupPaths();
    paths.add(7e9, '/run-1.scope');
    expect(paths.of(7e9)).toBe('/run-1.scope');
    expect(paths.of(8e9)).toBe('');
  });

  it.skipIf(cgroup2Mount() === undefined)('are looked for where they are mounted', () => {
    expect(new CgroupPaths().of(Number(cgroupId('/').id))).toBe('/');
  });

  it('are never more than a machine can have', () => {
    const paths = new CgroupPaths();
    for (let id = 1; id <= 50_000; id++) paths.add(1e9 + id, `/${id}`);
    expect(paths.of(1e9 + 1)).toBe('');
    expect(paths.of(1e9 + 50_000)).toBe('/50000');
  });
});
