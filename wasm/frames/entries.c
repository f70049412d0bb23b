// SPDX-License-Identifier: Apache-2.0
/* Common information entries (CIEs) and frame description entries (FDEs), without running the instructions in them. */
#include "frames.h"

/* CIEs are shared by thousands of FDEs; only a hostile file has one for each. */
#define MAX_CIES 65536
#define CHECK_TIME_EVERY 4096
#define MAX_AUGMENTATION 8
#define DWARF64 0xffffffff

enum encoding {
	ENCODING_ABSOLUTE = 0x00,
	ENCODING_ULEB = 0x01,
	ENCODING_U16 = 0x02,
	ENCODING_U32 = 0x03,
	ENCODING_U64 = 0x04,
	ENCODING_SLEB = 0x09,
	ENCODING_S16 = 0x0a,
	ENCODING_S32 = 0x0b,
	ENCODING_S64 = 0x0c,
	ENCODING_FORMAT = 0x0f,
	ENCODING_PC = 0x10,
	ENCODING_TEXT = 0x20,
	ENCODING_DATA = 0x30,
	ENCODING_ALIGNED = 0x50,
	ENCODING_BASE = 0x70,
	ENCODING_INDIRECT = 0x80,
	ENCODING_OMIT = 0xff,
};

struct fde *fdes;
u32 fde_count, eh_fde_count, skipped_fdes;

static struct cie cies[MAX_CIES];
static u32 cie_count;
/* By where they are: open addressing; the number + 1, 0 where free. */
static u32 cie_slots[2 * MAX_CIES];
/* Where each is. */
static const u8 *cie_places[MAX_CIES];

void forget_initial_states(void)
{
	for (u32 i = 0; i < cie_count; i++)
		cies[i].was_run = false;
}

static s64 read_format(struct reader *reader, u8 format)
{
	switch (format) {
	case ENCODING_S32:
		return (s32)read_u32(reader);
	case ENCODING_U32:
		return read_u32(reader);
	case ENCODING_ABSOLUTE:
	case ENCODING_U64:
	case ENCODING_S64:
		return read_u64(reader);
	case ENCODING_U16:
		return read_u16(reader);
	case ENCODING_S16:
		return (s16)read_u16(reader);
	case ENCODING_ULEB:
		return read_uleb(reader);
	case ENCODING_SLEB:
		return read_sleb(reader);
	default:
		return NO_POINTER;
	}
}

s64 read_pointer(struct reader *reader, const struct section *section, u8 encoding)
{
	if (encoding == ENCODING_OMIT)
		return NO_POINTER;
	u8 base = encoding & ENCODING_BASE;
	u64 origin = section->address + reader->at;
	if (base == ENCODING_ALIGNED) {
		skip(reader, -origin % 8);
		return read_u64(reader);
	}
	s64 read = read_format(reader, encoding & ENCODING_FORMAT);
	if (read == NO_POINTER)
		return NO_POINTER;
	u64 value = read;
	if (base == ENCODING_PC)
		value += origin;
	else if (base == ENCODING_TEXT && section->flags & SECTION_HAS_TEXT_BASE)
		value += section->text_base;
	else if (base == ENCODING_DATA && section->flags & SECTION_HAS_DATA_BASE)
		value += section->data_base;
	else if (base != ENCODING_ABSOLUTE)
		return NO_POINTER;
	return encoding & ENCODING_INDIRECT ? pointer_at(value) : (s64)value;
}

/* The word that says of an entry that it is a CIE, or where the FDE's CIE is. */
static u64 read_id(struct reader *reader, const struct section *section, bool is_64, bool *is_cie)
{
	u64 id = is_64 && !(section->flags & SECTION_EH_FRAME) ? read_u64(reader) : read_u32(reader);
	if (section->flags & SECTION_EH_FRAME)
		*is_cie = id == 0;
	else
		*is_cie = id == (is_64 ? ~0ULL : 0xffffffff);
	return id;
}

/* Limits the reader to the entry that it is at the beginning of; false where that is damaged. */
static bool enter(struct reader *reader, u64 *length, bool *is_64)
{
	*length = read_u32(reader);
	*is_64 = *length == DWARF64;
	if (*is_64)
		*length = read_u64(reader);
	if (reader->overrun || *length > reader->limit - reader->at)
		return false;
	reader->limit = reader->at + *length;
	return true;
}

