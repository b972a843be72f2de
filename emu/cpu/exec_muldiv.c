/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_muldiv.c - products, quotients, decimal adjustments
 *
 * SDM 2: MUL IMUL MULX DIV IDIV, AAA AAS AAM AAD DAA DAS.
 */
#include "cpu/ops.h"
#include "cpu/table.h"

typedef unsigned __int128 uint128;
typedef __int128 int128;

/* The pair rDX:rAX, or AX for bytes. */
static void
put_pair(struct cpu *c, uint64_t high, uint64_t low, unsigned size)
{
	if (size == 1) {
		gpr_put16(c, 0, (uint16_t)((high & 0xff) << 8 | (low & 0xff)));
	} else {
		reg_put(c, RAX, low, size);
		reg_put(c, RDX, high, size);
	}
}

static NOINLINE void
multiply(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size;
	uint128 res = (uint128)reg_get(c, RAX, size) * opd_get(c, i, 0, size);
	uint64_t high = (uint64_t)(res >> (8 * size)) & size_mask(size);

	put_pair(c, high, (uint64_t)res, size);
	flags_set_cf_of(&c->flags, high, high);
}
EXEC(x_mul) { multiply(c, i); }

static void
multiply_signed_pair(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size;
	int128 res = (int128)flags_sext(reg_get(c, RAX, size), size) *
	    flags_sext(opd_get(c, i, 0, size), size);
	bool cut = res != flags_sext((uint64_t)res, size);

	put_pair(c, (uint64_t)(res >> (8 * size)), (uint64_t)res, size);
	flags_set_cf_of(&c->flags, cut, cut);
}

/* One, two or three operands. */
static NOINLINE void
multiply_signed(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size, off = i->opd[0].off, three;
	uint64_t a, b;

	if (i->opd[1].kind == OPD_NONE) {
		multiply_signed_pair(c, i);
		return;
	}
	three = i->opd[2].kind != OPD_NONE;
	a = opd_get(c, i, three, size);
	b = opd_get(c, i, 1 + three, size);
	gpr_put(c, off, op_imul(&c->flags, a, b, size), size);
}
EXEC(x_imul) { multiply_signed(c, i); }

/* The upper half is written last: both may be one register. */
static NOINLINE void
multiply_x(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size;
	uint128 res = (uint128)reg_get(c, RDX, size) * opd_get(c, i, 2, size);

	gpr_put(c, i->opd[1].off, (uint64_t)res, size);
	gpr_put(c, i->opd[0].off, (uint64_t)(res >> (8 * size)), size);
}
EXEC(x_mulx) { multiply_x(c, i); }

/* --- Quotients: flags stay ------------------------------------------------------ */

/* The dividend that goes with an operand of 1, 2 or 4 bytes. */
static uint64_t
dividend(const struct cpu *c, unsigned size)
{
	if (size == 1)
		return gpr_get16(c, 0);
	return reg_get(c, RDX, size) << (8 * size) | reg_get(c, RAX, size);
}

static NOINLINE void
divide(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size;
	uint64_t by = opd_get(c, i, 0, size), n;

	if (by == 0)
		cpu_fault(c, i, EXC_DE);
	if (size < 8) {
		n = dividend(c, size);
		if (n >> (8 * size) >= by)
			cpu_fault(c, i, EXC_DE);
		put_pair(c, n % by, n / by, size);
	} else if (c->gpr[RDX] == 0) {
		n = c->gpr[RAX];
		put_pair(c, n % by, n / by, 8);
	} else {
		uint128 wide = (uint128)c->gpr[RDX] << 64 | c->gpr[RAX];

		if (c->gpr[RDX] >= by)
			cpu_fault(c, i, EXC_DE);
		put_pair(c, (uint64_t)(wide % by), (uint64_t)(wide / by), 8);
	}
}
EXEC(x_div) { divide(c, i); }

/* The quotient's limits are those of a two's complement number of size bytes;
 * the lowest dividend of all by -1 is out of the host's reach, too. */
