/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * blocks.c - blocks of a remote file, read ahead
 *
 * A block is what "readahead" says; small reads of one place cost one round
 * trip.  Who reads on and on has the bytes fetched before he asks, as many
 * again as he has read so far, up to a window: several ranges at once, each
 * of up to FETCH_MAX bytes.  Such readers ("streams") are told apart by where
 * they are, so that several threads, each slightly ahead of the other or each
 * at a place of its own, are streams, too.
 *
 * Memory is bounded by CACHE_SIZE.  A block that a large read has used up is
 * the first to go: a copy of the whole image leaves the tables in the cache.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "modules/curl/curl.h"

enum {
	CACHE_SIZE = 32 << 20,
	FETCH_MAX = 1 << 20,	/* or one block */
	WINDOW = 8 << 20,
	SLACK = 4 << 20,	/* reads so far apart are of one stream */
	STREAMS = 16,
	BUCKETS = 1024,
};

enum block_state { BLOCK_FREE, BLOCK_FETCHING, BLOCK_READY, BLOCK_FAILED };

struct block {
	enum block_state state;
	uint64_t index;
	unsigned users;		/* who wait for it or copy from it */
	uint8_t *buf;		/* NULL: not used yet */
	struct block *chain;	/* of the bucket, or of those that are free */
	struct block *newer, *older; /* READY: among those to evict */
};

/* Somebody who reads from front to back. */
struct stream {
	uint64_t next;		/* where he is expected */
	uint64_t run;		/* bytes he has read so far */
	uint64_t ahead;		/* fetched or under way up to here */
	uint64_t used;		/* when, by blocks.clock; 0: never */
};

struct blocks {
	struct wire *wire;
	uint64_t size;
	uint32_t block_size, count;
	unsigned per_fetch;	/* blocks */

	pthread_mutex_t lock;	/* guards all below */
	pthread_cond_t moved;	/* a block changed its state or lost a user */
	struct block *block;
	struct block *bucket[BUCKETS];
	struct block *free;
	struct block ready;	/* head of the ring: newer is the oldest */
	unsigned fetching, users; /* blocks in such states; uses of blocks */
	struct stream stream[STREAMS];
	uint64_t clock;
	struct error err;	/* of the fetch that failed last */
};

/* A fetch and the blocks it fills. */
struct filling {
	struct fetch fetch;
	struct blocks *c;
	unsigned n;
	struct block **block;
};

/* ---- blocks */

static struct block **bucket_of(struct blocks *c, uint64_t index)
{
	return &c->bucket[index % BUCKETS];
}

static struct block *find(struct blocks *c, uint64_t index)
{
	struct block *b = *bucket_of(c, index);

	while (b && b->index != index)
		b = b->chain;
	return b;
}

static void forget(struct blocks *c, struct block *b)
{
	struct block **at = bucket_of(c, b->index);

	while (*at != b)
		at = &(*at)->chain;
	*at = b->chain;
	b->state = BLOCK_FREE;
	b->chain = c->free;
	c->free = b;
}

static void unlist(struct block *b)
{
	b->newer->older = b->older;
	b->older->newer = b->newer;
}

/* As the newest, or the next to go. */
static void list(struct blocks *c, struct block *b, bool newest)
{
	struct block *after = newest ? c->ready.older : &c->ready;

	b->older = after;
	b->newer = after->newer;
	after->newer->older = b;
	after->newer = b;
}

/* A block for this index, FETCHING; NULL: all are in use, or no memory. */
static struct block *grab(struct blocks *c, uint64_t index)
{
	struct block *b = c->ready.newer;

	if (!c->free) {
		while (b != &c->ready && b->users)
			b = b->newer;
		if (b == &c->ready)
			return NULL;
		unlist(b);
		forget(c, b);
	}
	b = c->free;
	if (!b->buf && !(b->buf = malloc(c->block_size)))
		return NULL;
	c->free = b->chain;
	c->fetching++;
	b->index = index;
	b->state = BLOCK_FETCHING;
	b->chain = *bucket_of(c, index);
	*bucket_of(c, index) = b;
	return b;
}

/* ---- fetching */

static void filling_free(struct filling *f)
{
	if (!f)
		return;
	free(f->fetch.parts);
	free(f->block);
	free(f);
}

static void ended(struct fetch *fetch)
{
	struct filling *f = fetch->arg;
	struct blocks *c = f->c;

	pthread_mutex_lock(&c->lock);
	if (fetch->err.code)
		c->err = fetch->err;
	c->fetching -= f->n;
	for (unsigned i = 0; i < f->n; i++) {
		struct block *b = f->block[i];

		if (!fetch->err.code) {
			b->state = BLOCK_READY;
			list(c, b, true);
		} else if (b->users) {
			b->state = BLOCK_FAILED;
		} else {
			forget(c, b);
		}
	}
	pthread_cond_broadcast(&c->moved);
	pthread_mutex_unlock(&c->lock);
	filling_free(f);
}

static struct filling *filling_new(struct blocks *c, uint64_t index)
{
	struct filling *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->c = c;
	f->block = calloc(c->per_fetch, sizeof(*f->block));
	f->fetch = (struct fetch){ .off = index * c->block_size,
	    .parts = calloc(c->per_fetch, sizeof(*f->fetch.parts)),
	    .part_size = c->block_size, .ended = ended, .arg = f };
	if (f->block && f->fetch.parts)
		return f;
	filling_free(f);
	return NULL;
}

/* Fetches what is missing from byte "from" up to "end", as far as there is
 * room.  Returns how far it came. */
