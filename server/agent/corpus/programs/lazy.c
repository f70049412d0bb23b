/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spends its time in the dynamic linker, which finds functions at their first call: `bind_all` calls some, main makes the
 * linker forget what it found, and again, until the program is killed. To be compiled with -fno-builtin -Wl,-z,lazy,-z,norelro.
 * Prints a line when it has begun.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

extern void *_GLOBAL_OFFSET_TABLE_[];
/* Behind three words for the linker itself: addresses of functions, at first of code that asks the linker for them. */
#define FIRST_FUNCTION 3
#define MAX_FUNCTIONS 64

static volatile long sink;
static volatile int one = 1;

/* None of them is chosen by the processor's features: all that runs below the linker is its own. */
__attribute__((noipa)) void bind_all(void)
{
	unsigned seed = one;

	sink += labs(one) + llabs(one) + abs(one) + atoi("1") + toupper(one) + tolower(one) + isalpha(one);
	sink += isdigit(one) + isspace(one) + isupper(one) + ntohl(one) + ntohs(one) + htonl(one) + htons(one);
	sink += ffs(one) + ffsl(one) + rand_r(&seed) + a64l("1") + ldiv(one, 1).quot + div(one, 1).quot;
}

static size_t count_functions(void)
{
	size_t bytes = 0;

	for (const ElfW(Dyn) *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++)
		if (entry->d_tag == DT_PLTRELSZ)
			bytes = entry->d_un.d_val;
	return bytes / sizeof(ElfW(Rela));
}

int main(void)
{
	static void *unbound[MAX_FUNCTIONS];
	size_t count = count_functions();

	if (count > MAX_FUNCTIONS)
		return 1;
	for (size_t i = 0; i < count; i++)
		unbound[i] = _GLOBAL_OFFSET_TABLE_[FIRST_FUNCTION + i];
	puts("ready");
	fflush(stdout);
	for (;;) {
		for (size_t i = 0; i < count; i++)
			((void *volatile *)_GLOBAL_OFFSET_TABLE_)[FIRST_FUNCTION + i] = unbound[i];
		bind_all();
	}
}
