/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ops.h - what integer instructions compute
 *
 * Each operation once: operands in, result out, flags set.  exec_*.c takes
 * their addresses, fast_*.c inlines them with a constant size.  Flags that
 * the SDM leaves undefined are as AMD's processors have them, as far as that
 * costs nothing.
 *
 * Operands are zero-extended from size (shifts to the right rely on it), b
 * may be an immediate extended either way.
 */
#ifndef CPU_OPS_H
#define CPU_OPS_H

#include "cpu/exec.h"

typedef uint64_t alu_op(struct flags *, uint64_t a, uint64_t b, unsigned size);

INLINE uint64_t
op_add(struct flags *f, uint64_t a, uint64_t b, unsigned size)
{
	uint64_t res = a + b;

	flags_add(f, a, b, res, size);
	return res;
}

INLINE uint64_t
op_adc(struct flags *f, uint64_t a, uint64_t b, unsigned size)
{
	uint64_t res = a + b + flags_cf(f);

	flags_add(f, a, b, res, size);
	return res;
}

INLINE uint64_t
op_sub(struct flags *f, uint64_t a, uint64_t b, unsigned size)
{
	uint64_t res = a - b;

	flags_sub(f, a, b, res, size);
	return res;
}

INLINE uint64_t
op_sbb(struct flags *f, uint64_t a, uint64_t b, unsigned size)
{
	uint64_t res = a - b - flags_cf(f);

	flags_sub(f, a, b, res, size);
	return res;
}

INLINE uint64_t
op_and(struct flags *f, uint64_t a, uint64_t b, unsigned size)
{
	flags_logic(f, a & b, size);
	return a & b;
}

INLINE uint64_t
op_or(struct flags *f, uint64_t a, uint64_t b, unsigned size)
{
	flags_logic(f, a | b, size);
	return a | b;
}

INLINE uint64_t
op_xor(struct flags *f, uint64_t a, uint64_t b, unsigned size)
{
	flags_logic(f, a ^ b, size);
	return a ^ b;
}

/* aux of an operation on 1, but CF as it was: where the two differ both bits
 * turn over, which leaves OF alone. */
INLINE void
keep_cf(struct flags *f, uint32_t old)
{
	f->aux ^= (uint32_t)((int32_t)(old ^ f->aux) >> 1) & 0xc0000000;
}

INLINE uint64_t
op_inc(struct flags *f, uint64_t a, uint64_t unused, unsigned size)
{
	uint32_t old = f->aux;

	flags_add(f, a, 1, a + 1, size);
	keep_cf(f, old);
	return a + 1;
}

INLINE uint64_t
op_dec(struct flags *f, uint64_t a, uint64_t unused, unsigned size)
{
	uint32_t old = f->aux;

	flags_sub(f, a, 1, a - 1, size);
	keep_cf(f, old);
	return a - 1;
}

INLINE uint64_t
op_neg(struct flags *f, uint64_t a, uint64_t unused, unsigned size)
{
	flags_sub(f, 0, a, -a, size);
	return -a;
}

INLINE uint64_t
op_not(struct flags *f, uint64_t a, uint64_t unused, unsigned size)
{
	return ~a;
}

/* --- Shifts (SDM 2, SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR) ------------------------ */

INLINE unsigned
shift_count(uint64_t b, unsigned size)
{
	return b & (size == 8 ? 63 : 31);
}

/* OF after shifts to the right: whether the upper two bits differ.  For a
 * count of 1 this is what the SDM says, for others what AMD does. */
INLINE bool
top_two_differ(uint64_t v, unsigned size)
{
	return (v ^ v << 1) >> (8 * size - 1) & 1;
}

INLINE uint64_t
op_shl(struct flags *f, uint64_t a, uint64_t b, unsigned size)
{
	unsigned n = shift_count(b, size);
	uint64_t res = a << n;
	bool cf;

	if (n == 0)
		return a;
	if (size == 8)
		cf = a >> (64 - n) & 1;
	else
		cf = res >> (8 * size) & 1;	/* 0 if all is shifted out */
	f->res = flags_sext(res, size);
	f->aux = (uint32_t)cf << 31 | (f->res < 0) << 30 | 8;
	return res;
}

INLINE uint64_t
op_shr(struct flags *f, uint64_t a, uint64_t b, unsigned size)
{
	unsigned n = shift_count(b, size);
	uint64_t res = a >> n;

	if (n == 0)
		return a;
	flags_result(f, res, size, a >> (n - 1) & 1,
	    top_two_differ(res, size), true);
	return res;
}

