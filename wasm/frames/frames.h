/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From call frame information to an unwind table, for server/agent/unwind/frame-compiler.ts: what the parts know of each
 * other. A large program has a hundred thousand frames, and its table is made once: JavaScript would be interpreted for most
 * of that, and V8 would compile it for longer than it runs.
 *
 *   entries.c   sections -> CIEs and FDEs
 *   cfa.c       an FDE's instructions -> states, each from an offset on
 *   rules.c     a state -> the number of a rule
 *   rows.c      addresses and rules, rising -> rows and pages
 *   table.c     all of it, in the order of the code, with what is between the FDEs
 *
 * Nothing in a section is trusted. What can't go on is refused: that throws in JavaScript, and ends the call.
 */
#ifndef HEARTH_FRAMES_H
#define HEARTH_FRAMES_H

#include "reader.h"

/* What differs from one machine to the next; DWARF's register numbers. Machine in machine.ts. */
struct machine {
	s32 stack_pointer, frame_pointer, instruction_pointer;
	/* -1: there is none. */
	s32 base_register;
	s32 has_link_register;
	/* Offsets from the stack pointer in the signal return trampoline. */
	s32 signal_stack_pointer, signal_instruction_pointer, signal_frame_pointer;
};

enum {
	SECTION_EH_FRAME = 1,
	/* The bytes go on behind the section: its terminator ends it. */
	SECTION_ENDS_AT_TERMINATOR = 2,
	SECTION_HAS_TEXT_BASE = 4,
	SECTION_HAS_DATA_BASE = 8,
};

/* A section with frame entries, and what its pointers are relative to. */
struct section {
	const u8 *bytes;
	u32 length;
	u32 flags;
	u32 unused;
	/* Where the section is in the file's address space. */
	s64 address;
	s64 text_base;
	s64 data_base;
};

/* Code, in offsets from the base. */
struct range {
	s64 start, end;
};

/* Code that no FDE may cover, and its rule then. */
struct bare_code {
	struct range range;
	u32 rule;
	u32 unused;
};

struct limits {
	u32 fdes;
	u32 rows;
};

/* What there is to compile. Addresses are offsets from `base`, which is the start of a page. */
struct source {
	struct machine machine;
	struct limits limits;
	s64 base;
	/* Of the ELF header: nothing there is code, but FDEs of functions that the linker dropped point there. */
	s64 header_start;
	const struct range *ranges;
	u32 range_count;
	const struct bare_code *bare;
	u32 bare_count;
};
extern struct source source;

enum refusal {
	REFUSED_FDES,
	REFUSED_CIES,
	REFUSED_ROWS,
	REFUSED_PAGES,
};
_Noreturn void IMPORT(host, refuse)(enum refusal what);
/* Refuses when the time is over. */
void IMPORT(host, check_time)(void);
/* The 8 bytes that the file has at an address; NO_POINTER where it has none. */
s64 IMPORT(host, pointer_at)(s64 address);
#define NO_POINTER ((s64)(1ULL << 63))

/* New memory at the end of all, zeroed, on an address that is a multiple of 16. Nothing is ever freed. */
void *allocate(u32 bytes);
/* Makes room for `bytes` behind what was allocated last. */
void extend(u32 bytes);

/* What is known of where a register of the caller is. */
enum saved_kind {
	/* No instruction names it. */
	SAVED_UNSPECIFIED,
	SAVED_SAME,
	SAVED_UNDEFINED,
	/* At CFA + offset. */
	SAVED_AT_CFA,
	/* At `in` + offset. */
	SAVED_AT_REGISTER,
	/* In register `in`. */
	SAVED_IN_REGISTER,
	/* A value derived from the CFA, or by an expression of no known shape. */
	SAVED_ELSEWHERE,
};

struct saved {
	enum saved_kind kind;
	s32 in;
	s32 offset;
};

enum cfa_kind {
	CFA_UNDEFINED,
	/* register + offset */
	CFA_SUM,
	/* *(register + offset) + offset2 */
	CFA_DEREFERENCED,
	/* A procedure linkage table's: from `offset` in an entry of 16 bytes on, 8 bytes more are on the stack. */
	CFA_PLT,
	CFA_UNKNOWN_EXPRESSION,
	/* An offset is larger than 32 bits. */
	CFA_OUT_OF_RANGE,
};

