/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * loop.c - the kernel's requests, on several threads
 *
 * Every thread has a descriptor of its own for the one connection
 * (FUSE_DEV_IOC_CLONE) and does all of a request itself: read(2) takes it,
 * the image is read or written, write(2) answers.  READ and WRITE, which are
 * nearly all requests, are decoded here: nothing is allocated for them, and
 * nothing copied but by the kernel.  A thread's buffer is laid out for that:
 *
 *	           | page boundary
 *	    in, 80 | data of a WRITE
 *	   out, 16 | data of the answer to a READ
 *
 * so that data is aligned as O_DIRECT wants it, and head and data of an
 * answer are one piece.  All else goes through libfuse, which answers by the
 * same descriptor (fuse_custom_io).
 *
 * How many threads take requests at a time is for crew.c to say.  While one
 * does it looks for the next one a little before it sleeps: waking it would
 * take the caller longer.  Where that does not help, because the caller needs
 * this very processor, or takes its time, it is not done for a while.
 *
 * How it ends: unmounted from outside, reads give ENODEV.  When we unmount,
 * lazily, as a process may be using it: threads finish the request they have
 * and are woken out of read(2) by a signal; with the last descriptor the
 * connection is gone, and who still waits is told so by the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "cli/cli.h"
#include "crew.h"
#include "export.h"

enum {
	PAGE = 4096,
	HEAD_IN = sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in),
	HEAD_OUT = sizeof(struct fuse_out_header),
	BUFFER = PAGE + DATA_MAX + PAGE,
	SYNC_MS = 5000,		/* so long, at the end */
	WAKE = SIGUSR2		/* out of read(2), nothing more */
};
_Static_assert(HEAD_IN == 80 && HEAD_OUT == 16, "kernel's structures");

/* Looking for the next request before sleeping until there is one. */
enum { SPIN_NS = 100 * 1000, SPIN_MISSES = 4, SPIN_REST = 256 };

struct worker {
	struct loop *loop;
	int fd;
	char *buf;		/* BUFFER bytes; NULL: not there */
	unsigned misses, rest;	/* of spinning */
	pthread_t thread;
};

struct loop {
	struct export *x;
	struct fuse_session *session;
	char *target;		/* absolute */
	struct worker *workers;
	unsigned count, started;
	struct crew crew;
	int quick;		/* a descriptor that does not wait; -1: none */
	atomic_uint running;
	atomic_bool quit;
	int ended;		/* eventfd */
};

/* The descriptor of the request this thread has. */
static _Thread_local int device;

/* libfuse's own messages, as ours; its hook has no argument.  A line may come
 * in pieces. */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER; /* guards these */
static const struct cli *log_cli;
static char log_line[512];
static bool logged;

/* ---- requests */

static void answer(struct worker *w, uint64_t unique, int error, size_t len)
{
	struct fuse_out_header *out = (void *)(w->buf + PAGE - HEAD_OUT);

	*out = (struct fuse_out_header){ .len = (uint32_t)(HEAD_OUT + len),
	    .error = error, .unique = unique };
	/* Fails when the caller was killed, or all ends: nobody is left to
	 * tell. */
	(void)!write(device, out, out->len);
}

static void serve_read(struct worker *w, const struct fuse_in_header *in,
    const struct node *n)
{
	const struct fuse_read_in *r = (const void *)(in + 1);
	const uint64_t unique = in->unique;
	ssize_t len = data_read(w->loop->x, n, w->buf + PAGE,
	    min64(r->size, DATA_MAX), r->offset);

	answer(w, unique, len < 0 ? (int)len : 0, len < 0 ? 0 : (size_t)len);
}

static void serve_write(struct worker *w, const struct fuse_in_header *in,
    const struct node *n)
{
	const struct fuse_write_in *r = (const void *)(in + 1);
	const uint64_t unique = in->unique;
	struct fuse_write_out *out = (void *)(w->buf + PAGE);
	ssize_t len = data_write(w->loop->x, n, r + 1, r->size, r->offset,
	    r->flags & O_DSYNC);

	if (len < 0) {
		answer(w, unique, (int)len, 0);
		return;
	}
	*out = (struct fuse_write_out){ .size = (uint32_t)len };
	answer(w, unique, 0, sizeof(*out));
}

