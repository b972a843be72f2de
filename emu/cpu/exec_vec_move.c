/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_vec_move.c - vectors between registers and memory: whole, halves,
 * scalars, under masks; gathers; leaving MMX and AVX
 *
 * Non-temporal stores are stores.
 */
#include "cpu/vec.h"

/* --- Whole registers ----------------------------------------------------- */

VEC_INLINE void
move(struct cpu *c, const struct insn *i, bool aligned)
{
	const struct operand *o = i->opd;
	unsigned n = i->size, align = aligned ? n : 1;
	const uint8_t *p;

	vec_check_any(c, i, 0);
	if (o->kind == OPD_MEM) {
		vec_put_mem(c, i, vec_reg(c, &o[1]), n, align);
		return;
	}
	p = vec_src(c, i, &o[1], n, align);
	if (n == 32)
		vec_put2(c, o, vec_load(p), vec_load(p + 16));
	else
		vec_put(c, i, o, vec_load(p));
}

VEC_INLINE bool
move_quick(struct cpu *c, const struct insn *i, bool aligned, int width,
    int kind)
{
	const struct operand *o = i->opd;
	unsigned n = width == VF_YMM ? 32 : 16, align = aligned ? n : 1;
	const uint8_t *p = vec_reg(c, &o[1]);
	uint8_t *d = vec_reg(c, o);
	__m128i lo, hi;

	if (unlikely(c->fp_stop & (width ? FP_STOP_AVX : FP_STOP_SSE)))
		return false;
	if (kind == VF_RM && unlikely(!(p = vec_quick_mem(c, i, n, align,
	    TLB_READ))))
		return false;
	if (kind == VF_MR && unlikely(!(d = vec_quick_mem(c, i, n, align,
	    TLB_WRITE))))
		return false;
	lo = vec_load(p);
	hi = width == VF_YMM ? vec_load(p + 16) : _mm_setzero_si128();
	_mm_storeu_si128((__m128i *)d, lo);
	if (width == VF_YMM || (width && kind != VF_MR))
		_mm_storeu_si128((__m128i *)(d + 16), hi);
	return true;
}

#define MOVE_QUICK(name, suffix, aligned, width, kind)			\
	VEC_QUICK(name, suffix, move_quick(c, i, aligned, width, kind))