/* What an expression of call frame instructions was recognized as; offsets as in `state`. */
struct expression {
	enum cfa_kind shape;
	s32 base;
	s32 offset, offset2;
};
/* Reads an expression behind its length. */
struct expression read_expression(struct reader *reader);

/* What an unwinder that tracks stack, frame and instruction pointer, and perhaps the base register, has to know. */
struct state {
	enum cfa_kind cfa;
	s32 cfa_register;
	s32 cfa_offset, cfa_offset2;
	struct saved frame_pointer, return_address, base_register;
};

struct cie {
	const struct section *section;
	s32 code_align, data_align;
	s32 return_address;
	/* DW_EH_PE_*, of the FDEs' addresses and of DW_CFA_set_loc. */
	u8 pointer_encoding;
	/* FDEs have augmentation data of their own ("z"). */
	bool has_augmentation;
	bool is_signal_frame;
	/* Its own instructions were run; they make sense. */
	bool was_run, is_good;
	u32 instructions_at, instructions_end;
	/* After its own instructions. */
	struct state initial;
};

struct fde {
	/* Offset from the base, and bytes of code. */
	u32 start, size;
	struct cie *cie;
	u32 instructions_at, instructions_end;
};

/* FDEs in the order in which they were found. */
extern struct fde *fdes;
extern u32 fde_count;
/* The first are from .eh_frame, the others from .debug_frame. */
extern u32 eh_fde_count;
/* Entries that can't be used: damaged, or not of the file's code. */
extern u32 skipped_fdes;

/* A pointer in one of the DW_EH_PE_* encodings, as an address; NO_POINTER where it can't be known from the file. */
s64 read_pointer(struct reader *reader, const struct section *section, u8 encoding);

/* Whether states have the base register. */
extern bool follows_base;
/* Forgets what was found of CIEs when the base register was not followed, or was. */
void forget_initial_states(void);
/*
 * Gives the rows of an FDE's code of `size` bytes to add_row. `size` is below 2^31. Rows have offsets that rise and are
 * less than `size`.
 */
void run_fde(const struct fde *fde, u32 size);

/* Rules with a fixed number. SpecialRule in format.ts. */
enum special_rule {
	RULE_NUMBER_NO_ROW = 0,
	RULE_NUMBER_END = 1,
	RULE_NUMBER_FRAME_POINTER = 2,
	RULE_NUMBER_UNSUPPORTED = 3,
};

/* UnsupportedReason in format.ts. */
enum unsupported_reason {
	UNSUPPORTED_EXPRESSION = 1,
	UNSUPPORTED_RETURN_ADDRESS,
	UNSUPPORTED_OFFSET_RANGE,
	UNSUPPORTED_MALFORMED,
	UNSUPPORTED_TOO_MANY_RULES,
	UNSUPPORTED_REASONS,
};

/* The different rules, in the order in which they came; low words and parameters. */
extern u64 rules[];
extern u32 rule_count;
void clear_rules(void);
/* The number of the rule that a state is. */
u32 rule_of(const struct state *state, bool is_signal_frame);
/* The number of the rule for entries of procedure linkage tables without frames. */
u32 plt_rule(void);
/* Some code has its CFA in the base register: what that calls can only be followed by rules that know it. */
extern bool needs_base;

/* What became of the frames: UnwindCounts in format.ts. */
struct counts {
	u32 leaf_rows, lost_fp_rows;
	u32 unsupported_rows[UNSUPPORTED_REASONS];
};
void count_rules(const u32 *rows, u32 row_count, struct counts *counts);

extern u32 *rows;
extern u32 row_count;
extern u32 pages[];
extern u32 page_count;
extern u32 base_page;
void clear_rows(void);
/* Offsets of add_row are from here on. */
void begin_rows(s64 address);
/* From there on, until the next call, the rule holds. Addresses rise; of equal ones the last counts. */
void add_row(u32 offset, u32 rule);
void add_row_at(s64 address, u32 rule);
/* `end`: behind the last address that has a rule. */
void end_rows(s64 end);

#endif
