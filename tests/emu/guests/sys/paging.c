/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paging.c - 4-level paging: rights, accessed and dirty bits, reserved bits,
 * large pages, crossings, the TLB (SDM 3A, chapter 4)
 */
#include "long.h"

#define CR0_WP 0x10000ull
#define CR4_PGE 0x80ull
#define CR4_PCIDE 0x20000ull
#define CR4_SMEP 0x100000ull
#define CR4_SMAP 0x200000ull

SNIP(snip_load, "mov (%rax), %ebx");
SNIP(snip_store, "mov %ebx, (%rax)");
SNIP(snip_jump, "jmp *%rax");
SNIP(snip_rmw, "lock addq $1, (%rax)");
SNIP(snip_load8, "mov (%rax), %rbx");
SNIP(snip_store8, "mov %rbx, (%rax)");
SNIP(snip_push, "mov %rax, %rsp; push %rbx");
SNIP(snip_movs, "rep movsb");
SNIP(snip_stos, "rep stosb");
SNIP(snip_bp, "mov (%rbp), %rbx");
SNIP(snip_store_load, "mov (%rax), %ebx; mov %ebx, (%rax)");

static bool
has(uint32_t leaf, unsigned reg, unsigned bit)
{
	uint32_t r[4];

	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]),
	    "=d"(r[3]) : "a"(leaf), "c"(0));
	return r[reg] >> bit & 1;
}

/* --- Rights: sections 4.6 and 4.7 ---------------------------------------- */

enum { READ, WRITE, EXEC };

static const char *const access_name[] = { "read", "write", "exec" };
static const char *const cr_name[] = { "", "+wp", "+smep", "+wp+smep",
	"+smap", "+wp+smap", "+smep+smap", "+wp+smep+smap" };

/* The error code, or 0 where it is allowed. */
static unsigned
expected(unsigned access, bool user, uint64_t pde, uint64_t pte, bool wp,
    bool smep, bool smap, bool ac)
{
	bool u = pde & pte & U, w = pde & pte & W, nx = (pde | pte) & NX;
	unsigned error = P | (access == WRITE ? W : 0) | (user ? U : 0) |
	    (access == EXEC ? 0x10 : 0);

	if (user)
		return !u || (access == WRITE && !w) ||
		    (access == EXEC && nx) ? error : 0;
	if (access == EXEC)
		return nx || (u && smep) ? error : 0;
	if (u && smap && !ac)
		return error;
	return access == WRITE && wp && !w ? error : 0;
}

static void
name_join(char *to, const char *const *part)
{
	for (; *part; part++)
		for (const char *s = *part; *s; s++)
			*to++ = *s;
	*to = 0;
}

static void
rights_of(unsigned access, bool user, unsigned cr, bool ac, bool pcid)
{
	static const uint64_t bits[] = { 0, W, U, W | U, NX, NX | W, NX | U,
	    NX | W | U };
	const char *code = access == READ ? snip_load : access == WRITE ?
	    snip_store : snip_jump;
	const char *end = access == READ ? snip_load_end : access == WRITE ?
	    snip_store_end : snip_jump_end;
	char name[64];
	unsigned bad = 0;

	for (unsigned n = 0; n < 64; n++) {
		struct state s = user ? at3(code, end) : at0(code);
		uint64_t pde, pte, after;
		unsigned want, got;

		pd2[1] = pde = (uint64_t)pt_target + (P | bits[n / 8]);
		pt_target[0] = pte = (uint64_t)target_pages[0] +
		    (P | bits[n % 8]);
		invlpg(TARGET);
		s.gpr[0] = TARGET;
		s.gpr[3] = 0x1234f0cd;	/* INT 0xf0 */
		s.flags |= ac ? 0x40000 : 0;
		want = expected(access, user, pde, pte, cr & 1, cr & 2,
		    cr & 4, ac);
		trial(&s);
		after = pt_target[0];
		got = seen.vector == PF ? seen.error : 0;
		/* 4.8: what was allowed leaves A, a write D; nothing else D */
		if (got != want || seen.vector != (want ? PF : DONE) ||
		    (want && seen.cr2 != TARGET) ||
		    (!want && (!(after & A) || !(pd2[1] & A) ||
		    !(after & D) != (access != WRITE))) ||
		    (want && (after & D)) || (pd2[1] & D)) {
			if (!bad++)
				say("# pde %X pte %X after %X vector %x error "
				    "%x want %x cr2 %X\n", pde, pte, after,
				    (unsigned)seen.vector, got, want,
				    seen.cr2);
		}
	}
	name_join(name, (const char *[]){ "rights: ", user ? "user " :
	    "supervisor ", access_name[access], cr_name[cr], ac ? " AC" : "",
	    pcid ? " PCID" : "", 0 });
	check(name, bad, 0);
}

