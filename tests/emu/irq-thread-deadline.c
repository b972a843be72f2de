/* SPDX-License-Identifier: GPL-2.0-or-later */
/* irq-thread-deadline.c - no timer interrupt of a local APIC is lost: guests
 * set a deadline or a count, halt until it comes, and do so again */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "dev/lapic.h"
#include "support/unit.h"

enum { N = 4, ROUNDS = 20000, EOI = 0x0b, SVR = 0x0f, ICR = 0x30,
	ICR_HIGH = 0x31, LVT_TIMER = 0x32, INITIAL = 0x38, DIVIDE = 0x3e,
	TICK = 0xec, CALL = 0xfb, MSR_DEADLINE = 0x6e0, WAIT_S = 5 };

#define TSC_HZ 2300000000ull	/* no whole number of ns */

static struct board *board;
static struct lapics *all;
static struct processor {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool asked;
	unsigned ticks, calls, strays, lost, early;
} cpus[N];

static uint64_t tsc(void *o, unsigned cpu)
{
	return (uint64_t)((unsigned __int128)board_now_ns(board) * TSC_HZ /
	    NS_PER_S);
}

static void interrupt(void *o, unsigned cpu)
{
	struct processor *p = &cpus[cpu];

	pthread_mutex_lock(&p->lock);
	p->asked = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

static void nothing(void *o, unsigned cpu) { }
static void no_sipi(void *o, unsigned cpu, uint8_t v) { }

/* Halts until it is asked to look; false: nobody did. */
static bool halt(struct processor *p)
{
	struct timespec end;
	bool asked;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_S;
	pthread_mutex_lock(&p->lock);
	while (!p->asked && pthread_cond_timedwait(&p->wake, &p->lock,
	    &end) == 0)
		;
	asked = p->asked;
	p->asked = false;
	pthread_mutex_unlock(&p->lock);
	return asked;
}

static bool serve(unsigned cpu)
{
	struct lapic *l = lapics_cpu(all, cpu);
	struct processor *p = &cpus[cpu];
	int vector = lapic_acknowledge(l);

	if (vector < 0)
		return false;
	if (vector == TICK)
		p->ticks++;
	else if (vector == CALL)
		p->calls++;
	else
		p->strays++;
	lapic_write(l, EOI, 0);
	return true;
}

/* Until the next tick. */
static bool tick(unsigned cpu)
{
	struct processor *p = &cpus[cpu];
	unsigned before = p->ticks;

	while (p->ticks == before) {
		if (!halt(p)) {
			p->lost++;
			return false;
		}
		serve(cpu);
	}
	return true;
}

/* Deadlines near, gone by, and replaced while they may be firing. */
static bool by_deadline(unsigned cpu, unsigned i)
{
	struct lapic *l = lapics_cpu(all, cpu);
	struct processor *p = &cpus[cpu];
	uint64_t at = tsc(NULL, cpu) + i * 7919 % 60000;

	if (i % 5 == 0)
		at -= 100000;
	if (i % 7 == 0) {	/* as when an earlier timer is queued */
		unsigned before = p->ticks;

		lapic_wrmsr(l, MSR_DEADLINE, at + 30000);
		lapic_wrmsr(l, MSR_DEADLINE, 0);
		while (serve(cpu))
			;
		if (p->ticks != before)	/* it fired in between */
			return true;
	}
	lapic_wrmsr(l, MSR_DEADLINE, at);
	if (!tick(cpu))
		return false;
	p->early += tsc(NULL, cpu) < at;
	return true;
}

static bool by_count(unsigned cpu, unsigned i)
{
	struct lapic *l = lapics_cpu(all, cpu);

	lapic_write(l, INITIAL, 1 + i * 7919 % 20000);
	return tick(cpu);
}

/* Even ones go by deadline, odd ones by count; each calls its neighbour, with
 * a priority above and below that of the tick, while it waits itself. */
static void *processor(void *arg)
{
	unsigned cpu = (unsigned)(uintptr_t)arg;
	struct lapic *l = lapics_cpu(all, cpu);

	for (unsigned i = 1; i <= ROUNDS; i++) {
		lapic_write(l, ICR_HIGH, (cpu + 1) % N << 24);
		lapic_write(l, ICR, 0x4000 | CALL);
		lapic_set_tpr(l, i % 16);
		lapic_set_tpr(l, 0);
		if (!(cpu % 2 ? by_count(cpu, i) : by_deadline(cpu, i)))
			break;
	}
	return NULL;
}

static void *loop(void *arg)
{
	board_run(board);
	return NULL;
}

static void every_tick_comes(void)
{
	static const struct lapic_wires wires = { NULL, interrupt, nothing,
	    nothing, no_sipi, tsc, TSC_HZ, NULL, NULL };
	struct error err;
	pthread_t t[N + 1];

	board = board_new(&err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(board);
	all = lapics_new(board, N, &wires, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(all);
	for (unsigned i = 0; i < N; i++) {
		struct lapic *l = lapics_cpu(all, i);

		pthread_mutex_init(&cpus[i].lock, NULL);
		pthread_cond_init(&cpus[i].wake, NULL);
		lapic_write(l, SVR, 0x1ff);
		lapic_write(l, DIVIDE, 0xb);
		lapic_write(l, LVT_TIMER, TICK | (i % 2 ? 0 : 2 << 17));
	}
	pthread_create(&t[N], NULL, loop, NULL);
	for (uintptr_t i = 0; i < N; i++)
		pthread_create(&t[i], NULL, processor, (void *)i);
	for (unsigned i = 0; i < N; i++) {
		pthread_join(t[i], NULL);
		CU_ASSERT_EQUAL(cpus[i].lost, 0);
		CU_ASSERT_EQUAL(cpus[i].early, 0);
		CU_ASSERT_EQUAL(cpus[i].strays, 0);
		CU_ASSERT(cpus[i].ticks >= ROUNDS);
	}
	board_quit(board, 0);
	pthread_join(t[N], NULL);
	lapics_free(all);
	board_free(board);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "every tick comes", every_tick_comes },
		{ NULL, NULL }
	};

	return unit_run("timers of local APICs under threads", tests);
}
