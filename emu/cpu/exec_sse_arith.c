/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_sse_arith.c - SSE and AVX floating point: arithmetic, compares, rounding
 *
 * Kernels are the host's instructions, see vec.h.
 */
#include "cpu/vec.h"

/* a op b by one instruction of the host. */
#define ASM2(name)							\
	VEC_INLINE __m128i						\
	k_##name(__m128i a, __m128i b, unsigned imm)			\
	{								\
		__asm__ volatile(#name " %1, %0" : "+x" (a) : "x" (b));	\
		return a;						\
	}

#define PS(name, extra)							\
	ASM2(name##ps) VEC_OP(name##ps, VC_F32 | (extra), k_##name##ps)
#define PD(name, extra)							\
	ASM2(name##pd) VEC_OP(name##pd, VC_F64 | (extra), k_##name##pd)
#define SS(name, extra)							\
	ASM2(name##ss)							\
	VEC_OP(name##ss, VC_F32 | VC_SCALAR | (extra), k_##name##ss)
#define SD(name, extra)							\
	ASM2(name##sd)							\
	VEC_OP(name##sd, VC_F64 | VC_SCALAR | (extra), k_##name##sd)
#define ALL4(name, extra)						\
	PS(name, extra) PD(name, extra) SS(name, extra) SD(name, extra)

ALL4(add, VC_TINY)
ALL4(sub, VC_TINY)
ALL4(mul, VC_TINY)
ALL4(div, VC_TINY)
ALL4(min, 0)
ALL4(max, 0)
SS(sqrt, 0)
SD(sqrt, 0)

/* These have one source. */
#define UNARY(name, class)						\
	VEC_INLINE __m128i						\
	k_##name(__m128i a, __m128i b, unsigned imm)			\
	{								\
		__asm__ volatile(#name " %1, %0" : "=x" (a) : "x" (b));	\
		return a;						\
	}								\
	VEC_OP(name, (class) | VC_UNARY, k_##name)
UNARY(sqrtps, VC_F32)
UNARY(sqrtpd, VC_F64)

/* Approximations raise nothing, but denormals are zeros to them: no class. */
ASM2(rcpss)
ASM2(rsqrtss)
UNARY(rcpps, 0)
UNARY(rsqrtps, 0)

/* A scalar that can raise nothing: VC_SCALAR alone is 4 bytes. */
VEC_OP(rcpss, VC_SCALAR, k_rcpss)
VEC_OP(rsqrtss, VC_SCALAR, k_rsqrtss)

/* --- SSE3: horizontal and alternating ------------------------------------ */

/* The even and the odd elements of a and b, for ADDPS-like instructions. */
VEC_INLINE __m128i
even_ps(__m128i a, __m128i b)
{
	return _mm_castps_si128(_mm_shuffle_ps(_mm_castsi128_ps(a),
	    _mm_castsi128_ps(b), 0x88));
}
VEC_INLINE __m128i
odd_ps(__m128i a, __m128i b)
{
	return _mm_castps_si128(_mm_shuffle_ps(_mm_castsi128_ps(a),
	    _mm_castsi128_ps(b), 0xdd));
}

#define HORIZONTAL(op)							\
	VEC_INLINE __m128i						\
	k_h##op##ps(__m128i a, __m128i b, unsigned imm)			\
	{								\
		return k_##op##ps(even_ps(a, b), odd_ps(a, b), 0);	\
	}								\
	VEC_INLINE __m128i						\
	k_h##op##pd(__m128i a, __m128i b, unsigned imm)			\
	{								\
		return k_##op##pd(_mm_unpacklo_epi64(a, b),		\
		    _mm_unpackhi_epi64(a, b), 0);			\
	}								\
	VEC_OP(h##op##ps, VC_F32 | VC_TINY, k_h##op##ps)		\
	VEC_OP(h##op##pd, VC_F64 | VC_TINY, k_h##op##pd)
HORIZONTAL(add)
HORIZONTAL(sub)

/*
 * Even elements are subtracted, odd ones added.  Each half is done with the
 * other's operands zeroed, which raises nothing and leaves NaNs as they are.
 */
VEC_INLINE __m128i
k_addsubps(__m128i a, __m128i b, unsigned imm)
{
	const __m128i even = _mm_set_epi32(0, -1, 0, -1);

	return _mm_or_si128(
	    _mm_and_si128(even, k_subps(_mm_and_si128(a, even),
	    _mm_and_si128(b, even), 0)),
	    _mm_andnot_si128(even, k_addps(_mm_andnot_si128(even, a),
	    _mm_andnot_si128(even, b), 0)));
}
VEC_INLINE __m128i
k_addsubpd(__m128i a, __m128i b, unsigned imm)
{
	__m128i high = k_addsd(_mm_srli_si128(a, 8), _mm_srli_si128(b, 8), 0);

	return _mm_unpacklo_epi64(k_subsd(a, b, 0), high);
}
VEC_OP(addsubps, VC_F32 | VC_TINY, k_addsubps)
VEC_OP(addsubpd, VC_F64 | VC_TINY, k_addsubpd)

/* --- Bitwise ------------------------------------------------------------- */

#define BITWISE(name, intrinsic)					\
	VEC_INLINE __m128i						\
	k_##name(__m128i a, __m128i b, unsigned imm)			\
	{								\
		return intrinsic(a, b);					\
	}								\
	VEC_OP(name##ps, 0, k_##name)					\
	VEC_OP(name##pd, 0, k_##name)
BITWISE(and, _mm_and_si128)
BITWISE(andn, _mm_andnot_si128)
BITWISE(or, _mm_or_si128)
BITWISE(xor, _mm_xor_si128)

/* --- Compares ------------------------------------------------------------ */

/*
 * Predicates 8 to 31 are VEX only (SDM 2, CMPPD, table 3-1): which of the
 * relations less, equal, greater, unordered make it true, and whether a quiet
 * NaN is an invalid operand.
 */
enum { LT = 1, EQ = 2, GT = 4, UN = 8, SIGNALS = 16 };
static const uint8_t predicates[16] = {
	EQ, LT | SIGNALS, LT | EQ | SIGNALS, UN,
	LT | GT | UN, EQ | GT | UN | SIGNALS, GT | UN | SIGNALS, LT | EQ | GT,
	EQ | UN, LT | UN | SIGNALS, LT | EQ | UN | SIGNALS, 0,
	LT | GT, EQ | GT | SIGNALS, GT | SIGNALS, LT | EQ | GT | UN,
};

/* cmp: the host's compare by an immediate 0..7; operands that are unordered
 * are blanked once the flags they raise have been raised. */
#define COMPARE(t, cmp)							\
	static __m128i							\
	more_cmp##t(__m128i a, __m128i b, unsigned imm)			\
	{								\
		unsigned p = predicates[imm & 15] ^ (imm & 16);		\
		__m128i un = cmp(a, b, 3), x, y, r;			\
									\
		if (p & SIGNALS)					\
			(void)cmp(a, b, 1);				\
		x = _mm_andnot_si128(un, a);				\
		y = _mm_andnot_si128(un, b);				\
		r = p & UN ? un : _mm_setzero_si128();			\
		if (p & EQ)						\
			r = _mm_or_si128(r, _mm_andnot_si128(un,	\
			    cmp(x, y, 0)));				\
		if (p & LT)						\
			r = _mm_or_si128(r, _mm_andnot_si128(un,	\
			    cmp(x, y, 1)));				\
		if (p & GT)						\
			r = _mm_or_si128(r, _mm_andnot_si128(un,	\
			    cmp(x, y, 6)));				\
		return r;						\
	}

#define CMP_ASM(t)							\
	VEC_INLINE __m128i						\
	raw_cmp##t(__m128i a, __m128i b, const unsigned n)		\
	{								\
		switch (n) {						\
		CMP_CASE(t, 0); CMP_CASE(t, 1); CMP_CASE(t, 2);		\
		CMP_CASE(t, 3); CMP_CASE(t, 4); CMP_CASE(t, 5);		\
		CMP_CASE(t, 6); default: CMP_ONE(t, 7);			\
		}							\
		return a;						\
	}
#define CMP_ONE(t, n)							\
	__asm__ volatile("cmp" #t " $" #n ", %1, %0" : "+x" (a) : "x" (b))
#define CMP_CASE(t, n)	case n: CMP_ONE(t, n); break

CMP_ASM(ps)
CMP_ASM(pd)
CMP_ASM(ss)
CMP_ASM(sd)
COMPARE(ps, raw_cmpps)
COMPARE(pd, raw_cmppd)

/* Scalars, the upper elements blank in both. */
VEC_INLINE __m128i
low_cmpss(__m128i a, __m128i b, const unsigned n)
{
	const __m128i low = _mm_set_epi32(0, 0, 0, -1);

	return raw_cmpss(_mm_and_si128(a, low), _mm_and_si128(b, low), n);
}
VEC_INLINE __m128i
low_cmpsd(__m128i a, __m128i b, const unsigned n)
{
	return raw_cmpsd(_mm_move_epi64(a), _mm_move_epi64(b), n);
}
COMPARE(ss, low_cmpss)
COMPARE(sd, low_cmpsd)

#define CMP_KERNEL(t, merge)						\
	VEC_INLINE __m128i						\
	k_cmp##t(__m128i a, __m128i b, unsigned imm)			\
	{								\
		__m128i r;						\
									\
		imm &= 31;						\
		if (likely(imm < 8))					\
			return raw_cmp##t(a, b, imm);			\
		r = more_cmp##t(a, b, imm);				\
		return merge;						\
	}
CMP_KERNEL(ps, r)
CMP_KERNEL(pd, r)
CMP_KERNEL(ss, _mm_castps_si128(_mm_move_ss(_mm_castsi128_ps(a),
    _mm_castsi128_ps(r))))
CMP_KERNEL(sd, _mm_castpd_si128(_mm_move_sd(_mm_castsi128_pd(a),
    _mm_castsi128_pd(r))))
VEC_OP(cmpps, VC_FLAGS | VC_IMM3, k_cmpps)
VEC_OP(cmppd, VC_FLAGS | VC_IMM3, k_cmppd)
VEC_OP(cmpss, VC_FLAGS | VC_IMM3 | VC_SCALAR, k_cmpss)
VEC_OP(cmpsd, VC_FLAGS | VC_IMM3 | VC_SCALAR | VC_WIDE, k_cmpsd)

/* ZF PF CF say how two scalars compare; OF SF AF are cleared. */
VEC_INLINE void
put_compare(struct cpu *c, bool z, bool p, bool cf)
{
	c->flags.res = !z;
	c->flags.aux = (uint32_t)cf << 31 | (uint32_t)cf << 30 |
	    (uint32_t)(p != z) << 8;
}

#define COMI(name, n, ext)						\
	VEC_INLINE void							\
	name##_body(struct cpu *c, const struct insn *i, const void *pb) \
	{								\
		__m128i a = vec_load(vec_reg(c, &i->opd[0]));		\
		__m128i b = vec_load_n(pb, n);				\
		bool z, p, cf;						\
									\
		vec_fp_begin(c, VC_FLAGS);				\
		__asm__ volatile(#name " %4, %3"			\
		    : "=@ccz" (z), "=@ccp" (p), "=@ccc" (cf)		\
		    : "x" (a), "x" (b));				\
		vec_fp_end(c, i, VC_FLAGS, &z, 0);			\
		put_compare(c, z, p, cf);				\
	}								\
	void								\
	x_##name(struct cpu *c, const struct insn *i)			\
	{								\
		vec_check_any(c, i, VC_FLAGS);				\
		name##_body(c, i, vec_src(c, i, &i->opd[1], n, 1));	\
		CPU_NEXT(c, i);						\
	}								\
	VEC_INLINE void							\
	name##_quick(struct cpu *c, const struct insn *i, int width, int kind) \
	{								\
		__m128i a = vec_load(vec_reg(c, &i->opd[0])), b;	\
		const void *pb = vec_reg(c, &i->opd[1]);		\
		bool z, p, cf;						\
									\
		if (unlikely(c->fp_stop & vec_stops(VC_FLAGS |		\
		    (width ? VC_AVX : VC_SSE)))) {			\
			x_##name(c, i);					\
			return;						\
		}							\
		if (kind == VF_RM)					\
			pb = vec_quick_mem(c, i, n, 1, TLB_READ);	\
		if (unlikely(!pb)) {					\
			x_##name(c, i);					\
			return;						\
		}							\
		b = vec_load_n(pb, n);					\
		__asm__ volatile(#name " %4, %3"			\
		    : "=@ccz" (z), "=@ccp" (p), "=@ccc" (cf)		\
		    : "x" (a), "x" (b));				\
		put_compare(c, z, p, cf);				\
		CPU_NEXT(c, i);						\
	}								\
	static void							\
	name##_rr(struct cpu *c, const struct insn *i)			\
	{								\
		name##_quick(c, i, VF_SSE, VF_RR);			\
	}								\
	static void							\
	name##_rm(struct cpu *c, const struct insn *i)			\
	{								\
		name##_quick(c, i, VF_SSE, VF_RM);			\
	}								\
	static void							\
	name##_vrr(struct cpu *c, const struct insn *i)			\
	{								\
		name##_quick(c, i, VF_VEX, VF_RR);			\
	}								\
	static void							\
	name##_vrm(struct cpu *c, const struct insn *i)			\
	{								\
		name##_quick(c, i, VF_VEX, VF_RM);			\
	}
COMI(ucomiss, 4, ss)
COMI(comiss, 4, ss)
COMI(ucomisd, 8, sd)
COMI(comisd, 8, sd)
#define COMI_FORMS(name)						\
	{ x_##name, { { name##_rr, name##_rm }, { name##_vrr, name##_vrm }, \
	    { name##_vrr, name##_vrm } } },

/* --- Rounding and dot products (SSE4.1) ---------------------------------- */

/*
 * ROUNDxx: imm8 bits 1:0 the mode unless bit 2 says MXCSR's, bit 3 no
 * precision exception.  Without SSE4.1: elements at or beyond 2^52 (2^23) are
 * whole already; others go through adding and subtracting that number in the
 * wanted mode, with MXCSR set for it.
 */
#define ROUND_ONE(t, n)							\
	__asm__ volatile("round" #t " $" #n ", %1, %0" : "+x" (a) : "x" (b))
#define ROUND_CASE(t, n)	case n: ROUND_ONE(t, n); break

static uint64_t
round_element(uint64_t v, bool is_double, unsigned imm)
{
	const uint64_t sign = is_double ? 1ull << 63 : 1ull << 31;
	const unsigned man = is_double ? 52 : 23;
	const int bias = is_double ? 1023 : 127;
	uint64_t mag = v & (sign - 1), unit, frac, half;
	uint32_t mx = vec_host_mxcsr(), flags = 0;
	unsigned rc = imm & 4 ? mx >> 13 & 3 : imm & 3;
	int e = (int)(mag >> man) - bias;
	bool up;

	if (mx & 0x40 && mag < 1ull << man)
		mag = 0, e = -bias;	/* DAZ */
	if (e > bias) {			/* infinity or NaN */
		if (mag & ((1ull << man) - 1) && !(mag >> (man - 1) & 1)) {
			flags = 1;
			mag |= 1ull << (man - 1);
		}
	} else if (mag && e < (int)man) {
		if (e < 0) {
			half = (uint64_t)(bias - 1) << man;
			up = rc == 0 ? mag > half :
			    rc == 1 ? (v & sign) != 0 :
			    rc == 2 ? !(v & sign) : false;
			mag = up ? (uint64_t)bias << man : 0;
			flags = 0x20;
		} else {
			unit = 1ull << ((int)man - e);
			frac = mag & (unit - 1);
			half = unit >> 1;
			up = rc == 0 ? frac > half ||
			    (frac == half && mag & unit) :
			    rc == 1 ? (v & sign) != 0 :
			    rc == 2 ? !(v & sign) : false;
			/* e = 0: the unit bit is the hidden one, set. */
			if (rc == 0 && e == 0)
				up = frac >= half;
			if (frac) {
				flags = 0x20;
				mag = (mag & ~(unit - 1)) + (up ? unit : 0);
			}
		}
	}
	if (imm & 8)
		flags &= ~0x20u;
	vec_set_host_mxcsr(mx | flags);
	return mag | (v & sign);
}

#define ROUND(t, is_double, elements, q)				\
	VEC_INLINE __m128i						\
	k_round##t(__m128i a, __m128i b, unsigned imm)			\
	{								\
		union vec r = { a }, s = { b };				\
		unsigned k;						\
									\
		if (unlikely(!(vec_host & HOST_SSE41))) {		\
			for (k = 0; k < elements; k++)			\
				r.q[k] = round_element(s.q[k],		\
				    is_double, imm);			\
			return r.v;					\
		}							\
		switch (imm & 4 ? imm & 12 : imm & 11) {		\
		ROUND_CASE(t, 0); ROUND_CASE(t, 1); ROUND_CASE(t, 2);	\
		ROUND_CASE(t, 3); ROUND_CASE(t, 4); ROUND_CASE(t, 8);	\
		ROUND_CASE(t, 9); ROUND_CASE(t, 10); ROUND_CASE(t, 11);	\
		default: ROUND_ONE(t, 12);				\
		}							\
		return a;						\
	}
ROUND(ps, false, 4, d)
ROUND(pd, true, 2, q)
ROUND(ss, false, 1, d)
ROUND(sd, true, 1, q)
VEC_OP(roundps, VC_FLAGS | VC_UNARY, k_roundps)
VEC_OP(roundpd, VC_FLAGS | VC_UNARY, k_roundpd)
VEC_OP(roundss, VC_FLAGS | VC_SCALAR, k_roundss)
VEC_OP(roundsd, VC_FLAGS | VC_SCALAR | VC_WIDE, k_roundsd)

/* All bits of the elements whose bit in m is set. */
VEC_INLINE __m128i
element_mask(unsigned m)
{
	return _mm_set_epi32(-(int)(m >> 3 & 1), -(int)(m >> 2 & 1),
	    -(int)(m >> 1 & 1), -(int)(m & 1));
}

/* imm8 bits 7:4 choose the factors, bits 3:0 where the sum goes. */
VEC_INLINE __m128i
k_dpps(__m128i a, __m128i b, unsigned imm)
{
	__m128i in = element_mask(imm >> 4), p, s;

	p = k_mulps(_mm_and_si128(a, in), _mm_and_si128(b, in), 0);
	/* A product left out is +0, whatever the factors were. */
	p = _mm_and_si128(p, in);
	s = k_addps(even_ps(p, p), odd_ps(p, p), 0);
	s = k_addps(_mm_shuffle_epi32(s, 0), _mm_shuffle_epi32(s, 0x55), 0);
	return _mm_and_si128(s, element_mask(imm));
}
VEC_INLINE __m128i
k_dppd(__m128i a, __m128i b, unsigned imm)
{
	__m128i in = element_mask((imm >> 4 & 1) * 3 | (imm >> 5 & 1) * 12);
	__m128i p, s;

	p = k_mulpd(_mm_and_si128(a, in), _mm_and_si128(b, in), 0);
	s = k_addpd(_mm_unpacklo_epi64(p, p), _mm_unpackhi_epi64(p, p), 0);
	return _mm_and_si128(s,
	    element_mask((imm & 1) * 3 | (imm >> 1 & 1) * 12));
}

/* With exceptions open each step is judged before the next. */
static __attribute__((noinline)) void
dot_open(struct cpu *c, const struct insn *i, bool is_double)
{
	const unsigned class = (is_double ? VC_F64 : VC_F32) | VC_TINY;
	const struct operand *o = i->opd;
	unsigned imm = (unsigned)i->imm, n = i->size / 16, k, step;
	__m128i in = element_mask(is_double ? (imm >> 4 & 1) * 3 |
	    (imm >> 5 & 1) * 12 : imm >> 4);
	const uint8_t *pa, *pb;
	union vec r[2];

	vec_check_any(c, i, class);
	pb = vec_src(c, i, vec_vex(i) ? &o[2] : &o[1], i->size,
	    vec_align(i, i->size));
	pa = vec_reg(c, vec_vex(i) ? &o[1] : o);
	for (step = 0; step < 3u - is_double; step++) {
		vec_open_begin(c);
		for (k = 0; k < n; k++) {
			__m128i a = _mm_and_si128(vec_load(pa + 16 * k), in);
			__m128i b = _mm_and_si128(vec_load(pb + 16 * k), in);
			__m128i p = r[k].v;

			if (step == 0)
				r[k].v = is_double ? k_mulpd(a, b, 0) :
				    k_mulps(a, b, 0);
			else if (is_double)
				r[k].v = k_addpd(_mm_unpacklo_epi64(p, p),
				    _mm_unpackhi_epi64(p, p), 0);
			else if (step == 1)
				r[k].v = k_addps(even_ps(p, p), odd_ps(p, p),
				    0);
			else
				r[k].v = k_addps(_mm_shuffle_epi32(p, 0),
				    _mm_shuffle_epi32(p, 0x55), 0);
		}
		vec_open_end(c, i, class, r, i->size);
	}
	in = element_mask(is_double ? (imm & 1) * 3 | (imm >> 1 & 1) * 12 :
	    imm);
	for (k = 0; k < n; k++)
		r[k].v = _mm_and_si128(r[k].v, in);
	if (n == 2)
		vec_put2(c, o, r[0].v, r[1].v);
	else
		vec_put(c, i, o, r[0].v);
}
void
x_dpps(struct cpu *c, const struct insn *i)
{
	if (unlikely(c->fp_stop & FP_OPEN_SSE))
		dot_open(c, i, false);
	else
		vec_generic(c, i, 0, k_dpps, k_dpps);
	CPU_NEXT(c, i);
}
void
x_dppd(struct cpu *c, const struct insn *i)
{
	if (unlikely(c->fp_stop & FP_OPEN_SSE))
		dot_open(c, i, true);
	else
		vec_generic(c, i, 0, k_dppd, k_dppd);
	CPU_NEXT(c, i);
}

#define FORMS4(n) VEC_FORMS(n##ps) VEC_FORMS(n##pd) VEC_FORMS(n##ss) \
	VEC_FORMS(n##sd)
#define FORMS2(n) VEC_FORMS(n##ps) VEC_FORMS(n##pd)
const struct vec_forms vec_arith_forms[] = {
	FORMS4(add) FORMS4(sub) FORMS4(mul) FORMS4(div) FORMS4(min)
	FORMS4(max) FORMS4(sqrt) FORMS4(cmp) FORMS4(round)
	FORMS2(and) FORMS2(andn) FORMS2(or) FORMS2(xor)
	FORMS2(hadd) FORMS2(hsub) FORMS2(addsub)
	VEC_FORMS(rcpps) VEC_FORMS(rsqrtps) VEC_FORMS(rcpss)
	VEC_FORMS(rsqrtss)
	COMI_FORMS(ucomiss) COMI_FORMS(ucomisd) COMI_FORMS(comiss)
	COMI_FORMS(comisd)
	{ 0 }
};
