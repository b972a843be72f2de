/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * access.c - loads and stores that the first-level tables do not answer
 *
 * Checks, page crossings, devices, code that is written to, and operands that
 * are read, changed and written as one.  Where an address lies is paging.c's
 * business.
 */
#include <pthread.h>

#include "cpu/debug.h"
#include "cpu/paging.h"

/* Held over what must be one access but cannot be one instruction: locked
 * operands that cross a page or lie in a device. */
static pthread_mutex_t split_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- The checks before a translation ------------------------------------------ */

/* A non-canonical address is #SS for the stack, else #GP (SDM 1, 3.3.7.1). */
static void
check_linear(struct cpu *c, const struct insn *i, uint64_t lin, unsigned len)
{
	if (!cpu_long_mode(c) || likely(cpu_canonical(lin) &&
	    cpu_canonical(lin + len - 1)))
		return;
	if (i && (!(i->flags & INSN_MEM) || ((i->seg == SEG_FLAT ||
	    i->seg == SEG_SS) && (i->base == RSP || i->base == RBP))))
		cpu_fault_error(c, i, EXC_SS, 0);
	cpu_gp(c, i, 0);
}

static void
check_alignment(struct cpu *c, const struct insn *i, uint64_t lin,
    unsigned size)
{
	if (unlikely(checks_alignment(c)) && (lin & (size - 1)))
		cpu_fault_error(c, i, EXC_AC, 0);
}

/* --- Devices ------------------------------------------------------------------- */

static bool
apic_page(struct cpu *c, uint64_t gpa)
{
	return c->apic.base && (gpa & ~(PAGE_SIZE - 1)) ==
	    c->apic.base(c->apic.opaque);
}

uint64_t
cpu_device_read(struct cpu *c, uint64_t gpa, unsigned size)
{
	if (apic_page(c, gpa)) {
		/* SDM 3A, 11.4.1: 32-bit registers at 16-byte steps */
		uint64_t v = c->apic.read(c->apic.opaque, gpa >> 4 & 0xff);

		return v >> 8 * (gpa & 3);
	}
	return mem_io_read(c->mem, gpa, size);
}

static void
device_write(struct cpu *c, uint64_t gpa, unsigned size, uint64_t v)
{
	c->fuel = 1;		/* interrupts may come of it */
	if (apic_page(c, gpa)) {
		if (!(gpa & 15) && size >= 4)
			c->apic.write(c->apic.opaque, gpa >> 4 & 0xff, v);
		return;
	}
	mem_io_write(c->mem, gpa, size, v);
}

static uint64_t
host_get(const uint8_t *at, unsigned size)
{
	uint64_t v = 0;

	switch (size) {
	case 1: return *at;
	case 2: return __atomic_load_n((uint16_t *)at, __ATOMIC_RELAXED);
	case 4: memcpy(&v, at, 4); return v;
	case 8: memcpy(&v, at, 8); return v;
	}
	memcpy(&v, at, size);
	return v;
}

static uint64_t
read_at(struct cpu *c, const struct place *p, unsigned size)
{
	return p->host ? host_get(p->host, size) :
	    cpu_device_read(c, p->gpa, size);
}

/*
 * After a write: who decoded these bytes drops it.  Another processor may have
 * begun to decode them meanwhile: it claims the line and then reads, we write
 * and then look, so one of the two sees the other.
 */
static void
tell_code(struct cpu *c, uint64_t gpa, unsigned size)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (mem_code_lines(c->mem, gpa >> PAGE_BITS) & mem_lines(gpa, size))
		mem_code_write(c->mem, gpa, size);
}

static void
write_at(struct cpu *c, const struct place *p, unsigned size, uint64_t v)
{
	if (p->kind == MEM_RAM) {
		memcpy(p->host, &v, size);
		tell_code(c, p->gpa, size);
	} else if (!p->host) {
		device_write(c, p->gpa, size, v);
	}
}

/* --- Loads and stores ------------------------------------------------------------ */

static uint64_t
load(struct cpu *c, const struct insn *i, uint64_t lin, unsigned size,
    bool user)
{
	unsigned first = PAGE_SIZE - (lin & (PAGE_SIZE - 1));
	struct place a, b;
	uint64_t v;

	if (!cpu_long_mode(c))
		lin = (uint32_t)lin;
	a = paging_place(c, i, lin, TLB_READ, user);
	if (likely(first >= size)) {
		v = read_at(c, &a, size);
	} else {
		b = paging_place(c, i, paging_next_page(c, lin), TLB_READ, user);
		v = 0;
		for (unsigned n = 0; n < size; n++) {
			struct place at = n < first ? a : b;
			unsigned skip = n < first ? n : n - first;

			at.gpa += skip;
			at.host += at.host ? skip : 0;
			v |= (read_at(c, &at, 1) & 0xff) << 8 * n;
		}
	}
	debug_check_access(c, lin, size, false);
	return v;
}

