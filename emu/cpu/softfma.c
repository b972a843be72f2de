/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * softfma.c - fused multiply-add in integers
 *
 * The product of two 53-bit significands has 106 bits and is exact in a
 * 128-bit integer.  The addend is placed on the same scale; whichever lies
 * lower is shifted right with what falls out kept as one sticky bit, far
 * enough below the rounding position not to matter.
 */
#include "cpu/softfma.h"

typedef unsigned __int128 u128;

#define IE 0x01u
#define DE 0x02u
#define OE 0x08u
#define UE 0x10u
#define PE 0x20u
#define DAZ 0x40u
#define FTZ 0x8000u

struct format {
	int man, bias;		/* fraction bits; exponent bias */
};
static const struct format f32 = { 23, 127 }, f64 = { 52, 1023 };

/* A finite number is (-1)^sign * man * 2^exp; man 0 is zero. */
struct part {
	bool sign, nan, inf, denormal;
	uint64_t man, bits;
	int exp;
};

static struct part
take(const struct format *f, uint64_t v, uint32_t mxcsr)
{
	int e = (int)(v >> f->man & (uint64_t)(2 * f->bias + 1));
	struct part p = { .bits = v };

	p.sign = v >> (f->man + (f == &f64 ? 11 : 8)) & 1;
	p.man = v & ((1ull << f->man) - 1);
	if (e == 2 * f->bias + 1) {
		p.nan = p.man;
		p.inf = !p.man;
	} else if (e) {
		p.man |= 1ull << f->man;
		p.exp = e - f->bias - f->man;
	} else {
		if (mxcsr & DAZ)
			p.man = 0;
		p.denormal = p.man;
		p.exp = 1 - f->bias - f->man;
	}
	return p;
}

static u128
shift_sticky(u128 v, int n)
{
	if (n <= 0)
		return v;
	if (n > 127)
		return v != 0;
	return v >> n | ((v & (((u128)1 << n) - 1)) != 0);
}

static int
top_bit(u128 v)
{
	uint64_t hi = (uint64_t)(v >> 64);

	return hi ? 127 - __builtin_clzll(hi) :
	    63 - __builtin_clzll((uint64_t)v);
}

/* Drops n low bits of v, rounding; *inexact is set if any was not 0. */
static u128
round_off(u128 v, int n, bool sign, unsigned rc, bool *inexact)
{
	u128 rest, half;
	bool up;

	if (n <= 0)
		return v << -n;
	if (n > 126) {
		*inexact = v != 0;
		return v && ((rc == 1 && sign) || (rc == 2 && !sign));
	}
	rest = v & (((u128)1 << n) - 1);
	half = (u128)1 << (n - 1);
	*inexact = rest != 0;
	v >>= n;
	up = rc == 0 ? rest > half || (rest == half && v & 1) :
	    rc == 1 ? sign && rest : rc == 2 ? !sign && rest : false;
	return v + up;
}

/* (-1)^sign * v * 2^exp, v not 0, as a number of the format. */
static uint64_t
give(const struct format *f, bool sign, u128 v, int exp, uint32_t mxcsr,
    uint32_t *flags)
{
	unsigned rc = mxcsr >> 13 & 3;
	int least = 1 - f->bias - f->man;	/* exponent of denormals */
	int max_e = 2 * f->bias + 1, drop, e;
	uint64_t s = (uint64_t)sign << (f == &f64 ? 63 : 31);
	bool inexact = false, tiny = false, ignored;
	u128 r;

	drop = top_bit(v) - f->man;		/* to man + 1 bits */
	e = exp + drop;
	if (e < least) {
		/* Tiny unless rounding in unbounded range leads out of it. */
		r = round_off(v, drop, sign, rc, &ignored);
		tiny = e < least - 1 || !(r >> (f->man + 1));
		drop += least - e;
		e = least;
	}
	r = round_off(v, drop, sign, rc, &inexact);
	if (r >> (f->man + 1)) {
		r >>= 1;
		e++;
	}
	if (r >> f->man && e - least + 1 >= max_e) {
		*flags |= OE | PE;
		if (rc == 3 || (rc == 1 && !sign) || (rc == 2 && sign))
			return s | (((uint64_t)max_e << f->man) - 1);
		return s | (uint64_t)max_e << f->man;
	}
	if (inexact)
		*flags |= PE;
	if (tiny && mxcsr & FTZ) {
		*flags |= UE | PE;
		return s;
	}
	if (tiny && inexact)
		*flags |= UE;
	if (!(r >> f->man))
		return s | (uint64_t)r;
	return s | (((uint64_t)(e - least + 1) << f->man) +
	    ((uint64_t)r & ((1ull << f->man) - 1)));
}

