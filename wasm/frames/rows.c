// SPDX-License-Identifier: Apache-2.0
/* Rows and pages of rules that come in ascending order of their addresses. */
#include "frames.h"

#define PAGE_SHIFT 16
#define PAGE_BYTES (1 << PAGE_SHIFT)
/* 4 GiB from the first to the last instruction: no program has more, but hostile files say so. MAX_PAGES in format.ts. */
#define MAX_PAGES 65536
/* No row that could be written over. */
#define NO_LOW 0xffffffff

u32 *rows;
u32 row_count;
u32 pages[MAX_PAGES + 1];
u32 page_count;
u32 base_page;

/* First address of the last page. */
static s64 page_start;
/* Where begin_rows was, and the last row, from there. */
static u32 begin_low, last_low;
static u32 last_rule;

void clear_rows(void)
{
	if (rows == NULL)
		rows = allocate(0);
	row_count = page_count = 0;
	last_low = NO_LOW;
	last_rule = RULE_NUMBER_NO_ROW;
}

static void push(u32 low, u32 rule)
{
	if (row_count == source.limits.rows)
		refuse(REFUSED_ROWS);
	extend((row_count + 1) * sizeof(*rows));
	rows[row_count++] = low << 16 | rule;
}

/* Opens the next pages. The last rule holds at their starts. */
static void open_pages(u32 count)
{
	if (count > MAX_PAGES - page_count)
		refuse(REFUSED_PAGES);
	for (u32 i = 0; i < count; i++) {
		pages[page_count++] = row_count;
		push(0, last_rule);
	}
	page_start += (s64)count * PAGE_BYTES;
	last_low = NO_LOW;
}

void begin_rows(s64 address)
{
	s64 page = address >> PAGE_SHIFT;
	if (page_count == 0) {
		base_page = page + (source.base >> PAGE_SHIFT);
		page_start = (page - 1) * PAGE_BYTES;
	}
	s64 from_start = address - page_start;
	if (from_start >= PAGE_BYTES)
		open_pages(from_start >> PAGE_SHIFT);
	begin_low = address - page_start;
}

void add_row(u32 offset, u32 rule)
{
	if (rule == last_rule)
		return;
	u32 low = begin_low + offset;
	if (low >= PAGE_BYTES) {
		u32 count = low >> PAGE_SHIFT;
		open_pages(count);
		begin_low -= count * PAGE_BYTES;
		low = begin_low + offset;
	}
	u32 first = pages[page_count - 1];
	if (low == last_low || (low == 0 && row_count == first + 1)) {
		/* The row that is there has no length. Without it, the one before may say the same as the new one already. */
		row_count--;
		if (row_count > first && (rows[row_count - 1] & 0xffff) == rule) {
			last_rule = rule;
			last_low = rows[row_count - 1] >> 16;
			return;
		}
	}
	push(low, rule);
	last_rule = rule;
	last_low = low;
}

void add_row_at(s64 address, u32 rule)
{
	if (rule == last_rule)
		return;
	begin_rows(address);
	add_row(0, rule);
}

void end_rows(s64 end)
{
	if (page_count > 0) {
		/* The last row's code may go on over page ends; each of those pages needs a row that says so. */
		begin_rows(end - 1);
		if (end < page_start + PAGE_BYTES)
			add_row_at(end, RULE_NUMBER_NO_ROW);
	}
	pages[page_count] = row_count;
}
