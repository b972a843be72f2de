/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sftp3.c - SFTP packets: made, sent, matched with their replies
 *
 * A packet is be32 length, byte type, be32 request number, and the rest.  All
 * requests but reads and writes are one packet and one reply.  A read or write
 * is cut into chunks; each chunk in flight has a slot, and its request number
 * is turn * DEPTH + slot, so that a late or invented reply finds nobody.  The
 * data of a reply is read from the stream straight into the caller's memory.
 */
#include "modules/ssh/sftp3.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

/* Section 3, and the codes of section 7. */
enum {
	INIT = 1, VERSION = 2, OPEN = 3, CLOSE = 4, READ = 5, WRITE = 6,
	FSTAT = 8, FSETSTAT = 10, REMOVE = 13, STATUS = 101, HANDLE = 102,
	DATA = 103, ATTRS = 105, EXTENDED = 200, EXTENDED_REPLY = 201
};
enum { ATTR_SIZE = 1, ATTR_UIDGID = 2, ATTR_MODE = 4 };
enum {
	OK, END_OF_FILE, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE,
	NO_CONNECTION, CONNECTION_LOST, OP_UNSUPPORTED
};
enum { HEAD = 9 };		/* length, type, number */

/* ---- making packets, in s->buf */

static void put_bytes(struct sftp3 *s, const void *bytes, size_t n)
{
	memcpy(s->buf + s->len, bytes, n);
	s->len += n;
}

static void put32(struct sftp3 *s, uint32_t v)
{
	be32 b;

	be32_put(&b, v);
	put_bytes(s, &b, sizeof(b));
}

static void put64(struct sftp3 *s, uint64_t v)
{
	be64 b;

	be64_put(&b, v);
	put_bytes(s, &b, sizeof(b));
}

static void put_string(struct sftp3 *s, const void *bytes, size_t n)
{
	put32(s, (uint32_t)n);
	put_bytes(s, bytes, n);
}

static void put_handle(struct sftp3 *s, const struct sftp3_handle *h)
{
	put_string(s, h->bytes, h->len);
}

static void begin(struct sftp3 *s, uint8_t type, uint32_t number)
{
	s->len = 0;
	put32(s, 0);
	put_bytes(s, &type, 1);
	put32(s, number);
}

/* more: data that the caller has put behind, up to the same buffer's end. */
static int send_packet(struct sftp3 *s, struct error *err)
{
	int rc;

	be32_put((be32 *)s->buf, (uint32_t)s->len - 4);
	s->io->begin(s->io);
	rc = s->io->send(s->io, s->buf, s->len, err);
	if (rc)
		s->broken = true;
	return rc;
}

/* ---- taking them apart */

static int garbled(struct sftp3 *s, const char *what, struct error *err)
{
	s->broken = true;
	return error_set(err, EPROTO, "the SFTP server sent %s", what);
}

static int recv_bytes(struct sftp3 *s, void *to, size_t n, struct error *err)
{
	int rc = s->io->recv(s->io, to, n, err);

	if (rc)
		s->broken = true;
	return rc;
}

/* The head of a reply; *rest bytes of it are still in the stream. */
static int recv_head(struct sftp3 *s, uint8_t *type, uint32_t *number,
    uint32_t *rest, struct error *err)
{
	uint8_t head[HEAD];
	uint32_t len;
	int rc;

	s->io->begin(s->io);
	if ((rc = recv_bytes(s, head, sizeof(head), err)))
		return rc;
	len = be32_get(*(be32 *)head);
	*type = head[4];
	*number = be32_get(*(be32 *)(head + 5));
	if (len < HEAD - 4 || len - (HEAD - 4) > SFTP3_ROOM)
		return garbled(s, "a packet of impossible length", err);
	*rest = len - (HEAD - 4);
	return 0;
}

/* What is left of a packet, read into s->buf; take*() go along it. */
struct cursor {
	const uint8_t *p, *end;
};

