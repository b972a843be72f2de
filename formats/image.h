/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image.h - a disk image is a map from guest bytes to stored bytes
 *
 * A format driver answers one question: where are the guest bytes that start
 * at this offset, and how far does that answer hold?  It moves no guest data.
 * The engine asks, and does all the moving: read, write, convert, compare,
 * map, NBD block status and FUSE SEEK_HOLE are loops over image_map().
 *
 * Units: bytes.  "off" is a guest offset, "host" an offset in a store.
 * Errors: 0, or -errno with *err filled in; err is never NULL.
 * Threads: one image serves many threads.  Locks, outermost first: gate,
 * claim range, driver mutex, cache, store.  An overlay may wait for its
 * backing image; a backing image never knows its overlays.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/bits.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/gate.h"
#include "base/opts.h"
#include "store/store.h"

struct image;
struct codec;
struct image_bitmap;
struct report;

/* ---- extents */

enum extent_kind {
	EXTENT_DATA,	/* bytes in a store */
	EXTENT_PACKED,	/* a slice of one compressed unit in a store */
	EXTENT_ZERO,	/* reads as zeros, and hides the backing image */
	EXTENT_HOLE,	/* not in this layer: see the backing image, else zeros */
};

#define EXTENT_SHARED	1u	/* DATA that a write must not change in place */
#define EXTENT_HOST	2u	/* ZERO, HOLE: store and host are set all the same */
#define EXTENT_SPARSE	4u	/* DATA, MAP_REPORT only: the store has a hole here,
				 * or zeros */
#define EXTENT_VAGUE	8u	/* the same, but what it reads as is not known: it is
				 * read all the same, and told of as nothing */

struct extent {
	enum extent_kind kind;
	unsigned flags;
	uint64_t len;		/* guest bytes this answer covers, never 0 */
	struct store *store;	/* DATA, PACKED, HOST: the file that holds them */
	uint64_t host;		/* from this offset on */
	const struct codec *codec; /* PACKED: how; and the unit it is a slice of: */
	uint32_t packed_len;	/*   stored size, an upper bound */
	uint32_t unit_len;	/*   size unpacked, at most 64 MiB */
	uint32_t skip;		/*   where the slice starts once unpacked */
};

/* Why the caller asks.  A raw file says DATA to MAP_READ at no cost, and
 * looks for holes with lseek(2) only for MAP_REPORT. */
enum map_why { MAP_READ, MAP_REPORT };

/* Whole-chain answer: what programs are told about a range (map, NBD block
 * status).  One function, extent_report(), fills it for all of them. */
struct extent_status {
	bool present, zero, data, packed;
	bool has_host;
	uint64_t host;
	struct store *store;	/* of host */
};
void extent_report(const struct extent *, struct extent_status *);

/*
 * Space promised to one write.  Nothing can see it before commit(): a crash
 * or an abandon() leaks it at worst.  The engine fills all of [off, off+len),
 * taking from the old contents what the caller's write leaves uncovered.
 * claim() may shorten len, and may enlarge off and len to whole granules
 * inside the units the engine has locked; a packed claim is exactly one unit
 * (or the image's last).
 */
struct claim {
	uint64_t off, len;	/* guest range, whole granules */
	struct extent dst;	/* DATA, or PACKED when packed_len was asked */
	bool fresh;		/* DATA: the storage reads as zeros now */
	uint64_t cookie[2];	/* the driver's own */
};

/* ---- format drivers */

/* What a probe sees of a file. */
struct probe_input {
	const char *name;
	const uint8_t *head;	/* first head_len bytes, at most 2048 */
	size_t head_len;
	const uint8_t *tail;	/* last 512 bytes, or NULL when shorter */
	uint64_t size;
};

struct create_args {
	struct store *store;	/* empty, writable */
	struct store *data_store; /* data_file, or NULL */
	const char *data_file;	/* its name as it is to be recorded */
	uint64_t size;
	struct opts *options;	/* by create_options; the driver takes them */
	const char *backing;	/* as it is to be recorded, or NULL */
	const char *backing_format;
	bool incomplete;	/* image_finish() will follow: until then
				 * nothing opens it as a good image (D5) */
};

