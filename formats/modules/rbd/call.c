/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* call.c - calls of librbd that end in time, or are left behind: see call.h */
#include "modules/rbd/call.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

void *call_new(size_t size, size_t data)
{
	struct call *c = malloc(size + data);

	if (!c)
		return NULL;
	memset(c, 0, size);
	sem_init(&c->done, 0, 0);
	return c;
}

void call_free(struct call *c)
{
	if (c)
		sem_destroy(&c->done);
	free(c);
}

static void on_complete(rbd_completion_t completion, void *arg)
{
	struct call *c = arg;

	sem_post(&c->done);
}

int call_prepare(struct call *c)
{
	return rbd_aio_create_completion(c, on_complete, &c->completion);
}

void call_begun(struct call *c, int rc)
{
	call_news(0, 0, c);
	if (!rc)
		return;
	rbd_aio_release(c->completion);
	c->completion = NULL;
	c->ret = rc;
	sem_post(&c->done);
}

static void *run(void *arg)
{
	struct call *c = arg;

	c->ret = c->fn(c);
	sem_post(&c->done);
	return NULL;
}

/* Signals are for the program's own threads. */
void call_run(struct call *c, ssize_t (*fn)(struct call *))
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t thread;
	int code;

	call_news(0, 0, c);
	c->fn = fn;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	code = pthread_create(&thread, &attr, run, c);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (code) {
		c->ret = -code;
		sem_post(&c->done);
	}
}

int call_news(uint64_t done, uint64_t total, void *call)
{
	atomic_store(&((struct call *)call)->news_ms, clock_ms());
	return 0;
}

/*
 * librbd's threads go on with what was left behind, and its destructors at the
 * end of the process would take the ground from under them: they are left out.
 * What the program itself has to say is said by then.
 */
static void end_now(int code, void *arg)
{
	fflush(NULL);
	_exit(code);
}

bool call_wait(struct call *c, struct patience *p)
{
	struct timespec until;
	uint64_t end;

	for (;;) {
		end = atomic_load(&p->lost) ? 0 :
		    atomic_load(&c->news_ms) + p->ms;
		until = (struct timespec){ (time_t)(end / 1000),
		    (long)(end % 1000) * 1000000 };
		if (!sem_clockwait(&c->done, CLOCK_MONOTONIC, &until))
			break;
		if (errno == EINTR || (end && atomic_load(&c->news_ms) +
		    p->ms > end))
			continue;
		if (!atomic_exchange(&p->lost, true))
			on_exit(end_now, NULL);
		return false;
	}
	if (c->completion) {		/* on_complete() has returned after: */
		rbd_aio_wait_for_complete(c->completion);
		c->ret = rbd_aio_get_return_value(c->completion);
		rbd_aio_release(c->completion);
		c->completion = NULL;
	}
	return true;
}

ssize_t call_end(struct call *c, struct patience *p)
{
	ssize_t ret;

	if (!call_wait(c, p))
		return -ETIMEDOUT;
	ret = c->ret;
	call_free(c);
	return ret;
}
