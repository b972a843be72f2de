/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fault.c - exceptions and interrupts on their way to their handlers
 *
 * SDM 3A chapter 6.  Everything is checked and pushed before a register
 * changes, so a fault on the way finds the state as it was and becomes the
 * next exception, #DF or a shutdown (6.15, table 6-5).
 */
#include <stdio.h>

#include "core/log.h"
#include "cpu/block.h"
#include "cpu/debug.h"
#include "cpu/fp.h"
#include "cpu/interp.h"
#include "cpu/model.h"
#include "cpu/paging.h"
#include "cpu/system.h"
#include "cpu/table.h"

/* A stack that is not (yet) the processor's own. */
struct stack {
	struct cpu_segment ss;
	uint64_t sp, mask;
	bool supervisor;
	uint32_t error;		/* of #SS */
};

static void
stack_push(struct cpu *c, struct stack *s, unsigned size, uint64_t v)
{
	uint64_t off = (s->sp - size) & s->mask;
	uint64_t end = off + size - 1;

	if (s->mask != ~0ull) {
		/* 5.3; expand-down data has its room above the limit */
		bool down = (s->ss.attr & 0xc) == 0x4;
		uint64_t top = s->ss.attr & ATTR_D ? 0xffffffff : 0xffff;

		if (down ? off <= s->ss.limit || end > top :
		    end > s->ss.limit)
			cpu_fault_error(c, NULL, EXC_SS, s->error);
		off = (uint32_t)(s->ss.base + off);
	} else if (!cpu_canonical(off)) {
		cpu_fault_error(c, NULL, EXC_SS, s->error);
	}
	if (s->supervisor)
		cpu_system_store(c, NULL, off, size, v);
	else
		switch (size) {
		case 2: cpu_store16(c, NULL, off, v); break;
		case 4: cpu_store32(c, NULL, off, v); break;
		default: cpu_store64(c, NULL, off, v); break;
		}
	s->sp = (s->sp & ~s->mask) | ((s->sp - size) & s->mask);
}

static uint64_t
sp_mask(const struct cpu_segment *ss)
{
	return ss->attr & ATTR_D ? 0xffffffff : 0xffff;
}

/* What is pushed as flags. */
static uint32_t
flags_image(const struct cpu *c, unsigned vector, enum event event)
{
	uint32_t v = cpu_eflags(c) & ~FLAG_RF;

	/* 6.8.3, 17.3.1.1; a trap between iterations: step() has set it */
	if ((event == EVENT_FAULT && vector != EXC_DB) ||
	    (event == EVENT_TRAP && (c->eflags & FLAG_RF)))
		v |= FLAG_RF;
	return v;
}

static void
real_deliver(struct cpu *c, unsigned vector)
{
	struct stack s = { c->seg[SEG_SS], c->gpr[RSP],
	    sp_mask(&c->seg[SEG_SS]), false, 0 };
	uint32_t where;

	if (vector * 4 + 3 > c->idt_limit)
		cpu_fault(c, NULL, EXC_GP);
	where = cpu_system_load(c, NULL, (uint32_t)(c->idt_base + vector * 4),
	    4);
	stack_push(c, &s, 2, cpu_eflags(c));
	stack_push(c, &s, 2, c->seg[SEG_CS].selector);
	stack_push(c, &s, 2, c->rip);
	c->gpr[RSP] = s.sp;
	cpu_set_eflags(c, 0, FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF);
	cpu_set_real_segment(c, SEG_CS, where >> 16);
	c->rip = where & 0xffff;
}

/* --- Protected mode ------------------------------------------------------------ */

