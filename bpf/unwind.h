/* SPDX-License-Identifier: GPL-2.0 */
/* The unwind tables as BPF reads them. server/agent/unwind/format.ts documents the layout, and is its other side. */
#ifndef HEARTH_UNWIND_H
#define HEARTH_UNWIND_H

#include "unwind-rules.h"

/* Sizes of the arrays that all modules share; each array is one map value, so that an access is one bound check. */
#define UNWIND_MODULES 4096
#define UNWIND_PAGES (1 << 17)
#define UNWIND_ROWS (1 << 23)
#define UNWIND_RULES (1 << 16)
#define UNWIND_SEGMENTS (1 << 16)

enum module_state {
	MODULE_ABSENT,
	MODULE_PENDING,
	MODULE_READY,
	MODULE_EVICTED,
	MODULE_NO_TABLE,
	MODULE_NO_ROOM,
};

/* In a rule's `recovery`: what the caller had in BASE_REGISTER is known. */
#define KNOWS_BASE 8

struct unwind_rule {
	__u8 kind;
	__u8 recovery;		/* enum fp_rule, KNOWS_BASE, and the return address's rule above it */
	__s16 fp_offset;
	__s32 parameter;
};

struct unwind_module {
	__u32 state;		/* enum module_state in the low 8 bits, a generation above */
	__u32 base_page;
	__u32 page_count;
	__u32 first_page;
};

/* An executable mapping of a process: address in the module = ip - bias. */
struct unwind_segment {
	__u64 start;
	__u64 end;
	__u64 bias;
	__u32 module;
	__u32 checked;		/* BPF's: see is_replaced; 0 when it is written */
};

/* A file that is a module, as a mapping shows it. */
struct unwind_file {
	__u64 inode;
	__u64 size;
	__u64 modified_ns;	/* a number is given to another file as soon as one is deleted */
	__u32 device;		/* the kernel's encoding: major << 20 | minor */
	__u32 padding;
};

/* Address in the module = offset in the file + `shift`. */
struct unwind_file_module {
	__u64 shift;
	__u32 module;
	__u32 padding;
};

/* A process's mappings: `count` segments from `first`, by address. */
struct unwind_process {
	__u32 first;
	__u32 count;
};

#endif
