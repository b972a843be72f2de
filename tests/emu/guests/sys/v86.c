/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * v86.c - virtual-8086 mode, its extensions, and virtual interrupts in
 * protected mode (SDM 3A, chapter 21 "8086 emulation")
 */
#include "legacy.h"

#define IF 0x200u
#define NT 0x4000u
#define VM 0x20000u
#define AC_FLAG 0x40000u
#define VIF 0x80000u
#define VIP 0x100000u
#define CR4_VME 1u
#define CR4_PVI 2u

enum { CODE = 0x2000, STACK = 0x3000, DATA = 0x4000, EXTRA = 0x5000 };
#define AT(segment) ((uint8_t *)((segment) << 4))

void *memcpy(void *, const void *, unsigned long);

static struct state
at86(const char *code, const char *end, unsigned iopl)
{
	memcpy(AT(CODE), code, end - code);
	return (struct state){ .ip = 0, .cs = CODE, .ss = STACK,
	    .sp = 0xff00, .ds = DATA, .es = EXTRA, .fs = 0x1234,
	    .gs = 0xabcd, .flags = 2 | VM | iopl << 12 };
}
#define AT86(name, iopl) at86(name, name##_end, iopl)

static uint32_t
get_cr4(void)
{
	uint32_t v;

	__asm__ volatile("mov %%cr4, %0" : "=r"(v));
	return v;
}

static void
put_cr4(uint32_t v)
{
	__asm__ volatile("mov %0, %%cr4" : : "r"(v));
}

SNIP16(plain, "mov %cs, %ax; mov %ds, %bx; mov %ss, %cx; mov %gs, %dx");
SNIP16(loads, "mov $0x4321, %ax; mov %ax, %es; mov %ax, %fs; push $7; "
    "pop %gs");
SNIP16(store, "mov %ax, (%bx)");
SNIP16(load, "mov (%bx), %ax");
SNIP16(load32, "mov (%ebx), %eax");
SNIP16(stack, "mov %bx, %sp; pop %ax");
SNIP16(by_bp, "mov (%bp), %ax");
SNIP16(far_jump, "ljmp $0x2010, $0x0000");
SNIP16(far_call, "lcall $0x2010, $0x0000");
SNIP16(near_far, "mov $0x12345, %eax; jmp *%eax");
SNIP16(o_cli, "cli");
SNIP16(o_sti, "sti");
SNIP16(o_pushf, "pushf; pop %ax");
SNIP16(o_pushfl, "pushfl; pop %eax");
SNIP16(o_popf, "push %ax; popf");
SNIP16(o_popfl, "pushl %eax; popfl");
SNIP16(o_int, "int $0x21");
SNIP16(o_int3, "int3");
SNIP16(o_into, "mov $0x7f, %al; inc %al; into");
SNIP16(o_iret, "push %ax; push $0x2010; push $0; iret");
SNIP16(o_iretl, "pushl %eax; pushl $0x2010; pushl $0; iretl");
SNIP16(p_hlt, "hlt");
SNIP16(p_lgdt, "lgdt (0)");
SNIP16(p_cr0, "mov %cr0, %eax");
SNIP16(p_dr7, "mov %dr7, %eax");
SNIP16(p_lmsw, "lmsw %ax");
SNIP16(p_clts, "clts");
SNIP16(p_rdmsr, "rdmsr");
SNIP16(p_wbinvd, "wbinvd");
SNIP16(u_sldt, "sldt %ax");
SNIP16(u_str, "str %ax");
SNIP16(u_lldt, "lldt %ax");
SNIP16(u_ltr, "ltr %ax");
SNIP16(u_lar, "lar %ax, %ax");
SNIP16(u_lsl, "lsl %ax, %ax");
SNIP16(u_verr, "verr %ax");
SNIP16(u_arpl, ".byte 0x63, 0xc0");
SNIP16(smsw, "smsw %ax");
SNIP16(in_byte, "in $0x80, %al");
SNIP16(handler, "hlt");

