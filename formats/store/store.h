/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store.h - where bytes live: a file, a block device, memory, a fault
 * injector; later a server
 *
 * A store is a flat array of bytes with holes.  Calls block, and several
 * threads may call at once.  Reading past the end gives zeros; writing past
 * it grows the store where it can grow.
 *
 * Durability: what a write returned is in the store, and on stable storage
 * once a later store_sync() returned 0.  After a failed sync the medium is
 * unknown: every later sync of this store fails too (D6).
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/iov.h"

/* What an access is for.  Fault injection matches on it; data is 0.  The
 * names in text (store_event_name) are the peers' blkdebug events. */
enum store_event {
	EVENT_DATA,
	EVENT_HEADER_READ,
	EVENT_HEADER_UPDATE,
	EVENT_L1_LOAD,
	EVENT_L1_UPDATE,
	EVENT_L1_GROW,
	EVENT_L2_LOAD,
	EVENT_L2_UPDATE,
	EVENT_REFTABLE_LOAD,
	EVENT_REFTABLE_UPDATE,
	EVENT_REFTABLE_GROW,
	EVENT_REFBLOCK_LOAD,
	EVENT_REFBLOCK_UPDATE,
	EVENT_COW_READ,
	EVENT_COW_WRITE,
	EVENT_PACKED_READ,
	EVENT_PACKED_WRITE,
	EVENT_SNAPSHOT_LOAD,
	EVENT_SNAPSHOT_UPDATE,
	EVENT_BITMAP_LOAD,
	EVENT_BITMAP_UPDATE,
	EVENT_COUNT
};
const char *store_event_name(enum store_event);

enum store_prealloc { PREALLOC_OFF, PREALLOC_FALLOC, PREALLOC_FULL };

/* store_zero() and store_punch() */
#define STORE_MAY_PUNCH 1u	/* the zeros may be a hole */
#define STORE_NO_FALLBACK 2u	/* ENOTSUP rather than writing zeros */

#define STORE_UNKNOWN UINT64_MAX

struct store_stat {
	uint64_t allocated;	/* bytes on the medium (st_blocks * 512), or
				 * STORE_UNKNOWN: nobody can tell */
	uint64_t dev, ino;	/* identity; both 0 where there is none */
	bool block_device;	/* or like one: of a size it keeps, and full of
				 * what was there before */
	bool regular;
};

/* One of a batch. */
struct store_req {
	bool write;
	const struct iovec *iov;
	int n;
	uint64_t off;
	int ret;		/* 0 or -errno */
};

/* store_status(), as NBD has it in base:allocation */
#define STORE_HOLE 1u		/* nothing is allocated there */
#define STORE_ZERO 2u		/* it reads as zeros */

struct store;

struct store_ops {
	const char *name;	/* "file", "memory", ... : the peer's driver name */

	/* All of iov, or an error; past the end zeros.  Alignment is the
	 * store's own business. */
	int (*preadv)(struct store *, const struct iovec *iov, int n,
	    uint64_t off, enum store_event, struct error *);
	int (*pwritev)(struct store *, const struct iovec *iov, int n,
	    uint64_t off, enum store_event, struct error *);
	/* n reads and writes of guest data, in any order and in parallel;
	 * returns when all have ended, each with its own ret; err is that of
	 * one that failed.  NULL: one after the other. */
	int (*submit)(struct store *, struct store_req *, unsigned n,
	    struct error *);
	/* Zeros; flags above.  May grow the store. */
	int (*zero)(struct store *, uint64_t off, uint64_t len, unsigned flags,
	    struct error *);
	/* Give back the space; contents become zeros or stay.  -ENOTSUP is
	 * an answer, not a failure (err is filled all the same). */
	int (*punch)(struct store *, uint64_t off, uint64_t len,
	    struct error *);
	int (*sync)(struct store *, struct error *);
	int (*resize)(struct store *, uint64_t size, enum store_prealloc,
	    struct error *);
	/* Data or hole at off (below size), and how far it holds, at most
	 * len.  NULL: all data. */
	int (*extent)(struct store *, uint64_t off, uint64_t len, bool *data,
	    uint64_t *run, struct error *);
	/* The same for reports, where a store knows more than that; NULL:
	 * a hole reads as zeros, and there are no other zeros. */
	int (*status)(struct store *, uint64_t off, uint64_t len,
	    unsigned *flags, uint64_t *run, struct error *);
	int (*stat)(struct store *, struct store_stat *, struct error *);
	/* Ends it; returns the last error there is to tell. Frees state. */
	int (*close)(struct store *, struct error *);
};

struct store {
	const struct store_ops *ops;
	char *name;		/* as the user would write it */
	_Atomic uint64_t size;	/* bytes, kept true by writes that grow it */
	uint32_t align;		/* what needs no bounce: 1 .. 4096 */
	int fd;			/* for zero-copy between files; -1: none */
	bool batches;		/* ops->submit is there and better than
				 * one by one */
	bool far;		/* an answer takes its time: more should be
				 * asked at once than there are processors */
	bool writable;
	bool no_sync;		/* cache=unsafe: sync does nothing */
	_Atomic bool dirty;	/* written since the last sync began */
	_Atomic int failed;	/* errno of the sync that failed, for good */
	pthread_mutex_t sync_lock; /* guards: one sync at a time, so that who
				    * finds dirty clear has waited for it */
	void *state;
};

