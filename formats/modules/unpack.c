/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * unpack.c - the contents of a compressed file as a read-only store
 *
 * Everything is unpacked exactly once, into a file without a name in TMPDIR
 * (/var/tmp), where zeros are holes; reads are answered from there.  A cache
 * in memory would be bounded only by giving up what it has, and an image that
 * is not read front to back (the tables of a qcow2 lie anywhere) would have
 * the same block unpacked again and again.
 *
 * A file is one piece or several (unpack/unpack.h).  Threads of the store take
 * the pieces one after the other, first those a reader waits for; each piece
 * has a mark up to which it is there, and a read waits until the mark has
 * passed its end.  So reading overlaps with unpacking, and where there are
 * several pieces, all processors unpack.
 *
 * The size of the contents must be known before anybody can use the store.
 * Some files tell: their decoders hold them to it, and opening is quick.  The
 * others (gzip, bzip2, zstd from a pipe) are unpacked to the end before open
 * returns.
 *
 * Memory: buffers, and dictionaries of at most BUDGET bytes in all, or of one
 * decoder alone up to DICT_MAX.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/threads.h"
#include "modules/unpack/unpack.h"
#include "store/protocol.h"

enum {
	BUDGET = 64 << 20,
	DICT_MAX = 136 << 20,	/* zstd -22 and xz -9, and some more */
	OUT_SIZE = 512 << 10,	/* unpacked in one step */
	BLOCK = 4096,		/* grain of holes */
	PIECES = 16384,		/* about so many at most ... */
	PIECE_MIN = 1 << 20,	/* ... and no smaller than this */
	TICK_MS = 100,
};

enum piece_state { PIECE_IDLE, PIECE_BUSY, PIECE_DONE, PIECE_FAILED };

struct piece {
	uint64_t in, in_len;	/* in the packed file */
	uint64_t out, len;	/* in the contents; len may be a bound */
	uint64_t place;		/* in the spool file */
	uint64_t done;		/* so much of it is there */
	enum piece_state state;
	bool wanted;		/* IDLE, and a reader waits */
	struct error *err;	/* FAILED: why */
};

struct unpack {
	struct store *packed;
	const struct packing *kind;
	struct plan plan;
	int spool;
	struct unpack_args args;
	_Atomic uint64_t eaten;	/* packed bytes read */

	pthread_mutex_t lock;	/* guards what follows, and the pieces */
	pthread_cond_t moved;	/* a mark, a state, or memory */
	unsigned next;		/* piece to go on with */
	unsigned wanted, unfinished;
	struct piece *failed;	/* the first that did; NULL: none */
	uint64_t memory;	/* of the decoders' dictionaries */
	bool stop;
	unsigned threads;
	pthread_t thread[THREADS_MAX];
};

/* ---- input */

int input_fill(struct input *in, struct error *err)
{
	size_t n = min64(in->size, in->end - in->at);
	int rc;

	if (in->pos < in->len || !n)
		return 0;
	in->pos = in->len = 0;
	rc = store_pread(in->store, in->buf, n, in->at, EVENT_DATA, err);
	if (rc)
		return rc;
	in->at += n;
	in->len = n;
	if (in->eaten)
		atomic_fetch_add(in->eaten, n);
	return 0;
}

int input_peek(struct input *in, size_t n, struct error *err)
{
	size_t have = input_have(in), more;
	int rc;

	if (have >= n)
		return 0;
	memmove(in->buf, in->buf + in->pos, have);
	in->pos = 0;
	in->len = have;
	more = min64(in->size - have, in->end - in->at);
	rc = store_pread(in->store, in->buf + have, more, in->at, EVENT_DATA,
	    err);
	if (rc)
		return rc;
	in->at += more;
	in->len += more;
	if (in->eaten)
		atomic_fetch_add(in->eaten, more);
	return 0;
}

/* ---- the plan */

int plan_add(struct plan *plan, uint64_t in, uint64_t in_len, uint64_t len,
    struct error *err)
{
	struct piece *p = plan->count ? &plan->piece[plan->count - 1] : NULL;

