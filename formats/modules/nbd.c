/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd.c - a store in an export of an NBD server
 *
 * A request becomes commands no larger than the server takes, all on their
 * way at once.  Where it does not fit the server's blocks, or comes in crumbs
 * of memory, it goes through a buffer: reads are widened to whole blocks, a
 * write reads the rest of its first and last block before, one such write at
 * a time.
 *
 * What is data and what are zeros is asked for large ranges, and the answer
 * kept until something in it is written, or for a second: others may write,
 * too.
 *
 * An export has the size it has.  What lies behind its end, within the last
 * sector, reads as zeros and may be written with zeros.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "modules/nbd/remote.h"

enum {
	PIECE = 512 << 10,	/* bytes of one read or write */
	CRUMB = 16 << 10,	/* pieces of memory below are put together */
	BATCH = 64,		/* commands of one pool_run() */
	SLICE = 1 << 20,	/* bytes that go through a buffer at once */
	SECTOR = 512,
	RUNS = 4096,		/* of a block status, kept */
	STATUS_MIN = 64 << 20,	/* bytes to ask for at least */
	STATUS_MAX = 1 << 30,
	TRIM_MAX = 1 << 30,
	STALE_MS = 1000,
};

/* What the server said last: runs from "from" on. */
struct window {
	pthread_mutex_t lock;	/* guards all of it; taken last */
	uint64_t from, asked_ms;
	uint64_t writes;	/* so many have ended */
	struct status_answer answer;
};

struct nbd {
	struct server server;
	struct pool *pool;
	const struct export_info *info;
	pthread_mutex_t patch;	/* guards: one write of part of a block */
	struct window window;
};

/* ---- commands */

static int command_failed(const struct store *s, const struct command *c,
    struct error *err)
{
	static const char *const doing[] = { [CMD_READ] = "reading",
	    [CMD_WRITE] = "writing", [CMD_ZERO] = "writing zeros to",
	    [CMD_TRIM] = "discarding in", [CMD_FLUSH] = "flushing",
	    [CMD_STATUS] = "block status of" };

	return error_errno(err, c->error, "%s '%s' at offset %" PRIu64,
	    doing[c->kind], s->name, c->off);
}

/* Runs them; the first that failed is the error. */
static int run(struct store *s, struct command *c, unsigned n,
    struct error *err)
{
	struct nbd *nbd = s->state;
	int rc = pool_run(nbd->pool, c, n, err);

	for (unsigned i = 0; !rc && i < n; i++)
		if (c[i].error)
			rc = command_failed(s, &c[i], err);
	return rc;
}

/* A range without memory (zeros, trim), in commands of at most max bytes. */
static int run_range(struct store *s, enum command_kind kind, uint32_t flags,
    uint64_t off, uint64_t len, uint64_t max, struct error *err)
{
	struct command c[BATCH];
	unsigned n;
	int rc = 0;

	while (len && !rc) {
		for (n = 0; n < BATCH && len; n++) {
			c[n] = (struct command){ .kind = kind, .flags = flags,
			    .off = off, .len = min64(len, max) };
			off += c[n].len;
			len -= c[n].len;
		}
		rc = run(s, c, n, err);
	}
	return rc;
}

/* ---- memory in pieces */

/* A place in an iovec. */
struct cursor {
	const struct iovec *iov;
	size_t skip;
};

static size_t cursor_room(struct cursor *at)
{
	while (at->skip == at->iov->iov_len) {
		at->iov++;
		at->skip = 0;
	}
	return at->iov->iov_len - at->skip;
}

static void *cursor_take(struct cursor *at, size_t len)
{
	void *p = (char *)at->iov->iov_base + at->skip;

	at->skip += len;
	return p;
}

/* ---- reading and writing */

/* Can the memory be used as it is? */
static bool fits(const struct nbd *nbd, const struct iovec *iov, int n,
    uint64_t off, uint64_t len)
{
	uint32_t block = nbd->info->min_block;

	if ((off | len) % block)
		return false;
	for (int i = 0; n > 1 && i < n; i++)
		if (iov[i].iov_len % block || (iov[i].iov_len < CRUMB &&
		    iov[i].iov_len))
			return false;
	return true;
}

