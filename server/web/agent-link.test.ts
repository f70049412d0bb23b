import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { encodeFrame } from '@/server/wire';
import { AgentLink } from './agent-link';

const NOTHING = {
  chunk: () => {},
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
  link.exited('killed', 1000);
  expect(link.tell({ set: 'frequency', frequencyHz: 49 })).toBe(false);
  link.connect(second as unknown as Socket, 1);
  expect(lines.filter((line) => line.startsWith('second'))).toEqual([
    'second {"set":"latency","sources":["fs","tcp"],"stacks":["fs"]}\n',
    'second {"set":"offCpu","enabled":true,"thresholdNs":10000000}\n',
    'second {"set":"latencyThinning","oneIn":4}\n',
  ]);
});

describe('the end of a recording', () => {
  const connected = (link: AgentLink): { socket: PassThrough; written: unknown[] } => {
    const socket = new PassThrough();
    const written: unknown[] = [];
    socket.write = (text: unknown) => written.push(text) > 0;
    link.connect(socket as unknown as Socket, 0);
    return { socket, written };
  };
  const ask = (link: AgentLink): unknown[] => {
    const answers: unknown[] = [];
    link.askForEnd((bytes) => answers.push(bytes));
    return answers;
  };

  it('is told to each who asked, between the chunks before and after', () => {
    const seen: string[] = [];
    const link = new AgentLink({ ...NOTHING, chunk: ([byte]) => seen.push(`chunk ${byte}`) });
    const { socket, written } = connected(link);
    for (const name of ['a', 'b']) link.askForEnd((bytes) => seen.push(`${name} ${bytes?.[0]}`));
    expect(written).toEqual(Array(2).fill('{"ask":"recordingEnd"}\n'));
    const types = ['chunk', 'recordingEnd', 'chunk', 'recordingEnd', 'chunk'] as const;
    const frames = types.flatMap((type, i) => encodeFrame({ type, bytes: Uint8Array.of(i) }));
    socket.emit('data', Buffer.concat(frames));
    expect(seen).toEqual(['chunk 0', 'a 1', 'chunk 2', 'b 3', 'chunk 4']);
  });

  it('is not waited for where no agent is, or when it has died; each is told once', () => {
    const link = new AgentLink(NOTHING);
    expect(ask(link)).toEqual([undefined]);
    const { socket } = connected(link);
    const answers = ask(link);
    expect(answers).toEqual([]);
    socket.emit('close');
    socket.emit('close');
    expect(answers).toEqual([undefined]);
    link.exited('killed', 1000);
    expect(ask(link)).toEqual([undefined]);
  });

  it('that has ended says when it is started again, or that it is not', () => {
    const link = new AgentLink(NOTHING);
    link.exited('killed', 1000);
    expect(link.state).toMatchObject({ state: 'dead', reason: 'killed' });
    expect((link.state as { restartInMs: number }).restartInMs).toBeGreaterThan(900);
    link.exited('no privilege', undefined);
    expect(link.state).toEqual({ state: 'dead', reason: 'no privilege', restartInMs: undefined });
  });
});
