/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * interp.c - the loop that runs decoded blocks
 *
 * Blocks run each other (block.h) until the fuel is used up; then the loop
 * looks at what others ask of this processor: at most FUEL blocks, a few
 * microseconds, pass between a request and its being seen.  Instructions
 * whose consequences must be seen at once end their block and go to the loop.
 *
 * A fault unwinds to interp_run(), which delivers it; the handler has changed
 * nothing yet, so the state is that before the instruction.
 *
 * Some states take one instruction at a time (cpu_careful()): single stepping,
 * breakpoints, the instruction after STI or MOV SS, the last bytes before a
 * segment's limit.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/block.h"
#include "cpu/debug.h"
#include "cpu/fp.h"
#include "cpu/interp.h"
#include "cpu/paging.h"
#include "cpu/table.h"

#define FUEL 256
#define WRITTEN 128u		/* code writes by others that fit the queue */

struct interp {
	pthread_mutex_t lock;	/* guards all of this; innermost */
	pthread_cond_t wake;
	bool sleeps;
	unsigned n;		/* > WRITTEN: all code is in doubt */
	struct {
		uint64_t frame, lines;
		bool added;	/* not written: somebody decoded it */
	} written[WRITTEN];
};

static __thread struct cpu *running;	/* this thread's processor */

/* --- Faults --------------------------------------------------------------------- */

static _Noreturn void
unwind(struct cpu *c, const struct insn *i)
{
	c->at = i;
	if (i)
		c->rip = insn_rip(c, i);
	c->next_block = NULL;
	_longjmp(c->unwind, 1);
}

void
cpu_fault(struct cpu *c, const struct insn *i, unsigned vector)
{
	c->fault.vector = vector;
	c->fault.has_error = c->fault.soft = false;
	c->fault.error = 0;
	unwind(c, i);
}

void
cpu_fault_error(struct cpu *c, const struct insn *i, unsigned vector,
    uint32_t error)
{
	c->fault.vector = vector;
	c->fault.has_error = true;
	c->fault.soft = false;
	c->fault.error = error;
	unwind(c, i);
}

void
cpu_soft_interrupt(struct cpu *c, const struct insn *i, unsigned vector)
{
	c->fault.vector = vector;
	c->fault.has_error = false;
	c->fault.soft = true;
	unwind(c, i);
}

/* --- From block to block ----------------------------------------------------------- */

static uint64_t
code_linear(const struct cpu *c, uint64_t rip)
{
	return c->bits == DECODE_64 ? rip :
	    (uint32_t)(c->seg[SEG_CS].base + rip);
}

uint64_t
cpu_check_target(struct cpu *c, const struct insn *i, uint64_t rip)
{
	if (c->bits == DECODE_64) {
		if (unlikely(!cpu_canonical(rip)))
			cpu_gp(c, i, 0);
		return rip;
	}
	rip &= i->size == 2 ? 0xffff : 0xffffffff;
	if (unlikely(rip > c->seg[SEG_CS].limit))
		cpu_gp(c, i, 0);
	return rip;
}

/* All of the block lies below the limit, or it is no question. */
static bool
within_limit(const struct cpu *c, const struct block *b, uint64_t rip)
{
	return c->bits == DECODE_64 || c->flat ||
	    rip + b->bytes - 1 <= c->seg[SEG_CS].limit;
}

/* To rip, not by a chain; keeps one in *slot if it may be one: the target lies
 * in the same page, its address did not wrap, it is no lonely instruction. */
static void
jump_far(struct cpu *c, const struct insn *i, uint64_t rip, uint64_t delta,
    void *slot)
{
	uint64_t from = code_linear(c, c->gpr[REG_BLOCK]);
	uint64_t to = code_linear(c, rip);
	struct block *b = jump_find(c, rip);

	if (!b || b->dead) {
		/* The loop decodes it, and faults for it. */
		block_leave(c, NULL, rip);
		return;
	}
	if (slot && (from ^ to) < PAGE_SIZE && to - from == delta &&
	    !(i->flags & INSN_ALONE))
		memcpy(slot, &b, sizeof(b));
	if (--c->fuel <= 0 || !within_limit(c, b, rip)) {
		block_leave(c, NULL, rip);
		return;
	}
	block_enter(c, b, rip);
}

