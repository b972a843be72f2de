/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vcpu.c - the processors' threads */
#include "accel/vcpu.h"

#include <pthread.h>
#include <stdlib.h>

struct vcpu {
	struct vcpus *all;
	struct cpu *cpu;
	pthread_t thread;
	bool started;
	unsigned id;
	bool stuck;		/* shut down or failed: waits for a reset */
	bool failed;
	bool in_run;
	struct board_work tell;
};

struct vcpus {
	struct board *board;
	const struct cpu_engine *engine;
	struct vcpu_events events;
	unsigned n;
	struct vcpu vcpu[CPU_MAX];

	/* Guards what follows and the bools above; the board lock comes
	 * before it, an engine's own after. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool hold, end;
};

/* In the loop's thread. */
static void
tell(void *opaque)
{
	struct vcpu *v = opaque;
	const struct vcpu_events *e = &v->all->events;

	(v->failed ? e->failed : e->shutdown)(e->opaque, v->id,
	    v->all->engine->why(v->cpu));
}

static void
get_stuck(struct vcpu *v, bool failed)
{
	pthread_mutex_lock(&v->all->lock);
	v->stuck = true;
	v->failed = failed;
	pthread_mutex_unlock(&v->all->lock);
	board_post(v->all->board, &v->tell);
}

/* Waits until the processor may run; false: the thread is to end. */
static bool
may_run(struct vcpu *v)
{
	struct vcpus *all = v->all;
	bool go;

	pthread_mutex_lock(&all->lock);
	v->in_run = false;
	pthread_cond_broadcast(&all->changed);
	while (!all->end && (all->hold || v->stuck))
		pthread_cond_wait(&all->changed, &all->lock);
	go = v->in_run = !all->end;
	pthread_mutex_unlock(&all->lock);
	return go;
}

static void *
vcpu_thread(void *arg)
{
	struct vcpu *v = arg;
	const struct cpu_engine *e = v->all->engine;

	while (may_run(v))
		switch (e->run(v->cpu)) {
		case CPU_EXIT_REQUEST:
			break;
		case CPU_EXIT_HALT:
			e->wait(v->cpu);
			break;
		case CPU_EXIT_SHUTDOWN:
			get_stuck(v, false);
			break;
		case CPU_EXIT_ERROR:
			get_stuck(v, true);
			break;
		}
	return NULL;
}

/* Board lock held; lets go of it while it waits. */
static void
wait_for_none(struct vcpus *all)
{
	board_unlock(all->board);
	for (unsigned n = 0; n < all->n; n++)
		if (all->vcpu[n].cpu)
			all->engine->request(all->vcpu[n].cpu, CPU_REQ_EXIT);
	pthread_mutex_lock(&all->lock);
	for (unsigned n = 0; n < all->n; n++)
		while (all->vcpu[n].in_run)
			pthread_cond_wait(&all->changed, &all->lock);
	pthread_mutex_unlock(&all->lock);
	board_lock(all->board);
}

struct vcpus *
vcpus_new(struct board *board, const struct cpu_engine *engine,
    struct mem *mem, struct bus *bus, const struct cpu_model *model,
    unsigned n, const struct cpu_apic *apic, const struct vcpu_events *events,
    struct error *err)
{
	struct vcpus *all = calloc(1, sizeof(*all));
	int ret;

	if (!all) {
		error_set(err, ENOMEM, "processors");
		return NULL;
	}
	all->board = board;
	all->engine = engine;
	all->events = *events;
	all->n = n;
	all->hold = true;
	pthread_mutex_init(&all->lock, NULL);
	pthread_cond_init(&all->changed, NULL);
	for (unsigned id = 0; id < n; id++) {
		struct vcpu *v = &all->vcpu[id];

		v->all = all;
		v->id = id;
		v->tell.fn = tell;
		v->tell.opaque = v;
		v->cpu = engine->new(mem, bus, model, id, &apic[id], err);
		if (!v->cpu)
			goto fail;
	}
	for (unsigned id = 0; id < n; id++) {
		ret = pthread_create(&all->vcpu[id].thread, NULL, vcpu_thread,
		    &all->vcpu[id]);
		if (ret) {
			error_errno(err, ret, "thread of processor %u", id);
			goto fail;
		}
		all->vcpu[id].started = true;
	}
	return all;
fail:
	vcpus_free(all);
	return NULL;
}

void
vcpus_end(struct vcpus *all)
{
	if (!all)
		return;
	pthread_mutex_lock(&all->lock);
	all->end = true;
	pthread_cond_broadcast(&all->changed);
	pthread_mutex_unlock(&all->lock);
	wait_for_none(all);
	for (unsigned id = 0; id < all->n; id++) {
		if (all->vcpu[id].started)
			pthread_join(all->vcpu[id].thread, NULL);
		all->vcpu[id].started = false;
	}
}

void
vcpus_free(struct vcpus *all)
{
	if (!all)
		return;
	vcpus_end(all);
	for (unsigned id = 0; id < all->n; id++)
		if (all->vcpu[id].cpu)
			all->engine->free(all->vcpu[id].cpu);
	pthread_cond_destroy(&all->changed);
	pthread_mutex_destroy(&all->lock);
	free(all);
}

void
vcpus_hold(struct vcpus *all)
{
	pthread_mutex_lock(&all->lock);
	all->hold = true;
	pthread_mutex_unlock(&all->lock);
	wait_for_none(all);
}

void
vcpus_go(struct vcpus *all)
{
	pthread_mutex_lock(&all->lock);
	all->hold = false;
	pthread_cond_broadcast(&all->changed);
	pthread_mutex_unlock(&all->lock);
}

bool
vcpus_held(const struct vcpus *all)
{
	return all->hold;
}

void
vcpus_reset(struct vcpus *all)
{
	for (unsigned id = 0; id < all->n; id++) {
		all->engine->reset(all->vcpu[id].cpu);
		pthread_mutex_lock(&all->lock);
		all->vcpu[id].stuck = all->vcpu[id].failed = false;
		pthread_mutex_unlock(&all->lock);
	}
}

struct cpu *
vcpus_cpu(struct vcpus *all, unsigned id)
{
	return all->vcpu[id].cpu;
}

const struct cpu_engine *
vcpus_engine(const struct vcpus *all)
{
	return all->engine;
}

unsigned
vcpus_n(const struct vcpus *all)
{
	return all->n;
}
