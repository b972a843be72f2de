/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_port.c - ports, one value or strings of them
 *
 * SDM 2: IN OUT INS OUTS.  A device's register changes by being read: what
 * can fault does so before the port is touched, and each element is done with
 * before the next begins.
 */
#include "cpu/ops.h"
#include "cpu/system.h"
#include "cpu/table.h"

#define ROUND 1024	/* elements at once, then requests are seen */

/* A port is an immediate byte or DX; values have at most 4 bytes. */
static uint16_t
port_of(const struct cpu *c, const struct insn *i, unsigned n)
{
	return i->opd[n].kind == OPD_IMM ? i->imm & 0xff :
	    gpr_get16(c, 8 * RDX);
}

INLINE unsigned
port_size(const struct insn *i)
{
	return i->size > 4 ? 4 : i->size;
}

static NOINLINE void
in(struct cpu *c, const struct insn *i)
{
	uint16_t port = port_of(c, i, 1);
	unsigned size = port_size(i);

	cpu_check_io(c, i, port, size);
	reg_put(c, RAX, bus_in(c->bus, port, size), size);
}
EXEC(x_in) { in(c, i); }

static NOINLINE void
out(struct cpu *c, const struct insn *i)
{
	uint16_t port = port_of(c, i, 0);
	unsigned size = port_size(i);

	cpu_check_io(c, i, port, size);
	bus_out(c->bus, port, size, (uint32_t)reg_get(c, RAX, size));
}
EXEC(x_out) { out(c, i); }

/* --- Strings ----------------------------------------------------------------- */

static void
step(struct cpu *c, const struct insn *i, unsigned reg)
{
	int64_t by = (int64_t)port_size(i) * c->df;

	reg_put(c, reg, c->gpr[reg] + (uint64_t)by, i->asize);
}

static uint64_t
linear(struct cpu *c, const struct insn *i, unsigned seg, unsigned reg,
    int kind)
{
	uint64_t off = c->gpr[reg] & i->amask;

	if (seg == SEG_FLAT ||
	    (c->bits == DECODE_64 && seg != SEG_FS && seg != SEG_GS))
		return off;
	return cpu_segment_linear(c, i, seg, off, port_size(i), kind);
}

static void
in_one(struct cpu *c, const struct insn *i)
{
	unsigned size = port_size(i);
	uint64_t lin = linear(c, i, SEG_ES, RDI, TLB_WRITE);

	cpu_probe(c, i, lin, size, TLB_WRITE);
	mem_store(c, i, lin, bus_in(c->bus, gpr_get16(c, 8 * RDX), size),
	    size);
	step(c, i, RDI);
}

static void
out_one(struct cpu *c, const struct insn *i)
{
	unsigned size = port_size(i);
	uint64_t lin = linear(c, i, i->seg, RSI, TLB_READ);

	bus_out(c->bus, gpr_get16(c, 8 * RDX), size,
	    (uint32_t)mem_load(c, i, lin, size));
	step(c, i, RSI);
}

/* False: there is more to do. */
static NOINLINE bool
port_string(struct cpu *c, const struct insn *i,
    void (*one)(struct cpu *, const struct insn *))
{
	unsigned left = c->fuel <= 1 ? 1 : ROUND;

	cpu_check_io(c, i, gpr_get16(c, 8 * RDX), port_size(i));
	if (!(i->prefix & (PREFIX_REP | PREFIX_REPNE))) {
		one(c, i);
		return true;
	}
	for (; c->gpr[RCX] & i->amask; left--) {
		if (left == 0)
			return false;
		one(c, i);
		reg_put(c, RCX, c->gpr[RCX] - 1, i->asize);
	}
	return true;
}

#define PORT_STRING(name, one)						\
	void								\
	name(struct cpu *c, const struct insn *i)			\
	{								\
		if (likely(port_string(c, i, one)))			\
			CPU_NEXT(c, i);					\
		else							\
			cpu_resume(c, insn_rip(c, i));			\
	}
PORT_STRING(x_ins, in_one)
PORT_STRING(x_outs, out_one)
