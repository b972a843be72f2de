/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_move.c - moves, conversions, conditions as values
 *
 * SDM 2: MOV MOVZX MOVSX MOVSXD MOVBE MOVNTI LEA XLAT BSWAP, CMOVcc SETcc,
 * CBW CWDE CDQE CWD CDQ CQO, LAHF SAHF CLC STC CMC CLD STD SALC.
 */
#include "cpu/ops.h"
#include "cpu/table.h"

static NOINLINE void
move(struct cpu *c, const struct insn *i)
{
	opd_put(c, i, 0, opd_get(c, i, 1, i->size), i->size);
}
EXEC(x_mov) { move(c, i); }
EXEC(x_movnti) { move(c, i); }

static NOINLINE void
move_extended(struct cpu *c, const struct insn *i, bool sign)
{
	unsigned from = i->opd[1].size;
	uint64_t v = opd_get(c, i, 1, from);

	gpr_put(c, i->opd[0].off, sign ? (uint64_t)flags_sext(v, from) : v,
	    i->size);
}
EXEC(x_movzx) { move_extended(c, i, false); }
EXEC(x_movsx) { move_extended(c, i, true); }

/* Ed is 32 bits wide but for an operand size of 16 (SDM 2, MOVSXD). */
static NOINLINE void
move_doubleword(struct cpu *c, const struct insn *i)
{
	unsigned from = i->size == 2 ? 2 : 4;
	uint64_t v = opd_get(c, i, 1, from);

	gpr_put(c, i->opd[0].off, (uint64_t)flags_sext(v, from), i->size);
}
EXEC(x_movsxd) { move_doubleword(c, i); }

INLINE uint64_t
swapped(uint64_t v, unsigned size)
{
	return __builtin_bswap64(v) >> (64 - 8 * size);
}

static NOINLINE void
move_swapped(struct cpu *c, const struct insn *i)
{
	opd_put(c, i, 0, swapped(opd_get(c, i, 1, i->size), i->size), i->size);
}
EXEC(x_movbe) { move_swapped(c, i); }

/* Of 16 bits it is undefined; processors clear them. */
EXEC(x_bswap)
{
	unsigned size = i->size, off = i->opd[0].off;

	gpr_put(c, off, size == 2 ? 0 : swapped(gpr_get(c, off, size), size),
	    size);
}

EXEC(x_lea) { gpr_put(c, i->opd[0].off, cpu_ea(c, i), i->size); }

/* AL = [rBX + AL] */
static NOINLINE void
translate(struct cpu *c, const struct insn *i)
{
	uint64_t off = c->gpr[RBX] + gpr_get8(c, 0);

	gpr_put8(c, 0, cpu_load8(c, i, cpu_linear_at(c, i, off, 1, TLB_READ)));
}
EXEC(x_xlat) { translate(c, i); }

/* The source is read and the upper half of a 32-bit register cleared whatever
 * the condition. */
static NOINLINE void
move_if(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size, off = i->opd[0].off;
	uint64_t v = opd_get(c, i, 1, size);

	if (!flags_cond(&c->flags, i->cond))
		v = gpr_get(c, off, size);
	gpr_put(c, off, v, size);
}
EXEC(x_cmovcc) { move_if(c, i); }

static NOINLINE void
set_if(struct cpu *c, const struct insn *i)
{
	opd_put(c, i, 0, flags_cond(&c->flags, i->cond), 1);
}
EXEC(x_setcc) { set_if(c, i); }

/* CBW, CWDE, CDQE: the lower half extended to the operand size. */
EXEC(x_cbw)
{
	unsigned size = i->size;

	reg_put(c, RAX, (uint64_t)flags_sext(c->gpr[RAX], size / 2), size);
}

/* CWD, CDQ, CQO: the sign into rDX. */
EXEC(x_cwd)
{
	unsigned size = i->size;

	reg_put(c, RDX, flags_sext(c->gpr[RAX], size) < 0 ? ~0ull : 0, size);
}

/* --- Flags -------------------------------------------------------------------- */

#define FLAGS_AH (FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF | FLAG_CF)

static NOINLINE void
load_ah(struct cpu *c)
{
	gpr_put8(c, 1, (uint8_t)((flags_get(&c->flags) & FLAGS_AH) | FLAG_1));
}
EXEC(x_lahf) { load_ah(c); }

static NOINLINE void
store_ah(struct cpu *c)
{
	flags_assign(&c->flags, FLAGS_AH, gpr_get8(c, 1));
}
EXEC(x_sahf) { store_ah(c); }

EXEC(x_clc) { flags_set_cf(&c->flags, false); }
EXEC(x_stc) { flags_set_cf(&c->flags, true); }
EXEC(x_cmc) { flags_set_cf(&c->flags, !flags_cf(&c->flags)); }
EXEC(x_cld) { c->df = 1; }
EXEC(x_std) { c->df = -1; }
/* D6h, undocumented on the 8086 and later: AL from CF. */
EXEC(x_salc) { gpr_put8(c, 0, flags_cf(&c->flags) ? 0xff : 0); }
