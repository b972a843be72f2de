/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cache.h - tables of an image, kept in memory
 *
 * Holds fixed-size tables (L2 slices, refcount blocks) found by a number, their
 * key, in sets of eight: a look goes to one set, whatever the size.  The memory is one arena that is never unmapped while the cache lives, so a
 * reader without a lock may at worst read stale bytes, and finds that out:
 * each slot has a sequence number, odd while the slot changes.
 *
 *	struct cache_read r;
 *	do {
 *		if (!(t = cache_peek(c, key, &r)))
 *			... cache_load(), again
 *		v = atomic load of an entry
 *	} while (cache_retry(&r));
 *
 * Changing: only under the driver's own mutex, between cache_edit() and
 * cache_edited(), which makes the table dirty.  Dirty tables are never
 * evicted: the driver looks at cache_crowded() before it edits, and writes
 * them out in its own order with cache_flush().
 */
#ifndef STORE_CACHE_H
#define STORE_CACHE_H

#include "store/store.h"

struct cache;

struct cache_args {
	struct store *store;	/* borrowed */
	uint32_t table_size;	/* bytes, power of two, 512 .. 64 KiB */
	uint32_t max_tables;	/* rounded up to a power of two, 8 at least */
	enum store_event load, update;
};

struct cache *cache_new(const struct cache_args *, struct error *);
void cache_free(struct cache *);	/* NULL is allowed; loses dirty tables */

struct cache_slot;
struct cache_read {
	struct cache_slot *slot;
	unsigned seq;
};

/* No lock: the table, or NULL when it is not here now. */
const void *cache_peek(struct cache *, uint64_t key, struct cache_read *);
/* True: what was read since cache_peek() may be torn, read again. */
bool cache_retry(const struct cache_read *);

/* Brings the table in from host; afterwards cache_peek() finds it, unless
 * another thread's loading evicted it meanwhile.  ENOBUFS: everything in its
 * place is dirty, flush first.  Two threads that load one key read once.  Reads "ahead" further tables that follow in keys and, in
 * the store, at once (0: none). */
int cache_load(struct cache *, uint64_t key, uint64_t host, unsigned ahead,
    struct error *);

/* Under the driver's mutex: the table to change, loaded if need be; or, with
 * fresh, all zeros without a read.  No error in between: cache_edited() must
 * follow.  ENOBUFS: all slots are dirty, flush first. */
int cache_edit(struct cache *, uint64_t key, uint64_t host, bool fresh,
    void **table, struct error *);
void cache_edited(struct cache *, uint64_t key);

/* Under the driver's mutex, in a cache that nobody loads without it: the
 * table to read, or NULL with err.  Valid until the next call that loads. */
const void *cache_get(struct cache *, uint64_t key, uint64_t host,
    struct error *);

bool cache_crowded(const struct cache *);	/* half of the tables are dirty */
bool cache_is_dirty(const struct cache *);

/* Writes all dirty tables, neighbours in one request; on error those not
 * written stay dirty.  Under the driver's mutex. */
int cache_flush(struct cache *, struct error *);

/* Forgets a table, dirty or not: its place in the store has another use. */
void cache_drop(struct cache *, uint64_t key);

#endif
