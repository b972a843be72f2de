/* SPDX-License-Identifier: GPL-2.0-or-later */
/* irq-lapic.c - delivery, priorities, messages and the timer of local APICs */
#include "dev/lapic.h"

#include <string.h>

#include "support/unit.h"

enum { N = 3, TSC_HZ = 100000000 };
enum { ID = 2, VERSION, TPR = 8, PPR = 10, EOI, LDR = 13, DFR, SVR, ISR,
	TMR = 0x18, IRR = 0x20, ESR = 0x28, ICR = 0x30, ICR_HIGH, LVT_TIMER,
	LVT_LINT0 = 0x35, LVT_LINT1, LVT_ERROR, INITIAL, CURRENT,
	DIVIDE = 0x3e };

static struct board *board;
static struct lapics *all;
static unsigned pokes[N], nmis[N], inits[N], sipis[N], eois;
static uint8_t last_sipi, last_eoi;
static bool extint_held;

static void interrupt(void *o, unsigned cpu) { pokes[cpu]++; }
static void nmi(void *o, unsigned cpu) { nmis[cpu]++; }
static void init(void *o, unsigned cpu) { inits[cpu]++; }
static void sipi(void *o, unsigned cpu, uint8_t v)
{
	sipis[cpu]++;
	last_sipi = v;
}
static uint64_t tsc(void *o, unsigned cpu) { return board_now_ns(board) / 10; }
static uint8_t extint(void *o)
{
	struct irq line = lapics_intr(all);

	irq_set(&line, extint_held);
	return 0x77;
}
static void eoi(void *o, uint8_t v) { eois++; last_eoi = v; }

static void put(unsigned cpu, unsigned reg, uint32_t v)
{
	lapic_write(lapics_cpu(all, cpu), reg, v);
}
static uint32_t get(unsigned cpu, unsigned reg)
{
	return lapic_read(lapics_cpu(all, cpu), reg);
}
static int ack(unsigned cpu) { return lapic_acknowledge(lapics_cpu(all, cpu)); }
static bool wrmsr(unsigned cpu, uint32_t msr, uint64_t v)
{
	return lapic_wrmsr(lapics_cpu(all, cpu), msr, v);
}
static uint64_t rdmsr(unsigned cpu, uint32_t msr)
{
	uint64_t v = 0;

	return lapic_rdmsr(lapics_cpu(all, cpu), msr, &v) ? v : ~0ull;
}
static void msi(uint32_t low, uint32_t data)
{
	struct msi_sink s = lapics_msi(all);

	board_lock(board);
	s.send(s.sink, LAPIC_BASE | low, data);
	board_unlock(board);
}

