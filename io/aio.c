/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * aio.c - requests that run while the prompt is back
 *
 * One list holds all requests in the order of submission.  A thread takes the
 * first that nobody took, runs it and marks it done.  Results are printed by
 * the main thread where it waits for them, and by the threads while it waits
 * for something else; either way from the front of the list, so that a script
 * prints the same whatever the threads do.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "command.h"

enum { THREADS = 4, STACK = 256 << 10,
    LISTED_MAX = 256 /* bounds their memory */ };

struct aio {
	struct io *io;
	pthread_mutex_t lock;	/* guards all below, and printing by threads */
	pthread_cond_t work;	/* a request to take, or ending */
	pthread_cond_t finished; /* one of them, for the main thread */
	struct request *head, **tail;
	struct request *spare;	/* done with, kept for their memory */
	unsigned waiting;	/* requests nobody took */
	unsigned unfinished;
	unsigned listed;
	unsigned idle;		/* threads that wait for work */
	unsigned count;
	pthread_t threads[THREADS];
	bool main_busy, ending;
};

/* ---- the list; with the lock */

static void reap(struct aio *a)
{
	bool any = false;

	while (a->head && a->head->done) {
		struct request *r = a->head;

		a->head = r->next;
		if (!a->head)
			a->tail = &a->head;
		a->listed--;
		request_report(a->io, r);
		r->next = a->spare;
		a->spare = r;
		any = true;
	}
	if (any && !a->main_busy)
		fflush(stdout);
}

static struct request *take(struct aio *a)
{
	struct request *r = a->head;

	while (r->taken)
		r = r->next;
	r->taken = true;
	a->waiting--;
	return r;
}

static void *work(void *arg)
{
	struct aio *a = arg;

	LOCKED(&a->lock);
	for (;;) {
		struct request *r;

		while (!a->waiting && !a->ending) {
			a->idle++;
			pthread_cond_wait(&a->work, &a->lock);
			a->idle--;
		}
		if (!a->waiting)
			return NULL;
		r = take(a);
		pthread_mutex_unlock(&a->lock);
		request_run(a->io->image, r);
		pthread_mutex_lock(&a->lock);
		r->done = true;
		a->unfinished--;
		if (!a->main_busy)
			reap(a);
		pthread_cond_signal(&a->finished);
	}
}

/* ---- for the main thread */

static struct aio *aio_new(struct io *io)
{
	struct aio *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->io = io;
	a->tail = &a->head;
	a->main_busy = true;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->work, NULL);
	pthread_cond_init(&a->finished, NULL);
	return a;
}

struct request *aio_request(struct io *io)
{
	struct request *r = NULL;

	if (!io->aio)
		io->aio = aio_new(io);
	if (io->aio) {
		LOCKED(&io->aio->lock);
		r = io->aio->spare;
		if (r)
			io->aio->spare = r->next;
	}
	if (io->aio && !r)
		r = calloc(1, sizeof(*r));
	if (!r)
		complain(io, "aio: %s", strerror(ENOMEM));
	return r;
}

void aio_release(struct io *io, struct request *r)
{
	LOCKED(&io->aio->lock);

	r->next = io->aio->spare;
	io->aio->spare = r;
}

/* One more thread, while requests wait for one. */
static void grow(struct aio *a)
{
	pthread_attr_t attr;

	if (a->idle >= a->waiting || a->count == THREADS)
		return;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	if (!pthread_create(&a->threads[a->count], &attr, work, a))
		a->count++;
	pthread_attr_destroy(&attr);
}

void aio_submit(struct io *io, struct request *r)
{
	struct aio *a = io->aio;
	LOCKED(&a->lock);

	while (a->listed >= LISTED_MAX) {
		if (!a->head->done)
			pthread_cond_wait(&a->finished, &a->lock);
		reap(a);
	}
	r->next = NULL;
	*a->tail = r;
	a->tail = &r->next;
	a->listed++;
	a->waiting++;
	a->unfinished++;
	grow(a);
	pthread_cond_signal(&a->work);
	if (a->count)
		return;
	/* Not one thread: then it is done here. */
	take(a);
	request_run(io->image, r);
	r->done = true;
	a->unfinished--;
}

void aio_drain(struct io *io)
{
	struct aio *a = io->aio;

	if (!a)
		return;
	LOCKED(&a->lock);
	while (a->unfinished)
		pthread_cond_wait(&a->finished, &a->lock);
	reap(a);
}

void aio_idle(struct io *io)
{
	if (!io->aio)
		return;
	LOCKED(&io->aio->lock);
	reap(io->aio);
	io->aio->main_busy = false;
}

void aio_busy(struct io *io)
{
	if (!io->aio)
		return;
	LOCKED(&io->aio->lock);
	io->aio->main_busy = true;
}

void aio_free(struct io *io)
{
	struct aio *a = io->aio;

	if (!a)
		return;
	aio_drain(io);
	pthread_mutex_lock(&a->lock);
	a->ending = true;
	pthread_cond_broadcast(&a->work);
	pthread_mutex_unlock(&a->lock);
	for (unsigned i = 0; i < a->count; i++)
		pthread_join(a->threads[i], NULL);
	for (struct request *r = a->spare, *next; r; r = next) {
		next = r->next;
		request_fini(r);
		free(r);
	}
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->work);
	pthread_cond_destroy(&a->finished);
	free(a);
	io->aio = NULL;
}