static int recv_rest(struct sftp3 *s, uint32_t rest, struct cursor *c,
    struct error *err)
{
	*c = (struct cursor){ s->buf, s->buf + rest };
	return rest ? recv_bytes(s, s->buf, rest, err) : 0;
}

static bool take_bytes(struct cursor *c, size_t n, const uint8_t **p)
{
	if ((size_t)(c->end - c->p) < n)
		return false;
	*p = c->p;
	c->p += n;
	return true;
}

static bool take32(struct cursor *c, uint32_t *v)
{
	const uint8_t *p;

	if (!take_bytes(c, 4, &p))
		return false;
	*v = be32_get(*(const be32 *)p);
	return true;
}

static bool take64(struct cursor *c, uint64_t *v)
{
	const uint8_t *p;

	if (!take_bytes(c, 8, &p))
		return false;
	*v = be64_get(*(const be64 *)p);
	return true;
}

static bool take_string(struct cursor *c, const uint8_t **p, uint32_t *n)
{
	return take32(c, n) && take_bytes(c, *n, p);
}

/* The errno of a status, 0 for OK.  What the server says beside it is shown
 * as far as it is printable. */
static int status_error(struct sftp3 *s, struct cursor *c, const char *what,
    uint32_t *code, struct error *err)
{
	static const int codes[] = { [OK] = 0, [END_OF_FILE] = EIO,
	    [NO_SUCH_FILE] = ENOENT, [PERMISSION_DENIED] = EACCES,
	    [FAILURE] = EIO, [BAD_MESSAGE] = EIO, [NO_CONNECTION] = EIO,
	    [CONNECTION_LOST] = EIO, [OP_UNSUPPORTED] = ENOTSUP };
	char text[128] = "";
	const uint8_t *p;
	uint32_t n;
	int e;

	if (!take32(c, code))
		return garbled(s, "a status without a code", err);
	if (*code == OK)
		return 0;
	e = *code < ARRAY_LEN(codes) ? codes[*code] : EIO;
	if (e != EIO)
		return error_errno(err, e, "%s", what);
	if (take_string(c, &p, &n) && n < sizeof(text))
		for (uint32_t i = 0; i < n; i++)
			text[i] = isprint(p[i]) ? (char)p[i] : '?';
	return error_set(err, e, "%s: the server says \"%s\" (code %u)", what,
	    text[0] ? text : "error", (unsigned)*code);
}

/* Sends what is in s->buf and receives the one reply, which is of this type
 * or a status.  wanted STATUS: OK is 0.  what: for messages. */
static int ask(struct sftp3 *s, uint8_t wanted, struct cursor *c,
    const char *what, struct error *err)
{
	uint32_t number, sent = be32_get(*(be32 *)(s->buf + 5)), rest, code;
	uint8_t type;
	int rc;

	if ((rc = send_packet(s, err)) ||
	    (rc = recv_head(s, &type, &number, &rest, err)))
		return rc;
	if (number != sent)
		return garbled(s, "a reply to no request", err);
	if ((rc = recv_rest(s, rest, c, err)))
		return rc;
	if (type == STATUS) {
		rc = status_error(s, c, what, &code, err);
		if (rc || wanted == STATUS)
			return rc;
	}
	if (type != wanted)
		return garbled(s, "a reply of the wrong kind", err);
	return 0;
}

/* ---- the beginning */