static void
rights(void)
{
	bool smep = has(7, 1, 7), smap = has(7, 1, 20);
	uint64_t cr4 = get_cr4(), cr0 = get_cr0();

	*(uint16_t *)target_pages[0] = 0xf0cd;
	for (unsigned cr = 0; cr < 8; cr++) {
		if (((cr & 2) && !smep) || ((cr & 4) && !smap))
			continue;
		set_cr0(cr & 1 ? cr0 | CR0_WP : cr0 & ~CR0_WP);
		set_cr4((cr4 & ~(CR4_SMEP | CR4_SMAP)) |
		    (cr & 2 ? CR4_SMEP : 0) | (cr & 4 ? CR4_SMAP : 0));
		for (unsigned access = READ; access <= EXEC; access++)
			for (unsigned n = 0; n < 4; n++)
				rights_of(access, n & 1, cr, n & 2, false);
	}
	set_cr0(cr0 | CR0_WP);
	set_cr4(cr4);
}

/* Once accessed and dirty, stay so and are not written again. */
static void
plain(void)
{
	pd2[1] = (uint64_t)pt_target + (P | W | U);
	for (unsigned n = 0; n < 4; n++)
		pt_target[n] = (uint64_t)target_pages[n] + (P | W | U);
	set_cr3(get_cr3());
}

static void
run(const char *code, uint64_t rax, uint64_t rbx)
{
	struct state s = at0(code);

	s.gpr[0] = rax;
	s.gpr[3] = rbx;
	s.gpr[5] = rax;
	trial(&s);
}

static void
not_present(void)
{
	plain();
	pt_target[0] = 0;
	run(snip_load, TARGET + 5, 0);
	check_raised("not present: read", PF, 0);
	check("not present: CR2", seen.cr2, TARGET + 5);
	run(snip_store, TARGET + 5, 0);
	check_raised("not present: write", PF, 2);
	run(snip_jump, TARGET, 0);
	check_raised("not present: exec", PF, 0x10);
	check("not present: RIP of the fetch", seen.ip, TARGET);
	run(snip_rmw, TARGET + 8, 0);
	check_raised("not present: LOCK ADD is a write", PF, 2);
	pt_target[0] = NX | 0xffffffffff000 | 0xffe;
	run(snip_load, TARGET, 0);
	check_raised("not present: other bits are free", PF, 0);
	/* No TLB entry is kept of what is not there. */
	pt_target[0] = (uint64_t)target_pages[0] + (P | W);
	run(snip_load, TARGET, 0);
	check_raised("not present: then present, without INVLPG", DONE, 0);
}

