/* SPDX-License-Identifier: GPL-2.0 */
/* What the agent tells latency programs while they run. */
#ifndef HEARTH_LATENCY_CONTROL_BPF_H
#define HEARTH_LATENCY_CONTROL_BPF_H

#include "kernel.h"
#include "latency.h"

/* In a section of its own, which the agent writes to while programs run, and which they read without a look-up. */
volatile struct latency_control latency_control SEC(".data.control") = {.one_in = 1};

/* Waits are counted by one of two objects: whether one that ends now is this one's. */
static __always_inline bool counts_at(__u64 now)
{
	return now >= latency_control.from_ns && now < latency_control.until_ns;
}

#endif
