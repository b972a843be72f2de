/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_crypto.c - AES, carry-less multiplication, SHA
 *
 * By the host's instructions where it has them, else in C as FIPS 197 and
 * FIPS 180-4 say.  The C is not made to run in constant time.
 */
#include <pthread.h>

#include "cpu/vec.h"

/* --- AES in C ------------------------------------------------------------ */

static uint8_t sbox[256], inv_sbox[256];

/* x times 2 in the field of FIPS 197, 4.2. */
static uint8_t
xtime(uint8_t x)
{
	return (uint8_t)(x << 1 ^ (x & 0x80 ? 0x1b : 0));
}

/* FIPS 197, 5.1.1: p runs through all but zero as powers of 3, q through
 * their inverses. */
static void
aes_tables(void)
{
	uint8_t p = 1, q = 1, x;

	do {
		p ^= xtime(p);
		q ^= (uint8_t)(q << 1);
		q ^= (uint8_t)(q << 2);
		q ^= (uint8_t)(q << 4);
		if (q & 0x80)
			q ^= 0x09;
		x = q ^ (uint8_t)(q << 1 | q >> 7) ^
		    (uint8_t)(q << 2 | q >> 6) ^ (uint8_t)(q << 3 | q >> 5) ^
		    (uint8_t)(q << 4 | q >> 4) ^ 0x63;
		sbox[p] = x;
		inv_sbox[x] = p;
	} while (p != 1);
	sbox[0] = 0x63;
	inv_sbox[0x63] = 0;
}

static const uint8_t *
aes_sbox(bool inverse)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, aes_tables);
	return inverse ? inv_sbox : sbox;
}

/* MixColumns by the polynomial m3 m2 m1 m0 (FIPS 197, 5.1.3, 5.3.3). */
static uint8_t
times(uint8_t x, unsigned m)
{
	uint8_t r = 0;

	for (; m; m >>= 1, x = xtime(x))
		if (m & 1)
			r ^= x;
	return r;
}
static union vec
mix_columns(union vec s, bool inverse)
{
	static const uint8_t f[2][4] = { { 2, 3, 1, 1 }, { 14, 11, 13, 9 } };
	union vec r;
	unsigned k, j;

	for (k = 0; k < 16; k++) {
		r.b[k] = 0;
		for (j = 0; j < 4; j++)
			r.b[k] ^= times(s.b[(k & 12) + ((k + j) & 3)],
			    f[inverse][j]);
	}
	return r;
}

/* ShiftRows and SubBytes; byte k is row k & 3 of column k >> 2. */
static union vec
shift_sub(union vec s, bool inverse)
{
	const uint8_t *t = aes_sbox(inverse);
	union vec r;
	unsigned k;

	for (k = 0; k < 16; k++)
		r.b[k] = t[s.b[inverse ? (k - 4 * (k & 3)) & 15 :
		    (k + 4 * (k & 3)) & 15]];
	return r;
}

static __m128i
aes_round(__m128i a, __m128i key, bool inverse, bool last)
{
	union vec s = { a };

	s = shift_sub(s, inverse);
	if (!last)
		s = mix_columns(s, inverse);
	return _mm_xor_si128(s.v, key);
}

