/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cache.c - tables in sets of eight, sequence numbers instead of locks for
 * readers
 *
 *  (1) A slot's table changes only while its sequence number is odd.
 *  (2) Who makes it odd holds the cache's lock; loading keeps it odd over the
 *      read, with the lock released; the slot is "busy" then, and nobody
 *      else touches it.
 *  (3) A reader that saw the same even number before and after read what
 *      belonged to the key.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "store/cache.h"

enum { WAYS = 8, AHEAD_MAX = 15 };

#define NO_KEY UINT64_MAX

struct cache_slot {
	_Atomic uint64_t key;
	atomic_uint seq;
	bool dirty, busy;
	uint64_t host;
	_Atomic bool used;	/* since the clock's hand passed; apart from
				 * dirty and busy, which are read as one */
};

struct cache {
	struct cache_args args;
	unsigned set_bits;
	unsigned slot_count;
	struct cache_slot *slots;
	uint8_t *arena;
	pthread_mutex_t lock;	/* guards all but what readers look at */
	pthread_cond_t loaded;
	_Atomic unsigned dirty_count;
	unsigned hand;
};

static uint8_t *table_of(const struct cache *c, const struct cache_slot *s)
{
	return c->arena + (size_t)(s - c->slots) * c->args.table_size;
}

static struct cache_slot *set_of(const struct cache *c, uint64_t key)
{
	uint64_t h = key * 0x9e3779b97f4a7c15u;

	return c->slots + (c->set_bits ? h >> (64 - c->set_bits) : 0) * WAYS;
}

struct cache *cache_new(const struct cache_args *args, struct error *err)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (!c)
		goto nomem;
	c->args = *args;
	while ((WAYS << c->set_bits) < (int)args->max_tables)
		c->set_bits++;
	c->slot_count = WAYS << c->set_bits;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->loaded, NULL);
	c->arena = mmap(NULL, (size_t)c->slot_count * args->table_size,
	    PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c->arena == MAP_FAILED)
		c->arena = NULL;
	c->slots = calloc(c->slot_count, sizeof(*c->slots));
	if (!c->arena || !c->slots)
		goto nomem;
	for (unsigned i = 0; i < c->slot_count; i++)
		atomic_init(&c->slots[i].key, NO_KEY);
	return c;
nomem:
	error_errno(err, ENOMEM, "table cache");
	cache_free(c);
	return NULL;
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	if (c->arena)
		munmap(c->arena, (size_t)c->slot_count * c->args.table_size);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->loaded);
	free(c->slots);
	free(c);
}

/* ---- without a lock */

const void *cache_peek(struct cache *c, uint64_t key, struct cache_read *r)
{
	struct cache_slot *set = set_of(c, key);

	for (unsigned i = 0; i < WAYS; i++) {
		struct cache_slot *s = set + i;

		if (atomic_load_explicit(&s->key, memory_order_relaxed) != key)
			continue;
		r->slot = s;
		r->seq = atomic_load_explicit(&s->seq, memory_order_acquire);
		if ((r->seq & 1) || atomic_load_explicit(&s->key,
		    memory_order_relaxed) != key)
			return NULL;
		if (!atomic_load_explicit(&s->used, memory_order_relaxed))
			atomic_store_explicit(&s->used, true,
			    memory_order_relaxed);
		return table_of(c, s);
	}
	return NULL;
}

bool cache_retry(const struct cache_read *r)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&r->slot->seq, memory_order_relaxed) !=
	    r->seq;
}

/* ---- with it */

static struct cache_slot *find(struct cache *c, uint64_t key)
{
	struct cache_slot *set = set_of(c, key);

	for (unsigned i = 0; i < WAYS; i++)
		if (atomic_load_explicit(&set[i].key, memory_order_relaxed) ==
		    key)
			return set + i;
	return NULL;
}

/* A slot for key: an empty one, else the first the clock finds unused. */
static struct cache_slot *victim(struct cache *c, uint64_t key)
{
	struct cache_slot *set = set_of(c, key), *s;