static NOINLINE void
divide_signed(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size;
	int64_t by = flags_sext(opd_get(c, i, 0, size), size);

	if (by == 0)
		cpu_fault(c, i, EXC_DE);
	if (size < 8) {
		int64_t n = flags_sext(dividend(c, size), 2 * size);
		int64_t q;

		if (n == INT64_MIN && by == -1)
			cpu_fault(c, i, EXC_DE);
		q = n / by;
		if (q != flags_sext((uint64_t)q, size))
			cpu_fault(c, i, EXC_DE);
		put_pair(c, (uint64_t)(n % by), (uint64_t)q, size);
	} else {
		int64_t low = (int64_t)c->gpr[RAX];
		int128 n = (int128)((uint128)c->gpr[RDX] << 64 | c->gpr[RAX]);
		int128 q;

		if (n == low && !(low == INT64_MIN && by == -1)) {
			put_pair(c, (uint64_t)(low % by),
			    (uint64_t)(low / by), 8);
			return;
		}
		/* The lowest of 128 bits by anything is too large or, by -1,
		 * out of reach. */
		if (by == -1 && n < -(int128)INT64_MAX)
			cpu_fault(c, i, EXC_DE);
		q = n / by;
		if (q != (int64_t)q)
			cpu_fault(c, i, EXC_DE);
		put_pair(c, (uint64_t)(n % by), (uint64_t)q, 8);
	}
}
EXEC(x_idiv) { divide_signed(c, i); }

/* --- Decimal adjustments ---------------------------------------------------------- */

/* AAA, AAS: the digit in AL, the carry into AH. */
static NOINLINE void
ascii_adjust(struct cpu *c, int sign)
{
	unsigned ax = gpr_get16(c, 0);
	bool adjust = (ax & 15) > 9 || flags_af(&c->flags);

	if (adjust)
		ax += (unsigned)(sign * 0x106);
	ax &= 0xff0f;
	gpr_put16(c, 0, (uint16_t)ax);
	flags_result(&c->flags, ax & 0xff, 1, adjust, false, adjust);
}
EXEC(x_aaa) { ascii_adjust(c, 1); }

/* AX - 6, then AH - 1: the borrow of the first is kept (SDM 2, AAS). */
EXEC(x_aas) { ascii_adjust(c, -1); }

static NOINLINE void
split_digits(struct cpu *c, const struct insn *i)
{
	unsigned base = i->imm & 0xff, al = gpr_get8(c, 0);

	if (base == 0)
		cpu_fault(c, i, EXC_DE);
	gpr_put16(c, 0, (uint16_t)(al / base << 8 | al % base));
	flags_logic(&c->flags, al % base, 1);
}
EXEC(x_aam) { split_digits(c, i); }

static NOINLINE void
join_digits(struct cpu *c, const struct insn *i)
{
	unsigned v = gpr_get8(c, 0) + gpr_get8(c, 1) * (i->imm & 0xff);

	gpr_put16(c, 0, v & 0xff);
	flags_logic(&c->flags, v & 0xff, 1);
}
EXEC(x_aad) { join_digits(c, i); }

static NOINLINE void
decimal_adjust(struct cpu *c, bool subtract)
{
	unsigned old = gpr_get8(c, 0), al = old;
	bool af = (old & 15) > 9 || flags_af(&c->flags);
	bool high = old > 0x99 || flags_cf(&c->flags);
	/* A borrow out of the first step stays (SDM 2, DAS). */
	bool cf = high || (subtract && af && old < 6);

	if (af)
		al += subtract ? -6u : 6u;
	if (high)
		al += subtract ? -0x60u : 0x60u;
	gpr_put8(c, 0, (uint8_t)al);
	flags_result(&c->flags, al, 1, cf, false, af);
}
EXEC(x_daa) { decimal_adjust(c, false); }
EXEC(x_das) { decimal_adjust(c, true); }
