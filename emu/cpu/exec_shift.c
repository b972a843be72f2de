/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_shift.c - shifts and rotations
 *
 * SDM 2: ROL ROR RCL RCR SHL SHR SAR SHLD SHRD, RORX SARX SHLX SHRX.
 */
#include "cpu/ops.h"
#include "cpu/table.h"

/* opd[1] is CL or an immediate; the form that shifts by one may have none. */
static NOINLINE void
shift(struct cpu *c, const struct insn *i, alu_op *op)
{
	unsigned size = i->size, off = i->opd[0].off;
	uint64_t n = i->opd[1].kind == OPD_NONE ? 1 : opd_get(c, i, 1, 1);

	if (opd_is_mem(i, 0))
		rmw(c, i, op, n, size);
	else
		gpr_put(c, off, op(&c->flags, gpr_get(c, off, size), n, size),
		    size);
}

#define SHIFT(name)							\
	static uint64_t							\
	name(struct flags *f, uint64_t a, uint64_t b, unsigned size)	\
	{								\
		return op_##name(f, a, b, size);			\
	}								\
	EXEC(x_##name) { shift(c, i, name); }
SHIFT(rol) SHIFT(ror) SHIFT(rcl) SHIFT(rcr) SHIFT(shl) SHIFT(shr) SHIFT(sar)
#undef SHIFT

/*
 * SHLD, SHRD: bits come in from b.  A count above 16 of a 16-bit operand is
 * undefined; processors take b a second time.
 */
static uint64_t
shift_left_from(struct flags *f, uint64_t a, uint64_t b, unsigned n,
    unsigned size)
{
	unsigned bits = 8 * size;
	uint64_t res;
	bool cf;

	if (size == 2) {
		res = (a << 32 | b << 16 | b) << n >> 32;
		cf = n <= 16 && a >> (16 - n) & 1;
	} else {
		res = a << n | b >> (bits - n);
		cf = a >> (bits - n) & 1;
	}
	flags_result(f, res, size, cf,
	    n <= bits && size_msb(res, size) ^ cf, true);
	return res;
}

static uint64_t
shift_right_from(struct flags *f, uint64_t a, uint64_t b, unsigned n,
    unsigned size)
{
	unsigned bits = 8 * size;
	uint64_t res;
	bool cf;

	if (size == 2) {
		res = (b << 32 | b << 16 | a) >> n;
		cf = n <= 16 && a >> (n - 1) & 1;
	} else {
		res = a >> n | b << (bits - n);
		cf = a >> (n - 1) & 1;
	}
	flags_result(f, res, size, cf, top_two_differ(res, size), true);
	return res;
}

typedef uint64_t shift_from(struct flags *, uint64_t, uint64_t, unsigned,
    unsigned);

static NOINLINE void
shift_double(struct cpu *c, const struct insn *i, shift_from *op)
{
	unsigned size = i->size, off = i->opd[0].off;
	uint64_t b = gpr_get(c, i->opd[1].off, size);
	unsigned n = shift_count(opd_get(c, i, 2, 1), size);

	if (opd_is_mem(i, 0)) {
		struct cpu_rmw m;
		void *p = cpu_rmw(c, i, cpu_linear(c, i, size, TLB_WRITE),
		    size, &m);

		if (n)
			host_put(p, op(&c->flags, host_get(p, size), b, n,
			    size), size);
		cpu_rmw_done(c, i, &m);
	} else {
		uint64_t a = gpr_get(c, off, size);

		gpr_put(c, off, n ? op(&c->flags, a, b, n, size) : a, size);
	}
}
EXEC(x_shld) { shift_double(c, i, shift_left_from); }
EXEC(x_shrd) { shift_double(c, i, shift_right_from); }

/* --- BMI2: no flags ----------------------------------------------------------- */

static NOINLINE void
shift_x(struct cpu *c, const struct insn *i, alu_op *op)
{
	unsigned size = i->size;
	uint64_t a = opd_get(c, i, 1, size), n = opd_get(c, i, 2, size);
	struct flags none = { 0 };

	gpr_put(c, i->opd[0].off, op(&none, a, n, size), size);
}
EXEC(x_rorx) { shift_x(c, i, ror); }
EXEC(x_sarx) { shift_x(c, i, sar); }
EXEC(x_shlx) { shift_x(c, i, shl); }
EXEC(x_shrx) { shift_x(c, i, shr); }
