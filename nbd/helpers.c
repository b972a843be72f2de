/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * helpers.c - requests that would make the others wait
 *
 * The session's thread serves what it receives itself: waking another costs
 * more than most requests do.  A read of what is not in the page cache is
 * handed over when others are waiting, and so is a flush; the helper that
 * takes it sends the reply, out of order.
 *
 * Helpers are started when there is work and nobody idle, and leave after a
 * second without.  When there are enough of them, for the session or for the
 * server, the session's thread does the work after all.
 */
#include "session.h"

#include <stdlib.h>
#include <time.h>

enum {
	STACK = 256 << 10,
	TOGETHER = 4,		/* replies of one helper in one send */
	KEEP = 1152 << 10,	/* of memory between jobs: 1 MiB and headers */
};

struct job {
	struct job *next;
	struct request req;
};

void helpers_init(struct helpers *h)
{
	pthread_condattr_t attr;

	*h = (struct helpers){ .tail = NULL };
	h->tail = &h->head;
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->work, &attr);
	pthread_cond_init(&h->done, NULL);
	pthread_condattr_destroy(&attr);
}

static uint64_t job_bytes(const struct job *j)
{
	return j->req.type == NBD_CMD_READ ? j->req.len : 0;
}

static struct job *pop(struct helpers *h)
{
	struct job *j = h->head;

	if (!j)
		return NULL;
	h->queued--;
	h->head = j->next;
	if (!h->head)
		h->tail = &h->head;
	return j;
}

/* Waits for a job; NULL: leave.  The lock is held. */
static struct job *next_job(struct helpers *h)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	while (!h->head && !h->ending && !rc) {
		h->idle++;
		rc = pthread_cond_timedwait(&h->work, &h->lock, &until);
		h->idle--;
	}
	return pop(h);
}

/* What fails here is noted, and wakes the session's thread. */
static void help_with(struct replies *r, const struct request *req)
{
	struct session *s = r->session;
	int rc;

	if (atomic_load(&s->broken))
		return;
	rc = serve_request(r, req, true);
	if (!rc)
		return;
	replies_begin(s);
	replies_end(s, rc);
}

static void *help(void *arg)
{
	struct helper *self = arg;
	struct session *s = self->session;
	struct helpers *h = &s->helpers;
	struct replies r;
	struct job *j;

	replies_init(&r, s);
	pthread_mutex_lock(&h->lock);
	while ((j = next_job(h))) {
		unsigned n = 0;

		/* A few replies for one send, where jobs are waiting. */
		do {
			pthread_mutex_unlock(&h->lock);
			help_with(&r, &j->req);
			pthread_mutex_lock(&h->lock);
			h->bytes -= job_bytes(j);
			free(j);
			n++;
		} while (n < TOGETHER && r.len < SEND_AT && (j = pop(h)));
		pthread_mutex_unlock(&h->lock);
		replies_send(&r);
		if (r.area.size > KEEP)
			area_free(&r.area);
		pthread_mutex_lock(&h->lock);
		h->jobs -= n;
		pthread_cond_signal(&h->done);
	}
	self->state = HELPER_ENDED;
	pthread_mutex_unlock(&h->lock);
	area_free(&r.area);
	atomic_fetch_sub(&s->server->helpers, 1);
	return NULL;
}

/* One more helper, if there may be; the lock is held. */
static void start(struct session *s)
{
	struct helpers *h = &s->helpers;
	struct helper *free_one = NULL;
	pthread_attr_t attr;

	for (unsigned i = 0; i < HELPERS_MAX && !free_one; i++)
		if (h->helper[i].state != HELPER_RUNS)
			free_one = &h->helper[i];
	if (!free_one)
		return;
	if (atomic_fetch_add(&s->server->helpers, 1) >= HELPERS_ALL)
		goto none;
	/* It has let go of the lock for the last time, or will at once. */
	if (free_one->state == HELPER_ENDED)
		pthread_join(free_one->thread, NULL);
	*free_one = (struct helper){ .session = s };
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	if (!pthread_create(&free_one->thread, &attr, help, free_one))
		free_one->state = HELPER_RUNS;
	pthread_attr_destroy(&attr);
	if (free_one->state == HELPER_RUNS)
		return;
none:
	atomic_fetch_sub(&s->server->helpers, 1);
}

static bool any_runs(const struct helpers *h)
{
	for (unsigned i = 0; i < HELPERS_MAX; i++)
		if (h->helper[i].state == HELPER_RUNS)
			return true;
	return false;
}

int helpers_give(struct session *s, const struct request *req)
{
	struct helpers *h = &s->helpers;
	struct job *j = malloc(sizeof(*j));
	int rc = -EAGAIN;

	if (!j)
		return -EAGAIN;
	*j = (struct job){ .req = *req };
	pthread_mutex_lock(&h->lock);
	if (h->jobs < IN_FLIGHT_MAX &&
	    h->bytes + job_bytes(j) <= HELPER_BYTES) {
		if (h->idle <= h->queued)
			start(s);
		if (any_runs(h)) {
			*h->tail = j;
			h->tail = &j->next;
			h->queued++;
			h->jobs++;
			h->bytes += job_bytes(j);
			pthread_cond_signal(&h->work);
			rc = 0;
		}
	}
	pthread_mutex_unlock(&h->lock);
	if (rc)
		free(j);
	return rc;
}

bool helpers_busy(struct helpers *h)
{
	return atomic_load(&h->jobs);
}

void helpers_fini(struct helpers *h)
{
	pthread_t started[HELPERS_MAX];
	unsigned n = 0;

	pthread_mutex_lock(&h->lock);
	while (h->jobs)
		pthread_cond_wait(&h->done, &h->lock);
	h->ending = true;
	pthread_cond_broadcast(&h->work);
	for (unsigned i = 0; i < HELPERS_MAX; i++)
		if (h->helper[i].state != HELPER_NONE)
			started[n++] = h->helper[i].thread;
	pthread_mutex_unlock(&h->lock);
	while (n)
		pthread_join(started[--n], NULL);
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->work);
	pthread_cond_destroy(&h->done);
}
