/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_x87_move.c - x87 loads, stores, constants, the stack itself
 *
 * Loads and stores of 80 bits and moves within the stack copy bytes; the
 * others convert, by the host (x87.h).
 */
#include "cpu/x87.h"

/* --- Loads --------------------------------------------------------------- */

/* The slow half of every load: a full stack, open exceptions.  Whether the
 * host pushed shows in its TOP, which is then 7. */
static __attribute__((noinline)) void
load_slow(struct cpu *c, const struct insn *i, const void *p,
    uint16_t (*convert)(f80 *, const void *))
{
	uint16_t sw;
	f80 r;

	x87_sync(c);
	if (!x87_empty(c, 7)) {
		if (x87_overflow(c, i))
			x87_indefinite(x87_push(c));
		return;
	}
	x87_clear_c1(c);
	if (c->fp_stop & FP_OPEN_X87) {
		x87_open_begin(c);
		sw = convert(&r, p);
		x87_open_end(c);
		x87_raise(c, i, sw & SW_FLAGS);
		if (!(sw & 0x800))
			return;
	} else {
		x87_flags(c, convert(&r, p), 0);
	}
	memcpy(x87_push(c), &r, 10);
}

#define CONVERT(name, how, type)					\
	static uint16_t							\
	name##_convert(f80 *d, const void *p)				\
	{								\
		uint16_t sw;						\
									\
		__asm__ volatile(how " %2; fnstsw %%ax; fnclex;"	\
		    "testl $0x800, %%eax; jz 1f; fstpt %1; 1:"		\
		    : "=a" (sw), "=m" (*d)				\
		    : "m" (*(const type *)p) : "cc");			\
		return sw;						\
	}
CONVERT(fld32, "flds", struct m4)
CONVERT(fld64, "fldl", struct m8)
CONVERT(fild16, "filds", struct m2)
CONVERT(fild32, "fildl", struct m4)
CONVERT(fild64, "fildll", struct m8)
CONVERT(fld80, "fldt", struct m10)
CONVERT(fbld, "fbld", struct m10)

