/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conn.c - bytes of one connection, plain or TLS
 *
 * Blocking calls on a blocking socket: one system call where one does.  While
 * there is a deadline (the handshake) they do not block but poll for what is
 * left of it.  Sends wake up now and then, to see whether the server stops.
 */
#include "nbd.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "base/clock.h"

enum {
	SEND_WAKE_MS = 1000,	/* how often a send looks around ... */
	SEND_PATIENCE = 3,	/* ... and how often in vain while stopping */
	UNIX_SEND_BUFFER = 1 << 20, /* the kernel gives less by default, and
				     * cuts what it does not allow */
};

void conn_init(struct conn *c, int fd)
{
	struct timeval wake = { .tv_sec = SEND_WAKE_MS / 1000 };
	int on = 1, size = UNIX_SEND_BUFFER, family = 0;
	socklen_t len = sizeof(family);

	*c = (struct conn){ .fd = fd };
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wake, sizeof(wake));
	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len);
	if (family == AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	else
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void conn_fini(struct conn *c)
{
	if (c->tls)
		tls_end(c);
}

void conn_patience(struct conn *c, unsigned ms)
{
	struct timeval wait = { .tv_sec = ms / 1000,
	    .tv_usec = ms % 1000 * 1000 };

	c->patience_ms = ms;
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
}

/* A send has made no progress for a while: 0 to go on waiting. */
static int in_vain(const struct conn *c, unsigned *times)
{
	if (!c->stopping || !atomic_load(c->stopping))
		return 0;
	return ++*times < SEND_PATIENCE ? 0 : -ETIMEDOUT;
}

int conn_wait(const struct conn *c, short events)
{
	struct pollfd p = { .fd = c->fd, .events = events };
	unsigned times = 0;

	for (;;) {
		int timeout = -1, n, rc;

		if (c->deadline_ms) {
			uint64_t now = clock_ms();

			if (now >= c->deadline_ms)
				return -ETIMEDOUT;
			timeout = (int)min64(c->deadline_ms - now, INT_MAX);
		} else if (events == POLLOUT) {
			timeout = SEND_WAKE_MS;
		} else if (c->patience_ms) {
			timeout = (int)c->patience_ms;
		}
		n = poll(&p, 1, timeout);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0 || c->deadline_ms)
			continue;
		if (events != POLLOUT)
			return -EAGAIN;
		if ((rc = in_vain(c, &times)))
			return rc;
	}
}

static ssize_t receive(struct conn *c, void *buf, size_t len, int flags)
{
	ssize_t n;
	int rc;

	if (c->tls)
		return tls_recv(c, buf, len);
	for (;;) {
		if (c->deadline_ms) {
			if ((rc = conn_wait(c, POLLIN)))
				return rc;
			flags = MSG_DONTWAIT;
		}
		n = recv(c->fd, buf, len, flags);
		if (n >= 0)
			return n;
		if (errno != EINTR && !(errno == EAGAIN && c->deadline_ms))
			return -errno;
	}
}

ssize_t conn_recv(struct conn *c, void *buf, size_t len)
{
	return receive(c, buf, len, 0);
}

int conn_recv_all(struct conn *c, void *buf, size_t len)
{
	while (len) {
		ssize_t n = receive(c, buf, len, MSG_WAITALL);

		if (n == 0)
			return -ECONNRESET;
		if (n == -EAGAIN)
			continue;
		if (n < 0)
			return (int)n;
		buf = (char *)buf + n;
		len -= (size_t)n;
	}
	return 0;
}

/* After a send that could not: 0 to try again. */
static int send_failed(struct conn *c, unsigned *times)
{
	if (errno == EINTR)
		return 0;
	if (errno != EAGAIN)
		return -errno;
	if (c->deadline_ms)
		return conn_wait(c, POLLOUT);
	return in_vain(c, times);
}

static int send_tls(struct conn *c, const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++) {
		const char *at = iov[i].iov_base;
		size_t len = iov[i].iov_len;

		while (len) {
			ssize_t sent = tls_send(c, at, len);

			if (sent < 0)
				return (int)sent;
			at += sent;
			len -= (size_t)sent;
		}
	}
	return 0;
}

int conn_sendv(struct conn *c, struct iovec *iov, int n, bool more)
{
	unsigned times = 0;

	if (c->tls)
		return send_tls(c, iov, n);
	while (n) {
		struct msghdr m = { .msg_iov = iov,
		    .msg_iovlen = (size_t)(n < IOV_MAX ? n : IOV_MAX) };
		ssize_t sent = sendmsg(c->fd, &m, MSG_NOSIGNAL |
		    (more || n > IOV_MAX ? MSG_MORE : 0) |
		    (c->deadline_ms ? MSG_DONTWAIT : 0));
		int rc;

		if (sent < 0) {
			if ((rc = send_failed(c, &times)))
				return rc;
			continue;
		}
		times = 0;
		for (; n && (size_t)sent >= iov->iov_len; iov++, n--)
			sent -= (ssize_t)iov->iov_len;
		if (n) {
			iov->iov_base = (char *)iov->iov_base + sent;
			iov->iov_len -= (size_t)sent;
		}
	}
	return 0;
}

int conn_send(struct conn *c, const void *buf, size_t len)
{
	struct iovec iov = { (void *)buf, len };

	return conn_sendv(c, &iov, len ? 1 : 0, false);
}

int conn_sendfile(struct conn *c, int file, uint64_t off, uint64_t len,
    uint64_t *done)
{
	off_t at = (off_t)off;
	unsigned times = 0;

	for (*done = 0; *done < len; ) {
		ssize_t n = sendfile(c->fd, file, &at, len - *done);
		int rc;

		if (n == 0 || (n < 0 && (errno == EIO || errno == EINVAL)))
			return -EIO;
		if (n > 0) {
			*done += (uint64_t)n;
			times = 0;
		} else if ((rc = send_failed(c, &times))) {
			return rc;
		}
	}
	return 0;
}
