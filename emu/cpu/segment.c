/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * segment.c - descriptors, segment registers, stacks and far transfers
 *
 * SDM 3A chapter 5 and the pages of the instructions in SDM 2 are followed
 * check by check.  Limits are enforced: an access through a segment that does
 * not span all memory comes through cpu_segment_linear().
 */
#include "cpu/block.h"
#include "cpu/interp.h"

/* --- Descriptors ------------------------------------------------------------------ */

bool
descriptor_read(struct cpu *c, const struct insn *i, uint16_t selector,
    struct descriptor *d)
{
	uint64_t base = selector & 4 ? c->ldtr.base : c->gdt_base;
	uint32_t limit = selector & 4 ? c->ldtr.limit : c->gdt_limit;
	uint32_t off = selector & ~7u;

	if ((selector & 4) && !(c->ldtr.attr & ATTR_P))
		return false;
	if ((selector & 4) && !(c->ldtr.selector & ~3u))
		return false;
	if (off + 7 > limit)
		return false;
	d->at = base + off;
	d->raw = cpu_system_load(c, i, d->at, 8);
	d->base_high = 0;
	if (cpu_long_mode(c) && !desc_s(d) && desc_type(d) != 0 &&
	    desc_type(d) != 5) {
		/* 16 bytes (3.5.2) */
		if (off + 15 > limit)
			return false;
		d->base_high = cpu_system_load(c, i, d->at + 8, 8) << 32;
	}
	return true;
}

void
descriptor_set_bits(struct cpu *c, const struct insn *i,
    const struct descriptor *d, uint32_t bits)
{
	uint32_t high = d->raw >> 32;

	if ((high & bits) != bits)
		cpu_system_store(c, i, d->at + 4, 4, high | bits);
}

void
descriptor_clear_busy(struct cpu *c, const struct insn *i,
    const struct descriptor *d)
{
	cpu_system_store(c, i, d->at + 4, 4, (d->raw >> 32) & ~DESC_BUSY);
}

struct cpu_segment
descriptor_segment(const struct descriptor *d, uint16_t selector)
{
	uint64_t r = d->raw;
	struct cpu_segment s = {
		.selector = selector,
		.base = (r >> 16 & 0xffffff) | (r >> 32 & 0xff000000) |
		    d->base_high,
		.limit = (r & 0xffff) | (r >> 32 & 0xf0000),
		.attr = (r >> 40) & 0xf0ff,
	};

	if (s.attr & ATTR_G)
		s.limit = s.limit << 12 | 0xfff;
	return s;
}

/* --- Loading segment registers ------------------------------------------------------ */

void
cpu_set_real_segment(struct cpu *c, unsigned seg, uint16_t selector)
{
	struct cpu_segment *s = &c->seg[seg];

	s->selector = selector;
	s->base = (uint32_t)selector << 4;
	if (cpu_v86(c)) {
		s->limit = 0xffff;
		s->attr = 0xf3;
	} else if (seg == SEG_CS) {
		/* The limit stays: big real mode keeps its own. */
		s->attr = (s->attr & ~0xffu) | 0x9b;
	} else {
		s->attr = (s->attr & 0xff60) | 0x93;
	}
	if (seg == SEG_CS)
		blocks_forget_jumps(c);
	cpu_mode_changed(c);
}

struct cpu_segment
segment_check_ss(struct cpu *c, const struct insn *i, uint16_t selector,
    unsigned level, unsigned vector, struct descriptor *d)
{
	uint32_t error = selector & ~3;

	if (!error) {
		cpu_fault_error(c, i, vector, 0);
	}
	if (!descriptor_read(c, i, selector, d) || (selector & 3) != level ||
	    !desc_s(d) || (desc_type(d) & 0xa) != 2 || desc_dpl(d) != level)
		cpu_fault_error(c, i, vector, error);
	if (!desc_p(d))
		cpu_fault_error(c, i, EXC_SS, error);
	return descriptor_segment(d, selector);
}

