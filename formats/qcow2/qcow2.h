/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qcow2.h - what the files of this driver share
 *
 *	header.c	the header, decoded and written back
 *	open.c		extensions, features, caches; info
 *	map.c		where guest bytes are; the driver's table
 *	table.c		L1 and L2: claim, commit, mark, copying shared tables
 *	alloc.c		refcounts: clusters given, dropped, given back; flush
 *	create.c	new images, preallocation, measure
 *	resize.c	growing and shrinking
 *	snapshot.c	the snapshot table (reading); opening at a snapshot
 *	bitmap.c	the bitmap directory, and what bitmaps hold (reading)
 *	track.c		enabled bitmaps follow the guest's writes
 *	check.c		check and repair
 *
 * Order of writes (HACKING.md D1, D2), stage by stage at every flush:
 *
 *  (1) guest data (the engine wrote it) and refcount blocks; barrier
 *  (2) refcount table entries of new blocks; barrier
 *  (3) L2 tables; barrier
 *  (4) L1 entries of new L2 tables; barrier
 *  (5) what these entries no longer name may now be given back: release()
 *
 * Stages with nothing dirty, and the barriers before them, are left out.
 * Header changes are one sector, written between two barriers.
 *
 * Locks: "lock" guards everything marked L, and is held over metadata I/O,
 * never over guest data.  Readers look at L1 (atomic words) and cached L2
 * slices (sequence numbers) without it.
 */
#ifndef QCOW2_QCOW2_H
#define QCOW2_QCOW2_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/auto.h"
#include "base/bits.h"
#include "image.h"
#include "qcow2/disk.h"
#include "store/cache.h"

/* The header, decoded; written back by qcow2_write_header(). */
struct qcow2_header {
	uint32_t version;
	uint32_t cluster_bits;
	uint64_t size;
	uint32_t crypt_method;
	uint32_t l1_size;
	uint64_t l1_offset;
	uint64_t reftable_offset;
	uint32_t reftable_clusters;
	uint32_t snapshot_count;
	uint64_t snapshot_offset;
	uint64_t incompatible, compatible, autoclear;
	uint32_t refcount_order;
	uint32_t header_len;
	uint8_t compression_type;
	uint64_t backing_offset;
	uint32_t backing_len;
};

/* An extension as found, kept for when the header is written. */
struct qcow2_ext {
	uint32_t type, len;
	uint8_t *data;
};

/* Storage that no entry names any more. */
struct qcow2_dropped {
	uint64_t host;
	uint64_t len;		/* whole clusters; or a packed cluster's bytes */
	bool packed;
	bool data;		/* of the external data file */
};
struct qcow2_drops {
	struct qcow2_dropped *v;
	size_t n, cap;
};

struct qcow2 {
	struct image *image;
	struct store *store;		/* tables */
	struct store *data;		/* guest clusters: store, or the data file */
	struct qcow2_header h;
	struct qcow2_ext *exts;		/* all but the backing format's */
	unsigned ext_count;
	char *data_file;		/* name as recorded */

	/* Derived; fixed while the image is open. */
	uint32_t cluster_bits, cluster_size;
	bool ext_l2;
	uint32_t sub_bits;		/* log2 of a subcluster; cluster_bits without */
	uint32_t entry_bits;		/* log2 of an L2 entry's bytes: 3 or 4 */
	uint32_t l1_shift;		/* guest bytes of one L1 entry, log2 */
	uint32_t slice_bits;		/* log2 of a slice's bytes */
	uint32_t slice_shift;		/* guest bytes of one slice, log2 */
	uint32_t rb_bits;		/* log2 of refcounts in a block */
	uint32_t rb_slice_shift;	/* log2 of refcounts in a cached slice */
	uint32_t packed_shift;		/* of the sector count in a descriptor */
	uint64_t packed_offset_mask;
	const struct codec *codec;
	bool lazy;			/* refcounts are written at the end */
	bool at_snapshot;		/* size and L1 are a snapshot's */