int sftp3_begin(struct sftp3 *s, struct sftp3_stream *io, struct error *err)
{
	const uint8_t *name, *data;
	uint32_t version, rest, name_len, data_len;
	struct cursor c;
	uint8_t type;
	int rc;

	s->io = io;
	s->broken = s->has_fsync = s->has_statvfs = false;
	s->turn = 0;
	begin(s, INIT, 3);		/* the version, where others have a number */
	if ((rc = send_packet(s, err)) ||
	    (rc = recv_head(s, &type, &version, &rest, err)))
		return rc;
	if (type != VERSION)
		return garbled(s, "no version", err);
	if (version < 3)
		return error_set(err, EPROTONOSUPPORT, "the server speaks SFTP "
		    "version %u, not 3", (unsigned)version);
	if ((rc = recv_rest(s, rest, &c, err)))
		return rc;
	while (take_string(&c, &name, &name_len) &&
	    take_string(&c, &data, &data_len)) {
		if (name_len == 17 && !memcmp(name, "fsync@openssh.com", 17))
			s->has_fsync = true;
		if (name_len == 20 && !memcmp(name, "fstatvfs@openssh.com", 20))
			s->has_statvfs = true;
	}
	return 0;
}

/* ---- files */

static int check_path(const char *path, struct error *err)
{
	if (strlen(path) <= SFTP3_PATH)
		return 0;
	return error_set(err, ENAMETOOLONG, "the path is longer than %d bytes",
	    SFTP3_PATH);
}

static void begin_turn(struct sftp3 *s, uint8_t type)
{
	begin(s, type, ++s->turn * SFTP3_DEPTH);
}

int sftp3_open(struct sftp3 *s, const char *path, uint32_t flags,
    struct sftp3_handle *h, struct error *err)
{
	const uint8_t *p;
	struct cursor c;
	int rc = check_path(path, err);

	if (rc)
		return rc;
	begin_turn(s, OPEN);
	put_string(s, path, strlen(path));
	put32(s, flags);
	if (flags & SFTP3_CREATE) {	/* the umask of the server applies */
		put32(s, ATTR_MODE);
		put32(s, 0666);
	} else {
		put32(s, 0);
	}
	if ((rc = ask(s, HANDLE, &c, "cannot open it", err)))
		return rc;
	if (!take_string(&c, &p, &h->len) || h->len > sizeof(h->bytes))
		return garbled(s, "a handle that is too long", err);
	memcpy(h->bytes, p, h->len);
	return 0;
}

int sftp3_close(struct sftp3 *s, const struct sftp3_handle *h,
    struct error *err)
{
	struct cursor c;

	begin_turn(s, CLOSE);
	put_handle(s, h);
	return ask(s, STATUS, &c, "closing", err);
}

int sftp3_fstat(struct sftp3 *s, const struct sftp3_handle *h,
    struct sftp3_attrs *a, struct error *err)
{
	struct cursor c;
	const uint8_t *skipped;
	uint32_t flags;
	int rc;

	*a = (struct sftp3_attrs){ 0 };
	begin_turn(s, FSTAT);
	put_handle(s, h);
	if ((rc = ask(s, ATTRS, &c, "cannot find out its size", err)))
		return rc;
	if (!take32(&c, &flags))
		return garbled(s, "no attributes", err);
	a->has_size = flags & ATTR_SIZE;
	a->has_mode = flags & ATTR_MODE;
	if ((a->has_size && !take64(&c, &a->size)) ||
	    ((flags & ATTR_UIDGID) && !take_bytes(&c, 8, &skipped)) ||
	    (a->has_mode && !take32(&c, &a->mode)))
		return garbled(s, "attributes that are cut off", err);
	return 0;
}

int sftp3_set_size(struct sftp3 *s, const struct sftp3_handle *h,
    uint64_t size, struct error *err)
{
	struct cursor c;

	begin_turn(s, FSETSTAT);
	put_handle(s, h);
	put32(s, ATTR_SIZE);
	put64(s, size);
	return ask(s, STATUS, &c, "resizing", err);
}

int sftp3_fsync(struct sftp3 *s, const struct sftp3_handle *h,
    struct error *err)
{
	static const char name[] = "fsync@openssh.com";
	struct cursor c;

