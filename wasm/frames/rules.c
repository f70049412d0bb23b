// SPDX-License-Identifier: Apache-2.0
/* From the state of a frame to a rule of the table, and the different rules. server/agent/unwind/format.ts documents them. */
#include "frames.h"
#include "../../bpf/unwind-rules.h"

#define MAX_RULES 65536
#define SPECIAL_RULES 16

#define KNOWS_BASE (1 << 11)

/* In an entry of a procedure linkage table, the jump to the dynamic linker is here, behind a push. */
#define PLT_PUSHED 11
/* Registers whose numbers rules can have. */
#define MAX_RULE_REGISTER 31

u64 rules[MAX_RULES];
u32 rule_count;
bool needs_base;

/* Open addressing; the number + 1 of a rule, 0 where free. */
static u32 slots[2 * MAX_RULES];

static u32 low_word(enum rule_kind kind, enum fp_rule fp, enum ra_rule ra, s32 fp_offset, u32 knows_base)
{
	return kind | fp << 8 | knows_base | ra << 12 | (u32)fp_offset << 16;
}

static u32 offset_pair(s32 low, s32 high)
{
	return (low & 0xffff) | (u32)high << 16;
}

static u32 intern(u32 low, u32 parameter)
{
	u64 rule = (u64)parameter << 32 | low;
	u32 slot = (rule * 0x9e3779b97f4a7c15) >> 47;
	for (; slots[slot]; slot = (slot + 1) % (2 * MAX_RULES))
		if (rules[slots[slot] - 1] == rule)
			return slots[slot] - 1;
	if (rule_count == MAX_RULES)
		return RULE_NUMBER_UNSUPPORTED + UNSUPPORTED_TOO_MANY_RULES;
	rules[rule_count] = rule;
	slots[slot] = ++rule_count;
	return rule_count - 1;
}

void clear_rules(void)
{
	if (rule_count > 0)
		__builtin_memset(slots, 0, sizeof(slots));
	for (u32 i = 0; i < SPECIAL_RULES; i++)
		rules[i] = RULE_NO_ROW;
	rules[RULE_NUMBER_END] = RULE_END;
	rules[RULE_NUMBER_FRAME_POINTER] = RULE_FRAME_POINTER;
	for (u32 reason = 0; reason < UNSUPPORTED_REASONS; reason++)
		rules[RULE_NUMBER_UNSUPPORTED + reason] = low_word(RULE_UNSUPPORTED, 0, 0, reason, 0);
	rule_count = SPECIAL_RULES;
	needs_base = false;
}

static bool is_s16(s32 value)
{
	return value == (s16)value;
}

static u32 unsupported(enum unsupported_reason reason)
{
	return RULE_NUMBER_UNSUPPORTED + reason;
}

/*
 * The trampoline to which a signal handler returns. Where its expressions say what they should, its offsets are taken from
 * them, else the kernel's are: nothing else is marked as a signal frame.
 */
static u32 signal_rule(const struct state *state)
{
	const struct machine *machine = &source.machine;
	s32 sp = machine->stack_pointer;
	const struct saved *ra = &state->return_address, *fp = &state->frame_pointer;
	bool is_described = state->cfa == CFA_DEREFERENCED && state->cfa_register == sp && state->cfa_offset2 == 0 &&
			    ra->kind == SAVED_AT_REGISTER && ra->in == sp && fp->kind == SAVED_AT_REGISTER && fp->in == sp;
	s32 sp_at = is_described ? state->cfa_offset : machine->signal_stack_pointer;
	s32 ip_at = is_described ? ra->offset : machine->signal_instruction_pointer;
	s32 fp_at = is_described ? fp->offset : machine->signal_frame_pointer;
	if (!is_s16(sp_at) || !is_s16(ip_at) || !is_s16(fp_at))
		return unsupported(UNSUPPORTED_OFFSET_RANGE);
	u32 knows_base = machine->base_register >= 0 ? KNOWS_BASE : 0;
	return intern(low_word(RULE_SIGNAL, FP_AT_SP, RA_BELOW_CFA, fp_at, knows_base), offset_pair(sp_at, ip_at));
}

static enum fp_rule fp_rule_of(const struct saved *fp)
{
	switch (fp->kind) {
	case SAVED_UNSPECIFIED:
	case SAVED_SAME:
		return FP_SAME;
	case SAVED_AT_CFA:
		return FP_AT_CFA;
	case SAVED_AT_REGISTER:
		if (fp->in == source.machine.frame_pointer)
			return FP_AT_FP;
		return fp->in == source.machine.stack_pointer ? FP_AT_SP : FP_UNKNOWN;
	default:
		return FP_UNKNOWN;
	}
}

/* Of a CFA that is the stack or frame pointer and an offset: with what becomes of the base register, where that is followed. */
static u32 usual_rule(const struct state *state, enum fp_rule fp, enum ra_rule ra, s32 fp_offset)
{
	bool is_sp = state->cfa_register == source.machine.stack_pointer;
	enum rule_kind kind = is_sp ? RULE_CFA_SP : RULE_CFA_FP;
	const struct saved *base = &state->base_register;
	s32 offset = state->cfa_offset;
	if (follows_base && (ra == RA_BELOW_CFA || ra == RA_LINK_REGISTER)) {
		if (base->kind == SAVED_UNSPECIFIED || base->kind == SAVED_SAME)
			return intern(low_word(kind, fp, ra, fp_offset, KNOWS_BASE), offset);
		if (base->kind == SAVED_AT_CFA && is_s16(offset) && is_s16(base->offset))
			return intern(low_word(is_sp ? RULE_CFA_SP_BASE : RULE_CFA_FP_BASE, fp, ra, fp_offset, KNOWS_BASE),
				      offset_pair(offset, base->offset));
	}
	return intern(low_word(kind, fp, ra, fp_offset, 0), offset);
}