/* For the stores themselves: allocates, copies the name, sets fd to -1.
 * NULL: no memory. */
struct store *store_new(const struct store_ops *, const char *name);

/* Closes and frees; NULL is allowed.  The error of ops->close counts: a
 * caller who wrote must look at it (D9). */
int store_close(struct store *, struct error *);

int store_pread(struct store *, void *buf, size_t len, uint64_t off,
    enum store_event, struct error *);
int store_preadv(struct store *, const struct iovec *iov, int n, uint64_t off,
    enum store_event, struct error *);
int store_pwrite(struct store *, const void *buf, size_t len, uint64_t off,
    enum store_event, struct error *);
int store_pwritev(struct store *, const struct iovec *iov, int n,
    uint64_t off, enum store_event, struct error *);

/* 0 when all succeeded. */
int store_submit(struct store *, struct store_req *, unsigned n,
    struct error *);

/* Falls back to writing zeros, unless NO_FALLBACK. */
int store_zero(struct store *, uint64_t off, uint64_t len, unsigned flags,
    struct error *);
int store_punch(struct store *, uint64_t off, uint64_t len, struct error *);

/* A barrier: everything written before is on stable storage when it returns
 * 0.  Costs nothing when nothing was written since the last one. */
int store_sync(struct store *, struct error *);

/*
 * From file to file inside the kernel: by sharing blocks (clone; nothing else
 * will do) or as copy_file_range likes.  -ENOTSUP is an answer: nothing, or
 * only some of the front, was written.
 */
int store_offload(struct store *from, uint64_t from_off, struct store *to,
    uint64_t to_off, uint64_t len, bool clone, struct error *);
/* May cloning work between these two? Files of one file system that is known
 * for it. */
bool store_can_clone(const struct store *from, const struct store *to);

int store_resize(struct store *, uint64_t size, enum store_prealloc,
    struct error *);
/* For a new image, which is to have this size: what keeps its size need only
 * be as large. */
int store_make_room(struct store *, uint64_t size, enum store_prealloc,
    struct error *);
int store_extent(struct store *, uint64_t off, uint64_t len, bool *data,
    uint64_t *run, struct error *);
int store_status(struct store *, uint64_t off, uint64_t len, unsigned *flags,
    uint64_t *run, struct error *);
int store_stat(struct store *, struct store_stat *, struct error *);
static inline uint64_t store_size(struct store *s)
{
	return atomic_load_explicit(&s->size, memory_order_relaxed);
}

/* ---- files and block devices (file.c) */

/* How a batch of requests reaches a file opened with O_DIRECT: by blocking
 * calls (threads), or, also when nothing is said, by io_uring where the system
 * has it.  The peers' names; their native is Linux AIO, which io_uring serves
 * here. */
enum file_aio { AIO_ANY, AIO_THREADS, AIO_NATIVE, AIO_URING };

struct file_args {
	bool writable;
	bool create;		/* make it, or empty an existing regular file */
	bool exclusive;		/* with create: EEXIST when it is there */
	bool direct;		/* O_DIRECT */
	enum file_aio aio;
	bool no_sync;
	bool share;		/* -U: refuse nothing to others (read-only) */
	bool no_lock;		/* the caller answers for it (locking=off) */
	bool late_lock;		/* file_lock_late() will follow, perhaps */
	bool no_cow;		/* create: nocow attribute, best effort */
	bool no_special;	/* refuse all but regular files (H3) and, with
				 * allow_block, block devices */
	bool allow_block;
};

/*
 * Opens by name: a plain path, never a scheme.  Takes the image locks of
 * HACKING.md (lock.c) unless told otherwise; a conflict is EAGAIN-coded and
 * its text names the holder where the system shows it.  A directory is
 * EISDIR.  O_CLOEXEC; opened once, checked by descriptor.
 */
struct store *file_open(const char *path, const struct file_args *,
    struct error *);

/* Takes the locks that late_lock put off; nothing for other stores. */
int file_lock_late(struct store *, struct error *);

/* Did this open create the file (then a failed job removes it)? */
bool file_created(const struct store *);

/* Is this a file which neither we nor, by the image locks, anybody else writes
 * to while it is open? */
bool file_is_still(const struct store *);

/* ---- image locks (lock.c): OFD locks on the peers' bytes.  Bits: consistent
 * read 0, write 1, write unchanged 2, resize 3; byte 100 + bit while held,
 * 200 + bit while refused to others. */
#define PERM_READ 1u
#define PERM_WRITE 2u
#define PERM_WRITE_UNCHANGED 4u
#define PERM_RESIZE 8u
int file_lock(int fd, const char *path, unsigned held, unsigned refused,
    struct error *);

/* ---- compressed files (protocol_unpack() in protocol.h) */

/* For whom opening them may take long, and reading, too. */
struct unpack_args {
	/* Called now and then by any thread that waits: so many packed bytes
	 * are read of so many, while it is being opened; later total is 0.
	 * False: stop, with EINTR.  NULL: nobody asks. */
	bool (*going)(void *arg, uint64_t done, uint64_t total);
	void *going_arg;
};

/* ---- memory (memory.c): grows as written; holes in 64 KiB pages */
struct store *memory_open(uint64_t size, struct error *);

/* Another memory store with the same contents, at the cost of its page table:
 * pages are shared until one of the two writes to them. */
struct store *memory_clone(struct store *, struct error *);

#endif
