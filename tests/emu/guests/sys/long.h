/* SPDX-License-Identifier: GPL-2.0-or-later */
/* long.h - tables, registers and trials of the guests in long mode */
#ifndef LONG_H
#define LONG_H

#include "trial.h"

#define SNIP(name, text) SNIP_BITS(64, name, text)
#define SNIP32(name, text) SNIP_BITS(32, name, text)

enum { KCS = 0x08, KDS = 0x10, UCS32 = 0x1b, UDS = 0x23, UCS = 0x2b,
	KCS32 = 0x38, TSS = 0x40, SLOT = 0x50 };

struct __attribute__((packed)) tss {
	uint32_t zero;
	uint64_t rsp[3], zero2, ist[7], zero3;
	uint16_t zero4, map;
	uint8_t bits[8193];
};

extern uint64_t gdt[], pml4[512], pdpt[512], pd[512];
extern struct gate { uint64_t low, high; } idt[256];
extern struct tss tss;

#define P 1ull
#define W 2ull
#define U 4ull
#define PS 0x80ull
#define G 0x100ull
#define NX (1ull << 63)
#define A 0x20ull
#define D 0x40ull

/* Linear addresses of our own tables: 1 GiB on. */
#define USER 0x40000000ull	/* code and stack of trials at CPL 3 */
#define USER_STACK (USER + 0x2000)
#define TARGET 0x40200000ull	/* pages to try */
extern uint64_t pd2[512], pt_user[512], pt_target[512];
extern uint8_t user_pages[2][4096], target_pages[4][4096];

void gate_set(unsigned vector, unsigned type, unsigned dpl, unsigned ist);
void setup(void);		/* tables; IDT: all gates at DPL 0 but DONE */

/* A trial of this code at CPL 0 or 3: a fresh state. */
struct state at0(const void *code);
struct state at3(const char *code, const char *end);
#define AT3(name) at3(name, name##_end)

#define CR(n)								\
	static inline uint64_t get_cr##n(void)				\
	{								\
		uint64_t v;						\
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v));	\
		return v;						\
	}								\
	static inline void set_cr##n(uint64_t v)			\
	{								\
		__asm__ volatile("mov %0, %%cr" #n : : "r"(v)		\
		    : "memory");					\
	}
CR(0)
CR(2)
CR(3)
CR(4)

static inline void
invlpg(uint64_t at)
{
	__asm__ volatile("invlpg (%0)" : : "r"(at) : "memory");
}

static inline uint64_t
rdmsr(uint32_t n)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(n));
	return lo | (uint64_t)hi << 32;
}

static inline void
wrmsr(uint32_t n, uint64_t v)
{
	__asm__ volatile("wrmsr" : : "a"((uint32_t)v),
	    "d"((uint32_t)(v >> 32)), "c"(n) : "memory");
}
#endif
