/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * serve.c - what is done for each request
 *
 * Reads are a loop over image_map(), as everywhere.  The gate is entered once
 * for as many of them as were received together, and left before anything
 * else is done: before waiting for the client above all.
 *
 * A read that may not block asks the page cache alone (RWF_NOWAIT).  Stores
 * that are not files, and files opened with O_DIRECT, may always take long.
 *
 * sendfile() hands over pages, not bytes: a write to the file would change
 * what a slow client has yet to read.  Hence only for exports that say that
 * nobody writes.
 */
#include "session.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
	SENDFILE_MIN = 64 << 10,	/* below, copying costs less */
	SENDFILE_EXTENTS = 16,
	REPORT_MIN = 64 << 10,
	CHUNK_MAX = 1 << 20,		/* of data: a larger read is sent in
					 * pieces, where it may be */
	LONG_ZERO = 1 << 20,		/* may have to be written */
	SPACE_STEP = 1 << 30,		/* a whole number of any clusters */
};

/* The session's thread stays inside from read to read, a helper does not. */
static void enter(struct replies *r)
{
	struct session *s = r->session;

	if (r != &s->out || !s->held)
		image_hold(s->export->image);
	if (r == &s->out)
		s->held = true;
}

static void leave(struct replies *r)
{
	if (r != &r->session->out)
		image_drop(r->session->export->image);
}

void serve_drop(struct session *s)
{
	if (s->held)
		image_drop(s->export->image);
	s->held = false;
}

/* ---- reading */

/* All of an extent of data, if the page cache has it: else -EAGAIN, -EIO for
 * what is not that simple. */
static int read_cached(struct session *s, const struct extent *e, void *buf)
{
	struct iovec iov = { buf, e->len };
	ssize_t n;

	if (e->store->fd < 0 || e->store->align > 1)
		return -EAGAIN;
	if (s->no_nowait)
		return -EIO;
	n = preadv2(e->store->fd, &iov, 1, (off_t)e->host, RWF_NOWAIT);
	if (n == (ssize_t)e->len)
		return 0;
	/* Not every file system knows the flag: then in place, as ever. */
	if (n < 0 && errno == EOPNOTSUPP)
		s->no_nowait = true;
	return n < 0 && errno != EAGAIN ? -EIO : -EAGAIN;
}

static int read_extent(struct session *s, const struct extent *e, void *buf,
    bool may_block, struct error *err)
{
	if (!may_block && e->kind == EXTENT_DATA) {
		int rc = read_cached(s, e, buf);

		if (rc != -EIO)
			return rc;
	}
	return extent_read(s->export->image, e, buf, err);
}

