// SPDX-License-Identifier: Apache-2.0
#include "reader.h"

#define MAX_LEB_BYTES 10

s64 read_long_leb(struct reader *reader, bool is_signed)
{
	u64 value = 0;
	for (u32 i = 0; i < MAX_LEB_BYTES; i++) {
		u8 byte = read_u8(reader);
		u32 shift = 7 * i;
		value |= (u64)(byte & 0x7f) << shift;
		if (byte >= 0x80)
			continue;
		if (!is_signed)
			return value > MAX_LEB ? MAX_LEB : (s64)value;
		if (byte & 0x40 && shift + 7 < 64)
			value |= ~0ULL << (shift + 7);
		s64 number = value;
		return number > MAX_LEB ? MAX_LEB : number < -MAX_LEB ? -MAX_LEB : number;
	}
	return overrun(reader);
}
