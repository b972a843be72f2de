/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task.c - hardware task switches (SDM 3A, chapter 8 "Task management"):
 * JMP, CALL, IRET, task gates, busy bits, NT, back links, faults on the way
 */
#include "legacy.h"

#define NT 0x4000u

static struct tss other, third;
static struct __attribute__((packed)) {
	uint16_t link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags, gpr[8];
	uint16_t es, cs, ss, ds, ldt;
} small;
static uint8_t stack_a[4096] __attribute__((aligned(16)));
static uint8_t stack_b[4096] __attribute__((aligned(16)));
static struct { uint32_t off; uint16_t sel; } __attribute__((packed)) far;

enum { OTHER, THIRD, SMALL, GATE, TMP, LDT };

SNIP(jmp_task, "ljmp *(%eax)");
SNIP(call_task, "lcall *(%eax)");
SNIP(in_task, "str %ebx");
SNIP(back, "iret; nop");
SNIP(do_int, "int $0x78");
SNIP(do_ud, "ud2");
SNIP(take_error, "pop %ecx");
SNIP(call_back, "lcall *(%eax); str %ebx; mov %cr0, %ecx");
SNIP(do_push, "push %eax");

static unsigned
type_of(unsigned n)
{
	return gdt[SEL(n) / 8] >> 40 & 0xff;
}

static void
tss_fill(struct tss *t, const void *ip, void *sp)
{
	*t = (struct tss){ .eip = (uint32_t)ip, .eflags = 2, .es = KDS,
	    .cs = KCS, .ss = KDS, .ds = KDS, .fs = KDS, .gs = KDS,
	    .map = 0x68, .esp0 = tss.esp0, .ss0 = KDS };
	t->gpr[4] = (uint32_t)sp;
	t->gpr[0] = 0xa0a0a0a0;
	t->gpr[7] = 0xd1d1d1d1;
}

/* Everything as new: the first task is the one that runs. */
static void
fresh(const void *ip)
{
	tss_fill(&other, ip, stack_a + 4096);
	tss_fill(&third, ip, stack_b + 4096);
	small.ip = 0;
	slot(OTHER, desc((uint32_t)&other, sizeof(other) - 1, 0x89, 0));
	slot(THIRD, desc((uint32_t)&third, sizeof(third) - 1, 0x89, 0));
	slot(GATE, call_gate(SEL(OTHER), 0, 5, 3, 0));
	gdt[TSS / 8] = desc((uint32_t)&tss, sizeof(tss) - 1, 0x89, 0);
	__asm__ volatile("ltr %w0" : : "r"(TSS));
	__asm__ volatile("clts");
	tss.link = 0;
}

static void
go(const void *code, unsigned sel, unsigned cpl)
{
	struct state s = cpl ? at3(code) : at0(code);

	far.off = 0x12345678;	/* not used */
	far.sel = sel;
	s.gpr[0] = (word)&far;
	s.gpr[1] = 0xc1c1c1c1;
	s.gpr[6] = 0x51515151;
	s.flags |= 0x8d5;
	trial(&s);
}

