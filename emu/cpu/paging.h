/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paging.h - from linear to physical addresses, and remembering the answers
 *
 * Two levels of memory.  The first is what handlers look into (state.h): small
 * tables for each kind of access and each view, cleared whenever anything
 * changes.  The second remembers whole translations with their rights, tagged
 * by an address space number, and survives a switch of CR3: global pages under
 * number 0, others under the number their PCID has now.  Flushing a PCID
 * gives it a new number.
 */
#ifndef CPU_PAGING_H
#define CPU_PAGING_H

#include "cpu/state.h"

int paging_init(struct cpu *, struct error *err);
void paging_free(struct cpu *);

/* Everything, global pages as well (CR0.PG, CR4, EFER, memory layout). */
void paging_flush_all(struct cpu *);
/* First-level tables only: rights depend on something that changed. */
void paging_flush_views(struct cpu *);
/* MOV to CR3 (SDM 3A, 4.10.4.1); keep: bit 63 was set and PCIDs are on. */
void paging_switch(struct cpu *, bool keep);
void paging_invlpg(struct cpu *, uint64_t lin);
/* INVPCID types 0..3 (SDM 2). */
void paging_invpcid(struct cpu *, unsigned type, uint16_t pcid, uint64_t lin);
/* PDPTEs of PAE paging, on loading CR3; false: reserved bits, #GP. */
bool paging_load_pdptes(struct cpu *, uint64_t cr3);

/* The first-level tables that CPL and EFLAGS.AC call for. */
void paging_select_view(struct cpu *);
/* Takes a page that has code now out of the write tables. */
void paging_protect(struct cpu *, uint64_t frame);

/* Where a linear address lies; host is NULL for devices and nothing. */
struct place {
	uint64_t gpa;
	uint8_t *host;		/* of the byte itself */
	enum mem_kind kind;
};
/* Translates for an access of this kind (TLB_*), faults, and enters what may
 * be used without another look. */
struct place paging_place(struct cpu *, const struct insn *, uint64_t lin,
    int kind, bool user);

/* The page after lin's; wraps at 4 GiB outside long mode. */
static inline uint64_t
paging_next_page(const struct cpu *c, uint64_t lin)
{
	lin = (lin | (PAGE_SIZE - 1)) + 1;
	return cpu_long_mode(c) ? lin : (uint32_t)lin;
}

/* #AC is in force (SDM 3A, 6.15). */
static inline bool
checks_alignment(const struct cpu *c)
{
	return c->cpl == 3 && (c->eflags & FLAG_AC) && (c->cr0 & CR0_AM);
}

/* A device's registers, the local APIC's page included (access.c). */
uint64_t cpu_device_read(struct cpu *, uint64_t gpa, unsigned size);

/* Code at a linear address: its page in host memory and its frame; host NULL:
 * not plain memory.  Faults as a fetch does. */
struct code_page {
	const uint8_t *host;	/* of the page's first byte */
	uint64_t frame;
	bool rom;
};
struct code_page paging_fetch(struct cpu *, uint64_t lin);
/* n bytes of code one by one, from any kind of memory; returns how many came
 * before a page that faults, faults itself if that is the first. */
unsigned paging_fetch_bytes(struct cpu *, uint64_t lin, uint8_t *buf,
    unsigned n);


#endif
