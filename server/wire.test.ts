import { describe, expect, it } from 'vitest';
import { controlSchema } from './wire';

describe('what the agent is told', () => {
  it.each([
    { set: 'latencyThinning', oneIn: 16 },
    { set: 'latency', sources: ['syscalls'], stacks: [] },
  ])('can be %o', (control) => {
    expect(controlSchema.parse(control)).toEqual(control);
  });

  it.each([
    { set: 'latencyThinning', oneIn: 0 },
    { set: 'latencyThinning', oneIn: 2.5 },
    { set: 'latencyThinning' },
    { set: 'latency', sources: ['syscall'], stacks: [] },
  ])('is not %o', (control) => {
    expect(controlSchema.safeParse(control).success).toBe(false);
  });
});
