/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * batch.c - several requests at once, for images whose stores want that
 *
 * What goes past the page cache, or over a network, takes long however often
 * it is asked for one by one.  So reads and writes that were received together
 * are handed on together (image_submit()).  Their data lie in an area of
 * their own, page by page, as O_DIRECT likes them; replies are sent from
 * there.
 */
#include "session.h"

#include <string.h>

enum {
	BATCH_MAX = IN_FLIGHT_MAX,
	BATCH_BYTES = 4 << 20,
	PAGE = 4096,
};

struct batch {
	unsigned n;
	size_t used;			/* of the area */
	struct request req[BATCH_MAX];
	struct iovec data[BATCH_MAX];
	struct io_req io[BATCH_MAX];
};

bool batch_wanted(struct image *img)
{
	if (img->args.copy_on_read)
		return false;
	for (; img; img = img->backing)
		for (unsigned i = 0; i < img->store_count; i++)
			if (img->stores[i]->batches)
				return true;
	return false;
}

/* False: it does not fit, or is not of this sort. */
static bool add(struct session *s, struct batch *b, const struct request *req)
{
	unsigned i = b->n;
	bool write = req->type == NBD_CMD_WRITE;

	if ((req->type != NBD_CMD_READ && !write) || !req->len ||
	    i == BATCH_MAX || (write && (req->flags & NBD_CMD_FLAG_FUA)) ||
	    req->len > BATCH_BYTES - b->used)
		return false;
	b->req[i] = *req;
	b->data[i] = (struct iovec){ s->batch.at + b->used, req->len };
	b->io[i] = (struct io_req){ .op = write ? IO_WRITE : IO_READ,
	    .iov = &b->data[i], .iovcnt = 1,
	    .off = s->export->off + req->off, .len = req->len };
	if (write)
		memcpy(b->data[i].iov_base, req->payload, req->len);
	b->used += align_up(req->len, PAGE);
	b->n++;
	return true;
}

/* Headers and data in turn. */
static int answer(struct session *s, struct batch *b)
{
	struct iovec iov[2 * BATCH_MAX + 1];
	struct replies *r = &s->out;
	size_t end[BATCH_MAX], sent = 0;
	int n = 0, rc = 0;

	for (unsigned i = 0; i < b->n && !rc; i++) {
		const struct request *req = &b->req[i];
		struct error err;

		if (b->io[i].ret) {
			error_errno(&err, -b->io[i].ret, "batch");
			rc = reply_failed(r, req, &err);
		} else if (req->type == NBD_CMD_READ) {
			rc = reply_data_header(r, req, req->off, req->len,
			    true);
		} else {
			rc = reply_ok(r, req);
		}
		end[i] = r->len;
	}
	if (rc)
		return rc;
	for (unsigned i = 0; i < b->n; i++) {
		if (b->io[i].op != IO_READ || b->io[i].ret)
			continue;
		iov[n++] = (struct iovec){ r->area.at + sent, end[i] - sent };
		iov[n++] = b->data[i];
		sent = end[i];
	}
	iov[n++] = (struct iovec){ r->area.at + sent, r->len - sent };
	rc = replies_begin(s);
	if (!rc)
		rc = conn_sendv(&s->conn, iov, n, false);
	r->len = 0;
	return replies_end(s, rc);
}

/* Takes what fits beside the first.  *left: req is one that does not. */
static int collect(struct session *s, struct batch *b, struct request *req,
    bool *left)
{
	for (*left = false; !*left && request_simple(s); ) {
		int got = request_take(s, req);

		if (got < 0)
			return got;
		if (!got)
			continue;
		s->wrote |= req->type == NBD_CMD_WRITE;
		*left = !add(s, b, req);
	}
	return 0;
}

int batch_serve(struct session *s, const struct request *first)
{
	struct request req = *first;
	struct error err;
	bool left = true;
	int rc = 0, end = 0;

	if (area_need(&s->batch, BATCH_BYTES))
		return -EAGAIN;
	for (bool begun = false; left && !rc && !end; begun = true) {
		struct batch b = { .n = 0 };

		if (!add(s, &b, &req))
			return begun ? serve_request(&s->out, &req, true) :
			    -EAGAIN;
		end = collect(s, &b, &req, &left);
		serve_drop(s);
		image_submit(s->export->image, b.io, b.n, &err);
		rc = answer(s, &b);
	}
	return rc ? rc : end;
}