static int transfer(struct store *s, enum command_kind kind,
    const struct iovec *iov, uint64_t off, uint64_t len, struct error *err)
{
	const struct nbd *nbd = s->state;
	uint64_t piece = min64(PIECE, nbd->info->max_block);
	struct cursor at = { iov, 0 };
	struct command c[BATCH];
	unsigned n;
	int rc = 0;

	while (len && !rc) {
		for (n = 0; n < BATCH && len; n++) {
			c[n] = (struct command){ .kind = kind, .off = off };
			c[n].len = min64(min64(cursor_room(&at), piece), len);
			c[n].buf = cursor_take(&at, (size_t)c[n].len);
			off += c[n].len;
			len -= c[n].len;
		}
		rc = run(s, c, n, err);
	}
	return rc;
}

static int transfer_buf(struct store *s, enum command_kind kind, void *buf,
    uint64_t off, uint64_t len, struct error *err)
{
	struct iovec iov = { buf, (size_t)len };

	return transfer(s, kind, &iov, off, len, err);
}

/* Through a buffer, one slice of whole blocks after the other. */
static int transfer_slices(struct store *s, bool write,
    const struct iovec *iov, uint64_t off, uint64_t len, struct error *err)
{
	struct nbd *nbd = s->state;
	uint32_t block = nbd->info->min_block;
	uint64_t start = off, end = off + len, from, to;
	/* Other writes of whole blocks do not meet ours. */
	bool patch = write && (off | len) % block;
	AUTO_FREE uint8_t *buf = malloc((size_t)min64(SLICE,
	    align_up(end, block) - align_down(off, block)));
	int rc = 0;

	if (!buf)
		return error_errno(err, ENOMEM, "'%s'", s->name);
	if (patch)
		pthread_mutex_lock(&nbd->patch);
	for (; off < end && !rc; off = to) {
		uint64_t first = align_down(off, block), last;

		to = min64(end, first + SLICE);
		last = align_up(to, block);
		from = off;
		if (!write) {
			rc = transfer_buf(s, CMD_READ, buf, first,
			    last - first, err);
			if (!rc)
				iov_put(iov, from - start,
				    buf + (from - first), to - from);
			continue;
		}
		if (first < from)
			rc = transfer_buf(s, CMD_READ, buf, first, block, err);
		if (!rc && to < last && (first == from ||
		    last - block != first))
			rc = transfer_buf(s, CMD_READ,
			    buf + (last - block - first), last - block, block,
			    err);
		if (rc)
			break;
		iov_get(iov, from - start, buf + (from - first), to - from);
		rc = transfer_buf(s, CMD_WRITE, buf, first, last - first, err);
	}
	if (patch)
		pthread_mutex_unlock(&nbd->patch);
	return rc;
}

/* Bytes of the request that are in the export. */
static uint64_t inside(struct store *s, uint64_t off, uint64_t len)
{
	uint64_t size = store_size(s);

	return off < size ? min64(len, size - off) : 0;
}

static int past_end(struct store *s, uint64_t off, struct error *err)
{
	return error_errno(err, ENOSPC, "writing '%s' at offset %" PRIu64
	    ", beyond its end", s->name, off);
}

static int export_preadv(struct store *s, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	uint64_t len = iov_total(iov, n), have = inside(s, off, len);

	iov_put(iov, have, NULL, len - have);
	if (!have)
		return 0;
	return fits(s->state, iov, n, off, have) ?
	    transfer(s, CMD_READ, iov, off, have, err) :
	    transfer_slices(s, false, iov, off, have, err);
}

/* The end may lie within a sector: what a writer of whole sectors has behind
 * it is no loss if it is zeros. */
static bool may_drop(struct store *s, const struct iovec *iov, uint64_t off,
    uint64_t len, uint64_t have)
{
	uint8_t rest[SECTOR];

	if (align_up(store_size(s), SECTOR) < off + len)
		return false;
	iov_get(iov, have, rest, len - have);
	return bytes_are_zero(rest, len - have);
}

/* Forgets what the server said of this range: after a change has ended, so
 * that an answer on its way is older than this, or knows. */
static void changed(struct nbd *nbd, uint64_t off, uint64_t len)
{
	struct window *w = &nbd->window;
	struct status_answer *a = &w->answer;
	LOCKED(&w->lock);

	w->writes++;
	if (a->n && off < a->run[a->n - 1].end && off + len > w->from)
		a->n = 0;
}

static int export_pwritev(struct store *s, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	uint64_t len = iov_total(iov, n), have = inside(s, off, len);
	int rc = 0;

	if (have < len && !may_drop(s, iov, off, len, have))
		return past_end(s, off, err);
	if (!have)
		return 0;
	rc = fits(s->state, iov, n, off, have) ?
	    transfer(s, CMD_WRITE, iov, off, have, err) :
	    transfer_slices(s, true, iov, off, have, err);
	changed(s->state, off, have);
	return rc;
}

