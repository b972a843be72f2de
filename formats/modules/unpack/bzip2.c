/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bzip2.c - bzip2 files
 *
 * No sizes anywhere, and blocks begin at any bit: one piece of unknown
 * length.
 */
#include <stdlib.h>

#include "modules/unpack/unpack.h"

#ifdef HAVE_BZIP2
#include <bzlib.h>

static int begin(struct decoder *d, struct error *err)
{
	bz_stream *bz = d->state = calloc(1, sizeof(*bz));
	int rc = decoder_memory(d, 4 * MIB, err);	/* of level 9 */

	if (rc)
		return rc;
	if (!bz || BZ2_bzDecompressInit(bz, 0, 0) != BZ_OK)
		return error_errno(err, ENOMEM, "unpacking bzip2");
	return 0;
}

/* As bzip2 does it: what is not another stream is ignored; see gzip.c. */
static int next_stream(struct decoder *d, bool *more, struct error *err)
{
	bz_stream *bz = d->state;
	int rc = input_peek(&d->in, 3, err);
	size_t n = input_have(&d->in);

	if (rc)
		return rc;
	*more = n && !memcmp(input_bytes(&d->in), "BZh", n < 3 ? n : 3);
	if (!*more)
		return 0;
	/* There is no reset; next_out and avail_out stay. */
	BZ2_bzDecompressEnd(bz);
	if (BZ2_bzDecompressInit(bz, 0, 0) != BZ_OK)
		return error_errno(err, ENOMEM, "unpacking bzip2");
	return 0;
}

static int bz_read(struct decoder *d, uint8_t *buf, size_t size, size_t *n,
    struct error *err)
{
	bz_stream *bz = d->state;
	bool more;
	int rc, ret;

	bz->next_out = (char *)buf;
	bz->avail_out = (unsigned)size;
	while (bz->avail_out && !d->done) {
		if ((rc = input_fill(&d->in, err)))
			return rc;
		if (!input_have(&d->in))
			return error_set(err, EIO, "the bzip2 data is cut off "
			    "at byte %llu", (unsigned long long)d->in.end);
		bz->next_in = (char *)d->in.buf + d->in.pos;
		bz->avail_in = (unsigned)input_have(&d->in);
		ret = BZ2_bzDecompress(bz);
		d->in.pos = d->in.len - bz->avail_in;
		if (ret == BZ_MEM_ERROR)
			return error_errno(err, ENOMEM, "unpacking bzip2");
		if (ret != BZ_OK && ret != BZ_STREAM_END)
			return error_set(err, EIO,
			    "corrupt bzip2 data at byte %llu",
			    (unsigned long long)input_offset(&d->in));
		if (ret == BZ_STREAM_END) {
			if ((rc = next_stream(d, &more, err)))
				return rc;
			d->done = !more;
		}
	}
	*n = size - bz->avail_out;
	return 0;
}

static void end(struct decoder *d)
{
	if (d->state)
		BZ2_bzDecompressEnd(d->state);
	free(d->state);
}

const struct packing packing_bzip2 = {
	.name = "bzip2",
	.begin = begin,
	.read = bz_read,
	.end = end,
};

#else

const struct packing packing_bzip2 = { .name = "bzip2", .missing = "libbz2" };

#endif
