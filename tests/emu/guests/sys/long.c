/* SPDX-License-Identifier: GPL-2.0-or-later */
/* long.c - tables and trials of the guests in long mode */
#include "long.h"

extern const char stubs[], stack_trap[];
static uint8_t kernel_stack[4096] __attribute__((aligned(16)));
static uint8_t inner_stack[4096] __attribute__((aligned(16)));
static uint8_t ist_stack[4096] __attribute__((aligned(16)));
struct tss tss;

#define PAGES __attribute__((aligned(4096)))
uint64_t pd2[512] PAGES, pt_user[512] PAGES, pt_target[512] PAGES;
uint8_t user_pages[2][4096] PAGES, target_pages[4][4096] PAGES;

void *memcpy(void *, const void *, unsigned long);

void
gate_set(unsigned vector, unsigned type, unsigned dpl, unsigned ist)
{
	uint64_t at = (uint64_t)stubs + 16 * vector;

	idt[vector].low = (at & 0xffff) | KCS << 16 | (uint64_t)ist << 32 |
	    (uint64_t)(0x80 | dpl << 5 | type) << 40 | (at >> 16) << 48;
	idt[vector].high = at >> 32;
}

void
setup(void)
{
	uint64_t at = (uint64_t)&tss;

	outb(0x21, 0xff);	/* no interrupts by the 8259s */
	outb(0xa1, 0xff);
	for (unsigned n = 0; n < 256; n++)
		gate_set(n, 14, n == DONE ? 3 : 0, 0);
	tss.rsp[0] = (uint64_t)inner_stack + sizeof(inner_stack);
	tss.ist[0] = (uint64_t)ist_stack + sizeof(ist_stack);
	tss.map = 0x68;
	for (unsigned n = 0; n < sizeof(tss.bits); n++)
		tss.bits[n] = 0xff;
	gdt[TSS / 8] = (sizeof(tss) - 1) | (at & 0xffffff) << 16 |
	    0x89ull << 40 | (at >> 24 & 0xff) << 56;
	gdt[TSS / 8 + 1] = at >> 32;
	__asm__ volatile("ltr %w0" : : "r"(TSS));
	pdpt[1] = (uint64_t)pd2 + (P | W | U);
	pd2[0] = (uint64_t)pt_user + (P | W | U);
	pd2[1] = (uint64_t)pt_target + (P | W | U);
	pt_user[0] = (uint64_t)user_pages[0] + (P | W | U);
	pt_user[1] = (uint64_t)user_pages[1] + (P | W | U | NX);
	for (unsigned n = 0; n < 4; n++)
		pt_target[n] = (uint64_t)target_pages[n] + (P | W | U);
	set_cr3((uint64_t)pml4);
}

struct state
at0(const void *code)
{
	return (struct state){ .ip = (word)code, .cs = KCS, .ss = KDS,
	    .flags = 2, .sp = (word)kernel_stack + sizeof(kernel_stack) };
}

struct state
at3(const char *code, const char *end)
{
	memcpy(user_pages[0], code, end - code);
	return (struct state){ .ip = USER, .cs = UCS, .ss = UDS, .flags = 2,
	    .sp = USER_STACK };
}
