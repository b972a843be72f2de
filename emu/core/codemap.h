/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * codemap.h - which lines of guest memory processors hold decoded code of
 *
 * The part of mem.h that is about code; mem.c hands it on.  Any thread.
 */
#ifndef CORE_CODEMAP_H
#define CORE_CODEMAP_H

#include <stdbool.h>
#include <stdint.h>

struct codemap;

struct codemap *codemap_new(uint64_t ram_size);	/* NULL: no memory */
void codemap_free(struct codemap *);		/* NULL is allowed */

/* As mem_code_add(), mem_code_drop(), mem_has_code(), mem_code_lines(). */
bool codemap_add(struct codemap *, uint64_t frame, uint64_t lines,
    unsigned cpu);
void codemap_drop(struct codemap *, uint64_t frame, unsigned cpu);
bool codemap_has(const struct codemap *, uint64_t frame);
uint64_t codemap_lines(const struct codemap *, uint64_t frame);

/* Calls hit() for each page of [gpa, gpa + len) with the lines that are both
 * in the range and decoded. */
void codemap_written(struct codemap *, uint64_t gpa, uint64_t len,
    void (*hit)(void *opaque, uint64_t frame, uint64_t lines), void *opaque);

#endif