static void
dirty(void)
{
	plain();
	run(snip_load, TARGET, 0);
	check("A/D: a read", pt_target[0] & (A | D), A);
	run(snip_store, TARGET, 0);
	check("A/D: then a write", pt_target[0] & (A | D), A | D);
	plain();
	run(snip_store_load, TARGET, 0);
	check("A/D: read and write", pt_target[0] & (A | D), A | D);
	plain();
	run(snip_rmw, TARGET, 0);
	check("A/D: read-modify-write", pt_target[0] & (A | D), A | D);
	/* A write that the other page refuses dirties nothing. */
	plain();
	pt_target[1] = 0;
	invlpg(TARGET + 4096);
	run(snip_store8, TARGET + 4096 - 4, 0);
	check_raised("crossing: write, second not present", PF, 2);
	check("crossing: CR2 is in the second page", seen.cr2, TARGET + 4096);
	/* The dirty bit may be set by a write that faults (4.8 leaves it). */
}

static void
crossing(void)
{
	static const unsigned spots[] = { 1, 2, 3, 4, 5, 6, 7 };
	uint64_t *low = (uint64_t *)(target_pages[0] + 4088);
	uint64_t *high = (uint64_t *)target_pages[1];
	unsigned bad = 0;

	for (unsigned n = 0; n < 7; n++) {
		unsigned k = spots[n];

		plain();
		pt_target[1] = (uint64_t)target_pages[1] + P;	/* no write */
		invlpg(TARGET + 4096);
		*low = 0x1111111111111111;
		*high = 0x2222222222222222;
		run(snip_store8, TARGET + 4096 - k, ~0ull);
		if (seen.vector != PF || seen.error != 3 ||
		    seen.cr2 != TARGET + 4096 ||
		    *low != 0x1111111111111111 ||
		    *high != 0x2222222222222222)
			bad++;
	}
	check("crossing: nothing is written when the second faults", bad, 0);
	bad = 0;
	for (unsigned k = 1; k < 8; k++) {
		plain();
		pt_target[0] = (uint64_t)target_pages[0] + P;
		invlpg(TARGET);
		run(snip_store8, TARGET + 4096 - k, ~0ull);
		bad += seen.vector != PF || seen.error != 3 ||
		    seen.cr2 != TARGET + 4096 - k;
	}
	check("crossing: the first page faults first", bad, 0);
	bad = 0;
	for (unsigned k = 1; k < 8; k++) {
		plain();
		*low = *high = 0;
		run(snip_store8, TARGET + 4096 - k, 0x8877665544332211);
		run(snip_load8, TARGET + 4096 - k, 0);
		bad += seen.gpr[3] != 0x8877665544332211 ||
		    (pt_target[0] & (A | D)) != (A | D) ||
		    (pt_target[1] & (A | D)) != (A | D);
	}
	check("crossing: written and read again", bad, 0);
	/* Two pages that are not neighbours. */
	plain();
	pt_target[1] = (uint64_t)target_pages[3] + (P | W);
	invlpg(TARGET + 4096);
	*(uint32_t *)target_pages[3] = 0;
	run(snip_store8, TARGET + 4096 - 4, 0x8877665544332211);
	check("crossing: by translation",
	    *(uint32_t *)target_pages[3], 0x88776655);
	/* A push: the stack pointer stays. */
	plain();
	pt_target[0] = 0;
	invlpg(TARGET);
	run(snip_push, TARGET + 4096 + 4, 1);
	check_raised("crossing: PUSH into a page that is not there", PF, 2);
	check("crossing: CR2 of PUSH", seen.cr2, TARGET + 4096 - 4);
}

