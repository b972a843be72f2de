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
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "remote.h"

enum {
	DEPTH = 16,		/* commands of one caller on their way */
	MIN_BLOCK_MAX = 64 << 10,	/* the NBD document, "Block size */
	MAX_BLOCK = 32 << 20,		/* constraints" */
	GOODBYE_MS = 1000,
};

/* One caller in link_run(). */
struct job {
	pthread_cond_t wake;
	unsigned flying;	/* sent, not done */
	bool waits;
	struct job *next;
};

struct link {
	struct nbd_handle *nbd;
	int wake;		/* eventfd: look again at what to poll for */
	atomic_bool dead;

	pthread_mutex_t lock;	/* guards, with all of libnbd's state: */
	bool driven;		/* somebody drives */
	bool polled_write;	/* he polls, and for this too */
	bool polling;
	struct job *waiting;	/* the others */
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

/* Runs of no length would make us loop, those beyond the end are lies; what
 * reaches over the end of the export by less than a sector is how servers of
 * old rounded sizes. */
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

/* Takes in and sends what can be; false when the time was over first. */
static bool drive(struct link *l, int timeout_ms)
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
		drive(l, -1);
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
	unsigned next = 0, again = 0;

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
	for (; again < n; again++) {
		if (!c[again].shuffled || c[again].error)
			continue;
		if (link_dead(l)) {
			c[again].error = ENOTCONN;
			continue;
		}
		send_command(l, &c[again], &job);
		while (job.flying)
			wait_for(l, &job);
	}
	if (!l->driven && l->waiting)
		pthread_cond_signal(&l->waiting->wake);
	pthread_mutex_unlock(&l->lock);
	pthread_cond_destroy(&job.wake);
}

/* ---- connecting */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* libnbd's "function: stage: what", in words for users. */
static int failed(const struct server *s, struct error *err)
{
	const char *text = nbd_get_error(), *colon;
	int code = nbd_get_errno();

	if (!text)
		text = "unknown error";
	colon = strncmp(text, "nbd_", 4) ? NULL : strstr(text, ": ");
	if (colon)
		text = colon + 2;
	if (!strncmp(text, "connect: ", 9) && code)
		return error_errno(err, code, "Failed to connect to '%s'",
		    s->address);
	if (!strncmp(text, "getaddrinfo: ", 13) && (colon = strrchr(text,
	    ':')))
		return error_set(err, code ? code : EHOSTUNREACH,
		    "address resolution failed for %s%s", s->address, colon);
	if (!strncmp(text, "handshake: ", 11))
		text += 11;
	return error_set(err, code ? code : EIO, "NBD server at '%s': %s",
	    s->address, text);
}

static int set_up(struct nbd_handle *h, const struct server *s,
    struct error *err)
{
	if (nbd_set_export_name(h, s->export) ||
	    nbd_set_pread_initialize(h, false) ||
	    nbd_add_meta_context(h, s->context ? s->context :
	    LIBNBD_CONTEXT_BASE_ALLOCATION))
		return failed(s, err);
	if (!s->tls)
		return 0;
	if (nbd_set_tls(h, LIBNBD_TLS_REQUIRE) ||
	    nbd_set_tls_verify_peer(h, s->verify) ||
	    (s->tls_dir && nbd_set_tls_certificates(h, s->tls_dir)) ||
	    (s->tls_psk && nbd_set_tls_psk_file(h, s->tls_psk)) ||
	    (s->tls_user && nbd_set_tls_username(h, s->tls_user)))
		return failed(s, err);
	return 0;
}

static int start(struct nbd_handle *h, const struct server *s)
{
	int fd;

	switch (s->type) {
	case SERVER_INET:
		return nbd_aio_connect_tcp(h, s->host, s->port);
	case SERVER_UNIX:
		return nbd_aio_connect_unix(h, s->path);
	case SERVER_VSOCK:
		return nbd_aio_connect_vsock(h,
		    (uint32_t)strtoul(s->host, NULL, 0),
		    (uint32_t)strtoul(s->port, NULL, 0));
	case SERVER_FD:
		fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? -1 : nbd_aio_connect_socket(h, fd);
	}
	return -1;
}

