/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * board.c - the lock, the clock and the loop all devices share
 *
 * The loop sleeps in poll(2) on what devices watch, on an event descriptor
 * that says "look again", and on a timer descriptor.  The latter is what lets
 * a processor set a timer without waking the loop's thread: the kernel is
 * told the new time, and the thread sleeps on.  It is told only of times
 * earlier than the one it has; a wake-up that comes too early finds nothing
 * to do and costs less than undoing it.
 *
 * Pending timers are a list sorted by time.  A machine has a few dozen at
 * most, and those that are set often are due soon and go near the front.
 *
 * The clock is one word, so that it can be read without a lock: host time
 * less guest time while it runs, or guest time and a flag while it stands.
 */
#include "core/board.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"

#define CLOCK_STANDS (1ull << 63)
#define QUIT_NO INT64_MIN	/* no int, so no code */

struct board_fd {
	struct board *board;
	int fd;
	short events;
	bool removed;
	void (*ready)(void *opaque, short revents);
	void *opaque;
	struct board_fd *next;
};

struct board {
	pthread_mutex_t lock;	/* all below but what says otherwise */
	atomic_uint_least64_t clock;	/* see above; written with the lock */

	struct timer *timers;	/* by time */
	uint64_t armed_ns;	/* guest time told to timer_fd; ~0: none */
	int timer_fd, event_fd;

	struct board_fd *fds;	/* the removed ones until the loop saw it */
	unsigned n_fds;		/* on the list */
	bool fds_changed;	/* since the loop made its list for poll() */

	pthread_mutex_t post_lock;	/* after lock: the queue */
	struct board_work *posted, **posted_end;

	/* Without a lock. */
	atomic_bool asleep;	/* the loop is in poll(), or goes there */
	atomic_int_least64_t quit;	/* the code, or QUIT_NO */
};

static uint64_t
host_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

