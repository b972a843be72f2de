/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transfer.c - instructions that load segment registers, and those that go to
 * another code segment: far jumps, calls and returns, interrupts, fast system
 * calls (SDM 2 by name; the checks are in segment.c)
 */
#include "cpu/block.h"
#include "cpu/debug.h"
#include "cpu/exec.h"
#include "cpu/interp.h"
#include "cpu/system.h"
#include "cpu/table.h"

/* --- Segment registers -------------------------------------------------------------------------- */

static void
mov_seg(struct cpu *c, const struct insn *i)
{
	if (i->opd[0].kind != OPD_SEG) {
		opd_put_word(c, i, c->seg[i->opd[1].off].selector);
		return;
	}
	if (i->opd[0].off == SEG_CS || i->opd[0].off > SEG_GS)
		cpu_ud(c, i);
	cpu_load_segment(c, i, i->opd[0].off, i->opd[1].kind == OPD_GPR ?
	    gpr_get16(c, i->opd[1].off) :
	    cpu_load16(c, i, cpu_linear(c, i, 2, TLB_READ)));
}

EXEC(x_mov_seg) { mov_seg(c, i); }

EXEC(x_push_seg)
{
	uint64_t lin = cpu_stack_linear(c, i, -(int64_t)i->size, i->size,
	    TLB_WRITE);

	if (i->size == 4) {
		/* two bytes are written, as current processors do */
		cpu_store16(c, i, lin, c->seg[i->opd[0].off].selector);
		cpu_set_sp(c, c->gpr[RSP] - 4);
	} else {
		cpu_push(c, i, i->size, c->seg[i->opd[0].off].selector);
	}
}

static void
pop_seg(struct cpu *c, const struct insn *i)
{
	uint64_t lin = cpu_stack_linear(c, i, 0, i->size == 2 ? 2 : i->size,
	    TLB_READ);
	uint16_t selector = cpu_load16(c, i, lin);
	/* the stack pointer moves by the old SS's size */
	uint64_t sp = c->gpr[RSP] + i->size;
	bool s64 = c->stack64, s32 = c->stack32;

	cpu_load_segment(c, i, i->opd[0].off, selector);
	if (s64)
		c->gpr[RSP] = sp;
	else if (s32)
		c->gpr[RSP] = (uint32_t)sp;
	else
		gpr_put16(c, RSP * 8, sp);
}

EXEC(x_pop_seg) { pop_seg(c, i); }

static void
load_far(struct cpu *c, const struct insn *i, unsigned seg)
{
	unsigned n = i->size;
	uint64_t lin = cpu_linear(c, i, n + 2, TLB_READ), off = 0;
	uint8_t bytes[10];
	uint16_t selector;

	cpu_load_bytes(c, i, lin, bytes, n + 2);
	memcpy(&off, bytes, n);
	memcpy(&selector, bytes + n, 2);
	cpu_load_segment(c, i, seg, selector);
	opd_put(c, i, 0, off, i->opd[0].size);
}

EXEC(x_les) { load_far(c, i, SEG_ES); }
EXEC(x_lds) { load_far(c, i, SEG_DS); }
EXEC(x_lss) { load_far(c, i, SEG_SS); }
EXEC(x_lfs) { load_far(c, i, SEG_FS); }
EXEC(x_lgs) { load_far(c, i, SEG_GS); }

static void
need_fsgsbase(struct cpu *c, const struct insn *i)
{
	if (!(c->cr4 & CR4_FSGSBASE))
		cpu_ud(c, i);
}

EXEC(x_rdfsbase) { need_fsgsbase(c, i); opd_put(c, i, 0, c->seg[SEG_FS].base, i->opd[0].size); }
EXEC(x_rdgsbase) { need_fsgsbase(c, i); opd_put(c, i, 0, c->seg[SEG_GS].base, i->opd[0].size); }

static void
write_base(struct cpu *c, const struct insn *i, unsigned seg)
{
	uint64_t v = opd_get(c, i, 0, i->opd[0].size);

	need_fsgsbase(c, i);
	if (!cpu_canonical(v))
		cpu_gp(c, i, 0);
	c->seg[seg].base = v;
}

EXEC(x_wrfsbase) { write_base(c, i, SEG_FS); }
EXEC(x_wrgsbase) { write_base(c, i, SEG_GS); }

EXEC(x_swapgs)
{
	uint64_t v = c->seg[SEG_GS].base;

	cpu_need_cpl0(c, i);
	c->seg[SEG_GS].base = c->kernel_gs_base;
	c->kernel_gs_base = v;
}

/* --- Far transfers --------------------------------------------------------------------------------- */