#define MOVE(name, aligned)						\
	EXEC(x_##name) { move(c, i, aligned); }				\
	MOVE_QUICK(name, rr, aligned, VF_SSE, VF_RR)			\
	MOVE_QUICK(name, rm, aligned, VF_SSE, VF_RM)			\
	MOVE_QUICK(name, mr, aligned, VF_SSE, VF_MR)			\
	MOVE_QUICK(name, vrr, aligned, VF_VEX, VF_RR)			\
	MOVE_QUICK(name, vrm, aligned, VF_VEX, VF_RM)			\
	MOVE_QUICK(name, vmr, aligned, VF_VEX, VF_MR)			\
	MOVE_QUICK(name, yrr, aligned, VF_YMM, VF_RR)			\
	MOVE_QUICK(name, yrm, aligned, VF_YMM, VF_RM)			\
	MOVE_QUICK(name, ymr, aligned, VF_YMM, VF_MR)
#define MOVE_FORMS(name)						\
	{ x_##name, { { name##_rr, name##_rm, name##_mr },		\
	    { name##_vrr, name##_vrm, name##_vmr },			\
	    { name##_yrr, name##_yrm, name##_ymr } } },

MOVE(movups, false)
MOVE(movaps, true)
MOVE(movdqu, false)
MOVE(movdqa, true)
MOVE(movupd, false)
MOVE(movapd, true)
MOVE(lddqu, false)
MOVE(movntdqa, true)
MOVE(movntps, true)
MOVE(movntpd, true)
MOVE(movntdq, true)

/* --- Scalars ------------------------------------------------------------- */

/* Loads clear the rest of the register; between registers it comes from the
 * first source. */
VEC_INLINE void
move_scalar(struct cpu *c, const struct insn *i, unsigned n)
{
	const struct operand *o = i->opd;
	const struct operand *b = vec_vex(i) ? &o[2] : &o[1];
	union vec r;

	vec_check_any(c, i, 0);
	if (o->kind == OPD_MEM) {
		vec_put_mem(c, i, vec_reg(c, &o[1]), n, 1);
	} else if (i->flags & INSN_MEM) {
		vec_put(c, i, o, vec_load_n(vec_mem(c, i, n, 1), n));
	} else {
		r.v = vec_load(vec_reg(c, vec_vex(i) ? &o[1] : o));
		memcpy(&r, vec_reg(c, b), n);
		vec_put(c, i, o, r.v);
	}
}

VEC_INLINE bool
scalar_quick(struct cpu *c, const struct insn *i, unsigned n, int width,
    int kind)
{
	const struct operand *o = i->opd;
	uint8_t *d = vec_reg(c, o);
	void *p;
	uint64_t v = 0;

	if (unlikely(c->fp_stop & (width ? FP_STOP_AVX : FP_STOP_SSE)))
		return false;
	if (kind == VF_RM) {
		p = vec_quick_mem(c, i, n, 1, TLB_READ);
		if (unlikely(!p))
			return false;
		_mm_store_si128((__m128i *)d, vec_load_n(p, n));
		if (width)
			_mm_store_si128((__m128i *)(d + 16),
			    _mm_setzero_si128());
	} else {
		p = vec_quick_mem(c, i, n, 1, TLB_WRITE);
		if (unlikely(!p))
			return false;
		memcpy(&v, vec_reg(c, &o[1]), n);
		memcpy(p, &v, n);
	}
	return true;
}
#define SCALAR(name, n)							\
	EXEC(x_##name) { move_scalar(c, i, n); }			\
	VEC_QUICK(name, rm, scalar_quick(c, i, n, VF_SSE, VF_RM))		\
	VEC_QUICK(name, mr, scalar_quick(c, i, n, VF_SSE, VF_MR))		\
	VEC_QUICK(name, vrm, scalar_quick(c, i, n, VF_VEX, VF_RM))		\
	VEC_QUICK(name, vmr, scalar_quick(c, i, n, VF_VEX, VF_MR))
#define SCALAR_FORMS(name)						\
	{ x_##name, { { NULL, name##_rm, name##_mr },			\
	    { NULL, name##_vrm, name##_vmr },				\
	    { NULL, name##_vrm, name##_vmr } } },
SCALAR(movss, 4)
SCALAR(movsd, 8)

/* MOVD, MOVQ: the low bytes, to and from anything; the rest is cleared. */
VEC_INLINE void
move_low(struct cpu *c, const struct insn *i, unsigned n)
{
	const struct operand *d = &i->opd[0], *s = &i->opd[1];
	bool mmx = d->kind == OPD_MMX || s->kind == OPD_MMX;
	uint64_t v = 0;

	if (mmx)
		vec_check(c, i, VC_MMX);
	else
		vec_check_any(c, i, 0);
	if (s->kind == OPD_GPR)
		v = n == 8 ? gpr_get64(c, s->off) : gpr_get32(c, s->off);
	else if (s->kind == OPD_MEM)
		v = n == 8 ? cpu_load64(c, i, cpu_linear(c, i, 8, TLB_READ)) :
		    cpu_load32(c, i, cpu_linear(c, i, 4, TLB_READ));
	else
		memcpy(&v, vec_src(c, i, s, n, 1), n);
	if (d->kind == OPD_MEM)
		vec_put_mem(c, i, &v, n, 1);
	if (mmx)
		vec_mmx_enter(c);
	if (d->kind == OPD_GPR && n == 8)
		gpr_put64(c, d->off, v);
	else if (d->kind == OPD_GPR)
		gpr_put32(c, d->off, (uint32_t)v);
	else if (d->kind == OPD_MMX)
		vec_put_mm(c, d, _mm_cvtsi64_si128((int64_t)v));
	else if (d->kind == OPD_VEC)
		vec_put(c, i, d, _mm_cvtsi64_si128((int64_t)v));
}
static __attribute__((noinline)) void
movd(struct cpu *c, const struct insn *i)
{
	move_low(c, i, 4);
}
static __attribute__((noinline)) void
movq(struct cpu *c, const struct insn *i)
{
	move_low(c, i, 8);
}
EXEC(x_movd) { movd(c, i); }
EXEC(x_movq) { movq(c, i); }

VEC_INLINE bool
low_quick(struct cpu *c, const struct insn *i, unsigned n, int width,
    int kind)
{
	const struct operand *o = i->opd;
	uint8_t *d = vec_reg(c, o);
	__m128i v;

	if (unlikely(c->fp_stop & (width ? FP_STOP_AVX : FP_STOP_SSE)))
		return false;
	if (kind == VF_GR) {
		if (n == 8)
			gpr_put64(c, o->off, *(uint64_t *)vec_reg(c, &o[1]));
		else
			gpr_put32(c, o->off, *(uint32_t *)vec_reg(c, &o[1]));
		return true;
	}
	if (kind == VF_RG)
		v = n == 8 ?
		    _mm_cvtsi64_si128((int64_t)gpr_get64(c, o[1].off)) :
		    _mm_cvtsi32_si128((int)gpr_get32(c, o[1].off));
	else
		v = _mm_loadl_epi64(vec_reg(c, &o[1]));
	_mm_store_si128((__m128i *)d, v);
	if (width)
		_mm_store_si128((__m128i *)(d + 16), _mm_setzero_si128());
	return true;
}
#define LOW(name, n)							\
	VEC_QUICK(name, rm, scalar_quick(c, i, n, VF_SSE, VF_RM))		\
	VEC_QUICK(name, mr, scalar_quick(c, i, n, VF_SSE, VF_MR))		\
	VEC_QUICK(name, rg, low_quick(c, i, n, VF_SSE, VF_RG))		\
	VEC_QUICK(name, gr, low_quick(c, i, n, VF_SSE, VF_GR))		\
	VEC_QUICK(name, vrm, scalar_quick(c, i, n, VF_VEX, VF_RM))		\
	VEC_QUICK(name, vmr, scalar_quick(c, i, n, VF_VEX, VF_MR))		\
	VEC_QUICK(name, vrg, low_quick(c, i, n, VF_VEX, VF_RG))		\
	VEC_QUICK(name, vgr, low_quick(c, i, n, VF_VEX, VF_GR))
LOW(movd, 4)
LOW(movq, 8)
VEC_QUICK(movq, rr, low_quick(c, i, 8, VF_SSE, VF_RR))
VEC_QUICK(movq, vrr, low_quick(c, i, 8, VF_VEX, VF_RR))

/* --- Halves -------------------------------------------------------------- */

/* dst's half "to" is src's half "from" (memory has one half only), the other
 * half comes from the first source. */
VEC_INLINE void
move_half(struct cpu *c, const struct insn *i, unsigned to, unsigned from)
{
	const struct operand *o = i->opd;
	const struct operand *b = vec_vex(i) ? &o[2] : &o[1];
	const uint64_t *p;
	union vec r;

	vec_check_any(c, i, 0);
	if (o->kind == OPD_MEM) {
		p = vec_reg(c, &o[1]);
		vec_put_mem(c, i, p + to, 8, 1);
		return;
	}
	if (b->kind == OPD_MEM)
		p = vec_mem(c, i, 8, 1);
	else
		p = (uint64_t *)vec_reg(c, b) + from;
	r.v = vec_load(vec_reg(c, vec_vex(i) ? &o[1] : o));
	memcpy(&r.q[to], p, 8);
	vec_put(c, i, o, r.v);
}

static __attribute__((noinline)) void
low_half(struct cpu *c, const struct insn *i)
{
	move_half(c, i, 0, 1);
}
static __attribute__((noinline)) void
high_half(struct cpu *c, const struct insn *i)
{
	move_half(c, i, 1, 0);
}
EXEC(x_movlps) { low_half(c, i); }
EXEC(x_movlpd) { low_half(c, i); }
EXEC(x_movhlps) { low_half(c, i); }
EXEC(x_movhps) { high_half(c, i); }
EXEC(x_movhpd) { high_half(c, i); }
EXEC(x_movlhps) { high_half(c, i); }

/* --- MMX ----------------------------------------------------------------- */

EXEC(x_movntq)
{
	vec_check(c, i, VC_MMX);
	vec_put_mem(c, i, vec_mm(c, &i->opd[1]), 8, 1);
	vec_mmx_enter(c);
}

EXEC(x_movq2dq)
{
	vec_check(c, i, VC_MMX | VC_SSE);
	vec_mmx_enter(c);
	vec_put(c, i, &i->opd[0], _mm_loadl_epi64(vec_mm(c, &i->opd[1])));
}

EXEC(x_movdq2q)
{
	vec_check(c, i, VC_MMX | VC_SSE);
	vec_mmx_enter(c);
	vec_put_mm(c, &i->opd[0], vec_load(vec_reg(c, &i->opd[1])));
}

EXEC(x_emms)
{
	vec_check(c, i, VC_MMX);
	c->fsw &= ~0x3800;
	c->ftw = 0;
}

/* --- Sign masks ---------------------------------------------------------- */

static inline uint32_t
mask_b(const uint8_t *p)
{
	return (uint32_t)_mm_movemask_epi8(vec_load(p));
}
static inline uint32_t
mask_ps(const uint8_t *p)
{
	return (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(vec_load(p)));
}
static inline uint32_t
mask_pd(const uint8_t *p)
{
	return (uint32_t)_mm_movemask_pd(_mm_castsi128_pd(vec_load(p)));
}

EXEC(x_pmovmskb)
{
	const struct operand *s = &i->opd[1];

	if (s->kind == OPD_MMX) {
		vec_check(c, i, VC_MMX);
		vec_mmx_enter(c);
		gpr_put32(c, i->opd[0].off,
		    mask_b(vec_mm(c, s)) & 0xff);
	} else {
		vec_check_any(c, i, 0);
		gpr_put32(c, i->opd[0].off, mask_b(vec_reg(c, s)) |
		    (i->size == 32 ?
		    mask_b((uint8_t *)vec_reg(c, s) + 16) << 16 : 0));
	}
}
EXEC(x_movmskps)
{
	const uint8_t *p = vec_reg(c, &i->opd[1]);

	vec_check_any(c, i, 0);
	gpr_put32(c, i->opd[0].off, mask_ps(p) |
	    (i->size == 32 ? mask_ps(p + 16) << 4 : 0));
}
EXEC(x_movmskpd)
{
	const uint8_t *p = vec_reg(c, &i->opd[1]);

	vec_check_any(c, i, 0);
	gpr_put32(c, i->opd[0].off, mask_pd(p) |
	    (i->size == 32 ? mask_pd(p + 16) << 2 : 0));
}

VEC_INLINE bool
pmovmskb_quick(struct cpu *c, const struct insn *i, int width)
{
	const uint8_t *p = vec_reg(c, &i->opd[1]);

	if (unlikely(c->fp_stop & (width ? FP_STOP_AVX : FP_STOP_SSE)))
		return false;
	gpr_put32(c, i->opd[0].off, mask_b(p) |
	    (width == VF_YMM ? mask_b(p + 16) << 16 : 0));
	return true;
}
VEC_QUICK(pmovmskb, gr, pmovmskb_quick(c, i, VF_SSE))
VEC_QUICK(pmovmskb, vgr, pmovmskb_quick(c, i, VF_VEX))
VEC_QUICK(pmovmskb, ygr, pmovmskb_quick(c, i, VF_YMM))

/* --- Under a mask -------------------------------------------------------- */

/* MASKMOVQ, MASKMOVDQU: bytes of opd[0] whose mask byte in opd[1] is negative,
 * to DS:rDI.  No other byte is looked at. */
static __attribute__((noinline)) void
mask_move(struct cpu *c, const struct insn *i, const uint8_t *v,
    const uint8_t *mask, unsigned n)
{
	uint64_t off = cpu_ea(c, i), lin[16];
	unsigned k;

	for (k = 0; k < n; k++) {
		if (mask[k] & 0x80) {
			lin[k] = cpu_linear_at(c, i, off + k, 1, TLB_WRITE);
			cpu_probe(c, i, lin[k], 1, TLB_WRITE);
		}
	}
	for (k = 0; k < n; k++)
		if (mask[k] & 0x80)
			cpu_store8(c, i, lin[k], v[k]);
}
EXEC(x_maskmovq)
{
	vec_check(c, i, VC_MMX);
	mask_move(c, i, vec_mm(c, &i->opd[0]), vec_mm(c, &i->opd[1]), 8);
	vec_mmx_enter(c);
}
EXEC(x_maskmovdqu)
{
	vec_check_any(c, i, 0);
	mask_move(c, i, vec_reg(c, &i->opd[0]), vec_reg(c, &i->opd[1]), 16);
}

/* VMASKMOV, VPMASKMOV: elements of n bytes whose mask in opd[1] is negative;
 * the others are not accessed and read as zeros. */
static __attribute__((noinline)) void
masked(struct cpu *c, const struct insn *i, unsigned n)
{
	const struct operand *o = i->opd;
	const uint8_t *mask = vec_reg(c, &o[1]);
	uint64_t off = cpu_ea(c, i), lin[8], q;
	uint8_t r[32] __attribute__((aligned(16))) = { 0 };
	bool store = o->kind == OPD_MEM;
	unsigned k;

	vec_check(c, i, VC_AVX);
	for (k = 0; k < i->size; k += n) {
		if (!(mask[k + n - 1] & 0x80))
			continue;
		lin[k / n] = cpu_linear_at(c, i, off + k, n,
		    store ? TLB_WRITE : TLB_READ);
		if (store) {
			cpu_probe(c, i, lin[k / n], n, TLB_WRITE);
		} else {
			q = n == 8 ? cpu_load64(c, i, lin[k / n]) :
			    cpu_load32(c, i, lin[k / n]);
			memcpy(r + k, &q, n);
		}
	}
	if (!store) {
		vec_put2(c, o, vec_load(r), vec_load(r + 16));
		return;
	}
	for (k = 0; k < i->size; k += n) {
		if (mask[k + n - 1] & 0x80) {
			memcpy(&q, (uint8_t *)vec_reg(c, &o[2]) + k, n);
			if (n == 8)
				cpu_store64(c, i, lin[k / n], q);
			else
				cpu_store32(c, i, lin[k / n], (uint32_t)q);
		}
	}
}
EXEC(x_vmaskmovps) { masked(c, i, 4); }
EXEC(x_vmaskmovpd) { masked(c, i, 8); }
EXEC(x_vpmaskmovd) { masked(c, i, 4); }
EXEC(x_vpmaskmovq) { masked(c, i, 8); }

/*
 * Gathers: elements of n bytes at base + index << scale + disp, indexes of
 * "wide" bytes in a vector register.  Elements are taken in order; each is
 * in the destination, and its mask cleared, before the next can fault, so
 * that the instruction goes on there when it is run again (SDM 2, VPGATHERDD).
 */
static __attribute__((noinline)) void
gather(struct cpu *c, const struct insn *i, unsigned wide, unsigned n)
{
	const struct operand *o = i->opd;
	unsigned count = i->size / (wide > n ? wide : n), k;
	uint8_t *d = vec_reg(c, o), *mask = vec_reg(c, &o[2]), index[32];
	uint64_t lin, v;
	int64_t q;

	vec_check(c, i, VC_AVX);
	if (d == mask || o->off / 32u == i->index || o[2].off / 32u == i->index)
		cpu_ud(c, i);
	memcpy(index, c->vec[i->index & 15], sizeof(index));
	for (k = 0; k < count; k++)
		memset(mask + k * n, mask[k * n + n - 1] & 0x80 ? 0xff : 0, n);
	for (k = 0; k < count; k++) {
		if (!mask[k * n])
			continue;
		if (wide == 8) {
			memcpy(&q, index + k * 8, 8);
		} else {
			int32_t w;

			memcpy(&w, index + k * 4, 4);
			q = w;
		}
		lin = cpu_linear_at(c, i, c->gpr[i->base] +
		    ((uint64_t)q << i->scale) + (uint64_t)i->disp, n, TLB_READ);
		v = n == 8 ? cpu_load64(c, i, lin) : cpu_load32(c, i, lin);
		memcpy(d + k * n, &v, n);
		memset(mask + k * n, 0, n);
	}
	memset(mask, 0, 32);
	memset(d + count * n, 0, 32 - count * n);
}
EXEC(x_vpgatherdd) { gather(c, i, 4, 4); }
EXEC(x_vpgatherdq) { gather(c, i, 4, 8); }
EXEC(x_vpgatherqd) { gather(c, i, 8, 4); }
EXEC(x_vpgatherqq) { gather(c, i, 8, 8); }
EXEC(x_vgatherdps) { gather(c, i, 4, 4); }
EXEC(x_vgatherdpd) { gather(c, i, 4, 8); }
EXEC(x_vgatherqps) { gather(c, i, 8, 4); }
EXEC(x_vgatherqpd) { gather(c, i, 8, 8); }

/* Outside 64-bit mode there are eight registers, and the others stay. */
static __attribute__((noinline)) void
vzero(struct cpu *c, const struct insn *i, unsigned from)
{
	unsigned n = c->bits == DECODE_64 ? 16 : 8, k;

	vec_check(c, i, VC_AVX);
	for (k = 0; k < n; k++)
		memset(c->vec[k] + from, 0, 32 - from);
}
EXEC(x_vzeroupper) { vzero(c, i, 16); }
EXEC(x_vzeroall) { vzero(c, i, 0); }

const struct vec_forms vec_move_forms[] = {
	MOVE_FORMS(movups) MOVE_FORMS(movaps) MOVE_FORMS(movupd)
	MOVE_FORMS(movapd) MOVE_FORMS(movdqu) MOVE_FORMS(movdqa)
	MOVE_FORMS(lddqu) MOVE_FORMS(movntdqa) MOVE_FORMS(movntps)
	MOVE_FORMS(movntpd) MOVE_FORMS(movntdq)
	SCALAR_FORMS(movss) SCALAR_FORMS(movsd)
	{ x_movd, { { NULL, movd_rm, movd_mr, movd_rg, movd_gr },
	    { NULL, movd_vrm, movd_vmr, movd_vrg, movd_vgr } } },
	{ x_movq, { { movq_rr, movq_rm, movq_mr, movq_rg, movq_gr },
	    { movq_vrr, movq_vrm, movq_vmr, movq_vrg, movq_vgr } } },
	{ x_pmovmskb, { { [VF_GR] = pmovmskb_gr }, { [VF_GR] = pmovmskb_vgr },
	    { [VF_GR] = pmovmskb_ygr } } },
	{ 0 }
};
