/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_bits.c - single bits, counts and fields
 *
 * SDM 2: BT BTS BTR BTC, BSF BSR LZCNT TZCNT POPCNT, ANDN BEXTR BLSI BLSMSK
 * BLSR BZHI PDEP PEXT, CRC32.
 */
#include "cpu/ops.h"
#include "cpu/table.h"

/*
 * The linear address of the element that holds bit n: a register as bit
 * number reaches all of memory before and after the operand; an immediate
 * stays within it (SDM 2, BT).
 */
static uint64_t
bit_linear(struct cpu *c, const struct insn *i, uint64_t n, int kind)
{
	unsigned size = i->size;
	uint64_t ea = cpu_ea(c, i);

	if (i->opd[1].kind == OPD_GPR)
		ea += (uint64_t)(flags_sext(n, size) >> (size == 2 ? 4 :
		    size == 4 ? 5 : 6)) * size;
	return cpu_linear_at(c, i, ea, size, kind);
}

static NOINLINE void
bit(struct cpu *c, const struct insn *i, alu_op *op)
{
	unsigned size = i->size, off = i->opd[0].off;
	uint64_t n = opd_get(c, i, 1, size);

	if (opd_is_mem(i, 0))
		rmw_at(c, i, bit_linear(c, i, n, TLB_WRITE), op, n, size);
	else
		gpr_put(c, off, op(&c->flags, gpr_get(c, off, size), n, size),
		    size);
}

static NOINLINE void
bit_test(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size;
	uint64_t n = opd_get(c, i, 1, size), a;

	if (opd_is_mem(i, 0))
		a = mem_load(c, i, bit_linear(c, i, n, TLB_READ), size);
	else
		a = gpr_get(c, i->opd[0].off, size);
	op_bt(&c->flags, a, n, size);
}
EXEC(x_bt) { bit_test(c, i); }

