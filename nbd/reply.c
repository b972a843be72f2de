/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reply.c - replies put together and sent in batches
 *
 * Replies are laid one behind the other in one area and sent by one call.
 * Data are read into their place behind their header: nothing is copied.
 *
 * Three forms ("Simple reply message", "Structured reply chunk message", and
 * its extended header) differ in the header alone; see put_header().
 */
#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* ---- areas */

int area_need(struct area *a, size_t size)
{
	void *at;

	if (size <= a->size)
		return 0;
	/* Large ones in steps of a half, so that growing does not creep. */
	size = align_up(max64(size, a->size + a->size / 2), 64 * KIB);
	at = a->at ? mremap(a->at, a->size, size, MREMAP_MAYMOVE) :
	    mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -ENOMEM;
	*a = (struct area){ at, size };
	return 0;
}

void area_free(struct area *a)
{
	if (a->at)
		munmap(a->at, a->size);
	*a = (struct area){ 0 };
}

/* ---- putting together */

void replies_init(struct replies *r, struct session *s)
{
	*r = (struct replies){ .session = s };
}

/* Room for n bytes more; NULL: no memory. */
static uint8_t *grow(struct replies *r, size_t n)
{
	uint8_t *at;

	if (area_need(&r->area, r->len + n))
		return NULL;
	at = r->area.at + r->len;
	r->len += n;
	return at;
}

static size_t header_len(const struct session *s)
{
	switch (s->mode) {
	case REPLY_SIMPLE:
		return sizeof(struct nbd_simple_reply);
	case REPLY_STRUCTURED:
		return sizeof(struct nbd_structured_reply);
	case REPLY_EXTENDED:
		return sizeof(struct nbd_extended_reply);
	}
	return 0;
}

/* error: of simple replies; the others are of chunks. */
static void put_header(const struct session *s, void *at,
    const struct request *req, uint32_t error, unsigned type, size_t len,
    bool done)
{
	struct nbd_simple_reply *simple = at;
	struct nbd_structured_reply *chunk = at;
	struct nbd_extended_reply *ext = at;
	unsigned flags = done ? NBD_REPLY_FLAG_DONE : 0;

	switch (s->mode) {
	case REPLY_SIMPLE:
		be32_put(&simple->magic, NBD_SIMPLE_REPLY_MAGIC);
		be32_put(&simple->error, error);
		be64_put(&simple->cookie, req->cookie);
		break;
	case REPLY_STRUCTURED:
		be32_put(&chunk->magic, NBD_STRUCTURED_REPLY_MAGIC);
		be16_put(&chunk->flags, flags);
		be16_put(&chunk->type, type);
		be64_put(&chunk->cookie, req->cookie);
		be32_put(&chunk->len, (uint32_t)len);
		break;
	case REPLY_EXTENDED:
		be32_put(&ext->magic, NBD_EXTENDED_REPLY_MAGIC);
		be16_put(&ext->flags, flags);
		be16_put(&ext->type, type);
		be64_put(&ext->cookie, req->cookie);
		be64_put(&ext->off, req->off);
		be64_put(&ext->len, len);
		break;
	}
}

uint8_t *reply_chunk(struct replies *r, const struct request *req,
    unsigned type, size_t len, bool done)
{
	size_t header = header_len(r->session);
	uint8_t *at = grow(r, header + len);

	if (!at)
		return NULL;
	put_header(r->session, at, req, 0, type, len, done);
	return at + header;
}

void reply_patch(struct replies *r, size_t start, const struct request *req,
    unsigned type, bool done)
{
	put_header(r->session, r->area.at + start, req, 0, type,
	    r->len - start - header_len(r->session), done);
}

uint8_t *reply_data(struct replies *r, const struct request *req,
    uint64_t off, uint64_t len, bool done)
{
	struct nbd_chunk_data *data;

	if (r->session->mode == REPLY_SIMPLE)
		return reply_chunk(r, req, 0, len, done);
	data = (void *)reply_chunk(r, req, NBD_REPLY_TYPE_OFFSET_DATA,
	    sizeof(*data) + len, done);
	if (!data)
		return NULL;
	be64_put(&data->off, off);
	return (uint8_t *)(data + 1);
}

int reply_data_header(struct replies *r, const struct request *req,
    uint64_t off, uint64_t len, bool done)
{
	size_t start = r->len;

	if (!reply_data(r, req, off, 0, done))
		return -ENOMEM;
	r->len += len;
	reply_patch(r, start, req, NBD_REPLY_TYPE_OFFSET_DATA, done);
	r->len -= len;
	return 0;
}

