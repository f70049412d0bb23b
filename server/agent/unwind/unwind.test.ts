/**
 * Stacks of a real process, unwound by the tables of all that it maps, are those that the C library's own unwinder finds
 * in it (backtrace(), which reads .eh_frame by itself).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it } from 'vitest';
import { ElfFile } from '../elf/elf-file';
import { TestFolder } from '../symbols/test-binaries';
import { readVdso } from '../symbols/vdso';
import { compileUnwindTable } from './compile';
import { type UnwindSegment, type UnwoundStack, unwind } from './reference-unwind-for-tests';

const SOURCE = `
#define _GNU_SOURCE
#include <alloca.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

/* Says where it is and who called it, then waits for a line. */
__attribute__((noinline)) void report(const char *name)
{
	static ucontext_t context;
	void *frames[64];
	int count = backtrace(frames, 64);
	char line;

	getcontext(&context);
	printf("%s %llx %llx %llx", name, context.uc_mcontext.gregs[REG_RIP],
	       context.uc_mcontext.gregs[REG_RSP], context.uc_mcontext.gregs[REG_RBP]);
	/* The first is this function, where backtrace() was called. */
	for (int i = 1; i < count; i++)
		printf(" %p", frames[i]);
	printf("\\n");
	fflush(stdout);
	read(0, &line, 1);
}

volatile int sink;
__attribute__((noinline)) void plain(int depth)
{
	char room[64 + depth * 16];

	memset(room, depth, sizeof(room));
	sink = room[depth];
	if (depth > 0)
		plain(depth - 1);
	else
		report("plain");
	sink++;
}

/* Needs its stack aligned to 64 bytes, and has a part of unknown size. */
__attribute__((noinline)) void realigned(int size)
{
	_Alignas(64) char aligned[128];
	char *room = alloca(size);

	memset(aligned, size, sizeof(aligned));
	memset(room, size, size);
	report("realigned");
	sink += aligned[size % 128] + room[size - 1];
}

__attribute__((noinline)) void huge(void)
{
	char room[1 << 20];

	memset(room, 1, sizeof(room));
	report("huge");
	sink += room[sink & 1023];
}

int compare(const void *a, const void *b)
{
	static int done;

	if (!done++)
		report("callback");
	return *(const int *)a - *(const int *)b;
}

void on_signal(int number)
{
	report(number == SIGSEGV ? "fault" : "signal");
	if (number == SIGSEGV)
		mprotect((void *)0x700000000000, 4096, PROT_READ | PROT_WRITE);
}

void *thread(void *argument)
{
	plain(2);
	return argument;
}

int main(void)
{
	int numbers[] = { 3, 1, 2 };
	char stack[1 << 16];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };
	pthread_t other;

	plain(5);
	realigned(33);
	huge();
	qsort(numbers, 3, sizeof(int), compare);
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	sigaltstack(&alternate, NULL);
	sigaction(SIGSEGV, &action, NULL);
	mmap((void *)0x700000000000, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	*(volatile int *)0x700000000000 = 1;
	pthread_create(&other, NULL, thread, NULL);
	pthread_join(other, NULL);
	return 0;
}
`;

interface Report {
  readonly name: string;
  readonly stack: UnwoundStack;
  /** Return addresses, as backtrace() has them. */
  readonly expected: readonly number[];
}

const folder = new TestFolder();
afterAll(() => folder.remove());

/** Runs the program and unwinds it wherever it stops. */
async function unwindAll(program: string): Promise<Report[]> {
  const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
  const reports: Report[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const [name, ...words] = line.split(' ');
    const [ip, sp, fp, ...expected] = words.map((word) => Number.parseInt(word, 16));
    reports.push({ name, expected, stack: unwindChild(child, { ip, sp, fp }) });
    child.stdin.write('\n');
  }
  if (child.exitCode === null) await once(child, 'exit');
  expect(child.exitCode).toBe(0);
  return reports;
}

function unwindChild(child: ChildProcess, registers: Parameters<typeof unwind>[0]): UnwoundStack {
  const memory = openSync(`/proc/${child.pid}/mem`, 'r');
  const word = Buffer.alloc(8);
  try {
    return unwind(registers, segmentsOf(child.pid as number), (address) => {
      try {
        return readSync(memory, word, 0, 8, address) === 8
          ? Number(word.readBigUInt64LE())
          : undefined;
      } catch {
        return undefined;
      }
    });
  } finally {
    closeSync(memory);
  }
}

function segmentsOf(pid: number): UnwindSegment[] {
  const segments: UnwindSegment[] = [];
  for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) ..x. ([0-9a-f]+) \S+ \d+ +(\/.*|\[vdso\])$/.exec(line);
    if (match === null) continue;
    const [start, end, offset] = match.slice(1, 4).map((hex) => Number.parseInt(hex, 16));
    const elf = match[4] === '[vdso]' ? readVdso() : ElfFile.open(match[4]);
    const address = elf.addressOfFileOffset(offset);
    if (address !== undefined) {
      segments.push({ start, end, bias: start - address, table: compileUnwindTable(elf) });
    }
    elf.close();
  }
  return segments;
}

const FLAGS: Record<string, string[]> = {
  'without frame pointers': ['-O2', '-fomit-frame-pointer'],
  'with frame pointers': ['-O1', '-fno-omit-frame-pointer'],
  'not optimized, not position-independent': ['-O0', '-no-pie'],
  'resolving symbols lazily': ['-O2', '-fomit-frame-pointer', '-Wl,-z,lazy'],
  'with its frames in .debug_frame only': [
    '-O2',
    '-g',
    '-fno-asynchronous-unwind-tables',
    '-fno-unwind-tables',
  ],
};

const describeHere = process.arch === 'x64' ? describe : describe.skip;
describeHere('stacks of a program', () => {
  it.each(Object.entries(FLAGS))('%s', { timeout: 30_000 }, async (_, flags) => {
    const program = folder.compile('program.c', SOURCE, '-pthread', ...flags);
    const reports = await unwindAll(program);
    const names = ['plain', 'realigned', 'huge', 'callback', 'signal', 'fault', 'plain'];
    expect(reports.map(({ name }) => name)).toEqual(names);
    for (const { name, stack, expected } of reports) {
      expect([name, stack.end]).toEqual([name, 'complete']);
      expect(stack.ips.length).toBeGreaterThan(3);
      // backtrace() reads .eh_frame only, and so finds nothing in a program that has none.
      if (!flags.includes('-fno-unwind-tables')) {
        expect([name, ...stack.ips.slice(1)]).toEqual([name, ...expected]);
      }
    }
  });
});
