/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pool.c - the connections to one export
 *
 * A request goes to the connection with the least to do.  When all have
 * something to do and the server allows it, another is made, up to
 * POOL_LINKS: by whoever finds them busy, while the others go on.
 *
 * A connection that is lost is made again for reconnect_s seconds from the
 * moment of the loss, by one of those who need it while the rest wait; what
 * the server had not answered is sent again.  Sending a write or a zero twice
 * does no harm: nobody was told that the first was done.  A server that comes
 * back only to hang up again gains no time by it: the clock runs until it has
 * answered something.
 *
 * What a lost server had answered but not flushed may be gone, even if it is
 * back at once: it may have had it in memory.  Then the pool is torn, and no
 * flush succeeds any more (D3, D6).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "remote.h"

enum {
	HANDSHAKE_MS = 30 * 1000,
	MORE_MS = 2000,		/* the same, where one is there already: some
				 * servers let those over their limit wait */
	AGAIN_MS = 200,		/* between two attempts */
	LATE_MS = 1000,		/* the same, when reconnect_s are over */
};

struct slot {
	struct link *link;	/* NULL: none */
	unsigned users;		/* inside link_run() */
};

struct pool {
	const struct server *server;
	struct export_info info;

	pthread_mutex_t lock;	/* guards, before any lock of a link: */
	pthread_cond_t changed;	/* a link came or went */
	struct slot slot[POOL_LINKS];
	unsigned most;		/* links to have, while all is well */
	bool opening;		/* somebody makes one */
	uint64_t lost_ms;	/* when the server was lost; 0: it is there, or
				 * nobody has noticed */
	uint64_t tried_ms;	/* last attempt to find it again */
	uint64_t answered;	/* changes the server says it has made */
	uint64_t flushed;	/* so many of them are on its medium */
	bool torn;
};

