import { CommanderError } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DoctorOptions } from './doctor/doctor';
import type { LatencyOptions } from './latency';
import { buildProgram } from './program';
import type { RecordOptions } from './record';
import type { ServeOptions } from './serve';
import type { SymbolizeOptions } from './symbolize';

let errors: string;
beforeEach(() => {
  errors = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    errors += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

type Parsed =
  | { readonly command: 'serve'; readonly options: ServeOptions }
  | { readonly command: 'record'; readonly options: RecordOptions }
  | { readonly command: 'latency'; readonly options: LatencyOptions }
  | { readonly command: 'symbolize'; readonly options: SymbolizeOptions }
  | { readonly command: 'doctor'; readonly options: DoctorOptions };

async function parse(line: string): Promise<Parsed | undefined> {
  let parsed: Parsed | undefined;
  const program = buildProgram({
    version: '1.2.3',
    serve: async (options) => {
      parsed = { command: 'serve', options };
    },
    record: async (options) => {
      parsed = { command: 'record', options };
    },
    latency: async (options) => {
      parsed = { command: 'latency', options };
    },
    symbolize: async (options) => {
      parsed = { command: 'symbolize', options };
    },
    doctor: async (options) => {
      parsed = { command: 'doctor', options };
    },
  });
  await program.parseAsync(line.split(' ').filter(Boolean), { from: 'user' });
  return parsed;
}

describe('hearth record', () => {
  const record = async (line: string): Promise<RecordOptions> => {
    const parsed = await parse(`record ${line}`);
    if (parsed?.command !== 'record') throw new Error('not parsed as record');
    return parsed.options;
  };

  it('profiles a command, whose options are its own', async () => {
    expect(await record('-F 199 -d 5 --format collapsed -o out.txt -- ./prog -F 1 -- x')).toEqual({
      kind: 'cpu',
      frequencyHz: 199,
      durationS: 5,
      target: { kind: 'command', command: ['./prog', '-F', '1', '--', 'x'] },
      format: 'collapsed',
      outputPath: 'out.txt',
    });
    expect((await record('-d 1 ./prog -o x')).target).toEqual({
      kind: 'command',
      command: ['./prog', '-o', 'x'],
    });
  });

  it('profiles processes', async () => {
    expect((await record('-p 12,34 -p 56')).target).toEqual({
      kind: 'processes',
      pids: [12, 34, 56],
    });
  });

  it('profiles the whole machine at 99 Hz, to the standard output, where nothing else is said', async () => {
    expect(await record('')).toEqual({
      kind: 'cpu',
      frequencyHz: 99,
      durationS: undefined,
      target: { kind: 'machine' },
      format: 'collapsed',
      outputPath: undefined,
    });
  });

  it.each([
    ['-p 12 -- ./prog', /either -p or a command/],
    ['--frequncy 5', /Did you mean --frequency/],
    ['-F 5000', /whole number from 1 to 4999/],
    ['--format svg', /collapsed, pprof/],
    ['-d', /argument missing/],
  ])('refuses %j and says why', async (line, why) => {
    await expect(record(line)).rejects.toThrow(CommanderError);
    expect(errors).toMatch(why);
  });
});

describe('hearth serve', () => {
  it('listens on 127.0.0.1:7575 where nothing else is said', async () => {
    expect(await parse('serve')).toEqual({
      command: 'serve',
      options: {
        port: 7575,
        host: '127.0.0.1',
        dataDir: undefined,
        newToken: false,
        frequencyHz: 99,
        budgetPercent: 1,
      },
    });
  });

  it('takes port, host, data directory, frequency, budget, and the wish for a new token', async () => {
    const line =
      'serve --port 8080 --host 0.0.0.0 --data-dir /tmp/x --new-token -F 49 --budget 2.5';
    expect(await parse(line)).toEqual({
      command: 'serve',
      options: {
        port: 8080,
        host: '0.0.0.0',
        dataDir: '/tmp/x',
        newToken: true,
        frequencyHz: 49,
        budgetPercent: 2.5,
      },
    });
  });

  it('takes no arguments', async () => {
    await expect(parse('serve 8080')).rejects.toThrow(CommanderError);
  });
});

describe('hearth', () => {
  it('knows no other commands', async () => {
    await expect(parse('recrod')).rejects.toThrow(CommanderError);
    expect(errors).toMatch(/unknown command 'recrod'/);
  });
});

describe('hearth symbolize', () => {
  it('takes a session', async () => {
    expect(await parse('symbolize 0123456789abcdef')).toEqual({
      command: 'symbolize',
      options: { session: '0123456789abcdef', json: false, dataDir: undefined },
    });
    expect(await parse('symbolize slow --json --data-dir /data')).toEqual({
      command: 'symbolize',
      options: { session: 'slow', json: true, dataDir: '/data' },
    });
    await expect(parse('symbolize')).rejects.toThrow(CommanderError);
  });
});

describe('hearth latency', () => {
  it('measures one source, for a time, of processes', async () => {
    expect(await parse('latency fs -d 2.5 -p 1,2 --json')).toEqual({
      command: 'latency',
      options: { source: 'fs', durationS: 2.5, pids: [1, 2], by: undefined, json: true },
    });
    expect(await parse('latency runqueue')).toEqual({
      command: 'latency',
      options: {
        source: 'runqueue',
        durationS: undefined,
        pids: undefined,
        by: undefined,
        json: false,
      },
    });
    expect(await parse('latency tcp --by cgroup')).toMatchObject({ options: { by: 'cgroup' } });
    await expect(parse('latency tcp --by weather')).rejects.toThrow(CommanderError);
  });
});