	/* L1: words in the machine's order; written under lock */
	_Atomic uint64_t *l1;
	struct cache *l2;		/* slices; key: guest offset >> slice_shift */

	pthread_mutex_t lock;
	uint64_t l1_dirty_from, l1_dirty_to;	/* L: entries [from, to) */
	struct cache *rb;		/* L: refcount slices; key: cluster >> rb_slice_shift */
	uint64_t *reftable;		/* L: machine's order */
	uint64_t reftable_entries;	/* L */
	uint64_t rt_dirty_from, rt_dirty_to;	/* L */
	uint64_t hint;			/* L: no free cluster below */
	uint64_t packed_next;		/* L: where the next packed bytes go; 0: new cluster */
	uint64_t fresh_from;		/* L: host offsets from here were never written */
	struct qcow2_drops dropped;	/* L: since the last flush */
	struct qcow2_drops durable;	/* L: dropped, and a flush has passed */
	uint64_t waiting;		/* L: bytes in both, and more */
	struct bits meta;		/* clusters of tables; changed under L */
	uint64_t meta_count;		/* L: clusters ever added to it */
	bool meta_known;		/* L: meta is filled */
	bool dirty_set;			/* L: we set the dirty bit */
	struct qcow2_track *track;	/* enabled bitmaps; contents L */
	unsigned track_count;
	bool track_known;		/* L: the two above are filled in */
	_Atomic bool track_lost;	/* no memory for some bits */
	bool meta_conflict;		/* L: two tables claim one cluster */
	_Atomic int sparse_known;	/* 0 unknown, 1 preallocated, -1 not */
};

static inline uint64_t qcow2_l1_get(const struct qcow2 *q, uint64_t i)
{
	return atomic_load_explicit(&((struct qcow2 *)q)->l1[i],
	    memory_order_acquire);
}

/* One word of a cached table; other threads may look. */
static inline uint64_t qcow2_word(const void *table, uint64_t i)
{
	return be64toh(atomic_load_explicit((_Atomic uint64_t *)table + i,
	    memory_order_relaxed));
}
static inline void qcow2_word_put(void *table, uint64_t i, uint64_t v)
{
	atomic_store_explicit((_Atomic uint64_t *)table + i, htobe64(v),
	    memory_order_relaxed);
}

static inline bool qcow2_has_data_file(const struct qcow2 *q)
{
	return q->data != q->store;
}

/* A packed L2 entry: first byte and an upper bound of the length. */
static inline void qcow2_packed(const struct qcow2 *q, uint64_t entry,
    uint64_t *host, uint32_t *len)
{
	uint64_t sectors = (entry & ~(ENTRY_COPIED | ENTRY_PACKED)) >>
	    q->packed_shift;

	*host = entry & q->packed_offset_mask;
	*len = (uint32_t)((sectors + 1) * 512 - (*host & 511));
}

/* Refcount i of a block of 1 << order bits each. */
uint64_t qcow2_refcount_get(const void *block, uint64_t i, unsigned order);
void qcow2_refcount_put(void *block, uint64_t i, unsigned order, uint64_t v);

/* ---- header.c */

/* Reads and decodes a header; checks every limit (H1). */
int qcow2_header_decode(const uint8_t *buf, size_t len, uint64_t file_size,
    struct qcow2_header *, struct error *);
/* Writes header, extensions and backing names of the image, so that a crash
 * leaves the old or the new one (D5). */
int qcow2_write_header(struct qcow2 *, struct error *);
/* Writes the first sector alone: sizes, offsets, features.  Barrier before
 * and after are the caller's. */
int qcow2_write_sector(struct qcow2 *, struct error *);
/* Composes header, extensions and backing name into a cluster; backing name
 * is image->backing_name.  ENOSPC: does not fit. */
