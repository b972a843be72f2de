/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paging.c - page tables, and the tables of translations
 *
 * SDM 3A chapter 4 is cited by section.  A walk collects the rights of all
 * levels, sets A and D as it must, and its result goes into the second-level
 * table; what may be used without another look goes into the first-level
 * tables of the view it was made for:
 *
 *  - for writing only plain RAM whose D bit is set and that holds no decoded
 *    code of any processor (so a store to code comes to access.c and is told);
 *  - nothing on a page that a data breakpoint watches;
 *  - nothing at all while alignment is checked (EFLAGS.AC at CPL 3): then the
 *    view is an empty one.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "cpu/block.h"
#include "cpu/debug.h"
#include "cpu/paging.h"

/* Page table entry bits (4.5). */
#define PTE_P	0x001ull
#define PTE_W	0x002ull
#define PTE_U	0x004ull
#define PTE_A	0x020ull
#define PTE_D	0x040ull
#define PTE_PS	0x080ull
#define PTE_G	0x100ull
#define PTE_NX	0x8000000000000000ull

/* Page fault error code (SDM 3A, 6.15). */
#define PF_P 1u
#define PF_W 2u
#define PF_U 4u
#define PF_RSVD 8u
#define PF_I 16u

#define ADDRESS_MASK (((1ull << MEM_BITS) - 1) & ~(PAGE_SIZE - 1))
/* Bits between the widest physical address and bit 51 must be 0. */
#define RSVD_HIGH (0x000fffffffffffffull & ~((1ull << MEM_BITS) - 1))

#define WALKED_BITS 12
#define WALKED (1u << WALKED_BITS)
#define SPACES 4096u		/* address space numbers; 0 is global */

/* A remembered translation.  tag: linear page | space number. */
struct walked {
	uint64_t tag;
	uint64_t pte;		/* physical page | rights below */
};
#define W_USER	0x001ull
#define W_WRITE	0x002ull
#define W_DIRTY	0x004ull
#define W_NX	0x008ull
#define W_VALID	0x800ull

/* First-level tables of one address space.  Those of the last few are kept:
 * a switch back finds them as they were. */
#define SLOTS 8
struct views {
	uint16_t space;		/* 0: free, and empty */
	struct tlb_view view[VIEWS];
	uint64_t frame[VIEWS][TLB_ENTRIES];	/* of the exec entries */
	bool rom[VIEWS][TLB_ENTRIES];
};

#define RANGES 32768u		/* sets by number modulo this */

#define FRAMES (20u << 18)	/* of 20 GiB: all RAM there can be */

/* Where write entries were made for a frame: when it gets code they go. */
#define WRITERS 4096u
struct writer {
	uint64_t frame;		/* + 1; 0: none */
	uint64_t lin[3];	/* pages; 1: none */
};

struct paging {
	struct walked walked[WALKED];
	uint64_t pdpte[4];
	uint16_t space;		/* in force */
	uint16_t next_space;	/* numbers from here on are unused */
	uint16_t of_pcid[4096];	/* number of a PCID; 0: none yet */
	/* 2 MiB ranges of which 4 KiB pieces are remembered; others may be
	 * taken for one. */
	uint64_t large[RANGES / 64];
	/* Frames that writers may not know all about, exactly. */
	uint64_t lost[FRAMES / 64];
	struct writer writers[WRITERS];
	struct views *now;	/* of the address space in force */
	struct views views[SLOTS];
	unsigned victim;	/* the slot to be used next */
	struct tlb_view none;	/* stays empty */
};

static void
view_clear(struct tlb_view *v)
{
	v->beside_known = false;
	for (unsigned k = 0; k < TLB_KINDS; k++) {
		if (!v->used[k])
			continue;
		for (unsigned n = 0; n < TLB_ENTRIES; n++)
			v->e[k][n].page = tlb_none(n);
		v->used[k] = false;
	}
}

static void
view_init(struct tlb_view *v)
{
	for (unsigned k = 0; k < TLB_KINDS; k++)
		v->used[k] = true;
	view_clear(v);
}

static void
views_clear(struct views *s)
{
	for (unsigned n = 0; n < VIEWS; n++)
		view_clear(&s->view[n]);
	s->space = 0;
}

static void
set_add(uint64_t *set, uint64_t number)
{
	set[number % RANGES / 64] |= 1ull << (number % 64);
}

