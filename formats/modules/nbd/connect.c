/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * connect.c - a connection to an NBD server is made, and hands are shaken
 *
 * All by libnbd; but between it and a stranger two things are added: an end to
 * the time it may take, and one to what the server may say before there is an
 * export.
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
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "remote.h"

enum {
	NEGOTIATION_MAX = 256 << 10,	/* bytes */
	MIN_BLOCK_MAX = 64 << 10,	/* the NBD document, "Block size */
	MAX_BLOCK = 32 << 20,		/* constraints" */
};

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
	if (nbd_set_opt_mode(h, true) || nbd_set_export_name(h, s->export) ||
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

/* ---- shaking hands */

/*
 * The middle man: carries the bytes of the negotiation between server and
 * libnbd, which would keep whatever a server lists, without end.
 */
struct carrier {
	int server;		/* the socket */
	int ours;		/* our end of a pair; libnbd has the other in
				 * the server's place, as nbd_aio_get_fd() */
	unsigned left;		/* bytes the server may still say */
	bool ended;		/* it has nothing more to say */
};

/* From now on libnbd talks to us. */
static int carrier_begin(struct carrier *c, struct link *l)
{
	int fd = nbd_aio_get_fd(l->nbd), pair[2];

	*c = (struct carrier){ -1, -1, NEGOTIATION_MAX, false };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    pair))
		return -errno;
	c->ours = pair[1];
	c->server = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (c->server < 0 || dup3(pair[0], fd, O_CLOEXEC) < 0) {
		close(pair[0]);
		return -errno;
	}
	close(pair[0]);
	return 0;
}

/* And now to the server itself.  Nothing may be left of what it said: it has
 * not been asked for anything. */
static int carrier_end(struct carrier *c, struct link *l)
{
	int fd = nbd_aio_get_fd(l->nbd), left = 0;

	if (ioctl(fd, FIONREAD, &left) || left)
		return -EPROTO;
	return dup3(c->server, fd, O_CLOEXEC) < 0 ? -errno : 0;
}

/* All of a message of libnbd's, which are small. */
static int pass_on(int to, const char *buf, size_t len, uint64_t end)
{
	struct pollfd p = { .fd = to, .events = POLLOUT };
	ssize_t n;

	while (len) {
		n = send(to, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			buf += n;
			len -= (size_t)n;
		} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			return -errno;
		} else if (clock_ms() >= end) {
			return -ETIMEDOUT;
		} else {
			poll(&p, 1, 100);
		}
	}
	return 0;
}

/* Waits for something to carry and carries it. */
static int carry(struct carrier *c, uint64_t end)
{
	struct pollfd p[2] = { { c->ours, POLLIN, 0 },
	    { c->ended ? -1 : c->server, POLLIN, 0 } };
	uint64_t now = clock_ms();
	char buf[4096];
	ssize_t n;
	int rc;

	if (now >= end)
		return -ETIMEDOUT;
	if (poll(p, 2, (int)(end - now)) <= 0)
		return 0;
	if (p[0].revents && (n = recv(c->ours, buf, sizeof(buf), 0)) > 0 &&
	    (rc = pass_on(c->server, buf, (size_t)n, end)))
		return rc;
	if (!p[1].revents)
		return 0;
	n = recv(c->server, buf, sizeof(buf), MSG_DONTWAIT);
	if (n > 0 && (unsigned)n > c->left)
		return -EMSGSIZE;
	if (n > 0) {
		c->left -= (unsigned)n;
		return pass_on(c->ours, buf, (size_t)n, end);
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		c->ended = true;
		shutdown(c->ours, SHUT_WR);
	}
	return 0;
}

/* libnbd's side of it, as far as it goes without waiting. */
static void step(struct link *l)
{
	do {
		if (nbd_aio_is_dead(l->nbd) || nbd_aio_is_closed(l->nbd))
			atomic_store(&l->dead, true);
	} while (!link_dead(l) && !nbd_aio_is_ready(l->nbd) &&
	    link_drive(l, 0));
}

static int too_late(const struct server *s, struct error *err)
{
	return error_set(err, ETIMEDOUT, "NBD server at '%s' did not answer in "
	    "time", s->address);
}

struct outcome {
	bool known;
	int code;
	struct error err;
	const struct server *server;
};

/* Of the choice of the export: here libnbd still knows what was wrong. */
static int on_chosen(void *arg, int *code)
{
	struct outcome *o = arg;

	o->known = true;
	o->code = *code;
	if (*code)
		failed(o->server, &o->err);
	return 1;
}

/* The export, its context and its sizes.  Lock held. */
static int negotiate(struct link *l, const struct server *s, uint64_t end,
    struct error *err)
{
	struct outcome o = { .server = s };
	struct carrier c;
	int rc = carrier_begin(&c, l);

	if (!rc && nbd_aio_opt_go(l->nbd, (nbd_completion_callback){
	    .callback = on_chosen, .user_data = &o })) {
		failed(s, err);
		rc = -err->code;
		goto out;
	}
	for (step(l); !rc && !link_dead(l) && !o.known; step(l))
		rc = carry(&c, end);
	if (!rc && !link_dead(l) && !o.code)
		rc = carrier_end(&c, l);
	if (rc == -ETIMEDOUT)
		too_late(s, err);
	else if (rc == -EMSGSIZE || rc == -EPROTO)
		error_set(err, EPROTO, "NBD server at '%s' says more than it "
		    "was asked", s->address);
	else if (rc)
		error_errno(err, -rc, "NBD server at '%s'", s->address);
	else if (o.code)
		*err = o.err;
	else if (link_dead(l))
		failed(s, err);
	else
		goto out;
	rc = -err->code;
out:
	if (c.server >= 0)
		close(c.server);
	if (c.ours >= 0)
		close(c.ours);
	return rc;
}

/* Up to the choice of the export, which is negotiate()'s, every question of
 * libnbd's has one short answer. */
static int shake_hands(struct link *l, const struct server *s,
    unsigned wait_ms, struct error *err)
{
	uint64_t end = clock_ms() + wait_ms, now;
	int rc;

	if (start(l->nbd, s))
		return failed(s, err);
	LOCKED(&l->lock);
	while (!nbd_aio_is_ready(l->nbd) && !nbd_aio_is_negotiating(l->nbd)) {
		if (link_dead(l))
			return failed(s, err);
		now = clock_ms();
		if (now >= end)
			return too_late(s, err);
		link_drive(l, (int)(end - now));
	}
	if (nbd_aio_is_negotiating(l->nbd) && (rc = negotiate(l, s, end, err)))
		return rc;
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