#define BIT(name)							\
	static uint64_t							\
	name(struct flags *f, uint64_t a, uint64_t b, unsigned size)	\
	{								\
		return op_##name(f, a, b, size);			\
	}								\
	EXEC(x_##name) { bit(c, i, name); }
BIT(bts) BIT(btr) BIT(btc)
#undef BIT

/* --- Counting ------------------------------------------------------------------ */

/* ZF says that the source is 0; the destination then keeps all its bits, the
 * upper half too.  PF is set whatever was found, the others clear (AMD). */
static NOINLINE void
bit_scan(struct cpu *c, const struct insn *i, bool reverse)
{
	unsigned size = i->size;
	uint64_t v = opd_get(c, i, 1, size);

	if (v)
		gpr_put(c, i->opd[0].off, (uint64_t)(reverse ?
		    63 - __builtin_clzll(v) : __builtin_ctzll(v)), size);
	flags_logic(&c->flags, v ? 3 : 0, 1);
}
EXEC(x_bsf) { bit_scan(c, i, false); }
EXEC(x_bsr) { bit_scan(c, i, true); }

/* CF: the source is 0; ZF: the count is. */
static NOINLINE void
count_zeros(struct cpu *c, const struct insn *i, bool leading)
{
	unsigned size = i->size, bits = 8 * size, n = bits;
	uint64_t v = opd_get(c, i, 1, size);

	if (v)
		n = leading ? (unsigned)__builtin_clzll(v) - (64 - bits) :
		    (unsigned)__builtin_ctzll(v);
	gpr_put(c, i->opd[0].off, n, size);
	flags_result(&c->flags, n, size, v == 0, false, false);
}
EXEC(x_lzcnt) { count_zeros(c, i, true); }
EXEC(x_tzcnt) { count_zeros(c, i, false); }

/* ZF: the source is 0; the others are cleared, PF too. */
static NOINLINE void
count_ones(struct cpu *c, const struct insn *i)
{
	uint64_t v = opd_get(c, i, 1, i->size);

	gpr_put(c, i->opd[0].off, (uint64_t)__builtin_popcountll(v), i->size);
	flags_put(&c->flags, v ? 0 : FLAG_ZF);
}
EXEC(x_popcnt) { count_ones(c, i); }

/* --- BMI1, BMI2 ------------------------------------------------------------------ */

static NOINLINE void
and_not(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size;
	uint64_t v = ~opd_get(c, i, 1, size) & opd_get(c, i, 2, size);

	gpr_put(c, i->opd[0].off, v, size);
	flags_logic(&c->flags, v, size);
}
EXEC(x_andn) { and_not(c, i); }

/* Bits start to start + length - 1, both in opd[2]. */
static NOINLINE void
extract_field(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size;
	uint64_t v = opd_get(c, i, 1, size), how = opd_get(c, i, 2, size);
	unsigned start = how & 0xff, n = how >> 8 & 0xff;

	v = start < 64 ? v >> start : 0;
	if (n < 64)
		v &= (1ull << n) - 1;
	gpr_put(c, i->opd[0].off, v, size);
	flags_result(&c->flags, v, size, false, false, true);
}
EXEC(x_bextr) { extract_field(c, i); }

/* The lowest set bit: alone, cleared, and as a mask up to it. */
enum lowest { ALONE, MASK, CLEAR };

static NOINLINE void
lowest(struct cpu *c, const struct insn *i, enum lowest what)
{
	unsigned size = i->size;
	uint64_t v = opd_get(c, i, 1, size), res;
	bool cf = v == 0;

	if (what == ALONE) {
		res = v & -v;
		cf = !cf;
	} else if (what == MASK) {
		res = v ^ (v - 1);
	} else {
		res = v & (v - 1);
	}
	gpr_put(c, i->opd[0].off, res, size);
	flags_result(&c->flags, res, size, cf, false, false);
}
EXEC(x_blsi) { lowest(c, i, ALONE); }
EXEC(x_blsmsk) { lowest(c, i, MASK); }
EXEC(x_blsr) { lowest(c, i, CLEAR); }

static NOINLINE void
zero_high(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size, n = opd_get(c, i, 2, size) & 0xff;
	uint64_t v = opd_get(c, i, 1, size);
	bool cf = n >= 8 * size;

	if (!cf)
		v &= (1ull << n) - 1;
	gpr_put(c, i->opd[0].off, v, size);
	flags_result(&c->flags, v, size, cf, false, false);
}
EXEC(x_bzhi) { zero_high(c, i); }

static NOINLINE void
deposit(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size;
	uint64_t v = opd_get(c, i, 1, size), mask = opd_get(c, i, 2, size);
	uint64_t res = 0;

	for (; mask; mask &= mask - 1, v >>= 1)
		if (v & 1)
			res |= mask & -mask;
	gpr_put(c, i->opd[0].off, res, size);
}
EXEC(x_pdep) { deposit(c, i); }

static NOINLINE void
extract(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size, n = 0;
	uint64_t v = opd_get(c, i, 1, size), mask = opd_get(c, i, 2, size);
	uint64_t res = 0;

	for (; mask; mask &= mask - 1, n++)
		if (v & mask & -mask)
			res |= 1ull << n;
	gpr_put(c, i->opd[0].off, res, size);
}
EXEC(x_pext) { extract(c, i); }

/* --- CRC32 ------------------------------------------------------------------------- */

/* What four bits do to the remainder by 11EDC6F41h, bits reflected. */
static const uint32_t crc32c_nibble[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
	0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
	0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
	0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static NOINLINE void
crc32c(struct cpu *c, const struct insn *i)
{
	unsigned size = i->opd[1].size ? i->opd[1].size : i->size, n;
	uint64_t v = opd_get(c, i, 1, size);
	uint32_t crc = gpr_get32(c, i->opd[0].off);

	for (n = 0; n < 2 * size; n++, v >>= 4)
		crc = crc >> 4 ^ crc32c_nibble[(crc ^ v) & 15];
	gpr_put32(c, i->opd[0].off, crc);
}
EXEC(x_crc32) { crc32c(c, i); }
