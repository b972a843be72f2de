/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_vec_shuffle.c - vector elements rearranged: unpack, pack, shuffle,
 * blend, insert, extract, widen, broadcast, permute
 */
#include "cpu/vec.h"

#define MMX_KERNEL(name)						\
	VEC_INLINE __m128i						\
	mmx_##name(__m128i a, __m128i b, unsigned imm)

/* --- Unpack and pack ----------------------------------------------------- */

#define UNPACK_LOW(name, intrinsic)					\
	VEC_KERNEL(name) { return intrinsic(a, b); }			\
	VEC_OP(name, 0, k_##name)
/* The high halves of 8 bytes are the upper half of what the low unpack makes
 * of 16. */
#define UNPACK_HIGH(name, intrinsic, low)				\
	VEC_KERNEL(name) { return intrinsic(a, b); }			\
	MMX_KERNEL(name) { return _mm_srli_si128(low(a, b), 8); }	\
	VEC_OP_MMX(name, 0, k_##name, mmx_##name)
UNPACK_LOW(punpcklbw, _mm_unpacklo_epi8)
UNPACK_LOW(punpcklwd, _mm_unpacklo_epi16)
UNPACK_LOW(punpckldq, _mm_unpacklo_epi32)
UNPACK_LOW(punpcklqdq, _mm_unpacklo_epi64)
UNPACK_HIGH(punpckhbw, _mm_unpackhi_epi8, _mm_unpacklo_epi8)
UNPACK_HIGH(punpckhwd, _mm_unpackhi_epi16, _mm_unpacklo_epi16)
UNPACK_HIGH(punpckhdq, _mm_unpackhi_epi32, _mm_unpacklo_epi32)
UNPACK_LOW(punpckhqdq, _mm_unpackhi_epi64)
UNPACK_LOW(unpcklps, _mm_unpacklo_epi32)
UNPACK_LOW(unpckhps, _mm_unpackhi_epi32)
UNPACK_LOW(unpcklpd, _mm_unpacklo_epi64)
UNPACK_LOW(unpckhpd, _mm_unpackhi_epi64)

#define PACK(name, intrinsic)						\
	VEC_KERNEL(name) { return intrinsic(a, b); }			\
	MMX_KERNEL(name)						\
	{								\
		a = _mm_unpacklo_epi64(a, b);				\
		return intrinsic(a, a);					\
	}								\
	VEC_OP_MMX(name, 0, k_##name, mmx_##name)
PACK(packsswb, _mm_packs_epi16)
PACK(packssdw, _mm_packs_epi32)
PACK(packuswb, _mm_packus_epi16)

VEC_KERNEL(packusdw)
{
	union vec x = { a }, y = { b }, r;
	unsigned k;

	if (likely(vec_host & HOST_SSE41)) {
		__asm__("packusdw %1, %0" : "+x" (a) : "x" (b));
		return a;
	}
	for (k = 0; k < 8; k++) {
		int32_t v = k < 4 ? x.sd[k] : y.sd[k - 4];

		r.w[k] = (uint16_t)(v < 0 ? 0 : v > 65535 ? 65535 : v);
	}
	return r.v;
}
VEC_OP(packusdw, 0, k_packusdw)

/* --- Shuffles ------------------------------------------------------------ */

/* Which bytes PSHUFD, PSHUFLW, PSHUFHW take for each imm8, for PSHUFB: these
 * have no form with a variable. */
#define FIELD_D(imm, n) ((imm) >> 2 * (n) & 3)
#define BYTES_D(imm, n)							\
	4 * FIELD_D(imm, n), 4 * FIELD_D(imm, n) + 1,			\
	4 * FIELD_D(imm, n) + 2, 4 * FIELD_D(imm, n) + 3
#define BYTES_W(imm, n, base)						\
	(base) + 2 * FIELD_D(imm, n), (base) + 2 * FIELD_D(imm, n) + 1
#define WORDS(imm, base)						\
	BYTES_W(imm, 0, base), BYTES_W(imm, 1, base),			\
	BYTES_W(imm, 2, base), BYTES_W(imm, 3, base)
#define ROW_D(i) { BYTES_D(i, 0), BYTES_D(i, 1), BYTES_D(i, 2), BYTES_D(i, 3) }
#define ROW_L(i) { WORDS(i, 0), 8, 9, 10, 11, 12, 13, 14, 15 }
#define ROW_H(i) { 0, 1, 2, 3, 4, 5, 6, 7, WORDS(i, 8) }
#define ROWS4(R, i) R(i), R((i) + 1), R((i) + 2), R((i) + 3)
#define ROWS16(R, i) ROWS4(R, i), ROWS4(R, (i) + 4), ROWS4(R, (i) + 8),	\
	ROWS4(R, (i) + 12)
#define ROWS64(R, i) ROWS16(R, i), ROWS16(R, (i) + 16),			\
	ROWS16(R, (i) + 32), ROWS16(R, (i) + 48)
#define ROWS(R) { ROWS64(R, 0), ROWS64(R, 64), ROWS64(R, 128), ROWS64(R, 192) }
static const uint8_t take_d[256][16] __attribute__((aligned(16))) = ROWS(ROW_D);
static const uint8_t take_l[256][16] __attribute__((aligned(16))) = ROWS(ROW_L);
static const uint8_t take_h[256][16] __attribute__((aligned(16))) = ROWS(ROW_H);

VEC_INLINE __m128i
take(__m128i v, const uint8_t *row)
{
	__asm__("pshufb %1, %0" : "+x" (v) : "x" (vec_load(row)));
	return v;
}

/* Without SSSE3 elements are picked one by one. */
VEC_KERNEL(pshufd)
{
	union vec y = { b };

	if (likely(vec_host & HOST_SSSE3))
		return take(b, take_d[imm & 0xff]);
	return _mm_set_epi32((int)y.d[imm >> 6 & 3], (int)y.d[imm >> 4 & 3],
	    (int)y.d[imm >> 2 & 3], (int)y.d[imm & 3]);
}
VEC_OP(pshufd, VC_UNARY, k_pshufd)

VEC_KERNEL(shufps)
{
	union vec x = { a }, y = { b };

	if (likely(vec_host & HOST_SSSE3))
		return _mm_castpd_si128(_mm_shuffle_pd(
		    _mm_castsi128_pd(take(a, take_d[imm & 0xff])),
		    _mm_castsi128_pd(take(b, take_d[imm & 0xff])), 2));
	return _mm_set_epi32((int)y.d[imm >> 6 & 3], (int)y.d[imm >> 4 & 3],
	    (int)x.d[imm >> 2 & 3], (int)x.d[imm & 3]);
}
VEC_OP(shufps, 0, k_shufps)

VEC_KERNEL(pshuflw)
{
	union vec y = { b }, r = { b };

	if (likely(vec_host & HOST_SSSE3))
		return take(b, take_l[imm & 0xff]);
	r.w[0] = y.w[imm & 3];
	r.w[1] = y.w[imm >> 2 & 3];
	r.w[2] = y.w[imm >> 4 & 3];
	r.w[3] = y.w[imm >> 6 & 3];
	return r.v;
}
VEC_KERNEL(pshufhw)
{
	union vec y = { b }, r = { b };

	if (likely(vec_host & HOST_SSSE3))
		return take(b, take_h[imm & 0xff]);
	r.w[4] = y.w[4 + (imm & 3)];
	r.w[5] = y.w[4 + (imm >> 2 & 3)];
	r.w[6] = y.w[4 + (imm >> 4 & 3)];
	r.w[7] = y.w[4 + (imm >> 6 & 3)];
	return r.v;
}
VEC_OP(pshuflw, VC_UNARY, k_pshuflw)
VEC_OP(pshufhw, VC_UNARY, k_pshufhw)
EXEC(x_pshufw) { vec_generic(c, i, VC_UNARY, k_pshuflw, k_pshuflw); }

/* Bits of imm8 belong to elements through both lanes of 256. */
static __attribute__((noinline)) void
shufpd(struct cpu *c, const struct insn *i)
{
	const struct operand *o = i->opd;
	unsigned imm = (unsigned)i->imm, k;
	const uint64_t *pa, *pb;
	union vec r[2];

	vec_check_any(c, i, 0);
	pb = vec_src(c, i, vec_vex(i) ? &o[2] : &o[1], i->size,
	    vec_align(i, i->size));
	pa = vec_reg(c, vec_vex(i) ? &o[1] : o);
	for (k = 0; k < i->size / 16u; k++) {
		uint64_t q;

		r[k].q[0] = pa[2 * k + (imm >> 2 * k & 1)];
		memcpy(&q, pb + 2 * k + (imm >> (2 * k + 1) & 1), 8);
		r[k].q[1] = q;
	}
	if (i->size == 32)
		vec_put2(c, o, r[0].v, r[1].v);
	else
		vec_put(c, i, o, r[0].v);
}
EXEC(x_shufpd) { shufpd(c, i); }

VEC_KERNEL(pshufb)
{
	union vec x = { a }, y = { b }, r;
	unsigned k;

	if (likely(vec_host & HOST_SSSE3)) {
		__asm__("pshufb %1, %0" : "+x" (a) : "x" (b));
		return a;
	}
	for (k = 0; k < 16; k++)
		r.b[k] = y.b[k] & 0x80 ? 0 : x.b[y.b[k] & 15];
	return r.v;
}
MMX_KERNEL(pshufb)
{
	/* Eight places only: bit 3 of an index does not count. */
	return k_pshufb(a, _mm_and_si128(b, _mm_set1_epi8((char)0x87)), 0);
}
VEC_OP_MMX(pshufb, 0, k_pshufb, mmx_pshufb)

/* Bytes from imm8 on of b with a above it, zeros above that. */
VEC_KERNEL(palignr)
{
	uint8_t buf[48];

	imm &= 0xff;
	if (imm > 32)
		imm = 32;
	_mm_storeu_si128((__m128i *)buf, b);
	_mm_storeu_si128((__m128i *)(buf + 16), a);
	_mm_storeu_si128((__m128i *)(buf + 32), _mm_setzero_si128());
	return vec_load(buf + imm);
}
MMX_KERNEL(palignr)
{
	uint8_t buf[32];

	imm &= 0xff;
	if (imm > 16)
		imm = 16;
	_mm_storel_epi64((__m128i *)buf, b);
	_mm_storel_epi64((__m128i *)(buf + 8), a);
	_mm_storeu_si128((__m128i *)(buf + 16), _mm_setzero_si128());
	return _mm_loadl_epi64((const __m128i *)(buf + imm));
}
VEC_OP_MMX(palignr, 0, k_palignr, mmx_palignr)

VEC_KERNEL(movsldup) { return _mm_shuffle_epi32(b, 0xa0); }
VEC_KERNEL(movshdup) { return _mm_shuffle_epi32(b, 0xf5); }
VEC_OP(movsldup, VC_UNARY, k_movsldup)
VEC_OP(movshdup, VC_UNARY, k_movshdup)

/* The low quadword of each lane twice; 128 bits read 8 bytes only. */
EXEC(x_movddup)
{
	const struct operand *o = i->opd;
	const uint8_t *p;
	__m128i lo, hi;

	vec_check_any(c, i, 0);
	p = vec_src(c, i, &o[1], i->size == 32 ? 32 : 8, 1);
	lo = _mm_loadl_epi64((const __m128i *)p);
	lo = _mm_unpacklo_epi64(lo, lo);
	if (i->size == 32) {
		hi = _mm_loadl_epi64((const __m128i *)(p + 16));
		vec_put2(c, o, lo, _mm_unpacklo_epi64(hi, hi));
	} else {
		vec_put(c, i, o, lo);
	}
}

/* --- Blends -------------------------------------------------------------- */

/* Elements of b where m has ones, else of a. */
VEC_INLINE __m128i
blend(__m128i a, __m128i b, __m128i m)
{
	return _mm_or_si128(_mm_and_si128(m, b), _mm_andnot_si128(m, a));
}

/* By imm8, whose bits go on into the upper lane except for PBLENDW: each lane
 * is blended with its own mask of words, made of bits from "first" on. */
VEC_INLINE __m128i
word_mask(unsigned imm, unsigned words)
{
	const __m128i bit = words == 1 ?
	    _mm_set_epi16(128, 64, 32, 16, 8, 4, 2, 1) : words == 2 ?
	    _mm_set_epi16(8, 8, 4, 4, 2, 2, 1, 1) :
	    _mm_set_epi16(2, 2, 2, 2, 1, 1, 1, 1);

	return _mm_cmpeq_epi16(_mm_and_si128(_mm_set1_epi16((short)imm), bit),
	    bit);
}
static __attribute__((noinline)) void
blend_imm(struct cpu *c, const struct insn *i, unsigned words, unsigned step)
{
	const struct operand *o = i->opd;
	unsigned imm = (unsigned)i->imm & 0xff;
	const uint8_t *pa, *pb;
	__m128i lo, hi;

	vec_check_any(c, i, 0);
	pb = vec_src(c, i, vec_vex(i) ? &o[2] : &o[1], i->size,
	    vec_align(i, i->size));
	pa = vec_reg(c, vec_vex(i) ? &o[1] : o);
	lo = blend(vec_load(pa), vec_load(pb), word_mask(imm, words));
	if (i->size == 32) {
		hi = blend(vec_load(pa + 16), vec_load(pb + 16),
		    word_mask(imm >> step, words));
		vec_put2(c, o, lo, hi);
	} else {
		vec_put(c, i, o, lo);
	}
}
EXEC(x_pblendw) { blend_imm(c, i, 1, 0); }
EXEC(x_blendps) { blend_imm(c, i, 2, 4); }
EXEC(x_vpblendd) { blend_imm(c, i, 2, 4); }
EXEC(x_blendpd) { blend_imm(c, i, 4, 2); }

/* By the sign of each element of a mask: XMM0, or a fourth operand. */
VEC_INLINE __m128i
sign_mask(__m128i m, unsigned n)
{
	if (n == 1)
		return _mm_cmpgt_epi8(_mm_setzero_si128(), m);
	m = _mm_srai_epi32(m, 31);
	return n == 4 ? m : _mm_shuffle_epi32(m, 0xf5);
}
VEC_INLINE void
blend_var(struct cpu *c, const struct insn *i, unsigned n)
{
	const struct operand *o = i->opd;
	const uint8_t *pa, *pb, *pm;
	__m128i lo, hi;

	vec_check_any(c, i, 0);
	pb = vec_src(c, i, vec_vex(i) ? &o[2] : &o[1], i->size,
	    vec_align(i, i->size));
	pa = vec_reg(c, vec_vex(i) ? &o[1] : o);
	pm = vec_vex(i) ? vec_reg(c, &o[3]) : c->vec[0];
	lo = blend(vec_load(pa), vec_load(pb), sign_mask(vec_load(pm), n));
	if (i->size == 32) {
		hi = blend(vec_load(pa + 16), vec_load(pb + 16),
		    sign_mask(vec_load(pm + 16), n));
		vec_put2(c, o, lo, hi);
	} else {
		vec_put(c, i, o, lo);
	}
}
EXEC(x_pblendvb) { blend_var(c, i, 1); }
EXEC(x_blendvps) { blend_var(c, i, 4); }
EXEC(x_blendvpd) { blend_var(c, i, 8); }
EXEC(x_vpblendvb) { blend_var(c, i, 1); }
EXEC(x_vblendvps) { blend_var(c, i, 4); }
EXEC(x_vblendvpd) { blend_var(c, i, 8); }

/* --- Insert and extract -------------------------------------------------- */

/* imm8: 7:6 the element of a register source, 5:4 where to, 3:0 zeros. */
static __attribute__((noinline)) void
insertps(struct cpu *c, const struct insn *i)
{
	const struct operand *o = i->opd;
	const struct operand *b = vec_vex(i) ? &o[2] : &o[1];
	unsigned imm = (unsigned)i->imm, k;
	const uint8_t *p;
	union vec r;
	uint32_t v;

	vec_check_any(c, i, 0);
	p = b->kind == OPD_MEM ? vec_mem(c, i, 4, 1) :
	    (uint8_t *)vec_reg(c, b) + (imm >> 6 & 3) * 4;
	memcpy(&v, p, 4);
	r.v = vec_load(vec_reg(c, vec_vex(i) ? &o[1] : o));
	r.d[imm >> 4 & 3] = v;
	for (k = 0; k < 4; k++)
		if (imm >> k & 1)
			r.d[k] = 0;
	vec_put(c, i, o, r.v);
}
EXEC(x_insertps) { insertps(c, i); }

/* n bytes of element imm8 to a general register (zero-extended) or memory. */
static __attribute__((noinline)) void
extract(struct cpu *c, const struct insn *i, unsigned n)
{
	const struct operand *o = i->opd;
	bool mmx = o[1].kind == OPD_MMX;
	const uint8_t *p;
	uint64_t v = 0;

	if (mmx)
		vec_check(c, i, VC_MMX);
	else
		vec_check_any(c, i, 0);
	p = mmx ? vec_mm(c, &o[1]) : vec_reg(c, &o[1]);
	memcpy(&v, p + (i->imm * n & (mmx ? 7 : 15)), n);
	if (mmx)
		vec_mmx_enter(c);
	if (o->kind == OPD_MEM)
		vec_put_mem(c, i, &v, n, 1);
	else
		vec_put_gpr(c, o, v);
}
EXEC(x_pextrb) { extract(c, i, 1); }
EXEC(x_pextrw) { extract(c, i, 2); }
EXEC(x_pextrd) { extract(c, i, i->opd[0].size == 8 ? 8 : 4); }
EXEC(x_extractps) { extract(c, i, 4); }

static __attribute__((noinline)) void
insert(struct cpu *c, const struct insn *i, unsigned n)
{
	const struct operand *o = i->opd;
	const struct operand *b = vec_vex(i) ? &o[2] : &o[1];
	bool mmx = o->kind == OPD_MMX;
	union vec r;
	uint64_t v = 0;

	if (mmx)
		vec_check(c, i, VC_MMX);
	else
		vec_check_any(c, i, 0);
	if (b->kind == OPD_MEM)
		memcpy(&v, vec_mem(c, i, n, 1), n);
	else
		v = gpr_get64(c, b->off);
	r.v = mmx ? _mm_loadl_epi64(vec_mm(c, o)) :
	    vec_load(vec_reg(c, vec_vex(i) ? &o[1] : o));
	memcpy(r.b + (i->imm * n & (mmx ? 7 : 15)), &v, n);
	if (mmx) {
		vec_mmx_enter(c);
		vec_put_mm(c, o, r.v);
	} else {
		vec_put(c, i, o, r.v);
	}
}
EXEC(x_pinsrb) { insert(c, i, 1); }
EXEC(x_pinsrw) { insert(c, i, 2); }
EXEC(x_pinsrd)
{
	insert(c, i, i->opd[vec_vex(i) ? 2 : 1].size == 8 ? 8 : 4);
}

/* --- Widening ------------------------------------------------------------ */

/* "from" bytes each become "to" bytes. */
static __attribute__((noinline)) void
widen(struct cpu *c, const struct insn *i, unsigned from, unsigned to,
    bool sign)
{
	const struct operand *o = i->opd;
	uint8_t r[32] __attribute__((aligned(16)));
	unsigned count = i->size / to, k;
	const uint8_t *p;

	vec_check_any(c, i, 0);
	p = vec_src(c, i, &o[1], count * from, 1);
	for (k = 0; k < count; k++) {
		uint64_t v = 0;

		memcpy(&v, p + k * from, from);
		if (sign)
			v = (uint64_t)flags_sext(v, from);
		memcpy(r + k * to, &v, to);
	}
	if (i->size == 32)
		vec_put2(c, o, vec_load(r), vec_load(r + 16));
	else
		vec_put(c, i, o, vec_load(r));
}
EXEC(x_pmovsxbw) { widen(c, i, 1, 2, true); }
EXEC(x_pmovsxbd) { widen(c, i, 1, 4, true); }
EXEC(x_pmovsxbq) { widen(c, i, 1, 8, true); }
EXEC(x_pmovsxwd) { widen(c, i, 2, 4, true); }
EXEC(x_pmovsxwq) { widen(c, i, 2, 8, true); }
EXEC(x_pmovsxdq) { widen(c, i, 4, 8, true); }
EXEC(x_pmovzxbw) { widen(c, i, 1, 2, false); }
EXEC(x_pmovzxbd) { widen(c, i, 1, 4, false); }
EXEC(x_pmovzxbq) { widen(c, i, 1, 8, false); }
EXEC(x_pmovzxwd) { widen(c, i, 2, 4, false); }
EXEC(x_pmovzxwq) { widen(c, i, 2, 8, false); }
EXEC(x_pmovzxdq) { widen(c, i, 4, 8, false); }

/* --- AVX: broadcasts and permutations ------------------------------------ */

VEC_INLINE void
broadcast(struct cpu *c, const struct insn *i, unsigned n)
{
	const uint8_t *p;
	uint64_t q = 0;
	__m128i v;

	vec_check(c, i, VC_AVX);
	p = vec_src(c, i, &i->opd[1], n, 1);
	if (n == 16) {
		v = vec_load(p);
	} else {
		memcpy(&q, p, n);
		v = n == 1 ? _mm_set1_epi8((char)q) :
		    n == 2 ? _mm_set1_epi16((short)q) :
		    n == 4 ? _mm_set1_epi32((int)q) :
		    _mm_set1_epi64x((long long)q);
	}
	if (i->size == 32)
		vec_put2(c, &i->opd[0], v, v);
	else
		vec_put(c, i, &i->opd[0], v);
}
EXEC(x_vbroadcastss) { broadcast(c, i, 4); }
EXEC(x_vbroadcastsd) { broadcast(c, i, 8); }
EXEC(x_vbroadcastf128) { broadcast(c, i, 16); }
EXEC(x_vbroadcasti128) { broadcast(c, i, 16); }
EXEC(x_vpbroadcastb) { broadcast(c, i, 1); }
EXEC(x_vpbroadcastw) { broadcast(c, i, 2); }
EXEC(x_vpbroadcastd) { broadcast(c, i, 4); }
EXEC(x_vpbroadcastq) { broadcast(c, i, 8); }

/* Within lanes: by imm8 (opd[1] the source), or by the elements of opd[2]. */
static __attribute__((noinline)) void
vpermil(struct cpu *c, const struct insn *i, unsigned n)
{
	const struct operand *o = i->opd;
	bool by_imm = o[2].kind == OPD_IMM;
	uint8_t r[32] __attribute__((aligned(16)));
	unsigned k, per = 16 / n, from, imm = (unsigned)i->imm;
	const uint8_t *s, *control = NULL;

	vec_check(c, i, VC_AVX);
	if (by_imm) {
		s = vec_src(c, i, &o[1], i->size, 1);
	} else {
		control = vec_src(c, i, &o[2], i->size, 1);
		s = vec_reg(c, &o[1]);
	}
	for (k = 0; k < i->size / n; k++) {
		if (by_imm)
			from = n == 8 ? imm >> k & 1 : imm >> 2 * (k & 3) & 3;
		else
			from = n == 8 ? control[k * 8] >> 1 & 1 :
			    control[k * 4] & 3;
		memcpy(r + k * n, s + (k / per * per + from) * n, n);
	}
	if (i->size == 32)
		vec_put2(c, o, vec_load(r), vec_load(r + 16));
	else
		vec_put(c, i, o, vec_load(r));
}
EXEC(x_vpermilps) { vpermil(c, i, 4); }
EXEC(x_vpermilpd) { vpermil(c, i, 8); }

/* Doublewords of opd[2] by the low three bits of those of opd[1]. */
static __attribute__((noinline)) void
vperm8(struct cpu *c, const struct insn *i)
{
	const uint8_t *index = vec_reg(c, &i->opd[1]), *s;
	uint8_t r[32] __attribute__((aligned(16)));
	unsigned k;

	vec_check(c, i, VC_AVX);
	s = vec_src(c, i, &i->opd[2], 32, 1);
	for (k = 0; k < 8; k++)
		memcpy(r + 4 * k, s + 4 * (index[4 * k] & 7), 4);
	vec_put2(c, &i->opd[0], vec_load(r), vec_load(r + 16));
}
EXEC(x_vpermd) { vperm8(c, i); }
EXEC(x_vpermps) { vperm8(c, i); }

static __attribute__((noinline)) void
vperm4(struct cpu *c, const struct insn *i)
{
	uint8_t r[32] __attribute__((aligned(16)));
	const uint8_t *s;
	unsigned k;

	vec_check(c, i, VC_AVX);
	s = vec_src(c, i, &i->opd[1], 32, 1);
	for (k = 0; k < 4; k++)
		memcpy(r + 8 * k, s + 8 * (i->imm >> 2 * k & 3), 8);
	vec_put2(c, &i->opd[0], vec_load(r), vec_load(r + 16));
}
EXEC(x_vpermq) { vperm4(c, i); }
EXEC(x_vpermpd) { vperm4(c, i); }

/* Halves of opd[1] (0, 1) and opd[2] (2, 3) by imm8[1:0], [5:4]; bits 3 and 7
 * clear. */
static __attribute__((noinline)) void
vperm2x128(struct cpu *c, const struct insn *i)
{
	const uint8_t *a, *b;
	__m128i half[4], lo, hi, zero = _mm_setzero_si128();

	vec_check(c, i, VC_AVX);
	b = vec_src(c, i, &i->opd[2], 32, 1);
	a = vec_reg(c, &i->opd[1]);
	half[0] = vec_load(a);
	half[1] = vec_load(a + 16);
	half[2] = vec_load(b);
	half[3] = vec_load(b + 16);
	lo = i->imm & 8 ? zero : half[i->imm & 3];
	hi = i->imm & 0x80 ? zero : half[i->imm >> 4 & 3];
	vec_put2(c, &i->opd[0], lo, hi);
}
EXEC(x_vperm2f128) { vperm2x128(c, i); }
EXEC(x_vperm2i128) { vperm2x128(c, i); }

static __attribute__((noinline)) void
vinsert128(struct cpu *c, const struct insn *i)
{
	const uint8_t *a;
	__m128i v;

	vec_check(c, i, VC_AVX);
	v = vec_load(vec_src(c, i, &i->opd[2], 16, 1));
	a = vec_reg(c, &i->opd[1]);
	if (i->imm & 1)
		vec_put2(c, &i->opd[0], vec_load(a), v);
	else
		vec_put2(c, &i->opd[0], v, vec_load(a + 16));
}
EXEC(x_vinsertf128) { vinsert128(c, i); }
EXEC(x_vinserti128) { vinsert128(c, i); }

static __attribute__((noinline)) void
vextract128(struct cpu *c, const struct insn *i)
{
	const uint8_t *s = vec_reg(c, &i->opd[1]);

	vec_check(c, i, VC_AVX);
	s += (i->imm & 1) * 16;
	if (i->opd[0].kind == OPD_MEM)
		vec_put_mem(c, i, s, 16, 1);
	else
		vec_put(c, i, &i->opd[0], vec_load(s));
}
EXEC(x_vextractf128) { vextract128(c, i); }
EXEC(x_vextracti128) { vextract128(c, i); }

const struct vec_forms vec_shuffle_forms[] = {
	VEC_FORMS(punpcklbw) VEC_FORMS(punpcklwd) VEC_FORMS(punpckldq)
	VEC_FORMS(punpcklqdq) VEC_FORMS(punpckhbw) VEC_FORMS(punpckhwd)
	VEC_FORMS(punpckhdq) VEC_FORMS(punpckhqdq) VEC_FORMS(unpcklps)
	VEC_FORMS(unpckhps) VEC_FORMS(unpcklpd) VEC_FORMS(unpckhpd)
	VEC_FORMS(packsswb) VEC_FORMS(packssdw) VEC_FORMS(packuswb)
	VEC_FORMS(packusdw) VEC_FORMS(pshufd) VEC_FORMS(shufps)
	VEC_FORMS(pshuflw) VEC_FORMS(pshufhw) VEC_FORMS(pshufb)
	VEC_FORMS(palignr) VEC_FORMS(movsldup) VEC_FORMS(movshdup)
	{ 0 }
};
