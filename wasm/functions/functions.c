// SPDX-License-Identifier: Apache-2.0
/*
 * From ELF symbols to disjoint ranges of code with names, for server/agent/symbols/function-set.ts. A large program has a
 * hundred thousand symbols, and its table is read once: JavaScript would be interpreted for most of that, and the longer
 * the busier the machine is, because V8 compiles in other threads. WebAssembly is compiled at once.
 *
 * There is no allocator: who calls says where arrays are. Nothing in a symbol is trusted.
 */
#include "../common.h"

/* What there is no name or no rank for. */
#define NONE 0xffffffff
#define NO_CODE 0xff
/* Of Rank in function-set.ts. */
#define FUNCTION 4
#define SIZED 8
/* Of names in function-set.ts. */
#define ALIASES 0x80000000
/* Code that is further from where it starts is not named. */
#define MAX_CODE_BYTES 0x7fffffff

struct elf_symbol {
	u32 name;
	u8 type_and_binding;
	u8 other;
	u16 section;
	u64 address;
	u64 size;
};

/* Offsets from where the code starts; both 0 for a section without code. */
struct section {
	u32 start;
	u32 end;
};

struct symbol {
	u32 start;
	/* Exclusive; for symbols without a size, where they end at the latest. */
	u32 end;
	u32 name;
	u32 rank;
};

/* How little the name is meant for people, up to 255. */
u32 IMPORT(names, awkwardness)(u32 name);
/* Whether the name is that of something else than a function. */
int IMPORT(names, is_marker)(u32 name);

/* Adds those of `count` symbols that have code to `symbols`; returns how many. */
u32 EXPORT(add_symbols)(const struct elf_symbol *from, u32 count, u64 base, const struct section *sections,
			u32 section_count, const u8 *ranks, u32 names_at, u32 names_size, struct symbol *symbols)
{
	struct symbol *next = symbols;
	for (u32 i = 0; i < count; i++) {
		const struct elf_symbol *symbol = &from[i];
		u32 rank = ranks[symbol->type_and_binding];
		if (rank == NO_CODE || symbol->section == 0 || symbol->section >= section_count)
			continue;
		if (symbol->name == 0 || symbol->name >= names_size)
			continue;
		struct section section = sections[symbol->section];
		u64 start = symbol->address - base;
		if (start < section.start || start >= section.end)
			continue;
		if (!(rank & FUNCTION) && is_marker(names_at + symbol->name))
			continue;
		u64 size = symbol->size;
		next->start = start;
		next->end = size == 0 || size > section.end - start ? section.end : start + size;
		next->name = names_at + symbol->name;
		next->rank = size == 0 ? rank : rank | SIZED;
		next++;
	}
	return next - symbols;
}

static void sift_down(u64 *heap, u32 at, u32 count)
{
	u64 moved = heap[at];
	for (u32 child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && heap[child + 1] > heap[child])
			child++;
		if (heap[child] <= moved)
			break;
		heap[at] = heap[child];
	}
	heap[at] = moved;
}

static void sort_few(u64 *values, u32 count)
{
	for (u32 at = count / 2; at-- > 0;)
		sift_down(values, at, count);
	while (count-- > 1) {
		u64 largest = values[0];
		values[0] = values[count];
		values[count] = largest;
		sift_down(values, 0, count);
	}
}

/* The sweep over all symbols, by address. */
static struct symbol *symbols;
static u32 count;
/* Start and index of each, by start. */
static u64 *order;
/* Those that are open at the sweep's position, innermost last; each ends before the one below it does. */
static u32 *open;
static u32 depth;
/* What comes out. */
static u32 *starts;
static u32 *names;
static u32 length;
static u32 *aliases;
static u32 aliases_length;

static u32 start_at(u32 i)
{
	return i < count ? order[i] >> 32 : NONE;
}

static struct symbol *symbol_at(u32 i)
{
	return &symbols[(u32)order[i]];
}

static void emit(u32 start, u32 name)
{
	if (length > 0 && starts[length - 1] == start)
		length--;
	starts[length] = start;
	names[length++] = name;
}

/* Functions that end up to `position` reveal what is below them, or a gap. */
static void close_until(u32 position)
{
	while (depth > 0 && symbols[open[depth - 1]].end <= position) {
		u32 end = symbols[open[--depth]].end;
		if (depth > 0)
			emit(end, symbols[open[depth - 1]].name);
		else if (end < position)
			emit(end, NONE);
	}
}