int qcow2_compose(struct qcow2 *, uint8_t *cluster, struct error *);
/* Sets the corrupt bit (best effort), refuses further writes, fills err. */
int qcow2_corrupt(struct qcow2 *, struct error *, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int qcow2_set_backing(struct image *, const char *, const char *,
    struct error *);

/* ---- map.c */
int qcow2_map(struct image *, uint64_t off, uint64_t len, enum map_why,
    struct extent *, struct error *);
/* The table of guest offset off: where its slice lies, 0 when L1 has none. */
static inline uint64_t qcow2_slice_host(const struct qcow2 *q, uint64_t l1e,
    uint64_t off)
{
	uint64_t index = (off & ((1ull << q->l1_shift) - 1)) >> q->slice_shift;

	return (l1e & L1_OFFSET) + (index << q->slice_bits);
}

/* ---- table.c */
int qcow2_claim(struct image *, uint64_t, uint64_t, uint32_t, struct claim *,
    struct error *);
int qcow2_commit(struct image *, struct claim *, struct error *);
void qcow2_abandon(struct image *, struct claim *);
int qcow2_mark(struct image *, uint64_t, uint64_t, enum extent_kind, unsigned,
    struct error *);
/* Lock held.  Writes L1 entries [l1_dirty_from, l1_dirty_to). */
int qcow2_write_l1(struct qcow2 *, struct error *);
int qcow2_make_empty(struct image *, struct error *);
/* Lock held: entries of [from, to) in one existing L2 table, and whole L1
 * entries from first on, name nothing afterwards. */
int qcow2_clear(struct qcow2 *, uint64_t from, uint64_t to, struct error *);
int qcow2_clear_tables(struct qcow2 *, uint64_t first, struct error *);

/* ---- alloc.c: all with the lock held */

/* Reads the refcount table; idempotent. */
int qcow2_load_reftable(struct qcow2 *, struct error *);
/* Fills meta; idempotent. */
int qcow2_load_meta(struct qcow2 *, struct error *);
/* n clusters in a row, or fewer, at least one: *got; *fresh when they were
 * never written. Refcounts are 1 in the cache. */
int qcow2_alloc(struct qcow2 *, uint64_t n, uint64_t *host, uint64_t *got,
    bool *fresh, struct error *);
/* n clusters in a row, all of them, for a table; counted as metadata, and
 * reading as zeros in the store. */
int qcow2_alloc_table(struct qcow2 *, uint64_t n, uint64_t *host,
    struct error *);
/* len bytes for packed data. */
int qcow2_alloc_packed(struct qcow2 *, uint32_t len, uint64_t *host,
    struct error *);
/* Takes back what nothing names and nothing named. */
void qcow2_unalloc(struct qcow2 *, uint64_t host, uint64_t len);
/* An entry that named this storage is gone from the (cached) tables: it is
 * given back once that is durable.  Without memory to remember it, it stays
 * counted: a leak, no more. */
void qcow2_drop(struct qcow2 *, uint64_t host, uint64_t len, bool packed);
/* The same for a cluster of the external data file, which has no refcounts:
 * its space goes back to the file system. */
void qcow2_drop_data(struct qcow2 *, uint64_t host);
int qcow2_refcount(struct qcow2 *, uint64_t cluster, uint64_t *count,
    struct error *);
/* How many of the first "end" clusters have a refcount, counting no further
 * than "enough"; errors end the count. */
uint64_t qcow2_count_used(struct qcow2 *, uint64_t end, uint64_t enough);
/* Adds delta (1 or -1) to n clusters' refcounts in the cache. */
int qcow2_refcount_add(struct qcow2 *, uint64_t cluster, uint64_t n,
    int delta, struct error *);
/* Stages (1) to (5) of the head of this file. */
int qcow2_flush_locked(struct qcow2 *, struct error *);
/* Stages (1) and (2) alone. */
int qcow2_flush_refcounts(struct qcow2 *, struct error *);
/* Before an edit: flushes when the caches are crowded. */
int qcow2_make_room(struct qcow2 *, struct error *);

/* Gives back what is durably dropped; unmap: to the file system, too.  The gate
 * is shut. */
int qcow2_release_locked(struct qcow2 *, bool unmap, struct error *);

int qcow2_flush(struct image *, struct error *);
bool qcow2_has_dropped(struct image *);
int qcow2_release(struct image *, struct error *);
int qcow2_first_write(struct image *, struct error *);
int qcow2_settle(struct image *, struct error *);

/* ---- create.c, resize.c */
extern const struct option qcow2_create_options[];
int qcow2_create(const struct create_args *, struct error *);
int qcow2_finish(struct image *, struct error *);
int qcow2_measure(uint64_t size, struct opts *, measure_walk, void *arg,
    struct measure *, struct error *);
int qcow2_resize(struct image *, uint64_t size, const char *prealloc,
    struct error *);

/* ---- snapshot.c, bitmap.c */

struct qcow2_snapshot {
	uint64_t l1_offset;
	uint32_t l1_size;
	struct snapshot_info info;
};
/* Reads the snapshot table, bounded and checked; *n entries, NULL for none.
 * *table_len (if not NULL): its bytes on disk. */
int qcow2_snapshots_load(struct qcow2 *, struct qcow2_snapshot **, unsigned *n,
    uint64_t *table_len, struct error *);
void qcow2_snapshots_free(struct qcow2_snapshot *, unsigned n);
/* From here on the header's L1 table and size are those of this snapshot, as
 * open_args.snapshot names it; before L1 is read. */
int qcow2_snapshot_select(struct qcow2 *, const char *text, struct error *);

struct qcow2_bitmap {
	uint64_t table_offset;
	uint32_t table_size;		/* entries of 8 bytes */
	uint32_t flags;
	uint8_t type, granularity_bits;
	char *name;
};
/* "Bitmap table": an offset, or for none zeros, or ones with this bit. */
#define TABLE_ALL_ONES 1ull
/* The same for the bitmap directory; none when the autoclear bit is off.
 * *dir_offset, *dir_len: where the directory lies. */
int qcow2_bitmaps_load(struct qcow2 *, struct qcow2_bitmap **, unsigned *n,
    uint64_t *dir_offset, uint64_t *dir_len, struct error *);
void qcow2_bitmaps_free(struct qcow2_bitmap *, unsigned n);
/* How many entries the table of a bitmap has when the disk has this size. */
uint64_t qcow2_bitmap_table_size(const struct qcow2 *, uint64_t size,
    const struct qcow2_bitmap *);
int qcow2_bitmap_open(struct image *, const char *name,
    struct image_bitmap *, struct error *);

/* ---- track.c: lock held, except for qcow2_wrote() */

struct qcow2_track {
	struct qcow2_bitmap map;
	uint64_t entry;			/* its directory entry, in the store */
	bool odd;			/* its table has a wrong size: it stays
					 * marked as in use */
	struct bits dirty;		/* granules written by this open */
};

/* Finds the enabled bitmaps; they stay where they are, with their bits, until
 * the image is closed.  Idempotent. */
int qcow2_track_load(struct qcow2 *, struct error *);
/* At the first write: marks the enabled bitmaps as in use, begins to note. */
int qcow2_track_begin(struct qcow2 *, struct error *);
void qcow2_wrote(struct image *, uint64_t off, uint64_t len);
/* At the close: stores what was noted, marks them as good. */
int qcow2_track_end(struct qcow2 *, struct error *);
void qcow2_track_free(struct qcow2 *);
int qcow2_track_can_resize(struct qcow2 *, uint64_t size, struct error *);

/* ---- check.c */
int qcow2_check(struct image *, struct check *, struct error *);
/* Repairs an image whose dirty bit is set, at a writable open. */
int qcow2_repair_dirty(struct image *, struct error *);

#endif
