/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * request.c - requests taken from the stream and checked
 *
 * One receive fetches as many requests as there are; they are looked at where
 * they lie, small payloads too.  A large payload gets its own area: what has
 * come of it is moved there, the rest is received to its place.
 *
 * A request is checked whole before anybody acts on it ("Request types",
 * "Error values").  Of a write nothing is done before its last byte is here.
 */
#include "session.h"

#include <string.h>

/* As it is on the wire, decoded. */
struct raw {
	struct request req;
	uint64_t payload;	/* bytes that follow */
	size_t header;
};

static size_t header_size(const struct session *s)
{
	return s->mode == REPLY_EXTENDED ? sizeof(struct nbd_extended_request) :
	    sizeof(struct nbd_request);
}

bool request_waiting(const struct session *s)
{
	return s->end - s->pos >= header_size(s);
}

int request_receive(struct session *s)
{
	size_t room;
	ssize_t n;

	if (area_need(&s->in, IN_SIZE))
		return -ENOMEM;
	if (s->pos == s->end) {
		s->pos = s->end = 0;
	} else if (s->pos && s->in.size - s->end < IN_SIZE / 2) {
		memmove(s->in.at, s->in.at + s->pos, s->end - s->pos);
		s->end -= s->pos;
		s->pos = 0;
	}
	room = s->in.size - s->end;
	/* Between large payloads only the next header: the payload is better
	 * received to its own place. */
	if (s->large)
		room = min64(room, header_size(s));
	n = conn_recv(&s->conn, s->in.at + s->end, room);
	if (n == 0)
		return -ECONNRESET;
	if (n < 0)
		return (int)n;
	s->end += (size_t)n;
	return 0;
}

/* ---- decoding */

/* 0, or -EPROTO: the stream makes no sense from here on. */
static int decode(const struct session *s, struct raw *raw)
{
	const struct nbd_request *c = (void *)(s->in.at + s->pos);
	const struct nbd_extended_request *e = (void *)c;
	bool ext = s->mode == REPLY_EXTENDED;
	struct request *r = &raw->req;

	if (be32_get(c->magic) != (ext ? NBD_EXTENDED_REQUEST_MAGIC :
	    NBD_REQUEST_MAGIC))
		return -EPROTO;
	*raw = (struct raw){ .header = header_size(s) };
	r->flags = be16_get(c->flags);
	r->type = be16_get(c->type);
	r->cookie = be64_get(c->cookie);
	r->off = be64_get(c->off);
	r->len = ext ? be64_get(e->len) : be32_get(c->len);
	if (ext ? r->flags & NBD_CMD_FLAG_PAYLOAD_LEN :
	    r->type == NBD_CMD_WRITE)
		raw->payload = r->len;
	return 0;
}

bool request_simple(const struct session *s)
{
	struct raw raw;

	return request_waiting(s) && !decode(s, &raw) &&
	    (raw.req.type == NBD_CMD_READ || raw.req.type == NBD_CMD_WRITE) &&
	    raw.payload <= INLINE_MAX &&
	    s->end - s->pos >= raw.header + raw.payload;
}

/* ---- checking */

/* The flags each command may have; FUA all of them. */
static unsigned flags_of(const struct session *s, unsigned type)
{
	bool ext = s->mode == REPLY_EXTENDED;
	unsigned flags = NBD_CMD_FLAG_FUA;

	switch (type) {
	case NBD_CMD_READ:
		if (s->mode != REPLY_SIMPLE)
			flags |= NBD_CMD_FLAG_DF;
		break;
	case NBD_CMD_WRITE:
		if (ext)
			flags |= NBD_CMD_FLAG_PAYLOAD_LEN;
		break;
	case NBD_CMD_WRITE_ZEROES:
		flags |= NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO;
		break;
	case NBD_CMD_BLOCK_STATUS:
		flags |= NBD_CMD_FLAG_REQ_ONE;
		if (ext)
			flags |= NBD_CMD_FLAG_PAYLOAD_LEN;
		break;
	}
	return flags;
}

static bool changes(unsigned type)
{
	return type == NBD_CMD_WRITE || type == NBD_CMD_TRIM ||
	    type == NBD_CMD_WRITE_ZEROES;
}

/* 0 or the error to answer with, and words for it. */
static uint32_t check(const struct session *s, const struct request *r,
    const char **text)
{
	const struct export *e = s->export;
	bool past = !range_ok(r->off, r->len, e->size);

	*text = "request is past the end of the export";
	switch (r->type) {
	case NBD_CMD_READ:
	case NBD_CMD_CACHE:
		if (past)
			return NBD_EINVAL;
		*text = "request is larger than the maximum block size";
		if (r->len > NBD_PAYLOAD_MAX)
			return NBD_EINVAL;
		break;
	case NBD_CMD_WRITE:
	case NBD_CMD_WRITE_ZEROES:
		if (past && !e->read_only)
			return NBD_ENOSPC;
		break;
	case NBD_CMD_TRIM:
		if (past && !e->read_only)
			return NBD_EINVAL;
		break;
	case NBD_CMD_BLOCK_STATUS:
		if (past)
			return NBD_EINVAL;
		*text = "no metadata context was selected";
		if (s->mode == REPLY_SIMPLE || !s->context_count)
			return NBD_EINVAL;
		*text = "block status of no bytes";
		if (!r->len)
			return NBD_EINVAL;
		break;
	case NBD_CMD_FLUSH:
		break;
	default:
		*text = "unknown command";
		return NBD_EINVAL;
	}
	*text = "flag does not apply to this command";
	if (r->flags & ~flags_of(s, r->type))
		return NBD_EINVAL;
	*text = "export is read-only";
	if (changes(r->type) && e->read_only)
		return NBD_EPERM;
	*text = "command needs a payload";
	if (r->type == NBD_CMD_WRITE && r->len && !r->payload)
		return NBD_EINVAL;
	return 0;
}