static void
set_lost(struct paging *p, uint64_t frame)
{
	if (frame < FRAMES)
		p->lost[frame / 64] |= 1ull << (frame % 64);
}

static bool
set_has(const uint64_t *set, uint64_t number)
{
	return set[number % RANGES / 64] >> (number % 64) & 1;
}

int
paging_init(struct cpu *c, struct error *err)
{
	struct paging *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return error_errno(err, ENOMEM, "translation tables");
	c->paging = p;
	for (unsigned n = 0; n < SLOTS; n++)
		for (unsigned v = 0; v < VIEWS; v++)
			view_init(&p->views[n].view[v]);
	view_init(&p->none);
	p->now = &p->views[0];
	p->now->space = p->space = 1;
	p->next_space = 2;
	return 0;
}

void
paging_free(struct cpu *c)
{
	if (c->paging)
		munmap(c->paging, sizeof(*c->paging));
	c->paging = NULL;
}

void
paging_flush_views(struct cpu *c)
{
	struct paging *p = c->paging;

	for (unsigned n = 0; n < SLOTS; n++)
		views_clear(&p->views[n]);
	p->now->space = p->space;
}

static void
forget_all(struct paging *p)
{
	memset(p->walked, 0, sizeof(p->walked));
	memset(p->of_pcid, 0, sizeof(p->of_pcid));
	memset(p->large, 0, sizeof(p->large));
	memset(p->writers, 0, sizeof(p->writers));
	for (unsigned n = 0; n < SLOTS; n++)
		views_clear(&p->views[n]);
	p->next_space = 1;
}

static unsigned
pcid_of(const struct cpu *c)
{
	return c->cr4 & CR4_PCIDE ? c->cr3 & 0xfff : 0;
}

/* A number nobody has used since the last time all were forgotten. */
static uint16_t
fresh_space(struct cpu *c)
{
	struct paging *p = c->paging;

	if (p->next_space >= SPACES) {
		forget_all(p);
		blocks_forget_jumps(c);
	}
	return p->next_space++;
}

/* The tables of p->space: those it has, or the oldest ones, emptied. */
static void
choose_views(struct cpu *c)
{
	struct paging *p = c->paging;
	struct views *s;

	for (unsigned n = 0; n < SLOTS; n++)
		if (p->views[n].space == p->space) {
			p->now = &p->views[n];
			paging_select_view(c);
			return;
		}
	s = &p->views[p->victim];
	p->victim = (p->victim + 1) % SLOTS;
	views_clear(s);
	s->space = p->space;
	p->now = s;
	paging_select_view(c);
}

void
paging_flush_all(struct cpu *c)
{
	struct paging *p = c->paging;

	forget_all(p);
	p->space = p->of_pcid[pcid_of(c)] = fresh_space(c);
	blocks_forget_jumps(c);
	choose_views(c);
}

void
paging_switch(struct cpu *c, bool keep)
{
	struct paging *p = c->paging;
	unsigned pcid = pcid_of(c);

	if (!keep || p->of_pcid[pcid] == 0) {
		uint16_t space = fresh_space(c);

		/* Its old tables are of no more use: they are the next. */
		if (p->now->space == p->of_pcid[pcid] && p->now->space)
			p->victim = p->now - p->views;
		p->of_pcid[pcid] = space;
	}
	p->space = p->of_pcid[pcid];
	choose_views(c);
}

static struct walked *
walked_slot(struct paging *p, uint64_t lin)
{
	return &p->walked[(lin >> PAGE_BITS ^ lin >> (PAGE_BITS + WALKED_BITS)) &
	    (WALKED - 1)];
}

void
paging_invlpg(struct cpu *c, uint64_t lin)
{
	struct paging *p = c->paging;
	uint64_t page = lin & ~(PAGE_SIZE - 1);
	struct walked *w = walked_slot(p, lin);

	if (set_has(p->large, lin >> 21)) {
		/* Perhaps one of many pieces of a large page. */
		paging_flush_all(c);
		return;
	}
	if ((w->tag & ~(PAGE_SIZE - 1)) == page)
		w->pte = 0;
	/* Global pages may be in the tables of any address space. */
	for (unsigned n = 0; n < SLOTS * VIEWS; n++) {
		struct tlb_view *v = &p->views[n / VIEWS].view[n % VIEWS];

		v->beside_known = false;
		for (unsigned k = 0; k < TLB_KINDS; k++) {
			unsigned at = lin >> PAGE_BITS & (TLB_ENTRIES - 1);
			struct tlb_entry *e = &v->e[k][at];

			if (v->used[k] && e->page == page)
				e->page = tlb_none(at);
		}
	}
	blocks_forget_page(c, lin);
}