static bool read_cie(const struct section *section, u32 at, struct cie *cie)
{
	struct reader reader = { .bytes = section->bytes, .at = at, .limit = section->length };
	u64 length;
	bool is_64, is_cie;
	if (!enter(&reader, &length, &is_64))
		return false;
	read_id(&reader, section, is_64, &is_cie);
	if (!is_cie)
		return false;
	u8 version = read_u8(&reader);
	if (version != 1 && version != 3 && version != 4)
		return false;
	char augmentation[MAX_AUGMENTATION + 1];
	u32 letters = 0;
	for (u8 letter; (letter = read_u8(&reader)) != 0;) {
		if (letters == MAX_AUGMENTATION)
			return false;
		augmentation[letters++] = letter;
	}
	augmentation[letters] = 0;
	const char *letter = augmentation;
	if (letter[0] == 'e' && letter[1] == 'h') {
		/* gcc 2's: a pointer to a table of exceptions. */
		skip(&reader, 8);
		letter += 2;
	}
	/* Size of an address, size of a segment selector. */
	if (version == 4 && (read_u8(&reader) != 8 || read_u8(&reader) != 0))
		return false;
	s64 code_align = read_uleb(&reader);
	s64 data_align = read_sleb(&reader);
	s64 return_address = version == 1 ? read_u8(&reader) : read_uleb(&reader);
	*cie = (struct cie){
		.section = section,
		.code_align = code_align,
		.data_align = data_align,
		.return_address = return_address,
		.pointer_encoding = ENCODING_ABSOLUTE,
		.has_augmentation = *letter == 'z',
		.instructions_end = reader.limit,
	};
	if (cie->has_augmentation) {
		u64 augmentation_bytes = read_uleb(&reader);
		if (augmentation_bytes > reader.limit - reader.at)
			return false;
		cie->instructions_at = reader.at + augmentation_bytes;
		letter++;
	}
	for (; *letter; letter++) {
		switch (*letter) {
		case 'R':
			cie->pointer_encoding = read_u8(&reader);
			break;
		case 'S':
			cie->is_signal_frame = true;
			break;
		case 'L': /* The encoding of the pointers to language-specific data. */
			read_u8(&reader);
			break;
		case 'P':
			read_pointer(&reader, section, read_u8(&reader) & ~ENCODING_INDIRECT);
			break;
		case 'B': /* arm64: return addresses are signed with key B. */
		case 'G': /* arm64: frames are tagged. Neither moves anything. */
			break;
		default:
			return false;
		}
	}
	if (!cie->has_augmentation)
		cie->instructions_at = reader.at;
	return !reader.overrun && code_align >= 1 && code_align <= 256 && data_align >= -256 && data_align <= 256 &&
	       return_address <= 1024;
}

/* The CIE at an offset of the section; NULL where there is none that can be used. */
static struct cie *cie_at(const struct section *section, u64 at)
{
	if (at >= section->length)
		return NULL;
	const u8 *place = section->bytes + at;
	u32 slot = (u32)place * 0x9e3779b1 >> 15;
	for (; cie_slots[slot]; slot = (slot + 1) % (2 * MAX_CIES))
		if (cie_places[cie_slots[slot] - 1] == place)
			return &cies[cie_slots[slot] - 1];
	struct cie cie;
	if (!read_cie(section, at, &cie))
		return NULL;
	if (cie_count == MAX_CIES)
		refuse(REFUSED_CIES);
	cies[cie_count] = cie;
	cie_places[cie_count] = place;
	cie_slots[slot] = ++cie_count;
	return &cies[cie_count - 1];
}

/* Whether all of [start, start + size) is code. */
static bool is_code(s64 start, s64 size)
{
	static struct range range;
	if (size <= 0)
		return false;
	/* The range that the last question was about is mostly that of the next one, too. */
	for (u32 i = 0; start < range.start || start >= range.end || size > range.end - start; i++) {
		if (i == source.range_count)
			return false;
		range = source.ranges[i];
	}
	s64 in_header = start - source.header_start;
	return in_header < 0 || in_header >= 64;
}

static void add_fde(struct cie *cie, s64 start, s64 size, const struct reader *reader)
{
	if (!is_code(start, size)) {
		skipped_fdes++;
		return;
	}
	if (fde_count == source.limits.fdes)
		refuse(REFUSED_FDES);
	extend((fde_count + 1) * sizeof(*fdes));
	fdes[fde_count++] = (struct fde){
		.start = start,
		.size = size > 0xffffffff ? 0xffffffff : size,
		.cie = cie,
		.instructions_at = reader->at,
		.instructions_end = reader->limit,
	};
}

static void read_fde(struct reader *reader, struct cie *cie)
{
	s64 start = read_pointer(reader, cie->section, cie->pointer_encoding);
	/* A length: as wide as the address, but relative to nothing. */
	s64 size = read_pointer(reader, cie->section, cie->pointer_encoding & ENCODING_FORMAT);
	if (cie->has_augmentation)
		skip(reader, read_uleb(reader));
	if (reader->overrun || start == NO_POINTER || size == NO_POINTER)
		skipped_fdes++;
	else
		add_fde(cie, (u64)start - source.base, size, reader);
}

/*
 * Appends a section's FDEs; those of .debug_frame must come last. What can't be used is left out and counted; damage to
 * the chain of entries itself ends the section.
 */
void EXPORT(read_section)(const struct section *section)
{
	bool is_eh_frame = section->flags & SECTION_EH_FRAME;
	if (fdes == NULL)
		fdes = allocate(0);
	u32 next = 0;
	for (u32 i = 0; next < section->length && section->length - next >= 4; i++) {
		if (i % CHECK_TIME_EVERY == 0)
			check_time();
		struct reader reader = { .bytes = section->bytes, .at = next, .limit = section->length };
		u64 length;
		bool is_64, is_cie;
		bool is_sound = enter(&reader, &length, &is_64);
		if (is_sound && length == 0 && !is_64) {
			/* A terminator, which only the last input file of a link should have: others may follow. */
			if (section->flags & SECTION_ENDS_AT_TERMINATOR)
				break;
			next += 4;
			continue;
		}
		if (!is_sound || length < 4) {
			skipped_fdes++;
			break;
		}
		next = reader.limit;
		u32 id_at = reader.at;
		u64 id = read_id(&reader, section, is_64, &is_cie);
		if (is_cie)
			continue;
		struct cie *cie = cie_at(section, is_eh_frame ? id_at - id : id);
		if (cie == NULL)
			skipped_fdes++;
		else
			read_fde(&reader, cie);
	}
	if (is_eh_frame)
		eh_fde_count = fde_count;
}

/* A pointer at an offset of a section; NO_POINTER where it is not in its bytes, or can't be known. */
s64 EXPORT(pointer_in)(const struct section *section, u32 at, u32 encoding)
{
	struct reader reader = { .bytes = section->bytes, .at = at, .limit = section->length };
	s64 pointer = read_pointer(&reader, section, encoding);
	return reader.overrun ? NO_POINTER : pointer;
}
