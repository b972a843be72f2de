/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_x87_env.c - x87 control: words, environment, state, pending exceptions
 *
 * ES and B are never more than what the flags and the control word say, so
 * whatever loads either computes them anew.  FCS and FDS are deprecated
 * (CPUID.7.EBX bit 13) and stored as 0; FOP is kept of instructions with
 * unmasked exceptions only, FIP and FDP of all but control instructions.
 */
#include "cpu/x87.h"

/* --- Exceptions ---------------------------------------------------------- */

void
x87_refuse(struct cpu *c, const struct insn *i)
{
	if (c->fp_stop & FP_STOP_X87)
		cpu_fault(c, i, EXC_NM);
	if (c->fp_stop & FP_STOP_ES)
		fp_pending(c, i);
}

void
x87_sync_now(struct cpu *c)
{
	uint16_t sw;
	f80 d;

	__asm__ volatile("fnstsw %0" : "=a" (sw));
	c->fsw |= sw & SW_FLAGS;
	if (c->x87_lazy & X87_LAZY_C1) {
		sw = c->x87_last.run(&d, c->x87_last.a, c->x87_last.b);
		c->fsw = (uint16_t)((c->fsw & ~SW_C1) | (sw & SW_C1));
	}
	c->x87_lazy = 0;
}

/* The caller has synchronised, or overwrites all. */
void
x87_set(struct cpu *c, uint16_t fcw, uint16_t fsw)
{
	uint16_t host;

	c->x87_lazy = 0;
	c->fcw = (fcw & 0x1f7f) | 0x40;
	c->fsw = fsw & (uint16_t)~(SW_ES | SW_B);
	if (fsw & ~fcw & SW_FLAGS)
		c->fsw |= SW_ES | SW_B;
	host = c->fcw | 0x3f;
	__asm__ volatile("fnclex; fldcw %0" : : "m" (host));
	fp_mode_changed(c);
}

/* The eleven bits of the opcode, from the code itself. */
static uint16_t
opcode_of(struct cpu *c, const struct insn *i)
{
	uint64_t lin = insn_rip(c, i) +
	    (c->bits == DECODE_64 ? 0 : c->seg[SEG_CS].base);
	uint64_t mask = c->bits == DECODE_64 ? ~0ull : 0xffffffff;
	unsigned k, b;

	for (k = 0; k + 1u < i->len; k++) {
		b = (unsigned)cpu_system_load(c, i, (lin + k) & mask, 1);
		if ((b & 0xf8) == 0xd8)
			return (uint16_t)((b & 7) << 8 | cpu_system_load(c, i,
			    (lin + k + 1) & mask, 1));
	}
	return 0;
}

bool
x87_raise(struct cpu *c, const struct insn *i, unsigned sw)
{
	bool open = sw & ~c->fcw & SW_FLAGS;
	uint16_t fop;

	x87_sync(c);
	fop = open ? opcode_of(c, i) : 0;

	c->fsw |= (uint16_t)sw;
	if (open) {
		c->fop = fop;
		c->fsw |= SW_ES | SW_B;
		c->fp_stop |= FP_STOP_ES;
	}
	return open;
}

EXEC(x_fwait)
{
	if (unlikely(c->fp_stop & (FP_STOP_WAIT | FP_STOP_ES))) {
		if (c->fp_stop & FP_STOP_WAIT)
			cpu_fault(c, i, EXC_NM);
		fp_pending(c, i);
	}
}


/* --- Control and status -------------------------------------------------- */

/* These do not wait for pending exceptions. */
static inline void
check_present(struct cpu *c, const struct insn *i)
{
	if (unlikely(c->fp_stop & FP_STOP_X87))
		cpu_fault(c, i, EXC_NM);
}

/* FNENI, FNDISI and FNSETPM of older processors do nothing, at once. */
EXEC(x_fnop)
{
	if (i->id == INSN_FNOP) {
		x87_check(c, i);
		x87_note(c, i);
	} else {
		check_present(c, i);
	}
}