/* All of the batch at once, where each can go as it is. */
static int export_submit(struct store *s, struct store_req *reqs, unsigned n,
    struct error *err)
{
	struct nbd *nbd = s->state;
	uint64_t piece = min64(PIECE, nbd->info->max_block);
	struct command c[BATCH];
	struct error e;
	unsigned sent = 0;
	int rc = 0;

	for (unsigned i = 0; i < n; i++) {
		struct store_req *r = &reqs[i];
		uint64_t len = iov_total(r->iov, r->n);

		r->ret = 0;
		if (sent < BATCH && r->n == 1 && len <= piece &&
		    inside(s, r->off, len) == len &&
		    fits(nbd, r->iov, 1, r->off, len)) {
			c[sent++] = (struct command){ .tag = i, .len = len,
			    .kind = r->write ? CMD_WRITE : CMD_READ,
			    .off = r->off, .buf = r->iov->iov_base };
			continue;
		}
		r->ret = (r->write ? export_pwritev : export_preadv)(s, r->iov, r->n,
		    r->off, EVENT_DATA, &e);
		if (r->ret && !rc) {
			rc = r->ret;
			*err = e;
		}
	}
	if (pool_run(nbd->pool, c, sent, &e)) {
		for (unsigned i = 0; i < sent; i++)
			reqs[c[i].tag].ret = -e.code;
		if (sent && !rc)
			*err = e;
		rc = rc ? rc : -e.code;
	}
	for (unsigned i = 0; i < sent; i++) {
		struct store_req *r = &reqs[c[i].tag];

		if (c[i].error && !r->ret) {
			r->ret = command_failed(s, &c[i], rc ? &e : err);
			rc = rc ? rc : r->ret;
		}
		if (r->write)
			changed(nbd, c[i].off, c[i].len);
	}
	return rc;
}

/* ---- space */

static int no_zeros(struct store *s, struct error *err)
{
	return error_set(err, ENOTSUP, "'%s' has no fast zeros", s->name);
}

/* Zeros in part of a block. */
static int zero_edge(struct store *s, uint64_t off, uint64_t len,
    struct error *err)
{
	static const uint8_t zeros[64 << 10];	/* the largest block */
	struct iovec iov = { (void *)(uintptr_t)zeros, (size_t)len };

	return len ? transfer_slices(s, true, &iov, off, len, err) : 0;
}

static int export_zero(struct store *s, uint64_t off, uint64_t len,
    unsigned flags, struct error *err)
{
	const struct nbd *nbd = s->state;
	const struct export_info *x = nbd->info;
	uint64_t have = inside(s, off, len), end = off + have;
	uint64_t from = align_up(off, x->min_block);
	uint64_t to = align_down(end, x->min_block);
	uint32_t how = flags & STORE_MAY_PUNCH ? 0 : LIBNBD_CMD_FLAG_NO_HOLE;
	int rc;

	if (have < len && align_up(store_size(s), SECTOR) < off + len)
		return past_end(s, off, err);
	if (!have)
		return 0;
	if (!x->zero || from >= to ||
	    (flags & STORE_NO_FALLBACK && !x->fast_zero))
		return no_zeros(s, err);
	if (flags & STORE_NO_FALLBACK)
		how |= LIBNBD_CMD_FLAG_FAST_ZERO;
	rc = run_range(s, CMD_ZERO, how, from, to - from, x->max_block, err);
	if (rc == -EOPNOTSUPP)
		rc = no_zeros(s, err);
	if (!rc && !(rc = zero_edge(s, off, from - off, err)))
		rc = zero_edge(s, to, end - to, err);
	changed(s->state, off, have);
	return rc;
}

static int export_punch(struct store *s, uint64_t off, uint64_t len,
    struct error *err)
{
	const struct nbd *nbd = s->state;
	const struct export_info *x = nbd->info;
	uint64_t from = align_up(off, x->min_block);
	uint64_t to = align_down(off + len, x->min_block);
	int rc;

	if (!x->trim)
		return error_set(err, ENOTSUP, "'%s' cannot give back space",
		    s->name);
	if (from >= to)
		return 0;
	rc = run_range(s, CMD_TRIM, 0, from, to - from, TRIM_MAX, err);
	changed(s->state, from, to - from);
	return rc;
}

/* ---- block status */