void
paging_invpcid(struct cpu *c, unsigned type, uint16_t pcid, uint64_t lin)
{
	struct paging *p = c->paging;

	switch (type) {
	case 0:			/* one address of one PCID */
		if (pcid == pcid_of(c)) {
			paging_invlpg(c, lin);
			return;
		}
		/* fallthrough */
	case 1:			/* one PCID */
		p->of_pcid[pcid] = 0;
		if (pcid == pcid_of(c))
			paging_switch(c, false);
		return;
	default:		/* all, with or without global pages */
		paging_flush_all(c);
	}
}

/* --- Walking ---------------------------------------------------------------- */

enum access { ACCESS_READ = TLB_READ, ACCESS_WRITE = TLB_WRITE,
    ACCESS_EXEC = TLB_EXEC };

/* What one access is: its kind, and whether rights are a user's. */
struct want {
	enum access kind;
	bool user;
};

static uint8_t *
table_entry(struct cpu *c, uint64_t gpa)
{
	struct mem_page page = mem_page(c->mem, gpa);

	return page.kind == MEM_RAM || page.kind == MEM_ROM ?
	    page.host + (gpa & (PAGE_SIZE - 1)) : NULL;
}

static uint64_t
entry_read(struct cpu *c, uint64_t gpa, unsigned size)
{
	uint8_t *at = table_entry(c, gpa);

	if (!at)
		return size == 8 ? ~0ull : ~0u;
	return size == 8 ? __atomic_load_n((uint64_t *)at, __ATOMIC_RELAXED) :
	    __atomic_load_n((uint32_t *)at, __ATOMIC_RELAXED);
}

/* Sets bits in an entry that still is what was read; false: it changed under
 * us, the walk starts anew (SDM 3A, 8.1.2.1). */
static bool
entry_set(struct cpu *c, uint64_t gpa, unsigned size, uint64_t old,
    uint64_t bits)
{
	struct mem_page page = mem_page(c->mem, gpa);
	uint8_t *at;
	uint32_t old32 = old;

	if (page.kind != MEM_RAM)
		return true;	/* in ROM: lost, as on a bus */
	at = page.host + (gpa & (PAGE_SIZE - 1));
	if (mem_has_code(c->mem, gpa >> PAGE_BITS))
		mem_code_write(c->mem, gpa, size);
	return size == 8 ?
	    __atomic_compare_exchange_n((uint64_t *)at, &old, old | bits,
		false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED) :
	    __atomic_compare_exchange_n((uint32_t *)at, &old32,
		old32 | (uint32_t)bits, false, __ATOMIC_SEQ_CST,
		__ATOMIC_RELAXED);
}

static bool
refused(struct cpu *c, const struct want *w, uint64_t rights)
{
	if (w->kind == ACCESS_EXEC) {
		if (rights & W_NX)
			return true;
		if (w->user)
			return !(rights & W_USER);
		return (c->cr4 & CR4_SMEP) && (rights & W_USER);
	}
	if (w->user)
		return !(rights & W_USER) ||
		    (w->kind == ACCESS_WRITE && !(rights & W_WRITE));
	/* 4.6.1: supervisor accesses to user pages */
	if ((rights & W_USER) && (c->cr4 & CR4_SMAP) &&
	    !(c->eflags & FLAG_AC))
		return true;
	return w->kind == ACCESS_WRITE && !(rights & W_WRITE) &&
	    (c->cr0 & CR0_WP);
}

/* One walk: 0 and the page with its rights, or the #PF error code with bit 31
 * set.  *global, *large say what kind of page it is. */
