/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flags.h - arithmetic flags, kept as what they are computed from
 *
 * An instruction that sets all of CF PF AF ZF SF OF stores its result,
 * sign-extended from the operand size, and one word:
 *
 *   bit 31      CF
 *   bit 30      CF ^ OF
 *   bits 8..15  what PF's byte is to be xored with
 *   bit 3       AF
 *   bit 0       what SF is to be xored with
 *
 * For additions and subtractions bits 31, 30 and 3 are those of the carry
 * vector moved to the top, so nothing depends on which operation it was and
 * no flag is computed that nobody asks for.
 */
#ifndef CPU_FLAGS_H
#define CPU_FLAGS_H

#include <stdbool.h>
#include <stdint.h>

#define FLAG_CF		0x0001u
#define FLAG_1		0x0002u		/* always set */
#define FLAG_PF		0x0004u
#define FLAG_AF		0x0010u
#define FLAG_ZF		0x0040u
#define FLAG_SF		0x0080u
#define FLAG_TF		0x0100u
#define FLAG_IF		0x0200u
#define FLAG_DF		0x0400u
#define FLAG_OF		0x0800u
#define FLAG_IOPL	0x3000u
#define FLAG_NT		0x4000u
#define FLAG_RF		0x10000u
#define FLAG_VM		0x20000u
#define FLAG_AC		0x40000u
#define FLAG_VIF	0x80000u
#define FLAG_VIP	0x100000u
#define FLAG_ID		0x200000u
#define FLAGS_ARITH	(FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

struct flags {
	int64_t res;
	uint32_t aux;
};

static inline bool flags_cf(const struct flags *f) { return f->aux >> 31; }
static inline bool flags_zf(const struct flags *f) { return f->res == 0; }
static inline bool flags_af(const struct flags *f) { return f->aux >> 3 & 1; }
static inline bool
flags_sf(const struct flags *f)
{
	return (f->res < 0) ^ (f->aux & 1);
}
static inline bool
flags_of(const struct flags *f)
{
	return (f->aux ^ f->aux << 1) >> 31;
}
static inline bool
flags_pf(const struct flags *f)
{
	return !__builtin_parity((f->res ^ f->aux >> 8) & 0xff);
}

/* Sign-extends the low size bytes. */
static inline int64_t
flags_sext(uint64_t v, unsigned size)
{
	switch (size) {
	case 1: return (int8_t)v;
	case 2: return (int16_t)v;
	case 4: return (int32_t)v;
	default: return (int64_t)v;
	}
}

/* From the carry vector of an operation of size bytes: bit n is the carry (or
 * borrow) out of bit n. */
static inline uint32_t
flags_carries(uint64_t carry, unsigned size)
{
	return ((uint32_t)(size == 8 ? carry >> 32 : carry << (32 - 8 * size)) &
	    0xc0000000) | (carry & 8);
}

/* res = a + b + carry in */
static inline void
flags_add(struct flags *f, uint64_t a, uint64_t b, uint64_t res, unsigned size)
{
	f->res = flags_sext(res, size);
	f->aux = flags_carries((a & b) | ((a | b) & ~res), size);
}

/* res = a - b - borrow in */
static inline void
flags_sub(struct flags *f, uint64_t a, uint64_t b, uint64_t res, unsigned size)
{
	f->res = flags_sext(res, size);
	f->aux = flags_carries((~a & b) | ((~a | b) & res), size);
}

/* AND, OR, XOR, TEST: CF = OF = AF = 0 */
static inline void
flags_logic(struct flags *f, uint64_t res, unsigned size)
{
	f->res = flags_sext(res, size);
	f->aux = 0;
}

/* CF and OF anew, the rest as it is. */
static inline void
flags_set_cf_of(struct flags *f, bool cf, bool of)
{
	f->aux = (f->aux & 0x3fffffff) | (uint32_t)cf << 31 |
	    (uint32_t)(cf ^ of) << 30;
}

static inline void
flags_set_cf(struct flags *f, bool cf)
{
	flags_set_cf_of(f, cf, flags_of(f));
}

/* The six as they lie in RFLAGS, and back. */
static inline uint32_t
flags_get(const struct flags *f)
{
	return (flags_cf(f) ? FLAG_CF : 0) | (flags_pf(f) ? FLAG_PF : 0) |
	    (flags_af(f) ? FLAG_AF : 0) | (flags_zf(f) ? FLAG_ZF : 0) |
	    (flags_sf(f) ? FLAG_SF : 0) | (flags_of(f) ? FLAG_OF : 0);
}

static inline void
flags_put(struct flags *f, uint32_t v)
{
	bool cf = v & FLAG_CF, of = v & FLAG_OF, sf = v & FLAG_SF;
	bool pf = v & FLAG_PF;

	/* ZF decides the result: 0 (even parity, positive) or 1 (odd). */
	f->res = v & FLAG_ZF ? 0 : 1;
	f->aux = (uint32_t)cf << 31 | (uint32_t)(cf ^ of) << 30 |
	    (v & FLAG_AF ? 8 : 0) | sf |
	    (uint32_t)(pf != (f->res == 0)) << 8;
}

/* Condition codes 0..15 as in the low 4 bits of Jcc (SDM 2, appendix B). */
static inline bool
flags_cond(const struct flags *f, unsigned cond)
{
	bool yes;

	switch (cond >> 1) {
	case 0: yes = flags_of(f); break;
	case 1: yes = flags_cf(f); break;
	case 2: yes = flags_zf(f); break;
	case 3: yes = flags_cf(f) || flags_zf(f); break;
	case 4: yes = flags_sf(f); break;
	case 5: yes = flags_pf(f); break;
	case 6: yes = flags_sf(f) != flags_of(f); break;
	default: yes = flags_zf(f) || flags_sf(f) != flags_of(f); break;
	}
	return yes ^ (cond & 1);
}

#endif