static uint64_t
fma_of(const struct format *f, uint64_t xv, uint64_t yv, uint64_t zv,
    bool negate, bool sub, uint32_t mxcsr, uint32_t *flags)
{
	const uint64_t quiet = 1ull << (f->man - 1);
	const uint64_t sign_bit = 1ull << (f == &f64 ? 63 : 31);
	const uint64_t infinity = (uint64_t)(2 * f->bias + 1) << f->man;
	struct part x = take(f, xv, mxcsr), y = take(f, yv, mxcsr);
	struct part z = take(f, zv, mxcsr);
	bool ps = x.sign ^ y.sign ^ negate, zs = z.sign ^ sub, invalid;
	unsigned rc = mxcsr >> 13 & 3;
	u128 p, q;
	int pe, ze, d;

	invalid = (x.inf && !y.nan && !y.man && !y.inf) ||
	    (y.inf && !x.nan && !x.man && !x.inf);
	if ((x.nan && !(x.man & quiet)) || (y.nan && !(y.man & quiet)) ||
	    (z.nan && !(z.man & quiet)))
		*flags |= IE;
	if (x.nan)
		return x.bits | quiet;
	if (y.nan)
		return y.bits | quiet;
	if (z.nan)
		return z.bits | quiet;
	if (invalid) {
		*flags |= IE;
		return sign_bit | infinity | quiet;
	}
	if ((x.inf || y.inf) && z.inf && ps != zs) {
		*flags |= IE;
		return sign_bit | infinity | quiet;
	}
	if (x.denormal || y.denormal || z.denormal)
		*flags |= DE;
	if (x.inf || y.inf)
		return infinity | (ps ? sign_bit : 0);
	if (z.inf)
		return infinity | (zs ? sign_bit : 0);
	p = (u128)x.man * y.man;
	pe = x.exp + y.exp;
	if (!p && !z.man) {
		if (ps == zs)
			return ps ? sign_bit : 0;
		return rc == 1 ? sign_bit : 0;
	}
	if (!z.man)
		return give(f, ps, p, pe, mxcsr, flags);
	if (!p)
		return give(f, zs, z.man, z.exp, mxcsr, flags);
	/* Both with their top bit at 125: room for a carry, and for 70 bits
	 * and more below either's last place. */
	q = z.man;
	ze = z.exp;
	d = 125 - top_bit(p);
	p <<= d;
	pe -= d;
	d = 125 - top_bit(q);
	q <<= d;
	ze -= d;
	if (pe > ze) {
		q = shift_sticky(q, pe - ze);
		ze = pe;
	} else {
		p = shift_sticky(p, ze - pe);
		pe = ze;
	}
	if (ps == zs)
		return give(f, ps, p + q, pe, mxcsr, flags);
	if (p == q)
		return rc == 1 ? sign_bit : 0;
	if (p > q)
		return give(f, ps, p - q, pe, mxcsr, flags);
	return give(f, zs, q - p, pe, mxcsr, flags);
}

uint64_t
soft_fma64(uint64_t x, uint64_t y, uint64_t z, bool negate, bool sub,
    uint32_t mxcsr, uint32_t *flags)
{
	return fma_of(&f64, x, y, z, negate, sub, mxcsr, flags);
}

uint32_t
soft_fma32(uint32_t x, uint32_t y, uint32_t z, bool negate, bool sub,
    uint32_t mxcsr, uint32_t *flags)
{
	return (uint32_t)fma_of(&f32, x, y, z, negate, sub, mxcsr, flags);
}
