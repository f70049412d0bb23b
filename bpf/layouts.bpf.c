// SPDX-License-Identifier: GPL-2.0
/* Never loaded: its BTF holds everything that hearth.h and latency.h define, for the test that compares it with the TypeScript side. */
#include <linux/types.h>
#include "hearth.h"
#include "latency.h"

struct record_sample sample_record;
struct record_stack stack_record;
struct record_fork fork_record;
struct record_exec exec_record;
struct record_exit exit_record;
struct record_rename rename_record;
struct record_cgroup cgroup_record;
struct record_wait wait_record;
struct record_wait_stack wait_stack_record;
struct record_thread thread_record;
struct record_open_wait open_wait_record;
struct configuration configuration;
struct off_cpu_configuration off_cpu_configuration;
enum thread_state thread_state;
enum record_type record_type;
enum stack_end stack_end;
enum counter counter;
enum filter_kind filter_kind;
struct latency_slot latency_slot;
struct record_latency latency_record;
struct latency_stack_configuration latency_stack_configuration;
struct latency_control latency_control;
enum latency_limit latency_limit;
enum latency_kind latency_kind;
enum file_operation file_operation;
enum futex_operation futex_operation;
enum futex_outcome futex_outcome;
enum fault_access fault_access;
enum fault_outcome fault_outcome;
enum latency_mode latency_mode;
