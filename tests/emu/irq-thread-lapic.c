/* SPDX-License-Identifier: GPL-2.0-or-later */
/* irq-thread-lapic.c - no interrupt between processors is lost */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "dev/lapic.h"
#include "support/unit.h"

enum { N = 3, ROUNDS = 3000, EOI = 0x0b, SVR = 0x0f, ICR = 0x30,
	ICR_HIGH = 0x31, LVT_TIMER = 0x32, INITIAL = 0x38, VECTOR = 0x40 };

static struct board *board;
static struct lapics *all;
static atomic_uint asked[N], got[N], stray, level_ends;
static atomic_bool done;

static void interrupt(void *o, unsigned cpu) { atomic_store(&asked[cpu], 1); }
static void nothing(void *o, unsigned cpu) { }
static void no_sipi(void *o, unsigned cpu, uint8_t v) { }
static uint64_t tsc(void *o, unsigned cpu) { return board_now_ns(board); }
static void eoi(void *o, uint8_t v) { atomic_fetch_add(&level_ends, 1); }

/* What a processor does: looks when it was asked to, and only then. */
static void serve(unsigned cpu)
{
	struct lapic *l = lapics_cpu(all, cpu);
	int vector;

	if (!atomic_exchange(&asked[cpu], 0)) {
		sched_yield();
		return;
	}
	vector = lapic_acknowledge(l);
	if (vector < 0)
		return;
	if (vector == VECTOR)
		atomic_fetch_add(&got[cpu], 1);
	else if (vector < VECTOR || vector > VECTOR + 2)
		atomic_fetch_add(&stray, 1);
	lapic_write(l, EOI, 0);
}

/* Each sends to the next and goes on when it has got one itself: a token goes
 * round, and stops for good if it is lost. */
static void *processor(void *arg)
{
	unsigned cpu = (unsigned)(uintptr_t)arg;
	struct lapic *l = lapics_cpu(all, cpu);

	for (unsigned i = 1; i <= ROUNDS && !atomic_load(&done); i++) {
		while (atomic_load(&got[cpu]) < i && !atomic_load(&done))
			serve(cpu);
		lapic_set_tpr(l, i % 8);
		lapic_write(l, ICR_HIGH, (cpu + 1) % N << 24);
		lapic_write(l, ICR, 0x4000 | VECTOR);
		lapic_set_tpr(l, 0);
		if (i % 16 == 0)
			lapic_write(l, INITIAL, 1000);
	}
	while (!atomic_load(&done))
		serve(cpu);
	return NULL;
}

/* Meanwhile devices send levels and edges, as the I/O APIC would. */
static void *devices(void *arg)
{
	struct msi_sink s = lapics_msi(all);

	while (!atomic_load(&done)) {
		board_lock(board);
		s.send(s.sink, LAPIC_BASE | 0xff << 12, 0xc000 | (VECTOR + 1));
		board_unlock(board);
		sched_yield();
	}
	return NULL;
}

static void late(void *opaque)
{
	board_quit(board, 1);
}

static void watch(void *opaque)
{
	struct timer *t = opaque;

	if (atomic_load(&got[0]) >= ROUNDS)
		board_quit(board, 0);
	else
		timer_set(t, board_now_ns(board) + 1000000);
}

static void a_token_goes_round(void)
{
	static const struct lapic_wires wires = { NULL, interrupt, nothing,
	    nothing, no_sipi, tsc, NS_PER_S, NULL, eoi };
	struct timer limit, look;
	struct error err;
	pthread_t t[N + 1];

	board = board_new(&err);
	all = lapics_new(board, N, &wires, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(all);
	for (unsigned i = 0; i < N; i++) {
		lapic_write(lapics_cpu(all, i), SVR, 0x1ff);
		lapic_write(lapics_cpu(all, i), LVT_TIMER, VECTOR + 2);
	}
	board_lock(board);
	timer_init(&limit, board, late, NULL);
	timer_set(&limit, board_now_ns(board) + 50 * NS_PER_S);
	timer_init(&look, board, watch, &look);
	timer_set(&look, board_now_ns(board));
	board_unlock(board);
	for (uintptr_t i = 0; i < N; i++)
		pthread_create(&t[i], NULL, processor, (void *)i);
	pthread_create(&t[N], NULL, devices, NULL);
	lapic_write(lapics_cpu(all, 0), ICR_HIGH, 0);
	lapic_write(lapics_cpu(all, 0), ICR, 0x4000 | VECTOR);
	CU_ASSERT_EQUAL(board_run(board), 0);
	atomic_store(&done, true);
	for (unsigned i = 0; i <= N; i++)
		pthread_join(t[i], NULL);
	CU_ASSERT_EQUAL(atomic_load(&stray), 0);
	CU_ASSERT_NOT_EQUAL(atomic_load(&level_ends), 0);
	lapics_free(all);
	board_free(board);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a token goes round", a_token_goes_round },
		{ NULL, NULL }
	};

	return unit_run("local APICs under threads", tests);
}