/* After a store: next time it may go that way. */
static void
note_beside(struct cpu *c, uint64_t lin, const struct place *p)
{
	uint64_t page = lin & ~(PAGE_SIZE - 1);

	if (p->kind != MEM_RAM || checks_alignment(c) ||
	    !mem_has_code(c->mem, p->gpa >> PAGE_BITS) ||
	    debug_watches_page(c, page))
		return;
	c->view->beside_known = true;
	c->view->beside.page = page;
	c->view->beside.add = (uint64_t)(uintptr_t)p->host - lin;
	c->view->beside_frame = p->gpa >> PAGE_BITS;
}

static void
store(struct cpu *c, const struct insn *i, uint64_t lin, unsigned size,
    uint64_t v, bool user)
{
	unsigned first = PAGE_SIZE - (lin & (PAGE_SIZE - 1));
	struct place a, b;

	if (!cpu_long_mode(c))
		lin = (uint32_t)lin;
	if (likely(first >= size)) {
		a = paging_place(c, i, lin, TLB_WRITE, user);
		write_at(c, &a, size, v);
		if (user == (c->cpl == 3))
			note_beside(c, lin, &a);
	} else {
		a = paging_place(c, i, lin, TLB_WRITE, user);
		b = paging_place(c, i, paging_next_page(c, lin), TLB_WRITE,
		    user);
		for (unsigned n = 0; n < size; n++) {
			struct place at = n < first ? a : b;
			unsigned skip = n < first ? n : n - first;

			at.gpa += skip;
			at.host += at.host ? skip : 0;
			write_at(c, &at, 1, v >> 8 * n);
		}
	}
	debug_check_access(c, lin, size, true);
}

uint64_t
cpu_load_slow(struct cpu *c, const struct insn *i, uint64_t lin, unsigned size)
{
	check_linear(c, i, lin, size);
	check_alignment(c, i, lin, size);
	return load(c, i, lin, size, c->cpl == 3);
}

/* A store to a page that holds code, but not there; false: look closer. */
static bool
store_beside(struct cpu *c, uint64_t lin, unsigned size, uint64_t v)
{
	const struct tlb_view *t = c->view;
	uint64_t lines;

	if (!t->beside_known || lin - t->beside.page > PAGE_SIZE - size)
		return false;
	lines = mem_code_lines(c->mem, t->beside_frame);
	if (!lines || (lines & mem_lines(lin, size)))
		return false;
	memcpy((void *)(uintptr_t)(lin + t->beside.add), &v, size);
	tell_code(c, t->beside_frame << PAGE_BITS | (lin & (PAGE_SIZE - 1)),
	    size);
	return true;
}

void
cpu_store_slow(struct cpu *c, const struct insn *i, uint64_t lin,
    unsigned size, uint64_t v)
{
	if (store_beside(c, lin, size, v))
		return;
	check_linear(c, i, lin, size);
	check_alignment(c, i, lin, size);
	store(c, i, lin, size, v, c->cpl == 3);
}

uint64_t
cpu_system_load(struct cpu *c, const struct insn *i, uint64_t lin,
    unsigned size)
{
	check_linear(c, i, lin, size);
	return load(c, i, lin, size, false);
}

void
cpu_system_store(struct cpu *c, const struct insn *i, uint64_t lin,
    unsigned size, uint64_t v)
{
	check_linear(c, i, lin, size);
	store(c, i, lin, size, v, false);
}

void
cpu_probe(struct cpu *c, const struct insn *i, uint64_t lin, unsigned len,
    int kind)
{

	if (len == 0 || tlb_find(c, lin, len, kind))
		return;
	check_linear(c, i, lin, len);
	if (!cpu_long_mode(c))
		lin = (uint32_t)lin;
	paging_place(c, i, lin, kind, c->cpl == 3);
	if ((lin & (PAGE_SIZE - 1)) + len > PAGE_SIZE)
		paging_place(c, i, paging_next_page(c, lin), kind,
		    c->cpl == 3);
}