/* [off, off + len) of the image to buf; the gate is held. */
static int read_range(struct session *s, uint64_t off, uint64_t len,
    uint8_t *buf, bool may_block, struct error *err)
{
	struct extent e;
	int rc;

	for (; len; off += e.len, len -= e.len, buf += e.len) {
		rc = image_map(s->export->image, off, len, MAP_READ, &e, NULL,
		    err);
		if (!rc)
			rc = read_extent(s, &e, buf, may_block, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* In one piece: a simple reply, or a single chunk. */
static int read_whole(struct replies *r, const struct request *req,
    bool may_block)
{
	const struct export *x = r->session->export;
	size_t start = r->len;
	struct error err;
	uint8_t *buf = reply_data(r, req, req->off, req->len, true);
	int rc;

	if (!buf)
		return reply_error(r, req, NBD_ENOMEM, "out of memory");
	rc = read_range(r->session, x->off + req->off, req->len, buf,
	    may_block, &err);
	if (!rc)
		return 0;
	r->len = start;
	return rc == -EAGAIN && !may_block ? rc : reply_failed(r, req, &err);
}

static bool is_hole(const struct extent *e)
{
	return e->kind == EXTENT_ZERO || e->kind == EXTENT_HOLE;
}

/* Holes of raw files are looked for where a chunk may say so, and where that
 * costs little beside the reading. */
static enum map_why why(const struct session *s, const struct request *req)
{
	return s->mode != REPLY_SIMPLE && !(req->flags & NBD_CMD_FLAG_DF) &&
	    req->len >= REPORT_MIN ? MAP_REPORT : MAP_READ;
}

/*
 * Where holes are looked for, the end of the data is what it costs to find (a
 * tmpfs walks there page by page), so it is remembered.  Where data became a
 * hole since, the hole is read as the zeros it holds.
 */
static int map_read(struct replies *r, uint64_t off, uint64_t len,
    enum map_why why, struct extent *e, struct error *err)
{
	struct image *img = r->session->export->image;
	uint64_t ask = len;
	int rc;

	if (why == MAP_REPORT && off >= r->data_from && off < r->data_to) {
		why = MAP_READ;
		ask = len = min64(len, r->data_to - off);
	} else if (why == MAP_REPORT) {
		ask = img->size - off;
	}
	rc = image_map(img, off, ask, why, e, NULL, err);
	if (!rc && why == MAP_REPORT && e->kind == EXTENT_DATA) {
		r->data_from = off;
		r->data_to = off + e->len;
	}
	e->len = min64(e->len, len);
	return rc;
}

/* The extent at off; what follows it and is of its sort (zeros or not) is
 * counted in *run, at most len. */
static int map_run(struct replies *r, uint64_t off, uint64_t len,
    enum map_why why, struct extent *first, uint64_t *run,
    struct error *err)
{
	struct extent e;
	int rc = map_read(r, off, len, why, first, err);

	if (rc)
		return rc;
	for (*run = first->len; *run < len; *run += e.len) {
		rc = map_read(r, off + *run, len - *run, why, &e, err);
		if (rc)
			return rc;
		if (is_hole(&e) != is_hole(first))
			break;
	}
	return 0;
}

/* In chunks: data and holes. */
static int read_chunks(struct replies *r, const struct request *req,
    bool may_block)
{
	const struct export *x = r->session->export;
	uint64_t off = req->off, left = req->len, run;
	/* Nothing of it is sent before all is there, if it may come to
	 * nothing for now. */
	bool in_pieces = may_block && req->len > CHUNK_MAX;
	size_t start = r->len;
	struct extent e;
	struct error err;
	uint8_t *buf;
	int rc;

	for (; left; off += run, left -= run) {
		rc = map_run(r, x->off + off, left,
		    why(r->session, req), &e, &run, &err);
		if (rc)
			goto failed;
		if (is_hole(&e)) {
			if (reply_hole(r, req, off, run, run == left))
				return -ENOMEM;
			continue;
		}
		if (in_pieces)
			run = min64(run, CHUNK_MAX);
		buf = reply_data(r, req, off, run, run == left);
		if (!buf) {
			error_set(&err, ENOMEM, "no memory for a reply");
			goto failed;
		}
		/* Most are one extent, and that is known by now. */
		if (e.len >= run) {
			e.len = run;
			rc = read_extent(r->session, &e, buf, may_block, &err);
		} else {
			rc = read_range(r->session, x->off + off, run, buf,
			    may_block, &err);
		}
		if (rc)
			goto failed;
		if (in_pieces && r->len >= SEND_AT && run < left) {
			leave(r);
			rc = replies_send(r);
			enter(r);
			if (rc)
				return rc;
			start = 0;
		}
	}
	return 0;
failed:
	/* Chunks of this request that are put together are taken back, those
	 * that are sent stay valid beside a general error. */
	r->len = start;
	return rc == -EAGAIN && !may_block ? rc : reply_failed(r, req, &err);
}

/* ---- without copying */

/* Would reading it wait for the disk?  Both ends tell. */
static bool is_cold(const struct extent *e)
{
	char byte;
	struct iovec iov = { &byte, 1 };

	return preadv2(e->store->fd, &iov, 1, (off_t)e->host, RWF_NOWAIT) <
	    0 ? errno == EAGAIN : preadv2(e->store->fd, &iov, 1,
	    (off_t)(e->host + e->len - 1), RWF_NOWAIT) < 0 && errno == EAGAIN;
}

/* Is the range plain data of files, in few extents?  How many. */
static unsigned map_files(struct session *s, const struct request *req,
    bool may_block, struct extent *e)
{
	const struct export *x = s->export;
	uint64_t off = x->off + req->off, left = req->len;
	struct error err;
	unsigned n = 0;

	for (; left && n < SENDFILE_EXTENTS; n++) {
		if (map_read(&s->out, off, left, why(s, req), &e[n], &err) ||
		    e[n].kind != EXTENT_DATA ||
		    e[n].store->fd < 0 || e[n].store->align > 1 ||
		    !range_ok(e[n].host, e[n].len, store_size(e[n].store)) ||
		    (!may_block && is_cold(&e[n])))
			return 0;
		off += e[n].len;
		left -= e[n].len;
	}
	return left ? 0 : n;
}

/* The header has promised the data: where sendfile() has stopped, they are
 * copied, and when they cannot be read (*failed) they are zeros. */
static int send_copy(struct session *s, const struct extent *e, uint64_t from,
    bool *failed)
{
	char buf[16 << 10];
	struct error err;
	int rc = 0;

	for (uint64_t len; from < e->len && !rc; from += len) {
		len = min64(e->len - from, sizeof(buf));
		if (!*failed && store_pread(e->store, buf, len,
		    e->host + from, EVENT_DATA, &err)) {
			session_say(s, "%s", err.text);
			*failed = true;
		}
		/* A simple reply has no way to say so. */
		if (*failed && s->mode == REPLY_SIMPLE)
			return -EIO;
		if (*failed)
			memset(buf, 0, len);
		rc = conn_send(&s->conn, buf, len);
	}
	return rc;
}

/* -ENOTSUP: not this one.  The session's thread alone does this. */
static int read_sendfile(struct replies *r, const struct request *req,
    bool may_block)
{
	struct session *s = r->session;
	struct extent e[SENDFILE_EXTENTS];
	uint64_t sent = 0, done;
	bool failed = false;
	unsigned n;
	int rc;

	if (!s->export->may_sendfile || s->no_sendfile || s->conn.tls ||
	    req->len < SENDFILE_MIN)
		return -ENOTSUP;
	n = map_files(s, req, may_block, e);
	serve_drop(s);
	/* The header goes ahead, with what is waiting. */
	if (!n || reply_data_header(r, req, req->off, req->len, false))
		return -ENOTSUP;
	if ((rc = replies_begin(s)))
		return replies_end(s, rc);
	rc = conn_sendv(&s->conn, &(struct iovec){ r->area.at, r->len }, 1,
	    true);
	r->len = 0;
	for (unsigned i = 0; i < n && !rc; i++) {
		rc = failed ? -EIO : conn_sendfile(&s->conn, e[i].store->fd,
		    e[i].host, e[i].len, &done);
		if (!failed)
			sent += done;
		if (rc != -EIO)
			continue;
		s->no_sendfile = true;
		rc = send_copy(s, &e[i], failed ? 0 : done, &failed);
	}
	if ((rc = replies_end(s, rc)) || s->mode == REPLY_SIMPLE)
		return rc;
	return failed ? reply_error_at(r, req, req->off + sent) :
	    reply_ok(r, req);
}

static int serve_read(struct replies *r, const struct request *req,
    bool may_block)
{
	struct session *s = r->session;
	int rc;

	if (!req->len)
		return reply_ok(r, req);
	if (r == &s->out && (rc = read_sendfile(r, req, may_block)) !=
	    -ENOTSUP)
		return rc;
	enter(r);
	if (s->mode == REPLY_SIMPLE || (req->flags & NBD_CMD_FLAG_DF))
		rc = read_whole(r, req, may_block);
	else
		rc = read_chunks(r, req, may_block);
	leave(r);
	return rc;
}

/* With copy-on-read a read may write: the engine does all of it. */
static int read_and_copy(struct replies *r, const struct request *req)
{
	const struct export *x = r->session->export;
	size_t start = r->len;
	struct error err;
	uint8_t *buf;

	if (!req->len)
		return reply_ok(r, req);
	buf = reply_data(r, req, req->off, req->len, true);
	if (!buf)
		return reply_error(r, req, NBD_ENOMEM, "out of memory");
	if (!image_read(x->image, buf, req->len, x->off + req->off, &err))
		return 0;
	r->len = start;
	return reply_failed(r, req, &err);
}

/* ---- the rest */

static int zero(const struct export *x, const struct request *req,
    uint64_t off, uint64_t len, struct error *err)
{
	unsigned flags = 0;

	if (!(req->flags & NBD_CMD_FLAG_NO_HOLE) && x->image->args.unmap)
		flags |= IO_MAY_UNMAP;
	if (req->flags & NBD_CMD_FLAG_FAST_ZERO)
		flags |= IO_NO_FALLBACK;
	return image_zero(x->image, off, len, flags, err);
}

/* WRITE_ZEROES and TRIM: step by step, since zeros may have to be written,
 * and there may be 2^63 of them. */
static int serve_space(const struct session *s, const struct request *req,
    struct error *err)
{
	const struct export *x = s->export;
	uint64_t off = x->off + req->off, left = req->len, len;
	int rc = 0;

	for (; left && !rc; off += len, left -= len) {
		if (left < req->len && atomic_load(&s->server->stopping))
			return error_set(err, ESHUTDOWN,
			    "server is shutting down");
		len = min64(left, SPACE_STEP - off % SPACE_STEP);
		rc = req->type == NBD_CMD_TRIM ?
		    image_discard(x->image, off, len, err) :
		    zero(x, req, off, len, err);
		/* A hint that cannot be followed has not failed. */
		if (rc == -ENOTSUP && req->type == NBD_CMD_TRIM)
			rc = 0;
	}
	if (!rc && (req->flags & NBD_CMD_FLAG_FUA))
		rc = image_flush(x->image, err);
	return rc;
}

/* The kernel reads ahead; no more is promised. */
static int serve_cache(const struct export *x, const struct request *req,
    struct error *err)
{
	uint64_t off = x->off + req->off, left = req->len;
	struct extent e;
	int rc = 0;

	image_hold(x->image);
	for (; left && !rc; off += e.len, left -= e.len) {
		rc = image_map(x->image, off, left, MAP_READ, &e, NULL, err);
		if (!rc && e.kind == EXTENT_DATA && e.store->fd >= 0)
			posix_fadvise(e.store->fd, (off_t)e.host,
			    (off_t)e.len, POSIX_FADV_WILLNEED);
		if (rc)
			break;
	}
	image_drop(x->image);
	return rc;
}

/* For helpers, if others wait. */
static bool takes_long(const struct request *req)
{
	return req->type == NBD_CMD_FLUSH ||
	    (req->type == NBD_CMD_WRITE_ZEROES && req->len >= LONG_ZERO);
}

int serve_request(struct replies *r, const struct request *req, bool may_block)
{
	struct session *s = r->session;
	const struct export *x = s->export;
	struct error err;
	int rc = 0;

	if (!may_block && takes_long(req))
		return -EAGAIN;
	if (req->type == NBD_CMD_READ)
		return x->image->args.copy_on_read ? read_and_copy(r, req) :
		    serve_read(r, req, may_block);
	if (r == &s->out)
		serve_drop(s);
	switch (req->type) {
	case NBD_CMD_WRITE:
		rc = image_write(x->image, req->payload, req->len,
		    x->off + req->off,
		    req->flags & NBD_CMD_FLAG_FUA ? IO_FUA : 0, &err);
		break;
	case NBD_CMD_FLUSH:
		rc = image_flush(x->image, &err);
		break;
	case NBD_CMD_TRIM:
	case NBD_CMD_WRITE_ZEROES:
		rc = serve_space(s, req, &err);
		break;
	case NBD_CMD_CACHE:
		rc = serve_cache(x, req, &err);
		break;
	case NBD_CMD_BLOCK_STATUS:
		return status_reply(r, req);
	}
	return rc ? reply_failed(r, req, &err) : reply_ok(r, req);
}
