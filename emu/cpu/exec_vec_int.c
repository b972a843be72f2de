/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_vec_int.c - vectors of integers: arithmetic, compares, logic, shifts
 *
 * MMX registers are the low halves of 128-bit values here: nearly every
 * operation works within its lane, and so the low half of the result is the
 * MMX result.  What does not (sums of neighbours) has an MMX kernel of its own
 * that gathers both operands into one value first.
 */
#include "cpu/vec.h"


/* --- By SSE2 ------------------------------------------------------------- */

#define SSE2(name, intrinsic)						\
	VEC_KERNEL(name) { return intrinsic(a, b); }			\
	VEC_OP(name, 0, k_##name)

SSE2(paddb, _mm_add_epi8)
SSE2(paddw, _mm_add_epi16)
SSE2(paddd, _mm_add_epi32)
SSE2(paddq, _mm_add_epi64)
SSE2(paddsb, _mm_adds_epi8)
SSE2(paddsw, _mm_adds_epi16)
SSE2(paddusb, _mm_adds_epu8)
SSE2(paddusw, _mm_adds_epu16)
SSE2(psubb, _mm_sub_epi8)
SSE2(psubw, _mm_sub_epi16)
SSE2(psubd, _mm_sub_epi32)
SSE2(psubq, _mm_sub_epi64)
SSE2(psubsb, _mm_subs_epi8)
SSE2(psubsw, _mm_subs_epi16)
SSE2(psubusb, _mm_subs_epu8)
SSE2(psubusw, _mm_subs_epu16)
SSE2(pmullw, _mm_mullo_epi16)
SSE2(pmulhw, _mm_mulhi_epi16)
SSE2(pmulhuw, _mm_mulhi_epu16)
SSE2(pmuludq, _mm_mul_epu32)
SSE2(pmaddwd, _mm_madd_epi16)
SSE2(psadbw, _mm_sad_epu8)
SSE2(pavgb, _mm_avg_epu8)
SSE2(pavgw, _mm_avg_epu16)
SSE2(pminub, _mm_min_epu8)
SSE2(pmaxub, _mm_max_epu8)
SSE2(pminsw, _mm_min_epi16)
SSE2(pmaxsw, _mm_max_epi16)
SSE2(pcmpeqb, _mm_cmpeq_epi8)
SSE2(pcmpeqw, _mm_cmpeq_epi16)
SSE2(pcmpeqd, _mm_cmpeq_epi32)
SSE2(pcmpgtb, _mm_cmpgt_epi8)
SSE2(pcmpgtw, _mm_cmpgt_epi16)
SSE2(pcmpgtd, _mm_cmpgt_epi32)
SSE2(pand, _mm_and_si128)
SSE2(pandn, _mm_andnot_si128)
SSE2(por, _mm_or_si128)
SSE2(pxor, _mm_xor_si128)

/* --- SSSE3 to SSE4.2: by the host if it can ------------------------------ */

/* The instruction, or per element k of a.n, b.n: r.n[k] = expr. */
#define NEWER(name, host, member, count, expr)				\
	VEC_KERNEL(name)							\
	{								\
		union vec x = { a }, y = { b }, r;			\
		unsigned k;						\
									\
		if (likely(vec_host & (host))) {			\
			__asm__(#name " %1, %0" : "+x" (a) : "x" (b));	\
			return a;					\
		}							\
		for (k = 0; k < (count); k++)				\
			r.member[k] = (expr);				\
		return r.v;						\
	}
#define NEWER_OP(name, host, member, count, expr)			\
	NEWER(name, host, member, count, expr) VEC_OP(name, 0, k_##name)

VEC_INLINE int
saturate_w(int v)
{
	return v > 32767 ? 32767 : v < -32768 ? -32768 : v;
}

NEWER_OP(pmulhrsw, HOST_SSSE3, w, 8,
    (uint16_t)((((x.sw[k] * y.sw[k]) >> 14) + 1) >> 1))
NEWER_OP(pmaddubsw, HOST_SSSE3, w, 8,
    (uint16_t)saturate_w(x.b[2 * k] * y.sb[2 * k] +
    x.b[2 * k + 1] * y.sb[2 * k + 1]))
NEWER_OP(psignb, HOST_SSSE3, b, 16,
    (uint8_t)(y.sb[k] < 0 ? -x.sb[k] : y.sb[k] ? x.sb[k] : 0))
NEWER_OP(psignw, HOST_SSSE3, w, 8,
    (uint16_t)(y.sw[k] < 0 ? -x.sw[k] : y.sw[k] ? x.sw[k] : 0))
NEWER_OP(psignd, HOST_SSSE3, d, 4,
    y.sd[k] < 0 ? -x.d[k] : y.sd[k] ? x.d[k] : 0)
NEWER_OP(pminsb, HOST_SSE41, sb, 16, x.sb[k] < y.sb[k] ? x.sb[k] : y.sb[k])
NEWER_OP(pmaxsb, HOST_SSE41, sb, 16, x.sb[k] > y.sb[k] ? x.sb[k] : y.sb[k])
NEWER_OP(pminuw, HOST_SSE41, w, 8, x.w[k] < y.w[k] ? x.w[k] : y.w[k])
NEWER_OP(pmaxuw, HOST_SSE41, w, 8, x.w[k] > y.w[k] ? x.w[k] : y.w[k])
NEWER_OP(pminsd, HOST_SSE41, sd, 4, x.sd[k] < y.sd[k] ? x.sd[k] : y.sd[k])
NEWER_OP(pmaxsd, HOST_SSE41, sd, 4, x.sd[k] > y.sd[k] ? x.sd[k] : y.sd[k])
NEWER_OP(pminud, HOST_SSE41, d, 4, x.d[k] < y.d[k] ? x.d[k] : y.d[k])
NEWER_OP(pmaxud, HOST_SSE41, d, 4, x.d[k] > y.d[k] ? x.d[k] : y.d[k])
NEWER_OP(pmulld, HOST_SSE41, d, 4, x.d[k] * y.d[k])
NEWER_OP(pmuldq, HOST_SSE41, sq, 2, (int64_t)x.sd[2 * k] * y.sd[2 * k])
NEWER_OP(pcmpeqq, HOST_SSE41, q, 2, x.q[k] == y.q[k] ? ~0ull : 0)
NEWER_OP(pcmpgtq, HOST_SSE42, q, 2, x.sq[k] > y.sq[k] ? ~0ull : 0)

/* One source. */
#define NEWER_UNARY(name, host, member, count, expr)			\
	VEC_KERNEL(name)							\
	{								\
		union vec y = { b }, r;					\
		unsigned k;						\
									\
		if (likely(vec_host & (host))) {			\
			__asm__(#name " %1, %0" : "=x" (a) : "x" (b));	\
			return a;					\
		}							\
		for (k = 0; k < (count); k++)				\
			r.member[k] = (expr);				\
		return r.v;						\
	}
NEWER_UNARY(pabsb, HOST_SSSE3, b, 16,
    (uint8_t)(y.sb[k] < 0 ? -y.sb[k] : y.sb[k]))
NEWER_UNARY(pabsw, HOST_SSSE3, w, 8,
    (uint16_t)(y.sw[k] < 0 ? -y.sw[k] : y.sw[k]))
NEWER_UNARY(pabsd, HOST_SSSE3, d, 4, y.sd[k] < 0 ? -y.d[k] : y.d[k])

/* In MMX form the generic handler takes opd[1] as b in any case. */
VEC_OP(pabsb, VC_UNARY, k_pabsb)
VEC_OP(pabsw, VC_UNARY, k_pabsw)
VEC_OP(pabsd, VC_UNARY, k_pabsd)

/* The least of eight words, and where it is. */
VEC_KERNEL(phminposuw)
{
	union vec y = { b }, r = { _mm_setzero_si128() };
	unsigned k;

	r.w[0] = y.w[0];
	for (k = 1; k < 8; k++) {
		if (y.w[k] < r.w[0]) {
			r.w[0] = y.w[k];
			r.w[1] = (uint16_t)k;
		}
	}
	return r.v;
}
VEC_OP(phminposuw, VC_UNARY, k_phminposuw)

/* --- Neighbours ---------------------------------------------------------- */

/* Of 2n elements of a then b, r[k] = sum or difference of 2k and 2k + 1. */
#define PAIRS(name, member, count, expr)				\
	NEWER(name, HOST_SSSE3, member, count, (expr))			\
	VEC_INLINE __m128i						\
	mmx_##name(__m128i a, __m128i b, unsigned imm)			\
	{								\
		a = _mm_unpacklo_epi64(a, b);				\
		return k_##name(a, a, 0);				\
	}								\
	VEC_OP_MMX(name, 0, k_##name, mmx_##name)
#define PAIR(member, half, k)						\
	((k) < (half) ? x.member[2 * (k)] : y.member[2 * ((k) - (half))])
#define PAIR1(member, half, k)						\
	((k) < (half) ? x.member[2 * (k) + 1] :				\
	    y.member[2 * ((k) - (half)) + 1])
PAIRS(phaddw, w, 8, (uint16_t)(PAIR(w, 4, k) + PAIR1(w, 4, k)))
PAIRS(phaddd, d, 4, PAIR(d, 2, k) + PAIR1(d, 2, k))
PAIRS(phaddsw, w, 8, (uint16_t)saturate_w(PAIR(sw, 4, k) + PAIR1(sw, 4, k)))
PAIRS(phsubw, w, 8, (uint16_t)(PAIR(w, 4, k) - PAIR1(w, 4, k)))
PAIRS(phsubd, d, 4, PAIR(d, 2, k) - PAIR1(d, 2, k))
PAIRS(phsubsw, w, 8, (uint16_t)saturate_w(PAIR(sw, 4, k) - PAIR1(sw, 4, k)))

/* Sums of absolute differences of four bytes at imm8[1:0] of b with the eight
 * places from imm8[2] of a on.  The upper lane has bits 5:3. */
static __m128i
sums_of_differences(__m128i a, __m128i b, unsigned imm)
{
	union vec x = { a }, y = { b }, r;
	unsigned k, j, s, ao = (imm >> 2 & 1) * 4, bo = (imm & 3) * 4;

	for (k = 0; k < 8; k++) {
		for (j = s = 0; j < 4; j++) {
			int d = x.b[ao + k + j] - y.b[bo + j];

			s += (unsigned)(d < 0 ? -d : d);
		}
		r.w[k] = (uint16_t)s;
	}
	return r.v;
}

EXEC(x_mpsadbw)
{
	const struct operand *o = i->opd;
	const struct operand *a = vec_vex(i) ? &o[1] : &o[0];
	const struct operand *b = vec_vex(i) ? &o[2] : &o[1];
	const uint8_t *pa, *pb;
	__m128i lo, hi;

	vec_check_any(c, i, 0);
	pb = vec_src(c, i, b, i->size, vec_align(i, i->size));
	pa = vec_reg(c, a);
	lo = sums_of_differences(vec_load(pa), vec_load(pb), (unsigned)i->imm);
	if (i->size == 32) {
		hi = sums_of_differences(vec_load(pa + 16), vec_load(pb + 16),
		    (unsigned)i->imm >> 3);
		vec_put2(c, o, lo, hi);
	} else {
		vec_put(c, i, o, lo);
	}
}

/* --- Shifts -------------------------------------------------------------- */

/*
 * The count is 64 bits of a vector register or memory (of which 16 bytes are
 * read), or imm8.  Both lanes shift by the same; a count beyond the element
 * clears it (SRA: fills it with the sign), which the host does as well.
 */
VEC_INLINE void
shift(struct cpu *c, const struct insn *i,
    __m128i (*k)(__m128i v, __m128i count))
{
	const struct operand *o = i->opd;
	const struct operand *a = vec_vex(i) ? &o[1] : &o[0];
	const struct operand *b = vec_vex(i) ? &o[2] : &o[1];
	__m128i n, lo, hi;
	const uint8_t *p;

	if (o->kind == OPD_MMX) {
		vec_check(c, i, VC_MMX);
		n = b->kind == OPD_IMM ? _mm_cvtsi32_si128((int)(i->imm & 0xff)) :
		    _mm_loadl_epi64(vec_src(c, i, b, 8, 1));
		lo = k(_mm_loadl_epi64(vec_mm(c, o)), n);
		vec_mmx_enter(c);
		vec_put_mm(c, o, lo);
		return;
	}
	vec_check_any(c, i, 0);
	n = b->kind == OPD_IMM ? _mm_cvtsi32_si128((int)(i->imm & 0xff)) :
	    vec_load(vec_src(c, i, b, 16, vec_align(i, 16)));
	p = vec_reg(c, a);
	lo = k(vec_load(p), n);
	if (i->size == 32) {
		hi = k(vec_load(p + 16), n);
		vec_put2(c, o, lo, hi);
	} else {
		vec_put(c, i, o, lo);
	}
}

/* By imm8, the usual form: quick. */
VEC_INLINE bool
shift_quick(struct cpu *c, const struct insn *i,
    __m128i (*k)(__m128i v, __m128i count), int width)
{
	uint8_t *d = vec_reg(c, &i->opd[0]);
	const uint8_t *p = width ? vec_reg(c, &i->opd[1]) : d;
	const struct operand *b = &i->opd[width ? 2 : 1];
	__m128i n, lo, hi = _mm_setzero_si128();

	if (unlikely(c->fp_stop & (width ? FP_STOP_AVX : FP_STOP_SSE)))
		return false;
	n = b->kind == OPD_IMM ? _mm_cvtsi32_si128((int)(i->imm & 0xff)) :
	    vec_load(vec_reg(c, b));
	lo = k(vec_load(p), n);
	if (width == VF_YMM)
		hi = k(vec_load(p + 16), n);
	_mm_store_si128((__m128i *)d, lo);
	if (width)
		_mm_store_si128((__m128i *)(d + 16), hi);
	return true;
}

#define SHIFT_QUICK(name, suffix, width)				\
	static void							\
	name##_##suffix(struct cpu *c, const struct insn *i)		\
	{								\
		if (unlikely(!shift_quick(c, i, s_##name, width))) {	\
			x_##name(c, i);					\
			return;						\
		}							\
		CPU_NEXT(c, i);						\
	}
#define SHIFT(name, expr)						\
	VEC_INLINE __m128i						\
	s_##name(__m128i v, __m128i n)					\
	{								\
		return expr;						\
	}								\
	EXEC(x_##name) { shift(c, i, s_##name); }			\
	SHIFT_QUICK(name, rr, VF_SSE)					\
	SHIFT_QUICK(name, vrr, VF_VEX)					\
	SHIFT_QUICK(name, yrr, VF_YMM)
#define SHIFT_FORMS(name)						\
	{ x_##name, { { name##_rr }, { name##_vrr }, { name##_yrr } } },

SHIFT(psllw, _mm_sll_epi16(v, n))
SHIFT(pslld, _mm_sll_epi32(v, n))
SHIFT(psllq, _mm_sll_epi64(v, n))
SHIFT(psrlw, _mm_srl_epi16(v, n))
SHIFT(psrld, _mm_srl_epi32(v, n))
SHIFT(psrlq, _mm_srl_epi64(v, n))
SHIFT(psraw, _mm_sra_epi16(v, n))
SHIFT(psrad, _mm_sra_epi32(v, n))

/* By whole bytes, imm8 only; 16 and more clear. */
VEC_INLINE __m128i
shift_bytes(__m128i v, unsigned n, bool left)
{
	static const uint8_t zeros[48];
	uint8_t buf[48];

	if (n > 16)
		n = 16;
	memcpy(buf, zeros, sizeof(buf));
	memcpy(buf + 16, &v, 16);
	return vec_load(left ? buf + 16 - n : buf + 16 + n);
}
static __attribute__((noinline)) void
psxldq(struct cpu *c, const struct insn *i, bool left)
{
	const struct operand *o = i->opd;
	const uint8_t *p = vec_reg(c, vec_vex(i) ? &o[1] : &o[0]);
	__m128i lo, hi;

	vec_check_any(c, i, 0);
	lo = shift_bytes(vec_load(p), (unsigned)i->imm & 0xff, left);
	if (i->size == 32) {
		hi = shift_bytes(vec_load(p + 16), (unsigned)i->imm & 0xff,
		    left);
		vec_put2(c, o, lo, hi);
	} else {
		vec_put(c, i, o, lo);
	}
}
EXEC(x_pslldq) { psxldq(c, i, true); }
EXEC(x_psrldq) { psxldq(c, i, false); }

/* Each element by its own count (AVX2); counts too large clear. */
#define SHIFT_EACH(name, member, count, expr)				\
	VEC_KERNEL(name)							\
	{								\
		union vec x = { a }, y = { b }, r;			\
		unsigned k;						\
									\
		for (k = 0; k < (count); k++)				\
			r.member[k] = (expr);				\
		return r.v;						\
	}								\
	VEC_OP(name, 0, k_##name)
SHIFT_EACH(vpsllvd, d, 4, y.d[k] < 32 ? x.d[k] << y.d[k] : 0)
SHIFT_EACH(vpsllvq, q, 2, y.q[k] < 64 ? x.q[k] << y.q[k] : 0)
SHIFT_EACH(vpsrlvd, d, 4, y.d[k] < 32 ? x.d[k] >> y.d[k] : 0)
SHIFT_EACH(vpsrlvq, q, 2, y.q[k] < 64 ? x.q[k] >> y.q[k] : 0)
SHIFT_EACH(vpsravd, sd, 4, x.sd[k] >> (y.d[k] < 32 ? y.d[k] : 31))

/* --- Tests --------------------------------------------------------------- */

/* ZF: a AND b is zero; CF: NOT a AND b is, both under mask. */
static __attribute__((noinline)) void
test_bits(struct cpu *c, const struct insn *i, uint64_t mask)
{
	const uint64_t *a = vec_reg(c, &i->opd[0]);
	uint64_t b[4], z = 0, n = 0;
	unsigned k;

	vec_check_any(c, i, 0);
	memcpy(b, vec_src(c, i, &i->opd[1], i->size, vec_align(i, i->size)),
	    i->size);
	for (k = 0; k < i->size / 8u; k++) {
		z |= a[k] & b[k] & mask;
		n |= ~a[k] & b[k] & mask;
	}
	flags_put(&c->flags, (z ? 0 : FLAG_ZF) | (n ? 0 : FLAG_CF));
}
EXEC(x_ptest) { test_bits(c, i, ~0ull); }
EXEC(x_vtestps) { test_bits(c, i, 0x8000000080000000ull); }
EXEC(x_vtestpd) { test_bits(c, i, 1ull << 63); }

const struct vec_forms vec_int_forms[] = {
	VEC_FORMS(paddb) VEC_FORMS(paddw) VEC_FORMS(paddd) VEC_FORMS(paddq)
	VEC_FORMS(paddsb) VEC_FORMS(paddsw) VEC_FORMS(paddusb)
	VEC_FORMS(paddusw) VEC_FORMS(psubb) VEC_FORMS(psubw) VEC_FORMS(psubd)
	VEC_FORMS(psubq) VEC_FORMS(psubsb) VEC_FORMS(psubsw)
	VEC_FORMS(psubusb) VEC_FORMS(psubusw) VEC_FORMS(pmullw)
	VEC_FORMS(pmulhw) VEC_FORMS(pmulhuw) VEC_FORMS(pmuludq)
	VEC_FORMS(pmaddwd) VEC_FORMS(psadbw) VEC_FORMS(pavgb)
	VEC_FORMS(pavgw) VEC_FORMS(pminub) VEC_FORMS(pmaxub)
	VEC_FORMS(pminsw) VEC_FORMS(pmaxsw) VEC_FORMS(pcmpeqb)
	VEC_FORMS(pcmpeqw) VEC_FORMS(pcmpeqd) VEC_FORMS(pcmpgtb)
	VEC_FORMS(pcmpgtw) VEC_FORMS(pcmpgtd) VEC_FORMS(pand)
	VEC_FORMS(pandn) VEC_FORMS(por) VEC_FORMS(pxor) VEC_FORMS(pmulhrsw)
	VEC_FORMS(pmaddubsw) VEC_FORMS(psignb) VEC_FORMS(psignw)
	VEC_FORMS(psignd) VEC_FORMS(pminsb) VEC_FORMS(pmaxsb)
	VEC_FORMS(pminuw) VEC_FORMS(pmaxuw) VEC_FORMS(pminsd)
	VEC_FORMS(pmaxsd) VEC_FORMS(pminud) VEC_FORMS(pmaxud)
	VEC_FORMS(pmulld) VEC_FORMS(pmuldq) VEC_FORMS(pcmpeqq)
	VEC_FORMS(pcmpgtq) VEC_FORMS(pabsb) VEC_FORMS(pabsw) VEC_FORMS(pabsd)
	VEC_FORMS(phminposuw) VEC_FORMS(phaddw) VEC_FORMS(phaddd)
	VEC_FORMS(phaddsw) VEC_FORMS(phsubw) VEC_FORMS(phsubd)
	VEC_FORMS(phsubsw) VEC_FORMS(vpsllvd) VEC_FORMS(vpsllvq)
	VEC_FORMS(vpsrlvd) VEC_FORMS(vpsrlvq) VEC_FORMS(vpsravd)
	SHIFT_FORMS(psllw) SHIFT_FORMS(pslld) SHIFT_FORMS(psllq)
	SHIFT_FORMS(psrlw) SHIFT_FORMS(psrld) SHIFT_FORMS(psrlq)
	SHIFT_FORMS(psraw) SHIFT_FORMS(psrad)
	{ 0 }
};