#define CHECK_FIX_LEAKS 1u
#define CHECK_FIX_ERRORS 2u
struct check {
	unsigned fix;		/* what to repair; image must be writable */
	void (*say)(void *arg, const char *line); /* each finding, one line */
	void *arg;
	/* results */
	uint64_t corruptions, leaks, check_errors;
	uint64_t corruptions_fixed, leaks_fixed;
	uint64_t image_end_offset;
	uint64_t total_clusters, allocated_clusters;
	uint64_t fragmented_clusters, packed_clusters;
	bool has_clusters;	/* the four above mean something */
};

struct measure {
	uint64_t required, fully_allocated, bitmaps;
	bool has_bitmaps;
};

/* One run of the source of a measure(): n bytes from off are data. */
typedef int (*measure_walk)(void *arg, uint64_t off, uint64_t len, bool *data,
    uint64_t *run, struct error *);

struct snapshot_info {
	char *id, *name;
	uint64_t vm_state_size, size;
	uint64_t date_sec, clock_nsec, icount;	/* icount UINT64_MAX: none */
	uint32_t date_nsec;
};

/* What info shows of one image.  Filled by image_info(), freed by
 * image_info_fini(). */
struct image_info {
	uint64_t virtual_size, actual_size;
	bool has_actual_size;
	uint32_t cluster_size;	/* 0: none */
	bool encrypted, packed, dirty, corrupt;
	const char *backing;	/* as recorded; borrowed from the image */
	char *full_backing;	/* as it would be opened */
	const char *backing_format;
	struct snapshot_info *snapshots;
	unsigned snapshot_count;
	struct report *specific; /* NULL, or the tree under format-specific/data */
};

struct format {
	const char *name;	/* as in "-f qcow2" */
	size_t state_size;	/* zeroed and hung on image.state before open */
	const struct option *create_options, *open_options;
	bool has_backing;	/* the format can name a backing image */
	bool has_snapshots;	/* open() heeds args.snapshot */

	int (*probe)(const struct probe_input *);	/* 0 no .. 100 sure */
	/* Reads the header, checks it, fills image.size, granule, unit, and
	 * backing names; opens no files but through image_ref(). */
	int (*open)(struct image *, struct opts *, struct error *);
	/* After the last flush; releases memory only. */
	void (*close)(struct image *);

	/* The largest cheap run at off, at most len, within this layer
	 * alone. Takes no lock in the common case. */
	int (*map)(struct image *, uint64_t off, uint64_t len,
	    enum map_why, struct extent *, struct error *);

	/*
	 * Writing; all NULL in a read-only format.  mark() turns whole
	 * granules into ZERO or HOLE (HOLE: the layer forgets them, and the
	 * guest reads what discard leaves: zeros, or in a format without
	 * zero clusters the backing image); ENOTSUP: the engine writes zeros.
	 * Storage that commit() or mark() drops is reused only after
	 * release(), which runs with no I/O in flight and after the flush
	 * that made the dropping durable.
	 */
	int (*claim)(struct image *, uint64_t off, uint64_t len,
	    uint32_t packed_len, struct claim *, struct error *);
	int (*commit)(struct image *, struct claim *, struct error *);
	void (*abandon)(struct image *, struct claim *);
	int (*mark)(struct image *, uint64_t off, uint64_t len,
	    enum extent_kind, unsigned flags, struct error *);
	/* Metadata to the stores, with the barriers of D1 and D2 between the
	 * stages; the engine then syncs every store of the image. */
	int (*flush)(struct image *, struct error *);
	bool (*has_dropped)(struct image *);	/* release() has work to do */
	int (*release)(struct image *, struct error *);
	/* Before the first guest write of this open: clear autoclear bits,
	 * set the dirty bit, ...; durable when it returns. */
	int (*first_write)(struct image *, struct error *);
	/* While image.tracked: the guest changes these bytes. */
	void (*wrote)(struct image *, uint64_t off, uint64_t len);
	/* At a clean close, after the last flush: undo what first_write() set. */
	int (*settle)(struct image *, struct error *);

	/* The whole image; each NULL where the format has no such thing. */
	int (*create)(const struct create_args *, struct error *);
	int (*finish)(struct image *, struct error *);	/* of an incomplete one */
	int (*resize)(struct image *, uint64_t size, const char *prealloc,
	    struct error *);
	int (*check)(struct image *, struct check *, struct error *);
	int (*info)(struct image *, struct image_info *, struct error *);
	int (*measure)(uint64_t size, struct opts *, measure_walk, void *arg,
	    struct measure *, struct error *);
	/* Rewrites the backing names in the header; NULL, NULL removes them. */
	int (*set_backing)(struct image *, const char *name,
	    const char *format, struct error *);
	/* Drops all clusters of this layer at once (commit empties the top). */
	int (*make_empty)(struct image *, struct error *);
	/* Fills in what image_bitmap_open() tells of this layer's bitmap of
	 * that name; -ENOENT: there is none. */
	int (*bitmap_open)(struct image *, const char *name,
	    struct image_bitmap *, struct error *);
};

