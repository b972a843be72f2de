/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uring.c - many aligned requests to one O_DIRECT file at once
 *
 * A batch takes an idle ring, or makes one, and has it for itself: no lock is
 * held while requests are in flight.  The ring is kept full: what completes
 * makes room for the next of the batch.
 */
#include "store/uring.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/auto.h"

#ifdef HAVE_URING
#include <liburing.h>

enum { ENTRIES = 64 };

struct ring {
	struct io_uring uring;
	struct ring *next;
};

struct uring {
	pthread_mutex_t lock;	/* guards idle; innermost */
	struct ring *idle;
};

struct uring *uring_new(void)
{
	struct uring *u = calloc(1, sizeof(*u));

	if (u)
		pthread_mutex_init(&u->lock, NULL);
	return u;
}

void uring_free(struct uring *u)
{
	if (!u)
		return;
	for (struct ring *r = u->idle, *next; r; r = next) {
		next = r->next;
		io_uring_queue_exit(&r->uring);
		free(r);
	}
	pthread_mutex_destroy(&u->lock);
	free(u);
}

static struct ring *take_ring(struct uring *u)
{
	struct ring *r;

	{
		LOCKED(&u->lock);
		r = u->idle;
		if (r) {
			u->idle = r->next;
			return r;
		}
	}
	r = calloc(1, sizeof(*r));
	if (r && io_uring_queue_init(ENTRIES, &r->uring, 0)) {
		free(r);
		r = NULL;
	}
	return r;
}

static void give_ring(struct uring *u, struct ring *r)
{
	LOCKED(&u->lock);

	r->next = u->idle;
	u->idle = r;
}

/* Fills the submission queue from ops[*next ..]. */
static void queue(struct ring *r, int fd, struct uring_op *ops, unsigned n,
    unsigned *next, unsigned in_flight)
{
	while (*next < n && in_flight < ENTRIES) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);
		struct uring_op *op = &ops[*next];

		if (!sqe)
			return;
		if (op->write)
			io_uring_prep_writev(sqe, fd, op->iov,
			    (unsigned)op->iovcnt, op->off);
		else
			io_uring_prep_readv(sqe, fd, op->iov,
			    (unsigned)op->iovcnt, op->off);
		io_uring_sqe_set_data(sqe, op);
		++*next;
		in_flight++;
	}
}

int uring_run(struct uring *u, int fd, struct uring_op *ops, unsigned n)
{
	unsigned next = 0, submitted = 0, done = 0;
	struct ring *r = take_ring(u);

	if (!r)
		return -ENOSYS;
	while (done < n) {
		struct io_uring_cqe *cqe;
		int rc;

		queue(r, fd, ops, n, &next, next - done);
		/* Buffers are the caller's and the kernel has them: there is
		 * no way out but by waiting. */
		rc = io_uring_submit_and_wait(&r->uring, 1);
		if (rc > 0)
			submitted += (unsigned)rc;
		else if (rc < 0 && submitted > done)
			io_uring_wait_cqe(&r->uring, &cqe);
		while (!io_uring_peek_cqe(&r->uring, &cqe)) {
			struct uring_op *op = io_uring_cqe_get_data(cqe);

			op->ret = cqe->res;
			io_uring_cqe_seen(&r->uring, cqe);
			done++;
		}
		if (rc < 0 && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY &&
		    submitted == done)
			break;
	}
	if (done == n) {
		give_ring(u, r);
		return 0;
	}
	/* The kernel takes no more; what it did not take is for the caller to
	 * do otherwise. */
	for (unsigned i = submitted; i < n; i++)
		ops[i].ret = -EAGAIN;
	io_uring_queue_exit(&r->uring);
	free(r);
	return 0;
}

#else

struct uring *uring_new(void)
{
	return NULL;
}

void uring_free(struct uring *u)
{
}

int uring_run(struct uring *u, int fd, struct uring_op *ops, unsigned n)
{
	return -ENOSYS;
}

#endif
