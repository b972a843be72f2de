/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_x87_arith.c - x87 arithmetic, compares, transcendental functions
 *
 * See x87.h for how the host does them.  Every operation exists twice, quick
 * with exceptions masked and with the status word, open or not.
 */
#include "cpu/x87.h"

/* d = a op b: the status word after it.  b is an f80 or what memory held. */
typedef uint16_t operation(void *d, const void *a, const void *b);
/* The same without. */
typedef void silent(f80 *d, const f80 *a, const void *b);

/* --- Add, subtract, multiply, divide ------------------------------------- */

/*
 * The opcode bytes are given in numbers: in the assembler's AT&T syntax the
 * names of FSUB and FSUBR between registers are not always what they seem.
 * quick: DE E9 is st(1) = st(1) - st(0), pop; the other: D8 E1 is st(0) -=
 * st(1).
 */
#define MASKED_ST(name, bytes)						\
	VEC_INLINE void							\
	name##_st(f80 *d, const f80 *a, const void *b)			\
	{								\
		__asm__ volatile("fldt %1; fldt %2; .byte " bytes "; fstpt %0" \
		    : "=m" (*d) : "m" (*a), "m" (*(const f80 *)b));	\
	}
#define STATUS_ST(name, bytes)						\
	static uint16_t							\
	name##_st_status(void *d, const void *a, const void *b)		\
	{								\
		uint16_t sw;						\
									\
		__asm__ volatile("fldt %3; fldt %2; .byte " bytes	\
		    "; fnstsw %0; fnclex; fstpt %1; fstp %%st"		\
		    : "=a" (sw), "=m" (*(f80 *)d)			\
		    : "m" (*(const f80 *)a), "m" (*(const f80 *)b));	\
		return sw;						\
	}
#define WITH_MEM(name, suffix, insn, type)				\
	VEC_INLINE void							\
	name##_##suffix(f80 *d, const f80 *a, const void *b)		\
	{								\
		__asm__ volatile("fldt %1; " insn " %2; fstpt %0"	\
		    : "=m" (*d) : "m" (*a), "m" (*(const type *)b));	\
	}								\
	static uint16_t							\
	name##_##suffix##_status(void *d, const void *a, const void *b)	\
	{								\
		uint16_t sw;						\
									\
		__asm__ volatile("fldt %2; " insn			\
		    " %3; fnstsw %0; fnclex; fstpt %1"			\
		    : "=a" (sw), "=m" (*(f80 *)d)			\
		    : "m" (*(const f80 *)a), "m" (*(const type *)b));	\
		return sw;						\
	}

/* Everything out of the way: stops, empty registers, open exceptions. */
static __attribute__((noinline)) void
binary_slow(struct cpu *c, const struct insn *i, unsigned to, const void *b,
    bool b_empty, operation *status, bool pop)
{
	f80 *a = x87_st(c, to), r;
	uint16_t sw;

	x87_sync(c);
	if (x87_empty(c, to) || b_empty) {
		if (!x87_underflow(c, i))
			return;
		x87_indefinite(a);
		c->ftw |= (uint8_t)(1u << x87_phys(c, to));
	} else {
		x87_open_begin(c);
		sw = status(&r, a, b);
		x87_open_end(c);
		x87_clear_c1(c);
		x87_raise(c, i, sw & (SW_FLAGS | SW_C1));
		if (x87_prevented(c, sw))
			return;
		memcpy(a, &r, 10);
	}
	if (pop)
		x87_pop(c);
}

/* fop st(to), st(from) */
VEC_INLINE void
binary_st(struct cpu *c, const struct insn *i, silent *f, operation *status,
    bool pop)
{
	unsigned to = i->opd[0].off, from = i->opd[1].off;
	unsigned pt = x87_phys(c, to), pf = x87_phys(c, from);
	unsigned need = 1u << pt | 1u << pf;

	if (unlikely(c->fp_stop & X87_SLOW) ||
	    unlikely((c->ftw & need) != need)) {
		x87_check(c, i);
		x87_note(c, i);
		binary_slow(c, i, to, x87_at(c, pf), x87_empty(c, from),
		    status, pop);
	} else {
		x87_note(c, i);
		x87_later(c, status, x87_at(c, pt));
		_mm_store_si128((__m128i *)c->x87_last.b,
		    vec_load(x87_at(c, pf)));
		f(x87_at(c, pt), x87_at(c, pt), x87_at(c, pf));
		if (pop)
			x87_pop(c);
	}
	CPU_NEXT(c, i);
}