static void serve(struct worker *w, size_t len)
{
	struct fuse_in_header *in = (void *)(w->buf + PAGE - HEAD_IN);
	const struct fuse_write_in *r = (const void *)(in + 1);
	struct export *x = w->loop->x;
	struct fuse_buf buf = { .size = len, .mem = in };
	struct node n;

	if (len < sizeof(*in) || in->len != len)
		return;
	switch (in->opcode) {
	case FUSE_READ:
		if (len < sizeof(*in) + sizeof(struct fuse_read_in) ||
		    !node_find(x, in->nodeid, &n) || !n.file)
			break;
		serve_read(w, in, &n);
		return;
	case FUSE_WRITE:
		if (len < HEAD_IN || r->size > len - HEAD_IN ||
		    !node_find(x, in->nodeid, &n) || !n.file)
			break;
		serve_write(w, in, &n);
		return;
	case FUSE_INTERRUPT:
		/* Requests are short, or look at "stopping". */
		return;
	}
	fuse_session_process_buf(w->loop->session, &buf);
}

static ssize_t take(struct worker *w, int fd)
{
	return read(fd, w->buf + PAGE - HEAD_IN, BUFFER - PAGE + HEAD_IN);
}

static int64_t nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static ssize_t spin(struct worker *w)
{
	const int64_t until = nanoseconds() + SPIN_NS;
	ssize_t n;

	do {
		n = take(w, w->loop->quick);
		if (n >= 0) {
			w->misses -= w->misses > 0;
			return n;
		}
	} while (errno == EAGAIN && nanoseconds() < until);
	if (++w->misses >= SPIN_MISSES) {
		w->misses = 0;
		w->rest = SPIN_REST;
	}
	return n;
}

/* Answers go the way the request came. */
static ssize_t receive(struct worker *w)
{
	struct loop *l = w->loop;
	ssize_t n = -1;

	if (w->rest) {
		w->rest--;
	} else if (l->quick >= 0 && atomic_load_explicit(&l->crew.active,
	    memory_order_relaxed) == 1) {
		device = l->quick;
		n = spin(w);
		if (n >= 0 || errno != EAGAIN)
			return n;
	}
	device = w->fd;
	return take(w, w->fd);
}

/* 1: there was a request and it was served; 0: try again; negative: no more. */
static int next(struct worker *w)
{
	struct loop *l = w->loop;
	const unsigned member = (unsigned)(w - l->workers);
	ssize_t n;

	crew_wait(&l->crew, member);
	n = receive(w);
	if (n >= 0) {
		crew_begin(&l->crew, member);
		serve(w, (size_t)n);
		crew_end(&l->crew, member);
		return 1;
	}
	switch (errno) {
	case EINTR:		/* WAKE */
	case EAGAIN:
	case ENOENT:		/* the request was taken back */
		return 0;
	case ENODEV:		/* unmounted */
	case ECONNABORTED:
		return -1;
	}
	cli_error(l->x->cli, "/dev/fuse: %s", strerror(errno));
	return -1;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct loop *l = w->loop;

	while (!atomic_load_explicit(&l->quit, memory_order_relaxed) &&
	    next(w) >= 0)
		;
	crew_all(&l->crew);	/* who sleeps there is to find out, too */
	if (atomic_fetch_sub(&l->running, 1) == 1)
		(void)!eventfd_write(l->ended, 1);
	return NULL;
}

/* ---- libfuse's side */

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	return writev(device, iov, count);
}

static ssize_t io_read(int fd, void *buf, size_t len, void *userdata)
{
	return read(device, buf, len);
}

__attribute__((format(printf, 2, 0)))
static void io_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	LOCKED(&log_lock);
	const size_t len = strlen(log_line);
	char *end;

	if (level > FUSE_LOG_WARNING)
		return;
	vsnprintf(log_line + len, sizeof(log_line) - len, fmt, ap);
	end = strchr(log_line, '\n');
	if (!end)
		return;
	*end = '\0';
	cli_error(log_cli, "%s", log_line +
	    (strncmp(log_line, "fuse: ", 6) ? 0 : 6));
	*log_line = '\0';
	logged = true;
}

/* ---- mounting */

