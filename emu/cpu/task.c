/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task.c - hardware task switches (SDM 3A, chapter 7)
 *
 * Up to the moment the new task's registers are loaded a fault belongs to the
 * old task; from there on to the new one, whose CS:EIP is what its handler
 * sees (7.3, steps 11 to 15).
 */
#include "cpu/block.h"
#include "cpu/debug.h"
#include "cpu/interp.h"
#include "cpu/paging.h"

/* Offsets in a 32-bit and a 16-bit TSS (figures 7-2, 7-10). */
struct layout {
	uint8_t size, ip, flags, gpr, seg, segs, ldt, limit;
};
static const struct layout tss32 = { 4, 0x20, 0x24, 0x28, 0x48, 6, 0x60, 0x67 };
static const struct layout tss16 = { 2, 0x0e, 0x10, 0x12, 0x22, 4, 0x2a, 0x2b };

static uint64_t
get(struct cpu *c, const struct insn *i, uint64_t base, unsigned off,
    unsigned size)
{
	return cpu_system_load(c, i, (uint32_t)(base + off), size);
}

static void
put(struct cpu *c, const struct insn *i, uint64_t base, unsigned off,
    unsigned size, uint64_t v)
{
	cpu_system_store(c, i, (uint32_t)(base + off), size, v);
}

static void
save_old(struct cpu *c, const struct insn *i, const struct layout *l,
    uint32_t flags, uint64_t rip)
{
	uint64_t base = c->tr.base;

	put(c, i, base, l->ip, l->size, rip);
	put(c, i, base, l->flags, l->size, flags);
	for (unsigned n = 0; n < 8; n++)
		put(c, i, base, l->gpr + n * l->size, l->size, c->gpr[n]);
	for (unsigned n = 0; n < l->segs; n++)
		put(c, i, base, l->seg + n * l->size, 2, c->seg[n].selector);
}

/* The LDT of the new task. */
static void
load_ldt(struct cpu *c, uint16_t selector)
{
	struct descriptor d;

	c->ldtr = (struct cpu_segment){ .selector = selector };
	if (!(selector & ~3))
		return;
	if ((selector & 4) || !descriptor_read(c, NULL, selector, &d) ||
	    desc_s(&d) || desc_type(&d) != 2 || !desc_p(&d))
		cpu_fault_error(c, NULL, EXC_TS, selector & ~3);
	c->ldtr = descriptor_segment(&d, selector);
}

static void
load_code(struct cpu *c, uint16_t selector)
{
	struct descriptor d;
	uint32_t error = selector & ~3;
	unsigned rpl = selector & 3;
	struct cpu_segment cs;

	if (!error || !descriptor_read(c, NULL, selector, &d) ||
	    !desc_s(&d) || !(desc_type(&d) & 8) ||
	    (desc_type(&d) & 4 ? desc_dpl(&d) > rpl : desc_dpl(&d) != rpl))
		cpu_fault_error(c, NULL, EXC_TS, error);
	if (!desc_p(&d))
		cpu_fault_error(c, NULL, EXC_NP, error);
	descriptor_set_bits(c, NULL, &d, DESC_ACCESSED);
	cs = descriptor_segment(&d, selector);
	cpu_set_cs(c, &cs, rpl);
}

static void
load_data(struct cpu *c, unsigned seg, uint16_t selector)
{
	struct descriptor d;
	uint32_t error = selector & ~3;
	unsigned type;

	c->seg[seg] = (struct cpu_segment){ .selector = selector };
	if (!error)
		return;
	if (!descriptor_read(c, NULL, selector, &d))
		cpu_fault_error(c, NULL, EXC_TS, error);
	type = desc_type(&d);
	if (!desc_s(&d) || (type & 0xa) == 8 || ((type & 0xc) != 0xc &&
	    ((selector & 3) > desc_dpl(&d) || c->cpl > desc_dpl(&d))))
		cpu_fault_error(c, NULL, EXC_TS, error);
	if (!desc_p(&d))
		cpu_fault_error(c, NULL, EXC_NP, error);
	descriptor_set_bits(c, NULL, &d, DESC_ACCESSED);
	c->seg[seg] = descriptor_segment(&d, selector);
}

