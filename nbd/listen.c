/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * listen.c - sockets: TCP, unix, given by the service manager
 *
 * A unix socket is removed at the end if it still is the one that was made
 * here.  One that a dead server left behind is replaced, one that answers is
 * not.
 */
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/auto.h"
#include "tool.h"

/* ---- addresses */

static int unix_address(struct sockaddr_un *sun, const char *path,
    struct error *err)
{
	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(sun->sun_path))
		return error_set(err, ENAMETOOLONG,
		    "UNIX socket path '%s' is too long: Path must be less "
		    "than %zu bytes", path, sizeof(sun->sun_path));
	strcpy(sun->sun_path, path);
	return 0;
}

/* The caller frees *list by freeaddrinfo(). */
static int resolve(const struct address *a, int flags, struct addrinfo **list,
    struct error *err)
{
	const struct addrinfo hints = { .ai_flags = flags,
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	const char *host = a->host ? a->host : DEFAULT_HOST;
	const char *port = a->port ? a->port : DEFAULT_PORT;
	uint64_t number;
	char *end;
	int rc;

	/* getaddrinfo() would take its lower bits. */
	errno = 0;
	number = strtoull(port, &end, 10);
	if (*port >= '0' && *port <= '9' && !*end && (errno || number > 65535))
		return error_set(err, EINVAL, "port '%s' is larger than 65535",
		    port);
	rc = getaddrinfo(*host ? host : NULL, port, &hints, list);
	if (!rc)
		return 0;
	return error_set(err, rc == EAI_SYSTEM ? errno : EINVAL,
	    "address resolution failed for %s:%s: %s", host, port,
	    rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
}

/* ---- SELinux: the label a socket gets is asked for beforehand */

/* proc(5): an empty write takes the wish back. */
static int wish_label(const char *label, struct error *err)
{
	AUTO_CLOSE int fd = open("/proc/thread-self/attr/sockcreate",
	    O_RDWR | O_CLOEXEC);
	const size_t n = label ? strlen(label) + 1 : 0;

	if (fd >= 0 && write(fd, label ? label : "", n) == (ssize_t)n)
		return 0;
	return error_errno(err, errno,
	    "Cannot set SELinux socket create context to %s",
	    label ? label : "the default");
}

static int new_socket(int family, const char *label, struct error *err)
{
	struct error later;
	int fd;

	if (label && wish_label(label, err) < 0)
		return -err->code;
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		error_errno(err, errno, "Failed to create socket");
	if (label && wish_label(NULL, &later) < 0 && fd >= 0) {
		*err = later;
		close(fd);
		fd = -1;
	}
	return fd < 0 ? -err->code : fd;
}

/* ---- listening */

/* Is somebody behind the socket of this name? */
static bool answers(const struct sockaddr_un *sun)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);

	return fd >= 0 && (!connect(fd, (const struct sockaddr *)sun,
	    sizeof(*sun)) || errno == EAGAIN);
}

static int bind_unix(int fd, const struct sockaddr_un *sun, struct error *err)
{
	const struct sockaddr *sa = (const struct sockaddr *)sun;
	struct stat st;

	if (!bind(fd, sa, sizeof(*sun)))
		return 0;
	if (errno == EADDRINUSE && !lstat(sun->sun_path, &st) &&
	    S_ISSOCK(st.st_mode) && !answers(sun)) {
		unlink(sun->sun_path);
		if (!bind(fd, sa, sizeof(*sun)))
			return 0;
	}
	return error_errno(err, errno, "Failed to bind socket to %s",
	    sun->sun_path);
}

