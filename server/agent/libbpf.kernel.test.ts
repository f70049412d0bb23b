import { expect, it } from 'vitest';
import { distFile } from '@/server/root';
import { BpfError, BpfObject } from './libbpf';

it('an object that has been disposed of says so, whatever it is asked for', () => {
  const object = BpfObject.load(distFile('bpf/process.bpf.o'));
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

it('an object that can not be loaded says what libbpf says', () => {
  expect(() => BpfObject.load('/etc/passwd')).toThrow(BpfError);
  expect(() => BpfObject.load('/etc/passwd')).toThrow(/open \/etc\/passwd/);
  expect(() => BpfObject.load('/nowhere.bpf.o')).toThrow(/No such file/i);
});
