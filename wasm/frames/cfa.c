// SPDX-License-Identifier: Apache-2.0
/*
 * Runs the call frame instructions of CIEs and FDEs (DWARF 5, 6.4.2) and says for each range of addresses what an unwinder
 * that tracks stack pointer, frame pointer and instruction pointer has to know; where the other registers are is read over.
 */
#include "frames.h"

#define MAX_REMEMBERED 64
/* Registers above it are none. */
#define MAX_REGISTER 0xffff

enum op {
	CFA_NOP = 0x00,
	CFA_SET_LOC = 0x01,
	CFA_ADVANCE_LOC1 = 0x02,
	CFA_ADVANCE_LOC2 = 0x03,
	CFA_ADVANCE_LOC4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED_REGISTER = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_REGISTER = 0x09,
	CFA_REMEMBER_STATE = 0x0a,
	CFA_RESTORE_STATE = 0x0b,
	CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_REGISTER = 0x0d,
	CFA_DEF_CFA_OFFSET = 0x0e,
	CFA_DEF_CFA_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_OFFSET_EXTENDED_SF = 0x11,
	CFA_DEF_CFA_SF = 0x12,
	CFA_DEF_CFA_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_AARCH64_NEGATE_RA_STATE_WITH_PC = 0x2c,
	/* On arm64 this is AARCH64_negate_ra_state. */
	CFA_GNU_WINDOW_SAVE = 0x2d,
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
	/* With an operand in the low six bits. */
	CFA_ADVANCE_LOC = 0x40,
	CFA_OFFSET = 0x80,
	CFA_RESTORE = 0xc0,
};

bool follows_base;

/* Of the FDE, or the CIE, that is being run. */
static struct reader reader;
static const struct cie *cie;
/* NULL for a CIE's own instructions, which have no code to advance over and nothing to restore. */
static const struct state *initial;
static struct state state;
static struct state remembered[MAX_REMEMBERED];
static u32 remembered_count;
/* The state is another than that of the last row. */
static bool has_changed;
static u32 rule;
/* Where the row begins that the state is of. */
static u32 offset;

static bool is_s32(s64 value)
{
	return value == (s32)value;
}

static s32 read_register(void)
{
	s64 number = read_uleb(&reader);
	return number > MAX_REGISTER ? MAX_REGISTER : number;
}

/* What is known of a register; NULL for those that nobody needs. */
static struct saved *saved_of(s32 number)
{
	if (number == source.machine.frame_pointer)
		return &state.frame_pointer;
	if (number == cie->return_address)
		return &state.return_address;
	return follows_base && number == source.machine.base_register ? &state.base_register : NULL;
}

static void save(s32 number, enum saved_kind kind, s64 at)
{
	struct saved *saved = saved_of(number);
	if (saved == NULL)
		return;
	saved->kind = is_s32(at) ? kind : SAVED_ELSEWHERE;
	saved->offset = at;
	has_changed = true;
}

static void save_in_register(s32 number, s32 in)
{
	struct saved *saved = saved_of(number);
	if (saved == NULL)
		return;
	saved->kind = SAVED_IN_REGISTER;
	saved->in = in;
	has_changed = true;
}

static void save_by_expression(s32 number)
{
	struct expression expression = read_expression(&reader);
	bool is_known = expression.shape == CFA_SUM;
	save(number, is_known ? SAVED_AT_REGISTER : SAVED_ELSEWHERE, expression.offset);
	struct saved *saved = saved_of(number);
	if (saved != NULL)
		saved->in = expression.base;
}

static bool restore(s32 number)
{
	if (initial == NULL)
		return false;
	struct saved *saved = saved_of(number);
	if (saved == NULL)
		return true;
	*saved = *(const struct saved *)((const u8 *)initial + ((u8 *)saved - (u8 *)&state));
	has_changed = true;
	return true;
}

static bool remember(void)
{
	if (remembered_count == MAX_REMEMBERED)
		return false;
	remembered[remembered_count++] = state;
	return true;
}

static bool recall(void)
{
	if (remembered_count == 0)
		return false;
	state = remembered[--remembered_count];
	has_changed = true;
	return true;
}

static void set_cfa_offset(s64 to)
{
	state.cfa = is_s32(to) ? CFA_SUM : CFA_OUT_OF_RANGE;
	state.cfa_offset = to;
	has_changed = true;
}

/* Only where there is a register that it belongs to. */
static void change_cfa_offset(s64 to)
{
	if (state.cfa == CFA_SUM || state.cfa == CFA_OUT_OF_RANGE)
		set_cfa_offset(to);
}

static void change_cfa_register(s32 to)
{
	state.cfa_register = to;
	/* After an expression there is no offset to keep. */
	if (state.cfa != CFA_SUM)
		state.cfa = CFA_UNKNOWN_EXPRESSION;
	has_changed = true;
}

static void set_cfa_by_expression(void)
{
	struct expression expression = read_expression(&reader);
	state.cfa = expression.shape;
	state.cfa_register = expression.base;
	state.cfa_offset = expression.offset;
	state.cfa_offset2 = expression.offset2;
	has_changed = true;
}