int reply_hole(struct replies *r, const struct request *req, uint64_t off,
    uint64_t len, bool done)
{
	struct nbd_chunk_hole *hole = (void *)reply_chunk(r, req,
	    NBD_REPLY_TYPE_OFFSET_HOLE, sizeof(*hole), done);

	if (!hole)
		return -ENOMEM;
	be64_put(&hole->off, off);
	be32_put(&hole->len, (uint32_t)len);
	return 0;
}

int reply_ok(struct replies *r, const struct request *req)
{
	return reply_chunk(r, req, NBD_REPLY_TYPE_NONE, 0, true) ? 0 :
	    -ENOMEM;
}

/* An error chunk; with an offset where off is not NULL. */
static int error_chunk(struct replies *r, const struct request *req,
    uint32_t error, const char *text, const uint64_t *off)
{
	size_t len = strlen(text);
	struct nbd_chunk_error *e = (void *)reply_chunk(r, req,
	    off ? NBD_REPLY_TYPE_ERROR_OFFSET : NBD_REPLY_TYPE_ERROR,
	    sizeof(*e) + len + (off ? sizeof(be64) : 0), true);

	if (!e)
		return -ENOMEM;
	be32_put(&e->error, error);
	be16_put(&e->len, (uint16_t)len);
	memcpy(e + 1, text, len);
	if (off)
		be64_put((be64 *)((char *)(e + 1) + len), *off);
	return 0;
}

int reply_error(struct replies *r, const struct request *req, uint32_t error,
    const char *text)
{
	uint8_t *at;

	if (r->session->mode != REPLY_SIMPLE)
		return error_chunk(r, req, error, text, NULL);
	at = grow(r, sizeof(struct nbd_simple_reply));
	if (!at)
		return -ENOMEM;
	put_header(r->session, at, req, error, 0, 0, true);
	return 0;
}

uint32_t nbd_error(int code)
{
	switch (code) {
	case EPERM: case EACCES: case EROFS: case EBADF:
		return NBD_EPERM;
	case ENOSPC: case EDQUOT: case EFBIG:
		return NBD_ENOSPC;
	case ENOMEM:
		return NBD_ENOMEM;
	case EINVAL:
		return NBD_EINVAL;
	case ENOTSUP:
		return NBD_ENOTSUP;
	case ESHUTDOWN:
		return NBD_ESHUTDOWN;
	default:
		return NBD_EIO;
	}
}

/* Our own words for what may be told to strangers: those of the library name
 * files. */
static const char *public_text(uint32_t error)
{
	switch (error) {
	case NBD_EPERM: return "operation not permitted";
	case NBD_ENOSPC: return "no space left on device";
	case NBD_ENOMEM: return "out of memory";
	case NBD_EINVAL: return "invalid argument";
	case NBD_ENOTSUP: return "operation not supported";
	case NBD_ESHUTDOWN: return "server is shutting down";
	default: return "input/output error";
	}
}

int reply_failed(struct replies *r, const struct request *req,
    const struct error *err)
{
	uint32_t error = nbd_error(err->code);

	/* The document has it for FAST_ZERO only ("Error values"). */
	if (error == NBD_ENOTSUP && !(req->flags & NBD_CMD_FLAG_FAST_ZERO))
		error = NBD_EINVAL;
	session_say(r->session, "request at offset %llu failed: %s",
	    (unsigned long long)req->off, err->text);
	return reply_error(r, req, error, public_text(error));
}

int reply_error_at(struct replies *r, const struct request *req, uint64_t off)
{
	return error_chunk(r, req, NBD_EIO, public_text(NBD_EIO), &off);
}

/* ---- sending */

int replies_begin(struct session *s)
{
	pthread_mutex_lock(&s->send_lock);
	return -atomic_load(&s->broken);
}

int replies_end(struct session *s, int rc)
{
	/* After half a reply nothing more may be sent; and who waits for
	 * requests learns that there will be none. */
	if (rc && !atomic_load(&s->broken)) {
		atomic_store(&s->broken, -rc);
		shutdown(s->conn.fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&s->send_lock);
	return rc;
}

int replies_send(struct replies *r)
{
	struct iovec iov = { r->area.at, r->len };
	int rc;

	if (r == &r->session->out)
		serve_drop(r->session);
	if (!r->len)
		return 0;
	rc = replies_begin(r->session);
	if (!rc)
		rc = conn_sendv(&r->session->conn, &iov, 1, false);
	rc = replies_end(r->session, rc);
	r->len = 0;
	if (r->area.size > KEEP_MAX)
		area_free(&r->area);
	return rc;
}
