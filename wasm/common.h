/* SPDX-License-Identifier: Apache-2.0 */
/* What all modules of WebAssembly share. There is no C library. */
#ifndef HEARTH_COMMON_H
#define HEARTH_COMMON_H

#include <stdbool.h>
#include <stddef.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef short s16;
typedef int s32;
typedef long long s64;

#define EXPORT(name) __attribute__((export_name(#name))) name
#define IMPORT(module, name) __attribute__((import_module(#module), import_name(#name))) name

/*
 * Sorts by the upper half, which is `largest` at most, digit by digit; what is equal stays in its order. Returns which of
 * the two has the result.
 */
u64 *sort_by_upper_half(u64 *from, u64 *to, u32 count, u32 largest);

#endif
