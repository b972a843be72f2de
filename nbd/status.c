/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * status.c - metadata contexts: what can be asked about the extents of an
 * export, and the answers
 *
 * Three kinds ("Metadata querying", and the qemu: namespace of the peer's
 * nbd document), with the ids the peer gives them:
 *
 *	0	base:allocation		HOLE, ZERO; see extent_report()
 *	1	qemu:allocation-depth	0 nowhere, 1 top layer, 2 below, ...
 *	2...	qemu:dirty-bitmap:NAME	1 dirty
 *
 * An answer is as long as its descriptors, of which there are few: it may end
 * before the range asked for does, and then the client asks again.
 */
#include "session.h"

#include <stdio.h>
#include <string.h>

enum {
	ID_ALLOCATION, ID_DEPTH, ID_BITMAPS,
	DESCRIPTORS_MAX = 16 << 10,	/* of one context in one reply */
	STEPS_MAX = 64 << 10,		/* answers of the map looked at */
};

/* ---- names */

unsigned context_limit(const struct export *e)
{
	return ID_BITMAPS + e->bitmap_count;
}

bool context_offered(const struct export *e, uint32_t id)
{
	return id != ID_DEPTH || e->allocation_depth;
}

size_t context_name(const struct export *e, uint32_t id, char *buf,
    size_t size)
{
	int n;

	if (id == ID_ALLOCATION)
		n = snprintf(buf, size, "base:allocation");
	else if (id == ID_DEPTH)
		n = snprintf(buf, size, "qemu:allocation-depth");
	else
		n = snprintf(buf, size, "qemu:dirty-bitmap:%s",
		    e->bitmaps[id - ID_BITMAPS].name);
	return (size_t)n;
}

static bool is(const char *query, size_t len, const char *name)
{
	return len == strlen(name) && !memcmp(query, name, len);
}

bool context_matches(const struct export *e, uint32_t id, const char *query,
    size_t len, bool list)
{
	char name[NBD_STRING_MAX + 1];

	if (list && id == ID_ALLOCATION && is(query, len, "base:"))
		return true;
	if (list && id != ID_ALLOCATION && is(query, len, "qemu:"))
		return true;
	if (list && id >= ID_BITMAPS && is(query, len, "qemu:dirty-bitmap:"))
		return true;
	return context_name(e, id, name, sizeof(name)) == len &&
	    len < sizeof(name) && !memcmp(query, name, len);
}

/* ---- answers */

/* Descriptors of one context, like ones run together. */
struct answer {
	struct replies *replies;
	bool ext;
	uint64_t len, flags;		/* the run not written yet; 0: none */
	unsigned count;			/* of those written */
};

/* With compact headers a descriptor has 32 bits for its length; it ends on a
 * whole sector. */
static uint64_t longest(const struct answer *a)
{
	return a->ext ? SIZE_LIMIT : UINT32_MAX - 511;
}

static int put_run(struct answer *a)
{
	struct replies *r = a->replies;
	size_t size = a->ext ? sizeof(struct nbd_descriptor_ext) :
	    sizeof(struct nbd_descriptor);

	if (!a->len)
		return 0;
	if (area_need(&r->area, r->len + size))
		return -ENOMEM;
	if (a->ext) {
		struct nbd_descriptor_ext *d = (void *)(r->area.at + r->len);

		be64_put(&d->len, a->len);
		be64_put(&d->flags, a->flags);
	} else {
		struct nbd_descriptor *d = (void *)(r->area.at + r->len);

		be32_put(&d->len, (uint32_t)a->len);
		be32_put(&d->flags, (uint32_t)a->flags);
	}
	r->len += size;
	a->count++;
	return 0;
}

/* len bytes more with these flags: to the run, or as the next one, cut to what
 * a descriptor holds. */
static int add(struct answer *a, uint64_t len, uint64_t flags)
{
	int rc;

	if (a->len && a->flags == flags && a->len + len <= longest(a)) {
		a->len += len;
		return 0;
	}
	if ((rc = put_run(a)))
		return rc;
	a->len = min64(len, longest(a));
	a->flags = flags;
	return 0;
}

/* The layer that has the bytes, counted from 1; 0: none.  Where a backing
 * image has ended, it counts as having them, as with the peer. */