static void
load_segments(struct cpu *c, const uint16_t sel[6], uint32_t flags)
{
	struct descriptor d;

	if (flags & FLAG_VM) {
		for (unsigned n = 0; n < 6; n++)
			c->seg[n] = (struct cpu_segment){ .selector = sel[n],
			    .base = (uint32_t)sel[n] << 4, .limit = 0xffff,
			    .attr = 0xf3 };
		c->cpl = 3;
		cpu_mode_changed(c);
		return;
	}
	/* Nothing is usable until it is loaded. */
	for (unsigned n = 0; n < 6; n++) {
		c->seg[n].selector = sel[n];
		if (n != SEG_CS && n != SEG_SS)
			c->seg[n].attr = 0;
	}
	c->cpl = sel[SEG_CS] & 3;
	load_code(c, sel[SEG_CS]);
	c->seg[SEG_SS] = segment_check_ss(c, NULL, sel[SEG_SS], c->cpl,
	    EXC_TS, &d);
	descriptor_set_bits(c, NULL, &d, DESC_ACCESSED);
	load_data(c, SEG_ES, sel[SEG_ES]);
	load_data(c, SEG_DS, sel[SEG_DS]);
	load_data(c, SEG_FS, sel[SEG_FS]);
	load_data(c, SEG_GS, sel[SEG_GS]);
	cpu_mode_changed(c);
}

void
task_switch(struct cpu *c, const struct insn *i, uint16_t selector,
    enum task_switch how, bool has_error, uint32_t error, uint64_t next_rip)
{
	unsigned bad = how == TASK_IRET ? EXC_TS : EXC_GP;
	const struct layout *old = c->tr.attr & 8 ? &tss32 : &tss16, *new;
	struct descriptor d, was;
	struct cpu_segment tr;
	uint32_t flags, gpr[8], cr3 = 0, old_flags = cpu_eflags(c);
	uint16_t sel[6] = { 0 }, ldt, old_tr = c->tr.selector;
	uint64_t rip;
	bool trap = false;

	/* Steps 1 to 5: the new TSS. */
	if ((selector & 4) || !(selector & ~3) ||
	    !descriptor_read(c, i, selector, &d))
		cpu_fault_error(c, i, bad, selector & ~3);
	if (desc_s(&d) || (desc_type(&d) & ~8u) !=
	    (how == TASK_IRET ? 3u : 1u))
		cpu_fault_error(c, i, bad, selector & ~3);
	if (!desc_p(&d))
		cpu_fault_error(c, i, EXC_NP, selector & ~3);
	new = desc_type(&d) & 8 ? &tss32 : &tss16;
	tr = descriptor_segment(&d, selector);
	if (tr.limit < new->limit)
		cpu_fault_error(c, i, EXC_TS, selector & ~3);
	cpu_probe(c, i, (uint32_t)tr.base, 2, TLB_READ);

	/* What the new task begins with. */
	rip = get(c, i, tr.base, new->ip, new->size);
	flags = get(c, i, tr.base, new->flags, new->size);
	for (unsigned n = 0; n < 8; n++) {
		gpr[n] = get(c, i, tr.base, new->gpr + n * new->size,
		    new->size);
		if (new->size == 2)
			gpr[n] |= 0xffff0000;
	}
	for (unsigned n = 0; n < new->segs; n++)
		sel[n] = get(c, i, tr.base, new->seg + n * new->size, 2);
	ldt = get(c, i, tr.base, new->ldt, 2);
	if (new == &tss32) {
		cr3 = get(c, i, tr.base, 0x1c, 4);
		trap = get(c, i, tr.base, 0x64, 2) & 1;
	}

	/* Steps 6 to 10. */
	if (how == TASK_IRET)
		old_flags &= ~FLAG_NT;
	if (how == TASK_EVENT && c->delivering >= 0 && c->delivering < 32 &&
	    c->delivering != EXC_DB)
		old_flags |= FLAG_RF;
	save_old(c, i, old, old_flags, next_rip);
	if (how == TASK_JUMP || how == TASK_IRET) {
		if (descriptor_read(c, i, old_tr, &was))
			descriptor_clear_busy(c, i, &was);
	}
	if (how != TASK_IRET)
		descriptor_set_bits(c, i, &d, DESC_BUSY);
	if (how == TASK_CALL || how == TASK_EVENT) {
		put(c, i, tr.base, 0, 2, old_tr);
		flags |= FLAG_NT;
	}

	/* Steps 11 on: the new task. */
	c->tr = tr;
	c->tr.attr |= 2;
	c->cr0 |= CR0_TS;
	if (new == &tss32 && (c->cr0 & CR0_PG)) {
		c->cr3 = cr3;
		if (c->cr4 & CR4_PAE)
			paging_load_pdptes(c, cr3);
		paging_switch(c, false);
	}
	c->rip = rip;
	for (unsigned n = 0; n < 8; n++)
		c->gpr[n] = gpr[n];
	cpu_set_eflags(c, flags, ~0u);
	c->dr[7] &= ~0x155ull;		/* L0..L3, LE (17.2.4) */
	load_ldt(c, ldt);
	load_segments(c, sel, flags);
	if (has_error) {
		if (new->size == 4)
			cpu_push(c, NULL, 4, error);
		else
			cpu_push(c, NULL, 2, error);
	}
	if (rip > c->seg[SEG_CS].limit)
		cpu_gp(c, NULL, 0);
	if (trap)
		c->pending_db |= DR6_BT;
}
