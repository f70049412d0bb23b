import { describe, expect, it } from 'vitest';
import { distFile } from '@/server/root';
import { readBtf } from './btf-for-tests';
import * as records from './records';

const btf = readBtf(distFile('bpf/layouts.bpf.o'));

describe('record layouts', () => {
  const structs = {
    record_sample: records.SAMPLE,
    record_stack: records.STACK,
    record_fork: records.FORK,
    record_exec: records.EXEC,
    record_exit: records.EXIT,
    record_rename: records.RENAME,
    record_cgroup: records.CGROUP,
    record_wait: records.WAIT,
    record_wait_stack: records.WAIT_STACK,
    record_thread: records.THREAD,
    record_open_wait: records.OPEN_WAIT,
    configuration: records.CONFIGURATION,
    off_cpu_configuration: records.OFF_CPU_CONFIGURATION,
  };
  it.each(Object.entries(structs))('%s is where the compiled programs have it', (name, offsets) => {
    const members = btf.structs.get(name);
    expect(members, `struct ${name} in the objects' BTF`).toBeDefined();
    for (const [member, offset] of Object.entries(offsets)) {
      expect(members?.offsets.get(member), `${name}.${member}`).toBe(offset);
    }
  });

  it('the configuration has the size of the map value', () => {
    expect(btf.structs.get('configuration')?.size).toBe(records.CONFIGURATION_BYTES);
    expect(btf.structs.get('off_cpu_configuration')?.size).toBe(
      records.OFF_CPU_CONFIGURATION_BYTES,
    );
    expect(btf.structs.get('record_thread')?.size).toBe(records.THREAD_BYTES);
    expect(btf.structs.get('record_cgroup')?.size).toBe(
      records.CGROUP.path + records.CGROUP_PATH_BYTES,
    );
    expect(btf.structs.get('record_open_wait')?.size).toBe(records.OPEN_WAIT_BYTES);
  });

  it('has the names of the enums in their order', () => {
    const values = (name: string) => [...(btf.enums.get(name) ?? [])];
    expect(values('record_type').map(([, value]) => value)).toEqual(
      Object.values(records.RecordType),
    );
    expect(values('counter').length - 1).toBe(records.COUNTERS.length);
    expect(
      values('filter_kind').map(([name]) => name.replace('FILTER_', '').toLowerCase()),
    ).toEqual([...records.FILTER_KINDS]);
    expect(values('stack_end').length).toBe(records.STACK_ENDS.length);
  });
});