static int add_option(struct fuse_args *args, const char *name,
    const char *value)
{
	AUTO_FREE char *all = NULL;
	char *escaped = NULL;
	int rc = asprintf(&all, "%s%s", name, value);

	if (rc < 0)
		return -1;
	if (fuse_opt_add_opt_escaped(&escaped, all))
		return -1;
	rc = fuse_opt_add_arg(args, "-o");
	if (!rc)
		rc = fuse_opt_add_arg(args, escaped);
	free(escaped);
	return rc;
}

/* Ours come first: the user's replace them. */
static int add_options(struct fuse_args *args, struct export *x,
    const char *options)
{
	const char *max_read = options ? strstr(options, "max_read=") : NULL;
	int rc = fuse_opt_add_arg(args, x->cli->tool);

	rc |= add_option(args, "fsname=", x->source.name);
	rc |= fuse_opt_add_arg(args, "-osubtype=cowbird,default_permissions,"
	    "nosuid,nodev,noexec");
	if (!x->writable)
		rc |= fuse_opt_add_arg(args, "-oro");
	/* libfuse wants to hear this once more (tree.c). */
	if (max_read)
		x->max_read = (unsigned)strtoul(max_read + 9, NULL, 10);
	if (options) {
		rc |= fuse_opt_add_arg(args, "-o");
		rc |= fuse_opt_add_arg(args, options);
	}
	return rc;
}

static void free_buffers(struct loop *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (l->workers[i].buf)
			munmap(l->workers[i].buf, BUFFER);
		if (l->workers[i].fd >= 0)
			close(l->workers[i].fd);
	}
	free(l->workers);
	if (l->quick >= 0)
		close(l->quick);
	l->quick = -1;
}

static bool new_workers(struct loop *l, unsigned threads)
{
	l->workers = calloc(threads, sizeof(*l->workers));
	if (!l->workers)
		return false;
	for (; l->count < threads; l->count++) {
		struct worker *w = &l->workers[l->count];

		w->loop = l;
		w->fd = -1;
		w->buf = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (w->buf == MAP_FAILED) {
			w->buf = NULL;
			return false;
		}
	}
	return true;
}

/* Another descriptor for the connection, or -1. */
static int clone_device(int master)
{
	const uint32_t arg = (uint32_t)master;
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd >= 0 && !ioctl(fd, FUSE_DEV_IOC_CLONE, &arg))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The kernel's first request is there as soon as it is mounted; the others
 * wait for the answer. */
static bool greet(struct loop *l)
{
	struct worker *w = l->workers;
	int rc;

	w->fd = fcntl(fuse_session_fd(l->session), F_DUPFD_CLOEXEC, 0);
	if (w->fd < 0)
		return false;
	while (!(rc = next(w)))
		;
	if (rc < 0 || fuse_session_exited(l->session))
		return false;
	for (unsigned i = 1; i < l->count; i++) {
		l->workers[i].fd = clone_device(w->fd);
		if (l->workers[i].fd < 0)
			l->workers[i].fd = fcntl(w->fd, F_DUPFD_CLOEXEC, 0);
		if (l->workers[i].fd < 0)
			return false;
	}
	if (l->crew.processors > 1)
		l->quick = clone_device(w->fd);
	if (l->quick >= 0 && fcntl(l->quick, F_SETFL, O_NONBLOCK)) {
		close(l->quick);
		l->quick = -1;
	}
	return true;
}

static void loop_free(struct loop *l)
{
	if (l->workers)
		free_buffers(l);
	if (l->session)
		fuse_session_destroy(l->session);
	if (l->ended >= 0)
		close(l->ended);
	crew_fini(&l->crew);
	free(l->target);
	free(l);
}