	if (!add_ok(plan->size, len, &plan->size) || plan->size > SIZE_LIMIT)
		return error_set(err, EFBIG,
		    "the unpacked size is out of range");
	if (p && (p->in_len < plan->in_grain || p->len < PIECE_MIN)) {
		p->in_len = in + in_len - p->in;
		p->len += len;
		return 0;
	}
	if (plan->count == plan->max) {
		plan->max = plan->max ? 2 * plan->max : 16;
		p = realloc(plan->piece, plan->max * sizeof(*p));
		if (!p)
			return error_errno(err, ENOMEM, "unpacking");
		plan->piece = p;
	}
	plan->piece[plan->count++] = (struct piece){ .in = in,
	    .in_len = in_len, .out = plan->size - len, .len = len };
	return 0;
}

/* Where each piece goes in the spool file: a bound leaves a hole behind. */
static int make_plan(struct unpack *u, struct error *err)
{
	struct plan *plan = &u->plan;
	uint64_t size = store_size(u->packed), place = 0;
	int rc = 0;

	plan->in_grain = size / PIECES;
	if (u->kind->plan)
		rc = u->kind->plan(u->packed, plan, err);
	if (rc || plan->pieces_known)
		goto placed;
	plan->count = 0;
	plan->size = 0;
	rc = plan_add(plan, 0, size, SIZE_LIMIT, err);
placed:
	for (unsigned i = 0; !rc && i < plan->count; i++) {
		struct piece *p = &plan->piece[i];

		p->place = plan->sizes_known ? p->out : place;
		if (!add_ok(place, p->len, &place) || place > SIZE_LIMIT)
			return error_set(err, EFBIG,
			    "the unpacked size is out of range");
		place = align_up(place, BLOCK);
	}
	u->unfinished = plan->count;
	return rc;
}

/* ---- the spool file */

static const char *spool_folder(void)
{
	const char *folder = secure_getenv("TMPDIR");

	return folder && *folder ? folder : "/var/tmp";
}