static void sleep_ms(uint64_t ms)
{
	const struct timespec t = { .tv_sec = (time_t)(ms / 1000),
	    .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

const struct export_info *pool_info(const struct pool *p)
{
	return &p->info;
}

/* ---- making connections */

/* One more to the export we know. */
static struct link *connect_again(struct pool *p, unsigned wait_ms,
    struct error *err)
{
	const struct export_info *x = &p->info;
	struct export_info is;
	struct link *l = link_open(p->server, wait_ms, &is, err);

	if (!l)
		return NULL;
	if (is.size == x->size && is.min_block <= x->min_block &&
	    is.max_block >= x->max_block && is.status == x->status &&
	    is.read_only <= x->read_only && is.flush >= x->flush &&
	    is.trim >= x->trim && is.zero >= x->zero &&
	    is.fast_zero >= x->fast_zero)
		return l;
	error_set(err, ESTALE, "NBD server at '%s' has another export now than "
	    "it had before", p->server->address);
	link_close(l);
	return NULL;
}

static int lost(const struct pool *p, struct error *err)
{
	return error_set(err, ENOTCONN, p->server->reconnect_s ?
	    "the connection to the NBD server at '%s' was lost, and not made "
	    "again in %u s" : "the connection to the NBD server at '%s' was "
	    "lost", p->server->address, p->server->reconnect_s);
}

/* Before another attempt to find the server: waits until it is time for one,
 * and says how long it may take; 0: there will be none.  Lock held. */
static unsigned wait_for_turn(struct pool *p)
{
	uint64_t now = clock_ms();
	uint64_t end = p->lost_ms + p->server->reconnect_s * 1000ull;
	uint64_t turn = max64(now, p->tried_ms + AGAIN_MS);

	if (!p->server->reconnect_s)
		return 0;
	if (turn >= end) {	/* too late, but not for ever */
		if (now < p->tried_ms + LATE_MS)
			return 0;
		return LATE_MS;
	}
	if (now < turn) {
		pthread_mutex_unlock(&p->lock);
		sleep_ms(turn - now);
		pthread_mutex_lock(&p->lock);
	}
	return (unsigned)min64(HANDSHAKE_MS, max64(LATE_MS, end - turn));
}

/* Tries to fill the slot.  The server was lost: more than one attempt may be
 * needed, and an error is returned when there will be no other.  Else one is
 * enough, and its failure no error.  Lock held, and let go meanwhile. */
static int fill(struct pool *p, struct slot *s, bool was_lost,
    struct error *err)
{
	unsigned wait_ms = MORE_MS;
	int rc = 0;

	p->opening = true;
	if (was_lost) {
		if (!p->lost_ms)
			p->lost_ms = clock_ms();
		wait_ms = wait_for_turn(p);
	}
	if (wait_ms) {
		struct link *l;

		p->tried_ms = clock_ms();
		pthread_mutex_unlock(&p->lock);
		l = connect_again(p, wait_ms, err);
		pthread_mutex_lock(&p->lock);
		s->link = l;
		if (!l && !was_lost)
			p->most = 1;	/* more are not welcome */
		if (!l && was_lost && err->code == ESTALE)
			rc = -ESTALE;
	} else {
		rc = lost(p, err);
	}
	p->opening = false;
	pthread_cond_broadcast(&p->changed);
	return rc;
}

/* ---- choosing one */

/* The least busy, or NULL; the first that is free to be filled. */
static struct slot *choose(struct pool *p, struct slot **empty,
    unsigned *alive)
{
	struct slot *best = NULL;

	*empty = NULL;
	*alive = 0;
	for (struct slot *s = p->slot; s < p->slot + POOL_LINKS; s++) {
		if (s->link && link_dead(s->link) && !s->users) {
			link_close(s->link);
			s->link = NULL;
		}
		if (!s->link) {
			if (!*empty)
				*empty = s;
		} else if (!link_dead(s->link)) {
			++*alive;
			if (!best || s->users < best->users)
				best = s;
		}
	}
	return best;
}

static struct slot *acquire(struct pool *p, struct error *err)
{
	struct slot *best, *empty;
	unsigned alive;
	LOCKED(&p->lock);

	for (;;) {
		best = choose(p, &empty, &alive);
		/* One was lost: first see what becomes of the others. */
		if (best && (!best->users || alive >= p->most || !empty ||
		    p->opening || p->lost_ms))
			break;
		if (p->opening || !empty) {
			pthread_cond_wait(&p->changed, &p->lock);
			continue;
		}
		if (fill(p, empty, !best, err))
			return NULL;
	}
	best->users++;
	return best;
}

static bool changes(const struct command *c)
{
	return c->kind == CMD_WRITE || c->kind == CMD_ZERO ||
	    c->kind == CMD_TRIM;
}

/* Accounts for what was answered, then looks whether the link is lost: in
 * this order no change can slip between the two. */
static void release(struct pool *p, struct slot *s, const struct command *c,
    unsigned n)
{
	LOCKED(&p->lock);

	for (unsigned i = 0; i < n; i++) {
		if (changes(&c[i]) && !c[i].error)
			p->answered++;
		if (c[i].error != ENOTCONN)
			p->lost_ms = 0;
	}
	s->users--;
	if (!link_dead(s->link))
		return;
	if (!p->lost_ms)
		p->lost_ms = clock_ms();
	p->torn |= p->answered > p->flushed;
	/* What is idle was most likely lost with it.  Found out later, that
	 * would put what the next server has answered in doubt, too. */
	for (struct slot *o = p->slot; p->server->reconnect_s &&
	    o < p->slot + POOL_LINKS; o++)
		if (o->link && !o->users)
			atomic_store(&o->link->dead, true);
	if (!s->users)
		pthread_cond_broadcast(&p->changed);
}

int pool_run(struct pool *p, struct command *c, unsigned n, struct error *err)
{
	struct slot *s;
	unsigned left;

	while (n) {
		s = acquire(p, err);
		if (!s)
			return -err->code;
		link_run(s->link, c, n);
		release(p, s, c, n);
		/* Those without an answer to the front; the others are done,
		 * and their place in the row means nothing. */
		left = 0;
		for (unsigned i = 0; i < n; i++) {
			struct command done = c[i];

			if (done.error != ENOTCONN)
				continue;
			c[i] = c[left];
			c[left++] = done;
		}
		n = left;
	}
	return 0;
}

int pool_flush(struct pool *p, struct error *err)
{
	struct command flush = { .kind = CMD_FLUSH };
	uint64_t covers;
	int rc;

	pthread_mutex_lock(&p->lock);
	covers = p->answered;
	pthread_mutex_unlock(&p->lock);
	/* A server that has no flush has nothing to lose, as it says. */
	rc = p->info.flush ? pool_run(p, &flush, 1, err) : 0;
	if (rc)
		return rc;
	if (flush.error)
		return error_errno(err, flush.error, "flushing '%s'",
		    p->server->name);
	LOCKED(&p->lock);
	if (p->torn)
		return error_set(err, EIO, "the NBD server at '%s' was lost "
		    "after it had taken what no flush had covered: that may "
		    "be lost, too", p->server->address);
	if (p->info.flush)
		p->flushed = max64(p->flushed, covers);
	return 0;
}

bool pool_torn(struct pool *p)
{
	LOCKED(&p->lock);

	return p->torn;
}

/* ---- all of them */

struct pool *pool_open(const struct server *server, struct error *err)
{
	uint64_t end = clock_ms() + server->open_s * 1000ull;
	struct pool *p = calloc(1, sizeof(*p));
	struct link *l;

	if (!p) {
		error_errno(err, ENOMEM, "connecting");
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	p->server = server;
	for (;;) {
		uint64_t now = clock_ms();

		l = link_open(server, HANDSHAKE_MS, &p->info, err);
		if (l || clock_ms() + AGAIN_MS >= end)
			break;
		now = clock_ms() - now;
		sleep_ms(now < AGAIN_MS ? AGAIN_MS - now : 0);
	}
	if (!l) {
		pool_close(p);
		return NULL;
	}
	p->slot[0].link = l;
	p->most = p->info.multi_conn && server->type != SERVER_FD ?
	    POOL_LINKS : 1;
	return p;
}

void pool_close(struct pool *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < POOL_LINKS; i++)
		link_close(p->slot[i].link);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