/* The name of those symbols of [from, to) that have this rank, or what stands for their names. */
static u32 name_of_aliases(u32 from, u32 to, u32 rank)
{
	u32 at = aliases_length;
	u32 end = at + 1;
	for (u32 i = from; i < to; i++)
		if (symbol_at(i)->rank == rank)
			aliases[end++] = symbol_at(i)->name;
	if (end == at + 2)
		return aliases[at + 1];
	aliases[at] = end - at - 1;
	aliases_length = end;
	return ALIASES + at;
}

/*
 * Where no symbol is open: adds those that touch no other, but for those of the same code. Most are so. Returns the index
 * of the first that is not.
 */
static u32 add_apart(u32 i)
{
	while (i < count) {
		const struct symbol *symbol = symbol_at(i);
		u32 end = symbol->end;
		u32 best = symbol->rank;
		u32 to = i + 1;
		if (!(best & SIZED))
			break;
		for (; start_at(to) == symbol->start; to++) {
			const struct symbol *alias = symbol_at(to);
			if (alias->end != end || !(alias->rank & SIZED))
				break;
			if (alias->rank > best)
				best = alias->rank;
		}
		u32 next = start_at(to);
		if (next < end)
			break;
		emit(symbol->start, to == i + 1 ? symbol->name : name_of_aliases(i, to, best));
		if (end < next)
			emit(end, NONE);
		i = to;
	}
	return i;
}

/* Puts the symbols of [from, to), which have one start, into an order of which `ranked` gives the symbols. */
static void rank_group(u32 from, u32 to)
{
	for (u32 i = from; i < to; i++) {
		const struct symbol *symbol = symbol_at(i);
		u32 plainness = to - from > 1 ? 0xff - awkwardness(symbol->name) : 0;
		/* Of those that are equal in all else, the first is the best. */
		order[i] = (u64)(symbol->rank << 8 | plainness) << 32 | (NONE - (u32)order[i]);
	}
	sort_few(&order[from], to - from);
}

static u32 ranked(u32 i)
{
	return NONE - (u32)order[i];
}

/* Opens the symbols that start where that at `from` does; returns the index behind them. */
static u32 open_at(u32 from)
{
	u32 start = start_at(from);
	u32 to = from + 1;
	while (to < count && start_at(to) == start)
		to++;
	rank_group(from, to);
	struct symbol *best = &symbols[ranked(to - 1)];
	if (best->rank & SIZED) {
		for (u32 i = from; i < to; i++) {
			const struct symbol *symbol = &symbols[ranked(i)];
			if (!(symbol->rank & SIZED))
				continue;
			/* What ends no later than this one does is never seen again. */
			while (depth > 0 && symbols[open[depth - 1]].end <= symbol->end)
				depth--;
			open[depth++] = ranked(i);
		}
	} else if (depth == 0 || best->rank & FUNCTION) {
		/* Without a size: up to the next symbol, or with the function that it is in. */
		if (start_at(to) < best->end)
			best->end = start_at(to);
		if (depth > 0 && best->end >= symbols[open[depth - 1]].end)
			best->end = symbols[open[--depth]].end;
		open[depth++] = best - symbols;
	} else {
		return to; /* A mere label, which does not divide a function that has a size. */
	}
	emit(start, best->name);
	return to;
}

/*
 * Flattens `symbol_count` symbols. `pairs` and `other_pairs` have room for as many, `open_symbols` too; `range_starts` and
 * `range_names` for one more than twice as many, `range_aliases` for twice as many. Returns the number of ranges.
 */
u32 EXPORT(flatten)(struct symbol *all, u32 symbol_count, u64 *pairs, u64 *other_pairs, u32 *open_symbols,
		    u32 *range_starts, u32 *range_names, u32 *range_aliases)
{
	u32 largest = 0;
	for (u32 i = 0; i < symbol_count; i++) {
		pairs[i] = (u64)all[i].start << 32 | i;
		largest |= all[i].start;
	}
	order = sort_by_upper_half(pairs, other_pairs, symbol_count, largest);
	symbols = all;
	count = symbol_count;
	open = open_symbols;
	starts = range_starts;
	names = range_names;
	aliases = range_aliases;
	depth = length = aliases_length = 0;
	for (u32 i = 0; i < count;) {
		close_until(start_at(i));
		if (depth == 0)
			i = add_apart(i);
		if (i < count)
			i = open_at(i);
	}
	close_until(NONE);
	return length;
}

/* Of what `flatten` wrote to its `range_aliases`. */
u32 EXPORT(aliases_count)(void)
{
	return aliases_length;
}