void
cpu_jump_direct(struct cpu *c, const struct insn *i)
{
	uint64_t rip = cpu_check_target(c, i, c->gpr[REG_BLOCK] + i->imm);
	struct block *b = chain_target(i);

	if (b && c->fuel > 0 && rip - c->gpr[REG_BLOCK] == i->imm &&
	    within_limit(c, b, rip) && --c->fuel > 0)
		block_enter(c, b, rip);
	else
		jump_far(c, i, rip, i->imm, (void *)&i->disp);
}

/* The next instruction's; IP wraps at 64 KiB, beyond another limit the fetch
 * faults. */
static uint64_t
next_rip(const struct cpu *c, const struct insn *i)
{
	uint64_t rip = insn_next_rip(c, i);

	return c->bits == DECODE_16 && c->seg[SEG_CS].limit == 0xffff ?
	    rip & 0xffff : rip;
}

void
cpu_jump_next(struct cpu *c, const struct insn *i)
{
	uint64_t delta = i->pos + i->len, rip = next_rip(c, i);
	struct block *b = chain_next(i);

	if (b && c->fuel > 0 && rip - c->gpr[REG_BLOCK] == delta &&
	    within_limit(c, b, rip) && --c->fuel > 0)
		block_enter(c, b, rip);
	else
		jump_far(c, i, rip, delta, (void *)&i->amask);
}

void
cpu_jump_rip(struct cpu *c, const struct insn *i, uint64_t rip)
{
	jump_far(c, i, cpu_check_target(c, i, rip), 0, NULL);
}

void
cpu_resume(struct cpu *c, uint64_t rip)
{
	block_leave(c, NULL, rip);
}

void
x_block_next(struct cpu *c, const struct insn *i)
{
	cpu_jump_next(c, i);
}

void
x_block_loop(struct cpu *c, const struct insn *i)
{
	block_leave(c, NULL, next_rip(c, i));
}

/* --- Modes ---------------------------------------------------------------------------- */

static bool
spans_all(const struct cpu_segment *s, bool data)
{
	/* present, data: writable and not expand-down */
	return s->base == 0 && s->limit == 0xffffffff && (s->attr & 0x80) &&
	    (!data || (s->attr & 0x0e) == 0x02);
}

void
cpu_mode_changed(struct cpu *c)
{
	uint16_t cs = c->seg[SEG_CS].attr;
	uint8_t bits = c->bits;
	bool flat = c->flat, no_vex = c->no_vex;

	if ((c->efer & EFER_LMA) && (cs & 0x2000))
		c->bits = DECODE_64;
	else
		c->bits = cs & 0x4000 && !(c->eflags & FLAG_VM) ?
		    DECODE_32 : DECODE_16;
	c->stack64 = c->bits == DECODE_64;
	c->stack32 = c->seg[SEG_SS].attr & 0x4000;
	c->flat = c->bits == DECODE_32 && c->stack32 &&
	    (c->cr0 & CR0_PE) && spans_all(&c->seg[SEG_CS], false) &&
	    spans_all(&c->seg[SEG_SS], true) &&
	    spans_all(&c->seg[SEG_DS], true) &&
	    spans_all(&c->seg[SEG_ES], true);
	c->no_vex = !(c->cr0 & CR0_PE) || c->eflags & FLAG_VM;
	if (c->bits != bits || c->flat != flat || c->no_vex != no_vex)
		blocks_forget_jumps(c);
	paging_select_view(c);
	fp_mode_changed(c);
}

uint32_t
cpu_eflags(const struct cpu *c)
{
	return c->eflags | flags_get(&c->flags) | FLAG_1 |
	    (c->df < 0 ? FLAG_DF : 0);
}

void
cpu_set_eflags(struct cpu *c, uint32_t v, uint32_t mask)
{
	uint32_t rest = ~(FLAGS_ARITH | FLAG_DF | FLAG_1);
	uint32_t old = c->eflags;

	v = (v & mask) | (cpu_eflags(c) & ~mask);
	flags_put(&c->flags, v);
	c->df = v & FLAG_DF ? -1 : 1;
	c->eflags = v & rest;
	if ((old ^ c->eflags) & (FLAG_AC | FLAG_VM))
		cpu_mode_changed(c);
}

/* --- The loop ---------------------------------------------------------------------------- */

static void
see_written(struct cpu *c)
{
	struct interp *s = c->interp;

	pthread_mutex_lock(&s->lock);
	if (s->n > WRITTEN) {
		blocks_flush(c);
		paging_flush_views(c);
	} else {
		for (unsigned n = 0; n < s->n; n++)
			if (s->written[n].added)
				paging_protect(c, s->written[n].frame);
			else
				blocks_written(c, s->written[n].frame,
				    s->written[n].lines);
	}
	s->n = 0;
	pthread_mutex_unlock(&s->lock);
}

