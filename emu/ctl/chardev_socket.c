/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev_socket.c - a stream over a unix or TCP socket, server or client
 *
 * A server has one client at a time; others wait in the kernel's queue.  A
 * client that has lost its server tries again after reconnect= seconds, by
 * host time and without waiting for the answer.  Names are looked up once, at
 * the start: later it would hold up the loop.
 */
#include "ctl/chardev_impl.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/auto.h"

struct socket_dev {
	struct chardev chr;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	char name[160];		/* unix:PATH or tcp:HOST:PORT */
	bool server, nodelay, bound;
	unsigned reconnect_s;
	int listener;
	struct board_fd *listen_fd;
	int timer;		/* until the next attempt */
	struct board_fd *timer_fd;
	int calling;		/* a connect() under way */
	struct board_fd *call_fd;
};

/* --- Addresses ----------------------------------------------------------- */

static int
unix_address(struct socket_dev *s, const char *path, struct error *err)
{
	struct sockaddr_un *a = (struct sockaddr_un *)&s->addr;

	if (strlen(path) >= sizeof(a->sun_path))
		return error_set(err, ENAMETOOLONG,
		    "socket path '%s' is longer than %zu bytes", path,
		    sizeof(a->sun_path) - 1);
	a->sun_family = AF_UNIX;
	strcpy(a->sun_path, path);
	s->addr_len = sizeof(*a);
	snprintf(s->name, sizeof(s->name), "unix:%s", path);
	return 0;
}

static void
free_addresses(struct addrinfo **a)
{
	if (*a)
		freeaddrinfo(*a);
}

static int
tcp_address(struct socket_dev *s, const struct chardev_config *c,
    struct error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_family = c->no_ipv4 ? AF_INET6 : c->no_ipv6 ? AF_INET :
		    AF_UNSPEC,
		.ai_flags = c->server ? AI_PASSIVE : 0 };
	__attribute__((cleanup(free_addresses))) struct addrinfo *a = NULL;
	const char *host = c->host && *c->host ? c->host : NULL;
	int ret;

	if (c->no_ipv4 && c->no_ipv6)
		return error_set(err, EINVAL,
		    "a socket with ipv4=off and ipv6=off");
	snprintf(s->name, sizeof(s->name), "tcp:%s:%s", host ? host : "",
	    c->port);
	ret = getaddrinfo(host, c->port, &hints, &a);
	if (ret)
		return error_set(err, EADDRNOTAVAIL, "%s: %s", s->name,
		    gai_strerror(ret));
	memcpy(&s->addr, a->ai_addr, a->ai_addrlen);
	s->addr_len = a->ai_addrlen;
	return 0;
}

static int
new_socket(const struct socket_dev *s, int flags)
{
	return socket(s->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags,
	    0);
}

/* --- Somebody is there --------------------------------------------------- */

static int
use(struct socket_dev *s, int fd, struct error *err)
{
	int one = 1;

	if (s->nodelay && s->addr.ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->chr.is_socket = true;
	if (s->listen_fd)
		board_fd_events(s->listen_fd, 0);
	return chardev_connect(&s->chr, fd, fd, err);
}

static void
knocked(void *opaque, short revents)
{
	struct socket_dev *s = opaque;
	struct error err;
	int fd = accept4(s->listener, NULL, NULL,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 && use(s, fd, &err) < 0)
		board_fd_events(s->listen_fd, POLLIN);
}

/* --- Clients ------------------------------------------------------------- */

static void
try_later(struct socket_dev *s)
{
	struct itimerspec t = { .it_value.tv_sec = s->reconnect_s };

	if (s->reconnect_s)
		timerfd_settime(s->timer, 0, &t, NULL);
}

static void
hang_up_call(struct socket_dev *s)
{
	board_fd_remove(s->call_fd);
	s->call_fd = NULL;
	if (s->calling >= 0)
		close(s->calling);
	s->calling = -1;
}

static void
answered(void *opaque, short revents)
{
	struct socket_dev *s = opaque;
	socklen_t len = sizeof(int);
	int fd = s->calling, why = 0;
	struct error err;

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len);
	if (why) {
		hang_up_call(s);
		try_later(s);
		return;
	}
	s->calling = -1;
	hang_up_call(s);
	if (use(s, fd, &err) < 0)
		try_later(s);
}

