/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smp.c - two to four processors: INIT and start-up, LOCK, interrupts between
 * processors, shootdowns, code that another processor writes (SDM 3A, 9 and
 * 11)
 */
#include "long.h"

#define MAX 4u
#define ROUNDS 5000u

extern const char ap_start[], ap_end[];
extern uint64_t ap_stacks[MAX];
void *memcpy(void *, const void *, unsigned long);

static volatile uint32_t *const apic = (void *)0x70000000;

/* What the others are told: a number that goes up, and what to run. */
static void (*volatile job)(unsigned me);
static volatile unsigned turn, present, finished;
static unsigned others;		/* started, but for this one */
static uint8_t stacks[MAX][4096] __attribute__((aligned(16)));

/* SDM 3A, 9.4: real mode at vector << 12, all the way to long mode. */
__asm__(
".pushsection .text\n"
".code16\n"
"ap_start:\n"
"	cli\n"
"	mov	%cs, %ax\n"
"	mov	%ax, %ds\n"
"	lgdtl	ap_gdtr - ap_start\n"
"	mov	%cr4, %eax\n"
"	or	$0x20, %eax\n"
"	mov	%eax, %cr4\n"
"	mov	$pml4, %eax\n"
"	mov	%eax, %cr3\n"
"	mov	$0xc0000080, %ecx\n"
"	rdmsr\n"
"	or	$0x901, %eax\n"
"	wrmsr\n"
"	mov	%cr0, %eax\n"
"	and	$0x9fffffff, %eax\n"	/* caches on */
"	or	$0x80010001, %eax\n"
"	mov	%eax, %cr0\n"
"	ljmpl	$8, $ap_long\n"
"ap_gdtr: .word 0x4f\n"
"	.long	gdt\n"
"ap_end:\n"
".code64\n"
"ap_long:\n"
"	mov	$0x10, %eax\n"
"	mov	%eax, %ss\n"
"	mov	%eax, %ds\n"
"	mov	%eax, %es\n"
"	lidt	idtr\n"
"	mov	$1, %eax\n"
"	lock xadd %eax, present_count\n"
"	inc	%eax\n"
"	mov	%eax, %edi\n"
"	mov	ap_stacks(, %rdi, 8), %rsp\n"
"	call	ap_main\n"
".data\n"
".globl	present_count\n"
"present_count: .long 0\n"
/* Interrupts on all processors: count, answer. */
".text\n"
".globl	on_count, on_shoot, on_nmi\n"
"on_count:\n"
"	push	%rax\n"
"	lock incl counted\n"
"	movl	$0, 0x700000b0\n"
"	pop	%rax\n"
"	iretq\n"
"on_shoot:\n"
"	push	%rax\n"
"	mov	shoot_at, %rax\n"
"	invlpg	(%rax)\n"
"	lock incl counted\n"
"	movl	$0, 0x700000b0\n"
"	pop	%rax\n"
"	iretq\n"
"on_nmi:\n"
"	lock incl counted\n"
"	iretq\n"
".popsection\n");

extern volatile uint32_t present_count;
extern const char on_count[], on_shoot[], on_nmi[];
volatile uint32_t counted;
volatile uint64_t shoot_at;

static void
pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static void
enable(void)
{
	set_cr4(get_cr4() | 0x600);
	wrmsr(0x1b, rdmsr(0x1b) | 0x800);
	apic[0xf0 / 4] = 0x1ff;
	apic[0x80 / 4] = 0;
}

void
ap_main(unsigned me)
{
	unsigned seen_turn = 0;

	enable();
	__atomic_add_fetch(&present, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		__asm__ volatile("sti");
		while (turn == seen_turn)
			pause();
		seen_turn = turn;
		job(me);
		__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
	}
}

/* Waits for *at to become v; false: it did not in some seconds. */
static bool
until(volatile unsigned *at, unsigned v)
{
	for (unsigned long n = 0; n < 50000000; n++) {
		if (*at == v)
			return true;
		pause();
	}
	return false;
}

/* On the others, and on this one too if with. */
static void
all(const char *name, void (*run)(unsigned), bool with)
{
	finished = 0;
	job = run;
	turn++;
	if (with)
		run(0);
	check(name, until(&finished, others), true);
}

static void
ipi(uint32_t to, uint32_t low)
{
	apic[0x310 / 4] = to << 24;
	apic[0x300 / 4] = low;
	while (apic[0x300 / 4] & 0x1000)
		pause();
}

static void
wait_us(unsigned us)
{
	/* port 80h takes about a microsecond; counted on the APIC's timer it
	 * need not be exact */
	while (us--)
		outb(0x80, 0);
}

