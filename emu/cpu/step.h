/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * step.h - a processor without a machine, one instruction at a time
 *
 * The debugging door --cpu-step, and what tests of single instructions stand
 * on.
 */
#ifndef CPU_STEP_H
#define CPU_STEP_H

#include <stdio.h>

#include "cpu/interp.h"
#include "cpu/state.h"

/* Memory, ports nobody answers, and one processor of this model. */
struct step_bench {
	struct board *board;
	struct mem *mem;
	struct bus *bus;
	struct cpu_model *model;
	struct cpu *cpu;
	uint8_t *ram;		/* its host address */
	uint64_t ram_size;
};
int step_bench_init(struct step_bench *, const char *model, struct error *err);
void step_bench_fini(struct step_bench *);

/*
 * Registers as at the start of a program of 16, 32 or 64 bits that runs at
 * CPL 0 with flat segments (16: real mode), x87 and SSE ready.  In 64-bit mode
 * the first 512 GiB are mapped to themselves by tables at the end of RAM.
 */
void step_bench_mode(struct step_bench *, unsigned bits);

/*
 * Lines of "R name=hex ... ; M address=hexbytes ..." from in: sets these on top
 * of what was (the first line begins in 64-bit mode; R mode=16|32|64 begins
 * anew), executes one instruction, and writes to out what it changed in the
 * same form, or "X vector error" first if it raised an exception.  Exit code.
 */
int step_main(FILE *in, FILE *out, struct error *err);

#endif
