/* SPDX-License-Identifier: GPL-2.0-or-later */
/* legacy.c - tables and trials of the guests in 32-bit protected mode */
#include "legacy.h"

extern const char stubs[];
extern uint32_t raw[23], frame_at, frame_ss;
static uint8_t kernel_stack[4096] __attribute__((aligned(16)));
static uint8_t inner_stack[4096] __attribute__((aligned(16)));
static uint8_t user_stack[4096] __attribute__((aligned(16)));
struct tss tss;
uint8_t data[8192] __attribute__((aligned(4096)));

bool caught(struct state *s);

/* From trial32.S: the state to go on with, or NULL. */
struct state *
trapped(void)
{
	static struct state s;

	s.es = raw[0] & 0xffff;
	s.ds = raw[1] & 0xffff;
	s.fs = raw[2] & 0xffff;
	s.gs = raw[3] & 0xffff;
	for (unsigned n = 0; n < 8; n++)
		s.gpr[n] = raw[4 + n];
	s.vector = raw[12];
	s.error = raw[13];
	s.ip = raw[14];
	s.cs = raw[15] & 0xffff;
	s.flags = raw[16];
	s.sp = raw[17];
	s.ss = raw[18] & 0xffff;
	if (s.flags & 0x20000) {
		s.es = raw[19] & 0xffff;
		s.ds = raw[20] & 0xffff;
		s.fs = raw[21] & 0xffff;
		s.gs = raw[22] & 0xffff;
	} else if (!(s.cs & 3)) {
		s.sp = frame_at + 17 * 4;
		s.ss = frame_ss & 0xffff;
	}
	return caught(&s) ? &s : 0;
}

uint64_t
desc(uint32_t base, uint32_t limit, unsigned access, unsigned flags)
{
	return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 |
	    (uint64_t)access << 40 | (uint64_t)(limit >> 16 & 15) << 48 |
	    (uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;
}

/* type 4, 12: call; 5: task; 6, 14: interrupt; 7, 15: trap (3.5) */
uint64_t
call_gate(unsigned selector, uint32_t off, unsigned type, unsigned dpl,
    unsigned words)
{
	return (off & 0xffff) | (uint64_t)selector << 16 |
	    (uint64_t)words << 32 |
	    (uint64_t)(0x80 | dpl << 5 | type) << 40 |
	    (uint64_t)(off >> 16) << 48;
}

void
gate_set(unsigned vector, unsigned type, unsigned dpl)
{
	idt[vector] = call_gate(KCS, (uint32_t)stubs + 16 * vector, type, dpl,
	    0);
}

void
setup(void)
{
	outb(0x21, 0xff);	/* no interrupts by the 8259s */
	outb(0xa1, 0xff);
	for (unsigned n = 0; n < 256; n++)
		gate_set(n, 14, n == DONE ? 3 : 0);
	tss.esp0 = (uint32_t)inner_stack + sizeof(inner_stack);
	tss.ss0 = KDS;
	tss.map = 0x68;
	for (unsigned n = 0; n < sizeof(tss.bits); n++)
		tss.bits[n] = 0xff;
	gdt[TSS / 8] = desc((uint32_t)&tss, sizeof(tss) - 1, 0x89, 0);
	__asm__ volatile("ltr %w0" : : "r"(TSS));
}

struct state
at0(const void *code)
{
	return (struct state){ .ip = (word)code, .cs = KCS, .ss = KDS,
	    .flags = 2, .sp = (word)kernel_stack + sizeof(kernel_stack),
	    .ds = KDS, .es = KDS, .fs = KDS, .gs = KDS };
}

struct state
at3(const void *code)
{
	return (struct state){ .ip = (word)code, .cs = UCS, .ss = UDS,
	    .flags = 2, .sp = (word)user_stack + sizeof(user_stack),
	    .ds = UDS, .es = UDS, .fs = UDS, .gs = UDS };
}