void
cpu_load_segment(struct cpu *c, const struct insn *i, unsigned seg,
    uint16_t selector)
{
	uint32_t error = selector & ~3;
	struct descriptor d;
	unsigned type;

	if (!cpu_protected(c) || cpu_v86(c)) {
		cpu_set_real_segment(c, seg, selector);
		goto done;
	}
	if (!error) {
		if (seg == SEG_SS && (c->bits != DECODE_64 || c->cpl == 3 ||
		    (selector & 3) != c->cpl))
			cpu_gp(c, i, 0);
		/* A null selector: unusable; FS and GS keep no base. */
		c->seg[seg] = (struct cpu_segment){ .selector = selector,
		    .attr = seg == SEG_SS ? 0x93 | c->cpl << 5 : 0 };
		cpu_mode_changed(c);
		goto done;
	}
	if (seg == SEG_SS) {
		c->seg[seg] = segment_check_ss(c, i, selector, c->cpl, EXC_GP,
		    &d);
	} else {
		if (!descriptor_read(c, i, selector, &d))
			cpu_gp(c, i, error);
		type = desc_type(&d);
		/* data, or code that can be read */
		if (!desc_s(&d) || (type & 0xa) == 8)
			cpu_gp(c, i, error);
		if ((type & 0xc) != 0xc && ((selector & 3) > desc_dpl(&d) ||
		    c->cpl > desc_dpl(&d)))
			cpu_gp(c, i, error);
		if (!desc_p(&d))
			cpu_fault_error(c, i, EXC_NP, error);
		c->seg[seg] = descriptor_segment(&d, selector);
	}
	descriptor_set_bits(c, i, &d, DESC_ACCESSED);
	c->seg[seg].attr |= 1;
	cpu_mode_changed(c);
done:
	if (seg == SEG_SS)
		c->shadow = SHADOW_SS;
}

/* --- Checked access -------------------------------------------------------------------- */

static _Noreturn void
segment_fault(struct cpu *c, const struct insn *i, unsigned seg)
{
	cpu_fault_error(c, i, seg == SEG_SS ? EXC_SS : EXC_GP, 0);
}

uint64_t
cpu_segment_linear(struct cpu *c, const struct insn *i, unsigned seg,
    uint64_t off, unsigned size, int kind)
{
	const struct cpu_segment *s = &c->seg[seg];
	uint64_t end = off + size - 1;
	unsigned type = s->attr & ATTR_TYPE;

	if (c->bits == DECODE_64)
		return off + (seg >= SEG_FS ? s->base : 0);
	if (cpu_protected(c) && !cpu_v86(c)) {
		if (!(s->attr & ATTR_P))	/* null */
			segment_fault(c, i, seg);
		if (type & 8 ? kind == TLB_WRITE || !(type & 2) :
		    kind == TLB_WRITE && !(type & 2))
			segment_fault(c, i, seg);
	}
	if (!(type & 8) && (type & 4)) {
		/* expand-down: from the limit up (5.3) */
		if (off <= s->limit ||
		    end > (s->attr & ATTR_D ? 0xffffffff : 0xffff))
			segment_fault(c, i, seg);
	} else if (end > s->limit) {
		segment_fault(c, i, seg);
	}
	return (uint32_t)(s->base + off);
}

/* --- The stack ----------------------------------------------------------------------------- */

static uint64_t
stack_mask(const struct cpu *c)
{
	return c->stack64 ? ~0ull : c->stack32 ? 0xffffffff : 0xffff;
}

uint64_t
cpu_stack_linear(struct cpu *c, const struct insn *i, int64_t delta,
    unsigned size, int kind)
{
	uint64_t off = (c->gpr[RSP] + delta) & stack_mask(c);

	if (c->stack64) {
		if (unlikely(!cpu_canonical(off)))
			cpu_fault_error(c, i, EXC_SS, 0);
		return off;
	}
	return c->flat ? off :
	    cpu_segment_linear(c, i, SEG_SS, off, size, kind);
}