/* A server that vanishes is missed after two minutes, not hours. */
static void keep_alive(int fd)
{
	static const struct {
		int level, option, value;
	} set[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 30 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 15 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 6 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, 120 * 1000 },
	};

	for (unsigned i = 0; i < ARRAY_LEN(set); i++)
		setsockopt(fd, set[i].level, set[i].option, &set[i].value,
		    sizeof(set[i].value));
}

static int shake_hands(struct link *l, const struct server *s,
    unsigned wait_ms, struct error *err)
{
	uint64_t end = now_ms() + wait_ms, now;

	if (start(l->nbd, s))
		return failed(s, err);
	LOCKED(&l->lock);
	while (!nbd_aio_is_ready(l->nbd)) {
		if (link_dead(l))
			return failed(s, err);
		now = now_ms();
		if (now >= end)
			return error_set(err, ETIMEDOUT, "NBD server at '%s' "
			    "did not answer in time", s->address);
		drive(l, (int)(end - now));
	}
	if (s->type == SERVER_INET && s->keep_alive)
		keep_alive(nbd_aio_get_fd(l->nbd));
	return 0;
}

static int take_info(struct nbd_handle *h, const struct server *s,
    struct export_info *x, struct error *err)
{
	const char *context = s->context ? s->context :
	    LIBNBD_CONTEXT_BASE_ALLOCATION;
	int64_t size = nbd_get_size(h);
	int64_t min = nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM);
	int64_t max = nbd_get_block_size(h, LIBNBD_SIZE_MAXIMUM);

	if (size < 0 || (uint64_t)size > SIZE_LIMIT)
		return error_set(err, EFBIG, "NBD server at '%s': export "
		    "length is too large", s->address);
	*x = (struct export_info){ .size = (uint64_t)size,
	    .read_only = nbd_is_read_only(h) > 0,
	    .flush = nbd_can_flush(h) > 0, .trim = nbd_can_trim(h) > 0,
	    .zero = nbd_can_zero(h) > 0,
	    .fast_zero = nbd_can_fast_zero(h) > 0,
	    .multi_conn = nbd_can_multi_conn(h) > 0,
	    .status = nbd_can_meta_context(h, context) > 0 };
	if (min <= 0)
		min = 1;
	if (max <= 0 || max > MAX_BLOCK)
		max = MAX_BLOCK;
	if (min > MIN_BLOCK_MAX || (min & (min - 1)) || max < min)
		return error_set(err, EPROTO, "NBD server at '%s': block "
		    "sizes %" PRId64 " to %" PRId64 " make no sense",
		    s->address, min, max);
	if (size % min)
		return error_set(err, EPROTO, "NBD server at '%s': export "
		    "length %" PRId64 " is not multiple of minimum block size "
		    "%" PRId64, s->address, size, min);
	x->min_block = (uint32_t)min;
	x->max_block = (uint32_t)(max - max % min);
	return 0;
}

struct link *link_open(const struct server *s, unsigned wait_ms,
    struct export_info *info, struct error *err)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l) {
		error_errno(err, ENOMEM, "connecting");
		return NULL;
	}
	pthread_mutex_init(&l->lock, NULL);
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->nbd = l->wake < 0 ? NULL : nbd_create();
	if (!l->nbd) {
		error_errno(err, l->wake < 0 ? errno : ENOMEM, "connecting");
		goto fail;
	}
	if (set_up(l->nbd, s, err) || shake_hands(l, s, wait_ms, err) ||
	    take_info(l->nbd, s, info, err))
		goto fail;
	return l;
fail:
	/* No good-bye to who has not even been greeted. */
	atomic_store(&l->dead, true);
	link_close(l);
	return NULL;
}

void link_close(struct link *l)
{
	uint64_t end = now_ms() + GOODBYE_MS;

	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	if (!link_dead(l) && !nbd_aio_disconnect(l->nbd, 0))
		while (check_dead(l), !link_dead(l) && now_ms() < end)
			drive(l, (int)(end - now_ms()));
	pthread_mutex_unlock(&l->lock);
	nbd_close(l->nbd);
	if (l->wake >= 0)
		close(l->wake);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