	for (unsigned i = 0; i < WAYS; i++)
		if (!set[i].busy && atomic_load_explicit(&set[i].key,
		    memory_order_relaxed) == NO_KEY)
			return set + i;
	for (unsigned i = 0; i < 2 * WAYS; i++) {
		s = set + c->hand++ % WAYS;
		if (s->dirty || s->busy)
			continue;
		if (!atomic_exchange_explicit(&s->used, false,
		    memory_order_relaxed))
			return s;
	}
	return NULL;
}

/* (1), (2): readers look away from here to unveil(). */
static void veil(struct cache_slot *s, uint64_t key, uint64_t host)
{
	atomic_fetch_add_explicit(&s->seq, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&s->key, key, memory_order_relaxed);
	s->host = host;
}

static void unveil(struct cache_slot *s)
{
	atomic_fetch_add_explicit(&s->seq, 1, memory_order_release);
}

static int no_room(struct error *err)
{
	return error_set(err, ENOBUFS, "too many changed tables");
}

/* Reads n tables that follow each other in the store into their slots.
 * Under the thread sanitizer by way of a copy: a reader with a stale pointer
 * may look meanwhile, which cache_retry() tells it, and not the tool. */
static int read_tables(struct cache *c, struct cache_slot **slot, unsigned n,
    uint64_t host, struct error *err)
{
	struct iovec iov[AHEAD_MAX + 1];
	int rc;

#ifdef __SANITIZE_THREAD__
	uint64_t *copy = malloc((size_t)n * c->args.table_size);

	if (!copy)
		return error_errno(err, ENOMEM, "table cache");
	rc = store_pread(c->args.store, copy, (size_t)n * c->args.table_size,
	    host, c->args.load, err);
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < c->args.table_size / 8; j++)
			atomic_store_explicit((_Atomic uint64_t *)
			    table_of(c, slot[i]) + j,
			    copy[i * (c->args.table_size / 8) + j],
			    memory_order_relaxed);
	free(copy);
	return rc;
#endif
	for (unsigned i = 0; i < n; i++)
		iov[i] = (struct iovec){ table_of(c, slot[i]),
		    c->args.table_size };
	rc = store_preadv(c->args.store, iov, (int)n, host, c->args.load, err);
	return rc;
}

/* With the lock held, which it releases over the read. */
static int load_locked(struct cache *c, uint64_t key, uint64_t host,
    unsigned ahead, struct error *err)
{
	struct cache_slot *slot[AHEAD_MAX + 1];
	unsigned n = 0;
	int rc;

	if (ahead > AHEAD_MAX)
		ahead = AHEAD_MAX;
	for (; n <= ahead; n++) {
		if (n && find(c, key + n))
			break;
		slot[n] = victim(c, key + n);
		if (!slot[n])
			break;
		veil(slot[n], key + n, host + (uint64_t)n * c->args.table_size);
		slot[n]->busy = true;
	}
	if (!n)
		return no_room(err);
	pthread_mutex_unlock(&c->lock);
	rc = read_tables(c, slot, n, host, err);
	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < n; i++) {
		if (rc)
			atomic_store_explicit(&slot[i]->key, NO_KEY,
			    memory_order_relaxed);
		slot[i]->busy = false;
		atomic_store_explicit(&slot[i]->used, true,
		    memory_order_relaxed);
		unveil(slot[i]);
	}
	pthread_cond_broadcast(&c->loaded);
	return rc;
}

/* The slot that holds key, waiting while it is being loaded; NULL: none. */
static struct cache_slot *find_ready(struct cache *c, uint64_t key)
{
	struct cache_slot *s;

	while ((s = find(c, key)) && s->busy)
		pthread_cond_wait(&c->loaded, &c->lock);
	return s;
}

int cache_load(struct cache *c, uint64_t key, uint64_t host, unsigned ahead,
    struct error *err)
{
	LOCKED(&c->lock);

	return find_ready(c, key) ? 0 : load_locked(c, key, host, ahead, err);
}

static void mark_dirty(struct cache *c, struct cache_slot *s)
{
	if (!s->dirty) {
		s->dirty = true;
		atomic_fetch_add(&c->dirty_count, 1);
	}
}