u32 rule_of(const struct state *state, bool is_signal_frame)
{
	const struct machine *machine = &source.machine;
	const struct saved *saved_ra = &state->return_address;
	s32 cfa_register = state->cfa_register;
	s32 offset = state->cfa_offset, offset2 = state->cfa_offset2;
	if (is_signal_frame)
		return signal_rule(state);
	needs_base |= state->cfa == CFA_SUM && cfa_register == machine->base_register;
	if (saved_ra->kind == SAVED_UNDEFINED)
		return RULE_NUMBER_END;

	enum fp_rule fp = fp_rule_of(&state->frame_pointer);
	s32 fp_offset = fp == FP_SAME || fp == FP_UNKNOWN ? 0 : state->frame_pointer.offset;
	enum ra_rule ra = RA_BELOW_CFA;
	if (saved_ra->kind == SAVED_IN_REGISTER && saved_ra->in <= MAX_RULE_REGISTER) {
		if (fp != FP_SAME)
			fp = FP_UNKNOWN;
		ra = RA_REGISTER;
		fp_offset = saved_ra->in;
	} else if (machine->has_link_register) {
		if (saved_ra->kind == SAVED_UNSPECIFIED || saved_ra->kind == SAVED_SAME) {
			ra = RA_LINK_REGISTER;
		} else if (saved_ra->kind != SAVED_AT_CFA) {
			return unsupported(UNSUPPORTED_RETURN_ADDRESS);
		} else if (fp == FP_AT_CFA && saved_ra->offset == (s64)fp_offset + 8) {
			ra = RA_AFTER_FP;
		} else {
			/* There is one offset only: the return address needs it more. */
			if (fp != FP_SAME)
				fp = FP_UNKNOWN;
			ra = RA_AT_CFA;
			fp_offset = saved_ra->offset;
		}
	} else if (saved_ra->kind != SAVED_AT_CFA || saved_ra->offset != -8) {
		return unsupported(UNSUPPORTED_RETURN_ADDRESS);
	}
	if (!is_s16(fp_offset)) {
		if (ra != RA_BELOW_CFA && ra != RA_LINK_REGISTER)
			return unsupported(UNSUPPORTED_OFFSET_RANGE);
		fp = FP_UNKNOWN;
		fp_offset = 0;
	}

	bool is_sp = cfa_register == machine->stack_pointer;
	bool is_fp = cfa_register == machine->frame_pointer;
	switch (state->cfa) {
	case CFA_SUM:
		if (is_sp || is_fp)
			return usual_rule(state, fp, ra, fp_offset);
		if (cfa_register > MAX_RULE_REGISTER)
			return unsupported(UNSUPPORTED_EXPRESSION);
		if (offset < -(1 << 23) || offset >= 1 << 23)
			return unsupported(UNSUPPORTED_OFFSET_RANGE);
		return intern(low_word(RULE_CFA_REGISTER, fp, ra, fp_offset, 0), cfa_register | (u32)offset << 8);
	case CFA_DEREFERENCED:
		if (!is_sp && !is_fp)
			return unsupported(UNSUPPORTED_EXPRESSION);
		if (!is_s16(offset) || !is_s16(offset2))
			return unsupported(UNSUPPORTED_OFFSET_RANGE);
		return intern(low_word(is_sp ? RULE_CFA_SP_DEREF : RULE_CFA_FP_DEREF, fp, ra, fp_offset, 0),
			      offset_pair(offset, offset2));
	case CFA_PLT:
		return intern(low_word(RULE_PLT, fp, ra, fp_offset, 0), offset);
	case CFA_OUT_OF_RANGE:
		return unsupported(UNSUPPORTED_OFFSET_RANGE);
	case CFA_UNDEFINED:
		return unsupported(UNSUPPORTED_MALFORMED);
	default:
		return unsupported(UNSUPPORTED_EXPRESSION);
	}
}

u32 plt_rule(void)
{
	return intern(low_word(RULE_PLT, FP_SAME, RA_BELOW_CFA, 0, 0), PLT_PUSHED);
}

/* Rows that can be followed in a leaf frame only. */
static bool is_leaf_only(u64 rule)
{
	bool is_of_register = (rule & 0xff) == RULE_CFA_REGISTER;
	s32 in = rule >> 32 & 0xff;
	return (is_of_register && in != source.machine.base_register) || (rule >> 12 & 15) == RA_REGISTER;
}

void count_rules(const u32 *rows, u32 row_count, struct counts *counts)
{
	static u32 rows_of_rule[MAX_RULES];
	for (u32 i = 0; i < row_count; i++)
		rows_of_rule[rows[i] & 0xffff]++;
	for (u32 i = 0; i < rule_count; i++) {
		u64 rule = rules[i];
		if ((rule & 0xff) == RULE_UNSUPPORTED)
			counts->unsupported_rows[rule >> 16 & 0xffff] += rows_of_rule[i];
		else if (is_leaf_only(rule))
			counts->leaf_rows += rows_of_rule[i];
		if ((rule >> 8 & 7) == FP_UNKNOWN)
			counts->lost_fp_rows += rows_of_rule[i];
	}
}