EXEC(x_fninit)
{
	check_present(c, i);
	c->ftw = 0;
	c->fop = 0;
	c->fip = c->fdp = 0;
	c->fcs = c->fds = 0;
	x87_set(c, 0x37f, 0);
}

EXEC(x_fnclex)
{
	check_present(c, i);
	x87_sync(c);
	x87_set(c, c->fcw, c->fsw & (uint16_t)~(SW_FLAGS | SW_SF));
}

EXEC(x_fnstcw)
{
	check_present(c, i);
	cpu_store16(c, i, cpu_linear(c, i, 2, TLB_WRITE), c->fcw);
}

EXEC(x_fldcw)
{
	uint16_t v;

	x87_check(c, i);
	v = cpu_load16(c, i, cpu_linear(c, i, 2, TLB_READ));
	x87_sync(c);
	x87_set(c, v, c->fsw);
}

EXEC(x_fnstsw)
{
	check_present(c, i);
	x87_sync(c);
	if (i->opd[0].kind == OPD_GPR)
		gpr_put16(c, i->opd[0].off, c->fsw);
	else
		cpu_store16(c, i, cpu_linear(c, i, 2, TLB_WRITE), c->fsw);
}

/* --- Environment --------------------------------------------------------- */

/* Two bits a register: valid, zero, special, empty. */
static uint16_t
full_tags(struct cpu *c)
{
	unsigned tags = 0, k, t;

	for (k = 0; k < 8; k++) {
		uint16_t se;
		uint64_t man;

		memcpy(&man, c->fpr[k], 8);
		memcpy(&se, c->fpr[k] + 8, 2);
		se &= 0x7fff;
		if (!(c->ftw >> k & 1))
			t = 3;
		else if (se == 0x7fff || (!se && man) ||
		    (se && !(man >> 63)))
			t = 2;
		else
			t = !se && !man;
		tags |= t << 2 * k;
	}
	return (uint16_t)tags;
}

static inline bool
real_format(const struct cpu *c)
{
	return !cpu_protected(c) || cpu_v86(c);
}

static void
put16(uint8_t *p, unsigned v)
{
	uint16_t w = (uint16_t)v;

	memcpy(p, &w, 2);
}
static void
put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}
static uint16_t
get16(const uint8_t *p)
{
	uint16_t w;

	memcpy(&w, p, 2);
	return w;
}

/* SDM 1, figures 8-9 to 8-12; its length.  In the real formats addresses are
 * linear: the code segment is taken to be the one of now. */
static unsigned
put_env(struct cpu *c, const struct insn *i, uint8_t *p)
{
	uint32_t ip = (uint32_t)c->fip, dp = (uint32_t)c->fdp;
	unsigned tags = full_tags(c);

	if (real_format(c)) {
		ip += (uint32_t)c->seg[SEG_CS].base;
		dp += (uint32_t)c->seg[SEG_DS].base;
	}
	if (i->size == 2) {
		put16(p, c->fcw);
		put16(p + 2, c->fsw);
		put16(p + 4, tags);
		put16(p + 6, ip);
		put16(p + 8, real_format(c) ? (ip >> 4 & 0xf000) | c->fop : 0);
		put16(p + 10, dp);
		put16(p + 12, real_format(c) ? dp >> 4 & 0xf000 : 0);
		return 14;
	}
	put32(p, 0xffff0000 | c->fcw);
	put32(p + 4, 0xffff0000 | c->fsw);
	put32(p + 8, 0xffff0000 | tags);
	if (real_format(c)) {
		put32(p + 12, 0xffff0000 | (ip & 0xffff));
		put32(p + 16, (ip >> 16) << 12 | c->fop);
		put32(p + 20, 0xffff0000 | (dp & 0xffff));
		put32(p + 24, (dp >> 16) << 12);
	} else {
		put32(p + 12, ip);
		put32(p + 16, (uint32_t)c->fop << 16);
		put32(p + 20, dp);
		put32(p + 24, 0xffff0000);
	}
	return 28;
}

