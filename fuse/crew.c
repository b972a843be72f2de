/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * crew.c - how many threads wait for the kernel's requests
 *
 * The kernel gives each request to the thread that has waited longest.  For
 * one caller at a time a second thread is thus not only of no use: both are
 * always the one that sleeps, on another processor and with a cold cache.  But
 * a slow disk wants many.  So there is one at first, and somebody else (the
 * main thread, which has nothing to do) looks every few milliseconds:
 *
 *  - all have been at the same requests since the last look: the disk is slow,
 *    and one more takes requests;
 *  - all are found at work nearly always: one more, if there is a processor
 *    for it;
 *  - neither for a while: one less.
 *
 * When nothing is asked for nobody looks, until the next request.
 */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/auto.h"
#include "crew.h"

enum {
	TICK_MS = 4,
	WINDOW = 16,		/* ticks over which work is judged */
	NEARLY_ALL = 13,	/* of them */
	FEW = 5,
	CALM = 16,		/* windows before there is one less */
	IDLE = 25		/* ticks before nobody looks */
};

bool crew_init(struct crew *c, unsigned count)
{
	const long n = sysconf(_SC_NPROCESSORS_ONLN);

	*c = (struct crew){ .count = count,
	    .processors = n > 0 ? (unsigned)n : 1 };
	c->members = aligned_alloc(_Alignof(struct member),
	    count * sizeof(*c->members));
	c->kicked = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->more, NULL);
	atomic_init(&c->active, 1);
	for (unsigned i = 0; c->members && i < count; i++) {
		atomic_init(&c->members[i].busy, false);
		atomic_init(&c->members[i].served, 0);
		c->members[i].seen = 0;
	}
	return c->members && c->kicked >= 0;
}

void crew_fini(struct crew *c)
{
	free(c->members);
	if (c->kicked >= 0)
		close(c->kicked);
	pthread_cond_destroy(&c->more);
	pthread_mutex_destroy(&c->lock);
}

static void set_active(struct crew *c, unsigned n)
{
	LOCKED(&c->lock);

	atomic_store(&c->active, n);
	pthread_cond_broadcast(&c->more);
}

void crew_wait(struct crew *c, unsigned member)
{
	if (member < atomic_load_explicit(&c->active, memory_order_relaxed))
		return;
	LOCKED(&c->lock);
	while (member >= atomic_load(&c->active))
		pthread_cond_wait(&c->more, &c->lock);
}

/* "busy" is set before "asleep" is looked at, and the other way round in
 * crew_tick(): one of the two sees the other. */
void crew_begin(struct crew *c, unsigned member)
{
	atomic_store(&c->members[member].busy, true);
	if (atomic_load(&c->asleep) && atomic_exchange(&c->asleep, false))
		(void)!eventfd_write(c->kicked, 1);
}

void crew_end(struct crew *c, unsigned member)
{
	struct member *m = &c->members[member];

	atomic_store_explicit(&m->served, atomic_load_explicit(&m->served,
	    memory_order_relaxed) + 1, memory_order_relaxed);
	atomic_store_explicit(&m->busy, false, memory_order_release);
}

/* What was seen in WINDOW ticks. */
static void judge(struct crew *c, unsigned n)
{
	if (c->full >= NEARLY_ALL && n < c->count && n < c->processors) {
		set_active(c, n + 1);
		c->calm = 0;
	} else if (c->full > FEW || c->stuck) {
		c->calm = 0;
	} else if (++c->calm >= CALM && n > 1) {
		set_active(c, n - 1);
		c->calm = 0;
	}
	c->ticks = c->full = 0;
	c->stuck = false;
}

int crew_tick(struct crew *c)
{
	const unsigned n = atomic_load(&c->active);
	bool all = true, same = true, any = false;
	eventfd_t ignored;

	eventfd_read(c->kicked, &ignored);
	for (unsigned i = 0; i < c->count; i++) {
		struct member *m = &c->members[i];
		const bool busy = atomic_load(&m->busy);
		const unsigned served = atomic_load(&m->served);

		any |= busy || served != m->seen;
		if (i < n) {
			all &= busy;
			same &= busy && served == m->seen;
		}
		m->seen = served;
	}
	if (same && n < c->count)
		set_active(c, n + 1);
	c->stuck |= same;
	c->full += all;
	if (++c->ticks == WINDOW)
		judge(c, n);
	c->idle = any ? 0 : c->idle + 1;
	if (c->idle < IDLE)
		return TICK_MS;

	c->idle = 0;
	atomic_store(&c->asleep, true);
	for (unsigned i = 0; i < c->count; i++)
		if (atomic_load(&c->members[i].busy)) {
			atomic_store(&c->asleep, false);
			return TICK_MS;
		}
	return -1;
}

void crew_all(struct crew *c)
{
	set_active(c, c->count);
}
