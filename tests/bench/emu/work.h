/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * work.h - what a guest is given to do, and how long it takes
 *
 * A workload is a function that does its work n times and returns a number
 * that depends on all of it: the same on every processor, so that a fast and
 * wrong emulator does not go unnoticed.  0 is "nothing to compare".
 */
#ifndef WORK_H
#define WORK_H

#include <stddef.h>
#include <stdint.h>

struct work {
	const char *name;
	const char *kind;	/* the class whose mean it counts in */
	uint64_t (*run)(unsigned n);
	unsigned n;		/* some half a second in the peer's machine */
};

/* Each ends with an entry without a name. */
extern const struct work integer_work[], string_work[], float_work[],
    system_work[], code_work[], disk_work[];

/* Fixed pseudo-random numbers. */
static inline uint32_t work_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Makes the compiler believe that memory may have changed here. */
#define work_barrier() __asm__ volatile("" ::: "memory")

_Noreturn void work_fail(const char *what);

#endif