static void
move_bytes(struct cpu *c, const struct insn *i, uint64_t lin, uint8_t *buf,
    unsigned len, int kind)
{
	uint64_t v = 0;

	if (unlikely(checks_alignment(c)) && len >= 16 && (lin & 7))
		cpu_fault_error(c, i, EXC_AC, 0);
	/* In the largest pieces that stay inside a page: both pages were
	 * probed, so nothing faults half way. */
	for (unsigned n = 0, piece; n < len; n += piece) {
		uint64_t at = lin + n, left = PAGE_SIZE - (at & (PAGE_SIZE - 1));

		piece = 8;
		while (piece > len - n || piece > left)
			piece >>= 1;
		if (kind == TLB_READ) {
			v = load(c, i, at, piece, c->cpl == 3);
			memcpy(buf + n, &v, piece);
		} else {
			memcpy(&v, buf + n, piece);
			store(c, i, at, piece, v, c->cpl == 3);
		}
	}
}

void
cpu_load_bytes(struct cpu *c, const struct insn *i, uint64_t lin, void *buf,
    unsigned len)
{
	const void *p = tlb_find(c, lin, len, TLB_READ);

	if (likely(p)) {
		memcpy(buf, p, len);
		return;
	}
	cpu_probe(c, i, lin, len, TLB_READ);
	move_bytes(c, i, lin, buf, len, TLB_READ);
}

void
cpu_store_bytes(struct cpu *c, const struct insn *i, uint64_t lin,
    const void *buf, unsigned len)
{
	void *p = tlb_find(c, lin, len, TLB_WRITE);

	if (likely(p)) {
		memcpy(p, buf, len);
		return;
	}
	cpu_probe(c, i, lin, len, TLB_WRITE);
	move_bytes(c, i, lin, (void *)(uintptr_t)buf, len, TLB_WRITE);
}

void *
cpu_run_of(struct cpu *c, const struct insn *i, uint64_t lin, uint64_t *len,
    int kind)
{
	uint64_t left;
	void *p;

	if (!cpu_long_mode(c))
		lin = (uint32_t)lin;
	left = PAGE_SIZE - (lin & (PAGE_SIZE - 1));
	p = tlb_find(c, lin, 1, kind);
	if (!p) {
		cpu_probe(c, i, lin, 1, kind);
		p = tlb_find(c, lin, 1, kind);
	}
	if (*len > left)
		*len = left;
	return p;
}

/* --- Read, modify, write ----------------------------------------------------------- */

void *
cpu_rmw_slow(struct cpu *c, const struct insn *i, uint64_t lin, unsigned size,
    struct cpu_rmw *m)
{
	bool user = c->cpl == 3, crosses;
	void *p;

	check_linear(c, i, lin, size);
	check_alignment(c, i, lin, size);
	cpu_probe(c, i, lin, size, TLB_WRITE);
	crosses = (lin & (PAGE_SIZE - 1)) + size > PAGE_SIZE;
	/* The probe may have entered it. */
	p = crosses ? NULL : tlb_find(c, lin, size, TLB_WRITE);
	if (p && !((uintptr_t)p & (size - 1)))
		return p;
	if (!crosses && !p) {
		struct place at = paging_place(c, i, cpu_long_mode(c) ? lin :
		    (uint32_t)lin, TLB_WRITE, user);

		/* Beside code, or code: told before, then written like data. */
		if (at.kind == MEM_RAM && !((uintptr_t)at.host & (size - 1)) &&
		    !debug_watches_page(c, lin & ~(PAGE_SIZE - 1))) {
			if (mem_has_code(c->mem, at.gpa >> PAGE_BITS))
				mem_code_write(c->mem, at.gpa, size);
			return at.host;
		}
	}
	m->lin = lin;
	m->size = size;
	m->copied = true;
	m->locked = i && (i->prefix & PREFIX_LOCK);
	if (m->locked)
		pthread_mutex_lock(&split_lock);
	/* The pages are writable, hence readable: no fault from here on. */
	for (unsigned n = 0, piece; n < size; n += piece) {
		uint64_t v;

		piece = size < 8 ? size : 8;
		v = load(c, i, lin + n, piece, user);
		memcpy(m->copy + n, &v, piece);
	}
	return m->copy;
}

void
cpu_rmw_done_slow(struct cpu *c, const struct insn *i, struct cpu_rmw *m)
{
	for (unsigned n = 0, piece; n < m->size; n += piece) {
		uint64_t v = 0;

		piece = m->size < 8 ? m->size : 8;
		memcpy(&v, m->copy + n, piece);
		store(c, i, m->lin + n, piece, v, c->cpl == 3);
	}
	if (m->locked)
		pthread_mutex_unlock(&split_lock);
}