/* A persistent bitmap as a driver fills it in.  A granule is dirty when it is
 * in one of the sets, and all are when *lost. */
struct image_bitmap {
	uint64_t size;		/* guest bytes: what lies behind is clean */
	unsigned granularity_bits;
	struct bits stored;	/* granules */
	struct bits groups;	/* of 1 << group_bits granules, all dirty */
	unsigned group_bits;
	/* What this open image has written; the driver's, and NULL where it
	 * cannot have written anything. */
	const struct bits *written;
	const _Atomic bool *lost;
};

/* All formats, ends with NULL; and by name (NULL: not known). registry.c */
extern const struct format *const formats[];
const struct format *format_find(const char *name);

/* ---- images */

/* Whose rules hold for references found inside an image (H3). */
enum open_policy { POLICY_OWN, POLICY_PEER, POLICY_UNTRUSTED };

/* Are written zeros looked for?  ON: they become zeros of the image where it
 * has such a thing; UNMAP: and may give the space back. */
enum detect_zeroes { DETECT_OFF, DETECT_ON, DETECT_UNMAP };

/* Does a compressed file (.gz, .xz, ...) stand for its contents? */
enum open_unpack { UNPACK_NEVER, UNPACK_PROBED, UNPACK_ALWAYS };

struct open_args {
	const char *format;	/* NULL: probe */
	struct opts *options;	/* the node's options (driver, file.filename,
				 * backing, the driver's own); taken from; NULL: none */
	bool writable;
	bool share;		/* -U */
	bool direct, no_sync, writethrough; /* cache modes */
	enum file_aio aio;	/* how O_DIRECT batches go out */
	bool no_backing;	/* this file alone (info, check, create -u) */
	bool look_only;		/* info: a raw image in use may be looked at,
				 * as the peers have it */
	bool allow_external;	/* H3 */
	bool incomplete;	/* accept an image before image_finish() ... */
	uint64_t incomplete_size; /* ... which will have this size: a raw file
				 * gets it last, until then it is shorter */
	bool for_check;		/* accept the dirty and the corrupt bit, repair nothing */
	bool unmap;		/* discard=unmap: pass discards on */
	enum detect_zeroes detect_zeroes;
	bool copy_on_read;
	const char *snapshot;	/* id, else name, of an internal snapshot, or
				 * "snapshot.id=ID,snapshot.name=NAME": the top
				 * layer as it was then, with the size it had,
				 * read-only */
	enum open_unpack unpack; /* PROBED: where no format is named */
	const struct unpack_args *unpack_args; /* or NULL; going() holds while
				 * it is open, the struct for the call */
	const struct opts *objects; /* --object, for stores and ciphers (see
				 * store/protocol.h); borrowed while it is open */
	enum open_policy policy;
	struct store *store;	/* use this one (owned from the call on, also
				 * on error) instead of opening name; NULL */
};

struct claim_list {		/* ranges under allocation; io.c */
	pthread_mutex_t lock;
	pthread_cond_t freed;
	struct pending *head;
};

struct unit_cache;		/* last units unpacked; codec.h */

enum { IMAGE_STORES = 4, CHAIN_LIMIT = 200 };