void
cpu_set_sp(struct cpu *c, uint64_t sp)
{
	if (c->stack64)
		c->gpr[RSP] = sp;
	else if (c->stack32)
		c->gpr[RSP] = (uint32_t)sp;
	else
		gpr_put16(c, RSP * 8, sp);
}

void
cpu_push(struct cpu *c, const struct insn *i, unsigned size, uint64_t v)
{
	uint64_t lin = cpu_stack_linear(c, i, -(int64_t)size, size,
	    TLB_WRITE);

	switch (size) {
	case 2: cpu_store16(c, i, lin, v); break;
	case 4: cpu_store32(c, i, lin, v); break;
	default: cpu_store64(c, i, lin, v); break;
	}
	cpu_set_sp(c, c->gpr[RSP] - size);
}

/* What POP would read delta bytes above the top. */
static uint64_t
peek(struct cpu *c, const struct insn *i, int64_t delta, unsigned size)
{
	uint64_t lin = cpu_stack_linear(c, i, delta, size, TLB_READ);

	switch (size) {
	case 2: return cpu_load16(c, i, lin);
	case 4: return cpu_load32(c, i, lin);
	default: return cpu_load64(c, i, lin);
	}
}

uint64_t
cpu_pop(struct cpu *c, const struct insn *i, unsigned size)
{
	uint64_t v = peek(c, i, 0, size);

	cpu_set_sp(c, c->gpr[RSP] + size);
	return v;
}

void
task_stack(struct cpu *c, const struct insn *i, unsigned level, uint16_t *ss,
    uint64_t *sp)
{
	uint32_t at, size;

	if (cpu_long_mode(c)) {
		/* 7.7: levels 0 to 2 at 4, interrupt stacks 1 to 7 (here 4
		 * to 10) at 36 */
		at = level < 3 ? 4 + 8 * level : 36 + 8 * (level - 4);
		if (at + 7 > c->tr.limit)
			cpu_fault_error(c, i, EXC_TS, c->tr.selector & ~3);
		*ss = level < 3 ? level : 0;
		*sp = cpu_system_load(c, i, c->tr.base + at, 8);
		return;
	}
	size = (c->tr.attr & 8) ? 4 : 2;
	at = size == 4 ? 4 + 8 * level : 2 + 4 * level;
	if (at + size + 1 > c->tr.limit)
		cpu_fault_error(c, i, EXC_TS, c->tr.selector & ~3);
	*sp = cpu_system_load(c, i, (uint32_t)(c->tr.base + at), size);
	*ss = cpu_system_load(c, i, (uint32_t)(c->tr.base + at + size), 2);
}

/* --- Code segments ----------------------------------------------------------------------------- */

void
cpu_set_cs(struct cpu *c, const struct cpu_segment *cs, unsigned cpl)
{
	bool moved = cs->base != c->seg[SEG_CS].base;

	c->seg[SEG_CS] = *cs;
	c->seg[SEG_CS].selector = (cs->selector & ~3) | cpl;
	c->seg[SEG_CS].attr |= 1;
	c->cpl = cpl;
	if (moved)
		blocks_forget_jumps(c);
	cpu_mode_changed(c);
}

static void
check_offset(struct cpu *c, const struct insn *i, const struct cpu_segment *cs,
    uint64_t off)
{
	if (cpu_long_mode(c) && (cs->attr & ATTR_L)) {
		if (!cpu_canonical(off))
			cpu_gp(c, i, 0);
	} else if (off > cs->limit) {
		cpu_gp(c, i, 0);
	}
}

/* L and D both set is no code segment in long mode. */
static bool
bad_long_code(const struct cpu *c, const struct descriptor *d)
{
	return cpu_long_mode(c) && desc_l(d) && desc_d(d);
}