/* The code segment a gate names, checked (6.12.1). */
static struct cpu_segment
gate_code(struct cpu *c, uint16_t selector, uint32_t ext, unsigned *level)
{
	struct descriptor d;
	struct cpu_segment cs;

	if (!(selector & ~3))
		cpu_gp(c, NULL, ext);
	if (!descriptor_read(c, NULL, selector, &d))
		cpu_gp(c, NULL, (selector & ~3) | ext);
	if (!desc_s(&d) || !(desc_type(&d) & 8) || desc_dpl(&d) > c->cpl)
		cpu_gp(c, NULL, (selector & ~3) | ext);
	if (!desc_p(&d))
		cpu_fault_error(c, NULL, EXC_NP, (selector & ~3) | ext);
	if (cpu_long_mode(c) && (!desc_l(&d) || desc_d(&d)))
		cpu_gp(c, NULL, (selector & ~3) | ext);
	*level = desc_type(&d) & 4 ? c->cpl : desc_dpl(&d);
	if (cpu_v86(c) && *level != 0)
		cpu_gp(c, NULL, (selector & ~3) | ext);
	descriptor_set_bits(c, NULL, &d, DESC_ACCESSED);
	cs = descriptor_segment(&d, (selector & ~3) | *level);
	return cs;
}

static void
protected_deliver(struct cpu *c, unsigned vector, enum event event,
    bool has_error, uint32_t error)
{
	uint32_t ext = event != EVENT_SOFT, id = vector * 8 + 2;
	uint64_t gate;
	unsigned type, dpl, level, size;
	bool v86 = cpu_v86(c);
	uint32_t flags = flags_image(c, vector, event);
	struct cpu_segment cs;
	struct stack s;

	if (vector * 8 + 7 > c->idt_limit)
		cpu_gp(c, NULL, id | ext);
	gate = cpu_system_load(c, NULL, (uint32_t)(c->idt_base + vector * 8),
	    8);
	type = gate >> 40 & 31;
	dpl = gate >> 45 & 3;
	if (type != 5 && type != 6 && type != 7 && type != 14 && type != 15)
		cpu_gp(c, NULL, id | ext);
	if (event == EVENT_SOFT && dpl < c->cpl)
		cpu_gp(c, NULL, id);
	if (!(gate >> 47 & 1))
		cpu_fault_error(c, NULL, EXC_NP, id | ext);
	if (type == 5) {
		task_switch(c, NULL, gate >> 16, TASK_EVENT, has_error, error,
		    c->rip);
		return;
	}
	cs = gate_code(c, gate >> 16, ext, &level);
	size = type & 8 ? 4 : 2;
	if (level < c->cpl) {
		uint16_t selector;
		uint64_t sp;
		struct descriptor d;

		task_stack(c, NULL, level, &selector, &sp);
		s.ss = segment_check_ss(c, NULL, selector, level, EXC_TS, &d);
		descriptor_set_bits(c, NULL, &d, DESC_ACCESSED);
		s.sp = sp;
		s.mask = sp_mask(&s.ss);
		s.supervisor = true;
		s.error = (selector & ~3) | ext;
		if (v86) {
			stack_push(c, &s, size, c->seg[SEG_GS].selector);
			stack_push(c, &s, size, c->seg[SEG_FS].selector);
			stack_push(c, &s, size, c->seg[SEG_DS].selector);
			stack_push(c, &s, size, c->seg[SEG_ES].selector);
		}
		stack_push(c, &s, size, c->seg[SEG_SS].selector);
		stack_push(c, &s, size, c->gpr[RSP]);
	} else {
		s.ss = c->seg[SEG_SS];
		s.sp = c->gpr[RSP];
		s.mask = sp_mask(&s.ss);
		s.supervisor = level < 3;
		s.error = ext;
	}
	stack_push(c, &s, size, flags);
	stack_push(c, &s, size, c->seg[SEG_CS].selector);
	stack_push(c, &s, size, c->rip);
	if (has_error)
		stack_push(c, &s, size, error);

	c->seg[SEG_SS] = s.ss;
	c->gpr[RSP] = s.sp;
	c->rip = size == 4 ? (gate >> 32 & 0xffff0000) | (gate & 0xffff) :
	    gate & 0xffff;
	if (v86)
		for (unsigned n = SEG_ES; n <= SEG_GS; n++)
			if (n != SEG_CS && n != SEG_SS)
				c->seg[n] = (struct cpu_segment){ 0 };
	cpu_set_eflags(c, 0, FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM |
	    (type & 1 ? 0 : FLAG_IF));
	cpu_set_cs(c, &cs, level);
}