int cache_edit(struct cache *c, uint64_t key, uint64_t host, bool fresh,
    void **table, struct error *err)
{
	struct cache_slot *s;
	int rc;
	LOCKED(&c->lock);

	while (!(s = find_ready(c, key))) {
		if (!fresh) {
			if ((rc = load_locked(c, key, host, 0, err)))
				return rc;
			continue;
		}
		s = victim(c, key);
		if (!s)
			return no_room(err);
		break;
	}
	mark_dirty(c, s);
	veil(s, key, host);
	if (fresh) {
#ifdef __SANITIZE_THREAD__
		for (unsigned j = 0; j < c->args.table_size / 8; j++)
			atomic_store_explicit((_Atomic uint64_t *)
			    table_of(c, s) + j, 0, memory_order_relaxed);
#else
		memset(table_of(c, s), 0, c->args.table_size);
#endif
	}
	*table = table_of(c, s);
	return 0;
}

void cache_edited(struct cache *c, uint64_t key)
{
	LOCKED(&c->lock);

	unveil(find(c, key));
}

const void *cache_get(struct cache *c, uint64_t key, uint64_t host,
    struct error *err)
{
	struct cache_slot *s;
	LOCKED(&c->lock);

	while (!(s = find_ready(c, key)))
		if (load_locked(c, key, host, 0, err))
			return NULL;
	atomic_store_explicit(&s->used, true, memory_order_relaxed);
	return table_of(c, s);
}

bool cache_crowded(const struct cache *c)
{
	return atomic_load_explicit(&((struct cache *)c)->dirty_count,
	    memory_order_relaxed) >= c->slot_count / 2;
}

bool cache_is_dirty(const struct cache *c)
{
	return atomic_load_explicit(&((struct cache *)c)->dirty_count,
	    memory_order_relaxed) != 0;
}

static int by_host(const void *a, const void *b)
{
	const struct cache_slot *x = *(struct cache_slot *const *)a;
	const struct cache_slot *y = *(struct cache_slot *const *)b;

	return x->host < y->host ? -1 : x->host > y->host;
}

static void clean(struct cache *c, struct cache_slot *s)
{
	if (s->dirty) {
		s->dirty = false;
		atomic_fetch_sub(&c->dirty_count, 1);
	}
}

int cache_flush(struct cache *c, struct error *err)
{
	AUTO_FREE struct cache_slot **dirty = NULL;
	unsigned n = 0, max = atomic_load(&c->dirty_count);
	int rc = 0;

	if (!max)
		return 0;
	dirty = malloc(max * sizeof(struct cache_slot *));
	if (!dirty)
		return error_errno(err, ENOMEM, "writing tables");
	/* Only the driver, whose mutex is held, makes tables dirty or clean,
	 * and dirty ones stay where they are. */
	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < c->slot_count && n < max; i++)
		if (c->slots[i].dirty)
			dirty[n++] = &c->slots[i];
	pthread_mutex_unlock(&c->lock);
	qsort(dirty, n, sizeof(struct cache_slot *), by_host);
	for (unsigned i = 0, run; i < n && !rc; i += run) {
		struct iovec iov[64];

		for (run = 0; run < ARRAY_LEN(iov) && i + run < n &&
		    dirty[i + run]->host == dirty[i]->host +
		    (uint64_t)run * c->args.table_size; run++)
			iov[run] = (struct iovec){
			    table_of(c, dirty[i + run]), c->args.table_size };
		rc = store_pwritev(c->args.store, iov, (int)run,
		    dirty[i]->host, c->args.update, err);
		if (rc)
			break;
		pthread_mutex_lock(&c->lock);
		for (unsigned j = i; j < i + run; j++)
			clean(c, dirty[j]);
		pthread_mutex_unlock(&c->lock);
	}
	return rc;
}

void cache_drop(struct cache *c, uint64_t key)
{
	struct cache_slot *s;
	LOCKED(&c->lock);

	s = find_ready(c, key);
	if (!s)
		return;
	clean(c, s);
	veil(s, NO_KEY, 0);
	unveil(s);
}