/* The code segment of a direct far jump or call, checked (5.8.1). */
static struct cpu_segment
direct_code(struct cpu *c, const struct insn *i, const struct descriptor *d,
    uint16_t selector)
{
	unsigned rpl = selector & 3, dpl = desc_dpl(d);

	if (bad_long_code(c, d) || (desc_type(d) & 4 ? dpl > c->cpl :
	    rpl > c->cpl || dpl != c->cpl))
		cpu_gp(c, i, selector & ~3);
	if (!desc_p(d))
		cpu_fault_error(c, i, EXC_NP, selector & ~3);
	return descriptor_segment(d, (selector & ~3) | c->cpl);
}

/* What a gate in the GDT leads to (5.8.2, 5.8.3). */
struct gate {
	struct descriptor target;
	uint16_t selector;
	uint64_t off;
	unsigned size, words;
};

static void
check_gate(struct cpu *c, const struct insn *i, const struct descriptor *d,
    uint16_t selector)
{
	if (desc_dpl(d) < c->cpl || desc_dpl(d) < (selector & 3u))
		cpu_gp(c, i, selector & ~3);
	if (!desc_p(d))
		cpu_fault_error(c, i, EXC_NP, selector & ~3);
}

static void
open_gate(struct cpu *c, const struct insn *i, const struct descriptor *d,
    uint16_t selector, struct gate *g)
{
	bool wide = cpu_long_mode(c);

	check_gate(c, i, d, selector);
	g->selector = d->raw >> 16;
	g->words = d->raw >> 32 & 31;
	g->size = wide ? 8 : desc_type(d) & 8 ? 4 : 2;
	g->off = (d->raw & 0xffff) | (g->size == 2 ? 0 :
	    d->raw >> 32 & 0xffff0000);
	if (wide)
		g->off |= d->base_high;
	if (!(g->selector & ~3))
		cpu_gp(c, i, 0);
	if (!descriptor_read(c, i, g->selector, &g->target) ||
	    !desc_s(&g->target) || !(desc_type(&g->target) & 8) ||
	    desc_dpl(&g->target) > c->cpl ||
	    (wide && (!desc_l(&g->target) || desc_d(&g->target))))
		cpu_gp(c, i, g->selector & ~3);
	if (!desc_p(&g->target))
		cpu_fault_error(c, i, EXC_NP, g->selector & ~3);
}

static void
arrive(struct cpu *c, const struct insn *i, const struct cpu_segment *cs,
    unsigned cpl, uint64_t off)
{
	cpu_set_cs(c, cs, cpl);
	cpu_resume(c, off);
}

static bool
is_code(const struct descriptor *d)
{
	return desc_s(d) && (desc_type(d) & 8);
}

/* A system descriptor type that far transfers know; long mode has call gates
 * alone. */
static bool
is_call_gate(const struct cpu *c, const struct descriptor *d)
{
	return !desc_s(d) && (desc_type(d) == 12 ||
	    (desc_type(d) == 4 && !cpu_long_mode(c)));
}

/* JMP and CALL to TSS or task gate (7.3). */
static void
to_task(struct cpu *c, const struct insn *i, const struct descriptor *d,
    uint16_t selector, enum task_switch how)
{
	unsigned type = desc_type(d);

	if (desc_s(d) || cpu_long_mode(c) ||
	    (type != 1 && type != 9 && type != 5))
		cpu_gp(c, i, selector & ~3);
	check_gate(c, i, d, selector);
	task_switch(c, i, type == 5 ? d->raw >> 16 : selector, how, false, 0,
	    insn_next_rip(c, i));
	cpu_resume(c, c->rip);
}

static void
read_target(struct cpu *c, const struct insn *i, uint16_t selector,
    struct descriptor *d)
{
	if (!(selector & ~3))
		cpu_gp(c, i, 0);
	if (!descriptor_read(c, i, selector, d))
		cpu_gp(c, i, selector & ~3);
}

