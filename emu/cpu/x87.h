/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87.h - what the handlers of x87 instructions share
 *
 * The guest's registers lie in cpu.fpr, 80 bits each; an operation loads its
 * operands into the host's empty stack, runs the host's instruction and stores
 * the result, so between two handlers the host's stack is empty with TOP 0.
 * The host's control word is the guest's with all exceptions masked, and its
 * flags gather since the guest's were last cleared.
 *
 * To ask the host for its status word costs more than an addition, so quick
 * handlers leave that for later: X87_LAZY_FLAGS says that the host may have
 * flags that cpu.fsw lacks, X87_LAZY_C1 that C1 is not known either.  The
 * host's is lost by then (storing the result cleared it), so the operation is
 * noted with copies of its operands and done again if anybody wants to know.
 * Whoever reads the flags or C1, changes the control word or clears the host's
 * flags calls x87_sync() first.
 *
 * With exceptions unmasked ("open", FP_OPEN_X87) the operation runs under the
 * guest's own control word.  x87 exceptions wait for the next instruction that
 * looks for them, so the flags are read and cleared by instructions that do
 * not, and the result, with the bias that unmasked overflow asks for, is the
 * hardware's (SDM 1, 8.5).
 *
 * The stack, its tags and its faults are kept here, in C.
 */
#ifndef CPU_X87_H
#define CPU_X87_H

#include "cpu/vec.h"

#define SW_IE 0x0001u
#define SW_DE 0x0002u
#define SW_ZE 0x0004u
#define SW_FLAGS 0x003fu
#define SW_SF 0x0040u
#define SW_ES 0x0080u
#define SW_C0 0x0100u
#define SW_C1 0x0200u
#define SW_C2 0x0400u
#define SW_C3 0x4000u
#define SW_CC (SW_C0 | SW_C1 | SW_C2 | SW_C3)
#define SW_B 0x8000u
#define SW_TOP 0x3800u

/* What makes a quick path impossible. */
#define X87_STOPS (FP_STOP_X87 | FP_STOP_ES)
#define X87_SLOW (X87_STOPS | FP_OPEN_X87)

typedef long double f80;

/* Guest memory as an asm operand: of any alignment. */
struct m2 { uint8_t b[2]; };
struct m4 { uint8_t b[4]; };
struct m8 { uint8_t b[8]; };
struct m10 { uint8_t b[10]; };

VEC_INLINE unsigned
x87_phys(const struct cpu *c, unsigned n)
{
	return (((unsigned)c->fsw >> 11) + n) & 7;
}

VEC_INLINE f80 *
x87_at(struct cpu *c, unsigned phys)
{
	return (f80 *)(void *)c->fpr[phys];
}

VEC_INLINE f80 *
x87_st(struct cpu *c, unsigned n)
{
	return x87_at(c, x87_phys(c, n));
}

VEC_INLINE bool
x87_empty(const struct cpu *c, unsigned n)
{
	return !(c->ftw >> x87_phys(c, n) & 1);
}

VEC_INLINE void
x87_pop(struct cpu *c)
{
	c->ftw &= (uint8_t)~(1u << x87_phys(c, 0));
	c->fsw = (c->fsw & ~SW_TOP) | ((c->fsw + 0x0800) & SW_TOP);
}

/* Makes a new top, valid; the caller fills it in. */
VEC_INLINE f80 *
x87_push(struct cpu *c)
{
	unsigned phys = x87_phys(c, 7);

	c->fsw = (uint16_t)((c->fsw & ~SW_TOP) | phys << 11);
	c->ftw |= (uint8_t)(1u << phys);
	return x87_at(c, phys);
}

#define X87_LAZY_FLAGS	1u
#define X87_LAZY_C1	2u
void x87_sync_now(struct cpu *);	/* exec_x87_env.c */
VEC_INLINE void
x87_sync(struct cpu *c)
{
	if (c->x87_lazy)
		x87_sync_now(c);
}

/* An operation is about to be done that may set flags and C1. */
VEC_INLINE void
x87_later(struct cpu *c, uint16_t (*run)(void *, const void *, const void *),
    const void *a)
{
	c->x87_lazy = X87_LAZY_FLAGS | X87_LAZY_C1;
	c->x87_last.run = run;
	_mm_store_si128((__m128i *)c->x87_last.a, vec_load(a));
}

/* Of a host status word: flags are added, C1 (and more of CC) replaced. */
VEC_INLINE void
x87_flags(struct cpu *c, uint16_t sw, unsigned cc)
{
	c->fsw = (uint16_t)((c->fsw & ~cc) | (sw & (cc | SW_FLAGS)));
}

VEC_INLINE void
x87_clear_c1(struct cpu *c)
{
	c->fsw &= (uint16_t)~SW_C1;
	c->x87_lazy &= X87_LAZY_FLAGS;
}

/* --- Slow matters (exec_x87_env.c) --------------------------------------- */

/* #NM, #MF; returns for FERR#. */
void x87_refuse(struct cpu *, const struct insn *);

VEC_INLINE void
x87_check(struct cpu *c, const struct insn *i)
{
	if (unlikely(c->fp_stop & X87_STOPS))
		x87_refuse(c, i);
}

/* FIP, FDP of an instruction that is no control instruction. */
VEC_INLINE void
x87_note(struct cpu *c, const struct insn *i)
{
	c->fip = insn_rip(c, i);
}
VEC_INLINE void
x87_note_mem(struct cpu *c, const struct insn *i)
{
	c->fip = insn_rip(c, i);
	c->fdp = cpu_ea(c, i);
}

/* Exceptions found (flags of SW_FLAGS, SW_SF, SW_C1): noted in the status
 * word; true if any of them is unmasked, and then ES is set. */
bool x87_raise(struct cpu *, const struct insn *, unsigned sw);

/* Stack underflow and overflow: true if the masked answer is to be given. */
static inline bool
x87_underflow(struct cpu *c, const struct insn *i)
{
	x87_clear_c1(c);
	return !x87_raise(c, i, SW_IE | SW_SF);
}
static inline bool
x87_overflow(struct cpu *c, const struct insn *i)
{
	return !x87_raise(c, i, SW_IE | SW_SF | SW_C1);
}

/* The real indefinite (SDM 1, 4.8.3.7). */
static inline void
x87_indefinite(f80 *v)
{
	static const uint8_t bits[10] = {
		0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff
	};

	memcpy(v, bits, 10);
}

/* Before and after an operation of the host under the guest's control word.
 * "begin" gives the word; after the operation's FNSTSW and FNCLEX "end" puts
 * the masked one back. */
static inline void
x87_open_begin(struct cpu *c)
{
	x87_sync(c);
	__asm__ volatile("fnclex; fldcw %0" : : "m" (c->fcw));
}
static inline void
x87_open_end(struct cpu *c)
{
	uint16_t fcw = c->fcw | 0x3f;

	__asm__ volatile("fldcw %0" : : "m" (fcw));
}

/* Unmasked and found before the operation: it did not happen. */
static inline bool
x87_prevented(const struct cpu *c, uint16_t sw)
{
	return sw & ~c->fcw & (SW_IE | SW_DE | SW_ZE);
}

#endif
