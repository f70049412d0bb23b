import { describe, expect, it } from 'vitest';
import { DerivedProfile, derivedProfile } from './derived-profile';
import { partOf } from './part';
import { HEADER, TestProfile } from './profiles-for-tests';
import { EVERYTHING, weighSamples } from './weights';

const total = (weights: ReturnType<typeof weighSamples>): number =>
  weights.weight.slice(0, weights.length).reduce((sum, weight) => sum + weight, 0);

describe('partOf', () => {
  it('has the samples of the processes and the time that are picked, and their rows alone', () => {
    const source = new TestProfile()
      .add({ pid: 1, stack: ['main', 'a'], timeNs: 10, weight: 3 })
      .add({ pid: 1, stack: ['main', 'b'], timeNs: 20, weight: 5 })
      .add({ pid: 2, stack: ['main', 'c'], timeNs: 20, weight: 7 });
    source.profile.header = { ...HEADER, sequence: 0 };
    const part = partOf(source.profile, {
      ...EVERYTHING,
      pids: [1],
      range: { startNs: 15, endNs: 25 },
    });
    expect(part.samples.length).toBe(1);
    expect(total(weighSamples(part))).toBe(5);
    expect(part.processes.length).toBe(1);
    expect(part.stacks.length).toBe(2);
    expect([part.startNs, part.header?.endNs]).toEqual([15, 25]);
    const whole = partOf(source.profile, EVERYTHING);
    expect(total(weighSamples(whole))).toBe(15);
    expect(whole.header).toEqual(source.profile.header);
  });

  it('has of what takes time the part that is in the range', () => {
    const source = new TestProfile()
      .addWait({ stack: ['main', 'read'], timeNs: 600, durationNs: 400 })
      .addWait({ stack: ['main', 'read'], timeNs: 150, durationNs: 100, weight: 1000 });
    source.profile.header = { ...HEADER, sequence: 0 };
    const { profile, spans } = new DerivedProfile(source.profile, 'off-cpu');
    const within = (startNs: number, endNs: number): number =>
      total(weighSamples(partOf(profile, { ...EVERYTHING, range: { startNs, endNs } }, spans)));
    expect(within(0, 1000)).toBe(1400);
    expect(within(300, 500)).toBe(200);
    expect(within(0, 100)).toBe(500);
    expect(within(0, 100) + within(100, 500) + within(500, 1000)).toBe(1400);
    expect(derivedProfile(source.profile, 'off-cpu').header?.endNs).toBe(HEADER.endNs);
  });
});
