/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What the rules of unwind tables say: as wasm/frames writes them, and BPF reads them. RuleKind, FpRule, RaRule in server/agent/unwind/format.ts. */
#ifndef HEARTH_UNWIND_RULES_H
#define HEARTH_UNWIND_RULES_H

enum rule_kind {
	RULE_NO_ROW,
	RULE_END,
	RULE_UNSUPPORTED,
	RULE_FRAME_POINTER,
	RULE_CFA_SP,
	RULE_CFA_FP,
	RULE_CFA_REGISTER,
	RULE_CFA_SP_DEREF,
	RULE_CFA_FP_DEREF,
	RULE_PLT,
	RULE_SIGNAL,
	RULE_CFA_SP_BASE,
	RULE_CFA_FP_BASE,
};

enum fp_rule {
	FP_SAME,
	FP_AT_CFA,
	FP_AT_FP,
	FP_AT_SP,
	FP_UNKNOWN,
};

/* Where the return address is: the high four bits of a rule's `recovery`. */
enum ra_rule {
	RA_BELOW_CFA,
	RA_AFTER_FP,
	RA_AT_CFA,
	RA_LINK_REGISTER,
	RA_REGISTER,
};

#endif
