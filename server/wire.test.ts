import { describe, expect, it } from 'vitest';
import { lineSchema } from './wire';

describe('what the agent is told', () => {
  it.each([
    { set: 'latencyThinning', oneIn: 16 },
    { set: 'latency', sources: ['syscalls'], stacks: [] },
    { ask: 'recordingEnd' },
  ])('can be %o', (control) => {
    expect(lineSchema.parse(control)).toEqual(control);
  });

  it.each([
    { set: 'latencyThinning', oneIn: 0 },
    { set: 'latencyThinning', oneIn: 2.5 },
    { set: 'latencyThinning' },
    { ask: 'end' },
    { set: 'latency', sources: ['syscall'], stacks: [] },
  ])('is not %o', (control) => {
    expect(lineSchema.safeParse(control).success).toBe(false);
  });
});