void
cpu_far_jump(struct cpu *c, const struct insn *i, uint16_t selector,
    uint64_t off)
{
	struct descriptor d;
	struct cpu_segment cs;
	struct gate g;

	if (!cpu_protected(c) || cpu_v86(c)) {
		if (off > c->seg[SEG_CS].limit)
			cpu_gp(c, i, 0);
		cpu_set_real_segment(c, SEG_CS, selector);
		cpu_resume(c, off);
		return;
	}
	read_target(c, i, selector, &d);
	if (is_code(&d)) {
		cs = direct_code(c, i, &d, selector);
		check_offset(c, i, &cs, off);
		descriptor_set_bits(c, i, &d, DESC_ACCESSED);
		arrive(c, i, &cs, c->cpl, off);
	} else if (is_call_gate(c, &d)) {
		open_gate(c, i, &d, selector, &g);
		/* a jump does not change the level */
		if (!(desc_type(&g.target) & 4) &&
		    desc_dpl(&g.target) != c->cpl)
			cpu_gp(c, i, g.selector & ~3);
		cs = descriptor_segment(&g.target, g.selector);
		check_offset(c, i, &cs, g.off);
		descriptor_set_bits(c, i, &g.target, DESC_ACCESSED);
		arrive(c, i, &cs, c->cpl, g.off);
	} else {
		to_task(c, i, &d, selector, TASK_JUMP);
	}
}

/* Stores of a call to a stack given explicitly. */
static void
store_sized(struct cpu *c, const struct insn *i, uint64_t lin, unsigned size,
    uint64_t v)
{
	cpu_system_store(c, i, lin, size, v);
}

static void
call_inner(struct cpu *c, const struct insn *i, struct gate *g,
    unsigned level)
{
	struct cpu_segment ss = { .selector = level,
	    .attr = 0x93 | level << 5 }, cs;
	struct descriptor d = { 0 };
	uint16_t selector;
	uint64_t sp, mask, params[31];
	unsigned n = g->size, words = cpu_long_mode(c) ? 0 : g->words, total;

	task_stack(c, i, level, &selector, &sp);
	if (!cpu_long_mode(c)) {
		ss = segment_check_ss(c, i, selector, level, EXC_TS, &d);
		mask = ss.attr & ATTR_D ? 0xffffffff : 0xffff;
	} else {
		mask = ~0ull;
	}
	for (unsigned k = 0; k < words; k++)
		params[k] = peek(c, i, k * n, n);
	cs = descriptor_segment(&g->target, (g->selector & ~3) | level);
	check_offset(c, i, &cs, g->off);
	total = (4 + words) * n;
	if (mask != ~0ull) {
		uint64_t low = (sp - total) & mask;
		bool down = (ss.attr & 0xc) == 4;

		if (low + total - 1 > mask || (down ? low <= ss.limit :
		    low + total - 1 > ss.limit))
			cpu_fault_error(c, i, EXC_SS, selector & ~3);
	}
	for (unsigned k = 0; k < 4 + words; k++) {
		uint64_t at = (sp - (k + 1) * n) & mask, v;

		v = k == 0 ? c->seg[SEG_SS].selector : k == 1 ? c->gpr[RSP] :
		    k < 2 + words ? params[words - 1 - (k - 2)] :
		    k == 2 + words ? c->seg[SEG_CS].selector :
		    insn_next_rip(c, i);
		store_sized(c, i, mask == ~0ull ? at :
		    (uint32_t)(ss.base + at), n, v);
	}
	if (d.at)
		descriptor_set_bits(c, i, &d, DESC_ACCESSED);
	descriptor_set_bits(c, i, &g->target, DESC_ACCESSED);
	c->seg[SEG_SS] = ss;
	c->gpr[RSP] = mask == ~0ull ? sp - total :
	    (sp & ~mask) | ((sp - total) & mask);
	arrive(c, i, &cs, level, g->off);
}