static int listen_unix(struct listener *l, const char *path,
    const char *label, struct error *err)
{
	struct sockaddr_un sun;
	struct stat st;
	int fd;

	if (*path != '/')
		return error_set(err, EINVAL, "socket path must be absolute");
	if (unix_address(&sun, path, err) < 0)
		return -err->code;
	fd = new_socket(AF_UNIX, label, err);
	if (fd < 0)
		return fd;
	l->fds[l->count++] = fd;
	if (bind_unix(fd, &sun, err) < 0)
		return -err->code;
	if (!lstat(path, &st)) {
		l->path = strdup(path);
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	if (listen(fd, SOMAXCONN))
		return error_errno(err, errno, "Failed to listen on socket");
	return 0;
}

static int listen_one(struct listener *l, const struct addrinfo *ai,
    const char *label, struct error *err)
{
	const int on = 1;
	int fd = new_socket(ai->ai_family, label, err);

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (!bind(fd, ai->ai_addr, ai->ai_addrlen) && !listen(fd, SOMAXCONN)) {
		l->fds[l->count++] = fd;
		return 0;
	}
	error_errno(err, errno, "Failed to bind socket");
	close(fd);
	return -err->code;
}

/* A name may have addresses of a family this machine has not got: one that
 * works is enough, one that is taken is not. */
static int listen_inet(struct listener *l, const struct address *a,
    const char *label, struct error *err)
{
	struct addrinfo *list, *ai;
	int rc = resolve(a, AI_PASSIVE, &list, err);

	if (rc)
		return rc;
	for (ai = list; ai && l->count < LISTEN_LIMIT && rc != -EADDRINUSE;
	    ai = ai->ai_next)
		rc = listen_one(l, ai, label, err);
	freeaddrinfo(list);
	return l->count && rc != -EADDRINUSE ? 0 : rc;
}

int listen_open(struct listener *l, const struct address *a,
    const char *label, struct error *err)
{
	int rc;

	*l = (struct listener){ .count = 0 };
	rc = a->path ? listen_unix(l, a->path, label, err) :
	    listen_inet(l, a, label, err);
	if (rc)
		listen_close(l);
	return rc;
}

void listen_close(struct listener *l)
{
	struct stat st;

	while (l->count)
		close(l->fds[--l->count]);
	if (l->path && !lstat(l->path, &st) && st.st_dev == l->dev &&
	    st.st_ino == l->ino)
		unlink(l->path);
	free(l->path);
	l->path = NULL;
}

/* ---- sd_listen_fds(3): sockets from 3 on */

enum { FIRST_HANDED = 3 };

/* A whole number, or 0. */
static unsigned long variable(const char *name)
{
	const char *text = getenv(name);
	unsigned long v;
	char *end;

	if (!text || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	v = strtoul(text, &end, 10);
	return *end || errno ? 0 : v;
}

unsigned listen_handed(void)
{
	const unsigned long pid = variable("LISTEN_PID");
	const unsigned long n = variable("LISTEN_FDS");

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (pid != (unsigned long)getpid())
		return 0;
	for (unsigned long i = 0; i < n && i < 1024; i++)
		fcntl(FIRST_HANDED + (int)i, F_SETFD, FD_CLOEXEC);
	return n > 1024 ? 1024 : (unsigned)n;
}

int listen_take(struct listener *l, struct error *err)
{
	const int fd = FIRST_HANDED;
	socklen_t n = sizeof(int);
	int type = 0, listening = 0, flags;

	*l = (struct listener){ .fds = { fd }, .count = 1 };
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n))
		return error_errno(err, errno,
		    "Failed to use socket activation");
	n = sizeof(int);
	if (type != SOCK_STREAM || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN,
	    &listening, &n) || !listening)
		return error_set(err, EINVAL, "Failed to use socket "
		    "activation: not a listening stream socket");
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return error_errno(err, errno,
		    "Failed to use socket activation");
	return 0;
}

/* ---- connecting */

enum { CONNECT_SECONDS = 30 };

static const struct timeval patience = { .tv_sec = CONNECT_SECONDS };

static int connect_unix(const char *path, struct error *err)
{
	struct sockaddr_un sun;
	int fd;

	if (*path != '/')
		return error_set(err, EINVAL, "socket path must be absolute");
	if (unix_address(&sun, path, err) < 0)
		return -err->code;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, errno, "Failed to create socket");
	/* connect(2) heeds it, too. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		return fd;
	error_errno(err, errno, "Failed to connect to '%s'", path);
	close(fd);
	return -err->code;
}

int connect_to(const struct address *a, struct error *err)
{
	struct addrinfo *list, *ai;
	const int on = 1;
	int fd = -1, rc;

	if (a->path)
		return connect_unix(a->path, err);
	rc = resolve(a, 0, &list, err);
	if (rc)
		return rc;
	for (ai = list; ai; ai = ai->ai_next) {
		fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0)
			setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
			    sizeof(patience));
		if (fd >= 0 && !connect(fd, ai->ai_addr, ai->ai_addrlen))
			break;
		error_errno(err, errno == EINPROGRESS ? ETIMEDOUT : errno,
		    "Failed to connect to '%s:%s'",
		    a->host ? a->host : DEFAULT_HOST,
		    a->port ? a->port : DEFAULT_PORT);
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(list);
	if (fd < 0)
		return -err->code;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}
