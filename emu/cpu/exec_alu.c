/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_alu.c - additions, logic, comparisons, exchanges with memory
 *
 * SDM 2: ADD OR ADC SBB AND SUB XOR CMP TEST INC DEC NEG NOT, ADCX ADOX,
 * XADD XCHG CMPXCHG CMPXCHG8B CMPXCHG16B.
 */
#include "cpu/ops.h"
#include "cpu/table.h"

uint64_t
rmw_at(struct cpu *c, const struct insn *i, uint64_t lin, alu_op *op,
    uint64_t b, unsigned size)
{
	struct cpu_rmw m;
	void *p = cpu_rmw(c, i, lin, size, &m);
	uint64_t old = host_get(p, size);
	struct flags f;

	if (i->prefix & PREFIX_LOCK && !m.copied) {
		uint64_t new;

		do {
			f = c->flags;
			new = op(&f, old, b, size);
		} while (!host_cas(p, &old, new, size));
	} else {
		f = c->flags;
		host_put(p, op(&f, old, b, size), size);
		cpu_rmw_done(c, i, &m);
	}
	c->flags = f;
	return old;
}

uint64_t
rmw(struct cpu *c, const struct insn *i, alu_op *op, uint64_t b, unsigned size)
{
	return rmw_at(c, i, cpu_linear(c, i, size, TLB_WRITE), op, b, size);
}

/* opd[0] = op(opd[0], opd[1]); where there is no opd[1], op does not look. */
static NOINLINE void
alu(struct cpu *c, const struct insn *i, alu_op *op)
{
	unsigned size = i->size, off = i->opd[0].off;
	uint64_t b = opd_get(c, i, 1, size);

	if (opd_is_mem(i, 0))
		rmw(c, i, op, b, size);
	else
		gpr_put(c, off, op(&c->flags, gpr_get(c, off, size), b, size),
		    size);
}

/* The same, and the result is not kept. */
static NOINLINE void
compare(struct cpu *c, const struct insn *i, alu_op *op)
{
	uint64_t b = opd_get(c, i, 1, i->size);

	op(&c->flags, opd_get(c, i, 0, i->size), b, i->size);
}

/* Functions of their own, for their addresses. */
#define OP(name)							\
	static uint64_t							\
	name(struct flags *f, uint64_t a, uint64_t b, unsigned size)	\
	{								\
		return op_##name(f, a, b, size);			\
	}
OP(add) OP(or) OP(adc) OP(sbb) OP(and) OP(sub) OP(xor)
OP(inc) OP(dec) OP(neg) OP(not)
#undef OP

EXEC(x_add) { alu(c, i, add); }
EXEC(x_or) { alu(c, i, or); }
EXEC(x_adc) { alu(c, i, adc); }
EXEC(x_sbb) { alu(c, i, sbb); }
EXEC(x_and) { alu(c, i, and); }
EXEC(x_sub) { alu(c, i, sub); }
EXEC(x_xor) { alu(c, i, xor); }
EXEC(x_cmp) { compare(c, i, sub); }
EXEC(x_test) { compare(c, i, and); }
EXEC(x_inc) { alu(c, i, inc); }
EXEC(x_dec) { alu(c, i, dec); }
EXEC(x_neg) { alu(c, i, neg); }
EXEC(x_not) { alu(c, i, not); }

/* --- Additions in two chains (SDM 2, ADCX and ADOX) -------------------------- */

static NOINLINE void
add_chain(struct cpu *c, const struct insn *i, bool overflow)
{
	bool cf = flags_cf(&c->flags), of = flags_of(&c->flags);
	unsigned size = i->size, off = i->opd[0].off;
	uint64_t a = gpr_get(c, off, size), b = opd_get(c, i, 1, size);
	uint64_t res;
	bool carry;

	if (size == 8) {
		carry = __builtin_add_overflow(a, b, &res);
		carry |= __builtin_add_overflow(res, overflow ? of : cf, &res);
	} else {
		res = a + b + (overflow ? of : cf);
		carry = res >> 32 & 1;
	}
	gpr_put(c, off, res, size);
	flags_set_cf_of(&c->flags, overflow ? cf : carry,
	    overflow ? carry : of);
}

EXEC(x_adcx) { add_chain(c, i, false); }
EXEC(x_adox) { add_chain(c, i, true); }

/* --- Exchanges ----------------------------------------------------------------- */

static uint64_t
take(struct flags *f, uint64_t a, uint64_t b, unsigned size)
{
	return b;
}