/* Requests, the urgent first; false: leave with *why. */
static bool
see_requests(struct cpu *c, unsigned req, enum cpu_exit *why)
{
	int vector;

	if (req & CPU_REQ_EXIT) {
		atomic_fetch_and(&c->requests, ~CPU_REQ_EXIT);
		*why = CPU_EXIT_REQUEST;
		return false;
	}
	if (req & CPU_REQ_FLUSH) {
		atomic_fetch_and(&c->requests, ~CPU_REQ_FLUSH);
		paging_flush_all(c);
	}
	if (req & CPU_REQ_CODE) {
		atomic_fetch_and(&c->requests, ~CPU_REQ_CODE);
		see_written(c);
	}
	if (req & CPU_REQ_INIT) {
		atomic_fetch_and(&c->requests, ~CPU_REQ_INIT);
		cpu_reset_state(c, true);
	}
	if (req & CPU_REQ_SIPI) {
		atomic_fetch_and(&c->requests, ~CPU_REQ_SIPI);
		if (c->waits_for_sipi) {
			c->waits_for_sipi = false;
			c->seg[SEG_CS].selector = c->sipi_vector << 8;
			c->seg[SEG_CS].base = c->sipi_vector << 12;
			c->rip = 0;
			cpu_mode_changed(c);
		}
	}
	if (c->waits_for_sipi) {
		*why = CPU_EXIT_HALT;
		return false;
	}
	if ((req & CPU_REQ_NMI) && !c->nmi_blocked && !c->shadow) {
		atomic_fetch_and(&c->requests, ~CPU_REQ_NMI);
		c->halted = false;
		c->nmi_blocked = true;
		fault_deliver(c, EXC_NMI, EVENT_EXTERNAL, false, 0);
	} else if ((req & CPU_REQ_INTR) && (c->eflags & FLAG_IF) &&
	    !c->shadow) {
		atomic_fetch_and(&c->requests, ~CPU_REQ_INTR);
		vector = c->apic.acknowledge(c->apic.opaque);
		if (vector >= 0) {
			c->halted = false;
			fault_deliver(c, vector, EVENT_EXTERNAL, false, 0);
		}
	}
	return true;
}

static bool
careful(const struct cpu *c)
{
	return (c->eflags & (FLAG_TF | FLAG_RF)) || c->shadow ||
	    c->pending_db || debug_active(c);
}

static void
step(struct cpu *c)
{
	bool trap = c->eflags & FLAG_TF;
	uint64_t lin = code_linear(c, c->rip);
	uint64_t rip;
	uint32_t hits = 0, db;
	struct block *b;

	if (debug_active(c) && !(c->eflags & FLAG_RF) &&
	    c->shadow != SHADOW_SS)
		hits = debug_match_fetch(c, lin);
	if (hits) {
		c->dr[6] = (c->dr[6] & ~0xfull) | hits;
		cpu_fault(c, NULL, EXC_DB);
	}
	b = block_single(c, lin);
	if (!within_limit(c, b, c->rip))
		cpu_gp(c, NULL, 0);
	c->shadow = 0;
	c->eflags &= ~FLAG_RF;
	c->fuel = 1;
	rip = c->rip;
	block_enter(c, b, rip);
	if (c->shadow == SHADOW_SS)
		return;		/* traps wait for the next one */
	if (b->insn[0].id == INSN_SYSCALL || b->insn[0].id == INSN_SYSRET)
		trap = false;	/* they look at the new TF (transfer.c) */
	/* 17.3.1.1: a trap before the last iteration has RF in its image. */
	if (c->rip == rip &&
	    b->insn[0].prefix & (PREFIX_REP | PREFIX_REPNE))
		c->eflags |= FLAG_RF;
	db = c->pending_db | (trap ? 0x4000 : 0);
	c->pending_db = 0;
	if (db)
		fault_debug_trap(c, db);
}

