/* SPDX-License-Identifier: GPL-2.0-or-later */
/* legacy.h - tables and trials of the guests in 32-bit protected mode */
#ifndef LEGACY_H
#define LEGACY_H

#include "trial.h"

#define SNIP(name, text) SNIP_BITS(32, name, text)
#define SNIP16(name, text) SNIP_BITS(16, name, text)

enum { KCS = 0x08, KDS = 0x10, UCS = 0x1b, UDS = 0x23, TSS = 0x28,
	SLOT = 0x40 };

/* Access bytes (SDM 3A, 3.4.5.1, 3.5). */
enum { ACC_DATA = 0x93, ACC_RO = 0x91, ACC_DOWN = 0x97, ACC_CODE = 0x9b,
	ACC_XO = 0x99, ACC_CONFORMING = 0x9f, DPL3 = 0x60 };
enum { BIG = 4, PAGES = 8 };	/* D/B and G */

struct tss {
	uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
	uint32_t gpr[8];
	uint32_t es, cs, ss, ds, fs, gs, ldt;
	uint16_t trap, map;
	uint8_t bits[8193 + 32];
};

extern uint64_t gdt[64], idt[256];
extern struct tss tss;
extern uint8_t data[8192];	/* page aligned */

uint64_t desc(uint32_t base, uint32_t limit, unsigned access, unsigned flags);
uint64_t call_gate(unsigned selector, uint32_t off, unsigned type,
    unsigned dpl, unsigned words);
void gate_set(unsigned vector, unsigned type, unsigned dpl);
void setup(void);
struct state at0(const void *code);
struct state at3(const void *code);

static inline void
slot(unsigned n, uint64_t d)
{
	gdt[SLOT / 8 + n] = d;
}
#define SEL(n) (SLOT + 8 * (n))
#endif