/* REP: RCX, RSI and RDI are of the iteration that faulted. */
static void
strings(void)
{
	struct state s;

	plain();
	pt_target[2] = 0;
	set_cr3(get_cr3());
	s = at0(snip_stos);
	s.gpr[0] = 0x5a;
	s.gpr[1] = 8192;
	s.gpr[7] = TARGET + 4096 + 100;
	trial(&s);
	check_raised("REP STOS: runs into a hole", PF, 2);
	check("REP STOS: RCX", seen.gpr[1], 8192 - (4096 - 100));
	check("REP STOS: RDI", seen.gpr[7], TARGET + 8192);
	check("REP STOS: CR2", seen.cr2, TARGET + 8192);
	check("REP STOS: RF in the image", seen.flags >> 16 & 1, 1);
	check("REP STOS: what it stored", target_pages[1][4095], 0x5a);
	s = at0(snip_movs);
	s.gpr[1] = 8192;
	s.gpr[6] = TARGET + 4096 + 200;
	s.gpr[7] = TARGET;
	trial(&s);
	check_raised("REP MOVS: the source ends", PF, 0);
	check("REP MOVS: RCX", seen.gpr[1], 8192 - (4096 - 200));
	check("REP MOVS: RSI", seen.gpr[6], TARGET + 8192);
	check("REP MOVS: RDI", seen.gpr[7], TARGET + 4096 - 200);
	s = at0(snip_stos);
	s.gpr[1] = 8192;
	s.gpr[7] = TARGET + 4096 + 99;
	s.flags |= 0x400;
	pt_target[0] = 0;
	set_cr3(get_cr3());
	trial(&s);
	check_raised("REP STOS down: runs into a hole", PF, 2);
	check("REP STOS down: RCX", seen.gpr[1], 8192 - 100);
	check("REP STOS down: CR2", seen.cr2, TARGET + 4095);
	plain();
}

/* --- Reserved bits, 4.5.4 --------------------------------------------------- */

static void
reserved(void)
{
	uint32_t r[4];
	unsigned width, bad = 0;

	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]),
	    "=d"(r[3]) : "a"(0x80000008));
	width = r[0] & 0xff;
	for (unsigned n = width; n < 52; n++) {
		plain();
		pt_target[0] |= 1ull << n;
		invlpg(TARGET);
		run(snip_load, TARGET, 0);
		bad += seen.vector != PF || seen.error != 9;
		plain();
		pd2[1] |= 1ull << n;
		invlpg(TARGET);
		run(snip_store, TARGET, 0);
		bad += seen.vector != PF || seen.error != 0xb;
		plain();
		pdpt[1] |= 1ull << n;
		invlpg(TARGET);
		run(snip_load, TARGET, 0);
		bad += seen.vector != PF || seen.error != 9;
		pdpt[1] &= ~(1ull << n);
		pml4[1] = (uint64_t)pdpt + (P | W) + (1ull << n);
		run(snip_load, 1ull << 39, 0);
		bad += seen.vector != PF || seen.error != 9;
		pml4[1] = 0;
	}
	check("reserved: address bits beyond the width, each level", bad, 0);
	bad = 0;
	for (unsigned n = 52; n < 63; n++) {
		plain();
		pt_target[0] |= 1ull << n;
		invlpg(TARGET);
		run(snip_load, TARGET, 0);
		bad += seen.vector != DONE;
	}
	check("reserved: bits 52 to 62 are free", bad, 0);
	bad = 0;
	for (unsigned n = 13; n < 21; n++) {
		plain();
		pd2[1] = (P | W | PS) + (1ull << n);
		invlpg(TARGET);
		run(snip_load, TARGET, 0);
		bad += seen.vector != PF || seen.error != 9;
	}
	check("reserved: bits 13 to 20 of a 2 MiB page", bad, 0);
	plain();
	pml4[1] = (uint64_t)pdpt + (P | W | PS);
	run(snip_load, 1ull << 39, 0);
	check_raised("reserved: PS in a PML4 entry", PF, 9);
	pml4[1] = 0;
	/* NX without EFER.NXE */
	plain();
	wrmsr(0xc0000080, rdmsr(0xc0000080) & ~0x800ull);
	pt_user[1] &= ~NX;
	pt_target[0] |= NX;
	invlpg(TARGET);
	run(snip_load, TARGET, 0);
	check_raised("reserved: NX without NXE", PF, 9);
	pt_target[0] = 0;
	invlpg(TARGET);
	run(snip_jump, TARGET, 0);
	check_raised("no I/D bit without NXE and SMEP", PF, 0);
	if (has(7, 1, 7)) {
		set_cr4(get_cr4() | CR4_SMEP);
		run(snip_jump, TARGET, 0);
		check_raised("I/D bit with SMEP alone", PF, 0x10);
		set_cr4(get_cr4() & ~CR4_SMEP);
	}
	wrmsr(0xc0000080, rdmsr(0xc0000080) | 0x800);
	plain();
}