static void
start(void)
{
	uint32_t r[4];

	memcpy((void *)0x8000, ap_start, ap_end - ap_start);
	for (unsigned n = 0; n < MAX; n++)
		ap_stacks[n] = (uint64_t)stacks[n] + sizeof(stacks[n]);
	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]),
	    "=d"(r[3]) : "a"(1));
	check("start: APIC id in CPUID is the APIC's", r[1] >> 24,
	    apic[0x20 / 4] >> 24);
	check("start: the first is the bootstrap processor",
	    rdmsr(0x1b) & 0x100, 0x100);
	check("start: the others wait", present, 0);
	ipi(0, 0xc4500);		/* INIT to all but this one */
	wait_us(10000);
	check("start: INIT alone starts nothing", present, 0);
	ipi(0, 0xc4608);		/* start-up at 8000h */
	wait_us(1000);
	ipi(0, 0xc4608);
	for (unsigned long n = 0; n < 1000000; n++)
		pause();
	others = present;
	check("start: one to three others", others >= 1 && others < MAX,
	    true);
	check("start: each started once", present_count, others);
}

uint64_t ap_stacks[MAX];

/* --- LOCK ------------------------------------------------------------------ */

static uint8_t area[3 * 4096] __attribute__((aligned(4096)));

#define COUNT(name, text, at)						\
	static void							\
	name(unsigned me)						\
	{								\
		(void)me;						\
		for (unsigned n = 0; n < ROUNDS; n++)			\
			__asm__ volatile(text : : "r"(at)		\
			    : "memory", "rax", "rbx", "rcx", "rdx",	\
			    "cc");					\
	}
COUNT(c_add, "lock addl $1, (%0)", area)
COUNT(c_inc8, "lock incb (%0)", area)
COUNT(c_inc16, "lock incw (%0)", area)
COUNT(c_inc64, "lock incq (%0)", area)
COUNT(c_xadd, "mov $1, %%eax; lock xadd %%eax, (%0)", area)
COUNT(c_sub, "lock subl $-1, (%0)", area)
COUNT(c_cmpxchg, "1: mov (%0), %%eax; lea 1(%%rax), %%ecx; "
    "lock cmpxchg %%ecx, (%0); jnz 1b", area)
COUNT(c_cmpxchg8b, "2: mov (%0), %%eax; mov 4(%0), %%edx; "
    "1: mov %%eax, %%ebx; mov %%edx, %%ecx; add $1, %%ebx; adc $0, %%ecx; "
    "lock cmpxchg8b (%0); jnz 1b", area)
COUNT(c_cmpxchg16b, "mov (%0), %%rax; mov 8(%0), %%rdx; "
    "1: mov %%rax, %%rbx; mov %%rdx, %%rcx; add $1, %%rbx; add $1, %%rcx; "
    "lock cmpxchg16b (%0); jnz 1b", area)
COUNT(c_split_line, "lock addl $1, (%0)", area + 62)
COUNT(c_split_page, "lock addq $1, (%0)", area + 4096 - 3)
COUNT(c_bts, "1: lock btsl $0, (%0); jc 1b; incq 64(%0); lock btrl $0, (%0)",
    area)
COUNT(c_xchg, "1: mov $1, %%eax; xchg %%eax, (%0); test %%eax, %%eax; "
    "jnz 1b; incq 64(%0); movl $0, (%0)", area)
COUNT(c_not, "lock notl (%0); lock notl (%0)", area)
COUNT(c_xor, "lock xorl $0x55aa55aa, (%0)", area)

static void
locked(const char *name, void (*run)(unsigned), void *at, unsigned size,
    uint64_t want)
{
	uint64_t v = 0;

	for (unsigned n = 0; n < sizeof(area); n++)
		area[n] = 0;
	all(name, run, true);
	memcpy(&v, at, size);
	check(name, v, want & (~0ull >> (64 - 8 * size)));
}

static void
locks(void)
{
	uint64_t n = (uint64_t)ROUNDS * (others + 1);

	locked("LOCK ADD", c_add, area, 4, n);
	locked("LOCK INC, 8 bits", c_inc8, area, 1, n);
	check("LOCK INC, 8 bits: the next byte", area[1], 0);
	locked("LOCK INC, 16 bits", c_inc16, area, 2, n);
	locked("LOCK INC, 64 bits", c_inc64, area, 8, n);
	locked("LOCK XADD", c_xadd, area, 4, n);
	locked("LOCK SUB", c_sub, area, 4, n);
	locked("LOCK CMPXCHG", c_cmpxchg, area, 4, n);
	locked("LOCK CMPXCHG8B", c_cmpxchg8b, area, 8, n);
	locked("LOCK CMPXCHG16B", c_cmpxchg16b, area, 8, n);
	check("LOCK CMPXCHG16B: both halves", *(uint64_t *)(area + 8), n);
	locked("LOCK ADD across a cache line", c_split_line, area + 62, 4, n);
	locked("LOCK ADD across a page", c_split_page, area + 4096 - 3, 8,
	    n);
	locked("LOCK BTS and BTR as a lock", c_bts, area + 64, 8, n);
	locked("XCHG as a lock", c_xchg, area + 64, 8, n);
	locked("LOCK NOT, twice", c_not, area, 4, 0);
	locked("LOCK XOR, an even number of times", c_xor, area, 4, 0);
}

/* --- Interrupts between processors -------------------------------------------- */

static volatile unsigned stop, spins[MAX * 16], ready;

/* Reads TARGET until told to stop; keeps what it last saw. */
static volatile uint64_t saw[MAX * 8];