static void
long_deliver(struct cpu *c, unsigned vector, enum event event, bool has_error,
    uint32_t error)
{
	uint32_t ext = event != EVENT_SOFT, id = vector * 8 + 2;
	uint64_t low, high, target;
	unsigned type, level, ist;
	uint32_t flags = flags_image(c, vector, event);
	struct cpu_segment cs;
	struct stack s = { .mask = ~0ull, .supervisor = true };
	bool inner;

	if (vector * 16 + 15 > c->idt_limit)
		cpu_gp(c, NULL, id | ext);
	low = cpu_system_load(c, NULL, c->idt_base + vector * 16, 8);
	high = cpu_system_load(c, NULL, c->idt_base + vector * 16 + 8, 8);
	type = low >> 40 & 31;
	if (type != 14 && type != 15)
		cpu_gp(c, NULL, id | ext);
	if (event == EVENT_SOFT && (low >> 45 & 3) < c->cpl)
		cpu_gp(c, NULL, id);
	if (!(low >> 47 & 1))
		cpu_fault_error(c, NULL, EXC_NP, id | ext);
	cs = gate_code(c, low >> 16, ext, &level);
	target = high << 32 | (low >> 32 & 0xffff0000) | (low & 0xffff);
	ist = low >> 32 & 7;
	inner = level < c->cpl;
	if (ist || inner) {
		uint16_t none;

		/* 6.14.4: IST n is at 36 + 8 (n - 1), RSP n at 4 + 8 n */
		task_stack(c, NULL, ist ? 3 + ist : level, &none, &s.sp);
	} else {
		s.sp = c->gpr[RSP];
	}
	s.sp &= ~15ull;
	s.supervisor = level < 3;
	stack_push(c, &s, 8, c->seg[SEG_SS].selector);
	stack_push(c, &s, 8, c->gpr[RSP]);
	stack_push(c, &s, 8, flags);
	stack_push(c, &s, 8, c->seg[SEG_CS].selector);
	stack_push(c, &s, 8, c->rip);
	if (has_error)
		stack_push(c, &s, 8, error);
	if (!cpu_canonical(target))
		cpu_gp(c, NULL, ext);

	if (inner)
		c->seg[SEG_SS] = (struct cpu_segment){ .selector = level,
		    .attr = 0x0093 | level << 5 };
	c->gpr[RSP] = s.sp;
	c->rip = target;
	cpu_set_eflags(c, 0, FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM |
	    (type & 1 ? 0 : FLAG_IF));
	cpu_set_cs(c, &cs, level);
}

/* What cpu.delivering is for that which makes no double fault. */
enum { DELIVER_OTHER = 256, DELIVER_SOFT };

void
fault_deliver(struct cpu *c, unsigned vector, enum event event, bool has_error,
    uint32_t error)
{
	/* Only exceptions make a double fault; vectors of interrupts may
	 * have the same numbers in real mode. */
	c->delivering = event == EVENT_FAULT ? (int)vector :
	    c->delivering == DELIVER_SOFT ? DELIVER_SOFT : DELIVER_OTHER;
	c->next_block = NULL;
	if (log_on(LOG_INT))
		log_line("cpu %u: %s %02x error %04x at %04x:%016llx cpl %u "
		    "cr2 %016llx", c->id, event == EVENT_FAULT ? "fault" :
		    "interrupt", vector, has_error ? error : 0,
		    c->seg[SEG_CS].selector, (unsigned long long)c->rip,
		    c->cpl, (unsigned long long)c->cr2);
	if (!cpu_protected(c))
		real_deliver(c, vector);
	else if (cpu_long_mode(c))
		long_deliver(c, vector, event, has_error, error);
	else
		protected_deliver(c, vector, event, has_error, error);
	c->delivering = -1;
	c->shadow = 0;
}

/* Classes of table 6-4. */
static bool
contributory(int vector)
{
	return vector == EXC_DE || (vector >= EXC_TS && vector <= EXC_GP);
}

