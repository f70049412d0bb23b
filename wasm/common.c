// SPDX-License-Identifier: Apache-2.0
#include "common.h"

/* Two digits are enough for code of up to 64 MiB. */
#define DIGIT_BITS 13
#define DIGITS (1 << DIGIT_BITS)

u64 *sort_by_upper_half(u64 *from, u64 *to, u32 count, u32 largest)
{
	for (u32 shift = 32; shift < 64 && (u64)largest << 32 >> shift; shift += DIGIT_BITS) {
		static u32 next[DIGITS];
		for (u32 digit = 0; digit < DIGITS; digit++)
			next[digit] = 0;
		for (u32 i = 0; i < count; i++)
			next[(from[i] >> shift) % DIGITS]++;
		u32 sum = 0;
		for (u32 digit = 0; digit < DIGITS; digit++) {
			u32 of_digit = next[digit];
			next[digit] = sum;
			sum += of_digit;
		}
		for (u32 i = 0; i < count; i++)
			to[next[(from[i] >> shift) % DIGITS]++] = from[i];
		u64 *sorted = to;
		to = from;
		from = sorted;
	}
	return from;
}
