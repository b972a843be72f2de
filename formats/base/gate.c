/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gate.c - the counters of gate.h, and sleeping when the gate is shut */
#include "base/gate.h"

#include <stdint.h>

/* Which counter a thread uses: threads' own storage lies far apart, so its
 * address spreads them. */
static unsigned lane(void)
{
	static _Thread_local char here;
	uint64_t h = (uintptr_t)&here * 0x9e3779b97f4a7c15u;

	return (unsigned)(h >> 60) % GATE_LANES;
}

void gate_init(struct gate *g)
{
	for (unsigned i = 0; i < GATE_LANES; i++)
		atomic_init(&g->lane[i].in, 0);
	atomic_init(&g->shut, 0);
	pthread_mutex_init(&g->turn, NULL);
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->moved, NULL);
}

void gate_fini(struct gate *g)
{
	pthread_mutex_destroy(&g->turn);
	pthread_mutex_destroy(&g->lock);
	pthread_cond_destroy(&g->moved);
}

static void wake(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	pthread_cond_broadcast(&g->moved);
	pthread_mutex_unlock(&g->lock);
}

/* Both sides write their own word, then read the other's (sequentially
 * consistent): at least one of them sees the other. */
void gate_enter(struct gate *g)
{
	atomic_uint *in = &g->lane[lane()].in;

	for (;;) {
		atomic_fetch_add(in, 1);
		if (!atomic_load(&g->shut))
			return;
		atomic_fetch_sub(in, 1);
		pthread_mutex_lock(&g->lock);
		pthread_cond_broadcast(&g->moved);
		while (atomic_load(&g->shut))
			pthread_cond_wait(&g->moved, &g->lock);
		pthread_mutex_unlock(&g->lock);
	}
}

void gate_leave(struct gate *g)
{
	atomic_fetch_sub(&g->lane[lane()].in, 1);
	if (atomic_load(&g->shut))
		wake(g);
}

static unsigned count_in(struct gate *g)
{
	unsigned n = 0;

	for (unsigned i = 0; i < GATE_LANES; i++)
		n += atomic_load(&g->lane[i].in);
	return n;
}

void gate_shut(struct gate *g)
{
	pthread_mutex_lock(&g->turn);
	atomic_fetch_add(&g->shut, 1);
	pthread_mutex_lock(&g->lock);
	while (count_in(g))
		pthread_cond_wait(&g->moved, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

void gate_open(struct gate *g)
{
	atomic_fetch_sub(&g->shut, 1);
	wake(g);
	pthread_mutex_unlock(&g->turn);
}