/* The run at off in the window; false: it does not say. Lock held. */
static bool look(const struct window *w, uint64_t off, uint32_t *flags,
    uint64_t *end)
{
	const struct status_answer *a = &w->answer;
	unsigned low = 0, high = a->n;

	if (!a->n || off < w->from || off >= a->run[a->n - 1].end)
		return false;
	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (a->run[mid].end <= off)
			low = mid + 1;
		else
			high = mid;
	}
	*flags = a->run[low].flags;
	*end = a->run[low].end;
	return true;
}

/* An answer that says nothing, or of more than there is, is a lie; but less
 * than a sector beyond the end is how some servers round. */
static int check_answer(struct store *s, struct status_answer *a,
    struct error *err)
{
	uint64_t size = store_size(s);

	if (!a->given || !a->n)
		return error_set(err, EPROTO, "the server of '%s' does not "
		    "answer for block status", s->name);
	if (a->run[a->n - 1].end > align_up(size, SECTOR))
		return error_set(err, EPROTO, "the server of '%s' tells of "
		    "extents beyond its end", s->name);
	return 0;
}

/* Asks the server, and puts the answer into the window unless something was
 * written meanwhile. */
static int ask(struct store *s, uint64_t off, uint64_t len, uint32_t *flags,
    uint64_t *end, struct error *err)
{
	struct nbd *nbd = s->state;
	struct window *w = &nbd->window, fresh = { .from = off,
	    .asked_ms = clock_ms(), .answer.max = RUNS };
	struct command c = { .kind = CMD_STATUS, .status = &fresh.answer,
	    .off = off };
	struct status_run *old;
	uint64_t writes;
	int rc;

	/* More than was asked for, since the next question will be on. */
	c.len = min64(max64(len, STATUS_MIN), STATUS_MAX);
	c.len = min64(c.len, store_size(s) - off);
	fresh.answer.run = malloc(RUNS * sizeof(*fresh.answer.run));
	if (!fresh.answer.run)
		return error_errno(err, ENOMEM, "'%s'", s->name);
	pthread_mutex_lock(&w->lock);
	writes = w->writes;
	pthread_mutex_unlock(&w->lock);
	rc = run(s, &c, 1, err);
	if (!rc)
		rc = check_answer(s, &fresh.answer, err);
	if (rc) {
		free(fresh.answer.run);
		return rc;
	}
	look(&fresh, off, flags, end);
	pthread_mutex_lock(&w->lock);
	old = fresh.answer.run;
	if (writes == w->writes) {
		old = w->answer.run;
		w->from = fresh.from;
		w->asked_ms = fresh.asked_ms;
		w->answer = fresh.answer;
	}
	pthread_mutex_unlock(&w->lock);
	free(old);
	return 0;
}

static int export_status(struct store *s, uint64_t off, uint64_t len,
    unsigned *flags, uint64_t *run, struct error *err)
{
	struct nbd *nbd = s->state;
	uint64_t from = align_down(off, nbd->info->min_block), end;
	uint32_t said;
	bool known;
	int rc;

	*flags = 0;
	*run = len;
	if (!nbd->info->status)
		return 0;
	pthread_mutex_lock(&nbd->window.lock);
	known = clock_ms() - nbd->window.asked_ms < STALE_MS &&
	    look(&nbd->window, off, &said, &end);
	pthread_mutex_unlock(&nbd->window.lock);
	if (!known && (rc = ask(s, from, align_up(off + len - from,
	    nbd->info->min_block), &said, &end, err)))
		return rc;
	*run = min64(end - off, len);
	/* Of a context that is not base:allocation its lowest bit alone is
	 * shown, as the peers show it: the others must not pass for zeros. */
	*flags = said & (nbd->server.context ? LIBNBD_STATE_HOLE :
	    LIBNBD_STATE_HOLE | LIBNBD_STATE_ZERO);
	return 0;
}

_Static_assert(STORE_HOLE == LIBNBD_STATE_HOLE &&
    STORE_ZERO == LIBNBD_STATE_ZERO, "flags pass as they are");

static int export_extent(struct store *s, uint64_t off, uint64_t len,
    bool *data, uint64_t *run, struct error *err)
{
	unsigned flags;
	int rc = export_status(s, off, len, &flags, run, err);

	*data = !(flags & STORE_ZERO);
	return rc;
}

/* ---- the whole export */

static int export_sync(struct store *s, struct error *err)
{
	struct nbd *nbd = s->state;

	return pool_flush(nbd->pool, err);
}