static int open_spool(int *fd, struct error *err)
{
	AUTO_FREE char *name = NULL;

	*fd = open(spool_folder(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (*fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		if (asprintf(&name, "%s/cowbird-XXXXXX", spool_folder()) < 0) {
			name = NULL;
			return error_errno(err, ENOMEM, "unpacking");
		}
		*fd = mkostemp(name, O_CLOEXEC);
		if (*fd >= 0)
			unlink(name);
	}
	return *fd < 0 ? error_errno(err, errno, "a temporary file in '%s', "
	    "where contents are unpacked (TMPDIR names another folder)",
	    spool_folder()) : 0;
}

static int spool_error(int code, struct error *err)
{
	if (code == ENOSPC || code == EDQUOT || code == EFBIG)
		return error_errno(err, code, "the temporary file in '%s' has "
		    "no room for the unpacked contents (TMPDIR names another "
		    "folder)", spool_folder());
	return error_errno(err, code, "the temporary file in '%s'",
	    spool_folder());
}

static int spool_write(int fd, const uint8_t *buf, size_t len, uint64_t off,
    struct error *err)
{
	while (len) {
		ssize_t n = pwrite(fd, buf, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return spool_error(n ? errno : EIO, err);
		buf += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* All blocks but those of zeros: the file is new, they are holes. */
static int spool_put(int fd, const uint8_t *buf, size_t len, uint64_t off,
    struct error *err)
{
	size_t from = 0, at = 0, next;
	int rc = 0;

	for (; !rc && at < len; at = next) {
		next = min64(align_down(off + at, BLOCK) + BLOCK - off, len);
		if (!bytes_are_zero(buf + at, next - at))
			continue;
		rc = spool_write(fd, buf + from, at - from, off + from, err);
		from = next;
	}
	return rc ? rc : spool_write(fd, buf + from, at - from, off + from,
	    err);
}

static int spool_read(int fd, uint8_t *buf, size_t len, uint64_t off,
    struct error *err)
{
	while (len) {
		ssize_t n = pread(fd, buf, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return spool_error(errno, err);
		if (!n) {	/* zeros at the end were not written */
			memset(buf, 0, len);
			return 0;
		}
		buf += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* ---- waiting */

/* For something to move, a while at most; false: the user has had enough. */
static bool wait_moved(struct unpack *u, bool opening)
{
	const struct unpack_args *a = &u->args;
	struct timespec until;
	bool go;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += TICK_MS * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&u->moved, &u->lock, &until);
	if (!a->going)
		return true;
	pthread_mutex_unlock(&u->lock);
	go = a->going(a->going_arg, atomic_load(&u->eaten),
	    opening ? store_size(u->packed) : 0);
	pthread_mutex_lock(&u->lock);
	return go;
}

int decoder_memory(struct decoder *d, uint64_t bytes, struct error *err)
{
	struct unpack *u = d->u;
	LOCKED(&u->lock);

	if (bytes > DICT_MAX)
		return error_set(err, EFBIG, "unpacking needs %llu MiB of "
		    "memory, more than the limit of %d MiB",
		    (unsigned long long)(bytes >> 20), DICT_MAX >> 20);
	if (bytes <= d->memory)
		return 0;
	u->memory -= d->memory;
	d->memory = 0;
	while (!u->stop && u->memory && u->memory + bytes > BUDGET)
		pthread_cond_wait(&u->moved, &u->lock);
	if (u->stop)
		return error_set(err, EINTR, "interrupted");
	u->memory += bytes;
	d->memory = bytes;
	return 0;
}

/* ---- the threads */

/* The next piece: one that is waited for, else the next that is not there. */
static struct piece *take(struct unpack *u)
{
	struct plan *plan = &u->plan;
	unsigned n = plan->count;
	LOCKED(&u->lock);

	for (unsigned k = 0; k < n && !u->stop; k++) {
		unsigned i = (u->next + k) % n;
		struct piece *p = &plan->piece[i];

		if (p->state != PIECE_IDLE || (u->wanted && !p->wanted))
			continue;
		u->wanted -= p->wanted;
		p->wanted = false;
		p->state = PIECE_BUSY;
		u->next = (i + 1) % n;
		return p;
	}
	return NULL;
}

/* So much more is there, or the piece is at its end. */
static bool mark(struct unpack *u, struct piece *p, uint64_t n,
    enum piece_state state)
{
	LOCKED(&u->lock);

	p->done += n;
	p->state = state;
	if (state != PIECE_BUSY)
		u->unfinished--;
	if (state == PIECE_FAILED && !u->failed)
		u->failed = p;
	pthread_cond_broadcast(&u->moved);
	return !u->stop;
}

/* The mark stays one step behind: the last bytes are given out when all sums
 * are found to be right, so that nobody has the whole of what is damaged. */
static int unpack_piece(struct unpack *u, struct piece *p, struct decoder *d,
    uint8_t *buf, struct error *err)
{
	uint64_t done = 0;
	size_t n, held = 0;
	int rc = u->kind->begin(d, err);

	while (!rc && !d->done) {
		if ((rc = u->kind->read(d, buf, OUT_SIZE, &n, err)))
			break;
		if (n > p->len - done)
			return error_set(err, EIO, "corrupt %s data: more "
			    "contents than it says", u->kind->name);
		rc = spool_put(u->spool, buf, n, p->place + done, err);
		done += n;
		if (!rc && !d->done && !mark(u, p, held, PIECE_BUSY))
			return error_set(err, EINTR, "interrupted");
		held = n;
	}
	if (!rc && u->plan.sizes_known && done != p->len)
		return error_set(err, EIO, "corrupt %s data: less contents "
		    "than it says", u->kind->name);
	if (!rc)
		mark(u, p, done - p->done, PIECE_DONE);
	return rc;
}

static void fail(struct unpack *u, struct piece *p, const struct error *err)
{
	p->err = malloc(sizeof(*err));
	if (p->err)
		*p->err = *err;
	mark(u, p, 0, PIECE_FAILED);
}

static void *work(void *arg)
{
	struct unpack *u = arg;
	AUTO_FREE uint8_t *in = malloc(INPUT_SIZE);
	AUTO_FREE uint8_t *out = malloc(OUT_SIZE);
	struct piece *p;

	while ((p = take(u))) {
		struct decoder d = { .u = u, .index = u->plan.index,
		    .out = p->out, .len = p->len,
		    .in = { .store = u->packed, .at = p->in,
		    .end = p->in + p->in_len, .buf = in, .size = INPUT_SIZE,
		    .eaten = &u->eaten } };
		struct error err;
		int rc = in && out ? unpack_piece(u, p, &d, out, &err) :
		    error_errno(&err, ENOMEM, "unpacking");

		u->kind->end(&d);
		if (rc)
			fail(u, p, &err);
		LOCKED(&u->lock);
		u->memory -= d.memory;
		pthread_cond_broadcast(&u->moved);
	}
	return NULL;
}

static int start(struct unpack *u, struct error *err)
{
	unsigned n = min64(threads_wanted(0), u->plan.count);
	int code = 0;

	while (u->threads < n && !code) {
		code = pthread_create(&u->thread[u->threads], NULL, work, u);
		u->threads += !code;
	}
	return n && !u->threads ? error_errno(err, code, "unpacking") : 0;
}

static int failure(const struct piece *p, struct error *err)
{
	if (!p->err)
		return error_errno(err, ENOMEM, "unpacking");
	*err = *p->err;
	return -err->code;
}

/* What could not tell its size: unpacked to the end, then it is known. */
static int finish(struct unpack *u, struct error *err)
{
	struct plan *plan = &u->plan;
	unsigned n = 0;
	int rc = 0;
	LOCKED(&u->lock);

	while (u->unfinished && !u->failed)
		if (!wait_moved(u, true))
			return error_set(err, EINTR, "interrupted");
	if (u->failed)
		return failure(u->failed, err);
	plan->size = 0;
	for (unsigned i = 0; i < plan->count && !rc; i++) {
		struct piece *p = &plan->piece[i];

		p->out = plan->size;
		p->len = p->done;
		if (!add_ok(plan->size, p->len, &plan->size) ||
		    plan->size > SIZE_LIMIT)
			rc = error_set(err, EFBIG,
			    "the unpacked size is out of range");
		if (p->len)
			plan->piece[n++] = *p;
	}
	if (!rc)
		plan->count = n;
	return rc;
}

/* ---- the store */

/* The piece that has this byte of the contents. */
static struct piece *find(const struct unpack *u, uint64_t off)
{
	unsigned low = 0, high = u->plan.count;

	while (high - low > 1) {
		unsigned mid = low + (high - low) / 2;

		if (u->plan.piece[mid].out <= off)
			low = mid;
		else
			high = mid;
	}
	return &u->plan.piece[low];
}

/* Until the first "need" bytes of a piece are there; *have: how many are. */
static int await(struct unpack *u, struct piece *p, uint64_t need,
    uint64_t *have, struct error *err)
{
	LOCKED(&u->lock);

	while (p->done < need && p->state != PIECE_FAILED) {
		if (p->state == PIECE_IDLE && !p->wanted) {
			p->wanted = true;
			u->wanted++;
		}
		if (!wait_moved(u, false))
			return error_set(err, EINTR, "interrupted");
	}
	*have = p->done;
	if (p->done >= need)
		return 0;
	failure(p, err);
	return error_prefix(err, "'%s'", u->packed->name);
}

static int read_one(struct store *s, uint8_t *buf, size_t len, uint64_t off,
    struct error *err)
{
	struct unpack *u = s->state;
	uint64_t have, size = store_size(s);
	size_t n;
	int rc = 0;

	for (; len && off < size && !rc; buf += n, off += n, len -= n) {
		struct piece *p = find(u, off);
		uint64_t at = off - p->out;

		n = min64(len, p->len - at);
		rc = await(u, p, at + n, &have, err);
		if (!rc)
			rc = spool_read(u->spool, buf, n, p->place + at, err);
	}
	if (!rc && len)
		memset(buf, 0, len);
	return rc;
}

static int unpack_preadv(struct store *s, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	int rc = 0;

	for (int i = 0; i < n && !rc; off += iov[i++].iov_len)
		rc = read_one(s, iov[i].iov_base, iov[i].iov_len, off, err);
	return rc;
}

static int unpack_extent(struct store *s, uint64_t off, uint64_t len,
    bool *data, uint64_t *run, struct error *err)
{
	struct unpack *u = s->state;
	struct piece *p = find(u, off);
	uint64_t at = off - p->out, have;
	off_t from = (off_t)(p->place + at), to;

	/* Of what cannot be read it is not known: the read will tell. */
	*data = true;
	*run = min64(len, p->len - at);
	if (await(u, p, at + 1, &have, err))
		return err->code == EINTR ? -EINTR : 0;
	*run = min64(len, have - at);
	to = lseek(u->spool, from, SEEK_DATA);
	if (to < 0 && errno != ENXIO)
		to = from;	/* no such thing here: all is data */
	*data = to == from;
	if (*data)
		to = lseek(u->spool, from, SEEK_HOLE);
	if (to > from)
		*run = min64(*run, (uint64_t)(to - from));
	return 0;
}

/* It is the packed file for all who ask which file that is, and how large. */
static int unpack_stat(struct store *s, struct store_stat *st,
    struct error *err)
{
	return store_stat(((struct unpack *)s->state)->packed, st, err);
}

static int destroy(struct unpack *u, struct error *err)
{
	int rc;

	pthread_mutex_lock(&u->lock);
	u->stop = true;
	pthread_cond_broadcast(&u->moved);
	pthread_mutex_unlock(&u->lock);
	while (u->threads)
		pthread_join(u->thread[--u->threads], NULL);
	for (unsigned i = 0; i < u->plan.count; i++)
		free(u->plan.piece[i].err);
	free(u->plan.piece);
	if (u->kind->plan_fini && u->plan.index)
		u->kind->plan_fini(&u->plan);
	if (u->spool >= 0)
		close(u->spool);
	pthread_mutex_destroy(&u->lock);
	pthread_cond_destroy(&u->moved);
	rc = store_close(u->packed, err);
	free(u);
	return rc;
}

static int unpack_close(struct store *s, struct error *err)
{
	return destroy(s->state, err);
}

static const struct store_ops ops = {
	.name = "unpack",
	.preadv = unpack_preadv,
	.extent = unpack_extent,
	.stat = unpack_stat,
	.close = unpack_close,
};

/* ---- opening */

static const struct packing *kind_of(struct store *packed, struct error *err)
{
	uint8_t head[6];

	if (store_pread(packed, head, sizeof(head), 0, EVENT_HEADER_READ, err))
		return NULL;
	switch (head[0]) {
	case 0x1f: return &packing_gzip;
	case 'B': return &packing_bzip2;
	case 0xfd: return &packing_xz;
	default: return &packing_zstd;	/* or skippable frames, as zstd has */
	}
}

static struct unpack *new_unpack(struct store *packed,
    const struct unpack_args *args, struct error *err)
{
	struct unpack *u = calloc(1, sizeof(*u));
	pthread_condattr_t attr;

	if (!u) {
		error_errno(err, ENOMEM, "unpacking");
		return NULL;
	}
	u->packed = packed;
	if (args)
		u->args = *args;
	u->spool = -1;
	pthread_mutex_init(&u->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&u->moved, &attr);
	pthread_condattr_destroy(&attr);
	return u;
}

static struct store *wrap(struct store *packed, const struct unpack_args *args,
    struct error *err)
{
	const struct packing *kind = kind_of(packed, err);
	struct unpack *u = NULL;
	struct error ignored;
	struct store *s = NULL;

	if (kind && kind->missing)
		error_set(err, ENOTSUP, "%s files need %s, which this build "
		    "of cowbird is without", kind->name, kind->missing);
	else if (kind)
		u = new_unpack(packed, args, err);
	if (!u) {
		store_close(packed, &ignored);
		return NULL;
	}
	u->kind = kind;
	if (make_plan(u, err) || open_spool(&u->spool, err) || start(u, err) ||
	    (!u->plan.sizes_known && finish(u, err)))
		goto fail;
	s = store_new(&ops, packed->name);
	if (!s) {
		error_errno(err, ENOMEM, "unpacking");
		goto fail;
	}
	s->state = u;
	atomic_store(&s->size, u->plan.size);
	return s;
fail:
	destroy(u, &ignored);
	return NULL;
}

static const char *const none[] = { NULL };

static const struct protocol unpack_protocol = {
	.drivers = none,
	.schemes = none,
	.wrap = wrap,
};

MODULE(&unpack_protocol);
