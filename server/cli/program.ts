/** The grammar of the command line, apart from what its commands do, so that tests can parse without doing. */
import { Argument, Command, Option } from 'commander';
import { EXPORT_FORMATS, type ExportFormat } from '@/profile/formats/formats';
import { LATENCY_SOURCES, type LatencySource } from '@/profile/latency/sources';
import {
  chooseFormat,
  DEFAULT_FREQUENCY_HZ,
  LATENCY_OWNERS,
  type LatencyOwners,
  MAX_FREQUENCY_HZ,
  parseDuration,
  parseFrequency,
  parsePercent,
  parsePids,
  parsePort,
} from './arguments';
import type { DoctorOptions } from './doctor/doctor';
import type { LatencyOptions } from './latency';
import type { RecordOptions } from './record';
import type { ServeOptions } from './serve';
import type { SymbolizeOptions } from './symbolize';

export interface Actions {
  readonly version: string;
  serve(options: ServeOptions): Promise<void>;
  record(options: RecordOptions): Promise<void>;
  latency(options: LatencyOptions): Promise<void>;
  doctor(options: DoctorOptions): Promise<void>;
  symbolize(options: SymbolizeOptions): Promise<void>;
}

interface RecordFlags {
  readonly offCpu?: boolean;
  readonly wall?: boolean;
  readonly frequency: number;
  readonly duration?: number;
  readonly pid?: number[];
  readonly format?: ExportFormat;
  readonly output?: string;
}

interface ServeFlags {
  readonly port: number;
  readonly host: string;
  readonly dataDir?: string;
  readonly newToken: boolean;
  readonly frequency: number;
  readonly budget: number;
}

const DEFAULT_PORT = 7575;
const DEFAULT_BUDGET_PERCENT = 1;

const frequencyOption = (): Option =>
  new Option('-F, --frequency <hz>', `samples a second on each CPU, 1 to ${MAX_FREQUENCY_HZ}`)
    .default(DEFAULT_FREQUENCY_HZ)
    .argParser(parseFrequency);

/** Throws CommanderError where the command line can't be, after saying why on the standard error. */
export function buildProgram(actions: Actions): Command {
  const program = new Command('hearth')
    .description('A live, whole-machine performance profiler for Linux, built on eBPF')
    .version(actions.version, '-V, --version')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride();
  program.configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, 'hearth: ')),
  });

  program
    .command('serve')
    .description('profile this machine and show it in a browser')
    .addOption(
      new Option('--port <port>', 'the port to listen on; 0 takes a free one')
        .default(DEFAULT_PORT)
        .argParser(parsePort),
    )
    .option('--host <address>', 'the address to listen on', '127.0.0.1')
    .option(
      '--data-dir <path>',
      'where sessions are kept (default: $HEARTH_DATA_DIR, else /var/lib/hearth for root)',
    )
    .option('--new-token', 'make a new access token; every browser has to log in again', false)
    .addOption(frequencyOption())
    .addOption(
      new Option(
        '--budget <percent>',
        'what Hearth may use of all CPUs together: above it, it samples less; 0: no limit',
      )
        .default(DEFAULT_BUDGET_PERCENT)
        .argParser(parsePercent),
    )
    .action(async (flags: ServeFlags) => {
      await actions.serve({
        port: flags.port,
        host: flags.host,
        dataDir: flags.dataDir,
        newToken: flags.newToken,
        frequencyHz: flags.frequency,
        budgetPercent: flags.budget,
      });
    });

  program
    .command('record')
    .description('write a profile of a command, of processes, or of the whole machine')
    .usage('[options] [-- command args...]')
    .argument(
      '[command...]',
      'a command to run and profile, from its first instruction, with all that it starts',
    )
    .passThroughOptions()
    .addOption(new Option('--cpu', 'profile CPU time (the default)').conflicts(['offCpu', 'wall']))
    .addOption(
      new Option(
        '--off-cpu',
        'profile waiting: where threads were blocked, or had no CPU',
      ).conflicts('wall'),
    )
    .option('--wall', 'profile both: all the time of all threads')
    .addOption(frequencyOption())
    .option(
      '-d, --duration <seconds>',
      'end after this long (default: when the command or the processes end, or at Ctrl-C)',
      parseDuration,
    )
    .option('-p, --pid <pid,...>', 'profile these processes only', parsePids)
    .addOption(
      new Option(
        '--format <format>',
        'collapsed: lines for flame graph tools; pprof: gzipped, for go tool pprof and speedscope (default: by the name of the file, else collapsed)',
      ).choices(EXPORT_FORMATS),
    )
    .option('-o, --output <file>', 'the file to write; - is the standard output (default: -)')
    .action(async (command: string[], flags: RecordFlags, self: Command) => {
      await actions.record(recordOptions(command, flags, self));
    });

  program
    .command('latency')
    .description('measure latencies in the kernel, and print their histograms')
    .addArgument(new Argument('<source>', 'what to measure').choices(LATENCY_SOURCES))
    .option('-d, --duration <seconds>', 'end after this long (default: at Ctrl-C)', parseDuration)
    .option('-p, --pid <pid,...>', 'measure these processes only', parsePids)
    .addOption(
      new Option(
        '--by <what>',
        'histograms of each process, or of each container and cgroup (default: of all together)',
      ).choices(LATENCY_OWNERS),
    )
    .option('--json', 'print JSON', false)
    .action(
      async (
        source: LatencySource,
        flags: { duration?: number; pid?: number[]; by?: LatencyOwners; json: boolean },
      ) => {
        await actions.latency({
          source,
          durationS: flags.duration,
          pids: flags.pid,
          by: flags.by,
          json: flags.json,
        });
      },
    );

  program
    .command('symbolize')
    .description(
      'name the functions of a stored session again, when better symbols have been installed since',
    )
    .argument('<session>', 'its ID, or its name')
    .option('--json', 'print JSON', false)
    .option(
      '--data-dir <path>',
      'where sessions are kept (default: $HEARTH_DATA_DIR, else /var/lib/hearth for root)',
    )
    .action(async (session: string, flags: { json: boolean; dataDir?: string }) => {
      await actions.symbolize({ session, json: flags.json, dataDir: flags.dataDir });
    });

  program
    .command('doctor')
    .description('say what this machine offers Hearth, and what to do about what is missing')
    .option('--json', 'print JSON', false)
    .option('--data-dir <path>', 'the data directory to look at (default: the one that serve uses)')
    .action(async (flags: { json: boolean; dataDir?: string }) => {
      await actions.doctor({ json: flags.json, dataDir: flags.dataDir });
    });

  program
    .command('version')
    .description('print the version')
    .action(() => {
      console.log(actions.version);
    });

  return program;
}

function recordOptions(
  command: readonly string[],
  flags: RecordFlags,
  self: Command,
): RecordOptions {
  if (command.length > 0 && flags.pid !== undefined) {
    self.error(
      'error: -p profiles processes that run already: give either -p or a command, not both',
    );
  }
  const format = chooseFormat(flags.format, flags.output);
  return {
    kind: flags.wall ? 'wall' : flags.offCpu ? 'off-cpu' : 'cpu',
    frequencyHz: flags.frequency,
    durationS: flags.duration,
    target:
      command.length > 0
        ? { kind: 'command', command }
        : flags.pid !== undefined
          ? { kind: 'processes', pids: flags.pid }
          : { kind: 'machine' },
    format,
    outputPath: flags.output,
  };
}