	if (!s->has_fsync)
		return error_set(err, ENOTSUP, "the server has no fsync");
	begin_turn(s, EXTENDED);
	put_string(s, name, sizeof(name) - 1);
	put_handle(s, h);
	return ask(s, STATUS, &c, "flushing", err);
}

int sftp3_remove(struct sftp3 *s, const char *path, struct error *err)
{
	struct cursor c;
	int rc = check_path(path, err);

	if (rc)
		return rc;
	begin_turn(s, REMOVE);
	put_string(s, path, strlen(path));
	return ask(s, STATUS, &c, "removing", err);
}

/* SFTP has no word for a full disk: "failure" is all that comes.  Has the file
 * system no block left for us?  (struct statvfs as be64s: f_bavail is the
 * fifth.) */
static bool is_full(struct sftp3 *s, const struct sftp3_handle *h)
{
	static const char name[] = "fstatvfs@openssh.com";
	struct error ignored;
	struct cursor c;
	uint64_t v = 1;

	if (!s->has_statvfs || s->broken)
		return false;
	begin_turn(s, EXTENDED);
	put_string(s, name, sizeof(name) - 1);
	put_handle(s, h);
	if (ask(s, EXTENDED_REPLY, &c, "", &ignored))
		return false;
	for (int i = 0; i < 5; i++)
		if (!take64(&c, &v))
			return false;
	return v == 0;
}

/* ---- reading and writing */

struct chunk {
	struct store_req *q;		/* NULL: the slot is free */
	uint64_t at;			/* in the request's memory */
	uint32_t len;
};

struct job {
	struct sftp3 *s;
	const struct sftp3_handle *h;
	struct store_req *q, *end;	/* what is not yet asked for begins */
	uint64_t next;			/* ... here in q's memory */
	unsigned in_flight;
	struct chunk slot[SFTP3_DEPTH];
};

/* Data, to where it belongs. */
static int recv_pieces(struct sftp3 *s, const struct chunk *c, uint32_t len,
    struct error *err)
{
	const struct iovec *v = c->q->iov;
	uint64_t at = c->at;
	int rc = 0;

	for (; len && !rc; v++) {
		size_t part;

		if (at >= v->iov_len) {
			at -= v->iov_len;
			continue;
		}
		part = (size_t)min64(v->iov_len - at, len);
		rc = recv_bytes(s, (uint8_t *)v->iov_base + at, part, err);
		len -= (uint32_t)part;
		at = 0;
	}
	return rc;
}

static int send_chunk(struct job *j, unsigned i, struct error *err)
{
	const struct chunk *c = &j->slot[i];
	struct sftp3 *s = j->s;

	begin(s, c->q->write ? WRITE : READ, s->turn * SFTP3_DEPTH + i);
	put_handle(s, j->h);
	put64(s, c->q->off + c->at);
	put32(s, c->len);
	if (c->q->write) {
		iov_get(c->q->iov, c->at, s->buf + s->len, c->len);
		s->len += c->len;
	}
	return send_packet(s, err);
}

/* The next chunk to ask for, passing over what has failed; false: none. */
static bool next_chunk(struct job *j, struct chunk *c)
{
	uint64_t len;

	for (; j->q < j->end; j->q++, j->next = 0) {
		len = iov_total(j->q->iov, j->q->n);
		if (j->q->ret || j->next >= len)
			continue;
		*c = (struct chunk){ j->q, j->next,
		    (uint32_t)min64(len - j->next, SFTP3_CHUNK) };
		j->next += c->len;
		return true;
	}
	return false;
}

/* Fills the free slots. */
static int send_more(struct job *j, struct error *err)
{
	int rc = 0;

	for (unsigned i = 0; i < SFTP3_DEPTH && !rc; i++) {
		if (j->slot[i].q)
			continue;
		if (!next_chunk(j, &j->slot[i]))
			break;
		j->in_flight++;
		rc = send_chunk(j, i, err);
	}
	return rc;
}