bool
fault_raised(struct cpu *c)
{
	int first = c->delivering;
	unsigned vector = c->fault.vector;
	enum event event = c->fault.soft ? EVENT_SOFT : EVENT_FAULT;

	c->halted = false;
	if (first == EXC_DF) {
		c->delivering = -1;
		snprintf(c->why, sizeof(c->why), "triple fault at rip %#llx",
		    (unsigned long long)c->rip);
		return false;
	}
	if ((contributory(first) && contributory(vector)) ||
	    (first == EXC_PF && (vector == EXC_PF || contributory(vector)))) {
		fault_deliver(c, EXC_DF, EVENT_FAULT, true, 0);
		return true;
	}
	if (first == DELIVER_SOFT)
		c->rip = c->soft_rip;	/* the fault is the INT's */
	c->delivering = -1;
	if (c->fault.soft) {
		c->delivering = DELIVER_SOFT;
		c->soft_rip = c->rip;
		c->rip = insn_next_rip(c, c->at);
		if (c->at->id == INSN_INT1)
			event = EVENT_TRAP;
	}
	if (vector == EXC_DB && event == EVENT_FAULT)
		c->dr[7] &= ~(uint64_t)DR7_GD;
	fault_deliver(c, vector, event, c->fault.has_error && cpu_protected(c),
	    c->fault.error);
	return true;
}

void
fault_debug_trap(struct cpu *c, uint32_t dr6)
{
	c->dr[6] = (c->dr[6] & ~0xfull) | dr6;
	c->dr[7] &= ~(uint64_t)DR7_GD;
	fault_deliver(c, EXC_DB, EVENT_TRAP, false, 0);
}

/* --- Reset ---------------------------------------------------------------------- */

void
cpu_reset_state(struct cpu *c, bool init)
{
	uint64_t cr0 = init ? (c->cr0 & (CR0_CD | CR0_NW)) | CR0_ET :
	    0x60000010;

	memset(c->gpr, 0, sizeof(c->gpr));
	c->gpr[RDX] = cpu_model_signature(c->model);
	c->rip = 0xfff0;
	flags_put(&c->flags, 0);
	c->eflags = 0;
	c->df = 1;
	c->cr0 = cr0;
	c->cr2 = c->cr3 = c->cr4 = c->efer = 0;
	for (unsigned n = 0; n < SEG_N; n++)
		c->seg[n] = (struct cpu_segment){ .limit = 0xffff,
		    .attr = 0x93 };
	c->seg[SEG_CS] = (struct cpu_segment){ .selector = 0xf000,
	    .base = 0xffff0000, .limit = 0xffff, .attr = 0x9b };
	c->seg[SEG_FLAT] = (struct cpu_segment){ .limit = ~0u, .attr = 0x93 };
	c->gdt_base = c->idt_base = 0;
	c->gdt_limit = c->idt_limit = 0xffff;
	c->ldtr = (struct cpu_segment){ .limit = 0xffff, .attr = 0x82 };
	c->tr = (struct cpu_segment){ .limit = 0xffff, .attr = 0x8b };
	memset(c->dr, 0, sizeof(c->dr));
	c->dr[6] = DR6_ONES;
	c->dr[7] = 0x400;
	c->cpl = 0;
	c->shadow = 0;
	c->halted = c->nmi_blocked = false;
	c->pending_db = 0;
	c->delivering = -1;
	c->waits_for_sipi = c->id != 0;
	if (!init) {
		c->xcr0 = 1;
		fp_reset(c);
		c->star = c->lstar = c->cstar = c->sfmask = 0;
		c->kernel_gs_base = c->tsc_aux = 0;
		c->sysenter_cs = c->sysenter_esp = c->sysenter_eip = 0;
		c->pat = 0x0007040600070406;
		c->misc_enable = 1;
		memset(c->mtrr, 0, sizeof(c->mtrr));
		c->mtrr_def = 0;
		c->kvmclock[0] = c->kvmclock[1] = 0;
		cpu_tsc_reset(c);
		atomic_store(&c->requests, 0);
	}
	paging_flush_all(c);
	blocks_forget_jumps(c);
	cpu_mode_changed(c);
}
