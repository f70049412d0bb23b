import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { AgentLink } from './agent-link';

const NOTHING = {
  chunk: () => {},
  recordingEnd: () => {},
  changed: () => {},
  started: () => {},
  status: () => {},
};

it('tells a new agent what the one before it was told last', () => {
  const link = new AgentLink(NOTHING);
  expect(link.tell({ set: 'frequency', frequencyHz: 99 })).toBe(false);
  const [first, second] = [new PassThrough(), new PassThrough()];
  const lines: string[] = [];
  first.write = (text: unknown) => lines.push(`first ${text}`) > 0;
  second.write = (text: unknown) => lines.push(`second ${text}`) > 0;
  link.connect(first as unknown as Socket, 0);
  link.tell({ set: 'latency', sources: ['tcp'], stacks: [] });
  link.tell({ set: 'latency', sources: ['fs', 'tcp'], stacks: ['fs'] });
  link.tell({ set: 'offCpu', enabled: true, thresholdNs: 10e6 });
  link.tell({ set: 'latencyThinning', oneIn: 2 });
  link.tell({ set: 'latencyThinning', oneIn: 4 });
  expect(link.askForEnd()).toBe(true);
  expect(lines.at(-1)).toBe('first {"ask":"recordingEnd"}\n');
  link.exited('killed', 1000);
  expect(link.askForEnd()).toBe(false);
  expect(link.tell({ set: 'frequency', frequencyHz: 49 })).toBe(false);
  link.connect(second as unknown as Socket, 1);
  expect(lines.filter((line) => line.startsWith('second'))).toEqual([
    'second {"set":"latency","sources":["fs","tcp"],"stacks":["fs"]}\n',
    'second {"set":"offCpu","enabled":true,"thresholdNs":10000000}\n',
    'second {"set":"latencyThinning","oneIn":4}\n',
  ]);
});