static void
memory(void)
{
	struct state s = AT86(plain, 3);

	trial(&s);
	check_raised("v86: runs, and INT by IOPL 3", DONE, 0);
	check("v86: CS", seen.gpr[0] & 0xffff, CODE);
	check("v86: DS", seen.gpr[3] & 0xffff, DATA);
	check("v86: SS", seen.gpr[1] & 0xffff, STACK);
	check("v86: GS", seen.gpr[2] & 0xffff, 0xabcd);
	check("v86: VM in the image", seen.flags & VM, VM);
	check("v86: SS in the image", seen.ss, STACK);
	check("v86: SP in the image", seen.sp, 0xff00);
	check("v86: ES in the image", seen.es, EXTRA);
	check("v86: DS in the image", seen.ds, DATA);
	check("v86: FS in the image", seen.fs, 0x1234);
	check("v86: GS in the image", seen.gs, 0xabcd);
	check("v86: the frame is of 9 double words and an error code",
	    tss.esp0 >= 40, 1);
	s = AT86(loads, 3);
	trial(&s);
	check("v86: any value in ES", seen.es, 0x4321);
	check("v86: any value in FS", seen.fs, 0x4321);
	check("v86: any value in GS", seen.gs, 7);
	for (unsigned n = 0; n < 4; n++) {
		s = AT86(load, 3);
		s.gpr[3] = 0xfffc + n;
		trial(&s);
		check_raised("v86: a word at the limit: read",
		    n == 3 ? GP : DONE, 0);
		s = AT86(store, 3);
		s.gpr[3] = 0xfffc + n;
		trial(&s);
		check_raised("v86: a word at the limit: write",
		    n == 3 ? GP : DONE, 0);
		s = AT86(by_bp, 3);
		s.gpr[5] = 0xfffc + n;
		trial(&s);
		check_raised("v86: a word at the limit: stack segment",
		    n == 3 ? SS : DONE, 0);
		s = AT86(stack, 3);
		s.gpr[3] = 0xfffc + n;
		trial(&s);
		check_raised("v86: a word at the limit: POP",
		    n == 3 ? SS : DONE, 0);
	}
	s = AT86(load32, 3);
	s.gpr[3] = 0x10000;
	trial(&s);
	check_raised("v86: beyond the limit by a 32-bit address", GP, 0);
	memcpy(AT(0x2010), plain, plain_end - plain);
	s = AT86(far_jump, 3);
	trial(&s);
	check_raised("v86: far JMP", DONE, 0);
	check("v86: far JMP: CS", seen.cs, 0x2010);
	s = AT86(far_call, 3);
	trial(&s);
	check("v86: far CALL: CS", seen.cs, 0x2010);
	check("v86: far CALL: IP on the stack",
	    *(uint16_t *)(AT(STACK) + 0xfefc), 5);
	check("v86: far CALL: CS on the stack",
	    *(uint16_t *)(AT(STACK) + 0xfefe), CODE);
	s = AT86(near_far, 3);
	trial(&s);
	check_raised("v86: JMP beyond the limit", GP, 0);
	check("v86: JMP beyond the limit: IP", seen.ip, 6);
}

static void
privileged(void)
{
	static const struct {
		const char *name, *code, *end;
		unsigned vector;
	} p[] = {
#define X(n, v) { "v86: " #n, n, n##_end, v }
		X(p_hlt, GP), X(p_lgdt, GP), X(p_cr0, GP), X(p_dr7, GP),
		X(p_lmsw, GP), X(p_clts, GP), X(p_rdmsr, GP),
		X(p_wbinvd, GP), X(u_sldt, UD), X(u_str, UD), X(u_lldt, UD),
		X(u_ltr, UD), X(u_lar, UD), X(u_lsl, UD), X(u_verr, UD),
		X(u_arpl, UD), X(smsw, DONE),
	};

	for (unsigned n = 0; n < sizeof(p) / sizeof(p[0]); n++) {
		struct state s = at86(p[n].code, p[n].end, 3);

		trial(&s);
		check_raised(p[n].name, p[n].vector, 0);
		check("its IP", seen.ip, p[n].vector == DONE ?
		    (word)(p[n].end - p[n].code) : 0);
	}
	/* Ports by the bitmap, whatever IOPL is, 21.3.3 */
	for (unsigned iopl = 0; iopl < 4; iopl += 3)
		for (unsigned barred = 0; barred < 2; barred++) {
			struct state s = AT86(in_byte, iopl);

			tss.bits[0x10] = barred ? 1 : 0xfe;
			trial(&s);
			check_raised("v86: IN by the bitmap", barred ||
			    iopl < 3 ? GP : DONE, 0);
			check("v86: IN: IP", seen.ip, barred ? 0 :
			    iopl < 3 ? 2 : 4);
		}
	tss.bits[0x10] = 0xff;
}

