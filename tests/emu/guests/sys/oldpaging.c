/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oldpaging.c - 32-bit and PAE paging (SDM 3A, 4.3 and 4.4): rights, accessed
 * and dirty bits, 4 MiB pages with 36-bit addresses, PDPTEs
 */
#include "legacy.h"

#define P 1u
#define W 2u
#define U 4u
#define A 0x20u
#define D 0x40u
#define PS 0x80u
#define TARGET 0x40000000u

SNIP(load, "mov (%eax), %ebx");
SNIP(store, "mov %ebx, (%eax)");
SNIP(jump, "jmp *%eax");
SNIP(set_cr3, "mov %eax, %cr3");
SNIP(set_cr0, "mov %eax, %cr0");
SNIP(set_cr4, "mov %eax, %cr4");

#define ALIGNED __attribute__((aligned(4096)))
static uint32_t dir[1024] ALIGNED, table[1024] ALIGNED;
static uint64_t pdpt[4] __attribute__((aligned(32)));
static uint64_t dirs[4][512] ALIGNED, table64[512] ALIGNED;
static uint8_t page[2][4096] ALIGNED;
static bool pae;

#define CR(n)								\
	static uint32_t get_cr##n(void)					\
	{								\
		uint32_t v;						\
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v));	\
		return v;						\
	}								\
	static void put_cr##n(uint32_t v)				\
	{								\
		__asm__ volatile("mov %0, %%cr" #n : : "r"(v)		\
		    : "memory");					\
	}
CR(0)
CR(3)
CR(4)

static void
flush(void)
{
	put_cr3(get_cr3());
}

static void
run(const void *code, uint32_t eax, uint32_t ebx)
{
	struct state s = at0(code);

	s.gpr[0] = eax;
	s.gpr[3] = ebx;
	trial(&s);
}

/* Upper and lower entry, either format; their first 12 bits and NX. */
static void
entries(uint64_t pde, uint64_t pte)
{
	if (pae) {
		dirs[1][0] = (uint32_t)table64 | pde;
		table64[0] = (uint32_t)page[0] | pte;
	} else {
		dir[TARGET >> 22] = (uint32_t)table | pde;
		table[0] = (uint32_t)page[0] | pte;
	}
	flush();
}

static uint32_t
pde_now(void)
{
	return pae ? dirs[1][0] : dir[TARGET >> 22];
}

static uint32_t
pte_now(void)
{
	return pae ? table64[0] : table[0];
}

static void
rights(const char *name, bool wp)
{
	static const char *const code[] = { load, store, jump };
	unsigned bad = 0;

	*(uint16_t *)page[0] = 0xf0cd;
	put_cr0(wp ? get_cr0() | 0x10000 : get_cr0() & ~0x10000u);
	for (unsigned n = 0; n < 64; n++) {
		unsigned pde = n & 7, pte = n >> 3;
		bool present = pde & pte & P, u = pde & pte & U,
		    w = pde & pte & W;

		for (unsigned how = 0; how < 6; how++) {
			bool user = how & 1;
			unsigned access = how / 2;
			bool good = present && (user ? u && (access != 1 ||
			    w) : access != 1 || !wp || w);
			unsigned error = (present ? P : 0) |
			    (access == 1 ? W : 0) | (user ? U : 0);
			struct state s = user ? at3(code[access]) :
			    at0(code[access]);

			entries(pde, pte);
			s.gpr[0] = TARGET;
			s.gpr[3] = 0xf0cd;
			trial(&s);
			if (good ? seen.vector != DONE ||
			    !(pde_now() & A) || !(pte_now() & A) ||
			    !(pte_now() & D) != (access != 1) :
			    seen.vector != PF || seen.error != error ||
			    seen.cr2 != TARGET || (pte_now() & D))
				if (!bad++)
					say("# pde %x pte %x access %d user "
					    "%d: %x %X\n", pde, pte, access,
					    user, (unsigned)seen.vector,
					    seen.error);
		}
	}
	check(name, bad, 0);
}

static void
plain32(void)
{
	for (unsigned n = 0; n < 256; n++)
		dir[n] = n << 22 | P | W | U | PS;
}