static void
far_operand(struct cpu *c, const struct insn *i, uint16_t *selector,
    uint64_t *off)
{
	uint8_t bytes[10];
	unsigned n = i->size;

	*off = 0;
	if (i->opd[0].kind == OPD_FAR) {
		*off = i->imm;
		*selector = i->imm2;
		return;
	}
	cpu_load_bytes(c, i, cpu_linear(c, i, n + 2, TLB_READ), bytes, n + 2);
	memcpy(off, bytes, n);
	memcpy(selector, bytes + n, 2);
}

void
x_jmpf(struct cpu *c, const struct insn *i)
{
	uint16_t selector;
	uint64_t off;

	far_operand(c, i, &selector, &off);
	cpu_far_jump(c, i, selector, off);
}

void
x_callf(struct cpu *c, const struct insn *i)
{
	uint16_t selector;
	uint64_t off;

	far_operand(c, i, &selector, &off);
	cpu_far_call(c, i, selector, off);
}

void
x_retf(struct cpu *c, const struct insn *i)
{
	cpu_far_return(c, i, i->opd[0].kind == OPD_IMM ? i->imm & 0xffff : 0);
}

void
x_iret(struct cpu *c, const struct insn *i)
{
	cpu_iret(c, i);
}

/* INT n in virtual-8086 mode (20.2, 20.3): by IOPL, or, with CR4.VME, by the
 * redirection bitmap straight through the real-mode vectors. */
static bool
v86_redirect(struct cpu *c, const struct insn *i, unsigned vector)
{
	uint16_t map, flags;
	uint32_t at;

	if (!cpu_v86(c))
		return false;
	if (!(c->cr4 & CR4_VME)) {
		if (cpu_iopl(c) < 3)
			cpu_gp(c, i, 0);
		return false;
	}
	if (c->tr.limit < 0x67)
		cpu_gp(c, i, 0);
	map = cpu_system_load(c, i, (uint32_t)(c->tr.base + 0x66), 2);
	if (map < 32 || map - 32u + vector / 8 > c->tr.limit)
		cpu_gp(c, i, 0);
	if (cpu_system_load(c, i, (uint32_t)(c->tr.base + map - 32 +
	    vector / 8), 1) >> (vector % 8) & 1) {
		if (cpu_iopl(c) < 3)
			cpu_gp(c, i, 0);
		return false;
	}
	at = cpu_system_load(c, i, vector * 4, 4);
	flags = cpu_eflags(c);
	if (cpu_iopl(c) < 3) {
		flags = (flags & ~FLAG_IF) | FLAG_IOPL;
		if (c->eflags & FLAG_VIF)
			flags |= FLAG_IF;
	}
	cpu_probe(c, i, cpu_stack_linear(c, i, -6, 6, TLB_WRITE), 6,
	    TLB_WRITE);
	cpu_push(c, i, 2, flags);
	cpu_push(c, i, 2, c->seg[SEG_CS].selector);
	cpu_push(c, i, 2, insn_next_rip(c, i));
	if (cpu_iopl(c) < 3)
		c->eflags &= ~FLAG_VIF;
	else
		c->eflags &= ~FLAG_IF;
	c->eflags &= ~(FLAG_TF | FLAG_NT);
	cpu_set_real_segment(c, SEG_CS, at >> 16);
	cpu_resume(c, at & 0xffff);
	return true;
}

void
x_int(struct cpu *c, const struct insn *i)
{
	if (!v86_redirect(c, i, i->imm & 0xff))
		cpu_soft_interrupt(c, i, i->imm & 0xff);
}

void
x_int3(struct cpu *c, const struct insn *i)
{
	cpu_soft_interrupt(c, i, EXC_BP);
}

void
x_int1(struct cpu *c, const struct insn *i)
{
	cpu_soft_interrupt(c, i, EXC_DB);
}

EXEC(x_into)
{
	if (flags_of(&c->flags))
		cpu_soft_interrupt(c, i, EXC_OF);
}

void
x_ud(struct cpu *c, const struct insn *i)
{
	cpu_ud(c, i);
}

void
x_too_long(struct cpu *c, const struct insn *i)
{
	cpu_gp(c, i, 0);
}

/* --- Fast system calls ---------------------------------------------------------------------------------- */

static struct cpu_segment
flat_code(uint16_t selector, bool wide, unsigned dpl)
{
	return (struct cpu_segment){ .selector = selector,
	    .limit = 0xffffffff, .attr = 0x809b | (wide ? ATTR_L : ATTR_D) |
	    dpl << 5 };
}

static struct cpu_segment
flat_data(uint16_t selector, unsigned dpl)
{
	return (struct cpu_segment){ .selector = selector,
	    .limit = 0xffffffff, .attr = 0xc093 | dpl << 5 };
}

/* SYSCALL and SYSRET trap by the TF that they leave, not by the one they had:
 * a kernel whose mask clears it is not stepped. */
