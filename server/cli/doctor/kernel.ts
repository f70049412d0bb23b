/** What the running kernel offers, by its own files. */
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { cgroup2Mount, cgroupOfProcess } from '@/server/agent/cgroups';
import { onlineCpus, parseCpuList } from '@/server/agent/perf-event';
import { listPids } from '@/server/agent/proc';
import type { Probe } from './check';

/** bpf_loop(), with which stacks are walked, came with Linux 5.17. */
const LEAST_KERNEL = [5, 17] as const;

/** A file's text without the newline at its end; undefined where it can't be read. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch {
    return undefined;
  }
}

/** Whether a kernel release such as "6.1.0-38-amd64" is at least 5.17. */
export function isKernelNewEnough(kernelRelease: string): boolean {
  const [major = 0, minor = 0] = kernelRelease.split(/[.-]/).map(Number);
  return major > LEAST_KERNEL[0] || (major === LEAST_KERNEL[0] && minor >= LEAST_KERNEL[1]);
}

/** "none [integrity] confidentiality" → "integrity". */
export function lockdownMode(text: string | undefined): string {
  return text === undefined ? 'none' : (/\[(\w+)\]/.exec(text)?.[1] ?? 'none');
}

/** Whether kernel addresses are shown: hidden ones are all 0. */
export function showsAddresses(kallsymsStart: string): boolean {
  return kallsymsStart
    .split('\n')
    .some((line) => /^[0-9a-f]{8,16} /.test(line) && !/^0+ /.test(line));
}

/** Clock sources that are read without leaving the CPU. */
const FAST_CLOCKS = ['tsc', 'kvm-clock', 'hyperv_clocksource_tsc_page', 'arch_sys_counter'];

export const KERNEL_PROBES: readonly Probe[] = [
  {
    id: 'kernel-version',
    group: 'kernel',
    title: 'Linux',
    required: true,
    meaning: 'Hearth’s BPF programs need Linux 5.17 or newer (bpf_loop)',
    look: () =>
      isKernelNewEnough(release())
        ? { state: 'ok', found: release() }
        : {
            state: 'missing',
            found: release(),
            advice: 'run a kernel of 5.17 or newer; Debian 12 has 6.1',
          },
  },
  {
    id: 'architecture',
    group: 'kernel',
    title: 'CPU architecture',
    required: true,
    meaning: 'unwinding reads this architecture’s registers',
    look: () => {
      if (process.arch === 'x64') return { state: 'ok', found: 'x86-64' };
      if (process.arch === 'arm64')
        return { state: 'degraded', found: 'arm64: built for, but not tested' };
      return { state: 'missing', found: process.arch, advice: 'use an x86-64 machine' };
    },
  },
  {
    id: 'btf',
    group: 'kernel',
    title: 'Kernel type information (BTF)',
    required: true,
    meaning: 'BPF programs are fitted to this kernel’s structures by it',
    look: () =>
      existsSync('/sys/kernel/btf/vmlinux')
        ? { state: 'ok', found: '/sys/kernel/btf/vmlinux' }
        : {
            state: 'missing',
            found: 'no /sys/kernel/btf/vmlinux',
            advice:
              'mount sysfs on /sys, or use a kernel built with CONFIG_DEBUG_INFO_BTF=y (all large distributions’ are)',
          },
  },
  {
    id: 'bpf-jit',
    group: 'kernel',
    title: 'BPF compiler (JIT)',
    required: false,
    meaning: 'BPF programs run as machine code',
    look: () =>
      read('/proc/sys/net/core/bpf_jit_enable') === '0'
        ? {
            state: 'degraded',
            found: 'off',
            meaning: 'BPF programs are interpreted: every sample costs several times as much',
            advice: 'sysctl net.core.bpf_jit_enable=1',
          }
        : { state: 'ok', found: 'on' },
  },
  {
    id: 'lockdown',
    group: 'kernel',
    title: 'Kernel lockdown',
    required: true,
    meaning: 'in the mode "confidentiality" the kernel lets no BPF program read its memory',
    look: () => {
      const mode = lockdownMode(read('/sys/kernel/security/lockdown'));
      return mode === 'confidentiality'
        ? {
            state: 'missing',
            found: mode,
            advice: 'boot with lockdown=integrity, or without lockdown',
          }
        : { state: 'ok', found: mode };
    },
  },
  {
    id: 'cpus',
    group: 'kernel',
    title: 'CPUs',
    required: false,
    meaning: 'each CPU that is online is sampled by a perf event of its own',
    look: () => {
      const online = onlineCpus().length;
      const possible = parseCpuList(read('/sys/devices/system/cpu/possible') ?? '0').length;
      return { state: 'ok', found: `${online} online, ${possible} possible` };
    },
  },
  {
    id: 'clock',
    group: 'kernel',
    title: 'Clock',
    required: false,
    meaning: 'times of samples are read without leaving the CPU',
    look: () => {
      const name = read('/sys/devices/system/clocksource/clocksource0/current_clocksource');
      if (name === undefined || FAST_CLOCKS.includes(name))
        return { state: 'ok', found: name ?? 'not told by the kernel' };
      return {
        state: 'degraded',
        found: name,
        meaning:
          'reading the time is slow with this clock: every sample costs a microsecond or more on top',
        advice: 'see dmesg for why the kernel does not trust the TSC of this machine',
      };
    },
  },
  {
    id: 'kernel-symbols',
    group: 'kernel',
    title: 'Kernel symbols',
    required: false,
    meaning: 'kernel functions are named by /proc/kallsyms',
    look: () => {
      const text = read('/proc/kallsyms');
      if (text !== undefined && showsAddresses(text.slice(0, 4096)))
        return { state: 'ok', found: 'readable' };
      return {
        state: 'degraded',
        found: text === undefined ? 'no /proc/kallsyms' : 'addresses are hidden',
        meaning: 'kernel functions are shown as kernel+0xoffset',
        advice: 'run as root, with kernel.kptr_restrict at 0 or 1 (sysctl kernel.kptr_restrict=1)',
      };
    },
  },
  {
    id: 'cgroup2',
    group: 'kernel',
    title: 'cgroup v2',
    required: false,
    meaning: 'samples can be filtered by cgroup in the kernel',
    look: () => {
      const mount = cgroup2Mount();
      return mount === undefined
        ? {
            state: 'degraded',
            found: 'not mounted',
            meaning: 'no filter by cgroup; filters by process and process tree work',
            advice:
              'mount -t cgroup2 none /sys/fs/cgroup/unified, or boot with systemd.unified_cgroup_hierarchy=1',
          }
        : { state: 'ok', found: `mounted on ${mount}` };
    },
  },
  {
    id: 'containers',
    group: 'kernel',
    title: 'Containers',
    required: false,
    meaning:
      'processes in containers are shown with their container (docker, podman, containerd, CRI-O, Kubernetes, LXC, nspawn)',
    look: () => {
      const containers = new Set(listPids().map((pid) => cgroupOfProcess(pid)?.container ?? ''));
      containers.delete('');
      return {
        state: 'ok',
        found: containers.size === 0 ? 'none run now' : [...containers].sort().join(', '),
      };
    },
  },
];