/* IOPL, 21.2.7 */
static void
iopl(void)
{
	static const struct { const char *name, *code, *end; } p[] = {
#undef X
#define X(n) { "v86: IOPL: " #n, o_##n, o_##n##_end }
		X(cli), X(sti), X(pushf), X(pushfl), X(popf), X(popfl),
		X(int), X(iret), X(iretl),
	};
	struct state s;

	gate_set(0x21, 14, 3);
	for (unsigned n = 0; n < sizeof(p) / sizeof(p[0]); n++)
		for (unsigned k = 0; k < 3; k++) {
			s = at86(p[n].code, p[n].end, k);
			s.gpr[0] = 2;
			trial(&s);
			check_raised(p[n].name, GP, 0);
		}
	s = AT86(o_int, 3);
	trial(&s);
	check_raised("v86: INT n with IOPL 3", 0x21, 0);
	check("v86: INT n: IP", seen.ip, 2);
	gate_set(0x21, 14, 0);
	trial(&s);
	check_raised("v86: INT n: DPL 0", GP, 0x21 * 8 + 2);
	check("v86: INT n: DPL 0: IP", seen.ip, 0);
	/* INT3 and INTO do not ask for IOPL */
	gate_set(BP, 14, 3);
	gate_set(OF, 14, 3);
	s = AT86(o_int3, 0);
	trial(&s);
	check_raised("v86: INT3 with IOPL 0", BP, 0);
	s = AT86(o_into, 0);
	trial(&s);
	check_raised("v86: INTO with IOPL 0", OF, 0);
	s = AT86(o_cli, 3);
	s.flags |= IF;
	trial(&s);
	check("v86: CLI with IOPL 3", seen.flags & IF, 0);
	s = AT86(o_sti, 3);
	trial(&s);
	check("v86: STI with IOPL 3", seen.flags & IF, IF);
	s = AT86(o_pushf, 3);
	s.flags |= IF | NT;
	trial(&s);
	check("v86: PUSHF", seen.gpr[0] & 0xffff, 0x7202);
	s = AT86(o_pushfl, 3);
	s.flags |= AC_FLAG;
	trial(&s);
	check("v86: PUSHFD: neither VM nor RF", seen.gpr[0],
	    0x3002 | AC_FLAG);
	s = AT86(o_popf, 3);
	s.gpr[0] = 0x4ed5;
	trial(&s);
	check("v86: POPF leaves IOPL", seen.flags & 0x7fff, 0x7ed7);
	s = AT86(o_popfl, 3);
	s.gpr[0] = 2 | VIF | VIP;
	trial(&s);
	check("v86: POPFD leaves VM, VIF, VIP", seen.flags, 0x3002 | VM);
	memcpy(AT(0x2010), plain, plain_end - plain);
	s = AT86(o_iret, 3);
	s.gpr[0] = 0xcd7;
	trial(&s);
	check_raised("v86: IRET", DONE, 0);
	check("v86: IRET: CS", seen.cs, 0x2010);
	check("v86: IRET: flags", seen.flags, 0x3cd7 | VM);
	/* through a 16-bit gate: #GP; to a conforming segment: #GP */
	slot(0, desc(0, 0xfffff, ACC_CONFORMING, BIG | PAGES));
	idt[0x21] = call_gate(SEL(0), 0, 14, 3, 0);
	s = AT86(o_int, 3);
	trial(&s);
	check_raised("v86: INT n to a conforming segment", GP, SEL(0));
	slot(0, desc(0, 0xfffff, ACC_CODE | DPL3, BIG | PAGES));
	trial(&s);
	check_raised("v86: INT n to a segment of CPL 3", GP, SEL(0));
	gate_set(0x21, 14, 0);
}