/* --- Large pages --------------------------------------------------------------- */

static void
large(void)
{
	uint64_t at = (uint64_t)target_pages[2];

	plain();
	*(uint32_t *)at = 0xabcd1234;
	pd2[1] = (at & ~0x1fffffull) | P | W | PS;
	set_cr3(get_cr3());
	run(snip_load, TARGET + (at & 0x1fffff), 0);
	check("2 MiB: reads the right byte", seen.gpr[3], 0xabcd1234);
	check("2 MiB: A", pd2[1] & (A | D), A);
	run(snip_store, TARGET + (at & 0x1fffff), 7);
	check("2 MiB: writes it", *(uint32_t *)at, 7);
	check("2 MiB: D", pd2[1] & (A | D), A | D);
	pd2[1] = (at & ~0x1fffffull) | P | PS;
	set_cr3(get_cr3());
	run(snip_store, TARGET, 7);
	check_raised("2 MiB: read only", PF, 3);
	run(snip_load8, TARGET + 0x200000 - 4, 7);
	check_raised("2 MiB: next is not there", PF, 0);
	check("2 MiB: CR2", seen.cr2, TARGET + 0x200000);
	plain();
	if (!has(0x80000001, 3, 26))
		return;
	pdpt[2] = P | W | PS;
	run(snip_load, 0x80000000 + at, 0);
	check("1 GiB: reads", seen.gpr[3], 7);
	check("1 GiB: A", pdpt[2] & (A | D), A);
	run(snip_store, 0x80000000 + at, 9);
	check("1 GiB: writes", *(uint32_t *)at, 9);
	check("1 GiB: D", pdpt[2] & (A | D), A | D);
	pdpt[2] = P | W | PS | 1 << 13;
	set_cr3(get_cr3());
	run(snip_load, 0x80000000 + at, 0);
	check_raised("1 GiB: reserved bit 13", PF, 9);
	pdpt[2] = P | W | PS | 1 << 29;
	set_cr3(get_cr3());
	run(snip_load, 0x80000000 + at, 0);
	check_raised("1 GiB: reserved bit 29", PF, 9);
	pdpt[2] = 0;
	set_cr3(get_cr3());
}

/* --- Addresses that are not canonical ------------------------------------------------ */

static void
canonical(void)
{
	run(snip_load, 1ull << 47, 0);
	check_raised("canonical: read", GP, 0);
	run(snip_store, 1ull << 63, 0);
	check_raised("canonical: write", GP, 0);
	run(snip_bp, 1ull << 47, 0);
	check_raised("canonical: by RBP", SS, 0);
	run(snip_push, 1ull << 48, 0);
	check_raised("canonical: PUSH", SS, 0);
	run(snip_jump, 1ull << 47, 0);
	check_raised("canonical: JMP", GP, 0);
	check("canonical: RIP is of the JMP", seen.ip, (word)snip_jump);
	run(snip_load8, (1ull << 47) - 4, 0);
	check_raised("canonical: the end of an operand", GP, 0);
	run(snip_rmw, 1ull << 47, 0);
	check_raised("canonical: LOCK ADD", GP, 0);
}

/* --- The TLB -------------------------------------------------------------------------- */

static uint64_t
read_target(void)
{
	run(snip_load8, TARGET, 0);
	return seen.vector == DONE ? seen.gpr[3] : ~0ull;
}

