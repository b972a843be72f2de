/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link.c - one connection to an NBD server
 *
 * libnbd sends a command when it is told to and takes in answers when it is
 * told that there are some; who tells it is a thread that waits for one.  A
 * caller queues all his commands and then, if nobody else does, drives the
 * connection: poll(2), take in what has come, for everybody.  When his own
 * are done he wakes another one that waits, to drive on.  So a caller who is
 * alone never waits for another thread, and none is ours.
 *
 * Reads go straight into the caller's memory, which need not be cleared
 * first: that every byte was sent is counted.  A server may send the pieces
 * of an answer in any order; then counting is not enough, and the read is
 * done once more into cleared memory.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "remote.h"

enum {
	DEPTH = 16,		/* commands of one caller on their way */
	GOODBYE_MS = 1000,
};

/* One caller in link_run(). */
struct job {
	pthread_cond_t wake;
	unsigned flying;	/* sent, not done */
	bool waits;
	struct job *next;
};

bool link_dead(const struct link *l)
{
	return atomic_load(&l->dead);
}

/* ---- commands */

static void check_dead(struct link *l)
{
	if (nbd_aio_is_dead(l->nbd) || nbd_aio_is_closed(l->nbd))
		atomic_store(&l->dead, true);
}

/* Called with the lock held, as all callbacks are. */
static void finish(struct command *c, int code)
{
	if (c->kind == CMD_READ && !code && c->got != c->len && !c->shuffled)
		code = EPROTO;
	c->error = code;
	c->done = true;
	c->job->flying--;
	if (c->job->waits)
		pthread_cond_signal(&c->job->wake);
}

static int on_done(void *arg, int *code)
{
	finish(arg, *code);
	return 1;		/* libnbd may forget it */
}

/* A piece of a read has come. */
static int on_chunk(void *arg, const void *buf, size_t len, uint64_t off,
    unsigned status, int *code)
{
	struct command *c = arg;

	if (status == LIBNBD_READ_ERROR)
		return 0;
	if (off == c->off + c->got)
		c->got += len;
	else
		c->shuffled = true;
	return 0;
}

/* The runs of a context; one of no length would make a walk loop. */
static int on_status(void *arg, const char *context, uint64_t off,
    uint32_t *entries, size_t n, int *code)
{
	struct command *c = arg;
	struct status_answer *a = c->status;

	if (a->given)		/* another context, or once more */
		return 0;
	a->given = true;
	for (size_t i = 0; i + 1 < n; i += 2) {
		struct status_run *last = a->n ? &a->run[a->n - 1] : NULL;

		if (!entries[i]) {
			*code = EPROTO;
			return -1;
		}
		off += entries[i];	/* cannot wrap: sizes end at 2^63 */
		if (last && last->flags == entries[i + 1]) {
			last->end = off;
		} else if (a->n < a->max) {
			a->run[a->n++] = (struct status_run){ off,
			    entries[i + 1] };
		} else {
			return 0;
		}
	}
	return 0;
}

static void send_command(struct link *l, struct command *c, struct job *job)
{
	nbd_completion_callback end = { .callback = on_done, .user_data = c };
	struct nbd_handle *h = l->nbd;
	int64_t cookie = -1;

	c->job = job;
	c->done = false;
	c->got = 0;
	job->flying++;
	switch (c->kind) {
	case CMD_READ:
		if (c->shuffled) {	/* the second time */
			memset(c->buf, 0, c->len);
			c->got = c->len;
			cookie = nbd_aio_pread(h, c->buf, c->len, c->off, end,
			    c->flags);
			break;
		}
		cookie = nbd_aio_pread_structured(h, c->buf, c->len, c->off,
		    (nbd_chunk_callback){ .callback = on_chunk,
		    .user_data = c }, end, c->flags);
		break;
	case CMD_WRITE:
		cookie = nbd_aio_pwrite(h, c->buf, c->len, c->off, end,
		    c->flags);
		break;
	case CMD_ZERO:
		cookie = nbd_aio_zero(h, c->len, c->off, end, c->flags);
		break;
	case CMD_TRIM:
		cookie = nbd_aio_trim(h, c->len, c->off, end, c->flags);
		break;
	case CMD_FLUSH:
		cookie = nbd_aio_flush(h, end, c->flags);
		break;
	case CMD_STATUS:
		c->status->n = 0;
		c->status->given = false;
		cookie = nbd_aio_block_status(h, c->len, c->off,
		    (nbd_extent_callback){ .callback = on_status,
		    .user_data = c }, end, c->flags);
		break;
	}
	check_dead(l);
	if (cookie < 0 && !c->done)
		finish(c, link_dead(l) ? ENOTCONN : nbd_get_errno() ?
		    nbd_get_errno() : EIO);
	/* Who polls must hear that there is something to write, or that the
	 * socket is gone. */
	if (l->polling && (link_dead(l) || (!l->polled_write &&
	    nbd_aio_get_direction(h) & LIBNBD_AIO_DIRECTION_WRITE)))
		eventfd_write(l->wake, 1);
}