static enum cpu_exit
loop(struct cpu *c)
{
	enum cpu_exit why;
	struct block *b;
	unsigned req;

	for (;;) {
		req = atomic_load_explicit(&c->requests,
		    memory_order_acquire);
		if (unlikely(req || c->waits_for_sipi) &&
		    !see_requests(c, req, &why))
			return why;
		if (unlikely(c->halted))
			return CPU_EXIT_HALT;
		blocks_tidy(c);
		if (unlikely(careful(c))) {
			if (c->pending_db && c->shadow != SHADOW_SS) {
				/* of a task switch or SYSRET that ran in a
				 * block: before anything else */
				uint32_t db = c->pending_db;

				c->pending_db = 0;
				fault_debug_trap(c, db);
				continue;
			}
			step(c);
			continue;
		}
		b = c->next_block ? c->next_block : jump_find(c, c->rip);
		c->next_block = NULL;
		if (!b || unlikely(b->dead))
			b = block_at(c, c->rip, code_linear(c, c->rip));
		if (!b || !within_limit(c, b, c->rip)) {
			step(c);
			continue;
		}
		c->fuel = FUEL;
		block_enter(c, b, c->rip);
	}
}

/* true: run() came back; false: it raised *f. */
static bool
catch(struct cpu *c, void (*run)(struct cpu *), struct step_fault *f)
{
	running = c;
	fp_enter(c);
	blocks_tidy(c);
	if (_setjmp(c->unwind) == 0) {
		run(c);
		fp_leave(c);
		running = NULL;
		return true;
	}
	fp_leave(c);
	running = NULL;
	f->vector = c->fault.vector;
	f->error = c->fault.error;
	f->has_error = c->fault.has_error;
	f->soft = c->fault.soft;
	if (c->fault.soft)
		c->rip = insn_next_rip(c, c->at);
	c->delivering = -1;
	return false;
}

bool
interp_step(struct cpu *c, struct step_fault *f)
{
	return catch(c, step, f);
}

static void
run_on(struct cpu *c)
{
	loop(c);
}

bool
interp_run_to_fault(struct cpu *c, struct step_fault *f)
{
	return !catch(c, run_on, f);
}

static enum cpu_exit
interp_run(struct cpu *c)
{
	enum cpu_exit why;

	running = c;
	fp_enter(c);
	why = CPU_EXIT_SHUTDOWN;
	if (_setjmp(c->unwind) == 0 || fault_raised(c))
		why = loop(c);
	fp_leave(c);
	running = NULL;
	return why;
}

/* --- Requests by others ------------------------------------------------------------------- */