#define WALK_FAULT 0x80000000u
static uint32_t
walk(struct cpu *c, uint64_t lin, const struct want *w, uint64_t *result,
    bool *global, bool *large)
{
	bool pae = c->cr4 & CR4_PAE, wide = c->efer & EFER_LMA;
	unsigned size = pae ? 8 : 4, step = pae ? 9 : 10, top, level;
	bool nxe = c->efer & EFER_NXE;
	uint64_t table, at, e, seen[5], where[5], rights, page_bits, page;
	uint32_t code;

	code = (w->kind == ACCESS_WRITE ? PF_W : 0) | (w->user ? PF_U : 0) |
	    (w->kind == ACCESS_EXEC && (nxe || (c->cr4 & CR4_SMEP)) ?
	    PF_I : 0);
again:
	rights = W_USER | W_WRITE;
	top = wide ? 4 : 2;
	table = c->cr3 & (wide ? ADDRESS_MASK : 0xfffff000);
	if (pae && !wide) {
		/* 4.4.1: the four PDPTEs are registers. */
		e = c->paging->pdpte[lin >> 30 & 3];
		if (!(e & PTE_P))
			return WALK_FAULT | code;
		table = e & ADDRESS_MASK;
	}
	for (level = top;; level--) {
		at = table + (lin >> (PAGE_BITS + (level - 1) * step) &
		    ((1u << step) - 1)) * size;
		e = entry_read(c, at, size);
		if (!(e & PTE_P))
			return WALK_FAULT | code;
		code |= PF_P;	/* from here on; taken back below */
		if (pae && ((e & RSVD_HIGH) || (!nxe && (e & PTE_NX)) ||
		    (level == 4 && (e & PTE_PS)) ||
		    (!wide && (e & 0x7ff0000000000000ull))))
			return WALK_FAULT | code | PF_RSVD;
		if (!(e & PTE_U))
			rights &= ~W_USER;
		if (!(e & PTE_W))
			rights &= ~W_WRITE;
		if (pae && (e & PTE_NX))
			rights |= W_NX;
		seen[level] = e;
		where[level] = at;
		if (level == 1)
			break;
		if ((e & PTE_PS) && level <= 3 &&
		    (pae || (c->cr4 & CR4_PSE)))
			break;
		if (level == 3 && (e & PTE_PS) && !wide)
			return WALK_FAULT | code | PF_RSVD;
		table = e & (pae ? ADDRESS_MASK : 0xfffff000);
		code &= ~PF_P;
	}
	page_bits = PAGE_BITS + (level - 1) * step;
	if (level == 1) {
		page = e & (pae ? ADDRESS_MASK : 0xfffff000);
	} else if (pae) {
		/* 4.5: bits below the page's own, PAT (12) excepted */
		if (e & ((1ull << page_bits) - 1) & ~0x1fffull)
			return WALK_FAULT | code | PF_RSVD;
		page = e & ADDRESS_MASK & ~((1ull << page_bits) - 1);
	} else {
		/* 4.3, PSE-36: bits 13..20 are address bits 32..39; bit 21
		 * is reserved. */
		if (e & 0x200000)
			return WALK_FAULT | code | PF_RSVD;
		page = (e & 0xffc00000) | (e & 0x1fe000) << 19;
	}
	*large = level > 1;
	*global = (e & PTE_G) && (c->cr4 & CR4_PGE);
	if (e & PTE_D)
		rights |= W_DIRTY;
	if (refused(c, w, rights))
		return WALK_FAULT | code;
	for (unsigned n = top; n >= level; n--) {
		uint64_t bits = PTE_A;

		if (n == level && w->kind == ACCESS_WRITE)
			bits |= PTE_D;
		if ((seen[n] & bits) != bits &&
		    !entry_set(c, where[n], size, seen[n], bits)) {
			code &= ~PF_P;
			goto again;
		}
	}
	if (w->kind == ACCESS_WRITE)
		rights |= W_DIRTY;
	*result = page | (lin & ((1ull << page_bits) - 1) & ~(PAGE_SIZE - 1)) |
	    rights;
	return 0;
}

bool
paging_load_pdptes(struct cpu *c, uint64_t cr3)
{
	uint64_t e[4];

	for (unsigned n = 0; n < 4; n++) {
		e[n] = entry_read(c, (cr3 & 0xffffffe0) + 8 * n, 8);
		/* 4.4.1: R/W, U/S and others are reserved here */
		if ((e[n] & PTE_P) &&
		    (e[n] & (RSVD_HIGH | 0xfff00000000001e6ull)))
			return false;
	}
	memcpy(c->paging->pdpte, e, sizeof(e));
	return true;
}