static void
trap_by_new_tf(struct cpu *c)
{
	if (c->eflags & FLAG_TF)
		c->pending_db |= DR6_BS;
}

void
x_syscall(struct cpu *c, const struct insn *i)
{
	uint16_t cs = c->star >> 32 & 0xfffc;
	struct cpu_segment code;
	uint64_t target, next = insn_next_rip(c, i);

	if (!(c->efer & EFER_SCE) || !cpu_protected(c))
		cpu_ud(c, i);
	if (!cpu_long_mode(c)) {
		/* AMD's legacy form (APM 3, SYSCALL) */
		c->gpr[RCX] = (uint32_t)next;
		c->seg[SEG_SS] = flat_data(cs + 8, 0);
		code = flat_code(cs, false, 0);
		cpu_set_eflags(c, 0, FLAG_VM | FLAG_IF | FLAG_RF);
		cpu_set_cs(c, &code, 0);
		trap_by_new_tf(c);
		cpu_resume(c, (uint32_t)c->star);
		return;
	}
	target = c->bits == DECODE_64 ? c->lstar : c->cstar;
	c->gpr[RCX] = next;
	c->gpr[R8 + 3] = cpu_eflags(c) & ~FLAG_RF;
	cpu_set_eflags(c, 0, (uint32_t)c->sfmask | FLAG_RF);
	c->seg[SEG_SS] = flat_data(cs + 8, 0);
	code = flat_code(cs, true, 0);
	cpu_set_cs(c, &code, 0);
	trap_by_new_tf(c);
	cpu_resume(c, target);
}

void
x_sysret(struct cpu *c, const struct insn *i)
{
	uint16_t base = c->star >> 48;
	bool wide = i->size == 8;
	struct cpu_segment code;
	uint64_t target;

	if (!(c->efer & EFER_SCE) || !cpu_protected(c))
		cpu_ud(c, i);
	cpu_need_cpl0(c, i);
	if (!cpu_long_mode(c)) {
		code = flat_code(base | 3, false, 3);
		c->seg[SEG_SS] = flat_data((base + 8) | 3, 3);
		c->eflags |= FLAG_IF;
		cpu_set_cs(c, &code, 3);
		trap_by_new_tf(c);
		cpu_resume(c, (uint32_t)c->gpr[RCX]);
		return;
	}
	target = wide ? c->gpr[RCX] : (uint32_t)c->gpr[RCX];
	if (!cpu_canonical(target))
		cpu_gp(c, i, 0);
	cpu_set_eflags(c, c->gpr[R8 + 3], ~(FLAG_RF | FLAG_VM | FLAG_1) &
	    0x3f7fd7);
	code = flat_code((base + (wide ? 16 : 0)) | 3, wide, 3);
	c->seg[SEG_SS] = flat_data((base + 8) | 3, 3);
	cpu_set_cs(c, &code, 3);
	trap_by_new_tf(c);
	cpu_resume(c, target);
}

void
x_sysenter(struct cpu *c, const struct insn *i)
{
	uint16_t cs = c->sysenter_cs & 0xfffc;
	bool wide = cpu_long_mode(c);
	struct cpu_segment code;

	if (!cpu_protected(c) || !cs)
		cpu_gp(c, i, 0);
	cpu_set_eflags(c, 0, FLAG_VM | FLAG_IF | FLAG_RF);
	code = flat_code(cs, wide, 0);
	c->seg[SEG_SS] = flat_data(cs + 8, 0);
	c->gpr[RSP] = wide ? c->sysenter_esp : (uint32_t)c->sysenter_esp;
	cpu_set_cs(c, &code, 0);
	cpu_resume(c, wide ? c->sysenter_eip : (uint32_t)c->sysenter_eip);
}

void
x_sysexit(struct cpu *c, const struct insn *i)
{
	uint16_t cs = c->sysenter_cs & 0xfffc;
	bool wide = i->size == 8;
	struct cpu_segment code;
	uint64_t target = wide ? c->gpr[RDX] : (uint32_t)c->gpr[RDX];
	uint64_t sp = wide ? c->gpr[RCX] : (uint32_t)c->gpr[RCX];

	if (!cpu_protected(c) || !cs)
		cpu_gp(c, i, 0);
	cpu_need_cpl0(c, i);
	if (wide && (!cpu_canonical(target) || !cpu_canonical(sp)))
		cpu_gp(c, i, 0);
	code = flat_code((cs + (wide ? 32 : 16)) | 3, wide, 3);
	c->seg[SEG_SS] = flat_data((cs + (wide ? 40 : 24)) | 3, 3);
	c->gpr[RSP] = sp;
	cpu_set_cs(c, &code, 3);
	cpu_resume(c, target);
}