/* The payload form of BLOCK_STATUS: the effective length, then the contexts,
 * which must be selected ones, each once. */
static bool take_contexts(const struct session *s, struct request *r)
{
	const uint8_t *at = r->payload;
	size_t n = r->payload_len;
	be64 len;

	if (n < sizeof(len) || (n - sizeof(len)) % sizeof(be32) ||
	    n == sizeof(len))
		return false;
	memcpy(&len, at, sizeof(len));
	r->len = be64_get(len);
	r->payload = at += sizeof(len);
	r->payload_len = n -= sizeof(len);
	n /= sizeof(be32);
	if (n > s->context_count)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned found = 0;
		be32 a, b;

		memcpy(&a, at + i * sizeof(a), sizeof(a));
		for (unsigned k = 0; k < s->context_count; k++)
			found |= s->contexts[k] == be32_get(a);
		for (size_t k = 0; k < i; k++) {
			memcpy(&b, at + k * sizeof(b), sizeof(b));
			if (be32_get(a) == be32_get(b))
				found = 0;
		}
		if (!found)
			return false;
	}
	return true;
}

/* ---- taking */

/* The payload to its own area; replies to others do not wait for it. */
static int receive_large(struct session *s, size_t len)
{
	size_t have = min64(s->end - s->pos, len);
	int rc = replies_send(&s->out);

	if (!rc)
		rc = area_need(&s->payload, len);
	if (rc)
		return rc;
	memcpy(s->payload.at, s->in.at + s->pos, have);
	s->pos += have;
	s->large = true;
	return conn_recv_all(&s->conn, s->payload.at + have, len - have);
}

static int drain(struct session *s, uint64_t len)
{
	int rc = 0;

	for (;;) {
		size_t have = min64(s->end - s->pos, len);

		s->pos += have;
		len -= have;
		if (!len)
			return 0;
		rc = request_receive(s);
		if (rc && rc != -EAGAIN)
			return rc;
	}
}

/* Reads what belongs to a request that will not be done, and says so. */
static int refuse(struct session *s, const struct raw *raw, uint32_t error,
    const char *text)
{
	int rc;

	s->pos += raw->header;
	if (raw->payload > DRAIN_MAX) {
		session_say(s, "request with a payload of %llu bytes",
		    (unsigned long long)raw->payload);
		return -EPROTO;
	}
	if (raw->payload > s->end - s->pos) {
		if ((rc = replies_send(&s->out)))
			return rc;
		s->large = false;
	}
	rc = drain(s, raw->payload);
	return rc ? rc : reply_error(&s->out, &raw->req, error, text);
}

int request_take(struct session *s, struct request *req)
{
	static const uint8_t nothing;
	const char *text;
	struct raw raw;
	uint32_t error;
	int rc;

	/* That of the request before, if it was one of those. */
	if (s->payload.size > KEEP_MAX)
		area_free(&s->payload);
	if (!request_waiting(s))
		return -EAGAIN;
	if (decode(s, &raw)) {
		session_say(s, "request does not begin with the magic number");
		return -EPROTO;
	}
	if (raw.req.type == NBD_CMD_DISC && !raw.payload)
		return -ESHUTDOWN;
	if (raw.payload > NBD_PAYLOAD_MAX)
		return refuse(s, &raw, NBD_EINVAL,
		    "payload is larger than the maximum block size");
	/* The length of what a payload asks for is in it. */
	if (raw.req.type == NBD_CMD_BLOCK_STATUS && raw.payload)
		raw.req.len = 1;
	if (raw.payload) {
		raw.req.payload = &nothing;
		raw.req.payload_len = raw.payload;
	}
	error = check(s, &raw.req, &text);
	if (error)
		return refuse(s, &raw, error, text);
	if (raw.payload && raw.req.type == NBD_CMD_BLOCK_STATUS &&
	    raw.payload > INLINE_MAX)
		return refuse(s, &raw, NBD_EINVAL, "too many contexts");

	*req = raw.req;
	if (raw.payload > INLINE_MAX) {
		s->pos += raw.header;
		if ((rc = receive_large(s, raw.payload)))
			return rc;
		req->payload = s->payload.at;
		return 1;
	}
	s->large = false;
	if (s->end - s->pos < raw.header + raw.payload)
		return -EAGAIN;		/* comes again from its header on */
	req->payload = raw.payload ? s->in.at + s->pos + raw.header : NULL;
	s->pos += raw.header + raw.payload;
	if (req->type == NBD_CMD_BLOCK_STATUS && req->payload) {
		if (!take_contexts(s, req))
			return reply_error(&s->out, req, NBD_EINVAL,
			    "contexts are not among those selected");
		error = check(s, req, &text);
		if (error)
			return reply_error(&s->out, req, error, text);
	}
	return 1;
}
