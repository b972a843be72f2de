/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check.h - what the parts of check share; nobody else's
 *
 *	check.c		finds every reference to a host cluster
 *	walk.c		the L2 tables' part of that
 *	count.c		keeps the numbers
 *	repair.c	compares them with the refcounts, and repairs
 *	rebuild.c	where there is little left to repair
 *
 * "times" runs through all of it: tables that several snapshots share are
 * read once, and what they name is counted that many times.
 */
#ifndef QCOW2_CHECK_H
#define QCOW2_CHECK_H

#include "qcow2/qcow2.h"

/*
 * The snapshot table as check wants it: an entry that lies past the end of
 * the file reads as zeros, the L1 tables may be anywhere, and *incomplete (n
 * of them, the caller frees) says which entries lack what a version 3 image
 * must tell of a snapshot.
 */
int qcow2_snapshots_scan(struct qcow2 *, struct qcow2_snapshot **, unsigned *n,
    uint64_t *table_len, bool **incomplete, struct error *);

/* ---- count.c */

enum { COUNT_PAGE_BITS = 12, COUNT_PAGE = 1 << COUNT_PAGE_BITS };

struct counts {
	void *root;
	unsigned height;	/* levels of nodes above the pages */
	uint64_t limit;		/* numbers below this can be counted */
	uint64_t bytes, max_bytes; /* memory of pages and nodes */
	bool shared;		/* something was counted more than once */
	uint64_t page;		/* the page used last, UINT64_MAX: none */
	uint8_t *narrow;	/* its counters, when they are bytes */
};

int counts_init(struct counts *, uint64_t limit, uint64_t max_bytes,
    struct error *);
void counts_fini(struct counts *);
uint64_t counts_get(const struct counts *, uint64_t i);
int counts_set(struct counts *, uint64_t i, uint64_t v, struct error *);
/* The counters of a page: 1 << *width bytes each; NULL: all are 0. */
const void *counts_page(const struct counts *, uint64_t page,
    unsigned *width);
/* The first i >= from with a counter that is not 0; limit: none. */
uint64_t counts_next(const struct counts *, uint64_t from);

static inline uint64_t counts_load(const void *page, unsigned width,
    uint64_t i)
{
	switch (width) {
	case 0: return ((const uint8_t *)page)[i];
	case 1: return ((const uint16_t *)page)[i];
	default: return ((const uint64_t *)page)[i];
	}
}

int counts_add_slowly(struct counts *, uint64_t i, uint64_t times,
    struct error *);
static inline int counts_add(struct counts *c, uint64_t i, uint64_t times,
    struct error *err)
{
	if (i >> COUNT_PAGE_BITS == c->page) {
		uint8_t *p = c->narrow + (i & (COUNT_PAGE - 1));

		if (times <= (uint64_t)(UINT8_MAX - *p)) {
			c->shared |= *p != 0 || times > 1;
			*p = (uint8_t)(*p + times);
			return 0;
		}
	}
	return counts_add_slowly(c, i, times, err);
}

/* ---- check.c */

/* An L2 table that snapshots name, and how often: both in one word, so that
 * the list sorts and stays small. */
enum { REF_BITS = 22 };
#define REF_DONE (1ull << (REF_BITS - 1))	/* walked with the active L1 */
#define REF_TIMES_MAX (REF_DONE - 1)

struct checker {
	struct qcow2 *q;
	struct check *c;
	struct counts counts;
	uint64_t file_size;	/* whole sectors */
	uint64_t file_clusters;
	bool sparse;		/* the file has holes worth looking for */
	bool data_file;
	unsigned lines;		/* said so far */

	uint8_t *buf;
	size_t buf_size;	/* whole clusters, and at least one */

	/* L2 tables to be walked besides the active L1's: cluster number
	 * above, times below. */
	uint64_t *refs;
	size_t ref_count, ref_cap;

	/* One bit for each active L1 entry: its table was in use before and
	 * is walked from the list; it has entries with a cluster; it has
	 * impossible entries. */
	uint64_t *deferred, *plain, *suspect;
	bool uncopied;		/* an active entry has no copied flag */
	bool misplaced;		/* a preallocated cluster is nowhere */

	/* The refcount table as it is on disk. */
	uint64_t *reftable;
	uint64_t reftable_entries;
	bool reftable_inside;
	uint64_t *counted;	/* a bit for each: its block was counted */
	uint64_t reread;	/* bytes of blocks that are named twice */
	uint64_t broken;	/* corruptions of the structure itself */
	bool rebuild;		/* it cannot be mended in place */
	bool no_block;		/* a cluster in use has no block */
	bool mismatch;		/* some refcount was wrong */
	uint64_t end;		/* one past the last cluster in use */
};

static inline bool bit_get(const uint64_t *bits, uint64_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}
static inline void bit_set(uint64_t *bits, uint64_t i)
{
	bits[i / 64] |= 1ull << (i % 64);
}

/* One line for the user. */
void checker_say(struct checker *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), cold));
/* len bytes at host into buf; *zero: they are all in a hole, buf is not
 * filled. */
int checker_read(struct checker *, void *buf, uint64_t host, uint64_t len,
    enum store_event, bool *zero, struct error *);
/* Counts the clusters of a region; *inside is false, and a corruption noted,
 * when it lies past the end of the file. */
int checker_region(struct checker *, uint64_t host, uint64_t len,
    uint64_t times, bool *inside, struct error *);
/* Writes entries [from, to) of a table back, in words. */
int checker_write_words(struct checker *, const void *table, uint64_t host,
    uint64_t from, uint64_t to, enum store_event, struct error *);

/* ---- walk.c */

/* Notes an L2 table at host for checker_walk(), besides the active L1's. */
int checker_add_ref(struct checker *, uint64_t host, uint64_t times,
    struct error *);
/* Counts what all L2 tables name. */
int checker_walk(struct checker *, struct error *);
/* Is a cluster that the active L1 names as a table nothing else besides? */
bool checker_only_table(struct checker *, uint64_t host, uint64_t l1_index);
/* Repairs the entries that set "misplaced", once all is counted. */
int checker_forget_places(struct checker *, struct error *);
/* The cached slices of this table are not what is on disk. */
void checker_drop_table(struct qcow2 *, uint64_t l1_index);
/* Calls fn for active L2 tables (those with their bit in "which" only, NULL:
 * all that are not deferred), many read at once. */
typedef int (*table_fn)(struct checker *, uint8_t *table, uint64_t host,
    uint64_t l1_index, struct error *);
int checker_tables(struct checker *, const uint64_t *which, table_fn,
    struct error *);
/* What an L2 entry is. */
enum cluster_kind {
	CLUSTER_NONE, CLUSTER_DATA, CLUSTER_PREALLOCATED, CLUSTER_PACKED,
};
enum cluster_kind checker_entry(const struct checker *, uint64_t entry,
    uint64_t bitmap);

/* ---- repair.c, rebuild.c */

/* Reads the refcount table, counts it and its blocks. */
int checker_refblocks(struct checker *, struct error *);
/* Compares and, as told, repairs refcounts; then the copied flags. */
int checker_compare(struct checker *, struct error *);
int checker_copied(struct checker *, struct error *);
/* New refcounts for all of the file, from the counters. */
int checker_rebuild(struct checker *, struct error *);
static inline uint64_t checker_refcount_max(const struct qcow2 *q)
{
	unsigned bits = 1u << q->h.refcount_order;

	return bits == 64 ? UINT64_MAX : (1ull << bits) - 1;
}

#endif