static uint64_t depth_of(const struct image *img, unsigned depth,
    bool present)
{
	if (present)
		return depth + 1;
	for (unsigned i = 0; i < depth; i++)
		img = img->backing;
	return img->backing ? depth + 2 : 0;
}

/* What the context says at off, and for how far, at most len. */
static int look(const struct export *e, uint32_t id, uint64_t off,
    uint64_t *len, uint64_t *flags, struct error *err)
{
	struct extent_status st;
	struct extent extent;
	unsigned depth;
	int rc;

	if (id >= ID_BITMAPS) {
		*flags = image_bitmap_run(e->bitmaps[id - ID_BITMAPS].map,
		    off, *len, len) ? NBD_STATE_DIRTY : 0;
		return 0;
	}
	rc = image_map(e->image, off, *len, MAP_REPORT, &extent, &depth, err);
	if (rc)
		return rc;
	extent_report(&extent, &st);
	*len = extent.len;
	if (id == ID_DEPTH)
		*flags = depth_of(e->image, depth, st.present);
	else
		*flags = (st.data ? 0 : NBD_STATE_HOLE) |
		    (st.zero ? NBD_STATE_ZERO : 0);
	return 0;
}

/* One chunk: the range as one context sees it. */
static int put_context(struct replies *r, const struct request *req,
    uint32_t id, bool done, struct error *err)
{
	const struct session *s = r->session;
	bool ext = s->mode == REPLY_EXTENDED;
	size_t fixed = ext ? sizeof(struct nbd_chunk_status_ext) :
	    sizeof(struct nbd_chunk_status);
	size_t start = r->len, header;
	struct answer a = { .replies = r, .ext = ext };
	unsigned most = req->flags & NBD_CMD_FLAG_REQ_ONE ? 1 :
	    DESCRIPTORS_MAX;
	uint64_t off = req->off, left = req->len;
	struct nbd_chunk_status_ext *chunk;

	/* The header is written twice: its length is known at the end. */
	chunk = (void *)reply_chunk(r, req, 0, fixed, done);
	if (!chunk)
		return error_set(err, ENOMEM, "no memory for block status");
	header = r->len - start - fixed;
	be32_put(&chunk->context, id);
	for (unsigned steps = 0; left && steps < STEPS_MAX; steps++) {
		uint64_t len = left, flags;
		int rc = look(s->export, id, s->export->off + off, &len,
		    &flags, err);

		if (rc)
			return rc;
		if (a.len && (flags != a.flags || a.len + len > longest(&a)) &&
		    a.count + 1 == most)
			break;
		if (add(&a, len, flags))
			return error_set(err, ENOMEM,
			    "no memory for block status");
		off += len;
		left -= len;
		/* A run that was cut for its length ends the answer. */
		if (a.len < len)
			break;
	}
	if (put_run(&a))
		return error_set(err, ENOMEM, "no memory for block status");
	chunk = (void *)(r->area.at + start + header);
	if (ext)
		be32_put(&chunk->count, a.count);
	reply_patch(r, start, req, ext ? NBD_REPLY_TYPE_BLOCK_STATUS_EXT :
	    NBD_REPLY_TYPE_BLOCK_STATUS, done);
	return 0;
}

/* The ids to be answered: those asked for, or all. */
static uint32_t wanted(const struct session *s, const struct request *req,
    unsigned i)
{
	be32 id;

	if (!req->payload)
		return s->contexts[i];
	memcpy(&id, req->payload + i * sizeof(id), sizeof(id));
	return be32_get(id);
}

int status_reply(struct replies *r, const struct request *req)
{
	struct session *s = r->session;
	unsigned count = req->payload ?
	    (unsigned)(req->payload_len / sizeof(be32)) : s->context_count;
	size_t start = r->len;
	struct error err;
	int rc = 0;

	image_hold(s->export->image);
	for (unsigned i = 0; i < count && !rc; i++)
		rc = put_context(r, req, wanted(s, req, i), i + 1 == count,
		    &err);
	image_drop(s->export->image);
	if (!rc)
		return 0;
	r->len = start;
	return reply_failed(r, req, &err);
}