/* Pushes CS and the return address on the stack in force. */
static void
push_return(struct cpu *c, const struct insn *i, unsigned size)
{
	uint64_t cs = cpu_stack_linear(c, i, -(int64_t)size, size, TLB_WRITE);
	uint64_t ip = cpu_stack_linear(c, i, -2 * (int64_t)size, size,
	    TLB_WRITE);

	cpu_probe(c, i, cs, size, TLB_WRITE);
	cpu_probe(c, i, ip, size, TLB_WRITE);
	cpu_push(c, i, size, c->seg[SEG_CS].selector);
	cpu_push(c, i, size, insn_next_rip(c, i));
}

void
cpu_far_call(struct cpu *c, const struct insn *i, uint16_t selector,
    uint64_t off)
{
	struct descriptor d;
	struct cpu_segment cs;
	struct gate g;

	if (!cpu_protected(c) || cpu_v86(c)) {
		if (off > c->seg[SEG_CS].limit)
			cpu_gp(c, i, 0);
		push_return(c, i, i->size);
		cpu_set_real_segment(c, SEG_CS, selector);
		cpu_resume(c, off);
		return;
	}
	read_target(c, i, selector, &d);
	if (is_code(&d)) {
		cs = direct_code(c, i, &d, selector);
		check_offset(c, i, &cs, off);
		push_return(c, i, i->size);
		descriptor_set_bits(c, i, &d, DESC_ACCESSED);
		arrive(c, i, &cs, c->cpl, off);
	} else if (is_call_gate(c, &d)) {
		open_gate(c, i, &d, selector, &g);
		if (!(desc_type(&g.target) & 4) &&
		    desc_dpl(&g.target) < c->cpl) {
			call_inner(c, i, &g, desc_dpl(&g.target));
			return;
		}
		cs = descriptor_segment(&g.target, g.selector);
		check_offset(c, i, &cs, g.off);
		push_return(c, i, g.size);
		descriptor_set_bits(c, i, &g.target, DESC_ACCESSED);
		arrive(c, i, &cs, c->cpl, g.off);
	} else {
		to_task(c, i, &d, selector, TASK_CALL);
	}
}

/* --- Returns ----------------------------------------------------------------------------------------- */

/* Data segments that the outer level may not use become null (RET, IRET). */
static void
drop_inner_segments(struct cpu *c)
{
	static const uint8_t data[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };

	for (unsigned n = 0; n < 4; n++) {
		struct cpu_segment *s = &c->seg[data[n]];
		unsigned type = s->attr & ATTR_TYPE;

		if (attr_dpl(s->attr) < c->cpl && (type & 0xc) != 0xc &&
		    (s->attr & (ATTR_P | ATTR_S))) {
			s->selector = 0;
			s->attr = 0;
			if (!cpu_long_mode(c))
				s->base = 0, s->limit = 0;
		}
	}
}

/* The code segment a return goes to; *level: its CPL. */
static struct cpu_segment
return_code(struct cpu *c, const struct insn *i, uint16_t selector,
    struct descriptor *d)
{
	unsigned rpl = selector & 3;
	uint32_t error = selector & ~3;

	if (!error)
		cpu_gp(c, i, 0);
	if (!descriptor_read(c, i, selector, d) || !is_code(d) ||
	    rpl < c->cpl || bad_long_code(c, d) ||
	    (desc_type(d) & 4 ? desc_dpl(d) > rpl : desc_dpl(d) != rpl))
		cpu_gp(c, i, error);
	if (!desc_p(d))
		cpu_fault_error(c, i, EXC_NP, error);
	return descriptor_segment(d, selector);
}

/* SS of a return to an outer level; long mode allows a null one to 64-bit
 * code at levels 0 to 2. */