static void
interp_request(struct cpu *c, unsigned bits)
{
	struct interp *s = c->interp;

	/* INIT forgets a SIPI before it; one after it, which may come before
	 * this processor has seen either, counts. */
	if (bits & CPU_REQ_INIT)
		atomic_fetch_and(&c->requests, ~CPU_REQ_SIPI);
	atomic_fetch_or(&c->requests, bits);
	pthread_mutex_lock(&s->lock);
	if (s->sleeps)
		pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

static void
interp_sipi(struct cpu *c, uint8_t vector)
{
	atomic_store(&c->sipi_vector, vector);
	interp_request(c, CPU_REQ_SIPI);
}

static bool
wakes(struct cpu *c)
{
	unsigned req = atomic_load(&c->requests);

	if (!(c->eflags & FLAG_IF) || c->waits_for_sipi)
		req &= ~CPU_REQ_INTR;
	if (c->nmi_blocked || c->waits_for_sipi)
		req &= ~CPU_REQ_NMI;
	return req;
}

static void
interp_wait(struct cpu *c)
{
	struct interp *s = c->interp;

	pthread_mutex_lock(&s->lock);
	s->sleeps = true;
	while (!wakes(c))
		pthread_cond_wait(&s->wake, &s->lock);
	s->sleeps = false;
	pthread_mutex_unlock(&s->lock);
}

static void
queue_code(struct cpu *c, uint64_t frame, uint64_t lines, bool added)
{
	struct interp *s = c->interp;

	pthread_mutex_lock(&s->lock);
	if (s->n < WRITTEN) {
		s->written[s->n].frame = frame;
		s->written[s->n].lines = lines;
		s->written[s->n++].added = added;
	} else {
		s->n = WRITTEN + 1;
	}
	pthread_mutex_unlock(&s->lock);
	interp_request(c, CPU_REQ_CODE);
}

static void
code_written(void *opaque, uint64_t frame, uint64_t lines)
{
	struct cpu *c = opaque;

	if (running == c)
		blocks_written(c, frame, lines);
	else
		queue_code(c, frame, lines, false);
}

static void
code_added(void *opaque, uint64_t frame)
{
	struct cpu *c = opaque;

	if (running != c)	/* its own it has seen to (block.c) */
		queue_code(c, frame, 0, true);
}

static void
layout_changed(void *opaque)
{
	interp_request(opaque, CPU_REQ_FLUSH);
}

/* --- Making and freeing ----------------------------------------------------------------------- */

static void
interp_free(struct cpu *c)
{
	if (!c)
		return;
	mem_unlisten(c->mem, c);
	blocks_free(c);
	paging_free(c);
	if (c->interp) {
		pthread_mutex_destroy(&c->interp->lock);
		pthread_cond_destroy(&c->interp->wake);
		free(c->interp);
	}
	free(c);
}

static void
interp_reset(struct cpu *c)
{
	cpu_reset_state(c, false);
	blocks_flush(c);
}

static struct cpu *
interp_new(struct mem *mem, struct bus *bus, const struct cpu_model *model,
    unsigned id, const struct cpu_apic *apic, struct error *err)
{
	struct cpu *c = aligned_alloc(64, (sizeof(*c) + 63) & ~63ul);
	struct mem_listener listener = { layout_changed, code_written,
	    code_added, c };

	if (!c) {
		error_set(err, ENOMEM, "processor %u", id);
		return NULL;
	}
	memset(c, 0, sizeof(*c));
	c->mem = mem;
	c->bus = bus;
	c->model = model;
	c->id = id;
	c->apic = *apic;
	c->delivering = -1;
	c->interp = calloc(1, sizeof(*c->interp));
	if (!c->interp) {
		error_set(err, ENOMEM, "processor %u", id);
		goto fail;
	}
	pthread_mutex_init(&c->interp->lock, NULL);
	pthread_cond_init(&c->interp->wake, NULL);
	if (paging_init(c, err) < 0 || blocks_init(c, err) < 0)
		goto fail;
	cpu_reset_state(c, false);
	mem_listen(mem, &listener);
	return c;
fail:
	interp_free(c);
	return NULL;
}

static void
interp_get(struct cpu *c, struct cpu_regs *r)
{
	memcpy(r->gpr, c->gpr, sizeof(r->gpr));
	r->rip = c->rip;
	r->rflags = cpu_eflags(c);
	memcpy(r->seg, c->seg, sizeof(r->seg));
	r->ldtr = c->ldtr;
	r->tr = c->tr;
	r->gdt_base = c->gdt_base;
	r->gdt_limit = c->gdt_limit;
	r->idt_base = c->idt_base;
	r->idt_limit = c->idt_limit;
	r->cr0 = c->cr0;
	r->cr2 = c->cr2;
	r->cr3 = c->cr3;
	r->cr4 = c->cr4;
	r->cr8 = c->apic.tpr ? c->apic.tpr(c->apic.opaque) : c->cr8;
	r->efer = c->efer;
	memcpy(r->dr, c->dr, sizeof(r->dr));
}

static void
interp_set(struct cpu *c, const struct cpu_regs *r)
{
	memcpy(c->gpr, r->gpr, sizeof(r->gpr));
	c->rip = r->rip;
	memcpy(c->seg, r->seg, sizeof(r->seg));
	c->ldtr = r->ldtr;
	c->tr = r->tr;
	c->gdt_base = r->gdt_base;
	c->gdt_limit = r->gdt_limit;
	c->idt_base = r->idt_base;
	c->idt_limit = r->idt_limit;
	c->cr0 = r->cr0;
	c->cr2 = r->cr2;
	c->cr3 = r->cr3;
	c->cr4 = r->cr4;
	c->efer = r->efer;
	memcpy(c->dr, r->dr, sizeof(r->dr));
	cpu_set_eflags(c, r->rflags, ~0u);
	c->cpl = c->cr0 & CR0_PE ? c->eflags & FLAG_VM ? 3 :
	    c->seg[SEG_SS].attr >> 5 & 3 : 0;
	c->halted = c->waits_for_sipi = false;
	c->shadow = 0;
	paging_flush_all(c);
	if ((c->cr0 & CR0_PG) && (c->cr4 & CR4_PAE) && !cpu_long_mode(c))
		paging_load_pdptes(c, c->cr3);
	cpu_mode_changed(c);
}

static const char *
interp_why(struct cpu *c)
{
	return c->why;
}

const struct cpu_engine cpu_interp = {
	.name = "interp",
	.new = interp_new,
	.free = interp_free,
	.reset = interp_reset,
	.run = interp_run,
	.wait = interp_wait,
	.request = interp_request,
	.sipi = interp_sipi,
	.get = interp_get,
	.set = interp_set,
	.why = interp_why,
};