static void
paging32(void)
{
	uint32_t at = (uint32_t)page[1];

	plain32();
	put_cr4(get_cr4() | 0x10);
	put_cr3((uint32_t)dir);
	put_cr0(get_cr0() | 0x80000000);
	rights("32-bit: rights, A and D", false);
	rights("32-bit: rights with WP", true);
	entries(P | W, 0xffe);
	run(load, TARGET, 0);
	check_raised("32-bit: other bits of what is not present", PF, 0);
	/* 4 MiB */
	*(uint32_t *)page[1] = 0x600df00d;
	dir[0x101] = (at & 0xffc00000) | P | W | PS;
	run(load, 0x40400000 + (at & 0x3fffff), 0);
	check("4 MiB: read", seen.gpr[3], 0x600df00d);
	check("4 MiB: A", dir[0x101] & (A | D), A);
	run(store, 0x40400000 + (at & 0x3fffff), 1);
	check("4 MiB: D", dir[0x101] & (A | D), A | D);
	check("4 MiB: written", *(uint32_t *)page[1], 1);
	dir[0x101] = (at & 0xffc00000) | P | PS | 1 << 21;
	flush();
	run(load, 0x40400000, 0);
	check_raised("4 MiB: bit 21 is reserved", PF, 9);
	/* PSE-36: bits 13 on are address bits 32 on: no RAM there */
	dir[0x101] = P | PS | W | 1 << 13;
	flush();
	run(load, 0x40400000 + (at & 0x3fffff), 0);
	check_raised("PSE-36: another address", DONE, 0);
	check("PSE-36: another address", seen.gpr[3] != 1, 1);
	/* without PSE bit 7 means nothing */
	dir[0x101] = (uint32_t)table | P | W | PS;
	table[0] = (uint32_t)page[1] | P | W;
	table[1] = 0;
	for (unsigned n = 0; n < 4; n++)
		dir[n] = n << 22 | P | W | U | PS;
	run(load, 0x40400000, 0);
	/* a page that crosses into one that is not there */
	entries(P | W, P | W);
	*(uint32_t *)(page[0] + 4092) = 0x55555555;
	run(store, TARGET + 4094, 0);
	check_raised("32-bit: crossing into a hole", PF, 2);
	check("32-bit: crossing: CR2", seen.cr2, TARGET + 4096);
	check("32-bit: crossing: nothing is written",
	    *(uint32_t *)(page[0] + 4092), 0x55555555);
	/* an address space that wraps: the last byte, and the first */
	run(load, 0xffffffff, 0);
	check_raised("32-bit: the last page is not there", PF, 0);
	/* the descriptor tables are read as supervisor, whatever CPL */
	for (unsigned n = 0; n < 4; n++)
		dir[n] &= ~U;
	flush();
	struct state s = at3(load);
	trial(&s);
	check_raised("32-bit: user code in a supervisor page", PF, 5);
	check("32-bit: EIP of the fetch", seen.ip, (word)load);
	plain32();
	flush();
	put_cr0(get_cr0() & 0x7fffffff);
}

static void
paging_pae(void)
{
	pae = true;
	for (unsigned n = 0; n < 512; n++)
		dirs[0][n] = n << 21 | P | W | U | PS;
	for (unsigned n = 0; n < 4; n++)
		pdpt[n] = (uint32_t)dirs[n] | P;
	put_cr4(get_cr4() | 0x20);
	put_cr3((uint32_t)pdpt);
	put_cr0(get_cr0() | 0x80000000);
	rights("PAE: rights, A and D", false);
	rights("PAE: rights with WP", true);
	entries(P | W, P | W);
	table64[0] |= 1ull << 62;
	flush();
	run(load, TARGET, 0);
	check_raised("PAE: bit 62 is reserved", PF, 9);
	entries(P | W, P | W);
	table64[0] |= 1ull << 63;
	flush();
	run(load, TARGET, 0);
	check_raised("PAE: bit 63 without NXE", PF, 9);
	dirs[1][1] = P | W | PS | 1 << 13;
	flush();
	run(load, TARGET + 0x200000, 0);
	check_raised("PAE: bit 13 of a 2 MiB page", PF, 9);
	/* PDPTEs are read by MOV CR3 alone, 4.4.1 */
	entries(P | W, P | W);
	run(load, TARGET, 0);
	pdpt[1] = 0;
	__asm__ volatile("invlpg (%0)" : : "r"(TARGET) : "memory");
	run(load, TARGET, 0);
	check_raised("PAE: a PDPTE in memory is not looked at", DONE, 0);
	flush();
	run(load, TARGET, 0);
	check_raised("PAE: until CR3 is written", PF, 0);
	pdpt[1] = (uint32_t)dirs[1] | P;
	flush();
	for (unsigned bit = 1; bit < 9; bit++) {
		if (bit == 3 || bit == 4)
			continue;
		pdpt[1] = (uint32_t)dirs[1] | P | 1u << bit;
		run(set_cr3, get_cr3(), 0);
		check_raised("PAE: a reserved bit of a PDPTE: #GP", GP, 0);
		pdpt[1] &= ~P;
		run(set_cr3, get_cr3(), 0);
		check_raised("PAE: not where it is not present", DONE, 0);
	}
	pdpt[1] = (uint32_t)dirs[1] | P | 1ull << 63;
	run(set_cr3, get_cr3(), 0);
	check_raised("PAE: bit 63 of a PDPTE: #GP", GP, 0);
	pdpt[1] = (uint32_t)dirs[1] | P;
	flush();
	/* NX with NXE */
	__asm__ volatile("rdmsr; or $0x800, %%eax; wrmsr" : :
	    "c"(0xc0000080) : "eax", "edx");
	entries(P | W | U, P | W | U);
	table64[0] |= 1ull << 63;
	flush();
	run(jump, TARGET, 0);
	check_raised("PAE: NX: a fetch", PF, 0x11);
	run(load, TARGET, 0);
	check_raised("PAE: NX: a read", DONE, 0);
	struct state s = at3(jump);
	s.gpr[0] = TARGET;
	trial(&s);
	check_raised("PAE: NX: a fetch at CPL 3", PF, 0x15);
	run(set_cr0, get_cr0() & 0x7fffffff, 0);
	check_raised("PAE: paging off", DONE, 0);
	run(set_cr4, get_cr4() & ~0x20u, 0);
	check_raised("PAE: off", DONE, 0);
}

void
main(void)
{
	setup();
	paging32();
	paging_pae();
	finish();
}