/* Quick loads: flags says whether the conversion can raise any. */
#define LOAD(name, how, type, n, flags)					\
	static __attribute__((noinline)) void				\
	name(struct cpu *c, const struct insn *i)			\
	{								\
		const void *p;						\
									\
		x87_check(c, i);					\
		p = vec_mem(c, i, n, 1);				\
		x87_note_mem(c, i);					\
		if (unlikely(c->fp_stop & FP_OPEN_X87) ||		\
		    unlikely(!x87_empty(c, 7))) {			\
			load_slow(c, i, p, name##_convert);		\
		} else {						\
			x87_clear_c1(c);				\
			if (flags)					\
				c->x87_lazy = X87_LAZY_FLAGS;		\
			__asm__ volatile(how " %1; fstpt %0"		\
			    : "=m" (*x87_push(c))			\
			    : "m" (*(const type *)p));			\
		}							\
		CPU_NEXT(c, i);						\
	}
LOAD(fld32, "flds", struct m4, 4, true)
LOAD(fld64, "fldl", struct m8, 8, true)
LOAD(fild16, "filds", struct m2, 2, false)
LOAD(fild32, "fildl", struct m4, 4, false)
LOAD(fild64, "fildll", struct m8, 8, false)
LOAD(fbld, "fbld", struct m10, 10, false)

static __attribute__((noinline)) void
fld80(struct cpu *c, const struct insn *i)
{
	const void *p;

	x87_check(c, i);
	p = vec_mem(c, i, 10, 1);
	x87_note_mem(c, i);
	if (unlikely(!x87_empty(c, 7))) {
		load_slow(c, i, p, fld80_convert);
	} else {
		x87_clear_c1(c);
		memcpy(x87_push(c), p, 10);
	}
	CPU_NEXT(c, i);
}

/* An empty register is an underflow, whose masked answer is pushed. */
static __attribute__((noinline)) void
fld_st_slow(struct cpu *c, const struct insn *i)
{
	x87_check(c, i);
	x87_note(c, i);
	if (x87_empty(c, i->opd[0].off) ? x87_underflow(c, i) :
	    x87_overflow(c, i))
		x87_indefinite(x87_push(c));
}
static __attribute__((noinline)) void
fld_st(struct cpu *c, const struct insn *i)
{
	unsigned n = i->opd[0].off;
	const f80 *s;

	if (unlikely(c->fp_stop & X87_STOPS) || unlikely(x87_empty(c, n)) ||
	    unlikely(!x87_empty(c, 7))) {
		if (c->fp_stop & X87_STOPS || x87_empty(c, n) ||
		    !x87_empty(c, 7))
			fld_st_slow(c, i);
	} else {
		x87_note(c, i);
		x87_clear_c1(c);
		s = x87_st(c, n);
		memcpy(x87_push(c), s, 16);
	}
	CPU_NEXT(c, i);
}

void
x_fld(struct cpu *c, const struct insn *i)
{
	const struct operand *o = &i->opd[0];

	if (o->kind == OPD_ST)
		fld_st(c, i);
	else if (o->size == 8)
		fld64(c, i);
	else if (o->size == 4)
		fld32(c, i);
	else
		fld80(c, i);
}

void
x_fild(struct cpu *c, const struct insn *i)
{
	if (i->opd[0].size == 4)
		fild32(c, i);
	else if (i->opd[0].size == 8)
		fild64(c, i);
	else
		fild16(c, i);
}
void
x_fbld(struct cpu *c, const struct insn *i)
{
	fbld(c, i);
}

/* Constants are rounded by the rounding mode. */
#define CONSTANT(name)							\
	EXEC(x_##name)							\
	{								\
		x87_check(c, i);					\
		x87_note(c, i);						\
		if (unlikely(!x87_empty(c, 7))) {			\
			if (x87_overflow(c, i))				\
				x87_indefinite(x87_push(c));		\
		} else {						\
			x87_clear_c1(c);				\
			__asm__ volatile(#name "; fstpt %0"		\
			    : "=m" (*x87_push(c)));			\
		}							\
	}
CONSTANT(fld1)
CONSTANT(fldz)
CONSTANT(fldpi)
CONSTANT(fldl2t)
CONSTANT(fldl2e)
CONSTANT(fldlg2)
CONSTANT(fldln2)

/* --- Stores -------------------------------------------------------------- */

/*
 * How st(0) becomes n bytes; the status word.  Open exceptions but PE keep it
 * from being stored, and an instruction that pops from popping: then TOP is
 * 7 and the value is still to be dropped.
 */
#define STORE(name, how)						\
	static uint16_t							\
	name##_convert(void *d, const f80 *a)				\
	{								\
		uint16_t sw;						\
									\
		__asm__ volatile("fldt %2; " how " %1; fnstsw %%ax;"	\
		    "fnclex; testl $0x800, %%eax; jz 1f; fstp %%st; 1:"	\
		    : "=a" (sw), "=m" (*(struct m10 *)d)		\
		    : "m" (*a) : "cc");					\
		return sw;						\
	}
STORE(fst32, "fstps")
STORE(fst64, "fstpl")
STORE(fist16, "fistps")
STORE(fist32, "fistpl")
STORE(fist64, "fistpll")
STORE(fisttp16, "fisttps")
STORE(fisttp32, "fisttpl")
STORE(fisttp64, "fisttpll")
STORE(fbstp, "fbstp")

/* The masked answer to an empty register (SDM 1, 8.5.1.1). */
static void
indefinite_bytes(uint8_t *p, unsigned n, bool integer)
{
	static const uint8_t bcd[10] = { 0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff };

	memset(p, 0, n);
	if (n == 10) {
		memcpy(p, bcd, 10);
		return;
	}
	if (integer) {
		p[n - 1] = 0x80;
	} else {
		p[n - 1] = 0xff;
		p[n - 2] = n == 8 ? 0xf8 : 0xc0;
	}
}

static __attribute__((noinline)) void
store(struct cpu *c, const struct insn *i, unsigned n, bool integer, bool pop,
    uint16_t (*convert)(void *, const f80 *))
{
	bool open = c->fp_stop & FP_OPEN_X87;
	uint8_t r[16];
	uint64_t lin;
	uint16_t sw;

	x87_check(c, i);
	x87_sync(c);
	lin = cpu_linear(c, i, n, TLB_WRITE);
	if (x87_empty(c, 0)) {
		cpu_probe(c, i, lin, n, TLB_WRITE);
		x87_note_mem(c, i);
		if (!x87_underflow(c, i))
			return;
		indefinite_bytes(r, n, integer);
		cpu_store_bytes(c, i, lin, r, n);
	} else {
		if (open) {
			cpu_probe(c, i, lin, n, TLB_WRITE);
			x87_open_begin(c);
		}
		sw = convert(r, x87_st(c, 0));
		if (open)
			x87_open_end(c);
		if (!open || !(sw & ~c->fcw & SW_FLAGS & ~0x20u))
			cpu_store_bytes(c, i, lin, r, n);
		x87_note_mem(c, i);
		c->fsw = (uint16_t)((c->fsw & ~SW_C1) | (sw & SW_C1));
		x87_raise(c, i, sw & SW_FLAGS);
		if (sw & ~c->fcw & SW_FLAGS & ~0x20u)
			return;
	}
	if (pop)
		x87_pop(c);
}

/* The usual stores, quick. */
#define QUICK_STORE(name, how, type, n)					\
	static uint16_t							\
	name##_status(void *d, const void *a, const void *b)		\
	{								\
		return name##_convert(d, a);				\
	}								\
	VEC_INLINE bool							\
	name##_quick(struct cpu *c, const struct insn *i, bool pop)	\
	{								\
		uint64_t lin;						\
		void *p;						\
									\
		if (unlikely(c->fp_stop & X87_SLOW) ||			\
		    unlikely(i->flags & INSN_CHECKED) ||		\
		    unlikely(x87_empty(c, 0)))				\
			return false;					\
		lin = cpu_ea(c, i);					\
		p = tlb_find(c, lin, n, TLB_WRITE);			\
		if (unlikely(!p))					\
			return false;					\
		x87_later(c, name##_status, x87_st(c, 0));		\
		__asm__ volatile("fldt %1; " how " %0"			\
		    : "=m" (*(type *)p) : "m" (*x87_st(c, 0)));		\
		c->fip = insn_rip(c, i);				\
		c->fdp = lin;						\
		if (pop)						\
			x87_pop(c);					\
		return true;						\
	}
QUICK_STORE(fst32, "fstps", struct m4, 4)
QUICK_STORE(fst64, "fstpl", struct m8, 8)
QUICK_STORE(fist32, "fistpl", struct m4, 4)
QUICK_STORE(fist64, "fistpll", struct m8, 8)

/* 80 bits, no conversion: only FSTP has that form. */
static __attribute__((noinline)) void
fstp80(struct cpu *c, const struct insn *i)
{
	static const uint8_t indefinite[10] = {
		0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff
	};
	uint64_t lin;

	x87_check(c, i);
	lin = cpu_linear(c, i, 10, TLB_WRITE);
	if (x87_empty(c, 0)) {
		cpu_probe(c, i, lin, 10, TLB_WRITE);
		x87_note_mem(c, i);
		if (!x87_underflow(c, i))
			return;
		cpu_store_bytes(c, i, lin, indefinite, 10);
	} else {
		vec_put_mem(c, i, x87_st(c, 0), 10, 1);
		x87_note_mem(c, i);
		x87_clear_c1(c);
	}
	x87_pop(c);
}

static __attribute__((noinline)) void
fst_st(struct cpu *c, const struct insn *i, bool pop)
{
	unsigned n = i->opd[0].off;

	x87_check(c, i);
	x87_note(c, i);
	x87_clear_c1(c);
	if (unlikely(x87_empty(c, 0))) {
		if (i->id == INSN_FSTP_STi) {
			x87_pop(c);	/* D9 /3, undocumented, does not mind */
			return;
		}
		if (!x87_underflow(c, i))
			return;
		x87_indefinite(x87_st(c, n));
	} else {
		memcpy(x87_st(c, n), x87_st(c, 0), 16);
	}
	c->ftw |= (uint8_t)(1u << x87_phys(c, n));
	if (pop)
		x87_pop(c);
}

static __attribute__((noinline)) void
fst_slow(struct cpu *c, const struct insn *i, bool pop)
{
	unsigned n = i->opd[0].size;

	if (i->opd[0].kind == OPD_ST)
		fst_st(c, i, pop);
	else if (n == 10)
		fstp80(c, i);
	else
		store(c, i, n, false, pop, n == 8 ? fst64_convert :
		    fst32_convert);
}
VEC_INLINE void
fst(struct cpu *c, const struct insn *i, bool pop)
{
	const struct operand *o = &i->opd[0];

	if (o->kind != OPD_MEM || o->size == 10 || !(o->size == 8 ?
	    fst64_quick(c, i, pop) : fst32_quick(c, i, pop)))
		fst_slow(c, i, pop);
}
EXEC(x_fst) { fst(c, i, false); }
EXEC(x_fstp) { fst(c, i, true); }

static __attribute__((noinline)) void
fist_slow(struct cpu *c, const struct insn *i, bool pop)
{
	unsigned n = i->opd[0].size;

	store(c, i, n, true, pop, n == 8 ? fist64_convert :
	    n == 4 ? fist32_convert : fist16_convert);
}
VEC_INLINE void
fist(struct cpu *c, const struct insn *i, bool pop)
{
	unsigned n = i->opd[0].size;

	if (n == 2 || !(n == 8 ? fist64_quick(c, i, pop) :
	    fist32_quick(c, i, pop)))
		fist_slow(c, i, pop);
}
EXEC(x_fist) { fist(c, i, false); }
EXEC(x_fistp) { fist(c, i, true); }

/* FISTTP is SSE3's; a host without it is not known to have been sold with
 * 64 bits. */
EXEC(x_fisttp)
{
	unsigned n = i->opd[0].size;

	store(c, i, n, true, true, n == 8 ? fisttp64_convert :
	    n == 4 ? fisttp32_convert : fisttp16_convert);
}
EXEC(x_fbstp) { store(c, i, 10, true, true, fbstp_convert); }

/* --- The stack ----------------------------------------------------------- */

static __attribute__((noinline)) void
fxch_slow(struct cpu *c, const struct insn *i)
{
	unsigned n = i->opd[1].off;
	f80 *a = x87_st(c, 0), *b = x87_st(c, n), t;

	x87_check(c, i);
	x87_note(c, i);
	if (x87_empty(c, 0) || x87_empty(c, n)) {
		if (!x87_underflow(c, i))
			return;
		if (x87_empty(c, 0))
			x87_indefinite(a);
		if (x87_empty(c, n))
			x87_indefinite(b);
		c->ftw |= (uint8_t)(1u << x87_phys(c, 0) |
		    1u << x87_phys(c, n));
	}
	x87_clear_c1(c);
	memcpy(&t, a, 16);
	memcpy(a, b, 16);
	memcpy(b, &t, 16);
}
EXEC(x_fxch)
{
	unsigned p0 = x87_phys(c, 0), pn = x87_phys(c, i->opd[1].off);
	unsigned need = 1u << p0 | 1u << pn;
	__m128i t;

	if (unlikely(c->fp_stop & X87_STOPS) ||
	    unlikely((c->ftw & need) != need)) {
		fxch_slow(c, i);
	} else {
		x87_note(c, i);
		x87_clear_c1(c);
		t = vec_load(c->fpr[p0]);
		_mm_store_si128((__m128i *)c->fpr[p0], vec_load(c->fpr[pn]));
		_mm_store_si128((__m128i *)c->fpr[pn], t);
	}
}

static __attribute__((noinline)) void
fcmov(struct cpu *c, const struct insn *i, bool yes)
{
	unsigned n = i->opd[1].off;

	x87_check(c, i);
	x87_note(c, i);
	if (x87_empty(c, 0) || x87_empty(c, n)) {
		if (x87_underflow(c, i)) {
			x87_indefinite(x87_st(c, 0));
			c->ftw |= (uint8_t)(1u << x87_phys(c, 0));
		}
	} else if (yes) {
		memcpy(x87_st(c, 0), x87_st(c, n), 16);
	}
}
EXEC(x_fcmovb) { fcmov(c, i, flags_cf(&c->flags)); }
EXEC(x_fcmovnb) { fcmov(c, i, !flags_cf(&c->flags)); }
EXEC(x_fcmove) { fcmov(c, i, flags_zf(&c->flags)); }
EXEC(x_fcmovne) { fcmov(c, i, !flags_zf(&c->flags)); }
EXEC(x_fcmovbe) { fcmov(c, i, flags_cond(&c->flags, 6)); }
EXEC(x_fcmovnbe) { fcmov(c, i, flags_cond(&c->flags, 7)); }
EXEC(x_fcmovu) { fcmov(c, i, flags_pf(&c->flags)); }
EXEC(x_fcmovnu) { fcmov(c, i, !flags_pf(&c->flags)); }

static inline void
turn(struct cpu *c, const struct insn *i, unsigned by)
{
	x87_check(c, i);
	x87_note(c, i);
	x87_clear_c1(c);
	c->fsw = (uint16_t)((c->fsw & ~SW_TOP) | ((c->fsw + by) & SW_TOP));
}
EXEC(x_fincstp) { turn(c, i, 0x0800); }
EXEC(x_fdecstp) { turn(c, i, 0x3800); }

EXEC(x_ffree)
{
	x87_check(c, i);
	x87_note(c, i);
	x87_clear_c1(c);
	c->ftw &= (uint8_t)~(1u << x87_phys(c, i->opd[0].off));
}

/* Undocumented, everywhere: FFREE and a pop. */
EXEC(x_ffreep)
{
	x87_check(c, i);
	x87_note(c, i);
	x87_clear_c1(c);
	c->ftw &= (uint8_t)~(1u << x87_phys(c, i->opd[0].off));
	x87_pop(c);
}