static void
spin(unsigned me)
{
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	while (!stop) {
		spins[me * 16]++;
		saw[me * 8] = *(volatile uint64_t *)TARGET;
		pause();
	}
}

static void
sleep_until_stop(unsigned me)
{
	(void)me;
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	while (!stop)
		__asm__ volatile("cli; cmpl $0, %0; jne 1f; sti; hlt; 1: sti"
		    : : "m"(stop));
}

static void
begin(void (*run)(unsigned))
{
	stop = ready = finished = 0;
	job = run;
	turn++;
	until(&ready, others);
}

static void
end(const char *name)
{
	stop = 1;
	ipi(0, 0xc4061);
	check(name, until(&finished, others), true);
}

static void
handler(unsigned vector, const char *at)
{
	uint64_t a = (uint64_t)at;

	idt[vector].low = (a & 0xffff) | KCS << 16 | 0x8eull << 40 |
	    (a >> 16) << 48;
	idt[vector].high = a >> 32;
}

static void
interrupts(void)
{
	handler(0x61, on_count);
	handler(0x62, on_shoot);
	handler(NMI, on_nmi);
	begin(spin);
	counted = 0;
	ipi(0, 0xc4061);
	check("IPI: to all but this one", until(&counted, others), true);
	counted = 0;
	ipi(1, 0x4061);
	check("IPI: to one", until(&counted, 1), true);
	wait_us(1000);
	check("IPI: to one, not to others", counted, 1);
	counted = 0;
	__asm__ volatile("sti");
	ipi(0, 0x44061);
	check("IPI: to self", until(&counted, 1), true);
	counted = 0;
	ipi(0, 0x84061);
	check("IPI: to all", until(&counted, others + 1), true);
	__asm__ volatile("cli");
	counted = 0;
	ipi(0, 0xc4400);
	check("NMI: to all but this one", until(&counted, others), true);
	counted = 0;
	bool lost = false;
	for (unsigned n = 1; n <= 50 && !lost; n++) {
		ipi(0, 0xc4061);
		lost = !until(&counted, n * others);
	}
	check("IPI: fifty, none is lost", lost, false);
	end("IPI: the others go on");

	begin(sleep_until_stop);
	wait_us(1000);
	counted = 0;
	ipi(0, 0xc4061);
	check("HLT: an IPI wakes", until(&counted, others), true);
	end("HLT: woken");

	/* shootdown: after the answer nobody sees the old page */
	*(uint64_t *)target_pages[0] = 10;
	*(uint64_t *)target_pages[1] = 11;
	pt_target[0] = (uint64_t)target_pages[0] | P | W;
	set_cr3(get_cr3());
	begin(spin);
	unsigned bad = 0;
	shoot_at = TARGET;
	for (unsigned n = 0; n < 12; n++) {
		uint64_t want = 10 + (n & 1);

		pt_target[0] = (uint64_t)target_pages[n & 1] | P | W;
		counted = 0;
		ipi(0, 0xc4062);
		if (!until(&counted, others)) {
			bad++;
			break;
		}
		for (unsigned k = 1; k <= others; k++) {
			unsigned from = spins[k * 16];

			while (spins[k * 16] - from < 3)
				pause();
			bad += saw[k * 8] != want;
		}
	}
	check("shootdown: the new page everywhere after the IPI", bad, 0);
	end("shootdown: done");
}

/* --- Code that another processor writes -------------------------------------------- */

__asm__(".pushsection .snippets\n"
    ".balign 64\n"
    "patched: mov $0, %eax\n"
    "ret\n"
    ".popsection\n");
extern uint8_t patched[];
static volatile uint32_t code_saw[MAX * 16];

static void
run_patched(unsigned me)
{
	uint32_t v;

	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	while (!stop) {
		__asm__ volatile("call patched" : "=a"(v) : : "memory");
		code_saw[me * 16] = v;
		spins[me * 16]++;
		pause();
	}
}

static void
patches(void)
{
	unsigned bad = 0;

	begin(run_patched);
	for (unsigned n = 1; n < 12; n++) {
		/* one aligned store (9.1.3): the byte of the constant */
		*(volatile uint8_t *)(patched + 1) = n;
		counted = 0;
		ipi(0, 0xc4061);	/* IRET serialises */
		if (!until(&counted, others)) {
			bad++;
			break;
		}
		for (unsigned k = 1; k <= others; k++) {
			unsigned from = spins[k * 16];

			while (spins[k * 16] - from < 3)
				pause();
			bad += code_saw[k * 16] != (n & 0xff);
		}
	}
	check("patches: the new code everywhere after the IPI", bad, 0);
	end("patches: done");
	/* INIT takes a processor away, a start-up brings it back */
	unsigned before = present;
	ipi(1, 0x4500);
	wait_us(10000);
	check("INIT: the processor waits", present, before);
	present_count = 0;
	ipi(1, 0x4608);
	check("INIT: and starts again", until(&present, before + 1), true);
}

void
main(void)
{
	setup();
	pd2[0x180] = 0xfee00000 | P | W | PS | 0x18;
	set_cr3(get_cr3());
	enable();
	start();
	locks();
	interrupts();
	patches();
	finish();
}