static void
jumps(void)
{
	fresh(in_task);
	go(jmp_task, SEL(OTHER), 0);
	check_raised("JMP: to a TSS", DONE, 0);
	check("JMP: arrives", seen.ip, (word)in_task_end);
	check("JMP: TR", seen.gpr[3], SEL(OTHER));
	check("JMP: EAX of the TSS", seen.gpr[0], 0xa0a0a0a0);
	check("JMP: EDI of the TSS", seen.gpr[7], 0xd1d1d1d1);
	check("JMP: EFLAGS of the TSS", seen.flags, 2);
	check("JMP: the new one is busy", type_of(OTHER), 0x8b);
	check("JMP: the old one is not", gdt[TSS / 8] >> 40 & 0xff, 0x89);
	check("JMP: no back link", other.link, 0);
	check("JMP: the old EIP is after it", tss.eip,
	    (word)jmp_task_end - 2);
	check("JMP: the old ECX", tss.gpr[1], 0xc1c1c1c1);
	check("JMP: the old ESI", tss.gpr[6], 0x51515151);
	check("JMP: the old EFLAGS", tss.eflags, 0x8d7);
	check("JMP: the old CS", tss.cs & 0xffff, KCS);
	check("JMP: the old SS", tss.ss & 0xffff, KDS);
	check("JMP: the old ESP", tss.gpr[4], at0(0).sp);
	word cr0;
	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	check("JMP: sets CR0.TS", cr0 & 8, 8);

	fresh(in_task);
	go(call_task, SEL(OTHER), 0);
	check_raised("CALL: to a TSS", DONE, 0);
	check("CALL: NT", seen.flags, 2 | NT);
	check("CALL: back link", other.link & 0xffff, TSS);
	check("CALL: both are busy", type_of(OTHER), 0x8b);
	check("CALL: both are busy", gdt[TSS / 8] >> 40 & 0xff, 0x8b);

	fresh(back);
	go(call_back, SEL(OTHER), 0);
	check_raised("IRET: back by the link", DONE, 0);
	check("IRET: back", seen.ip, (word)call_back_end);
	check("IRET: TR", seen.gpr[3], TSS);
	check("IRET: TS", seen.gpr[1] & 8, 8);
	check("IRET: the task it left is free", type_of(OTHER), 0x89);
	check("IRET: this one is busy", gdt[TSS / 8] >> 40 & 0xff, 0x8b);
	check("IRET: NT is clear where it left", other.eflags, 2);
	check("IRET: EIP where it left", other.eip, (word)back + 1);
	check("IRET: NT here is as it was", seen.flags & NT, 0);

	fresh(in_task);
	go(jmp_task, SEL(GATE) | 3, 3);
	check_raised("task gate: JMP from CPL 3", DONE, 0);
	check("task gate: CS", seen.cs, KCS);
	check("task gate: the old CS", tss.cs & 0xffff, UCS);
	fresh(in_task);
	go(jmp_task, SEL(OTHER), 3);
	check_raised("TSS: DPL 0 from CPL 3", GP, SEL(OTHER));
	fresh(in_task);
	slot(GATE, call_gate(SEL(OTHER), 0, 5, 0, 0));
	go(jmp_task, SEL(GATE), 3);
	check_raised("task gate: DPL 0 from CPL 3", GP, SEL(GATE));

	/* to a task at CPL 3 */
	fresh(in_task);
	other.cs = UCS;
	other.ss = other.ds = other.es = other.fs = other.gs = UDS;
	other.eip = (uint32_t)do_ud;
	go(jmp_task, SEL(OTHER), 0);
	check_raised("a task at CPL 3", UD, 0);
	check("a task at CPL 3: CS", seen.cs, UCS);
	check("a task at CPL 3: SS", seen.ss, UDS);
	check("a task at CPL 3: DS", seen.ds, UDS);
}