static struct cpu_segment
return_stack(struct cpu *c, const struct insn *i, uint16_t selector,
    unsigned level, const struct cpu_segment *cs)
{
	struct descriptor d;
	struct cpu_segment ss;

	if (!(selector & ~3)) {
		if (!(cpu_long_mode(c) && (cs->attr & ATTR_L) && level != 3 &&
		    (selector & 3) == level))
			cpu_gp(c, i, 0);
		return (struct cpu_segment){ .selector = selector,
		    .attr = 0x93 | level << 5 };
	}
	ss = segment_check_ss(c, i, selector, level, EXC_GP, &d);
	descriptor_set_bits(c, i, &d, DESC_ACCESSED);
	ss.attr |= 1;
	return ss;
}

static void
set_outer_sp(struct cpu *c, const struct cpu_segment *ss, bool code64,
    uint64_t sp)
{
	if (code64)
		c->gpr[RSP] = sp;
	else if (ss->attr & ATTR_D)
		c->gpr[RSP] = (uint32_t)sp;
	else
		gpr_put16(c, RSP * 8, sp);
}

void
cpu_far_return(struct cpu *c, const struct insn *i, unsigned release)
{
	unsigned n = i->size;
	uint64_t rip = peek(c, i, 0, n);
	uint16_t selector = peek(c, i, n, n);
	struct descriptor d;
	struct cpu_segment cs, ss;
	unsigned level;
	uint64_t sp;

	if (!cpu_protected(c) || cpu_v86(c)) {
		if (rip > c->seg[SEG_CS].limit)
			cpu_gp(c, i, 0);
		cpu_set_sp(c, c->gpr[RSP] + 2 * n + release);
		cpu_set_real_segment(c, SEG_CS, selector);
		cpu_resume(c, rip);
		return;
	}
	cs = return_code(c, i, selector, &d);
	level = selector & 3;
	check_offset(c, i, &cs, rip);
	if (level == c->cpl) {
		descriptor_set_bits(c, i, &d, DESC_ACCESSED);
		cpu_set_sp(c, c->gpr[RSP] + 2 * n + release);
		arrive(c, i, &cs, level, rip);
		return;
	}
	sp = peek(c, i, 2 * n + release, n);
	ss = return_stack(c, i, peek(c, i, 3 * n + release, n), level, &cs);
	descriptor_set_bits(c, i, &d, DESC_ACCESSED);
	c->seg[SEG_SS] = ss;
	set_outer_sp(c, &ss, cpu_long_mode(c) && (cs.attr & ATTR_L),
	    sp + release);
	cpu_set_cs(c, &cs, level);
	drop_inner_segments(c);
	cpu_mode_changed(c);
	cpu_resume(c, rip);
}

/* Flags an IRET or POPF of size n may change at this CPL and IOPL. */
static uint32_t
iret_mask(const struct cpu *c, unsigned n)
{
	uint32_t mask = FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT;

	if (n != 2)
		mask |= FLAG_RF | FLAG_AC | FLAG_ID;
	if (c->cpl <= cpu_iopl(c))
		mask |= FLAG_IF;
	if (c->cpl == 0) {
		mask |= FLAG_IOPL;
		if (n != 2)
			mask |= FLAG_VIF | FLAG_VIP;
	}
	return mask;
}

static void
iret_real(struct cpu *c, const struct insn *i)
{
	unsigned n = i->size;
	uint32_t mask = FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_IF;
	uint64_t rip, flags;
	uint16_t selector;

	if (cpu_v86(c) && cpu_iopl(c) < 3) {
		uint32_t f;

		/* 20.3.1.. VME: 16-bit IRET works on VIF */
		if (!(c->cr4 & CR4_VME) || n != 2)
			cpu_gp(c, i, 0);
		f = peek(c, i, 4, 2);
		if (((f & FLAG_IF) && (c->eflags & FLAG_VIP)) || (f & FLAG_TF))
			cpu_gp(c, i, 0);
	}
	rip = peek(c, i, 0, n);
	selector = peek(c, i, n, n);
	flags = peek(c, i, 2 * n, n);
	if (rip > c->seg[SEG_CS].limit)
		cpu_gp(c, i, 0);
	if (!cpu_v86(c))
		mask |= FLAG_IOPL;
	if (n != 2)
		mask |= FLAG_RF | FLAG_AC | FLAG_ID;
	if (cpu_v86(c) && cpu_iopl(c) < 3) {
		mask &= ~FLAG_IF;
		c->eflags = flags & FLAG_IF ? c->eflags | FLAG_VIF :
		    c->eflags & ~FLAG_VIF;
	}
	cpu_set_sp(c, c->gpr[RSP] + 3 * n);
	cpu_set_real_segment(c, SEG_CS, selector);
	cpu_set_eflags(c, flags, mask);
	cpu_resume(c, rip);
}

