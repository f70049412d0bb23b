/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads little-endian numbers and LEB128 from untrusted bytes. Nothing fails: a read past `limit` answers 0, sets
 * `overrun` and stays there, so that loops end and callers check once.
 */
#ifndef HEARTH_READER_H
#define HEARTH_READER_H

#include "../common.h"

/* LEB128 beyond it, in both directions, is read as this: no sum or product of a few such numbers overflows. */
#define MAX_LEB (1LL << 48)

struct reader {
	const u8 *bytes;
	/* `limit` is not behind the bytes. */
	u32 at, limit;
	bool overrun;
};

static inline u64 overrun(struct reader *reader)
{
	reader->overrun = true;
	reader->at = reader->limit;
	return 0;
}

#define READ(type)                                                                                                             \
	static inline type read_##type(struct reader *reader)                                                                  \
	{                                                                                                                      \
		type value;                                                                                                    \
		if (reader->at > reader->limit || reader->limit - reader->at < sizeof(value))                                  \
			return overrun(reader);                                                                                \
		__builtin_memcpy(&value, reader->bytes + reader->at, sizeof(value));                                           \
		reader->at += sizeof(value);                                                                                   \
		return value;                                                                                                  \
	}
READ(u8)
READ(u16)
READ(u32)
READ(u64)
#undef READ

/* The bits of an unsigned number, or of a signed one with `is_signed`, where the first byte is not the last. */
s64 read_long_leb(struct reader *reader, bool is_signed);

static inline s64 read_uleb(struct reader *reader)
{
	if (reader->at < reader->limit && reader->bytes[reader->at] < 0x80)
		return reader->bytes[reader->at++];
	return read_long_leb(reader, false);
}

static inline s64 read_sleb(struct reader *reader)
{
	return read_long_leb(reader, true);
}

static inline void skip(struct reader *reader, u64 bytes)
{
	if (reader->at > reader->limit || bytes > reader->limit - reader->at)
		overrun(reader);
	else
		reader->at += bytes;
}

#endif