static void
get_env(struct cpu *c, const struct insn *i, const uint8_t *p)
{
	unsigned step = i->size == 2 ? 2 : 4, tags = get16(p + 2 * step), k;
	uint32_t ip, dp, w;

	if (i->size == 2) {
		ip = get16(p + 6);
		dp = get16(p + 10);
		if (real_format(c)) {
			ip |= (uint32_t)(get16(p + 8) & 0xf000) << 4;
			dp |= (uint32_t)(get16(p + 12) & 0xf000) << 4;
			c->fop = get16(p + 8) & 0x7ff;
		}
	} else {
		memcpy(&ip, p + 12, 4);
		memcpy(&dp, p + 20, 4);
		memcpy(&w, p + 16, 4);
		c->fop = w >> 16 & 0x7ff;
		if (real_format(c)) {
			ip = (ip & 0xffff) | (w >> 12) << 16;
			c->fop = w & 0x7ff;
			memcpy(&w, p + 24, 4);
			dp = (dp & 0xffff) | (w >> 12) << 16;
		}
	}
	if (real_format(c)) {
		ip -= (uint32_t)c->seg[SEG_CS].base;
		dp -= (uint32_t)c->seg[SEG_DS].base;
	}
	c->fip = ip;
	c->fdp = dp;
	c->fcs = c->fds = 0;
	c->ftw = 0;
	for (k = 0; k < 8; k++)
		if ((tags >> 2 * k & 3) != 3)
			c->ftw |= (uint8_t)(1u << k);
	x87_set(c, get16(p), get16(p + step));
}

static unsigned
env_size(const struct insn *i)
{
	return i->size == 2 ? 14 : 28;
}

static __attribute__((noinline)) void
fnstenv(struct cpu *c, const struct insn *i)
{
	uint8_t env[28];
	uint64_t lin;

	check_present(c, i);
	lin = cpu_linear(c, i, env_size(i), TLB_WRITE);
	x87_sync(c);
	cpu_store_bytes(c, i, lin, env, put_env(c, i, env));
	x87_set(c, c->fcw | 0x3f, c->fsw);
}
EXEC(x_fnstenv) { fnstenv(c, i); }

static __attribute__((noinline)) void
fldenv(struct cpu *c, const struct insn *i)
{
	uint8_t env[28];

	x87_check(c, i);
	cpu_load_bytes(c, i, cpu_linear(c, i, env_size(i), TLB_READ), env,
	    env_size(i));
	get_env(c, i, env);
}
EXEC(x_fldenv) { fldenv(c, i); }

static __attribute__((noinline)) void
fnsave(struct cpu *c, const struct insn *i)
{
	uint8_t area[108];
	unsigned n, k;
	uint64_t lin;

	check_present(c, i);
	lin = cpu_linear(c, i, env_size(i) + 80, TLB_WRITE);
	x87_sync(c);
	n = put_env(c, i, area);
	for (k = 0; k < 8; k++)
		memcpy(area + n + 10 * k, x87_st(c, k), 10);
	cpu_store_bytes(c, i, lin, area, n + 80);
	c->ftw = 0;
	c->fop = 0;
	c->fip = c->fdp = 0;
	x87_set(c, 0x37f, 0);
}
EXEC(x_fnsave) { fnsave(c, i); }

static __attribute__((noinline)) void
frstor(struct cpu *c, const struct insn *i)
{
	unsigned n = env_size(i), k;
	uint8_t area[108];

	x87_check(c, i);
	cpu_load_bytes(c, i, cpu_linear(c, i, n + 80, TLB_READ), area, n + 80);
	get_env(c, i, area);
	for (k = 0; k < 8; k++)
		memcpy(x87_st(c, k), area + n + 10 * k, 10);
}
EXEC(x_frstor) { frstor(c, i); }