/* The page and rights of lin, from memory or by a walk; 0 or a #PF code. */
static uint32_t
look_up(struct cpu *c, uint64_t lin, const struct want *w, uint64_t *pte)
{
	struct paging *p = c->paging;
	uint64_t page = lin & ~(PAGE_SIZE - 1);
	struct walked *slot;
	bool global, large;
	uint32_t code;

	if (!(c->cr0 & CR0_PG)) {
		*pte = (page & 0xffffffff) | W_USER | W_WRITE | W_DIRTY;
		return 0;
	}
	slot = walked_slot(p, lin);
	if ((slot->pte & W_VALID) &&
	    (slot->tag == (page | p->space) || slot->tag == page) &&
	    !refused(c, w, slot->pte) &&
	    (w->kind != ACCESS_WRITE || (slot->pte & W_DIRTY))) {
		*pte = slot->pte;
		return 0;
	}
	code = walk(c, lin, w, pte, &global, &large);
	if (code) {
		/* 4.10.4.3: a fault forgets the translation. */
		if ((slot->tag & ~(PAGE_SIZE - 1)) == page)
			slot->pte = 0;
		return code;
	}
	if (large)
		set_add(p->large, lin >> 21);
	slot->tag = page | (global ? 0 : p->space);
	slot->pte = *pte | W_VALID;
	return 0;
}

static _Noreturn void
page_fault(struct cpu *c, const struct insn *i, uint64_t lin, uint32_t code)
{
	c->cr2 = lin;
	cpu_fault_error(c, i, EXC_PF, code & ~WALK_FAULT);
}

/* --- Filling the views ------------------------------------------------------- */

static unsigned
view_for(const struct cpu *c, bool user)
{
	return user ? VIEW_USER :
	    c->eflags & FLAG_AC ? VIEW_KERNEL_AC : VIEW_KERNEL;
}

void
paging_select_view(struct cpu *c)
{
	struct paging *p = c->paging;
	struct tlb_view *v = checks_alignment(c) ? &p->none :
	    &p->now->view[view_for(c, c->cpl == 3)];

	c->view = v;
	for (unsigned k = 0; k < TLB_KINDS; k++)
		c->tlb[k] = v->e[k];
	blocks_set_space(c, p->space, c->cpl == 3);
}

static void
note_writer(struct paging *p, uint64_t frame, uint64_t page)
{
	struct writer *w = &p->writers[frame % WRITERS];

	if (w->frame != frame + 1) {
		if (w->frame)
			set_lost(p, w->frame - 1);
		*w = (struct writer){ frame + 1, { page, 1, 1 } };
		return;
	}
	for (unsigned n = 0; n < 3; n++) {
		if (w->lin[n] == page)
			return;
		if (w->lin[n] == 1) {
			w->lin[n] = page;
			return;
		}
	}
	set_lost(p, frame);
}

static void
enter(struct cpu *c, const struct want *w, uint64_t lin, uint64_t gpa,
    struct mem_page mp)
{
	struct paging *p = c->paging;
	unsigned v = view_for(c, w->user);
	unsigned n = lin >> PAGE_BITS & (TLB_ENTRIES - 1);
	uint64_t page = lin & ~(PAGE_SIZE - 1);
	struct tlb_entry *e = &p->now->view[v].e[w->kind][n];

	if (!mp.host)
		return;
	if (w->kind == ACCESS_WRITE && (mp.kind != MEM_RAM ||
	    mem_has_code(c->mem, gpa >> PAGE_BITS)))
		return;
	if (w->kind != ACCESS_EXEC && debug_watches_page(c, page))
		return;
	e->page = page;
	e->add = (uint64_t)(uintptr_t)mp.host - page;
	p->now->view[v].used[w->kind] = true;
	if (w->kind == ACCESS_WRITE)
		note_writer(p, gpa >> PAGE_BITS, page);
	if (w->kind == ACCESS_EXEC) {
		p->now->frame[v][n] = gpa >> PAGE_BITS;
		p->now->rom[v][n] = mp.kind == MEM_ROM;
	}
}

