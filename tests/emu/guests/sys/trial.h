/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trial.h - what the guests that try the processor's system side share
 *
 * A trial loads all registers by IRET, runs a snippet and comes back by the
 * first exception or interrupt that it raises: a snippet that ends well ends
 * in INT 0xf0 (DONE).  What was seen is compared with what the SDM says, in
 * the guest, so that the same program judges every emulator and processor.
 *
 * Each case is a line on port 0xe9: "NAME ok" or "NAME FAIL got X want Y";
 * the last line is "done CASES FAILED".  Then isa-debug-exit ends the machine.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>
#include <stdint.h>

typedef unsigned long word;	/* as wide as a register */

enum { DONE = 0xf0 };
enum {
	DE, DB, NMI, BP, OF, BR, UD, NM, DF, TS = 10, NP, SS, GP, PF,
	MF = 16, AC, MC, XM
};

struct state {			/* trial.S knows the offsets */
	word gpr[sizeof(word) == 8 ? 16 : 8];	/* in encoding order */
	word vector, error;
	word ip, cs, flags, sp, ss;
	word cr2;
	word es, ds, fs, gs;	/* 32-bit guests */
};

/* What came of the last trial. */
extern struct state seen;

/* Runs from *s; true if it ended by INT 0xf0. */
bool trial(const struct state *s);
extern void trial_enter(const struct state *s);

/* Where set, called for each exception; true: go on from *s. */
extern bool (*on_trap)(struct state *s);

void say(const char *fmt, ...);	/* %s %x %d, %X: a word */
void check(const char *name, word got, word want);
/* The last trial raised this: vector << 32 | error, DONE << 32 | 0. */
#define RAISED(v, e) ((uint64_t)(v) << 16 | (e))
void check_raised(const char *name, unsigned vector, unsigned error);
_Noreturn void finish(void);

void outb(uint16_t port, uint8_t v);
uint8_t inb(uint16_t port);

/* Code for a trial, that ends by DONE. */
#ifdef __x86_64__
#define SNIP_HOST ".code64"
#else
#define SNIP_HOST ".code32"
#endif
#define SNIP_BITS(bits, name, text)					\
	extern const char name[], name##_end[];				\
	__asm__(".pushsection .snippets, \"awx\", @progbits\n"		\
	    ".code" #bits "\n" #name ":\n" text "\n"			\
	    "\tint $0xf0\n" #name "_end:\n"				\
	    SNIP_HOST "\n.popsection\n")
#endif