struct board *
board_new(struct error *err)
{
	struct board *b = calloc(1, sizeof(*b));
	pthread_mutexattr_t attr;

	if (!b) {
		error_errno(err, ENOMEM, "board");
		return NULL;
	}
	/* Held for a microsecond or less: spinning beats going to sleep. */
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(&b->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	pthread_mutex_init(&b->post_lock, NULL);
	b->posted_end = &b->posted;
	b->armed_ns = UINT64_MAX;
	atomic_store(&b->quit, QUIT_NO);
	atomic_store(&b->clock, host_ns());
	b->timer_fd = timerfd_create(CLOCK_MONOTONIC,
	    TFD_NONBLOCK | TFD_CLOEXEC);
	b->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (b->timer_fd < 0 || b->event_fd < 0) {
		error_errno(err, errno, "board: timer or event descriptor");
		board_free(b);
		return NULL;
	}
	return b;
}

void
board_free(struct board *b)
{
	if (!b)
		return;
	while (b->fds) {
		struct board_fd *f = b->fds;

		b->fds = f->next;
		free(f);
	}
	if (b->timer_fd >= 0)
		close(b->timer_fd);
	if (b->event_fd >= 0)
		close(b->event_fd);
	pthread_mutex_destroy(&b->post_lock);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

void
board_lock(struct board *b)
{
	pthread_mutex_lock(&b->lock);
}

void
board_unlock(struct board *b)
{
	pthread_mutex_unlock(&b->lock);
}

/* Has the loop look again, if it is asleep. */
static void
wake(struct board *b)
{
	uint64_t one = 1;

	if (atomic_exchange(&b->asleep, false) &&
	    write(b->event_fd, &one, sizeof(one)) < 0) {
		/* EAGAIN: so many wake-ups are pending that it is awake. */
	}
}

/* --- Time ----------------------------------------------------------------- */

uint64_t
board_now_ns(const struct board *b)
{
	uint64_t clock = atomic_load_explicit(&b->clock, memory_order_acquire);

	if (clock & CLOCK_STANDS)
		return clock & ~CLOCK_STANDS;
	return host_ns() - clock;
}

/* Tells the kernel of the first timer, unless it knows an earlier time. */
static void
arm(struct board *b)
{
	uint64_t clock = atomic_load(&b->clock), at;
	struct itimerspec t = { { 0, 0 }, { 0, 0 } };

	if (!b->timers || clock & CLOCK_STANDS ||
	    b->timers->at_ns >= b->armed_ns)
		return;
	b->armed_ns = b->timers->at_ns;
	if (__builtin_add_overflow(b->armed_ns, clock, &at) || at > INT64_MAX)
		at = INT64_MAX;
	t.it_value.tv_sec = (time_t)(at / NS_PER_S);
	t.it_value.tv_nsec = (long)(at % NS_PER_S);
	timerfd_settime(b->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

void
board_stop_clock(struct board *b)
{
	atomic_store(&b->clock, board_now_ns(b) | CLOCK_STANDS);
}

void
board_start_clock(struct board *b)
{
	uint64_t clock = atomic_load(&b->clock);

	if (!(clock & CLOCK_STANDS))
		return;
	atomic_store(&b->clock, host_ns() - (clock & ~CLOCK_STANDS));
	b->armed_ns = UINT64_MAX;
	arm(b);
}

void
timer_init(struct timer *t, struct board *b, void (*fire)(void *opaque),
    void *opaque)
{
	*t = (struct timer){ .fire = fire, .opaque = opaque, .board = b };
}

static void
timer_link(struct timer *t, struct timer **at)
{
	t->next = *at;
	t->link = at;
	if (t->next)
		t->next->link = &t->next;
	*at = t;
	t->pending = true;
}

void
timer_stop(struct timer *t)
{
	if (!t->pending)
		return;
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	t->pending = false;
}

void
timer_set(struct timer *t, uint64_t at_ns)
{
	struct timer **at;

	timer_stop(t);
	t->at_ns = at_ns;
	for (at = &t->board->timers; *at && (*at)->at_ns <= at_ns;)
		at = &(*at)->next;
	timer_link(t, at);
	arm(t->board);
}

/* Those that are due go to a list of their own first: one that is set again
 * to a time gone by waits for the next round, in which others have a turn. */
static void
run_timers(struct board *b)
{
	uint64_t now = board_now_ns(b);
	struct timer *due = NULL, **end = &due;

	if (atomic_load(&b->clock) & CLOCK_STANDS)
		return;
	if (b->armed_ns <= now)
		b->armed_ns = UINT64_MAX;
	while (b->timers && b->timers->at_ns <= now) {
		struct timer *t = b->timers;

		timer_stop(t);
		timer_link(t, end);
		end = &t->next;
	}
	while (due) {
		struct timer *t = due;

		timer_stop(t);
		t->fire(t->opaque);
	}
	arm(b);
}

void
board_advance(struct board *b, uint64_t ns)
{
	uint64_t end = board_now_ns(b) + ns;

	while (b->timers && b->timers->at_ns <= end) {
		struct timer *t = b->timers;

		timer_stop(t);
		if (t->at_ns > board_now_ns(b))
			atomic_store(&b->clock, t->at_ns | CLOCK_STANDS);
		t->fire(t->opaque);
	}
	atomic_store(&b->clock, end | CLOCK_STANDS);
}

/* --- Posted work ---------------------------------------------------------- */

void
board_post(struct board *b, struct board_work *w)
{
	pthread_mutex_lock(&b->post_lock);
	if (!w->posted) {
		w->posted = true;
		w->next = NULL;
		*b->posted_end = w;
		b->posted_end = &w->next;
	}
	pthread_mutex_unlock(&b->post_lock);
	wake(b);
}

/* The first piece, off the queue; NULL when it is empty or at the stop. */
static struct board_work *
next_work(struct board *b, const struct board_work *stop)
{
	LOCKED(&b->post_lock);
	struct board_work *w = b->posted;

	if (!w || w == stop)
		return NULL;
	b->posted = w->next;
	if (!b->posted)
		b->posted_end = &b->posted;
	w->posted = false;
	return w;
}

/* A mark closes the round: what is posted meanwhile waits for the next. */
static void
run_posted(struct board *b)
{
	struct board_work *w, mark = { .fn = NULL };

	pthread_mutex_lock(&b->post_lock);
	mark.posted = b->posted != NULL;
	if (mark.posted) {
		*b->posted_end = &mark;
		b->posted_end = &mark.next;
	}
	pthread_mutex_unlock(&b->post_lock);
	if (!mark.posted)
		return;
	while ((w = next_work(b, &mark)))
		w->fn(w->opaque);
	next_work(b, NULL);		/* the mark itself */
}

static bool
work_waits(struct board *b)
{
	LOCKED(&b->post_lock);
	return b->posted != NULL;
}

/* --- Descriptors ---------------------------------------------------------- */

struct board_fd *
board_fd_add(struct board *b, int fd, short events,
    void (*ready)(void *opaque, short revents), void *opaque,
    struct error *err)
{
	struct board_fd *f = calloc(1, sizeof(*f));

	if (!f) {
		error_errno(err, ENOMEM, "watching a descriptor");
		return NULL;
	}
	*f = (struct board_fd){ b, fd, events, false, ready, opaque, b->fds };
	b->fds = f;
	b->n_fds++;
	b->fds_changed = true;
	wake(b);
	return f;
}

void
board_fd_events(struct board_fd *f, short events)
{
	if (f->events == events)
		return;
	f->events = events;
	f->board->fds_changed = true;
	wake(f->board);
}

/* The loop may be in poll() with it, or about to call it: it frees it. */
void
board_fd_remove(struct board_fd *f)
{
	if (!f)
		return;
	f->removed = true;
	f->board->fds_changed = true;
	wake(f->board);
}

/* --- The loop ------------------------------------------------------------- */

/* What is polled: our own two descriptors, then those of the devices. */
struct polled {
	struct pollfd *p;
	struct board_fd **f;
	unsigned n, room;
};

/* Makes the list anew, without what is removed or paused.  Short of memory it
 * is cut: those left out wait until there is some. */
static void
list_fds(struct board *b, struct polled *l)
{
	b->fds_changed = false;
	for (struct board_fd **at = &b->fds; *at;) {
		struct board_fd *f = *at;

		if (f->removed) {
			*at = f->next;
			b->n_fds--;
			free(f);
		} else {
			at = &f->next;
		}
	}
	if (b->n_fds + 2 > l->room) {
		unsigned room = 2 * b->n_fds + 8;
		struct pollfd *p = realloc(l->p, room * sizeof(*p));
		struct board_fd **f = realloc(l->f, room * sizeof(*f));

		if (p)
			l->p = p;
		if (f)
			l->f = f;
		if (p && f)
			l->room = room;
		else
			b->fds_changed = true;
	}
	l->n = 2;
	for (struct board_fd *f = b->fds; f && l->n < l->room; f = f->next) {
		if (!f->events)
			continue;
		l->p[l->n] = (struct pollfd){ f->fd, f->events, 0 };
		l->f[l->n++] = f;
	}
}

static void
run_fds(struct polled *l)
{
	for (unsigned i = 2; i < l->n; i++) {
		struct board_fd *f = l->f[i];
		short revents = l->p[i].revents;

		/* Others may have changed their mind since poll(). */
		revents &= f->events | POLLERR | POLLHUP | POLLNVAL;
		if (revents && f->events && !f->removed)
			f->ready(f->opaque, revents);
	}
}

static void
drain(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0) {
		/* EAGAIN: the timer was set anew meanwhile. */
	}
}

/* Lock held, but not while it sleeps. */
static int64_t
loop(struct board *b, struct polled *l)
{
	int64_t quit;
	bool rang;
	int n;

	for (;;) {
		run_timers(b);
		run_posted(b);
		/* From here on whoever has something for us writes to the
		 * event descriptor; what came before is looked at now. */
		atomic_store(&b->asleep, true);
		quit = atomic_load(&b->quit);
		if (quit != QUIT_NO)
			break;
		if (b->fds_changed)
			list_fds(b, l);
		board_unlock(b);
		n = poll(l->p, l->n, work_waits(b) ? 0 : -1);
		atomic_store(&b->asleep, false);
		if (n > 0 && l->p[0].revents)
			drain(b->event_fd);
		rang = n > 0 && l->p[1].revents;
		if (rang)
			drain(b->timer_fd);
		board_lock(b);
		/* It rings once.  Should our clock be a little behind the
		 * kernel's, nothing is due yet: it has to be told again. */
		if (rang)
			b->armed_ns = UINT64_MAX;
		if (n > 0)
			run_fds(l);
	}
	atomic_store(&b->asleep, false);
	return quit;
}

int
board_run(struct board *b)
{
	struct polled l = { calloc(8, sizeof(*l.p)), calloc(8, sizeof(*l.f)),
	    2, 8 };
	int64_t code = -ENOMEM;

	if (l.p && l.f) {
		l.p[0] = (struct pollfd){ b->event_fd, POLLIN, 0 };
		l.p[1] = (struct pollfd){ b->timer_fd, POLLIN, 0 };
		board_lock(b);
		b->fds_changed = true;
		code = loop(b, &l);
		board_unlock(b);
	}
	free(l.p);
	free(l.f);
	return (int)code;
}

void
board_quit(struct board *b, int code)
{
	int64_t none = QUIT_NO;

	atomic_compare_exchange_strong(&b->quit, &none, code);
	wake(b);
}