INLINE uint64_t
op_sar(struct flags *f, uint64_t a, uint64_t b, unsigned size)
{
	unsigned n = shift_count(b, size);
	int64_t s = flags_sext(a, size);
	bool cf;

	if (n == 0)
		return a;
	cf = s >> (n - 1) & 1;
	f->res = s >> n;
	f->aux = (uint32_t)cf << 31 | (uint32_t)cf << 30 | 8;
	return (uint64_t)f->res;
}

INLINE uint64_t
op_rol(struct flags *f, uint64_t a, uint64_t b, unsigned size)
{
	unsigned bits = 8 * size, n = shift_count(b, size);
	uint64_t res = a;

	if (n == 0)
		return a;
	n &= bits - 1;
	if (n)
		res = a << n | a >> (bits - n);
	flags_set_cf_of(f, res & 1, size_msb(res, size) ^ (res & 1));
	return res;
}

INLINE uint64_t
op_ror(struct flags *f, uint64_t a, uint64_t b, unsigned size)
{
	unsigned bits = 8 * size, n = shift_count(b, size);
	uint64_t res = a;

	if (n == 0)
		return a;
	n &= bits - 1;
	if (n)
		res = a >> n | a << (bits - n);
	flags_set_cf_of(f, size_msb(res, size), top_two_differ(res, size));
	return res;
}

/* Through the carry: bits + 1 wide; 8 and 16 bits count modulo that. */
INLINE uint64_t
op_rcl(struct flags *f, uint64_t a, uint64_t b, unsigned size)
{
	unsigned bits = 8 * size, n = shift_count(b, size);
	bool cf = flags_cf(f);
	uint64_t res = a;

	if (n == 0)
		return a;
	if (size < 4)
		n %= bits + 1;
	if (n) {
		res = a << n | (uint64_t)cf << (n - 1);
		if (n > 1)
			res |= a >> (bits + 1 - n);
		cf = a >> (bits - n) & 1;
	}
	flags_set_cf_of(f, cf, size_msb(res, size) ^ cf);
	return res;
}

INLINE uint64_t
op_rcr(struct flags *f, uint64_t a, uint64_t b, unsigned size)
{
	unsigned bits = 8 * size, n = shift_count(b, size);
	bool cf = flags_cf(f);
	uint64_t res = a;

	if (n == 0)
		return a;
	if (size < 4)
		n %= bits + 1;
	if (n) {
		/* n may be bits for 8 and 16: then a >> n is 0. */
		res = a >> n | (uint64_t)cf << (bits - n);
		if (n > 1)
			res |= a << (bits + 1 - n);
		cf = a >> (n - 1) & 1;
	}
	flags_set_cf_of(f, cf, top_two_differ(res, size));
	return res;
}

/* --- Bits -------------------------------------------------------------------- */

/* BT and its kin: bit n of a is CF; the others stay. */
INLINE uint64_t
op_bt(struct flags *f, uint64_t a, uint64_t n, unsigned size)
{
	flags_set_cf(f, a >> (n & (8 * size - 1)) & 1);
	return a;
}
INLINE uint64_t
op_bts(struct flags *f, uint64_t a, uint64_t n, unsigned size)
{
	op_bt(f, a, n, size);
	return a | 1ull << (n & (8 * size - 1));
}
INLINE uint64_t
op_btr(struct flags *f, uint64_t a, uint64_t n, unsigned size)
{
	op_bt(f, a, n, size);
	return a & ~(1ull << (n & (8 * size - 1)));
}
INLINE uint64_t
op_btc(struct flags *f, uint64_t a, uint64_t n, unsigned size)
{
	op_bt(f, a, n, size);
	return a ^ 1ull << (n & (8 * size - 1));
}

/* --- Products ------------------------------------------------------------------ */

/* IMUL of two operands: CF and OF say whether the product was cut. */
INLINE uint64_t
op_imul(struct flags *f, uint64_t a, uint64_t b, unsigned size)
{
	int64_t res;
	bool cut;

	if (size == 8) {
		cut = __builtin_mul_overflow((int64_t)a, (int64_t)b, &res);
	} else {
		res = flags_sext(a, size) * flags_sext(b, size);
		cut = res != flags_sext((uint64_t)res, size);
	}
	flags_set_cf_of(f, cut, cut);
	return (uint64_t)res;
}

/* --- Read, modify, write (exec_alu.c) ------------------------------------------- */

/* op on the memory operand, atomically under LOCK; exchanges what was there
 * with what it became.  Returns what was there. */
uint64_t rmw(struct cpu *, const struct insn *, alu_op *, uint64_t b,
    unsigned size);
/* The same at another linear address than the operand's own. */
uint64_t rmw_at(struct cpu *, const struct insn *, uint64_t lin, alu_op *,
    uint64_t b, unsigned size);

#endif