/* Extensions: CR4.VME, 21.3 and table 21-2; IOPL below 3. */
static void
vme(void)
{
	uint8_t *redirect = (uint8_t *)&tss + tss.map - 32;
	struct state s;

	put_cr4(get_cr4() | CR4_VME);
	/* An INT ends a trial only if its bit is set and IOPL is 3: these
	 * end at a HLT or at the INT, by #GP. */
	s = AT86(o_cli, 0);
	s.flags |= VIF | IF;
	trial(&s);
	check_raised("VME: CLI", GP, 0);
	check("VME: CLI: went on", seen.ip, 1);
	check("VME: CLI: clears VIF, not IF", seen.flags & (VIF | IF), IF);
	s = AT86(o_sti, 0);
	trial(&s);
	check("VME: STI: went on", seen.ip, 1);
	check("VME: STI: sets VIF, not IF", seen.flags & (VIF | IF), VIF);
	s.flags |= VIP;
	trial(&s);
	check_raised("VME: STI while VIP: #GP", GP, 0);
	check("VME: STI while VIP: IP", seen.ip, 0);
	s = AT86(o_pushf, 0);
	s.flags |= VIF;
	trial(&s);
	check("VME: PUSHF: VIF as IF, IOPL 3", seen.gpr[0] & 0xffff, 0x3202);
	s = AT86(o_pushf, 0);
	s.flags |= IF;
	trial(&s);
	check("VME: PUSHF: IF is not seen", seen.gpr[0] & 0xffff, 0x3002);
	s = AT86(o_pushfl, 0);
	trial(&s);
	check_raised("VME: PUSHFD: #GP", GP, 0);
	check("VME: PUSHFD: IP", seen.ip, 0);
	s = AT86(o_popf, 0);
	s.gpr[0] = 0x3202;
	trial(&s);
	check("VME: POPF: IF to VIF", seen.flags & (VIF | IF | 0x3000), VIF);
	check("VME: POPF: went on", seen.ip, 2);
	s.flags |= VIP;
	trial(&s);
	check("VME: POPF: IF while VIP: #GP", seen.ip, 1);
	s = AT86(o_popf, 0);
	s.gpr[0] = 0x102;
	trial(&s);
	check("VME: POPF: TF: #GP", seen.ip, 1);
	s = AT86(o_popf, 0);
	s.flags |= VIF | IF;
	s.gpr[0] = 0x8d7;
	trial(&s);
	check("VME: POPF: clears VIF", seen.flags & (VIF | IF), IF);
	check("VME: POPF: the others", seen.flags & 0xfff, 0x8d7 | IF);
	memcpy(AT(0x2010), handler, handler_end - handler);
	s = AT86(o_iret, 0);
	s.gpr[0] = 0x202;
	trial(&s);
	check("VME: IRET: CS", seen.cs, 0x2010);
	check("VME: IRET: IF to VIF", seen.flags & (VIF | IF), VIF);
	s = AT86(o_iretl, 0);
	s.gpr[0] = 2;
	trial(&s);
	check("VME: IRETD: #GP", seen.cs, CODE);

	/* INT n: its bit clear: by the 8086 program's table */
	*(uint32_t *)(0x21 * 4) = 0x20100000;
	for (unsigned io = 0; io < 4; io += 3) {
		redirect[0x21 / 8] = 0;
		s = AT86(o_int, io);
		s.flags |= 0x8d5 | (io == 3 ? IF : VIF);
		trial(&s);
		check_raised("VME: INT n: redirected, to HLT", GP, 0);
		check("VME: INT n: CS", seen.cs, 0x2010);
		check("VME: INT n: IP", seen.ip, 0);
		check("VME: INT n: IP on the stack",
		    *(uint16_t *)(AT(STACK) + 0xfefa), 2);
		check("VME: INT n: CS on the stack",
		    *(uint16_t *)(AT(STACK) + 0xfefc), CODE);
		check("VME: INT n: flags on the stack",
		    *(uint16_t *)(AT(STACK) + 0xfefe), 0x3ad7);
		check("VME: INT n: clears IF or VIF",
		    seen.flags & (IF | VIF), 0);
		check("VME: INT n: SP", seen.sp, 0xfefa);
		redirect[0x21 / 8] = 0xff;
		gate_set(0x21, 14, 3);
		trial(&s);
		if (io == 3)
			check_raised("VME: INT n: its bit is set", 0x21, 0);
		else
			check_raised("VME: INT n: its bit is set", GP, 0);
	}
	put_cr4(get_cr4() & ~CR4_VME);
}

SNIP(pm_cli, "cli");
SNIP(pm_sti, "sti");
SNIP(pm_popf, "push %eax; popf");

static void
pvi(void)
{
	struct state s = at3(pm_cli);

	trial(&s);
	check_raised("PVI: not without it", GP, 0);
	put_cr4(get_cr4() | CR4_PVI);
	s.flags |= VIF | IF;
	trial(&s);
	check_raised("PVI: CLI", DONE, 0);
	check("PVI: CLI: clears VIF", seen.flags & (VIF | IF), IF);
	s = at3(pm_sti);
	trial(&s);
	check("PVI: STI: sets VIF", seen.flags & (VIF | IF), VIF);
	s.flags |= VIP;
	trial(&s);
	check_raised("PVI: STI while VIP: #GP", GP, 0);
	s = at3(pm_popf);
	s.gpr[0] = 0x202;
	trial(&s);
	check("PVI: POPF does not know VIF", seen.flags & (VIF | IF), 0);
	s = at3(pm_cli);
	s.flags |= VIF | IF | 0x3000;
	trial(&s);
	check("PVI: not with IOPL 3", seen.flags & (VIF | IF), VIF);
	put_cr4(get_cr4() & ~CR4_PVI);
}

void
main(void)
{
	setup();
	/* room for the redirection bitmap below the I/O bitmap, all set */
	tss.map = 0x68 + 32;
	for (unsigned n = 0; n < 32; n++)
		tss.bits[n] = 0xff;
	memory();
	/* the I/O bitmap's bytes are 32 further now */
	tss.map = 0x68;
	privileged();
	tss.map = 0x68 + 32;
	iopl();
	vme();
	pvi();
	finish();
}