/* Faults before the switch: in the old task; after: in the new one. */
static void
faults(void)
{
	fresh(in_task);
	gdt[SEL(OTHER) / 8] |= 2ull << 40;
	go(jmp_task, SEL(OTHER), 0);
	check_raised("busy: JMP", GP, SEL(OTHER));
	check("busy: JMP: EIP", seen.ip, (word)jmp_task);
	fresh(in_task);
	go(jmp_task, TSS, 0);
	check_raised("busy: to itself", GP, TSS);
	fresh(in_task);
	gdt[SEL(OTHER) / 8] &= ~(0x80ull << 40);
	go(jmp_task, SEL(OTHER), 0);
	check_raised("TSS not present", NP, SEL(OTHER));
	fresh(in_task);
	slot(OTHER, desc((uint32_t)&other, 0x66, 0x89, 0));
	go(jmp_task, SEL(OTHER), 0);
	check_raised("TSS too short", TS, SEL(OTHER));
	check("TSS too short: EIP", seen.ip, (word)jmp_task);
	fresh(in_task);
	slot(OTHER, desc((uint32_t)&other, 0x67, 0x89, 0));
	go(jmp_task, SEL(OTHER), 0);
	check_raised("TSS just long enough", DONE, 0);
	fresh(in_task);
	slot(GATE, call_gate(KDS, 0, 5, 3, 0));
	go(jmp_task, SEL(GATE), 0);
	check_raised("task gate to data", GP, KDS);
	fresh(in_task);
	slot(GATE, call_gate(0, 0, 5, 3, 0));
	go(jmp_task, SEL(GATE), 0);
	check_raised("task gate to null", GP, 0);
	/* IRET with a link to what is no busy TSS: #TS */
	fresh(back);
	struct state s = at0(back);
	s.flags |= NT;
	tss.link = SEL(OTHER);
	trial(&s);
	check_raised("IRET: the link is not busy", TS, SEL(OTHER));
	tss.link = KDS;
	trial(&s);
	check_raised("IRET: the link is data", TS, KDS);
	tss.link = 0;
	trial(&s);
	check_raised("IRET: the link is null", TS, 0);
	tss.link = 0x200;
	trial(&s);
	check_raised("IRET: the link is beyond the GDT", TS, 0x200);

	static const struct {
		const char *name;
		unsigned cs, ss, ds, ldt, vector, error;
	} bad[] = {
		{ "new task: CS null", 0, KDS, KDS, 0, TS, 0 },
		{ "new task: CS is data", KDS, KDS, KDS, 0, TS, KDS },
		{ "new task: CS beyond", 0x200, KDS, KDS, 0, TS, 0x200 },
		{ "new task: CS RPL", UCS & ~3, KDS, KDS, 0, TS, UCS & ~3 },
		{ "new task: SS null", KCS, 0, KDS, 0, TS, 0 },
		{ "new task: SS is code", KCS, KCS, KDS, 0, TS, KCS },
		{ "new task: SS of CPL 3", KCS, UDS, KDS, 0, TS, UDS & ~3 },
		{ "new task: DS is a TSS", KCS, KDS, TSS, 0, TS, TSS },
		{ "new task: DS null", KCS, KDS, 0, 0, DONE, 0 },
		{ "new task: LDT is data", KCS, KDS, KDS, KDS, TS, KDS },
		{ "new task: LDT beyond", KCS, KDS, KDS, 0x200, TS, 0x200 },
		{ "new task: DS not present", KCS, KDS, SEL(TMP), 0, NP,
		    SEL(TMP) },
		{ "new task: SS not present", KCS, SEL(TMP), KDS, 0, SS,
		    SEL(TMP) },
		{ "new task: CS not present", SEL(TMP + 3), KDS, KDS, 0, NP,
		    SEL(TMP + 3) },
	};

	slot(TMP, desc(0, 0xfffff, 0x13, BIG | PAGES));
	slot(TMP + 3, desc(0, 0xfffff, 0x1b, BIG | PAGES));
	/* The handlers are a task of their own: the new one may have no stack
	 * and no code to come to. */
	for (unsigned n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
		fresh(in_task);
		other.cs = bad[n].cs;
		other.ss = bad[n].ss;
		other.ds = bad[n].ds;
		other.ldt = bad[n].ldt;
		if (bad[n].vector != DONE) {
			third.eip = (uint32_t)take_error;
			third.gpr[3] = bad[n].vector;
			idt[bad[n].vector] = call_gate(SEL(THIRD), 0, 5, 0,
			    0);
			go(jmp_task, SEL(OTHER), 0);
			gate_set(bad[n].vector, 14, 0);
			check(bad[n].name, seen.vector, DONE);
			check(bad[n].name, seen.gpr[3], bad[n].vector);
			check(bad[n].name, seen.gpr[1] & ~1u, bad[n].error);
			check("the fault is the new task's",
			    third.link & 0xffff, SEL(OTHER));
			check("its EIP", other.eip, (word)in_task);
		} else {
			go(jmp_task, SEL(OTHER), 0);
			check_raised(bad[n].name, DONE, 0);
		}
	}
	fresh(in_task);
	slot(TMP, desc(0, 0xff, 0x9b, BIG));
	other.cs = SEL(TMP);
	go(jmp_task, SEL(OTHER), 0);
	check_raised("new task: EIP beyond the limit", GP, 0);
	check("new task: EIP", seen.ip, (word)in_task);
	check("new task: CS", seen.cs, SEL(TMP));
}