struct loop *loop_new(struct export *x, const char *target,
    const char *options, unsigned threads)
{
	static const struct fuse_custom_io io = {
		.writev = io_writev, .read = io_read };
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct loop *l = calloc(1, sizeof(*l));

	if (!l) {
		cli_error(x->cli, "out of memory");
		return NULL;
	}
	l->x = x;
	l->quick = -1;
	log_cli = x->cli;
	fuse_set_log_func(io_log);
	l->ended = eventfd(0, EFD_CLOEXEC);
	l->target = realpath(target, NULL);
	if (!crew_init(&l->crew, threads) || !l->target || l->ended < 0) {
		cli_error(x->cli, "%s: %s", target, strerror(errno));
		goto fail;
	}
	if (!new_workers(l, threads) || add_options(&args, x, options)) {
		cli_error(x->cli, "out of memory");
		goto fail;
	}
	l->session = fuse_session_new(&args, &tree_ops, sizeof(tree_ops), x);
	if (!l->session) {
		if (!logged)
			cli_error(x->cli, "bad mount options");
		goto fail;
	}
	if (fuse_session_mount(l->session, l->target)) {
		if (!logged)
			cli_error(x->cli, "%s: cannot be mounted", target);
		goto fail;
	}
	if (fuse_session_custom_io(l->session, &io,
	    fuse_session_fd(l->session)) || !greet(l)) {
		if (!logged)
			cli_error(x->cli, "%s: the kernel's greeting was not "
			    "understood", target);
		fuse_session_unmount(l->session);
		goto fail;
	}
	fuse_opt_free_args(&args);
	return l;
fail:
	fuse_opt_free_args(&args);
	loop_free(l);
	return NULL;
}

static void on_wake(int sig)
{
}

bool loop_start(struct loop *l)
{
	const struct sigaction sa = { .sa_handler = on_wake };
	int rc = 0;

	sigaction(WAKE, &sa, NULL);
	atomic_store(&l->running, l->count);
	while (l->started < l->count) {
		struct worker *w = &l->workers[l->started];

		rc = pthread_create(&w->thread, NULL, work, w);
		if (rc)
			break;
		l->started++;
	}
	if (l->started)		/* some are enough */
		atomic_fetch_sub(&l->running, l->count - l->started);
	else
		cli_error(l->x->cli, "threads: %s", strerror(rc));
	return l->started;
}

bool loop_wait(struct loop *l, int signals)
{
	struct pollfd p[] = { { .fd = signals, .events = POLLIN },
		{ .fd = l->ended, .events = POLLIN },
		{ .fd = l->crew.kicked, .events = POLLIN } };

	do
		poll(p, 3, crew_tick(&l->crew));
	while (!p[0].revents && !p[1].revents);
	return p[0].revents;
}

/* Asks until each has heard: the signal may come just before its read(2). */
static void join(struct loop *l)
{
	struct timespec until;

	for (unsigned i = 0; i < l->started; i++)
		for (;;) {
			pthread_kill(l->workers[i].thread, WAKE);
			clock_gettime(CLOCK_REALTIME, &until);
			until.tv_nsec += 10 * 1000 * 1000;
			if (until.tv_nsec >= 1000000000) {
				until.tv_nsec -= 1000000000;
				until.tv_sec++;
			}
			if (pthread_timedjoin_np(l->workers[i].thread, NULL,
			    &until) != ETIMEDOUT)
				break;
		}
}

/*
 * Has what is mapped and was written sent to us, while there is somebody to
 * take it.  By a child: a process that waits for an answer of its own cannot
 * even be killed; and for a while only, since the image may not answer.
 */
static void sync_target(struct loop *l)
{
	const pid_t pid = fork();

	if (!pid) {
		close_range(3, ~0u, 0);
		const int fd = open(l->target, O_RDONLY | O_NONBLOCK);

		if (fd >= 0)
			syncfs(fd);
		_exit(0);
	}
	for (int ms = 0; pid > 0 && ms < SYNC_MS; ms += 5) {
		if (waitpid(pid, NULL, WNOHANG))
			return;
		usleep(5000);
	}
}

void loop_unmount(struct loop *l)
{
	atomic_store(&l->x->stopping, true);
	crew_all(&l->crew);
	if (l->x->writable)
		sync_target(l);
	fuse_session_unmount(l->session);
}

bool loop_stop(struct loop *l)
{
	bool ok = true;
	struct stat st;

	fuse_session_unmount(l->session);
	atomic_store(&l->quit, true);
	crew_all(&l->crew);
	join(l);
	free_buffers(l);
	l->workers = NULL;
	if (stat(l->target, &st) && errno == ENOTCONN) {
		cli_error(l->x->cli, "%s: still mounted", l->target);
		ok = false;
	}
	loop_free(l);
	return ok;
}