#define AES(name, inverse, last)					\
	VEC_INLINE __m128i						\
	k_##name(__m128i a, __m128i b, unsigned imm)			\
	{								\
		if (unlikely(!(vec_host & HOST_AES)))			\
			return aes_round(a, b, inverse, last);		\
		__asm__(#name " %1, %0" : "+x" (a) : "x" (b));		\
		return a;						\
	}								\
	VEC_OP(name, 0, k_##name)
AES(aesenc, false, false)
AES(aesenclast, false, true)
AES(aesdec, true, false)
AES(aesdeclast, true, true)

VEC_INLINE __m128i
k_aesimc(__m128i a, __m128i b, unsigned imm)
{
	union vec s = { b };

	if (unlikely(!(vec_host & HOST_AES)))
		return mix_columns(s, true).v;
	__asm__("aesimc %1, %0" : "=x" (a) : "x" (b));
	return a;
}
VEC_OP(aesimc, VC_UNARY, k_aesimc)

/* SubWord of doublewords 1 and 3, and each rotated by a byte with the round
 * constant. */
static __attribute__((noinline)) __m128i
key_assist(__m128i b, unsigned imm)
{
	const uint8_t *t = aes_sbox(false);
	union vec s = { b }, r;
	unsigned k;

	for (k = 0; k < 4; k++) {
		r.b[k] = t[s.b[4 + k]];
		r.b[8 + k] = t[s.b[12 + k]];
	}
	r.d[1] = (r.d[0] >> 8 | r.d[0] << 24) ^ (imm & 0xff);
	r.d[3] = (r.d[2] >> 8 | r.d[2] << 24) ^ (imm & 0xff);
	return r.v;
}
VEC_INLINE __m128i
k_aeskeygenassist(__m128i a, __m128i b, unsigned imm)
{
	return key_assist(b, imm);
}
VEC_OP(aeskeygenassist, VC_UNARY, k_aeskeygenassist)

/* --- Carry-less multiplication ------------------------------------------- */

static __m128i
clmul_in_c(uint64_t x, uint64_t y)
{
	uint64_t lo = 0, hi = 0;
	unsigned k;

	for (k = 0; k < 64; k++) {
		if (y >> k & 1) {
			lo ^= x << k;
			hi ^= k ? x >> (64 - k) : 0;
		}
	}
	return _mm_set_epi64x((long long)hi, (long long)lo);
}

/* imm8 bit 0 chooses the quadword of a, bit 4 that of b. */
VEC_INLINE __m128i
k_pclmulqdq(__m128i a, __m128i b, unsigned imm)
{
	if (imm & 1)
		a = _mm_unpackhi_epi64(a, a);
	if (imm & 16)
		b = _mm_unpackhi_epi64(b, b);
	if (unlikely(!(vec_host & HOST_PCLMUL)))
		return clmul_in_c((uint64_t)_mm_cvtsi128_si64(a),
		    (uint64_t)_mm_cvtsi128_si64(b));
	__asm__("pclmulqdq $0, %1, %0" : "+x" (a) : "x" (b));
	return a;
}
VEC_OP(pclmulqdq, 0, k_pclmulqdq)

/* --- SHA: legacy encodings only ------------------------------------------ */

VEC_INLINE uint32_t
ror(uint32_t v, unsigned n)
{
	return v >> n | v << (32 - n);
}

/* SHA1RNDS4: A B C D from the top of a down; W0E, W1.. likewise in b. */
static __m128i
sha1_rounds(__m128i a, __m128i b, unsigned f)
{
	static const uint32_t k1[4] = {
		0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6
	};
	union vec s = { a }, w = { b };
	uint32_t A = s.d[3], B = s.d[2], C = s.d[1], D = s.d[0], E = 0, t;
	int n;

	for (n = 3; n >= 0; n--) {
		t = f == 0 ? (B & C) ^ (~B & D) :
		    f == 2 ? (B & C) ^ (B & D) ^ (C & D) : B ^ C ^ D;
		t += ror(A, 27) + w.d[n] + E + k1[f];
		E = D;
		D = C;
		C = ror(B, 2);
		B = A;
		A = t;
	}
	return _mm_set_epi32((int)A, (int)B, (int)C, (int)D);
}

#define SHA1_CASE(n)							\
	case n:								\
		__asm__("sha1rnds4 $" #n ", %1, %0" : "+x" (a) : "x" (b)); \
		break
VEC_INLINE __m128i
k_sha1rnds4(__m128i a, __m128i b, unsigned imm)
{
	if (unlikely(!(vec_host & HOST_SHA)))
		return sha1_rounds(a, b, imm & 3);
	switch (imm & 3) {
	SHA1_CASE(0);
	SHA1_CASE(1);
	SHA1_CASE(2);
	default: SHA1_CASE(3);
	}
	return a;
}

/* Two rounds: C D G H in a, A B E F in b, from the top down; the words with
 * their constants added in x0. */
static __m128i
sha256_rounds(__m128i a, __m128i b, __m128i x0)
{
	union vec x = { a }, y = { b }, wk = { x0 };
	uint32_t A = y.d[3], B = y.d[2], C = x.d[3], D = x.d[2];
	uint32_t E = y.d[1], F = y.d[0], G = x.d[1], H = x.d[0], t;
	unsigned n;

	for (n = 0; n < 2; n++) {
		t = ((E & F) ^ (~E & G)) + wk.d[n] + H +
		    (ror(E, 6) ^ ror(E, 11) ^ ror(E, 25));
		H = G;
		G = F;
		F = E;
		E = t + D;
		t += ((A & B) ^ (A & C) ^ (B & C)) +
		    (ror(A, 2) ^ ror(A, 13) ^ ror(A, 22));
		D = C;
		C = B;
		B = A;
		A = t;
	}
	return _mm_set_epi32((int)A, (int)B, (int)E, (int)F);
}

/* The instruction, or expr of x (a) and y (b) into r. */
#define SHA(name, statement)						\
	VEC_INLINE __m128i						\
	k_##name(__m128i a, __m128i b, unsigned imm)			\
	{								\
		union vec x = { a }, y = { b }, r;			\
									\
		if (likely(vec_host & HOST_SHA)) {			\
			__asm__(#name " %1, %0" : "+x" (a) : "x" (b));	\
			return a;					\
		}							\
		statement;						\
		return r.v;						\
	}
#define S0(v) (ror(v, 7) ^ ror(v, 18) ^ (v) >> 3)
#define S1(v) (ror(v, 17) ^ ror(v, 19) ^ (v) >> 10)
SHA(sha1nexte, r = y; r.d[3] = y.d[3] + ror(x.d[3], 2))
SHA(sha1msg1, r.d[3] = x.d[1] ^ x.d[3]; r.d[2] = x.d[0] ^ x.d[2];
    r.d[1] = y.d[3] ^ x.d[1]; r.d[0] = y.d[2] ^ x.d[0])
SHA(sha1msg2, r.d[3] = ror(x.d[3] ^ y.d[2], 31);
    r.d[2] = ror(x.d[2] ^ y.d[1], 31); r.d[1] = ror(x.d[1] ^ y.d[0], 31);
    r.d[0] = ror(x.d[0] ^ r.d[3], 31))
SHA(sha256msg1, r.d[3] = x.d[3] + S0(y.d[0]); r.d[2] = x.d[2] + S0(x.d[3]);
    r.d[1] = x.d[1] + S0(x.d[2]); r.d[0] = x.d[0] + S0(x.d[1]))
SHA(sha256msg2, r.d[0] = x.d[0] + S1(y.d[2]); r.d[1] = x.d[1] + S1(y.d[3]);
    r.d[2] = x.d[2] + S1(r.d[0]); r.d[3] = x.d[3] + S1(r.d[1]))

VEC_OP(sha1rnds4, 0, k_sha1rnds4)
VEC_OP(sha1nexte, 0, k_sha1nexte)
VEC_OP(sha1msg1, 0, k_sha1msg1)
VEC_OP(sha1msg2, 0, k_sha1msg2)
VEC_OP(sha256msg1, 0, k_sha256msg1)
VEC_OP(sha256msg2, 0, k_sha256msg2)

EXEC(x_sha256rnds2)
{
	const struct operand *o = i->opd;
	__m128i a, b, x0;

	vec_check(c, i, VC_SSE);
	b = vec_load(vec_src(c, i, &o[1], 16, 16));
	a = vec_load(vec_reg(c, o));
	x0 = vec_load(c->vec[0]);
	if (likely(vec_host & HOST_SHA))
		__asm__("sha256rnds2 %%xmm0, %1, %0" : "+x" (a) :
		    "x" (b), "Yz" (x0));
	else
		a = sha256_rounds(a, b, x0);
	vec_put(c, i, o, a);
}

const struct vec_forms vec_crypto_forms[] = {
	VEC_FORMS(aesenc) VEC_FORMS(aesenclast) VEC_FORMS(aesdec)
	VEC_FORMS(aesdeclast) VEC_FORMS(aesimc) VEC_FORMS(aeskeygenassist)
	VEC_FORMS(pclmulqdq) VEC_FORMS(sha1rnds4) VEC_FORMS(sha1nexte)
	VEC_FORMS(sha1msg1) VEC_FORMS(sha1msg2) VEC_FORMS(sha256msg1)
	VEC_FORMS(sha256msg2)
	{ 0 }
};
