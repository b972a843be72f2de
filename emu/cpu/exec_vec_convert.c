/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_vec_convert.c - SSE and AVX conversions, F16C among them
 *
 * Those between elements of one size are kernels as in vec.h; where sizes
 * differ 256 bits are not two of 128, and each has its own shape below.
 */
#include "cpu/vec.h"

/* Destination, or a general register, from b; a is what scalars keep. */
#define UNARY(name)							\
	VEC_INLINE __m128i						\
	k_##name(__m128i a, __m128i b, unsigned imm)			\
	{								\
		__asm__ volatile(#name " %1, %0" : "=x" (a) : "x" (b));	\
		return a;						\
	}
#define MERGE(name)							\
	VEC_INLINE __m128i						\
	k_##name(__m128i a, __m128i b, unsigned imm)			\
	{								\
		__asm__ volatile(#name " %1, %0" : "+x" (a) : "x" (b));	\
		return a;						\
	}

/* --- Same size ----------------------------------------------------------- */

UNARY(cvtdq2ps)
UNARY(cvtps2dq)
UNARY(cvttps2dq)
VEC_OP(cvtdq2ps, VC_FLAGS | VC_UNARY, k_cvtdq2ps)
VEC_OP(cvtps2dq, VC_FLAGS | VC_UNARY, k_cvtps2dq)
VEC_OP(cvttps2dq, VC_FLAGS | VC_UNARY, k_cvttps2dq)

/* --- Scalars ------------------------------------------------------------- */

MERGE(cvtss2sd)
MERGE(cvtsd2ss)
VEC_OP(cvtss2sd, VC_FLAGS | VC_SCALAR, k_cvtss2sd)
VEC_OP(cvtsd2ss, VC_F32 | VC_SCALAR | VC_WIDE | VC_TINY, k_cvtsd2ss)

/* From a general register or memory of 4 or 8 bytes. */
VEC_INLINE __m128i
from_int(__m128i a, uint64_t v, bool is_double, bool wide)
{
	if (is_double && wide)
		__asm__ volatile("cvtsi2sdq %1, %0" : "+x" (a) : "r" (v));
	else if (is_double)
		__asm__ volatile("cvtsi2sdl %k1, %0" : "+x" (a) : "r" (v));
	else if (wide)
		__asm__ volatile("cvtsi2ssq %1, %0" : "+x" (a) : "r" (v));
	else
		__asm__ volatile("cvtsi2ssl %k1, %0" : "+x" (a) : "r" (v));
	return a;
}

VEC_INLINE void
cvtsi2x(struct cpu *c, const struct insn *i, bool is_double)
{
	const struct operand *a = &i->opd[vec_vex(i) ? 1 : 0];
	const struct operand *b = &i->opd[vec_vex(i) ? 2 : 1];
	bool wide = b->size == 8;
	__m128i r;
	uint64_t v;

	vec_check_any(c, i, VC_FLAGS);
	if (b->kind == OPD_GPR)
		v = gpr_get64(c, b->off);
	else if (wide)
		v = cpu_load64(c, i, cpu_linear(c, i, 8, TLB_READ));
	else
		v = cpu_load32(c, i, cpu_linear(c, i, 4, TLB_READ));
	vec_fp_begin(c, VC_FLAGS);
	r = from_int(vec_load(vec_reg(c, a)), v, is_double, wide);
	vec_fp_end(c, i, VC_FLAGS, &r, 0);
	vec_put(c, i, &i->opd[0], r);
}
static __attribute__((noinline)) void
cvtsi2ss(struct cpu *c, const struct insn *i)
{
	cvtsi2x(c, i, false);
}
static __attribute__((noinline)) void
cvtsi2sd(struct cpu *c, const struct insn *i)
{
	cvtsi2x(c, i, true);
}
EXEC(x_cvtsi2ss) { cvtsi2ss(c, i); }
EXEC(x_cvtsi2sd) { cvtsi2sd(c, i); }

/* To a general register of 4 or 8 bytes. */
#define TO_INT(name)							\
	VEC_INLINE uint64_t						\
	to_##name(__m128i b, bool wide)					\
	{								\
		uint64_t v;						\
									\
		if (wide)						\
			__asm__ volatile(#name " %1, %0"		\
			    : "=r" (v) : "x" (b));			\
		else							\
			__asm__ volatile(#name " %1, %k0"		\
			    : "=r" (v) : "x" (b));			\
		return v;						\
	}
TO_INT(cvtss2si)
TO_INT(cvttss2si)
TO_INT(cvtsd2si)
TO_INT(cvttsd2si)

VEC_INLINE void
cvtx2si(struct cpu *c, const struct insn *i, unsigned n,
    uint64_t (*k)(__m128i, bool))
{
	const struct operand *o = i->opd;
	uint64_t v;
	__m128i b;

	vec_check_any(c, i, VC_FLAGS);
	b = vec_load_n(vec_src(c, i, &o[1], n, 1), n);
	vec_fp_begin(c, VC_FLAGS);
	v = k(b, o->size == 8);
	vec_fp_end(c, i, VC_FLAGS, &v, 0);
	vec_put_gpr(c, o, v);
}

VEC_INLINE bool
int_quick(struct cpu *c, const struct insn *i, unsigned n,
    uint64_t (*k)(__m128i, bool), int width, int kind)
{
	const struct operand *o = i->opd;
	const void *p = vec_reg(c, &o[1]);

	if (unlikely(c->fp_stop & vec_stops(VC_FLAGS |
	    (width ? VC_AVX : VC_SSE))))
		return false;
	if (kind == VF_GM && unlikely(!(p = vec_quick_mem(c, i, n, 1,
	    TLB_READ))))
		return false;
	if (o->size == 8)
		gpr_put64(c, o->off, k(vec_load_n(p, n), true));
	else
		gpr_put32(c, o->off, (uint32_t)k(vec_load_n(p, n), false));
	return true;
}

#define CVT_INT(name, n)						\
	static __attribute__((noinline)) void				\
	slow_##name(struct cpu *c, const struct insn *i)		\
	{								\
		cvtx2si(c, i, n, to_##name);				\
	}								\
	EXEC(x_##name) { slow_##name(c, i); }				\
	VEC_QUICK(name, gr, int_quick(c, i, n, to_##name, VF_SSE, VF_GR))	\
	VEC_QUICK(name, gm, int_quick(c, i, n, to_##name, VF_SSE, VF_GM))	\
	VEC_QUICK(name, vgr, int_quick(c, i, n, to_##name, VF_VEX, VF_GR))	\
	VEC_QUICK(name, vgm, int_quick(c, i, n, to_##name, VF_VEX, VF_GM))
#define INT_FORMS(name)							\
	{ x_##name, {							\
	    { [VF_GR] = name##_gr, [VF_GM] = name##_gm },		\
	    { [VF_GR] = name##_vgr, [VF_GM] = name##_vgm },		\
	    { [VF_GR] = name##_vgr, [VF_GM] = name##_vgm } } },
CVT_INT(cvtss2si, 4)
CVT_INT(cvttss2si, 4)
CVT_INT(cvtsd2si, 8)
CVT_INT(cvttsd2si, 8)

VEC_INLINE bool
from_quick(struct cpu *c, const struct insn *i, bool is_double, int width,
    int kind)
{
	const struct operand *o = i->opd, *b = &o[width ? 2 : 1];
	uint8_t *d = vec_reg(c, o);
	__m128i a = vec_load(width ? vec_reg(c, &o[1]) : d);
	uint64_t v = 0;
	const void *p;

	if (unlikely(c->fp_stop & vec_stops(VC_FLAGS |
	    (width ? VC_AVX : VC_SSE))))
		return false;
	if (kind == VF_RM) {
		p = vec_quick_mem(c, i, b->size, 1, TLB_READ);
		if (unlikely(!p))
			return false;
		memcpy(&v, p, b->size == 8 ? 8 : 4);
	} else {
		v = gpr_get64(c, b->off);
	}
	a = b->size == 8 ? from_int(a, v, is_double, true) :
	    from_int(a, v, is_double, false);
	_mm_store_si128((__m128i *)d, a);
	if (width)
		_mm_store_si128((__m128i *)(d + 16), _mm_setzero_si128());
	return true;
}
#define FROM_INT(name, is_double)					\
	VEC_QUICK(name, rg, from_quick(c, i, is_double, VF_SSE, VF_RG))	\
	VEC_QUICK(name, rm, from_quick(c, i, is_double, VF_SSE, VF_RM))	\
	VEC_QUICK(name, vrg, from_quick(c, i, is_double, VF_VEX, VF_RG))	\
	VEC_QUICK(name, vrm, from_quick(c, i, is_double, VF_VEX, VF_RM))
#define FROM_FORMS(name)						\
	{ x_##name, {							\
	    { [VF_RG] = name##_rg, [VF_RM] = name##_rm },		\
	    { [VF_RG] = name##_vrg, [VF_RM] = name##_vrm },		\
	    { [VF_RG] = name##_vrg, [VF_RM] = name##_vrm } } },
FROM_INT(cvtsi2ss, false)
FROM_INT(cvtsi2sd, true)

/* --- Narrow to wide: the low half of the source for each lane ------------ */

UNARY(cvtps2pd)
UNARY(cvtdq2pd)

VEC_INLINE void
lengthen(struct cpu *c, const struct insn *i, unsigned class, vec_kernel *k)
{
	const struct operand *o = i->opd;
	const uint8_t *p;
	__m128i lo, hi = _mm_setzero_si128();

	vec_check_any(c, i, class);
	p = vec_src(c, i, &o[1], i->size / 2, 1);
	vec_fp_begin(c, class);
	lo = k(hi, _mm_loadl_epi64((const __m128i *)p), 0);
	if (i->size == 32)
		hi = k(hi, _mm_loadl_epi64((const __m128i *)(p + 8)), 0);
	vec_fp_end(c, i, class, &lo, 0);
	if (i->size == 32)
		vec_put2(c, o, lo, hi);
	else
		vec_put(c, i, o, lo);
}
static __attribute__((noinline)) void
cvtps2pd(struct cpu *c, const struct insn *i)
{
	lengthen(c, i, VC_FLAGS, k_cvtps2pd);
}
static __attribute__((noinline)) void
cvtdq2pd(struct cpu *c, const struct insn *i)
{
	lengthen(c, i, 0, k_cvtdq2pd);
}
EXEC(x_cvtps2pd) { cvtps2pd(c, i); }
EXEC(x_cvtdq2pd) { cvtdq2pd(c, i); }

/* --- Wide to narrow: each lane makes 8 bytes ----------------------------- */

UNARY(cvtpd2ps)
UNARY(cvtpd2dq)
UNARY(cvttpd2dq)

VEC_INLINE void
shorten(struct cpu *c, const struct insn *i, unsigned class, vec_kernel *k)
{
	const struct operand *o = i->opd;
	const uint8_t *p;
	__m128i lo, hi;

	vec_check_any(c, i, class);
	p = vec_src(c, i, &o[1], i->size, vec_align(i, i->size));
	vec_fp_begin(c, class);
	lo = vec_load(p);
	lo = k(lo, lo, 0);
	if (i->size == 32) {
		hi = k(lo, vec_load(p + 16), 0);
		lo = _mm_unpacklo_epi64(lo, hi);
	}
	vec_fp_end(c, i, class, &lo, 16);
	vec_put(c, i, o, lo);
}
static __attribute__((noinline)) void
cvtpd2ps(struct cpu *c, const struct insn *i)
{
	shorten(c, i, VC_F32 | VC_TINY, k_cvtpd2ps);
}
static __attribute__((noinline)) void
cvtpd2dq(struct cpu *c, const struct insn *i)
{
	shorten(c, i, VC_FLAGS, k_cvtpd2dq);
}
static __attribute__((noinline)) void
cvttpd2dq(struct cpu *c, const struct insn *i)
{
	shorten(c, i, VC_FLAGS, k_cvttpd2dq);
}
EXEC(x_cvtpd2ps) { cvtpd2ps(c, i); }
EXEC(x_cvtpd2dq) { cvtpd2dq(c, i); }
EXEC(x_cvttpd2dq) { cvttpd2dq(c, i); }

/* --- To and from MMX registers ------------------------------------------- */

/* With a memory operand they leave the x87 state alone: SDM 2, CVTPI2PD; of
 * CVTPI2PS it says otherwise, but processors do not. */
static __attribute__((noinline)) void
from_mmx(struct cpu *c, const struct insn *i, bool is_double)
{
	const struct operand *o = i->opd;
	bool mmx = o[1].kind == OPD_MMX;
	unsigned class = is_double ? 0 : VC_FLAGS;
	__m128i v, r;

	vec_check(c, i, VC_SSE | (mmx ? VC_MMX : 0) | class);
	v = _mm_loadl_epi64(vec_src(c, i, &o[1], 8, 1));
	if (mmx)
		vec_mmx_enter(c);
	if (is_double) {
		vec_put(c, i, o, k_cvtdq2pd(v, v, 0));
		return;
	}
	vec_fp_begin(c, class);
	r = k_cvtdq2ps(v, v, 0);
	vec_fp_end(c, i, class, &r, 0);
	_mm_storel_epi64(vec_reg(c, o), r);
}
EXEC(x_cvtpi2ps) { from_mmx(c, i, false); }
EXEC(x_cvtpi2pd) { from_mmx(c, i, true); }

VEC_INLINE void
to_mmx(struct cpu *c, const struct insn *i, unsigned n, vec_kernel *k)
{
	const struct operand *o = i->opd;
	__m128i r;

	vec_check(c, i, VC_SSE | VC_MMX | VC_FLAGS);
	r = vec_load_n(vec_src(c, i, &o[1], n, n == 16 ? 16 : 1), n);
	vec_mmx_enter(c);	/* done even if #XM follows */
	vec_fp_begin(c, VC_FLAGS);
	r = k(r, r, 0);
	vec_fp_end(c, i, VC_FLAGS, &r, 0);
	vec_put_mm(c, o, r);
}
EXEC(x_cvtps2pi) { to_mmx(c, i, 8, k_cvtps2dq); }
EXEC(x_cvttps2pi) { to_mmx(c, i, 8, k_cvttps2dq); }
EXEC(x_cvtpd2pi) { to_mmx(c, i, 16, k_cvtpd2dq); }
EXEC(x_cvttpd2pi) { to_mmx(c, i, 16, k_cvttpd2dq); }

/* --- F16C: half precision ------------------------------------------------ */

/* IEEE binary16 has 5 bits of exponent (bias 15) and 10 of fraction.  Signals
 * are the single-precision ones, but denormal halves are not DE and DAZ does
 * not apply to them (SDM 1, 14.4.1). */
static uint32_t
single_of_half(uint16_t h, uint32_t *flags)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, man = h & 0x3ff;
	int e = h >> 10 & 31;

	if (e == 31) {
		if (man && !(man & 0x200)) {
			*flags |= 1;
			man |= 0x200;
		}
		return sign | 0x7f800000 | man << 13;
	}
	if (!e) {
		if (!man)
			return sign;
		for (e = 1; !(man & 0x400); e--)
			man <<= 1;
		man &= 0x3ff;
	}
	return sign | (uint32_t)(e + 112) << 23 | man << 13;
}

static uint16_t
half_of_single(uint32_t f, unsigned rc, uint32_t mx, uint32_t *flags)
{
	uint16_t sign = (uint16_t)(f >> 16 & 0x8000);
	uint32_t man = f & 0x7fffff, odd, rest, half;
	int e = (int)(f >> 23 & 255), shift;
	bool up, tiny;

	if (e == 255) {
		if (man && !(man & 0x400000))
			*flags |= 1;
		return sign | (uint16_t)(man ? 0x7e00 | man >> 13 : 0x7c00);
	}
	if (!e) {
		if (!man || mx & 0x40)
			return sign;
		*flags |= 2;
		e = 1;
	} else {
		man |= 0x800000;
	}
	/* man * 2^(e - 150); the result's unit is 2^-24, or 2^(e - 137) */
	shift = e - 112 >= 1 ? 13 : 126 - e;
	if (shift > 25)
		shift = 25;
	rest = man & ((1u << shift) - 1);
	half = 1u << (shift - 1);
	odd = man >> shift & 1;
	up = rc == 0 ? rest > half || (rest == half && odd) :
	    rc == 1 ? sign && rest : rc == 2 ? !sign && rest : false;
	/* Tiny is judged after rounding to 11 bits of unbounded range: just
	 * below the least normal number that may lead out of tininess. */
	tiny = e < 113;
	if (e == 112 && man >> 13 == 0x7ff) {
		uint32_t r13 = man & 0x1fff;

		if (rc == 0 ? r13 >= 0x1000 : rc == 1 ? sign && r13 :
		    rc == 2 && !sign && r13)
			tiny = false;
	}
	man = (man >> shift) + up;
	if (e - 112 >= 1)
		man += (uint32_t)(e - 113) << 10;
	if (man >= 0x7c00) {
		*flags |= 0x28;
		return sign | (rc == 3 || (rc == 1 && !sign) ||
		    (rc == 2 && sign) ? 0x7bff : 0x7c00);
	}
	if (rest)
		*flags |= 0x20 | (tiny ? 0x10 : 0);
	return sign | (uint16_t)man;
}

static __m128i
halves_in_c(__m128i b, unsigned imm)
{
	union vec x = { b }, r = { _mm_setzero_si128() };
	uint32_t mx = vec_host_mxcsr(), flags = 0;
	unsigned k;

	for (k = 0; k < 4; k++)
		r.w[k] = half_of_single(x.d[k], imm & 4 ? mx >> 13 & 3 :
		    imm & 3, mx, &flags);
	vec_set_host_mxcsr(mx | flags);
	return r.v;
}

static __m128i
singles_in_c(__m128i b)
{
	union vec x = { b }, r;
	uint32_t flags = 0;
	unsigned k;

	for (k = 0; k < 4; k++)
		r.d[k] = single_of_half(x.w[k], &flags);
	if (flags)
		vec_set_host_mxcsr(vec_host_mxcsr() | flags);
	return r.v;
}

#define HALF_CASE(n)							\
	case n:								\
		__asm__ volatile("vcvtps2ph $" #n ", %1, %0"		\
		    : "=x" (r) : "x" (b));				\
		break
VEC_INLINE __m128i
k_vcvtps2ph(__m128i a, __m128i b, unsigned imm)
{
	__m128i r;

	if (unlikely(!(vec_host & HOST_F16C)))
		return halves_in_c(b, imm);
	switch (imm & 4 ? 4 : imm & 3) {
	HALF_CASE(0);
	HALF_CASE(1);
	HALF_CASE(2);
	HALF_CASE(3);
	default: HALF_CASE(4);
	}
	return r;
}
VEC_INLINE __m128i
k_vcvtph2ps(__m128i a, __m128i b, unsigned imm)
{
	if (unlikely(!(vec_host & HOST_F16C)))
		return singles_in_c(b);
	__asm__ volatile("vcvtph2ps %1, %0" : "=x" (b) : "x" (b));
	return b;
}

static __attribute__((noinline)) void
vcvtph2ps(struct cpu *c, const struct insn *i)
{
	lengthen(c, i, VC_FLAGS, k_vcvtph2ps);
}
EXEC(x_vcvtph2ps) { vcvtph2ps(c, i); }

static __attribute__((noinline)) void
vcvtps2ph(struct cpu *c, const struct insn *i)
{
	const struct operand *o = i->opd;
	const uint8_t *p = vec_reg(c, &o[1]);
	unsigned class = VC_FLAGS | VC_F16 | VC_TINY;
	__m128i r, hi;

	vec_check(c, i, VC_AVX | class);
	if (o->kind == OPD_MEM)
		cpu_probe(c, i, cpu_linear(c, i, i->size / 2, TLB_WRITE),
		    i->size / 2, TLB_WRITE);
	vec_fp_begin(c, class);
	r = vec_load(p);
	r = k_vcvtps2ph(r, r, (unsigned)i->imm);
	if (i->size == 32) {
		hi = k_vcvtps2ph(r, vec_load(p + 16), (unsigned)i->imm);
		r = _mm_unpacklo_epi64(r, hi);
	}
	vec_fp_end(c, i, class, &r, i->size / 2);
	if (o->kind == OPD_MEM)
		vec_put_mem(c, i, &r, i->size / 2, 1);
	else
		vec_put(c, i, o, r);
}
EXEC(x_vcvtps2ph) { vcvtps2ph(c, i); }

const struct vec_forms vec_convert_forms[] = {
	VEC_FORMS(cvtdq2ps) VEC_FORMS(cvtps2dq) VEC_FORMS(cvttps2dq)
	VEC_FORMS(cvtss2sd) VEC_FORMS(cvtsd2ss)
	INT_FORMS(cvtss2si) INT_FORMS(cvttss2si) INT_FORMS(cvtsd2si)
	INT_FORMS(cvttsd2si)
	FROM_FORMS(cvtsi2ss) FROM_FORMS(cvtsi2sd)
	{ 0 }
};
