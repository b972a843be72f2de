/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_fma.c - fused multiply-add
 *
 * By the host's FMA, whose encodings are the guest's, or else exactly in
 * integers (softfma.c) one element after the other.
 */
#include "cpu/softfma.h"
#include "cpu/vec.h"

/* d: opd[0], s2: opd[1], s3: opd[2] */
typedef __m128i fma_kernel(__m128i d, __m128i s2, __m128i s3);

enum { F132, F213, F231 };

/* x * y + z out of the three operands. */
static __attribute__((noinline)) __m128i
fma_in_c(__m128i d, __m128i s2, __m128i s3, int form, unsigned kind,
    unsigned class)
{
	union vec v[3] = { { d }, { s2 }, { s3 } }, r = { d };
	const union vec *x = &v[form == F213 ? 1 : form == F231 ? 1 : 0];
	const union vec *y = &v[form == F213 ? 0 : 2];
	const union vec *z = &v[form == F132 ? 1 : form == F213 ? 2 : 0];
	uint32_t mx = vec_host_mxcsr(), flags = 0;
	unsigned n = class & VC_F64 ? 2 : 4, k;
	bool neg, sub;

	for (k = 0; k < (class & VC_SCALAR ? 1 : n); k++) {
		neg = kind & FMA_NEGATE;
		sub = kind & (k & 1 ? FMA_SUB_ODD : FMA_SUB_EVEN);
		if (class & VC_F64)
			r.q[k] = soft_fma64(x->q[k], y->q[k], z->q[k], neg,
			    sub, mx, &flags);
		else
			r.d[k] = soft_fma32(x->d[k], y->d[k], z->d[k], neg,
			    sub, mx, &flags);
	}
	vec_set_host_mxcsr(mx | flags);
	return r.v;
}

VEC_INLINE void
fused(struct cpu *c, const struct insn *i, unsigned class, fma_kernel *k)
{
	const struct operand *o = i->opd;
	unsigned n = class & VC_SCALAR ? vec_scalar_size(class) : i->size;
	const uint8_t *p2 = vec_reg(c, &o[1]), *p3;
	uint8_t *d = vec_reg(c, o);
	union vec r[2];

	vec_check(c, i, VC_AVX | class);
	p3 = vec_src(c, i, &o[2], n, 1);
	vec_fp_begin(c, class);
	r[1].v = _mm_setzero_si128();
	r[0].v = k(vec_load(d), vec_load(p2),
	    class & VC_SCALAR ? vec_load_n(p3, n) : vec_load(p3));
	if (!(class & VC_SCALAR) && n == 32)
		r[1].v = k(vec_load(d + 16), vec_load(p2 + 16),
		    vec_load(p3 + 16));
	vec_fp_end(c, i, class, r, n);
	vec_put2(c, o, r[0].v, r[1].v);
}

VEC_INLINE bool
fma_quick(struct cpu *c, const struct insn *i, unsigned class, fma_kernel *k,
    int width, int kind)
{
	const struct operand *o = i->opd;
	unsigned n = class & VC_SCALAR ? vec_scalar_size(class) :
	    width == VF_YMM ? 32 : 16;
	const uint8_t *p2 = vec_reg(c, &o[1]), *p3 = vec_reg(c, &o[2]);
	uint8_t *d = vec_reg(c, o);
	__m128i lo, hi = _mm_setzero_si128();

	if (unlikely(c->fp_stop & vec_stops(VC_AVX | class)))
		return false;
	if (kind == VF_RM && unlikely(!(p3 = vec_quick_mem(c, i, n, 1,
	    TLB_READ))))
		return false;
	lo = k(vec_load(d), vec_load(p2), class & VC_SCALAR && kind == VF_RM ?
	    vec_load_n(p3, n) : vec_load(p3));
	if (width == VF_YMM)
		hi = k(vec_load(d + 16), vec_load(p2 + 16),
		    vec_load(p3 + 16));
	_mm_store_si128((__m128i *)d, lo);
	_mm_store_si128((__m128i *)(d + 16), hi);
	return true;
}