static void begin(void)
{
	static const struct lapic_wires wires = { NULL, interrupt, nmi, init,
	    sipi, tsc, TSC_HZ, extint, eoi };
	struct error err;

	board = board_new(&err);
	board_lock(board);
	board_stop_clock(board);
	board_unlock(board);
	all = lapics_new(board, N, &wires, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(all);
	for (unsigned i = 0; i < N; i++) {
		put(i, SVR, 0x1ff);
		pokes[i] = nmis[i] = inits[i] = sipis[i] = 0;
	}
	eois = 0;
	extint_held = false;
}

static void end(void)
{
	lapics_free(all);
	board_free(board);
}

/* Guest time goes on only here. */
static void run_for(uint64_t ms)
{
	board_lock(board);
	board_advance(board, ms * 1000000);
	board_unlock(board);
}

static void interrupts_nest_by_class(void)
{
	begin();
	msi(1 << 12, 0x51);
	CU_ASSERT_EQUAL(pokes[1], 1);
	CU_ASSERT_EQUAL(pokes[0] + pokes[2], 0);
	CU_ASSERT_EQUAL(get(1, IRR + 2), 1u << 17);
	CU_ASSERT_EQUAL(ack(1), 0x51);
	CU_ASSERT_EQUAL(get(1, IRR + 2), 0);
	CU_ASSERT_EQUAL(get(1, ISR + 2), 1u << 17);
	CU_ASSERT_EQUAL(get(1, PPR), 0x50);
	pokes[1] = 0;
	msi(1 << 12, 0x5f);		/* the same class: waits */
	CU_ASSERT_EQUAL(pokes[1], 0);
	CU_ASSERT_EQUAL(ack(1), -1);
	msi(1 << 12, 0x60);
	CU_ASSERT_EQUAL(pokes[1], 1);
	CU_ASSERT_EQUAL(ack(1), 0x60);
	put(1, EOI, 0);			/* ends 60h */
	CU_ASSERT_EQUAL(ack(1), -1);
	pokes[1] = 0;
	put(1, EOI, 0);			/* ends 51h: 5Fh may come */
	CU_ASSERT_EQUAL(pokes[1], 1);
	CU_ASSERT_EQUAL(ack(1), 0x5f);
	put(1, EOI, 0);
	put(1, EOI, 0);
	CU_ASSERT_EQUAL(get(1, PPR), 0);
	CU_ASSERT_EQUAL(eois, 0);
	end();
}

static void the_task_priority_holds_back(void)
{
	begin();
	lapic_set_tpr(lapics_cpu(all, 0), 5);
	CU_ASSERT_EQUAL(get(0, TPR), 0x50);
	CU_ASSERT_EQUAL(lapic_tpr(lapics_cpu(all, 0)), 5);
	msi(0, 0x5f);
	CU_ASSERT_EQUAL(pokes[0], 0);
	CU_ASSERT_EQUAL(ack(0), -1);
	put(0, TPR, 0x4f);
	CU_ASSERT_EQUAL(pokes[0], 1);
	CU_ASSERT_EQUAL(ack(0), 0x5f);
	CU_ASSERT_EQUAL(get(0, PPR), 0x50);
	end();
}

static void the_end_of_a_level_is_told(void)
{
	begin();
	msi(0, 0xc033);
	CU_ASSERT_EQUAL(get(0, TMR + 1), 1u << 19);
	CU_ASSERT_EQUAL(ack(0), 0x33);
	put(0, EOI, 0);
	CU_ASSERT_EQUAL(eois, 1);
	CU_ASSERT_EQUAL(last_eoi, 0x33);
	msi(0, 0x33);			/* an edge now */
	CU_ASSERT_EQUAL(get(0, TMR + 1), 0);
	ack(0);
	put(0, EOI, 0);
	CU_ASSERT_EQUAL(eois, 1);
	end();
}

static void logical_destinations(void)
{
	begin();
	CU_ASSERT_EQUAL(get(0, DFR), 0xffffffff);
	for (unsigned i = 0; i < N; i++)
		put(i, LDR, 1u << (24 + i));
	msi(5 << 12 | 4, 0x40);		/* flat: 0 and 2 */
	CU_ASSERT_EQUAL(ack(0), 0x40);
	CU_ASSERT_EQUAL(ack(1), -1);
	CU_ASSERT_EQUAL(ack(2), 0x40);
	for (unsigned i = 0; i < N; i++) {
		put(i, EOI, 0);
		put(i, DFR, 0x0fffffff);
	}
	put(0, LDR, 0x11u << 24);
	put(1, LDR, 0x12u << 24);
	put(2, LDR, 0x21u << 24);
	msi(0x13 << 12 | 4, 0x41);	/* cluster 1: 0 and 1 */
	CU_ASSERT_EQUAL(ack(0), 0x41);
	CU_ASSERT_EQUAL(ack(1), 0x41);
	CU_ASSERT_EQUAL(ack(2), -1);
	msi(0xff << 12, 0x55);
	CU_ASSERT_EQUAL(ack(0) + ack(1) + ack(2), 3 * 0x55);
	end();
}

static void lowest_priority_takes_one_of_many(void)
{
	unsigned got = 0;

	begin();
	for (unsigned i = 0; i < N; i++)
		put(i, LDR, 1u << (24 + i));
	put(0, TPR, 0x20);
	put(2, TPR, 0x20);
	msi(7 << 12 | 4, 0x142);
	CU_ASSERT_EQUAL(ack(1), 0x42);
	CU_ASSERT_EQUAL(pokes[0] + pokes[2], 0);
	put(1, EOI, 0);
	put(0, TPR, 0);
	put(2, TPR, 0);
	/* Among equals they take turns. */
	for (unsigned i = 0; i < 3 * N; i++)
		msi(7 << 12 | 4, 0x150 + 16 * (i / 3));
	for (unsigned i = 0; i < N; i++)
		got += pokes[i] > 0;
	CU_ASSERT_EQUAL(got, N);
	end();
}

static void processors_interrupt_each_other(void)
{
	begin();
	put(0, ICR_HIGH, 2u << 24);
	put(0, ICR, 0x4061);
	CU_ASSERT_EQUAL(ack(2), 0x61);
	put(0, ICR, 0x44062);		/* self */
	CU_ASSERT_EQUAL(ack(0), 0x62);
	put(0, ICR, 0xc4071);		/* all others */
	CU_ASSERT_EQUAL(ack(0), -1);
	CU_ASSERT_EQUAL(ack(1), 0x71);
	CU_ASSERT_EQUAL(ack(2), 0x71);
	put(0, ICR, 0x84081);		/* all */
	CU_ASSERT_EQUAL(ack(0), 0x81);
	CU_ASSERT_EQUAL(ack(1), 0x81);
	put(0, ICR_HIGH, 1u << 24);
	put(0, ICR, 0x4400);
	CU_ASSERT_EQUAL(nmis[1], 1);
	put(1, LVT_LINT0, 0x700);
	put(0, ICR, 0xc500);		/* INIT, then its de-assertion */
	put(0, ICR, 0x8500);
	CU_ASSERT_EQUAL(inits[1], 1);
	CU_ASSERT_EQUAL(inits[0] + inits[2], 0);
	CU_ASSERT_EQUAL(get(1, LVT_LINT0), 0x10000);
	CU_ASSERT_EQUAL(get(1, SVR), 0xff);
	put(0, ICR, 0x4698);
	CU_ASSERT_EQUAL(sipis[1], 1);
	CU_ASSERT_EQUAL(last_sipi, 0x98);
	CU_ASSERT_EQUAL(get(0, ICR), 0x4698);
	put(0, ICR, 0xc4500);		/* all others, INIT and SIPI */
	put(0, ICR, 0xc4610);
	CU_ASSERT_EQUAL(inits[2], 1);
	CU_ASSERT_EQUAL(sipis[2], 1);
	CU_ASSERT_EQUAL(inits[0] + sipis[0], 0);
	end();
}

static void off_by_software_it_takes_nothing_but_nmi(void)
{
	begin();
	put(0, LVT_ERROR, 0x35);
	put(0, SVR, 0xff);
	CU_ASSERT_EQUAL(get(0, LVT_ERROR), 0x10035);
	put(0, LVT_ERROR, 0x36);
	CU_ASSERT_EQUAL(get(0, LVT_ERROR), 0x10036);
	msi(0, 0x44);
	CU_ASSERT_EQUAL(pokes[0], 0);
	msi(0, 0x400);
	CU_ASSERT_EQUAL(nmis[0], 1);
	end();
}

static void the_8259_comes_by_lint0(void)
{
	struct irq line;

	begin();
	line = lapics_intr(all);
	irq_set(&line, true);
	CU_ASSERT_EQUAL(ack(0), -1);	/* masked */
	put(0, LVT_LINT0, 0x700);
	CU_ASSERT_EQUAL(pokes[0], 1);
	CU_ASSERT_EQUAL(ack(0), 0x77);
	CU_ASSERT_EQUAL(ack(0), -1);
	CU_ASSERT_EQUAL(get(0, ISR + 3), 0);
	put(0, TPR, 0xf0);		/* which it does not heed */
	irq_set(&line, true);
	CU_ASSERT_EQUAL(pokes[0], 2);
	extint_held = true;		/* the next one waits already */
	CU_ASSERT_EQUAL(ack(0), 0x77);
	CU_ASSERT(pokes[0] > 2);
	/* Off altogether, INTR goes straight to processor 0. */
	extint_held = false;
	CU_ASSERT_TRUE(wrmsr(0, 0x1b, LAPIC_BASE));
	irq_set(&line, false);
	pokes[0] = pokes[1] = 0;
	irq_set(&line, true);
	CU_ASSERT_EQUAL(pokes[0], 1);
	CU_ASSERT_EQUAL(pokes[1], 0);
	CU_ASSERT_EQUAL(ack(0), 0x77);
	line = lapics_nmi(all);
	put(1, LVT_LINT1, 0x400);
	irq_set(&line, true);
	irq_set(&line, true);
	CU_ASSERT_EQUAL(nmis[1], 1);
	end();
}

static void errors_are_latched_and_told(void)
{
	begin();
	put(0, LVT_ERROR, 0x3e);
	put(0, ICR, 0x4008);
	CU_ASSERT_EQUAL(get(0, ESR), 0);
	put(0, ESR, 0);
	CU_ASSERT_EQUAL(get(0, ESR), 0x20);
	CU_ASSERT_EQUAL(ack(0), 0x3e);
	put(0, EOI, 0);
	msi(0, 0x0f);
	get(0, 0x3d);
	put(0, ESR, 0);
	CU_ASSERT_EQUAL(get(0, ESR), 0xc0);
	put(0, ESR, 0);
	CU_ASSERT_EQUAL(get(0, ESR), 0);
	CU_ASSERT_EQUAL(ack(0), 0x3e);
	end();
}

static void x2apic_has_its_registers_as_msrs(void)
{
	begin();
	CU_ASSERT_EQUAL(rdmsr(0, 0x1b), 0xfee00900);
	CU_ASSERT_EQUAL(rdmsr(1, 0x1b), 0xfee00800);
	CU_ASSERT_EQUAL(lapic_base(lapics_cpu(all, 1)), LAPIC_BASE);
	CU_ASSERT_EQUAL(rdmsr(1, 0x802), ~0ull);
	CU_ASSERT_FALSE(wrmsr(1, 0x80b, 0));
	CU_ASSERT_FALSE(wrmsr(1, 0x1b, 0xfee00400));
	CU_ASSERT_FALSE(wrmsr(1, 0x1b, 1ull << 40 | 0xfee00800));
	CU_ASSERT_TRUE(wrmsr(1, 0x1b, 0xfee00c00));
	CU_ASSERT_TRUE(wrmsr(2, 0x1b, 0xfee00c00));
	CU_ASSERT_FALSE(wrmsr(1, 0x1b, 0xfee00800));
	CU_ASSERT_EQUAL(lapic_base(lapics_cpu(all, 1)), 0);
	CU_ASSERT_EQUAL(rdmsr(1, 0x802), 1);
	CU_ASSERT_EQUAL(rdmsr(1, 0x80d), 2);
	CU_ASSERT_EQUAL(rdmsr(1, 0x80e), ~0ull);
	CU_ASSERT_FALSE(wrmsr(1, 0x80d, 4));
	CU_ASSERT_FALSE(wrmsr(1, 0x80b, 1));
	CU_ASSERT_FALSE(wrmsr(1, 0x808, 0x100));
	CU_ASSERT_TRUE(wrmsr(1, 0x830, 2ull << 32 | 0x4091));
	CU_ASSERT_EQUAL(rdmsr(1, 0x830), 2ull << 32 | 0x4091);
	CU_ASSERT_EQUAL(ack(2), 0x91);
	CU_ASSERT_TRUE(wrmsr(2, 0x80b, 0));
	CU_ASSERT_TRUE(wrmsr(1, 0x830, 6ull << 32 | 0x4893));	/* logical */
	CU_ASSERT_EQUAL(ack(1), 0x93);
	CU_ASSERT_EQUAL(ack(2), 0x93);
	CU_ASSERT_TRUE(wrmsr(2, 0x83f, 0xa5));
	CU_ASSERT_EQUAL(ack(2), 0xa5);
	CU_ASSERT_FALSE(wrmsr(2, 0x83f, 0x100));
	CU_ASSERT_EQUAL(rdmsr(2, 0x83f), ~0ull);
	/* Off, and on again; straight to x2APIC is no way. */
	CU_ASSERT_TRUE(wrmsr(1, 0x1b, 0xfee00000));
	CU_ASSERT_FALSE(wrmsr(1, 0x1b, 0xfee00c00));
	CU_ASSERT_TRUE(wrmsr(1, 0x1b, 0xfee00800));
	CU_ASSERT_EQUAL(get(1, ID), 1u << 24);
	CU_ASSERT_EQUAL(get(1, SVR), 0xff);
	end();
}

static void the_timer_fires_once(void)
{
	begin();
	put(0, LVT_TIMER, 0x40);
	put(0, DIVIDE, 0xb);		/* by 1 */
	put(0, INITIAL, 5000000);	/* 5 ms */
	CU_ASSERT_EQUAL(get(0, CURRENT), 5000000);
	board_lock(board);
	board_advance(board, 1000000);
	board_unlock(board);
	CU_ASSERT_EQUAL(get(0, CURRENT), 4000000);
	put(1, LVT_TIMER, 0x41);
	put(1, DIVIDE, 0x2);		/* by 8 */
	put(1, INITIAL, 500000);	/* 4 ms */
	put(2, LVT_TIMER, 0x42);
	put(2, INITIAL, 1000000);
	put(2, INITIAL, 0);		/* stopped */
	CU_ASSERT_EQUAL(get(2, CURRENT), 0);
	run_for(20);
	CU_ASSERT_EQUAL(pokes[0], 1);
	CU_ASSERT_EQUAL(ack(0), 0x40);
	CU_ASSERT_EQUAL(ack(1), 0x41);
	CU_ASSERT_EQUAL(pokes[2], 0);
	CU_ASSERT_EQUAL(get(0, CURRENT), 0);
	CU_ASSERT_EQUAL(get(0, INITIAL), 5000000);
	end();
}

static void the_timer_fires_again_and_again(void)
{
	begin();
	put(0, LVT_TIMER, 0x20040);
	put(0, DIVIDE, 0xb);
	put(0, INITIAL, 1000000);
	put(1, LVT_TIMER, 0x20041);
	put(1, DIVIDE, 0xb);
	put(1, INITIAL, 1);		/* nobody could keep up */
	run_for(30);
	/* IRR holds one; each firing that finds it deliverable pokes. */
	CU_ASSERT_EQUAL(pokes[0], 30);
	CU_ASSERT_EQUAL(pokes[1], 1500);
	CU_ASSERT_EQUAL(ack(0), 0x40);
	CU_ASSERT_EQUAL(get(0, CURRENT), 1000000);
	end();
}

static void the_timer_fires_at_a_time_stamp(void)
{
	begin();
	CU_ASSERT_TRUE(wrmsr(0, 0x6e0, 1));	/* not in this mode */
	CU_ASSERT_EQUAL(rdmsr(0, 0x6e0), 0);
	put(0, LVT_TIMER, 0x40050);
	put(1, LVT_TIMER, 0x40051);
	put(2, LVT_TIMER, 0x40052);
	put(0, INITIAL, 1000);			/* means nothing */
	CU_ASSERT_EQUAL(get(0, INITIAL), 0);
	uint64_t at = tsc(NULL, 0) + TSC_HZ / 100;
	CU_ASSERT_TRUE(wrmsr(0, 0x6e0, at));
	CU_ASSERT_EQUAL(rdmsr(0, 0x6e0), at);
	CU_ASSERT_TRUE(wrmsr(1, 0x6e0, 1));	/* long ago */
	CU_ASSERT_EQUAL(ack(1), 0x51);
	CU_ASSERT_TRUE(wrmsr(2, 0x6e0, at));
	CU_ASSERT_TRUE(wrmsr(2, 0x6e0, 0));
	run_for(30);
	CU_ASSERT_EQUAL(ack(0), 0x50);
	CU_ASSERT_EQUAL(rdmsr(0, 0x6e0), 0);
	CU_ASSERT_EQUAL(pokes[2], 0);
	CU_ASSERT_TRUE(wrmsr(2, 0x6e0, UINT64_MAX));
	put(2, LVT_TIMER, 0x52);		/* another mode disarms */
	CU_ASSERT_EQUAL(rdmsr(2, 0x6e0), 0);
	end();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "interrupts nest by class", interrupts_nest_by_class },
		{ "the task priority holds back",
		    the_task_priority_holds_back },
		{ "the end of a level triggered one is told",
		    the_end_of_a_level_is_told },
		{ "logical destinations", logical_destinations },
		{ "lowest priority takes one of many",
		    lowest_priority_takes_one_of_many },
		{ "processors interrupt each other",
		    processors_interrupt_each_other },
		{ "off by software it takes nothing but NMI",
		    off_by_software_it_takes_nothing_but_nmi },
		{ "the 8259 comes by LINT0", the_8259_comes_by_lint0 },
		{ "errors are latched and told", errors_are_latched_and_told },
		{ "x2APIC has its registers as MSRs",
		    x2apic_has_its_registers_as_msrs },
		{ "the timer fires once", the_timer_fires_once },
		{ "the timer fires again and again",
		    the_timer_fires_again_and_again },
		{ "the timer fires at a time stamp",
		    the_timer_fires_at_a_time_stamp },
		{ NULL, NULL }
	};

	return unit_run("lapic", tests);
}