struct place
paging_place(struct cpu *c, const struct insn *i, uint64_t lin, int kind,
    bool user)
{
	struct want w = { kind, user };
	uint64_t pte;
	uint32_t code = look_up(c, lin, &w, &pte);
	struct mem_page mp;
	uint64_t off = lin & (PAGE_SIZE - 1), gpa;

	if (unlikely(code))
		page_fault(c, i, lin, code);
	gpa = pte & ADDRESS_MASK;
	if (unlikely(!mem_a20(c->mem)))
		gpa &= ~(1ull << 20);	/* code is known by its real frame */
	mp = mem_page(c->mem, gpa);
	enter(c, &w, lin, gpa, mp);
	return (struct place){ gpa | off, mp.host ? mp.host + off : NULL,
	    mp.kind };
}

/* --- Code ------------------------------------------------------------------------------ */

struct code_page
paging_fetch(struct cpu *c, uint64_t lin)
{
	bool user = c->cpl == 3;
	unsigned v = view_for(c, user);
	unsigned n = lin >> PAGE_BITS & (TLB_ENTRIES - 1);
	struct views *s = c->paging->now;
	struct tlb_entry *e = &s->view[v].e[TLB_EXEC][n];
	uint64_t page = lin & ~(PAGE_SIZE - 1);
	struct place at;

	if (likely(e->page == page))
		return (struct code_page){
		    (const uint8_t *)(uintptr_t)(page + e->add),
		    s->frame[v][n], s->rom[v][n] };
	if (cpu_long_mode(c) && !cpu_canonical(lin))
		cpu_gp(c, NULL, 0);
	at = paging_place(c, NULL, lin, TLB_EXEC, user);
	return (struct code_page){
	    at.host ? at.host - (lin & (PAGE_SIZE - 1)) : NULL,
	    at.gpa >> PAGE_BITS, at.kind == MEM_ROM };
}

/* Bytes from one page; those of a device one by one. */
static void
fetch_from(struct cpu *c, const struct code_page *page, uint64_t lin,
    uint8_t *buf, unsigned n)
{
	unsigned off = lin & (PAGE_SIZE - 1);

	if (likely(page->host)) {
		memcpy(buf, page->host + off, n);
		return;
	}
	for (unsigned k = 0; k < n; k++)
		buf[k] = cpu_device_read(c, (page->frame << PAGE_BITS) + off + k,
		    1);
}

unsigned
paging_fetch_bytes(struct cpu *c, uint64_t lin, uint8_t *buf, unsigned n)
{
	struct want w = { ACCESS_EXEC, c->cpl == 3 };
	unsigned first = PAGE_SIZE - (lin & (PAGE_SIZE - 1));
	struct code_page page = paging_fetch(c, lin);
	uint64_t next = paging_next_page(c, lin), pte;

	fetch_from(c, &page, lin, buf, n < first ? n : first);
	if (n <= first)
		return n;
	/* The next page may fault, and only the instruction's length says
	 * whether that matters. */
	if (tlb_find(c, next, 1, TLB_EXEC) == NULL &&
	    ((cpu_long_mode(c) && !cpu_canonical(next)) ||
	    look_up(c, next, &w, &pte)))
		return first;
	page = paging_fetch(c, next);
	fetch_from(c, &page, next, buf + first, n - first);
	return n;
}

/* Some processor decoded code of this frame: it must not be written without
 * asking any more. */
void
paging_protect(struct cpu *c, uint64_t frame)
{
	struct paging *p = c->paging;
	struct writer *w = &p->writers[frame % WRITERS];
	uint8_t *host = mem_page(c->mem, frame << PAGE_BITS).host;
	bool all = frame >= FRAMES || (p->lost[frame / 64] >> (frame % 64) & 1);

	if (!all && w->frame != frame + 1)
		return;
	for (unsigned n = 0; n < SLOTS * VIEWS; n++) {
		struct tlb_view *v = &p->views[n / VIEWS].view[n % VIEWS];
		struct tlb_entry *e = v->e[TLB_WRITE];

		if (!v->used[TLB_WRITE])
			continue;
		for (unsigned k = 0; k < (all ? TLB_ENTRIES : 3); k++) {
			unsigned at = all ? k : w->lin[k] >> PAGE_BITS &
			    (TLB_ENTRIES - 1);

			if (e[at].page != tlb_none(at) && (uint8_t *)(uintptr_t)
			    (e[at].page + e[at].add) == host)
				e[at].page = tlb_none(at);
		}
	}
	if (w->frame == frame + 1)
		w->frame = 0;
	if (frame < FRAMES)
		p->lost[frame / 64] &= ~(1ull << (frame % 64));
}
