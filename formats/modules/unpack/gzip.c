/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gzip.c - gzip files (RFC 1952)
 *
 * Nothing in the format tells the size: the length at the end of a member is
 * modulo 2^32, of the last member alone, and cannot be told from garbage
 * behind it.  So a gzip file is one piece of unknown length.
 */
#include <stdlib.h>
#include <zlib.h>

#include "modules/unpack/unpack.h"

static int begin(struct decoder *d, struct error *err)
{
	z_stream *z = d->state = calloc(1, sizeof(*z));
	int rc = decoder_memory(d, 64 * KIB, err);

	if (rc)
		return rc;
	if (!z || inflateInit2(z, 15 + 16) != Z_OK)
		return error_errno(err, ENOMEM, "unpacking gzip");
	return 0;
}

/*
 * Behind a member: another one, or the end.  What else is there is ignored, as
 * gzip ignores it (tapes and downloads are padded) -- but not what could be
 * the first byte of a member that was cut off.
 */
static int next_member(struct decoder *d, bool *more, struct error *err)
{
	const uint8_t *p;
	int rc = input_peek(&d->in, 2, err);
	size_t n = input_have(&d->in);

	if (rc)
		return rc;
	p = input_bytes(&d->in);
	*more = n && p[0] == 0x1f && (n < 2 || p[1] == 0x8b);
	if (*more)
		inflateReset(d->state);
	return 0;
}

static int gz_read(struct decoder *d, uint8_t *buf, size_t size, size_t *n,
    struct error *err)
{
	z_stream *z = d->state;
	bool more;
	int rc, ret;

	z->next_out = buf;
	z->avail_out = (uInt)size;
	while (z->avail_out && !d->done) {
		if ((rc = input_fill(&d->in, err)))
			return rc;
		if (!input_have(&d->in))
			return error_set(err, EIO, "the gzip data is cut off "
			    "at byte %llu", (unsigned long long)d->in.end);
		z->next_in = d->in.buf + d->in.pos;
		z->avail_in = (uInt)input_have(&d->in);
		ret = inflate(z, Z_NO_FLUSH);
		d->in.pos = d->in.len - z->avail_in;
		if (ret == Z_MEM_ERROR)
			return error_errno(err, ENOMEM, "unpacking gzip");
		if (ret != Z_OK && ret != Z_STREAM_END && ret != Z_BUF_ERROR)
			return error_set(err, EIO, "corrupt gzip data at byte "
			    "%llu: %s",
			    (unsigned long long)input_offset(&d->in),
			    z->msg ? z->msg : "bad stream");
		if (ret == Z_STREAM_END) {
			if ((rc = next_member(d, &more, err)))
				return rc;
			d->done = !more;
		}
	}
	*n = size - z->avail_out;
	return 0;
}

static void end(struct decoder *d)
{
	if (d->state)
		inflateEnd(d->state);
	free(d->state);
}

const struct packing packing_gzip = {
	.name = "gzip",
	.begin = begin,
	.read = gz_read,
	.end = end,
};