/* With memory always locked: bind.c sets the prefix (SDM 3A, 9.1.2.1). */
static NOINLINE void
exchange(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size, mem = opd_is_mem(i, 1);
	unsigned reg = i->opd[!mem].off, other = i->opd[0].off;
	uint64_t v = gpr_get(c, reg, size);

	if (i->flags & INSN_MEM) {
		gpr_put(c, i->opd[!mem].off, rmw(c, i, take, v, size), size);
		return;
	}
	gpr_put(c, reg, gpr_get(c, other, size), size);
	gpr_put(c, other, v, size);
}
EXEC(x_xchg) { exchange(c, i); }

static NOINLINE void
exchange_add(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size, to = i->opd[0].off, reg = i->opd[1].off;
	uint64_t b = gpr_get(c, reg, size), a, res;

	if (opd_is_mem(i, 0)) {
		gpr_put(c, reg, rmw(c, i, add, b, size), size);
		return;
	}
	/* The sum goes last: both may be the same register. */
	a = gpr_get(c, to, size);
	res = op_add(&c->flags, a, b, size);
	gpr_put(c, reg, a, size);
	gpr_put(c, to, res, size);
}
EXEC(x_xadd) { exchange_add(c, i); }

/* The destination is written either way (SDM 2, CMPXCHG): a page that cannot
 * be written faults even if the comparison fails. */
static NOINLINE void
compare_exchange(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size, off = i->opd[0].off;
	uint64_t acc = reg_get(c, RAX, size);
	uint64_t new = gpr_get(c, i->opd[1].off, size), old;

	if (opd_is_mem(i, 0)) {
		struct cpu_rmw m;
		void *p = cpu_rmw(c, i, cpu_linear(c, i, size, TLB_WRITE),
		    size, &m);

		if (i->prefix & PREFIX_LOCK && !m.copied) {
			old = acc;
			host_cas(p, &old, new, size);
		} else {
			old = host_get(p, size);
			host_put(p, old == acc ? new : old, size);
			cpu_rmw_done(c, i, &m);
		}
	} else {
		old = gpr_get(c, off, size);
		if (old == acc)
			gpr_put(c, off, new, size);
	}
	flags_sub(&c->flags, acc, old, acc - old, size);
	if (old != acc)
		reg_put(c, RAX, old, size);
}
EXEC(x_cmpxchg) { compare_exchange(c, i); }

/* Of the flags only ZF changes. */
static void
compared(struct cpu *c, bool equal)
{
	flags_assign(&c->flags, FLAG_ZF, equal ? FLAG_ZF : 0);
}

static NOINLINE void
compare_exchange8(struct cpu *c, const struct insn *i)
{
	uint64_t acc = reg_get(c, RDX, 4) << 32 | reg_get(c, RAX, 4);
	uint64_t new = reg_get(c, RCX, 4) << 32 | reg_get(c, RBX, 4), old;
	struct cpu_rmw m;
	void *p = cpu_rmw(c, i, cpu_linear(c, i, 8, TLB_WRITE), 8, &m);

	if (i->prefix & PREFIX_LOCK && !m.copied) {
		old = acc;
		host_cas(p, &old, new, 8);
	} else {
		old = host_get(p, 8);
		host_put(p, old == acc ? new : old, 8);
		cpu_rmw_done(c, i, &m);
	}
	compared(c, old == acc);
	if (old != acc) {
		reg_put(c, RAX, old, 4);
		reg_put(c, RDX, old >> 32, 4);
	}
}
EXEC(x_cmpxchg8b) { compare_exchange8(c, i); }

typedef unsigned __int128 uint128;

#ifdef __x86_64__
__attribute__((target("cx16")))
#endif
static uint128
cas16(void *p, uint128 old, uint128 new)
{
	return __sync_val_compare_and_swap((uint128 *)p, old, new);
}

static NOINLINE void
compare_exchange16(struct cpu *c, const struct insn *i)
{
	uint128 acc = (uint128)c->gpr[RDX] << 64 | c->gpr[RAX];
	uint128 new = (uint128)c->gpr[RCX] << 64 | c->gpr[RBX], old;
	uint64_t lin = cpu_linear(c, i, 16, TLB_WRITE);
	struct cpu_rmw m;
	void *p;

	if (lin & 15)
		cpu_gp(c, i, 0);
	p = cpu_rmw(c, i, lin, 16, &m);
	if (i->prefix & PREFIX_LOCK && !m.copied) {
		old = cas16(p, acc, new);
	} else {
		memcpy(&old, p, 16);
		memcpy(p, old == acc ? &new : &old, 16);
		cpu_rmw_done(c, i, &m);
	}
	compared(c, old == acc);
	if (old != acc) {
		c->gpr[RAX] = (uint64_t)old;
		c->gpr[RDX] = (uint64_t)(old >> 64);
	}
}
EXEC(x_cmpxchg16b) { compare_exchange16(c, i); }