/* ---- driving */

bool link_drive(struct link *l, int timeout_ms)
{
	struct pollfd fds[2] = { { .fd = nbd_aio_get_fd(l->nbd) },
	    { .fd = l->wake, .events = POLLIN } };
	unsigned direction = nbd_aio_get_direction(l->nbd);
	eventfd_t ignored;
	int n;

	if (direction & LIBNBD_AIO_DIRECTION_READ)
		fds[0].events |= POLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		fds[0].events |= POLLOUT;
	l->polling = true;
	l->polled_write = fds[0].events & POLLOUT;
	pthread_mutex_unlock(&l->lock);
	n = poll(fds, 2, timeout_ms);
	pthread_mutex_lock(&l->lock);
	l->polling = false;
	if (n <= 0)
		return n < 0;
	if (fds[1].revents)
		eventfd_read(l->wake, &ignored);
	/* Others may have sent meanwhile. */
	direction = nbd_aio_get_direction(l->nbd);
	if (fds[0].revents & ~POLLOUT && direction & LIBNBD_AIO_DIRECTION_READ)
		nbd_aio_notify_read(l->nbd);
	else if (fds[0].revents && direction & LIBNBD_AIO_DIRECTION_WRITE)
		nbd_aio_notify_write(l->nbd);
	check_dead(l);
	return true;
}

/* Until something of this job is done; somebody else may see to that. */
static void wait_for(struct link *l, struct job *job)
{
	struct job **p;

	if (!l->driven) {
		l->driven = true;
		link_drive(l, -1);
		l->driven = false;
		return;
	}
	job->waits = true;
	job->next = l->waiting;
	l->waiting = job;
	pthread_cond_wait(&job->wake, &l->lock);
	for (p = &l->waiting; *p != job; p = &(*p)->next)
		;
	*p = job->next;
	job->waits = false;
}

void link_run(struct link *l, struct command *c, unsigned n)
{
	struct job job = { .flying = 0 };
	unsigned next = 0;

	for (unsigned i = 0; i < n; i++)
		c[i].shuffled = false;
	pthread_cond_init(&job.wake, NULL);
	pthread_mutex_lock(&l->lock);
	while (next < n || job.flying) {
		if (next < n && link_dead(l)) {
			c[next++].error = ENOTCONN;
		} else if (next < n && job.flying < DEPTH) {
			send_command(l, &c[next++], &job);
		} else if (job.flying) {
			wait_for(l, &job);
		}
	}
	for (unsigned i = 0; i < n; i++) {
		if (!c[i].shuffled || c[i].error)
			continue;
		if (link_dead(l)) {
			c[i].error = ENOTCONN;
			continue;
		}
		send_command(l, &c[i], &job);
		while (job.flying)
			wait_for(l, &job);
	}
	if (!l->driven && l->waiting)
		pthread_cond_signal(&l->waiting->wake);
	pthread_mutex_unlock(&l->lock);
	pthread_cond_destroy(&job.wake);
}

void link_close(struct link *l)
{
	uint64_t end = clock_ms() + GOODBYE_MS;

	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	if (!link_dead(l) && !nbd_aio_disconnect(l->nbd, 0))
		while (check_dead(l), !link_dead(l) && clock_ms() < end)
			link_drive(l, (int)(end - clock_ms()));
	pthread_mutex_unlock(&l->lock);
	nbd_close(l->nbd);
	if (l->wake >= 0)
		close(l->wake);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
