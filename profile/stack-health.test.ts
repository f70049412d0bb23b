import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildCallTree } from './call-tree';
import { profileOf } from './chunk';
import { FunctionTable } from './functions';
import { LabelKind } from './labels';
import { chunksOf, randomSteps, TestProfile } from './profiles-for-tests';
import { quality } from './quality';
import { StackEnds, stackHealth } from './stack-health';
import { unnamedModules } from './unnamed-code';
import { weighSamples } from './weights';

describe('stackHealth', () => {
  it('tells for each reason and module how many samples it broke, in total and per process', () => {
    const { profile } = new TestProfile()
      .add({ pid: 7, process: 'node', stack: ['main', 'run'] })
      .add({
        pid: 7,
        process: 'node',
        stack: ['[unwinding stopped: no frame pointer in libv8.so]', 'f'],
      })
      .add({
        pid: 7,
        process: 'node',
        stack: ['[unwinding stopped: no frame pointer in libv8.so]', 'g'],
      })
      .add({ pid: 9, process: 'sh', stack: ['[truncated: as deep as Hearth can follow]', 'f'] })
      .add({ pid: 9, process: 'sh', stack: undefined });
    const health = stackHealth(new StackEnds(profile), weighSamples(profile));
    expect(health).toMatchObject({ samples: 5, brokenSamples: 4, brokenProcesses: 2 });
    expect(health.failures).toEqual([
      { reason: 'no frame pointer', module: 'libv8.so', samples: 2 },
      { reason: '[stack lost]', module: '', samples: 1 },
      { reason: 'truncated: as deep as Hearth can follow', module: '', samples: 1 },
    ]);
    expect(
      health.processes.map(({ pid, name, samples, brokenSamples }) => [
        pid,
        name,
        samples,
        brokenSamples,
      ]),
    ).toEqual([
      [7, 'node', 3, 2],
      [9, 'sh', 2, 2],
    ]);
    expect(health.processes[0].failures).toHaveLength(1);
  });

  it('takes in stacks that come later', () => {
    const source = new TestProfile().add({ stack: ['main'] });
    const ends = new StackEnds(source.profile);
    expect(stackHealth(ends, weighSamples(source.profile)).brokenSamples).toBe(0);
    source.add({ stack: ['[unwinding stopped: broken stack in a.out]', 'main'] });
    expect(stackHealth(ends, weighSamples(source.profile)).brokenSamples).toBe(1);
  });

  it('agrees with the call tree on every profile', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 400 }), (numbers) => {
        const profile = profileOf(chunksOf(randomSteps(numbers)));
        const functions = new FunctionTable(profile);
        const weights = weighSamples(profile);
        const { whole } = quality(buildCallTree(profile, functions, weights), functions.labels);
        const health = stackHealth(new StackEnds(profile), weights);
        expect(health.samples).toBe(whole.of);
        expect(health.samples - health.brokenSamples).toBe(whole.count);
        const failed = health.failures.reduce((sum, { samples }) => sum + samples, 0);
        expect(failed).toBe(health.brokenSamples);
      }),
    );
  });
});

describe('unnamedModules', () => {
  it('counts the frames without a name, by module', () => {
    const { profile } = new TestProfile()
      .add({ stack: ['main@app', '?@libssl.so#16', '?@libssl.so#32'] })
      .add({ stack: ['main@app', 'read@libssl.so#48', 'k:sys_read'] });
    const functions = new FunctionTable(profile);
    const tree = buildCallTree(profile, functions, weighSamples(profile));
    expect(unnamedModules(tree, functions.labels)).toEqual([
      { module: 'libssl.so', kind: LabelKind.Native, unnamed: 2, frames: 3 },
    ]);
  });
});
