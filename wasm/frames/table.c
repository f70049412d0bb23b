// SPDX-License-Identifier: Apache-2.0
/* Runs frames in the order of their code, and makes a table of their rows and of what is between them. */
#include "frames.h"

/* Of one function. */
#define MAX_FRAME_BYTES (1 << 30)
#define CHECK_TIME_EVERY 1024
/* Between functions, up to the next 16-byte boundary: it never runs, so the last row may as well cover it. */
#define MAX_PADDING 16
/* In place of a bare code's rule. */
#define PLT 0xffffffff
#define PAGE_OF_MEMORY 65536

struct source source;

extern u8 __heap_base;
static u8 *last_allocated, *memory_end;

/* Where the next allocation is. */
static u8 *allocation_end = &__heap_base;

static void reach(u8 *end)
{
	allocation_end = end;
	if (end <= memory_end)
		return;
	memory_end = (u8 *)(__builtin_wasm_memory_size(0) * PAGE_OF_MEMORY);
	if (end <= memory_end)
		return;
	/* More than is needed, so that it is not grown often; what is never touched costs nothing. */
	u32 pages = (end - memory_end) / PAGE_OF_MEMORY + 64;
	if (__builtin_wasm_memory_grow(0, pages) == (u32)-1)
		__builtin_trap();
	memory_end += pages * PAGE_OF_MEMORY;
}

void *EXPORT(allocate)(u32 bytes)
{
	last_allocated = (u8 *)(((u32)allocation_end + 15) & ~15);
	reach(last_allocated + bytes);
	return last_allocated;
}

void extend(u32 bytes)
{
	u8 *end = last_allocated + bytes;
	if (end > allocation_end)
		reach(end);
}

u32 EXPORT(bytes_allocated)(void)
{
	return allocation_end - &__heap_base;
}

/* To be filled in before all else. */
struct source *EXPORT(source_struct)(void)
{
	return &source;
}

u32 EXPORT(count_fdes)(void)
{
	return fde_count;
}

u32 EXPORT(count_skipped)(void)
{
	return skipped_fdes;
}

/* The end of the code that has its rows. */
static s64 code_end;
static u32 used_fdes;

static bool has_bare_code(s64 from, s64 to)
{
	for (u32 i = 0; i < source.bare_count; i++)
		if (source.bare[i].range.start < to && source.bare[i].range.end > from)
			return true;
	return false;
}

/* Rows for code without frames up to `to`. */
static void fill_gap(s64 to)
{
	s64 from = code_end;
	if (from >= to)
		return;
	if (!has_bare_code(from, to)) {
		bool is_padding = to - from < MAX_PADDING && to % MAX_PADDING == 0;
		if (!is_padding)
			add_row_at(from, RULE_NUMBER_NO_ROW);
		return;
	}
	while (from < to) {
		s64 next = to;
		const struct bare_code *bare = NULL;
		for (u32 i = 0; i < source.bare_count; i++) {
			const struct bare_code *other = &source.bare[i];
			s64 border = from < other->range.start ? other->range.start : other->range.end;
			if (border > from && border < next)
				next = border;
			if (bare == NULL && from >= other->range.start && from < other->range.end)
				bare = other;
		}
		u32 rule = bare == NULL ? RULE_NUMBER_NO_ROW : bare->rule;
		add_row_at(from, rule == PLT ? plt_rule() : rule);
		from = next;
	}
}

/*
 * Where the next frame begins: one that begins within another cuts it short, unless it is from .debug_frame and before
 * `eh_end`, where it doesn't count.
 */
static s64 next_start(const u64 *order, u32 i, s64 eh_end)
{
	u32 from = order[i] >> 32;
	while (++i < fde_count) {
		u32 next = order[i] >> 32;
		if (next != from && ((u32)order[i] < eh_fde_count || next >= eh_end))
			return next;
	}
	return (s64)1 << 62;
}

static s64 least(s64 a, s64 b)
{
	return a < b ? a : b;
}

static void compile_fdes(const u64 *order)
{
	s64 previous = -1, eh_end = 0;
	for (u32 i = 0; i < fde_count; i++) {
		if (i % CHECK_TIME_EVERY == 0)
			check_time();
		u32 index = (u32)order[i];
		const struct fde *fde = &fdes[index];
		s64 from = fde->start;
		s64 to = from + fde->size;
		/* Of frames that begin at one address the first counts, and .eh_frame before .debug_frame. */
		if (from == previous)
			continue;
		bool is_eh_frame = index < eh_fde_count;
		if (is_eh_frame)
			eh_end = to > eh_end ? to : eh_end;
		else if (from < eh_end)
			continue;
		previous = from;
		s64 end = least(least(to, from + MAX_FRAME_BYTES), next_start(order, i, is_eh_frame ? to : from));
		fill_gap(from);
		begin_rows(from);
		run_fde(fde, end - from);
		code_end = end;
		used_fdes++;
	}
}

static void compile_all(const u64 *order)
{
	clear_rules();
	clear_rows();
	forget_initial_states();
	code_end = used_fdes = 0;
	compile_fdes(order);
}

/* What comes out, for JavaScript. */
static struct {
	u32 base_page;
	const u32 *pages;
	u32 page_count;
	const u32 *rows;
	u32 row_count;
	const u64 *rules;
	u32 rule_count;
	u32 used_fdes;
	struct counts counts;
} table;

/* To be called once, when all sections were read. */
const void *EXPORT(compile)(void)
{
	u64 *pairs = allocate(fde_count * sizeof(*pairs));
	u64 *others = allocate(fde_count * sizeof(*others));
	u32 largest = 0;
	for (u32 i = 0; i < fde_count; i++) {
		pairs[i] = (u64)fdes[i].start << 32 | i;
		largest |= fdes[i].start;
	}
	const u64 *order = sort_by_upper_half(pairs, others, fde_count, largest);
	compile_all(order);
	if (needs_base) {
		/* Few files need it, and their tables have more rows and rules by it. */
		follows_base = true;
		compile_all(order);
	}
	s64 end = code_end;
	for (u32 i = 0; i < source.bare_count; i++)
		end = source.bare[i].range.end > end ? source.bare[i].range.end : end;
	fill_gap(end);
	end_rows(end);
	table = (typeof(table)){
		.base_page = base_page,
		.pages = pages,
		.page_count = page_count,
		.rows = rows,
		.row_count = row_count,
		.rules = rules,
		.rule_count = rule_count,
		.used_fdes = used_fdes,
	};
	count_rules(rows, row_count, &table.counts);
	return &table;
}