/* Exceptions and interrupts through task gates, 8.3 and 6.12.2. */
static void
events(void)
{
	fresh(in_task);
	idt[0x78] = call_gate(SEL(OTHER), 0, 5, 3, 0);
	go(do_int, 0, 0);
	check_raised("INT n: by a task gate", DONE, 0);
	check("INT n: NT", seen.flags & NT, NT);
	check("INT n: link", other.link & 0xffff, TSS);
	check("INT n: EIP is after it", tss.eip, (word)do_int + 2);
	fresh(back);
	idt[0x78] = call_gate(SEL(OTHER), 0, 5, 3, 0);
	go(do_int, 0, 3);
	check_raised("INT n: by a task gate and back, CPL 3", DONE, 0);
	check("INT n: back at CPL 3", seen.cs, UCS);
	gate_set(0x78, 14, 0);
	fresh(in_task);
	idt[UD] = call_gate(SEL(OTHER), 0, 5, 0, 0);
	go(do_ud, 0, 3);
	check_raised("#UD: by a task gate", DONE, 0);
	check("#UD: EIP in the TSS", tss.eip, (word)do_ud);
	check("#UD: RF in the TSS", tss.eflags >> 16 & 1, 1);
	check("#UD: no error code", seen.sp, (word)stack_a + 4096);
	gate_set(UD, 14, 0);
	fresh(take_error);
	idt[GP] = call_gate(SEL(OTHER), 0, 5, 0, 0);
	go(jmp_task, KDS, 3);
	check_raised("#GP: by a task gate", DONE, 0);
	check("#GP: the error code is on the new stack", seen.gpr[1], KDS);
	gate_set(GP, 14, 0);
	/* #DF by a task gate: the only way out when the stack is bad */
	fresh(take_error);
	idt[DF] = call_gate(SEL(OTHER), 0, 5, 0, 0);
	slot(TMP, desc(0, 0xfff, 0x93, BIG));
	struct state s = at0(do_push);
	s.ss = SEL(TMP);
	s.sp = 0x2000;
	tss_fill(&third, do_push, (void *)0x2000);
	third.ss = SEL(TMP);
	go(jmp_task, SEL(THIRD), 0);
	check_raised("#DF: by a task gate, the stack is bad", DONE, 0);
	check("#DF: its error code", seen.gpr[1], 0);
	check("#DF: who", other.link & 0xffff, SEL(THIRD));
	gate_set(DF, 14, 0);
	/* T bit: #DB before the first instruction */
	fresh(in_task);
	other.trap = 1;
	go(jmp_task, SEL(OTHER), 0);
	check_raised("T bit: #DB", DB, 0);
	check("T bit: before the first instruction", seen.ip, (word)in_task);
	word dr6;
	__asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
	check("T bit: BT in DR6", dr6 & 0x8000, 0x8000);
	__asm__ volatile("mov %0, %%dr6" : : "r"(0xffff0ff0));
	(void)s;
}

/* 16-bit TSS: the halves that it has. */
static void
smalls(void)
{
	fresh(in_task);
	slot(TMP + 1, desc((uint32_t)in_task, 0xffff, 0x9b, BIG));
	small.ip = 0;
	small.cs = SEL(TMP + 1);
	small.ss = small.ds = small.es = KDS;
	small.flags = 2;
	small.ldt = 0;
	small.gpr[0] = 0x1234;
	slot(SMALL, desc((uint32_t)&small, 0x2b, 0x81, 0));
	/* the new stack: SP is 16 bits of a flat segment; upper halves of
	 * registers are ones in practice: below 4 GiB, no RAM: a segment */
	slot(TMP + 2, desc((uint32_t)stack_a, 0xffff, 0x93, 0));
	small.ss = SEL(TMP + 2);
	small.gpr[4] = 4096;
	/* the trap handler copies from SS:ESP, whose base is not 0: a task */
	tss_fill(&third, take_error, stack_b + 4096);
	idt[0x79] = call_gate(SEL(THIRD), 0, 5, 0, 0);
	static const uint8_t code[] = { 0x66, 0x0f, 0x00, 0xcb, 0xcd, 0x79 };
	slot(TMP + 1, desc((uint32_t)code, 0xffff, 0x9b, 0));
	third.eip = (uint32_t)in_task;
	go(jmp_task, SEL(SMALL), 0);
	check_raised("16-bit TSS", DONE, 0);
	check("16-bit TSS: link", third.link & 0xffff, SEL(SMALL));
	check("16-bit TSS: AX is kept", small.gpr[0], 0x1234);
	check("16-bit TSS: STR in it", small.gpr[3], SEL(SMALL));
	check("16-bit TSS: IP", small.ip, sizeof(code));
	check("16-bit TSS: busy", type_of(SMALL), 0x83);
	fresh(in_task);
	slot(SMALL, desc((uint32_t)&small, 0x2a, 0x81, 0));
	go(jmp_task, SEL(SMALL), 0);
	check_raised("16-bit TSS too short", TS, SEL(SMALL));
}

void
main(void)
{
	setup();
	jumps();
	faults();
	events();
	smalls();
	finish();
}
