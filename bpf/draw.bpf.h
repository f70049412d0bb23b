/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which of many intervals are taken with their stacks: one of length d with probability min(1, d/T), and it stands for
 * max(d, T). Unbiased, and what it costs is bounded by the time that goes by in them, not by their number.
 */
#ifndef HEARTH_DRAW_BPF_H
#define HEARTH_DRAW_BPF_H

#include "kernel.h"

#define PROBABILITY_ONE (1ULL << 32)
/* Where stacks are taken at the start: the least probability with which they are. */
#define PROBABILITY_MIN (PROBABILITY_ONE / 64)

/* The weight of an interval that is drawn with its end; 0 where it is not drawn. `random`: 32 bits; T is 2^31 at most. */
static __always_inline __u64 draw_weight(__u64 random, __u64 length_ns, __u64 threshold_ns)
{
	if (length_ns >= threshold_ns)
		return length_ns;
	return random * threshold_ns < length_ns << 32 ? threshold_ns : 0;
}

/* With which probability stacks are to be taken at the start of an interval, in 2^-32, where those before were so long. */
static __always_inline __u64 early_probability(__u64 expected_ns, __u64 threshold_ns)
{
	__u64 probability = PROBABILITY_ONE;

	if (expected_ns < threshold_ns)
		probability = (expected_ns << 32) / threshold_ns;
	return probability < PROBABILITY_MIN ? PROBABILITY_MIN : probability;
}

/* What to expect after one of this length. Up at once, down slowly: to take too few stacks costs more than too many. */
static __always_inline __u64 expected_after(__u64 expected_ns, __u64 length_ns)
{
	return length_ns > expected_ns ? length_ns : expected_ns - (expected_ns - length_ns) / 8;
}

/*
 * The same as `draw_weight` where stacks were taken at the start with probability p, which may be too small for this length:
 * those that have none can't be drawn any more, so the others count for more, length / min(p, length / T). That too is
 * unbiased; but an interval far longer than those before has few that stand for it, and so a large error.
 */
static __always_inline __u64 draw_early_weight(__u64 random, __u64 probability, __u64 length_ns, __u64 threshold_ns)
{
	__u64 wanted;

	if (probability == 0 || threshold_ns == 0)
		return 0;
	wanted = length_ns >= threshold_ns ? PROBABILITY_ONE : (length_ns << 32) / threshold_ns;
	if (wanted >= probability) {
		/* length * 2^32 / p without overflow: p is 2^26 at least. */
		return length_ns * ((PROBABILITY_ONE << 16) / probability) >> 16;
	}
	return random * probability < wanted << 32 ? threshold_ns : 0;
}

#endif