struct image {
	const struct format *format;
	struct image *backing;	/* NULL at the bottom; this image owns it */
	struct store *store;	/* the file named on the command line */
	struct store *stores[IMAGE_STORES]; /* all files of this layer, store first */
	unsigned store_count;
	char *name;		/* as given: path, json:{...} */
	uint64_t size;		/* guest bytes */
	uint32_t granule;	/* smallest piece commit() and mark() publish:
				 * subcluster, sector; 1 for raw */
	uint32_t unit;		/* what is allocated together (cluster, grain):
				 * the engine locks whole units; 1 for raw */
	bool raw_store;		/* host == off always and the store must read like
				 * the image: the engine zeroes the store before
				 * mark(ZERO), never marks HOLE */
	bool probed;		/* format was guessed: raw guard (io.c) */
	bool remote;		/* on a server, who has no say in our paths */
	bool writable;
	bool incomplete;
	bool tracked;		/* the driver wants to know of writes */
	struct open_args args;	/* how it was opened; pointers in it are NULL */
	char *backing_name, *backing_format; /* as recorded, or NULL */
	void *state;		/* the driver's own */
	struct gate gate;	/* shared by I/O; exclusive: release, resize */
	struct claim_list claims;
	struct unit_cache *units;
	const struct codec *packed_codec; /* of compressed writes; NULL: none */
	_Atomic bool want_flush;	/* the driver holds much that only a
				 * flush lets it reuse or forget */
	_Atomic bool wrote;	/* first_write() has run */
	pthread_mutex_t first_lock; /* guards that it runs once; before driver */
	_Atomic int failed;	/* errno after which nothing is written (D6) */
};

/* The format a file's first bytes (and last 512, or NULL) look like: never
 * NULL, raw at worst. */
const struct format *image_probe(const char *name, const uint8_t *head,
    size_t head_len, const uint8_t *tail, uint64_t size);

/* name is a path, "file:path" or "json:{...}"; NULL when args->options names
 * the file.  Under POLICY_PEER the texts are the peer's. */
struct image *image_open(const char *name, const struct open_args *,
    struct error *);

/* Is the file of this name one of the image's, or of those under it? */
bool image_uses(struct image *, const char *name);

/* Flushes, settles, closes the chain; NULL is allowed.  The image is gone in
 * any case; the error must reach the user (D9). */
int image_close(struct image *, struct error *);

/* A driver's open() names other files (data file, extents): image.c applies
 * the caller's policy, opens, and owns them in image.stores[]. */
int image_ref(struct image *, const char *name, struct opts *,
    struct store **, struct error *);

/* The name by which the image's backing file is opened: as recorded, relative
 * to the folder of the image.  The caller frees it. */
char *image_full_backing(const char *image_name, const char *backing);

/* Creates a file and an image in it, or fails and leaves none.  options: taken
 * by the format's table; *size may be SIZE_FROM_BACKING. */
#define SIZE_FROM_BACKING UINT64_MAX
struct image_create_args {
	const char *name;
	const struct format *format;
	uint64_t size;
	struct opts *options;	/* backing_file, backing_fmt and the table's */
	bool unchecked_backing;	/* -u: do not open it */
	bool incomplete;
	bool no_sync;		/* cache=unsafe: no barriers */
	enum open_policy policy;
	bool allow_external;	/* for what the backing file refers to */
	const struct opts *objects;	/* --object; borrowed */
	unsigned *made;		/* or NULL; out: which were not there before: 1
				 * the file, 2 its external data file */
};
int image_create(const struct image_create_args *, uint64_t *size,
    struct error *);

/*
 * For a job that fails after it has created "name": removes what was not there
 * before; what was is only emptied, so that it cannot pass for the whole.
 * Devices, and what cannot be reached, are left as they are.
 */
enum taken { TAKEN_AWAY, TAKEN_CONTENTS, TAKEN_NOTHING };
enum taken image_take_away(const char *name, bool made,
    const struct opts *objects);

/* Ends what create with "incomplete" began: from here on it opens. */
int image_finish(struct image *, struct error *);

int image_info(struct image *, struct image_info *, struct error *);
void image_info_fini(struct image_info *);

/* ---- mapping: map.c */

/* An extent is valid only between image_hold and image_drop, which hold the
 * gate of every writable layer shared: for one request or one piece of I/O,
 * never across waiting for a client. */
void image_hold(struct image *);
void image_drop(struct image *);

/* One answer for the whole chain: HOLE now means that no layer has the bytes;
 * *depth (if not NULL) counts the layers above the one that answered. */
int image_map(struct image *, uint64_t off, uint64_t len, enum map_why,
    struct extent *, unsigned *depth, struct error *);

/* The same for a walk from front to back over a chain nobody writes to:
 * remembers each layer's last answer, so that long holes of upper layers are
 * not looked at again. */
struct walk;
struct walk *walk_new(struct image *, struct error *);
void walk_free(struct walk *);
int walk_map(struct walk *, uint64_t off, uint64_t len, enum map_why,
    struct extent *, unsigned *depth, struct error *);

/* ---- I/O: io.c.  Each blocks until done; ranges past the end of the image
 * are EINVAL (reads, too). */