/* Back to virtual-8086 mode (20.2.2). */
static void
iret_v86(struct cpu *c, const struct insn *i, uint32_t flags, uint16_t cs,
    uint32_t rip)
{
	uint32_t sp = peek(c, i, 12, 4);
	uint16_t sel[6];

	sel[SEG_SS] = peek(c, i, 16, 4);
	sel[SEG_ES] = peek(c, i, 20, 4);
	sel[SEG_DS] = peek(c, i, 24, 4);
	sel[SEG_FS] = peek(c, i, 28, 4);
	sel[SEG_GS] = peek(c, i, 32, 4);
	sel[SEG_CS] = cs;
	cpu_set_eflags(c, flags, ~0u);
	c->gpr[RSP] = sp;
	for (unsigned n = 0; n < 6; n++)
		c->seg[n] = (struct cpu_segment){ .selector = sel[n],
		    .base = (uint32_t)sel[n] << 4, .limit = 0xffff,
		    .attr = 0xf3 };
	c->cpl = 3;
	blocks_forget_jumps(c);
	cpu_mode_changed(c);
	cpu_resume(c, rip & 0xffff);
}

void
cpu_iret(struct cpu *c, const struct insn *i)
{
	unsigned n = i->size, level;
	uint64_t rip, sp = 0;
	uint32_t flags, mask;
	uint16_t selector;
	struct descriptor d;
	struct cpu_segment cs, ss = c->seg[SEG_SS];
	bool outer;

	c->nmi_blocked = false;
	if (!cpu_protected(c) || cpu_v86(c)) {
		iret_real(c, i);
		return;
	}
	if (c->eflags & FLAG_NT) {
		if (cpu_long_mode(c))
			cpu_gp(c, i, 0);
		task_switch(c, i, cpu_system_load(c, i, c->tr.base, 2),
		    TASK_IRET, false, 0, insn_next_rip(c, i));
		cpu_resume(c, c->rip);
		return;
	}
	rip = peek(c, i, 0, n);
	selector = peek(c, i, n, n);
	flags = peek(c, i, 2 * n, n);
	if ((flags & FLAG_VM) && c->cpl == 0 && n == 4 && !cpu_long_mode(c)) {
		iret_v86(c, i, flags, selector, rip);
		return;
	}
	cs = return_code(c, i, selector, &d);
	level = selector & 3;
	check_offset(c, i, &cs, rip);
	/* In 64-bit mode SS:RSP is always popped. */
	outer = level > c->cpl || c->bits == DECODE_64;
	if (outer) {
		sp = peek(c, i, 3 * n, n);
		ss = return_stack(c, i, peek(c, i, 4 * n, n), level, &cs);
	}
	descriptor_set_bits(c, i, &d, DESC_ACCESSED);
	mask = iret_mask(c, n);
	if (outer) {
		c->seg[SEG_SS] = ss;
		set_outer_sp(c, &ss, cpu_long_mode(c) && (cs.attr & ATTR_L),
		    sp);
	} else {
		cpu_set_sp(c, c->gpr[RSP] + 3 * n);
	}
	level = level < c->cpl ? c->cpl : level;
	outer = level > c->cpl;
	cpu_set_eflags(c, flags, mask);
	cpu_set_cs(c, &cs, level);
	if (outer)
		drop_inner_segments(c);
	cpu_mode_changed(c);
	cpu_resume(c, rip);
}