static void
call(struct socket_dev *s)
{
	struct error err;

	s->calling = new_socket(s, SOCK_NONBLOCK);
	if (s->calling < 0 || (connect(s->calling, (struct sockaddr *)&s->addr,
	    s->addr_len) < 0 && errno != EINPROGRESS)) {
		hang_up_call(s);
		try_later(s);
		return;
	}
	s->call_fd = board_fd_add(s->chr.board, s->calling, POLLOUT, answered,
	    s, &err);
	if (!s->call_fd) {
		hang_up_call(s);
		try_later(s);
	}
}

static void
again(void *opaque, short revents)
{
	struct socket_dev *s = opaque;
	uint64_t count;

	if (read(s->timer, &count, sizeof(count)) == sizeof(count) &&
	    !s->chr.connected && s->calling < 0)
		call(s);
}

static int
open_client(struct socket_dev *s, struct error *err)
{
	int fd;

	if (s->reconnect_s) {
		s->timer = timerfd_create(CLOCK_MONOTONIC,
		    TFD_NONBLOCK | TFD_CLOEXEC);
		if (s->timer < 0)
			return error_errno(err, errno, "timer");
		s->timer_fd = board_fd_add(s->chr.board, s->timer, POLLIN,
		    again, s, err);
		if (!s->timer_fd)
			return -err->code;
		call(s);
		return 0;
	}
	fd = new_socket(s, 0);
	if (fd < 0)
		return error_errno(err, errno, "%s", s->name);
	if (connect(fd, (struct sockaddr *)&s->addr, s->addr_len) < 0) {
		error_errno(err, errno, "%s", s->name);
		close(fd);
		return -err->code;
	}
	return use(s, fd, err);
}

/* --- Servers ------------------------------------------------------------- */

static int
open_server(struct socket_dev *s, bool wait, struct error *err)
{
	const struct sockaddr_un *u = (struct sockaddr_un *)&s->addr;
	bool is_unix = s->addr.ss_family == AF_UNIX;
	struct stat st;
	int one = 1, fd;

	s->listener = new_socket(s, 0);
	if (s->listener < 0)
		return error_errno(err, errno, "%s", s->name);
	/* What an earlier run has left is in the way. */
	if (is_unix && stat(u->sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(u->sun_path);
	if (!is_unix)
		setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one,
		    sizeof(one));
	if (bind(s->listener, (struct sockaddr *)&s->addr, s->addr_len) < 0)
		return error_errno(err, errno, "%s", s->name);
	s->bound = is_unix;
	if (listen(s->listener, 1) < 0)
		return error_errno(err, errno, "%s", s->name);
	s->listen_fd = board_fd_add(s->chr.board, s->listener, POLLIN,
	    knocked, s, err);
	if (!s->listen_fd)
		return -err->code;
	if (!wait)
		return 0;
	fprintf(stderr, "waiting for a connection on %s\n", s->name);
	do
		fd = accept4(s->listener, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return error_errno(err, errno, "%s", s->name);
	return use(s, fd, err);
}

/* --- The back end -------------------------------------------------------- */

static int
open_socket(struct chardev *c, const struct chardev_config *config,
    struct error *err)
{
	struct socket_dev *s = (struct socket_dev *)c;

	s->listener = s->timer = s->calling = -1;
	s->server = config->server;
	s->nodelay = config->nodelay;
	s->reconnect_s = (unsigned)config->reconnect_s;
	if (config->path) {
		if (unix_address(s, config->path, err) < 0)
			return -err->code;
	} else if (tcp_address(s, config, err) < 0) {
		return -err->code;
	}
	return s->server ? open_server(s, config->wait, err) :
	    open_client(s, err);
}

static void
hangup(struct chardev *c)
{
	struct socket_dev *s = (struct socket_dev *)c;

	chardev_disconnect(c);
	if (s->server)
		board_fd_events(s->listen_fd, POLLIN);
	else
		try_later(s);
}

static void
close_socket(struct chardev *c)
{
	struct socket_dev *s = (struct socket_dev *)c;

	board_fd_remove(s->listen_fd);
	board_fd_remove(s->timer_fd);
	hang_up_call(s);
	if (s->bound)
		unlink(((struct sockaddr_un *)&s->addr)->sun_path);
	if (s->listener >= 0)
		close(s->listener);
	if (s->timer >= 0)
		close(s->timer);
}

static void
describe(const struct chardev *c, char *text, size_t size)
{
	const struct socket_dev *s = (const struct socket_dev *)c;

	snprintf(text, size, "%s%s%s", c->connected ? "" : "disconnected:",
	    s->name, s->server ? ",server=on" : "");
}

const struct chardev_backend chardev_socket = {
	.size = sizeof(struct socket_dev),
	.open = open_socket,
	.hangup = hangup,
	.close = close_socket,
	.describe = describe,
};