static void
swap(uint64_t more)
{
	pt_target[0] = (uint64_t)target_pages[1] + (P | W | more);
}

static void
tlb(void)
{
	*(uint64_t *)target_pages[0] = 100;
	*(uint64_t *)target_pages[1] = 101;
	plain();
	read_target();
	swap(0);
	invlpg(TARGET);
	check("TLB: INVLPG", read_target(), 101);
	plain();
	read_target();
	swap(0);
	invlpg(TARGET + 4095);
	check("TLB: INVLPG anywhere in the page", read_target(), 101);
	plain();
	read_target();
	swap(0);
	set_cr3(get_cr3());
	check("TLB: CR3", read_target(), 101);
	plain();
	read_target();
	pd2[1] = 0;
	invlpg(TARGET);
	check("TLB: INVLPG drops what is cached of upper levels",
	    read_target(), ~0ull);
	plain();
	run(snip_load, TARGET, 0);
	pt_target[0] &= ~W;
	run(snip_load, TARGET, 0);
	invlpg(TARGET);
	run(snip_store, TARGET, 0);
	check_raised("TLB: W is taken away", PF, 3);
	/* 4.10.4.3: more rights need no INVLPG, at the cost of a fault */
	pt_target[0] |= W;
	run(snip_store8, TARGET, 100);
	check_raised("TLB: W is given; a fault drops the entry", DONE, 0);

	set_cr4(get_cr4() | CR4_PGE);
	plain();
	pt_target[0] |= G;
	invlpg(TARGET);
	read_target();
	swap(0);
	set_cr4(get_cr4() & ~CR4_PGE);
	check("TLB: clearing PGE drops global pages", read_target(), 101);
	plain();
	set_cr4(get_cr4() | CR4_PGE);
	pt_target[0] |= G;
	read_target();
	swap(G);
	invlpg(TARGET);
	check("TLB: INVLPG drops global pages", read_target(), 101);
	set_cr4(get_cr4() & ~CR4_PGE);
	plain();
	read_target();
	swap(0);
	set_cr0(get_cr0() & ~CR0_WP);
	set_cr0(get_cr0() | CR0_WP);
	invlpg(TARGET);
	check("TLB: after WP", read_target(), 101);
	plain();
}

static void
invpcid(uint64_t type, uint64_t pcid, uint64_t at)
{
	uint64_t d[2] = { pcid, at };

	__asm__ volatile("invpcid (%0), %1" : : "r"(d), "r"(type) : "memory");
}

SNIP(snip_cr3, "mov %rax, %cr3");
SNIP(snip_cr4, "mov %rax, %cr4");
SNIP(snip_cr0, "mov %rax, %cr0");
SNIP(snip_cr8, "mov %rax, %cr8");
SNIP(snip_invpcid, "invpcid (%rcx), %rax");

