/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clients.c - accepting clients, how many at once, and the end
 *
 * The main thread accepts and waits for signals; each client has a thread.  A
 * client is half-open until session.c asks whether it may come in (admit):
 * from then on it counts for -e and as "the last client".  While as many are in
 * as may be, nobody is accepted and newcomers wait in the kernel's queue, as
 * with the peer; those who were half-open by then wait in admit().
 *
 * Half-open clients must keep nobody out: where there are too many of them, or
 * no descriptors are left, those go that had the time an honest client needs.
 *
 * At the end nobody is accepted, sessions answer what they have begun, and one
 * that still sends after GRACE_MS to a client that does not read is cut off.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "tool.h"

enum {
	HALF_OPEN_LIMIT = 1000,
	HONEST_MS = 250,
	PAUSE_MS = 100,		/* when the system gives no more */
	GRACE_MS = 5000,
	HASTE_MS = 1000,	/* after another signal */
	LATE_MS = 10000,	/* for who is half-open when the last one
				 * leaves, whatever --handshake-limit says */
	WAIT_MS = 200,		/* in admit(), between looks at the client */
	STACK = 256 << 10,
};

struct client {
	struct client *next, **at;
	struct clients *all;
	int fd;
	bool in;		/* counts: it has negotiated */
	bool shown_out;
	uint64_t since_ms;
};

struct clients {
	const struct serving *serving;
	pthread_mutex_t lock;	/* guards all below; nothing is taken under it */
	pthread_cond_t room;	/* in < limit, or the end */
	pthread_cond_t gone;	/* a client has left */
	struct client *head;	/* newest first */
	unsigned count, in;
	bool had_one;		/* one that was in has left ... */
	uint64_t left_ms;	/* ... at this time */
};

/* Written to when the main thread is to look again, and by signals: which may
 * come to a thread that is none of ours (a store's). */
static int wake_fd = -1;
static volatile sig_atomic_t signals;	/* how many have come */
static sigset_t waiting_mask;		/* of the main thread while it waits */

/* ---- in the clients' threads */

static bool has_left(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1;
}

static bool admit(void *arg, int fd)
{
	struct clients *c = arg;
	const unsigned limit = c->serving->limit;
	struct client *me;

	LOCKED(&c->lock);
	for (me = c->head; me && me->fd != fd; me = me->next)
		;
	while (limit && c->in >= limit &&
	    !atomic_load(&c->serving->server->stopping)) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += WAIT_MS * 1000000L;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_nsec -= 1000000000L;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&c->room, &c->lock, &until);
		if (has_left(fd))
			return false;
	}
	if (!me || atomic_load(&c->serving->server->stopping))
		return false;
	me->in = true;
	c->in++;
	return true;
}

static void wake(void)
{
	const uint64_t one = 1;

	(void)!write(wake_fd, &one, sizeof(one));
}

/* Under the lock. */
static void forget(struct client *client)
{
	struct clients *c = client->all;

	*client->at = client->next;
	if (client->next)
		client->next->at = client->at;
	close(client->fd);
	c->count--;
	if (client->in) {
		c->in--;
		c->had_one = true;
		c->left_ms = clock_ms();
		pthread_cond_signal(&c->room);
	}
	wake();
	pthread_cond_signal(&c->gone);
	free(client);
}

static void *client_main(void *arg)
{
	struct client *client = arg;
	struct clients *c = client->all;

	session_run(c->serving->server, client->fd);
	LOCKED(&c->lock);
	forget(client);
	return NULL;
}

/* ---- in the main thread */

/* Takes fd in any case. */
static void start(struct clients *c, int fd)
{
	struct client *client = calloc(1, sizeof(*client));
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	if (!client) {
		close(fd);
		return;
	}
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	LOCKED(&c->lock);
	client->all = c;
	client->fd = fd;
	client->since_ms = clock_ms();
	client->next = c->head;
	client->at = &c->head;
	if (c->head)
		c->head->at = &client->next;
	c->head = client;
	c->count++;
	rc = pthread_create(&thread, &attr, client_main, client);
	pthread_attr_destroy(&attr);
	if (rc)
		forget(client);
}

/* Under the lock.  Half-open clients that have had their time go. */
static void show_out(struct clients *c)
{
	const uint64_t now = clock_ms();

	for (struct client *i = c->head; i; i = i->next)
		if (!i->in && !i->shown_out &&
		    now - i->since_ms >= HONEST_MS) {
			shutdown(i->fd, SHUT_RDWR);
			i->shown_out = true;
		}
}

/* Takes who is there; false: the system has no room for one more now. */
static bool accept_some(struct clients *c, int listening)
{
	int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC), on = 1;

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		start(c, fd);
		return true;
	}
	if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS &&
	    errno != ENOMEM)
		return true;	/* it has left meanwhile, or nobody is there */
	LOCKED(&c->lock);
	show_out(c);
	return false;
}

/* What the main thread does next. */
struct outlook {
	bool accepting, ended;
	int timeout_ms;
};