/* An instruction without an operand in its first byte, but for those that advance. False for what makes no sense. */
static bool execute(u8 op)
{
	s32 data_align = cie->data_align;
	s32 number;
	switch (op) {
	case CFA_NOP:
	case CFA_GNU_WINDOW_SAVE:
	case CFA_AARCH64_NEGATE_RA_STATE_WITH_PC:
		return true;
	case CFA_REMEMBER_STATE:
		return remember();
	case CFA_RESTORE_STATE:
		return recall();
	case CFA_DEF_CFA:
		state.cfa_register = read_register();
		set_cfa_offset(read_uleb(&reader));
		return true;
	case CFA_DEF_CFA_SF:
		state.cfa_register = read_register();
		set_cfa_offset(read_sleb(&reader) * data_align);
		return true;
	case CFA_DEF_CFA_REGISTER:
		change_cfa_register(read_register());
		return true;
	case CFA_DEF_CFA_OFFSET:
		change_cfa_offset(read_uleb(&reader));
		return true;
	case CFA_DEF_CFA_OFFSET_SF:
		change_cfa_offset(read_sleb(&reader) * data_align);
		return true;
	case CFA_DEF_CFA_EXPRESSION:
		set_cfa_by_expression();
		return true;
	case CFA_GNU_ARGS_SIZE:
		read_uleb(&reader);
		return true;
	}
	number = read_register();
	switch (op) {
	case CFA_OFFSET_EXTENDED:
		save(number, SAVED_AT_CFA, read_uleb(&reader) * data_align);
		return true;
	case CFA_OFFSET_EXTENDED_SF:
		save(number, SAVED_AT_CFA, read_sleb(&reader) * data_align);
		return true;
	case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		save(number, SAVED_AT_CFA, -read_uleb(&reader) * data_align);
		return true;
	case CFA_RESTORE_EXTENDED:
		return restore(number);
	case CFA_UNDEFINED_REGISTER:
		save(number, SAVED_UNDEFINED, 0);
		return true;
	case CFA_SAME_VALUE:
		save(number, SAVED_SAME, 0);
		return true;
	case CFA_REGISTER:
		save_in_register(number, read_register());
		return true;
	case CFA_VAL_OFFSET:
	case CFA_VAL_OFFSET_SF:
		save(number, SAVED_ELSEWHERE, 0);
		read_uleb(&reader);
		return true;
	case CFA_EXPRESSION:
		save_by_expression(number);
		return true;
	case CFA_VAL_EXPRESSION:
		save(number, SAVED_ELSEWHERE, 0);
		skip(&reader, read_uleb(&reader));
		return true;
	default:
		return false;
	}
}

/* The operand of an instruction that advances, in bytes of code; negative where it can't be known. */
static s64 read_advance(u8 op, s64 address)
{
	switch (op) {
	case CFA_ADVANCE_LOC1:
		return (s64)read_u8(&reader) * cie->code_align;
	case CFA_ADVANCE_LOC2:
		return (s64)read_u16(&reader) * cie->code_align;
	case CFA_ADVANCE_LOC4:
		return (s64)read_u32(&reader) * cie->code_align;
	default: {
		s64 target = read_pointer(&reader, cie->section, cie->pointer_encoding);
		return target == NO_POINTER ? -1 : target - address;
	}
	}
}

static void end_row(void)
{
	if (has_changed)
		rule = rule_of(&state, cie->is_signal_frame);
	has_changed = false;
	add_row(offset, rule);
}

/*
 * Runs the instructions, which are of code of `size` bytes at `address`. Leaves in `offset` where the last row begins,
 * which has not ended yet; `size` if they went there or past it. False if they make no sense from `offset` on.
 */
static bool run(s64 address, u32 size)
{
	offset = 0;
	while (reader.at < reader.limit) {
		u8 op = reader.bytes[reader.at++];
		u8 operand = op & 0x3f;
		s64 advance = 0;
		switch (op & 0xc0) {
		case CFA_ADVANCE_LOC:
			advance = operand * cie->code_align;
			break;
		case CFA_OFFSET:
			save(operand, SAVED_AT_CFA, read_uleb(&reader) * cie->data_align);
			break;
		case CFA_RESTORE:
			if (!restore(operand))
				return false;
			break;
		default:
			if (op >= CFA_SET_LOC && op <= CFA_ADVANCE_LOC4)
				advance = read_advance(op, address + offset);
			else if (!execute(op))
				return false;
		}
		if (reader.overrun)
			return false;
		if (advance == 0)
			continue;
		if (advance < 0 || initial == NULL)
			return false;
		end_row();
		if (advance >= size - offset) {
			offset = size;
			return true;
		}
		offset += advance;
	}
	return true;
}

static void start(const struct cie *of, u32 at, u32 end)
{
	cie = of;
	reader = (struct reader){ .bytes = of->section->bytes, .at = at, .limit = end };
	remembered_count = 0;
	has_changed = true;
}

/* Runs a CIE's own instructions. False if they make no sense. */
static bool initialize(struct cie *of)
{
	if (of->was_run)
		return of->is_good;
	start(of, of->instructions_at, of->instructions_end);
	initial = NULL;
	state = (struct state){ 0 };
	of->was_run = true;
	of->is_good = run(0, 0);
	of->initial = state;
	return of->is_good;
}

void run_fde(const struct fde *fde, u32 size)
{
	if (!initialize(fde->cie)) {
		add_row(0, RULE_NUMBER_UNSUPPORTED + UNSUPPORTED_MALFORMED);
		return;
	}
	start(fde->cie, fde->instructions_at, fde->instructions_end);
	initial = &cie->initial;
	state = *initial;
	if (!run(source.base + fde->start, size))
		add_row(offset, RULE_NUMBER_UNSUPPORTED + UNSUPPORTED_MALFORMED);
	else if (offset < size)
		end_row();
}