#define QUICK(name, suffix, class, width, kind)				\
	static void							\
	name##_##suffix(struct cpu *c, const struct insn *i)		\
	{								\
		if (unlikely(!fma_quick(c, i, class, k_##name, width,	\
		    kind))) {						\
			x_##name(c, i);					\
			return;						\
		}							\
		CPU_NEXT(c, i);						\
	}
#define ONE(name, form, kind, class)					\
	VEC_INLINE __m128i						\
	k_##name(__m128i d, __m128i s2, __m128i s3)			\
	{								\
		if (unlikely(!(vec_host & HOST_FMA)))			\
			return fma_in_c(d, s2, s3, form, kind, class);	\
		__asm__ volatile(#name " %2, %1, %0"			\
		    : "+x" (d) : "x" (s2), "x" (s3));			\
		return d;						\
	}								\
	static __attribute__((noinline)) void				\
	slow_##name(struct cpu *c, const struct insn *i)		\
	{								\
		fused(c, i, (class) | VC_TINY, k_##name);			\
	}								\
	EXEC(x_##name) { slow_##name(c, i); }				\
	QUICK(name, vrr, class, VF_VEX, VF_RR)				\
	QUICK(name, vrm, class, VF_VEX, VF_RM)				\
	QUICK(name, yrr, class, (class) & VC_SCALAR ? VF_VEX : VF_YMM, VF_RR) \
	QUICK(name, yrm, class, (class) & VC_SCALAR ? VF_VEX : VF_YMM, VF_RM)

#define PACKED(op, kind)						\
	ONE(v##op##132ps, F132, kind, VC_F32)				\
	ONE(v##op##213ps, F213, kind, VC_F32)				\
	ONE(v##op##231ps, F231, kind, VC_F32)				\
	ONE(v##op##132pd, F132, kind, VC_F64)				\
	ONE(v##op##213pd, F213, kind, VC_F64)				\
	ONE(v##op##231pd, F231, kind, VC_F64)
#define SCALAR(op, kind)						\
	ONE(v##op##132ss, F132, kind, VC_F32 | VC_SCALAR)		\
	ONE(v##op##213ss, F213, kind, VC_F32 | VC_SCALAR)		\
	ONE(v##op##231ss, F231, kind, VC_F32 | VC_SCALAR)		\
	ONE(v##op##132sd, F132, kind, VC_F64 | VC_SCALAR)		\
	ONE(v##op##213sd, F213, kind, VC_F64 | VC_SCALAR)		\
	ONE(v##op##231sd, F231, kind, VC_F64 | VC_SCALAR)
#define BOTH(op, kind) PACKED(op, kind) SCALAR(op, kind)

BOTH(fmadd, 0)
BOTH(fmsub, FMA_SUB_ODD | FMA_SUB_EVEN)
BOTH(fnmadd, FMA_NEGATE)
BOTH(fnmsub, FMA_NEGATE | FMA_SUB_ODD | FMA_SUB_EVEN)
PACKED(fmaddsub, FMA_SUB_EVEN)
PACKED(fmsubadd, FMA_SUB_ODD)

#define FORM(name)							\
	{ x_##name, { { NULL }, { name##_vrr, name##_vrm },		\
	    { name##_yrr, name##_yrm } } },
#define FORMS(op, t) FORM(v##op##132##t) FORM(v##op##213##t) FORM(v##op##231##t)
#define FORMS_P(op) FORMS(op, ps) FORMS(op, pd)
#define FORMS_B(op) FORMS_P(op) FORMS(op, ss) FORMS(op, sd)
const struct vec_forms vec_fma_forms[] = {
	FORMS_B(fmadd) FORMS_B(fmsub) FORMS_B(fnmadd) FORMS_B(fnmsub)
	FORMS_P(fmaddsub) FORMS_P(fmsubadd)
	{ 0 }
};