static void
pcid(void)
{
	uint64_t base = (uint64_t)pml4, d[2];
	struct state s;

	if (!has(1, 2, 17))
		return;
	plain();
	run(snip_cr4, get_cr4() | CR4_PCIDE, 0);
	check_raised("PCID: set with CR3 bits 11:0 zero", DONE, 0);
	run(snip_cr0, get_cr0() & ~0x80000000ull, 0);
	check_raised("PCID: paging cannot be switched off", GP, 0);
	set_cr3(base | 1);
	read_target();
	swap(0);
	set_cr3(base | 2);
	check("PCID: another one sees the new entry", read_target(), 101);
	set_cr3(base | 1);
	check("PCID: a load without bit 63 drops its entries", read_target(),
	    101);
	plain();
	set_cr3(base | 1);
	read_target();
	swap(0);
	set_cr3(base | 2 | 1ull << 63);
	set_cr3(base | 1 | 1ull << 63);
	invlpg(TARGET);
	check("PCID: INVLPG", read_target(), 101);
	check("PCID: CR3 reads without bit 63", get_cr3(), base | 1);
	if (!has(7, 1, 10)) {
		set_cr3(base);
		set_cr4(get_cr4() & ~CR4_PCIDE);
		return;
	}
	for (unsigned type = 0; type < 4; type++) {
		static const char *const names[] = {
			"INVPCID 0: one address", "INVPCID 1: one context",
			"INVPCID 2: all", "INVPCID 3: all but global" };

		plain();
		set_cr3(base | 1);
		read_target();
		swap(0);
		set_cr3(base | 2 | 1ull << 63);
		invpcid(type, type < 2 ? 1 : 0, type ? 0 : TARGET);
		set_cr3(base | 1 | 1ull << 63);
		check(names[type], read_target(), 101);
	}
	for (unsigned n = 0; n < 4; n++) {
		static const struct {
			const char *name;
			uint64_t type, d[2];
		} bad[] = {
			{ "INVPCID: type 4", 4, { 0, 0 } },
			{ "INVPCID: bit 12", 0, { 0x1000, 0 } },
			{ "INVPCID: address", 0, { 0, 1ull << 47 } },
			{ "INVPCID: bit 63", 2, { 1ull << 63, 0 } },
		};

		d[0] = bad[n].d[0];
		d[1] = bad[n].d[1];
		s = at0(snip_invpcid);
		s.gpr[0] = bad[n].type;
		s.gpr[1] = (word)d;
		trial(&s);
		check_raised(bad[n].name, GP, 0);
	}
	set_cr3(base);
	set_cr4(get_cr4() & ~CR4_PCIDE);
	set_cr3(base | 0x18);
	run(snip_cr4, get_cr4() | CR4_PCIDE, 0);
	check_raised("PCID: not while CR3 bits 11:0 are set", GP, 0);
	set_cr3(base);
	plain();
}

/* --- Control registers ---------------------------------------------------------------- */

static void
control(void)
{
	uint64_t cr0 = get_cr0(), cr4 = get_cr4();

	run(snip_cr0, cr0 & ~1ull, 0);
	check_raised("CR0: PG without PE", GP, 0);
	run(snip_cr0, cr0 | 0x20000000, 0);
	check_raised("CR0: NW without CD", GP, 0);
	run(snip_cr0, cr0 & ~0x80000000ull, 0);
	check_raised("CR0: no PG in 64-bit code", GP, 0);
	run(snip_cr0, cr0 | 1ull << 32, 0);
	check_raised("CR0: bit 32", GP, 0);
	run(snip_cr4, cr4 & ~0x20ull, 0);
	check_raised("CR4: no PAE in long mode", GP, 0);
	run(snip_cr4, cr4 | 1ull << 31, 0);
	check_raised("CR4: bit 31", GP, 0);
	run(snip_cr4, cr4 | 1ull << 32, 0);
	check_raised("CR4: bit 32", GP, 0);
	run(snip_cr4, cr4 | 1ull << 15, 0);
	check_raised("CR4: bit 15", GP, 0);
	run(snip_cr3, get_cr3() | 1ull << 60, 0);
	check_raised("CR3: bit 60", GP, 0);
	run(snip_cr3, get_cr3() | 1ull << 63, 0);
	check_raised("CR3: bit 63 without PCID", GP, 0);
	run(snip_cr8, 16, 0);
	check_raised("CR8: bit 4", GP, 0);
	run(snip_cr8, 15, 0);
	check_raised("CR8: 15", DONE, 0);
	run(snip_cr8, 0, 0);
}

void
main(void)
{
	setup();
	/* The stack itself is tried: these have their own. */
	gate_set(PF, 14, 0, 1);
	gate_set(SS, 14, 0, 1);
	gate_set(GP, 14, 0, 1);
	rights();
	not_present();
	dirty();
	crossing();
	strings();
	reserved();
	large();
	canonical();
	tlb();
	control();
	pcid();
	finish();
}
