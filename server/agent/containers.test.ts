import { describe, expect, it } from 'vitest';
import { containerOfCgroup } from './containers';

const ID = '0123456789ab'.padEnd(64, 'c');

describe('containerOfCgroup', () => {
  it.each([
    ['/system.slice/docker-ID.scope', 'docker:0123456789ab'],
    ['/docker/ID', 'docker:0123456789ab'],
    ['/machine.slice/libpod-ID.scope/container', 'podman:0123456789ab'],
    [
      '/kubepods.slice/kubepods-burstable.slice/kubepods-pod1.slice/cri-containerd-ID.scope',
      'containerd:0123456789ab',
    ],
    ['/kubepods/besteffort/pod1/ID', 'kubernetes:0123456789ab'],
    ['/kubepods.slice/crio-ID.scope', 'cri-o:0123456789ab'],
    ['/lxc.payload.web/system.slice', 'lxc:web'],
    ['/machine.slice/machine-debian.scope/payload', 'nspawn:debian'],
    ['/user.slice/user-1000.slice/session-2.scope', ''],
    ['/', ''],
  ])('%s is %s', (path, container) => {
    expect(containerOfCgroup(path.replace('ID', ID))).toBe(container);
  });
});