static struct outlook look(struct clients *c)
{
	const struct serving *s = c->serving;
	struct outlook o = { .timeout_ms = -1 };
	bool last_left;

	LOCKED(&c->lock);
	last_left = !s->persistent && c->had_one && !c->in;
	/* Who is half-open when the last one leaves may still come in. */
	if (last_left) {
		const uint64_t gone_ms = clock_ms() - c->left_ms;

		o.ended = !c->count || gone_ms >= LATE_MS;
		o.timeout_ms = o.ended ? 0 : (int)(LATE_MS - gone_ms);
	}
	o.accepting = !last_left && (!s->limit || c->in < s->limit);
	if (o.accepting && c->count - c->in >= HALF_OPEN_LIMIT) {
		o.accepting = false;
		show_out(c);
		o.timeout_ms = PAUSE_MS;
	}
	return o;
}

/* Waits for what p says, a signal or wake(); p[0] is free for the latter. */
static int wait_for(struct pollfd *p, unsigned n, int timeout_ms)
{
	const struct timespec t = { .tv_sec = timeout_ms / 1000,
	    .tv_nsec = timeout_ms % 1000 * 1000000L };
	uint64_t count;
	int rc;

	p[0] = (struct pollfd){ .fd = wake_fd, .events = POLLIN };
	rc = ppoll(p, n, timeout_ms < 0 ? NULL : &t, &waiting_mask);
	if (rc > 0 && p[0].revents)
		(void)!read(wake_fd, &count, sizeof(count));
	return rc;
}

static void serve_until_end(struct clients *c)
{
	const struct listener *l = c->serving->listener;
	struct pollfd p[1 + LISTEN_LIMIT];
	bool room = true;

	while (!signals) {
		const struct outlook o = look(c);
		const unsigned n = o.accepting && room ? l->count : 0;

		if (o.ended)
			return;
		for (unsigned i = 0; i < n; i++)
			p[1 + i] = (struct pollfd){ .fd = l->fds[i],
			    .events = POLLIN };
		if (wait_for(p, 1 + n, room ? o.timeout_ms : PAUSE_MS) < 0)
			continue;
		room = true;
		for (unsigned i = 0; i < n; i++)
			if (p[1 + i].revents)
				room &= accept_some(c, l->fds[i]);
	}
}

/* Ends reading of all, and more than that of those who are half-open. */
static void hush(struct clients *c, bool all)
{
	for (struct client *i = c->head; i; i = i->next)
		shutdown(i->fd, i->in && !all ? SHUT_RD : SHUT_RDWR);
}

static void end_sessions(struct clients *c)
{
	const int before = signals;
	const uint64_t began = clock_ms();
	struct pollfd p[1];
	uint64_t now, until;

	atomic_store(&c->serving->server->stopping, true);
	LOCKED(&c->lock);
	pthread_cond_broadcast(&c->room);
	hush(c, false);
	for (;;) {
		/* The first signal may well come twice: to the group, and
		 * passed on by a parent. */
		until = began + (signals == before ? GRACE_MS : HASTE_MS);
		now = clock_ms();
		if (!c->count || now >= until)
			break;
		pthread_mutex_unlock(&c->lock);
		wait_for(p, 1, (int)(until - now));
		pthread_mutex_lock(&c->lock);
	}
	hush(c, true);
	while (c->count)
		pthread_cond_wait(&c->gone, &c->lock);
}

static void on_signal(int sig)
{
	const int saved = errno;

	signals++;
	wake();
	errno = saved;
}

int serve_prepare(struct error *err)
{
	static const int caught[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal,
	    .sa_flags = SA_RESTART }, old;
	struct rlimit limit;
	sigset_t set;

	signals = 0;
	if (wake_fd < 0)
		wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0)
		return error_errno(err, errno, "cannot wait for signals");
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (unsigned i = 0; i < ARRAY_LEN(caught); i++)
		if (!sigaction(caught[i], NULL, &old) &&
		    old.sa_handler != SIG_IGN) {
			sigaddset(&set, caught[i]);
			sigaction(caught[i], &sa, NULL);
		}
	pthread_sigmask(SIG_BLOCK, &set, &waiting_mask);
	for (unsigned i = 0; i < ARRAY_LEN(caught); i++)
		sigdelset(&waiting_mask, caught[i]);
	if (!getrlimit(RLIMIT_NOFILE, &limit) &&
	    limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	return 0;
}

int serve(const struct serving *s, struct error *err)
{
	struct clients c = { .serving = s, .lock = PTHREAD_MUTEX_INITIALIZER };
	pthread_condattr_t attr;
	int rc;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c.room, &attr);
	pthread_cond_init(&c.gone, &attr);
	pthread_condattr_destroy(&attr);
	s->server->admit = admit;
	s->server->admit_arg = &c;
	if (s->connected >= 0)
		start(&c, s->connected);
	rc = s->begun(s->begun_arg, err);
	if (!rc)
		serve_until_end(&c);
	end_sessions(&c);
	pthread_cond_destroy(&c.room);
	pthread_cond_destroy(&c.gone);
	return rc;
}