static void done(struct job *j, unsigned i)
{
	j->slot[i].q = NULL;
	j->in_flight--;
}

/* The rest of a DATA packet: as much as was asked for, or less and then the
 * remainder is asked for again. */
static int take_data(struct job *j, unsigned i, uint32_t rest,
    struct error *err)
{
	struct chunk *c = &j->slot[i];
	struct sftp3 *s = j->s;
	struct cursor ignored;
	uint32_t n;
	be32 count;
	int rc;

	if (rest < sizeof(count))
		return garbled(s, "data without a length", err);
	if ((rc = recv_bytes(s, &count, sizeof(count), err)))
		return rc;
	rest -= (uint32_t)sizeof(count);
	n = be32_get(count);
	if (n == 0 || n > c->len || n > rest)
		return garbled(s, "more or less data than was asked for", err);
	if ((rc = recv_pieces(s, c, n, err)) ||
	    (rc = recv_rest(s, rest - n, &ignored, err)))
		return rc;
	if (n == c->len) {
		done(j, i);
		return 0;
	}
	c->at += n;
	c->len -= n;
	return send_chunk(j, i, err);
}

/* One reply.  What it says against a request is noted there and in failed;
 * what breaks the stream is returned. */
static int take_reply(struct job *j, struct error *failed, struct error *err)
{
	struct sftp3 *s = j->s;
	uint32_t number, rest, code;
	struct error status;
	struct chunk *c;
	struct cursor text;
	uint8_t got;
	unsigned i;
	int rc = recv_head(s, &got, &number, &rest, err);

	if (rc)
		return rc;
	i = number % SFTP3_DEPTH;
	c = &j->slot[i];
	if (number - i != s->turn * SFTP3_DEPTH || !c->q)
		return garbled(s, "a reply to no request", err);
	if (got == DATA && !c->q->write)
		return take_data(j, i, rest, err);
	if (got != STATUS)
		return garbled(s, "a reply of the wrong kind", err);
	if ((rc = recv_rest(s, rest, &text, err)))
		return rc;
	rc = status_error(s, &text, c->q->write ? "writing" : "reading", &code,
	    &status);
	if (s->broken) {
		*err = status;
		return rc;
	}
	if (!c->q->write && code == OK)
		return garbled(s, "no data for a read", err);
	if (!c->q->write && code == END_OF_FILE) {
		iov_put(c->q->iov, c->at, NULL, c->len);
	} else if (rc) {
		c->q->ret = rc;
		*failed = status;
	}
	done(j, i);
	return 0;
}

static int run(struct job *j, struct error *failed, struct error *err)
{
	int rc;

	do {
		if ((rc = send_more(j, err)) ||
		    (j->in_flight && (rc = take_reply(j, failed, err))))
			return rc;
	} while (j->in_flight);
	return 0;
}

int sftp3_submit(struct sftp3 *s, const struct sftp3_handle *h,
    struct store_req *reqs, unsigned n, struct error *err)
{
	struct job j = { .s = s, .h = h, .q = reqs, .end = reqs + n };
	struct error failed = { 0 };
	bool wrote = false;
	int rc;

	for (unsigned i = 0; i < n; i++)
		reqs[i].ret = 0;
	s->turn++;
	rc = run(&j, &failed, err);
	if (rc) {			/* what was done is not known any more */
		for (unsigned i = 0; i < n; i++)
			reqs[i].ret = rc;
		return rc;
	}
	if (!failed.code)
		return 0;
	*err = failed;
	for (unsigned i = 0; i < n; i++)
		wrote |= reqs[i].write && reqs[i].ret == -EIO;
	if (wrote && is_full(s, h)) {
		error_errno(err, ENOSPC, "writing");
		for (unsigned i = 0; i < n; i++)
			if (reqs[i].write && reqs[i].ret == -EIO)
				reqs[i].ret = -ENOSPC;
	}
	return -err->code;
}
