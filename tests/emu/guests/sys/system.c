/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * system.c - exceptions, stacks, system calls, breakpoints, single steps and
 * interrupts in 64-bit mode (SDM 3A, chapters 5 and 6; 3B, chapter 18)
 */
#include "long.h"

#define TF 0x100u
#define IF 0x200u
#define RF 0x10000u

static struct { uint64_t ip; unsigned vector, dr6, flags; } log[32];
static unsigned logged;

#define DRN(n)								\
	static uint64_t get_dr##n(void)					\
	{								\
		uint64_t v;						\
		__asm__ volatile("mov %%dr" #n ", %0" : "=r"(v));	\
		return v;						\
	}								\
	static void set_dr##n(uint64_t v)				\
	{								\
		__asm__ volatile("mov %0, %%dr" #n : : "r"(v));		\
	}
DRN(0)
DRN(6)
DRN(7)

/* --- Exceptions and stacks ------------------------------------------------ */

SNIP(x_ud, "ud2");
SNIP(x_int3, "int3");
SNIP(x_push, "push %rax");
SNIP(x_into, ".byte 0xce");
SNIP(x_pusha, ".byte 0x60");
SNIP(x_les, ".byte 0xc4, 0x00");
SNIP(x_bound, ".byte 0x62, 0x00");
SNIP(x_arpl, "nop");
SNIP(x_aam, ".byte 0xd4, 0x0a");
SNIP(x_daa, ".byte 0x27");
SNIP(x_push_es, ".byte 0x06");
SNIP(x_farcall, ".byte 0x9a, 0, 0, 0, 0, 8, 0");
SNIP(x_de, "xor %ecx, %ecx; div %ecx");
SNIP(x_int77, "int $0x77");
SNIP(x_ac, "mov (%rax), %ebx");
SNIP(x_fxsave, "fxsave64 (%rax)");
SNIP(x_movaps, "movaps (%rax), %xmm0");

static void
exceptions(void)
{
	static const struct { const char *name, *code; } ud[] = {
		{ "#UD in 64-bit code: INTO", x_into },
		{ "#UD in 64-bit code: PUSHA", x_pusha },
		{ "#UD in 64-bit code: AAM", x_aam },
		{ "#UD in 64-bit code: DAA", x_daa },
		{ "#UD in 64-bit code: PUSH ES", x_push_es },
		{ "#UD in 64-bit code: far CALL ptr", x_farcall },
		{ "#UD in 64-bit code: UD2", x_ud },
	};
	struct state s;

	for (unsigned n = 0; n < sizeof(ud) / sizeof(ud[0]); n++) {
		s = at0(ud[n].code);
		trial(&s);
		check_raised(ud[n].name, UD, 0);
		check("its RIP", seen.ip, (word)ud[n].code);
		check("its RF", seen.flags & RF, RF);
	}
	/* 6.14.2: RSP is aligned to 16, what is pushed is the old one */
	for (unsigned n = 0; n < 16; n++) {
		s = at0(x_ud);
		s.sp -= 64 + n;
		trial(&s);
		check("stack: the image has RSP as it was", seen.sp, s.sp);
		check("stack: SS", seen.ss, KDS);
	}
	s = AT3(x_ud);
	trial(&s);
	check_raised("CPL 3: #UD", UD, 0);
	check("CPL 3: CS", seen.cs, UCS);
	check("CPL 3: SS", seen.ss, UDS);
	check("CPL 3: RSP", seen.sp, USER_STACK);
	s = AT3(x_int77);
	trial(&s);
	check_raised("INT n: DPL 0", GP, 0x77 * 8 + 2);
	check("INT n: RIP", seen.ip, USER);
	gate_set(0x77, 14, 3, 0);
	trial(&s);
	check_raised("INT n: DPL 3", 0x77, 0);
	check("INT n: RIP is the next", seen.ip, USER + 2);
	gate_set(0x77, 14, 3, 2);
	tss.ist[1] = 0x900000000000;
	trial(&s);
	check_raised("INT n: IST is not canonical: #SS", SS, 0);
	gate_set(0x77, 14, 3, 0);
	idt[0x77].high = 0x8000;
	trial(&s);
	check_raised("INT n: target is not canonical", GP, 0);
	gate_set(0x77, 14, 3, 0);
	idt[0x77].low &= ~(0x80ull << 40);
	trial(&s);
	check_raised("INT n: not present", NP, 0x77 * 8 + 2);
	gate_set(0x77, 14, 3, 0);
	idt[0x77].low = (idt[0x77].low & ~0xffff0000ull) | KCS32 << 16;
	trial(&s);
	check_raised("INT n: gate to 32-bit code", GP, KCS32);
	for (unsigned type = 0; type < 14; type++) {
		gate_set(0x77, type, 3, 0);
		trial(&s);
		check_raised("INT n: no gate of long mode", GP, 0x77 * 8 + 2);
	}
	gate_set(0x77, 14, 0, 0);
	/* #DF through a stack that faults, on its own stack */
	gate_set(DF, 14, 0, 1);
	gate_set(PF, 14, 0, 0);
	s = at0(x_push);
	s.sp = TARGET + 0x100000;
	trial(&s);
	check_raised("#DF: #PF while delivering #PF", DF, 0);
	gate_set(PF, 14, 0, 1);
	s.ip = (word)x_ud;
	trial(&s);
	check_raised("no #DF: #PF while delivering #UD", PF, 2);
	/* alignment checks at CPL 3 only */
	set_cr0(get_cr0() | 0x40000);
	s = AT3(x_ac);
	s.flags |= 0x40000;
	s.gpr[0] = USER_STACK - 63;
	trial(&s);
	check_raised("#AC: at CPL 3", AC, 0);
	s.flags &= ~0x40000u;
	trial(&s);
	check_raised("#AC: not without EFLAGS.AC", DONE, 0);
	s = at0(x_ac);
	s.flags |= 0x40000;
	s.gpr[0] = (word)target_pages + 1;
	trial(&s);
	check_raised("#AC: not at CPL 0", DONE, 0);
	set_cr0(get_cr0() & ~0x40000ull);
	set_cr4(get_cr4() | 0x600);
	s = at0(x_fxsave);
	s.gpr[0] = (word)target_pages + 8;
	trial(&s);
	check_raised("#GP: FXSAVE is not aligned", GP, 0);
	s = at0(x_movaps);
	s.gpr[0] = (word)target_pages + 8;
	trial(&s);
	check_raised("#GP: MOVAPS is not aligned", GP, 0);
	set_cr0(get_cr0() | 8);
	trial(&s);
	check_raised("#NM: TS comes before", NM, 0);
	set_cr0((get_cr0() & ~8ull) | 4);
	trial(&s);
	check_raised("#UD: EM", UD, 0);
	set_cr0(get_cr0() & ~4ull);
}

/* --- IRETQ ------------------------------------------------------------------- */

SNIP(do_iretq, "iretq");
SNIP(landed, "nop");
SNIP32(landed32, "nop");

static void
irets(const char *name, uint64_t ip, unsigned cs, unsigned flags, unsigned ss,
    unsigned vector, unsigned error)
{
	static uint64_t room[64] __attribute__((aligned(16)));
	struct state s = at0(do_iretq);

	room[56] = ip;
	room[57] = cs;
	room[58] = flags;
	room[59] = USER_STACK;
	room[60] = ss;
	s.sp = (word)(room + 56);
	trial(&s);
	check_raised(name, vector, error);
}

static void
iretqs(void)
{
	uint64_t user = USER;
	struct state s = AT3(landed);

	(void)s;
	irets("IRETQ: outwards", user, UCS, 2, UDS, DONE, 0);
	check("IRETQ: RSP", seen.sp, USER_STACK);
	irets("IRETQ: to 32-bit code", user, UCS32, 2, UDS, DONE, 0);
	irets("IRETQ: same level", (word)landed, KCS, 2, KDS, DONE, 0);
	check("IRETQ: same level takes RSP too", seen.sp, USER_STACK);
	irets("IRETQ: same level, null SS", (word)landed, KCS, 2, 0, DONE, 0);
	irets("IRETQ: CPL 3, null SS", user, UCS, 2, 3, GP, 0);
	irets("IRETQ: to 32-bit code with null SS", (word)landed32, KCS32, 2,
	    0, GP, 0);
	irets("IRETQ: NT", user, UCS, 2, UDS, DONE, 0);
	irets("IRETQ: null CS", user, 0, 2, UDS, GP, 0);
	irets("IRETQ: RPL is not DPL", user, KCS | 3, 2, UDS, GP, KCS);
	irets("IRETQ: SS of CPL 0", user, UCS, 2, KDS, GP, KDS);
	irets("IRETQ: RIP is not canonical", 1ull << 47, UCS, 2, UDS, GP, 0);
	irets("IRETQ: beyond the GDT", user, 0x203, 2, UDS, GP, 0x200);
	s = at0(do_iretq);
	s.flags |= 0x4000;
	trial(&s);
	check_raised("IRETQ: NT is set: no tasks", GP, 0);
	irets("IRETQ: IOPL and IF from CPL 0", user, UCS, 0x3002, UDS, DONE,
	    0);
	check("IRETQ: IOPL", seen.flags & 0x3000, 0x3000);
	irets("IRETQ: VM is ignored", user, UCS, 0x20002, UDS, DONE, 0);
}

/* --- SYSCALL, SYSENTER, SWAPGS ------------------------------------------------- */

SNIP(do_syscall, "syscall");
SNIP(entry, "nop");
SNIP(do_sysret, "sysretq");
SNIP(do_sysret32, "sysretl");
SNIP(do_sysenter, "sysenter");
SNIP(do_sysexit, "sysexitl");
SNIP(do_sysexit64, "rex.w sysexitl");
SNIP(do_swapgs, "swapgs; mov %gs:0, %rax; swapgs; mov %gs:0, %rbx");
SNIP(do_rdfs, "rdfsbase %rax");
SNIP(do_wrgs, "wrgsbase %rax; rdgsbase %rbx");
SNIP(do_wrgs32, "wrgsbase %eax; rdgsbase %rbx");
SNIP(u_sgdt, "sgdt -64(%rsp)");
SNIP(u_sidt, "sidt -64(%rsp)");
SNIP(u_sldt, "sldt %eax");
SNIP(u_str, "str %eax");
SNIP(u_smsw, "smsw %eax");

static void
calls(void)
{
	static uint64_t gs[2] = { 0x1111, 0x2222 };
	static const struct { const char *name, *code, *end; } umip[] = {
#define X(n) { #n, u_##n, u_##n##_end }
		X(sgdt), X(sidt), X(sldt), X(str), X(smsw) };
	struct state s = AT3(do_syscall);

	wrmsr(0xc0000081, (uint64_t)KCS << 32 | 0x18ull << 48);
	wrmsr(0xc0000082, (uint64_t)entry);
	wrmsr(0xc0000084, 0x4d5 | TF);
	s.flags = 0xcd7;
	s.gpr[1] = s.gpr[11] = ~0ull;
	trial(&s);
	check_raised("SYSCALL", DONE, 0);
	check("SYSCALL: arrives", seen.ip, (word)entry_end);
	check("SYSCALL: RCX is the return address", seen.gpr[1], USER + 2);
	check("SYSCALL: R11 is RFLAGS", seen.gpr[11], 0xcd7);
	check("SYSCALL: FMASK", seen.flags, 0x802);
	check("SYSCALL: CS", seen.cs, KCS);
	check("SYSCALL: SS", seen.ss, KDS);
	check("SYSCALL: RSP stays", seen.sp, USER_STACK);
	wrmsr(0xc0000080, rdmsr(0xc0000080) & ~1ull);
	trial(&s);
	check_raised("SYSCALL: #UD without SCE", UD, 0);
	s = at0(do_sysret);
	trial(&s);
	check_raised("SYSRET: #UD without SCE", UD, 0);
	wrmsr(0xc0000080, rdmsr(0xc0000080) | 1);
	at3(landed, landed_end);
	s = at0(do_sysret);
	s.gpr[1] = USER;
	s.gpr[11] = 0x3ed7 | RF | 0x20000;
	trial(&s);
	check_raised("SYSRET", DONE, 0);
	check("SYSRET: RIP", seen.ip, USER + (landed_end - landed));
	check("SYSRET: CS", seen.cs, UCS);
	check("SYSRET: SS", seen.ss, UDS);
	s.gpr[11] = 0x3cd7 | RF | 0x20000;
	trial(&s);
	check("SYSRET: RFLAGS without RF and VM", seen.flags, 0x3cd7);
	s = AT3(do_sysret);
	trial(&s);
	check_raised("SYSRET: at CPL 3", GP, 0);
	s = at0(do_sysret32);
	at3(landed32, landed32_end);
	s.gpr[1] = 0xffffffff00000000 | USER;
	s.gpr[11] = 2;
	trial(&s);
	check_raised("SYSRET to 32-bit code", DONE, 0);
	check("SYSRET to 32-bit code: CS", seen.cs, UCS32);

	/* SWAPGS */
	wrmsr(0xc0000101, (uint64_t)&gs[0]);
	wrmsr(0xc0000102, (uint64_t)&gs[1]);
	s = at0(do_swapgs);
	trial(&s);
	check("SWAPGS", seen.gpr[0], 0x2222);
	check("SWAPGS: and back", seen.gpr[3], 0x1111);
	s = AT3(do_swapgs);
	trial(&s);
	check_raised("SWAPGS: at CPL 3", GP, 0);

	/* FSGSBASE */
	set_cr4(get_cr4() & ~0x10000ull);
	s = at0(do_rdfs);
	trial(&s);
	check_raised("RDFSBASE: #UD without CR4.FSGSBASE", UD, 0);
	set_cr4(get_cr4() | 0x10000);
	wrmsr(0xc0000100, 0x123456789a);
	trial(&s);
	check("RDFSBASE", seen.gpr[0], 0x123456789a);
	s = AT3(do_wrgs);
	s.gpr[0] = 0x7ffffffff000;
	trial(&s);
	check("WRGSBASE at CPL 3", seen.gpr[3], 0x7ffffffff000);
	s.gpr[0] = 1ull << 47;
	trial(&s);
	check_raised("WRGSBASE: not canonical", GP, 0);
	s = at0(do_wrgs32);
	s.gpr[0] = ~0ull;
	trial(&s);
	check("WRGSBASE: 32 bits", seen.gpr[3], 0xffffffff);
	set_cr4(get_cr4() & ~0x10000ull);

	/* UMIP */
	for (unsigned n = 0; n < 5; n++) {
		s = at3(umip[n].code, umip[n].end);
		set_cr4(get_cr4() & ~0x800ull);
		trial(&s);
		check_raised("UMIP: clear", DONE, 0);
		set_cr4(get_cr4() | 0x800);
		trial(&s);
		check_raised("UMIP: set", GP, 0);
		check("UMIP: RIP", seen.ip, USER);
		s = at0(umip[n].code);
		trial(&s);
		check_raised("UMIP: at CPL 0", DONE, 0);
		set_cr4(get_cr4() & ~0x800ull);
	}
}

/* --- MSRs --------------------------------------------------------------------------- */

SNIP(do_rdmsr, "rdmsr");
SNIP(do_wrmsr, "wrmsr");

static void
msr(const char *name, uint32_t n, uint64_t v, unsigned vector)
{
	struct state s = at0(do_wrmsr);

	s.gpr[1] = n;
	s.gpr[0] = (uint32_t)v;
	s.gpr[2] = v >> 32;
	trial(&s);
	check_raised(name, vector, 0);
}

static void
msrs(void)
{
	struct state s = at0(do_rdmsr);
	uint64_t efer = rdmsr(0xc0000080), pat = rdmsr(0x277);

	s.gpr[1] = 0xdeadbeef;
	trial(&s);
	check_raised("RDMSR: none of that number", GP, 0);
	msr("WRMSR: none of that number", 0xdeadbeef, 0, GP);
	msr("EFER: LME while paging", 0xc0000080, efer & ~0x100ull, GP);
	msr("EFER: bit 1", 0xc0000080, efer | 2, GP);
	msr("EFER: bit 63", 0xc0000080, efer | 1ull << 63, GP);
	msr("EFER: as it is", 0xc0000080, efer, DONE);
	check("EFER: LMA cannot be written", rdmsr(0xc0000080), efer);
	msr("LSTAR: not canonical", 0xc0000082, 1ull << 47, GP);
	msr("CSTAR: not canonical", 0xc0000083, 1ull << 63, GP);
	msr("FS base: not canonical", 0xc0000100, 1ull << 47, GP);
	msr("GS base: not canonical", 0xc0000101, 1ull << 47, GP);
	msr("kernel GS base: not canonical", 0xc0000102, 1ull << 47, GP);
	msr("SYSENTER_EIP: not canonical", 0x176, 1ull << 47, GP);
	msr("PAT: type 2", 0x277, 2, GP);
	msr("PAT: type 8", 0x277, 8ull << 56, GP);
	msr("PAT: as it is", 0x277, pat, DONE);
	msr("APIC base: reserved bit", 0x1b, rdmsr(0x1b) | 1, GP);
}

/* --- Single steps and breakpoints ------------------------------------------------------ */

/* Counts the traps, goes on with TF as it is in the image. */
static bool
log_trap(struct state *s)
{
	if (s->vector != DB || logged == 32)
		return false;
	log[logged].ip = s->ip;
	log[logged].vector = s->vector;
	log[logged].flags = s->flags;
	log[logged++].dr6 = get_dr6();
	set_dr6(0xffff0ff0);
	s->flags |= RF;		/* breakpoints are not met again */
	return true;
}

static void
logging(struct state *s)
{
	logged = 0;
	set_dr6(0xffff0ff0);
	on_trap = log_trap;
	trial(s);
	on_trap = 0;
}

SNIP(st_plain, "nop; inc %eax; nop");
SNIP(st_rep, "rep stosb; nop");
SNIP(st_ss, "mov %ecx, %ss; nop; nop");
SNIP(st_popf, "pushq $2; popf; nop; nop");
SNIP(st_set, "pushf; orl $0x100, (%rsp); popf; nop; nop");
SNIP(st_jmp, "jmp 1f; nop; 1: nop");
SNIP(st_ud, "nop; ud2");
SNIP(st_sti, "sti; nop; cli");
SNIP(st_hlt, "nop; mov %cr0, %rax; mov %rax, %cr0; cpuid; nop");
SNIP(bp_code, "nop; bp_at: inc %eax; inc %eax");
SNIP(bp_write, "mov %eax, (%rdi); nop; nop");
SNIP(bp_read, "mov (%rdi), %eax; nop; nop");
SNIP(bp_rmw, "incl (%rdi); nop");
SNIP(bp_stos, "rep stosb; nop");
SNIP(bp_io, "out %al, $0x80; nop; nop");
SNIP(bp_gd, "mov %dr0, %rax");
SNIP(bp_push, "push %rax; nop");
SNIP(dr_high, "mov %rax, %dr7");
SNIP(dr6_high, "mov %rax, %dr6");
SNIP(dr4, "mov %dr4, %rax");

static void
steps(const char *name, const char *code, unsigned n)
{
	struct state s = at0(code);

	s.flags |= TF;
	s.gpr[1] = code == st_ss ? KDS : 3;
	s.gpr[7] = (word)target_pages;
	logging(&s);
	check(name, logged, n);
	for (unsigned k = 0; k < logged; k++)
		check("single step: DR6", log[k].dr6, 0xffff4ff0);
}

static void
single_steps(void)
{
	struct state s;

	/* the INT 0xf0 at the end traps in its handler: not at all */
	steps("single step: each instruction", st_plain, 3);
	check("single step: where", log[0].ip, (word)st_plain + 1);
	check("single step: where", log[1].ip, (word)st_plain + 3);
	check("single step: where", log[2].ip, (word)st_plain + 4);
	check("single step: TF in the image", log[0].flags & TF, TF);
	check("single step: no RF in the image", log[0].flags & RF, 0);
	steps("single step: each iteration of REP", st_rep, 4);
	check("single step: REP: at itself", log[0].ip, (word)st_rep);
	check("single step: REP: RF in the image", log[0].flags & RF, RF);
	check("single step: REP: none after the last", log[2].flags & RF, 0);
	steps("single step: MOV SS delays it", st_ss, 2);
	check("single step: MOV SS: where", log[0].ip, (word)st_ss + 3);
	steps("single step: POPF clears TF, and traps once", st_popf, 2);
	steps("single step: a taken branch", st_jmp, 2);
	steps("single step: not after a fault", st_ud, 1);
	check("single step: a fault", seen.vector, UD);
	steps("single step: control registers, CPUID", st_hlt, 5);
	s = at0(st_set);
	logging(&s);
	check("single step: POPF sets TF: after the next", logged, 2);
	check("single step: POPF sets TF: where", log[0].ip,
	    (word)st_set_end - 2 - 1);
	/* SYSCALL whose mask clears TF: no trap in the kernel */
	s = AT3(do_syscall);
	s.flags |= TF;
	logging(&s);
	check("single step: SYSCALL with TF in FMASK", logged, 0);
	wrmsr(0xc0000084, 0);
	logging(&s);
	check("single step: SYSCALL without: in the kernel", logged, 2);
	check("single step: SYSCALL: where", log[0].ip, (word)entry);
	wrmsr(0xc0000084, TF);
	/* SYSRET that sets TF: before the first instruction out there */
	at3(st_plain, st_plain_end);
	s = at0(do_sysret);
	s.gpr[1] = USER;
	s.gpr[11] = 2 | TF;
	logging(&s);
	check("single step: SYSRET sets TF", logged, 4);
	check("single step: SYSRET: where", log[0].ip, USER);
}

static void
breaks(const char *name, const char *code, unsigned rw, unsigned len,
    uint64_t at, unsigned n, const void *ip)
{
	struct state s = at0(code);

	set_dr0(at);
	set_dr7(0x402 | rw << 16 | len << 18);
	s.gpr[7] = (word)target_pages;
	s.gpr[1] = 8;
	logging(&s);
	set_dr7(0x400);
	check(name, logged, n);
	check(name, seen.vector, DONE);
	if (n) {
		check("breakpoint: where", log[0].ip, (word)ip);
		check("breakpoint: DR6", log[0].dr6, 0xffff0ff1);
	}
}

static void
breakpoints(void)
{
	extern const char bp_at[];
	uint64_t t = (uint64_t)target_pages;
	struct state s;

	breaks("break: execution", bp_code, 0, 0, (word)bp_at, 1, bp_at);
	/* 17.3.1.1: all faults have it but this one */
	check("break: execution: no RF in the image", log[0].flags & RF, 0);
	breaks("break: not in the middle", bp_code, 0, 0, (word)bp_at + 1, 0,
	    0);
	breaks("break: write", bp_write, 1, 3, t, 1, bp_write + 2);
	check("break: write: no RF", log[0].flags & RF, 0);
	breaks("break: write: not by a read", bp_read, 1, 3, t, 0, 0);
	breaks("break: read or write: read", bp_read, 3, 3, t, 1,
	    bp_read + 2);
	breaks("break: read or write: write", bp_write, 3, 3, t, 1,
	    bp_write + 2);
	breaks("break: read and write", bp_rmw, 1, 3, t, 1, bp_rmw + 2);
	breaks("break: one byte of four", bp_write, 1, 0, t + 3, 1,
	    bp_write + 2);
	breaks("break: one byte after four", bp_write, 1, 0, t + 4, 0, 0);
	breaks("break: eight bytes", bp_write, 1, 2, t, 1, bp_write + 2);
	breaks("break: eight bytes are aligned", bp_write, 1, 2, t + 8, 0, 0);
	breaks("break: PUSH", bp_push, 1, 2, at0(0).sp - 8, 1, bp_push + 1);
	breaks("break: in REP STOS", bp_stos, 1, 0, t + 4, 1, bp_stos);
	set_cr4(get_cr4() | 8);
	breaks("break: I/O", bp_io, 2, 0, 0x80, 1, bp_io + 2);
	breaks("break: I/O of another port", bp_io, 2, 0, 0x81, 0, 0);
	s = at0(dr4);
	trial(&s);
	check_raised("DR4: #UD with CR4.DE", UD, 0);
	set_cr4(get_cr4() & ~8ull);
	trial(&s);
	check_raised("DR4: is DR6 without", DONE, 0);
	check("DR4: is DR6 without", seen.gpr[0], get_dr6());
	set_dr7(0x2400);
	s = at0(bp_gd);
	trial(&s);
	check_raised("GD: #DB", DB, 0);
	check("GD: is a fault", seen.ip, (word)bp_gd);
	check("GD: BD in DR6", get_dr6() & 0x2000, 0x2000);
	check("GD: cleared", get_dr7() & 0x2000, 0);
	s = at0(dr_high);
	s.gpr[0] = 1ull << 32;
	trial(&s);
	check_raised("DR7: bit 32", GP, 0);
	s = at0(dr6_high);
	s.gpr[0] = 1ull << 32;
	trial(&s);
	check_raised("DR6: bit 32", GP, 0);
	s = AT3(bp_gd);
	trial(&s);
	check_raised("MOV DR: at CPL 3", GP, 0);
	set_dr6(0);
	check("DR6: bits that are ones", get_dr6(), 0xffff0ff0);
	set_dr7(0);
	check("DR7: bit 10 is one", get_dr7(), 0x400);
	set_dr7(0x400);
	(void)get_dr0;
}

/* --- Interrupts by the local APIC ---------------------------------------------------------- */

static volatile uint32_t *const apic = (void *)0x70000000;

SNIP(in_hlt, "sti; hlt; nop");
SNIP(in_sti, "sti; in_sti_at: nop; nop; nop; nop");
SNIP(in_ss, "sti; mov %ecx, %ss; in_ss_at: nop; nop; nop");
SNIP(in_popf, "popf; in_popf_at: nop; nop");
SNIP(in_cr8, "mov %rax, %cr8; in_cr8_at: nop; nop");
SNIP(in_self, "movl %eax, (%rbx); 1: pause; loop 1b");

static void
eoi(void)
{
	apic[0xb0 / 4] = 0;
}

/* An interrupt waits when the snippet starts. */
static void
waits(const char *name, const char *code, unsigned flags, uint64_t rax,
    unsigned vector, const void *at)
{
	struct state s = at0(code);
	static uint64_t popped[64] __attribute__((aligned(16)));

	apic[0x310 / 4] = 0;
	apic[0x300 / 4] = 0x40060;	/* to self, vector 60h */
	for (volatile unsigned n = 0; n < 1000; n++)
		;
	s.flags |= flags;
	s.gpr[0] = rax;
	s.gpr[1] = KDS;
	popped[48] = 2 | IF;
	if (code == in_popf)
		s.sp = (word)(popped + 48);
	trial(&s);
	check(name, seen.vector, vector);
	if (at)
		check(name, seen.ip, (word)at);
	if (vector == DONE) {	/* take it now */
		s = at0(in_sti);
		trial(&s);
	}
	eoi();
}

static void
interrupts(void)
{
	extern const char in_sti_at[], in_ss_at[], in_popf_at[], in_cr8_at[];
	struct state s;

	pd2[0x180] = 0xfee00000 | P | W | PS | 0x18;
	set_cr3(get_cr3());
	wrmsr(0x1b, rdmsr(0x1b) | 0x800);
	apic[0xf0 / 4] = 0x1ff;
	apic[0x80 / 4] = 0;
	waits("interrupt: IF is clear", st_plain, 0, 0, DONE, 0);
	waits("interrupt: IF is set", st_plain, IF, 0, 0x60, st_plain);
	waits("interrupt: STI holds one instruction", in_sti, 0, 0, 0x60,
	    in_sti_at + 1);
	waits("interrupt: STI when IF was set", in_sti, IF, 0, 0x60, in_sti);
	waits("interrupt: HLT right after STI", in_hlt, 0, 0, 0x60,
	    in_hlt + 2);
	waits("interrupt: POPF sets IF", in_popf, 0, 0, 0x60, in_popf_at);
	apic[0x80 / 4] = 0x60;
	waits("interrupt: TPR bars it", in_sti, 0, 0, DONE, 0);
	apic[0x80 / 4] = 0;
	eoi();
	s = at0(in_sti);
	trial(&s);
	check("interrupt: after TPR", seen.vector, 0x60);
	eoi();
	apic[0x80 / 4] = 0x60;
	waits("interrupt: CR8 lets it in", in_cr8, IF, 0, 0x60, 0);
	check("interrupt: CR8", (seen.ip - (word)in_cr8_at) < 3, 1);
	apic[0x80 / 4] = 0;
	(void)in_ss_at;

	/* the timer: one shot, masked, periodic */
	apic[0x3e0 / 4] = 0xb;
	apic[0x320 / 4] = 0x61;
	apic[0x380 / 4] = 1000;
	s = at0(in_hlt);
	trial(&s);
	check_raised("APIC timer: wakes HLT", 0x61, 0);
	check("APIC timer: RIP after HLT", seen.ip, (word)in_hlt + 2);
	eoi();
	check("APIC timer: one shot has ended", apic[0x390 / 4], 0);
	apic[0x320 / 4] = 0x20061;
	apic[0x380 / 4] = 1000;
	for (unsigned n = 0; n < 3; n++) {
		trial(&s);
		check_raised("APIC timer: periodic", 0x61, 0);
		eoi();
	}
	apic[0x380 / 4] = 0;
	apic[0x320 / 4] = 0x10000;
	/* a software interrupt is not held by the TPR */
	apic[0x80 / 4] = 0xff;
	s = at0(x_int77);
	trial(&s);
	check_raised("INT n: TPR does not matter", 0x77, 0);
	apic[0x80 / 4] = 0;
}

/* --- Code that changes ------------------------------------------------------------------------ */

static uint8_t smc[8192] __attribute__((aligned(4096)));

/* movb $v, at(%rip): patches; mov imm */
SNIP(smc_same, "movb $2, smc_same_imm + 1; smc_same_imm: mov $1, %al");
SNIP(smc_loop, "xor %ebx, %ebx; mov $100, %ecx; "
    "1: smc_loop_imm: mov $0, %eax; add %eax, %ebx; "
    "incl smc_loop_imm + 1; loop 1b");
SNIP(smc_stos, "lea smc_stos_imm + 1(%rip), %rdi; mov $4, %ecx; mov $7, %al; "
    "rep stosb; smc_stos_imm: mov $1, %eax");
SNIP(smc_alias, "movb $9, (%rdi); smc_alias_imm: mov $1, %al");
SNIP(smc_next, "movb $3, smc_next_imm + 1; jmp smc_next_imm; "
    "smc_next_imm: mov $1, %al");
SNIP(smc_self, "movl $0x90909090, smc_self_at; smc_self_at: ud2; ud2");

static void
modifies(void)
{
	extern char smc_same_imm[], smc_loop_imm[], smc_alias_imm[],
	    smc_next_imm[];
	struct state s = at0(smc_same);

	trial(&s);
	check("SMC: the next instruction", seen.gpr[0] & 0xff, 2);
	smc_same_imm[1] = 5;
	trial(&s);
	check("SMC: again", seen.gpr[0] & 0xff, 2);
	s = at0(smc_loop);
	trial(&s);
	check("SMC: in a loop", seen.gpr[3], 99 * 100 / 2);
	check("SMC: in a loop: the last", *(uint32_t *)(smc_loop_imm + 1),
	    100);
	s = at0(smc_stos);
	trial(&s);
	check("SMC: by REP STOS", seen.gpr[0], 0x07070707);
	/* through another mapping */
	pt_target[0] = ((uint64_t)smc_alias_imm & ~4095ull) | P | W;
	pt_target[1] = (((uint64_t)smc_alias_imm & ~4095ull) + 4096) | P | W;
	set_cr3(get_cr3());
	s = at0(smc_alias);
	s.gpr[7] = TARGET + ((uint64_t)smc_alias_imm & 4095) + 1;
	trial(&s);
	check("SMC: by another mapping", seen.gpr[0] & 0xff, 9);
	s = at0(smc_next);
	trial(&s);
	check("SMC: after a branch", seen.gpr[0] & 0xff, 3);
	smc_next_imm[1] = 4;
	trial(&s);
	check("SMC: after a branch, again", seen.gpr[0] & 0xff, 3);
	s = at0(smc_self);
	trial(&s);
	check_raised("SMC: the very next bytes", DONE, 0);
	/* an instruction across two pages, changed in the second */
	for (unsigned n = 0; n < 4; n++) {
		uint8_t *at = smc + 4096 - 1 - n;

		at[0] = 0xb8;		/* mov $imm32, %eax */
		at[5] = 0xcd;
		at[6] = DONE;
		for (unsigned v = 1; v < 4; v++) {
			at[1] = at[2] = at[3] = at[4] = v;
			s = at0(at);
			trial(&s);
			check("SMC: across pages", seen.gpr[0],
			    0x01010101u * v);
		}
	}
	/* other bytes behind the same linear address */
	for (unsigned n = 0; n < 4; n++) {
		target_pages[n][0] = 0xb8;
		*(uint32_t *)(target_pages[n] + 1) = n;
		target_pages[n][5] = 0xcd;
		target_pages[n][6] = DONE;
		pt_target[0] = (uint64_t)target_pages[n] | P | W;
		invlpg(TARGET);
		s = at0((void *)TARGET);
		trial(&s);
		check("SMC: another page is mapped", seen.gpr[0], n);
	}
}

void
main(void)
{
	setup();
	gate_set(PF, 14, 0, 1);
	gate_set(SS, 14, 0, 1);
	exceptions();
	iretqs();
	calls();
	msrs();
	single_steps();
	breakpoints();
	modifies();
	interrupts();
	finish();
}