/* fop st(0), memory of n bytes */
VEC_INLINE void
binary_mem(struct cpu *c, const struct insn *i, unsigned n, silent *f,
    operation *status)
{
	const void *p;

	if (unlikely(c->fp_stop & X87_STOPS))
		x87_refuse(c, i);
	p = vec_at(c, i, cpu_linear(c, i, n, TLB_READ), n);
	x87_note_mem(c, i);
	if (unlikely(c->fp_stop & FP_OPEN_X87) || unlikely(x87_empty(c, 0))) {
		binary_slow(c, i, 0, p, false, status, false);
	} else {
		x87_later(c, status, x87_st(c, 0));
		memcpy(c->x87_last.b, p, n);
		f(x87_st(c, 0), x87_st(c, 0), p);
	}
	CPU_NEXT(c, i);
}

#define BINARY(name, popping, plain, iname)				\
	MASKED_ST(name, popping)					\
	STATUS_ST(name, plain)						\
	WITH_MEM(name, m32, #name "s", struct m4)				\
	WITH_MEM(name, m64, #name "l", struct m8)				\
	WITH_MEM(name, i16, #iname "s", struct m2)			\
	WITH_MEM(name, i32, #iname "l", struct m4)			\
	static __attribute__((noinline)) void				\
	name##_mem64(struct cpu *c, const struct insn *i)		\
	{								\
		binary_mem(c, i, 8, name##_m64, name##_m64_status);	\
	}								\
	static __attribute__((noinline)) void				\
	name##_mem32(struct cpu *c, const struct insn *i)		\
	{								\
		binary_mem(c, i, 4, name##_m32, name##_m32_status);	\
	}								\
	static __attribute__((noinline)) void				\
	name##_int16(struct cpu *c, const struct insn *i)		\
	{								\
		binary_mem(c, i, 2, name##_i16, name##_i16_status);	\
	}								\
	static __attribute__((noinline)) void				\
	name##_int32(struct cpu *c, const struct insn *i)		\
	{								\
		binary_mem(c, i, 4, name##_i32, name##_i32_status);	\
	}								\
	static __attribute__((noinline)) void				\
	name##_stack(struct cpu *c, const struct insn *i)		\
	{								\
		binary_st(c, i, name##_st, name##_st_status, false);	\
	}								\
	void								\
	x_##name(struct cpu *c, const struct insn *i)			\
	{								\
		if (i->opd[1].kind == OPD_ST)				\
			name##_stack(c, i);				\
		else if (i->opd[1].size == 8)				\
			name##_mem64(c, i);				\
		else							\
			name##_mem32(c, i);				\
	}								\
	void								\
	x_##iname(struct cpu *c, const struct insn *i)			\
	{								\
		if (i->opd[1].size == 2)				\
			name##_int16(c, i);				\
		else							\
			name##_int32(c, i);				\
	}								\
	void								\
	x_##name##p(struct cpu *c, const struct insn *i)		\
	{								\
		binary_st(c, i, name##_st, name##_st_status, true);	\
	}
BINARY(fadd, "0xde, 0xc1", "0xd8, 0xc1", fiadd)
BINARY(fmul, "0xde, 0xc9", "0xd8, 0xc9", fimul)
BINARY(fsub, "0xde, 0xe9", "0xd8, 0xe1", fisub)
BINARY(fsubr, "0xde, 0xe1", "0xd8, 0xe9", fisubr)
BINARY(fdiv, "0xde, 0xf9", "0xd8, 0xf1", fidiv)
BINARY(fdivr, "0xde, 0xf1", "0xd8, 0xf9", fidivr)

/* --- Compares: C3 C2 C0 -------------------------------------------------- */

/* The operands stay on the host's stack until the status word is known; clear
 * is what an exception that is open takes. */
typedef uint16_t comparison(const f80 *a, const void *b);
#define COMPARE(name, how, type, clear)					\
	static uint16_t							\
	name(const f80 *a, const void *b)				\
	{								\
		uint16_t sw;						\
									\
		__asm__ volatile("fldt %1; " how			\
		    " %2; fnstsw %0; " clear "fstp %%st"		\
		    : "=a" (sw) : "m" (*a), "m" (*(const type *)b));	\
		return sw;						\
	}
#define COMPARE_REG(name, how, clear)					\
	static uint16_t							\
	name(const f80 *a, const void *b)				\
	{								\
		uint16_t sw;						\
									\
		__asm__ volatile("fldt %2; fldt %1; " how		\
		    " %%st(1); fnstsw %0; " clear "fstp %%st; fstp %%st" \
		    : "=a" (sw) : "m" (*a), "m" (*(const f80 *)b));	\
		return sw;						\
	}
#define COMPARE_ST(name)						\
	COMPARE_REG(name##_st_quick, #name, "")				\
	COMPARE_REG(name##_st_open, #name, "fnclex; ")			\
	static comparison *const name##_st[2] = {			\
		name##_st_quick, name##_st_open				\
	};
#define COMPARE_MEM(name, suffix, how, type)				\
	COMPARE(name##_##suffix##_quick, how, type, "")			\
	COMPARE(name##_##suffix##_open, how, type, "fnclex; ")		\
	static comparison *const name##_##suffix[2] = {			\
		name##_##suffix##_quick, name##_##suffix##_open		\
	};
COMPARE_ST(fcom)
COMPARE_ST(fucom)
COMPARE_MEM(fcom, m32, "fcoms", struct m4)
COMPARE_MEM(fcom, m64, "fcoml", struct m8)
COMPARE_MEM(fcom, i16, "ficoms", struct m2)
COMPARE_MEM(fcom, i32, "ficoml", struct m4)

/* Into *sw C3 C2 C0 and flags; false: an exception is pending, no pops. */
static inline bool
compare(struct cpu *c, const struct insn *i, const f80 *a, const void *b,
    bool empty, comparison *const how[2], uint16_t *sw)
{
	if (unlikely(empty)) {
		*sw = SW_C0 | SW_C2 | SW_C3;
		return x87_underflow(c, i);
	}
	if (unlikely(c->fp_stop & FP_OPEN_X87)) {
		x87_open_begin(c);
		*sw = how[1](a, b);
		x87_open_end(c);
		return !x87_raise(c, i, *sw & SW_FLAGS);
	}
	/* All that gathered before is in it, too. */
	*sw = how[0](a, b);
	x87_flags(c, *sw, 0);
	c->x87_lazy = 0;
	return true;
}

static void
compare_cc(struct cpu *c, const struct insn *i, const void *b, bool empty,
    comparison *const how[2], unsigned pops)
{
	const unsigned cc = SW_C0 | SW_C2 | SW_C3;
	bool done;
	uint16_t sw;

	x87_clear_c1(c);
	done = compare(c, i, x87_st(c, 0), b, empty || x87_empty(c, 0), how,
	    &sw);
	c->fsw = (uint16_t)((c->fsw & ~cc) | (sw & cc));
	while (done && pops--)
		x87_pop(c);
}

static void
compare_st(struct cpu *c, const struct insn *i, unsigned n,
    comparison *const how[2], unsigned pops)
{
	x87_check(c, i);
	x87_note(c, i);
	compare_cc(c, i, x87_st(c, n), x87_empty(c, n), how, pops);
}

static __attribute__((noinline)) void
fcom(struct cpu *c, const struct insn *i, unsigned pops)
{
	const struct operand *o = &i->opd[1];
	const void *p;

	if (o->kind == OPD_ST) {
		compare_st(c, i, o->off, fcom_st, pops);
		return;
	}
	x87_check(c, i);
	p = vec_mem(c, i, o->size, 1);
	x87_note_mem(c, i);
	compare_cc(c, i, p, false, o->size == 8 ? fcom_m64 : fcom_m32, pops);
}
static __attribute__((noinline)) void
ficom(struct cpu *c, const struct insn *i, unsigned pops)
{
	unsigned n = i->opd[1].size;
	const void *p;

	x87_check(c, i);
	p = vec_mem(c, i, n, 1);
	x87_note_mem(c, i);
	compare_cc(c, i, p, false, n == 2 ? fcom_i16 : fcom_i32, pops);
}
EXEC(x_fcom) { fcom(c, i, 0); }
EXEC(x_fcomp) { fcom(c, i, 1); }
EXEC(x_ficom) { ficom(c, i, 0); }
EXEC(x_ficomp) { ficom(c, i, 1); }
EXEC(x_fcompp) { compare_st(c, i, 1, fcom_st, 2); }
EXEC(x_fucom) { compare_st(c, i, i->opd[1].off, fucom_st, 0); }
EXEC(x_fucomp) { compare_st(c, i, i->opd[1].off, fucom_st, 1); }
EXEC(x_fucompp) { compare_st(c, i, 1, fucom_st, 2); }

static __attribute__((noinline)) void
ftst(struct cpu *c, const struct insn *i)
{
	static const f80 zero = 0;

	x87_check(c, i);
	x87_note(c, i);
	compare_cc(c, i, &zero, false, fcom_st, 0);
}
EXEC(x_ftst) { ftst(c, i); }

/* To ZF PF CF; OF SF AF are cleared, and C1 (AMD's leave it). */
static __attribute__((noinline)) void
comi_slow(struct cpu *c, const struct insn *i,
    comparison *const how[2], bool pop)
{
	unsigned n = i->opd[1].off;
	uint16_t sw;
	bool done;

	x87_check(c, i);
	x87_note(c, i);
	x87_clear_c1(c);
	done = compare(c, i, x87_st(c, 0), x87_st(c, n), x87_empty(c, 0) ||
	    x87_empty(c, n), how, &sw);
	flags_put(&c->flags, (sw & SW_C3 ? FLAG_ZF : 0) |
	    (sw & SW_C2 ? FLAG_PF : 0) | (sw & SW_C0 ? FLAG_CF : 0));
	if (done && pop)
		x87_pop(c);
}

#define COMI(name, by, how, pops)					\
	void								\
	x_##name(struct cpu *c, const struct insn *i)			\
	{								\
		unsigned p0 = x87_phys(c, 0);				\
		unsigned pn = x87_phys(c, i->opd[1].off);		\
		unsigned need = 1u << p0 | 1u << pn;			\
		bool z, p, cf;						\
									\
		if (unlikely(c->fp_stop & X87_SLOW) ||			\
		    unlikely((c->ftw & need) != need)) {		\
			comi_slow(c, i, how, pops);			\
		} else {						\
			__asm__ volatile("fldt %4; fldt %3; " by		\
			    " %%st(1), %%st; fstp %%st(0)"		\
			    : "=@ccz" (z), "=@ccp" (p), "=@ccc" (cf)	\
			    : "m" (*x87_at(c, p0)),			\
			    "m" (*x87_at(c, pn)));			\
			x87_note(c, i);					\
			x87_clear_c1(c);				\
			c->x87_lazy |= X87_LAZY_FLAGS;			\
			c->flags.res = !z;				\
			c->flags.aux = (uint32_t)cf << 31 |		\
			    (uint32_t)cf << 30 |			\
			    (uint32_t)(p != z) << 8;			\
			if (pops)					\
				x87_pop(c);				\
		}							\
		CPU_NEXT(c, i);						\
	}
COMI(fcomi, "fcomip", fcom_st, false)
COMI(fcomip, "fcomip", fcom_st, true)
COMI(fucomi, "fucomip", fucom_st, false)
COMI(fucomip, "fucomip", fucom_st, true)

/* Class in C3 C2 C0, sign in C1, of an empty register as well. */
static __attribute__((noinline)) void
fxam(struct cpu *c, const struct insn *i)
{
	uint16_t sw;

	x87_check(c, i);
	x87_note(c, i);
	x87_sync(c);
	__asm__ volatile("fldt %1; fxam; fnstsw %0; fstp %%st" : "=a" (sw) :
	    "m" (*x87_st(c, 0)));
	if (x87_empty(c, 0))
		sw = (sw & SW_C1) | SW_C3 | SW_C0;
	c->fsw = (uint16_t)((c->fsw & ~SW_CC) | (sw & SW_CC));
}
EXEC(x_fxam) { fxam(c, i); }

/* --- One operand --------------------------------------------------------- */

/* These raise nothing and take anything. */
VEC_INLINE void
sign(struct cpu *c, const struct insn *i, bool flip)
{
	uint8_t *p = (uint8_t *)x87_st(c, 0) + 9;

	x87_check(c, i);
	x87_note(c, i);
	x87_clear_c1(c);
	if (unlikely(x87_empty(c, 0))) {
		if (x87_underflow(c, i)) {
			x87_indefinite(x87_st(c, 0));
			c->ftw |= (uint8_t)(1u << x87_phys(c, 0));
		}
		return;
	}
	*p = flip ? *p ^ 0x80 : *p & 0x7f;
}
EXEC(x_fchs) { sign(c, i, true); }
EXEC(x_fabs) { sign(c, i, false); }

/* st(0) = f(st(0)), with exceptions open; its flags alone. */
#define UNARY_STATUS(name)						\
	static uint16_t							\
	name##_status(void *d, const void *a, const void *b)		\
	{								\
		uint16_t sw;						\
									\
		__asm__ volatile("fldt %2; " #name			\
		    "; fnstsw %0; fnclex; fstpt %1"			\
		    : "=a" (sw), "=m" (*(f80 *)d)			\
		    : "m" (*(const f80 *)a));				\
		return sw;						\
	}

static __attribute__((noinline)) void
unary_slow(struct cpu *c, const struct insn *i, operation *status, unsigned cc)
{
	f80 *a = x87_st(c, 0), r;
	uint16_t sw;

	x87_check(c, i);
	x87_note(c, i);
	x87_sync(c);
	if (x87_empty(c, 0)) {
		c->fsw &= (uint16_t)~cc;
		if (x87_underflow(c, i)) {
			x87_indefinite(a);
			c->ftw |= (uint8_t)(1u << x87_phys(c, 0));
		}
		return;
	}
	x87_open_begin(c);
	sw = status(&r, a, NULL);
	x87_open_end(c);
	c->fsw = (uint16_t)((c->fsw & ~(cc | SW_C1)) |
	    (sw & (cc | SW_C1)));
	x87_raise(c, i, sw & SW_FLAGS);
	if (!x87_prevented(c, sw))
		memcpy(a, &r, 10);
}
#define UNARY(name)							\
	UNARY_STATUS(name)						\
	EXEC(x_##name)							\
	{								\
		f80 *a = x87_st(c, 0);					\
									\
		if (unlikely(c->fp_stop & X87_SLOW) ||			\
		    unlikely(x87_empty(c, 0))) {			\
			unary_slow(c, i, name##_status, 0);		\
		} else {						\
			x87_note(c, i);					\
			x87_later(c, name##_status, a);			\
			__asm__ volatile("fldt %0; " #name "; fstpt %0"	\
			    : "+m" (*a));				\
		}							\
	}
/* These say in C2 that the operand is out of range. */
#define UNARY_C2(name)							\
	UNARY_STATUS(name)						\
	EXEC(x_##name)							\
	{								\
		f80 *a = x87_st(c, 0);					\
		uint16_t sw;						\
									\
		if (unlikely(c->fp_stop & X87_SLOW) ||			\
		    unlikely(x87_empty(c, 0))) {			\
			unary_slow(c, i, name##_status, SW_C2);		\
		} else {						\
			x87_note(c, i);					\
			__asm__ volatile("fldt %1; " #name		\
			    "; fnstsw %0; fstpt %1"			\
			    : "=a" (sw), "+m" (*a));			\
			c->x87_lazy = 0;				\
			x87_flags(c, sw, SW_C1 | SW_C2);		\
		}							\
	}
UNARY(fsqrt)
UNARY(frndint)
UNARY(f2xm1)
UNARY_C2(fsin)
UNARY_C2(fcos)

/* --- Two operands -------------------------------------------------------- */

/* st(0) = f(st(0), st(1)), or with a pop st(1) = f(st(1), st(0)).  Whether
 * the host popped shows in its TOP: 6 with both there, 7 with one. */
#define TWO_STATUS(name)						\
	static uint16_t							\
	name##_status(void *d, const void *st0, const void *st1)	\
	{								\
		uint16_t sw;						\
									\
		__asm__ volatile("fldt %3; fldt %2; " #name		\
		    "; fnstsw %%ax; fnclex; fstpt %1;"			\
		    "testl $0x800, %%eax; jnz 1f; fstp %%st; 1:"	\
		    : "=a" (sw), "=m" (*(f80 *)d)			\
		    : "m" (*(const f80 *)st0), "m" (*(const f80 *)st1)	\
		    : "cc");						\
		return sw;						\
	}

static __attribute__((noinline)) void
two_slow(struct cpu *c, const struct insn *i, operation *f, unsigned cc,
    bool pop)
{
	bool open = c->fp_stop & FP_OPEN_X87;
	f80 *d = x87_st(c, pop), r;
	uint16_t sw;

	x87_check(c, i);
	x87_note(c, i);
	x87_sync(c);
	if (x87_empty(c, 0) || x87_empty(c, 1)) {
		c->fsw &= (uint16_t)~(cc & SW_C2);
		if (!x87_underflow(c, i))
			return;
		x87_indefinite(d);
		c->ftw |= (uint8_t)(1u << x87_phys(c, pop));
	} else {
		if (open)
			x87_open_begin(c);
		sw = f(&r, x87_st(c, 0), x87_st(c, 1));
		if (open)
			x87_open_end(c);
		/* Without a quotient its bits stay. */
		if (cc && (__builtin_isnan(r) || x87_prevented(c, sw)))
			cc = SW_C2;
		c->fsw = (uint16_t)((c->fsw & ~(cc | SW_C1)) |
		    (sw & (cc | SW_C1)));
		x87_raise(c, i, sw & SW_FLAGS);
		if (x87_prevented(c, sw))
			return;
		memcpy(d, &r, 10);
	}
	if (pop)
		x87_pop(c);
}
#define REMAINDER(name)							\
	TWO_STATUS(name)						\
	EXEC(x_##name) { two_slow(c, i, name##_status, SW_CC, false); }
/* drop: what leaves the host's stack empty after the result was taken. */
#define TWO(name, pop, drop)						\
	TWO_STATUS(name)						\
	EXEC(x_##name)							\
	{								\
		unsigned p0 = x87_phys(c, 0), p1 = x87_phys(c, 1);	\
		unsigned need = 1u << p0 | 1u << p1;			\
									\
		if (unlikely(c->fp_stop & X87_SLOW) ||			\
		    unlikely((c->ftw & need) != need)) {		\
			two_slow(c, i, name##_status, 0, pop);		\
		} else {						\
			x87_note(c, i);					\
			x87_later(c, name##_status, x87_at(c, p0));	\
			_mm_store_si128((__m128i *)c->x87_last.b,	\
			    vec_load(x87_at(c, p1)));			\
			__asm__ volatile("fldt %2; fldt %1; " #name	\
			    "; fstpt %0" drop				\
			    : "=m" (*x87_at(c, pop ? p1 : p0))		\
			    : "m" (*x87_at(c, p0)),			\
			    "m" (*x87_at(c, p1)));			\
			if (pop)					\
				x87_pop(c);				\
		}							\
	}
TWO(fscale, false, "; fstp %%st")
TWO(fpatan, true, "")
TWO(fyl2x, true, "")
TWO(fyl2xp1, true, "")
REMAINDER(fprem)
REMAINDER(fprem1)

/* --- One operand, two results -------------------------------------------- */

/* st(0) becomes *d, and *top is pushed; unless C2 says out of range, or an
 * open exception prevents it: the host's TOP is then 7, not 6. */
#define SPLIT_ASM(name)							\
	static uint16_t							\
	name##_asm(f80 *d, f80 *top, const f80 *a)			\
	{								\
		uint16_t sw;						\
									\
		__asm__ volatile("fldt %3; " #name "; fnstsw %%ax; fnclex;" \
		    "testl $0x800, %%eax; jnz 1f; fstpt %2; 1: fstpt %1" \
		    : "=a" (sw), "=m" (*d), "=m" (*top)			\
		    : "m" (*a) : "cc");					\
		return sw;						\
	}

static __attribute__((noinline)) void
split(struct cpu *c, const struct insn *i,
    uint16_t (*f)(f80 *, f80 *, const f80 *), unsigned cc)
{
	bool open = c->fp_stop & FP_OPEN_X87;
	f80 d = 0, top = 0, *a = x87_st(c, 0);
	uint16_t sw;

	x87_check(c, i);
	x87_note(c, i);
	x87_sync(c);
	if (x87_empty(c, 0) || !x87_empty(c, 7)) {
		c->fsw &= (uint16_t)~cc;
		if (x87_empty(c, 0) ? !x87_underflow(c, i) :
		    !x87_overflow(c, i))
			return;
		x87_indefinite(a);
		c->ftw |= (uint8_t)(1u << x87_phys(c, 0));
		x87_indefinite(x87_push(c));
		return;
	}
	if (open)
		x87_open_begin(c);
	sw = f(&d, &top, a);
	if (open)
		x87_open_end(c);
	c->fsw = (uint16_t)((c->fsw & ~(cc | SW_C1)) | (sw & (cc | SW_C1)));
	x87_raise(c, i, sw & SW_FLAGS);
	if (x87_prevented(c, sw) || sw & 0x800)
		return;
	memcpy(a, &d, 10);
	memcpy(x87_push(c), &top, 10);
}
#define SPLIT(name, cc)							\
	SPLIT_ASM(name)							\
	EXEC(x_##name) { split(c, i, name##_asm, cc); }
SPLIT(fptan, SW_C2)
SPLIT(fsincos, SW_C2)
SPLIT(fxtract, 0)