static uint64_t fetch(struct blocks *c, uint64_t from, uint64_t end)
{
	uint64_t i = from / c->block_size;
	uint64_t to = (min64(end, c->size) + c->block_size - 1) /
	    c->block_size;

	while (i < to) {
		struct filling *f;
		struct block *b;

		if (find(c, i)) {
			i++;
			continue;
		}
		f = filling_new(c, i);
		while (f && f->n < c->per_fetch && i < to && !find(c, i) &&
		    (b = grab(c, i))) {
			f->fetch.parts[f->n] = b->buf;
			f->block[f->n++] = b;
			i++;
		}
		if (!f || !f->n) {
			filling_free(f);
			break;
		}
		f->fetch.len = min64((uint64_t)f->n * c->block_size,
		    c->size - f->fetch.off);
		wire_submit(c->wire, &f->fetch);
	}
	return i * c->block_size;
}

/* ---- streams */

static struct stream *stream_of(struct blocks *c, uint64_t off, unsigned *busy)
{
	struct stream *oldest = &c->stream[0], *found = NULL;

	*busy = 0;
	for (unsigned i = 0; i < STREAMS; i++) {
		struct stream *s = &c->stream[i];

		if (s->used && off + SLACK >= s->next &&
		    off <= s->next + SLACK && !found)
			found = s;
		if (s->used < oldest->used)
			oldest = s;
		/* Those that have not read for long are nobody's. */
		*busy += s->used && s->used + 256 > c->clock;
	}
	if (found)
		return found;
	*oldest = (struct stream){ .next = off };
	return oldest;
}

/* What is asked for now, and what will be. */
static void read_ahead(struct blocks *c, uint64_t off, uint64_t end)
{
	unsigned busy;
	struct stream *s = stream_of(c, off, &busy);
	uint64_t window, target;

	s->used = ++c->clock;
	if (end > s->next) {
		s->run += min64(end - s->next, end - off);
		s->next = end;
	}
	fetch(c, off, end);
	window = min64(s->run, WINDOW);
	window = min64(window, CACHE_SIZE / 2 / (busy ? busy : 1));
	s->ahead = max64(s->ahead, end);
	target = min64(s->next + window, c->size);
	/* In large pieces, not one block at a time.  One block would not be
	 * ahead of anything: it is what a small read fetches. */
	if (s->run > c->block_size && target > s->ahead &&
	    (target - s->ahead >= window / 2 || target == c->size))
		s->ahead = fetch(c, s->ahead, target);
}

/* ---- reading */

static void drop_user(struct blocks *c, struct block *b)
{
	c->users--;
	if (--b->users == 0) {
		if (b->state == BLOCK_FAILED)
			forget(c, b);
		pthread_cond_broadcast(&c->moved);
	}
}

/* The block, READY, with one user more; lock held. */
static int get(struct blocks *c, uint64_t index, struct block **block,
    struct error *err)
{
	struct block *b;

	while (!(b = find(c, index))) {
		uint64_t at = index * c->block_size;

		if (fetch(c, at, at + 1) > at)
			continue;
		if (!c->fetching && !c->users)
			return error_errno(err, ENOMEM, "reading");
		pthread_cond_wait(&c->moved, &c->lock);
	}
	b->users++;
	c->users++;
	while (b->state == BLOCK_FETCHING)
		pthread_cond_wait(&c->moved, &c->lock);
	if (b->state == BLOCK_FAILED) {
		*err = c->err;
		drop_user(c, b);
		return -err->code;
	}
	*block = b;
	return 0;
}

int blocks_read(struct blocks *c, uint8_t *buf, size_t len, uint64_t off,
    struct error *err)
{
	bool large = len >= c->block_size;
	uint64_t at = off, end = off + len;
	struct block *b = NULL;
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	read_ahead(c, off, end);
	while (at < end && !(rc = get(c, at / c->block_size, &b, err))) {
		uint64_t in = at % c->block_size;
		size_t n = min64(end - at, c->block_size - in);

		pthread_mutex_unlock(&c->lock);
		memcpy(buf + (at - off), b->buf + in, n);
		pthread_mutex_lock(&c->lock);
		at += n;
		unlist(b);
		list(c, b, !large || at % c->block_size);
		drop_user(c, b);
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

/* ---- making one */

struct blocks *blocks_new(struct wire *wire, uint64_t size, uint32_t block,
    uint8_t *first, struct error *err)
{
	struct blocks *c = calloc(1, sizeof(*c));

	if (c)
		c->block = calloc(CACHE_SIZE / block, sizeof(*c->block));
	if (!c || !c->block) {
		error_errno(err, ENOMEM, "opening");
		wire_close(wire);
		free(first);
		free(c);
		return NULL;
	}
	c->wire = wire;
	c->size = size;
	c->block_size = block;
	c->count = CACHE_SIZE / block;
	c->per_fetch = block < FETCH_MAX ? FETCH_MAX / block : 1;
	c->ready.newer = c->ready.older = &c->ready;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->moved, NULL);
	for (uint32_t i = c->count; i--;) {
		c->block[i].chain = c->free;
		c->free = &c->block[i];
	}
	c->block[0].buf = first;
	if (size) {
		grab(c, 0)->state = BLOCK_READY;
		c->fetching--;
		list(c, &c->block[0], true);
	}
	return c;
}

void blocks_free(struct blocks *c)
{
	if (!c)
		return;
	wire_close(c->wire);
	for (uint32_t i = 0; i < c->count; i++)
		free(c->block[i].buf);
	free(c->block);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->moved);
	free(c);
}
