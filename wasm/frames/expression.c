// SPDX-License-Identifier: Apache-2.0
/* DWARF expressions (DWARF 5, 2.5) in call frame instructions. None is evaluated: a few shapes are known. */
#include "frames.h"

enum op {
	OP_DEREF = 0x06,
	OP_CONST1U = 0x08,
	OP_CONST1S = 0x09,
	OP_CONST2U = 0x0a,
	OP_CONST2S = 0x0b,
	OP_CONST4U = 0x0c,
	OP_CONST4S = 0x0d,
	OP_CONSTU = 0x10,
	OP_CONSTS = 0x11,
	OP_AND = 0x1a,
	OP_MINUS = 0x1c,
	OP_PLUS = 0x22,
	OP_PLUS_UCONST = 0x23,
	OP_SHL = 0x24,
	OP_GE = 0x2a,
	OP_LIT0 = 0x30,
	OP_LIT31 = 0x4f,
	OP_BREG0 = 0x70,
	OP_BREG31 = 0x8f,
	OP_BREGX = 0x92,
};

/* `rsp + 8 + ((rip & 15) >= n ? 8 : 0)`; every linker writes it in these bytes, n depending on the kind of table. */
static bool is_plt(const u8 *bytes, u32 length)
{
	return length == 11 && bytes[0] == OP_BREG0 + 7 && bytes[1] == 8 &&
	       bytes[2] == OP_BREG0 + source.machine.instruction_pointer && bytes[3] == 0 && bytes[4] == OP_LIT0 + 15 &&
	       bytes[5] == OP_AND && bytes[6] >= OP_LIT0 && bytes[6] <= OP_LIT0 + 15 && bytes[7] == OP_GE &&
	       bytes[8] == OP_LIT0 + 3 && bytes[9] == OP_SHL && bytes[10] == OP_PLUS;
}

static bool read_constant(struct reader *reader, u8 op, s64 *constant)
{
	if (op >= OP_LIT0 && op <= OP_LIT31) {
		*constant = op - OP_LIT0;
		return true;
	}
	switch (op) {
	case OP_CONST1U:
		*constant = read_u8(reader);
		return true;
	case OP_CONST1S:
		*constant = (signed char)read_u8(reader);
		return true;
	case OP_CONST2U:
		*constant = read_u16(reader);
		return true;
	case OP_CONST2S:
		*constant = (s16)read_u16(reader);
		return true;
	case OP_CONST4U:
		*constant = read_u32(reader);
		return true;
	case OP_CONST4S:
		*constant = (s32)read_u32(reader);
		return true;
	case OP_CONSTU:
		*constant = read_uleb(reader);
		return true;
	case OP_CONSTS:
		*constant = read_sleb(reader);
		return true;
	default:
		return false;
	}
}

/* A sum of a register and constants, perhaps read from memory there and with others added to what was read. */
static struct expression read_sum(struct reader *reader)
{
	struct expression unknown = { .shape = CFA_UNKNOWN_EXPRESSION };
	struct expression expression = { .shape = CFA_SUM };
	u8 first = read_u8(reader);
	if (first >= OP_BREG0 && first <= OP_BREG31)
		expression.base = first - OP_BREG0;
	else if (first == OP_BREGX) {
		s64 number = read_uleb(reader);
		if (number > 0xffff)
			return unknown;
		expression.base = number;
	} else
		return unknown;
	s64 sum = read_sleb(reader);
	while (reader->at < reader->limit) {
		u8 op = read_u8(reader);
		s64 constant;
		if (op == OP_DEREF) {
			if (expression.shape == CFA_DEREFERENCED)
				return unknown;
			expression.shape = CFA_DEREFERENCED;
			if (sum != (s32)sum)
				return (struct expression){ .shape = CFA_OUT_OF_RANGE };
			expression.offset = sum;
			sum = 0;
		} else if (op == OP_PLUS_UCONST) {
			sum += read_uleb(reader);
		} else {
			if (!read_constant(reader, op, &constant))
				return unknown;
			u8 sign = read_u8(reader);
			if (sign != OP_PLUS && sign != OP_MINUS)
				return unknown;
			sum += sign == OP_PLUS ? constant : -constant;
		}
		if (sum > MAX_LEB || sum < -MAX_LEB)
			return (struct expression){ .shape = CFA_OUT_OF_RANGE };
	}
	if (reader->overrun)
		return unknown;
	if (sum != (s32)sum)
		return (struct expression){ .shape = CFA_OUT_OF_RANGE };
	if (expression.shape == CFA_SUM)
		expression.offset = sum;
	else
		expression.offset2 = sum;
	return expression;
}

struct expression read_expression(struct reader *reader)
{
	struct expression expression = { .shape = CFA_UNKNOWN_EXPRESSION };
	u64 length = read_uleb(reader);
	struct reader inner = *reader;
	skip(reader, length);
	if (reader->overrun)
		return expression;
	inner.limit = reader->at;
	const u8 *bytes = inner.bytes + inner.at;
	if (is_plt(bytes, length))
		return (struct expression){ .shape = CFA_PLT, .base = 7, .offset = bytes[6] - OP_LIT0 };
	return read_sum(&inner);
}