#define IO_FUA		1u	/* on stable storage when it returns */
#define IO_MAY_UNMAP	2u	/* image_zero: may give back the space */
#define IO_NO_FALLBACK	4u	/* image_zero: ENOTSUP rather than writing zeros */
#define IO_PACK		8u	/* image_write: compressed, whole units */

int image_read(struct image *, void *buf, uint64_t len, uint64_t off,
    struct error *);
int image_readv(struct image *, const struct iovec *, int n, uint64_t off,
    struct error *);
int image_write(struct image *, const void *buf, uint64_t len, uint64_t off,
    unsigned flags, struct error *);
int image_writev(struct image *, const struct iovec *, int n, uint64_t off,
    unsigned flags, struct error *);
int image_zero(struct image *, uint64_t off, uint64_t len, unsigned flags,
    struct error *);
int image_discard(struct image *, uint64_t off, uint64_t len, struct error *);
int image_flush(struct image *, struct error *);		/* D3 */
int image_resize(struct image *, uint64_t size, const char *prealloc,
    struct error *);
/* Drops all that this layer has, so that the backing image shows again.  What
 * was flushed to that before is durable when it returns (D8). */
int image_make_empty(struct image *, struct error *);
/* Rewrites the backing names, after everything else is durable; NULL, NULL
 * removes them.  The open chain stays as it is. */
int image_set_backing(struct image *, const char *name, const char *format,
    struct error *);

/* ---- batches */

enum io_op { IO_READ, IO_WRITE, IO_ZERO, IO_DISCARD, IO_FLUSH };

struct io_req {
	enum io_op op;
	unsigned flags;		/* IO_FUA, IO_MAY_UNMAP, IO_NO_FALLBACK */
	const struct iovec *iov; /* IO_READ, IO_WRITE */
	int iovcnt;
	uint64_t off, len;	/* len: of IO_ZERO and IO_DISCARD; of the others
				 * it is that of iov */
	int ret;		/* 0 or -errno, of this request alone */
};
/*
 * n requests at once; returns when all are done.  They may run in any order
 * and in parallel: none may depend on another, and a flush covers only what
 * was complete before the call.  Returns 0 when all succeeded; else one that
 * failed, whose text is in err.  Reads and writes in place of files opened
 * with O_DIRECT go to the kernel together (io_uring, where there is one); all
 * else is done one after the other.
 */
int image_submit(struct image *, struct io_req *, unsigned n, struct error *);

/* ---- persistent bitmaps: bitmap.c */

/*
 * The bitmap of this name as it was stored, with what this open image has
 * written since if it is enabled: of the top layer, else of the first layer
 * below that has one (as the peers find them).  An image opened at a snapshot
 * has none of its own.  One whose contents are in doubt (in-use after a crash)
 * is an error.  -ENOENT: there is none.
 */
int image_bitmap_open(struct image *, const char *name,
    struct image_bitmap **, struct error *);
void image_bitmap_close(struct image_bitmap *);	/* before the image */
/* Is the byte at off dirty, and for how many of the next len bytes (at least
 * one) is that so? Any thread. */
bool image_bitmap_run(struct image_bitmap *, uint64_t off, uint64_t len,
    uint64_t *run);

/* Reads what one extent of image_map() says into buf: e->len bytes. */
int extent_read(struct image *, const struct extent *, void *buf,
    struct error *);

/*
 * A write in two steps, for who wants to decide the order in which space is
 * given (convert) and do the rest in parallel.  begin() takes the gate and
 * the range, says in len how much of the request this piece covers (from its
 * front) and where it goes; then exactly one of finish() and cancel().
 * begin() with packed_len covers one whole unit; the caller of a packed write
 * puts the bytes at claim.dst itself and calls finish() with buf NULL.
 */
struct pending {
	struct image *image;
	struct pending *next;	/* claim_list */
	uint64_t off, len;	/* guest range of the caller's data */
	uint64_t lock_off, lock_len; /* whole units held; len 0: none */
	bool in_place;		/* no claim: dst is written as it is */
	struct claim claim;	/* claim.dst holds in both cases */
};
int image_write_begin(struct image *, uint64_t off, uint64_t len,
    uint32_t packed_len, struct pending *, struct error *);
int image_write_finish(struct pending *, const void *buf, struct error *);
void image_write_cancel(struct pending *);

#endif