static int export_resize(struct store *s, uint64_t size,
    enum store_prealloc prealloc, struct error *err)
{
	return size == store_size(s) ? 0 :
	    error_set(err, ENOTSUP, "Cannot resize NBD nodes");
}

static int export_stat(struct store *s, struct store_stat *st,
    struct error *err)
{
	*st = (struct store_stat){ .allocated = STORE_UNKNOWN,
	    .block_device = true };
	return 0;
}

/* Who asked for no flushes hears here that one would have failed. */
static int export_close(struct store *s, struct error *err)
{
	struct nbd *nbd = s->state;
	int rc = 0;

	if (nbd->pool && s->no_sync && pool_torn(nbd->pool))
		rc = error_set(err, EIO, "the NBD server at '%s' was lost "
		    "meanwhile: what it had taken before may be lost, too",
		    nbd->server.address);
	pool_close(nbd->pool);
	server_fini(&nbd->server);
	free(nbd->window.answer.run);
	pthread_mutex_destroy(&nbd->window.lock);
	pthread_mutex_destroy(&nbd->patch);
	free(nbd);
	return rc;
}

static const struct store_ops export_ops = {
	.name = "nbd",
	.preadv = export_preadv,
	.pwritev = export_pwritev,
	.submit = export_submit,
	.zero = export_zero,
	.punch = export_punch,
	.sync = export_sync,
	.resize = export_resize,
	.extent = export_extent,
	.status = export_status,
	.stat = export_stat,
	.close = export_close,
};

static struct store *export_open(struct opts *keys,
    const struct protocol_args *args, struct error *err)
{
	struct nbd *nbd = calloc(1, sizeof(*nbd));
	struct store *s = nbd ? store_new(&export_ops, "nbd") : NULL;
	struct error ignored;
	char *name;

	if (!s) {
		free(nbd);
		error_errno(err, ENOMEM, "opening");
		return NULL;
	}
	pthread_mutex_init(&nbd->patch, NULL);
	pthread_mutex_init(&nbd->window.lock, NULL);
	s->state = nbd;
	if (server_take(&nbd->server, keys, args, err))
		goto fail;
	name = strdup(nbd->server.name);
	if (!name) {
		error_errno(err, ENOMEM, "opening");
		goto fail;
	}
	free(s->name);
	s->name = name;
	nbd->pool = pool_open(&nbd->server, err);
	if (!nbd->pool)
		goto fail;
	nbd->info = pool_info(nbd->pool);
	if (args->writable && nbd->info->read_only) {
		error_set(err, EACCES, "request on NBD server at '%s': export "
		    "is read-only", nbd->server.address);
		goto fail;
	}
	if (nbd->server.context && !nbd->info->status) {
		error_set(err, EINVAL, "server did not provide context '%s'",
		    nbd->server.context);
		goto fail;
	}
	s->size = nbd->info->size;
	s->align = (uint32_t)min64(nbd->info->min_block, 4096);
	s->batches = true;
	s->writable = args->writable;
	s->no_sync = args->no_sync;
	return s;
fail:
	store_close(s, &ignored);
	return NULL;
}

/* Nothing is created: the export is there, large enough, and what its first
 * sector says of an older image is gone. */
static int export_create(struct opts *keys, uint64_t size,
    const struct protocol_args *args, struct error *err)
{
	static const uint8_t zeros[SECTOR];
	struct store *s = export_open(keys, args, err);
	struct error e;
	int rc = 0;

	if (!s)
		return error_prefix(err, "Protocol driver 'nbd' does not "
		    "support image creation, and opening the image failed");
	if (size > align_up(store_size(s), SECTOR))
		rc = error_set(err, EINVAL, "Cannot grow NBD nodes");
	if (!rc && store_size(s))
		rc = store_pwrite(s, zeros, (size_t)min64(sizeof(zeros),
		    store_size(s)), 0, EVENT_DATA, err);
	if (store_close(s, &e) && !rc) {
		*err = e;
		rc = -e.code;
	}
	return rc;
}

static const struct protocol nbd_protocol = {
	.drivers = (const char *const []){ "nbd", NULL },
	.schemes = (const char *const []){ "nbd", "nbd+tcp", "nbd+unix",
	    "nbd+vsock", "nbds", "nbds+tcp", "nbds+unix", "nbds+vsock",
	    NULL },
	.parse = server_parse,
	.open = export_open,
	.create = export_create,
};

MODULE(&nbd_protocol);
