import { expect, it } from 'vitest';
import { distFile } from '@/server/root';
import { BpfError, BpfObject } from './libbpf';

it('an object that has been disposed of says so, whatever it is asked for', async () => {
  const object = await BpfObject.load(distFile('bpf/process.bpf.o'));
  expect(object.mapFds().length).toBeGreaterThan(0);
  const [{ name }] = object.runTimes();
  object.dispose();
  object.dispose();
  const questions = [
    () => object.hasMap('ring'),
    () => object.map('ring'),
    () => object.mapFds(),
    () => object.attachAll(),
    () => object.attachProgram(name),
    () => object.iterator(name),
    () => object.attachPerfEvent(name, -1),
    () => object.runTimes(),
  ];
  for (const question of questions)
    expect(question).toThrow(/process\.bpf\.o has been disposed of/);
});

it('an object that can not be loaded says what libbpf says', async () => {
  await expect(BpfObject.load('/etc/passwd')).rejects.toThrow(BpfError);
  await expect(BpfObject.load('/etc/passwd')).rejects.toThrow(/open \/etc\/passwd/);
  await expect(BpfObject.load('/nowhere.bpf.o')).rejects.toThrow(/No such file/i);
});

it('this thread goes on while the kernel makes maps and checks programs, and is told why it refuses', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const path = distFile('bpf/off-cpu.bpf.o');
  const [refused, loaded] = await Promise.allSettled([
    BpfObject.load(path, { withoutMaps: ['threads'] }),
    BpfObject.load(distFile('bpf/process.bpf.o')),
  ]);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(0);
  if (loaded.status === 'rejected') throw loaded.reason;
  loaded.value.dispose();
  if (refused.status === 'fulfilled') throw new Error('programs are loaded without their map');
  expect(refused.reason).toBeInstanceOf(BpfError);
  expect(refused.reason.message).toMatch(/load .*off-cpu\.bpf\.o: E[A-Z]+\n.*BPF program/s);
});
