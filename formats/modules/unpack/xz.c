/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xz.c - .xz files (the .xz file format, version 1.1)
 *
 * An index at the end of every stream tells where each block lies and how
 * long its contents are, and the decoder holds each block to that.  So the
 * size is known, and files of several blocks (xz -T, pixz) are unpacked on
 * several threads and from anywhere.  What xz without -T writes is one block.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "modules/unpack/unpack.h"

#ifdef HAVE_LZMA
#include <lzma.h>

/* Of the index in memory: 16 bytes and less a block. */
enum { INDEX_MEMORY = 64 << 20 };

static int failed(lzma_ret ret, uint64_t at, struct error *err)
{
	switch (ret) {
	case LZMA_MEM_ERROR:
		return error_errno(err, ENOMEM, "unpacking xz");
	case LZMA_MEMLIMIT_ERROR:
		return error_set(err, EFBIG, "the xz index is larger than "
		    "%d MiB", INDEX_MEMORY >> 20);
	case LZMA_OPTIONS_ERROR:
		return error_set(err, ENOTSUP,
		    "xz data at byte %" PRIu64 " of a kind not known here",
		    at);
	case LZMA_BUF_ERROR:
		return error_set(err, EIO, "the xz data is cut off at byte %"
		    PRIu64, at);
	default:
		return error_set(err, EIO, "corrupt xz data at byte %" PRIu64,
		    at);
	}
}

/* ---- the index */

/* Lets the library look where it wants: at the ends of the streams. */
static int read_index(struct store *s, lzma_index **index, struct error *err)
{
	lzma_stream z = LZMA_STREAM_INIT;
	uint8_t buf[16 << 10];
	uint64_t size = store_size(s), at = 0;
	lzma_ret ret;
	int rc = 0;

	ret = lzma_file_info_decoder(&z, index, INDEX_MEMORY, size);
	while (ret == LZMA_OK && !rc) {
		if (!z.avail_in) {
			z.next_in = buf;
			z.avail_in = min64(sizeof(buf), size - at);
			rc = store_pread(s, buf, z.avail_in, at,
			    EVENT_HEADER_READ, err);
			at += z.avail_in;
		}
		if (rc)
			break;
		ret = lzma_code(&z, LZMA_RUN);
		if (ret == LZMA_SEEK_NEEDED) {
			at = min64(z.seek_pos, size);
			z.avail_in = 0;
			ret = LZMA_OK;
		}
	}
	at -= z.avail_in;
	lzma_end(&z);
	if (rc || ret == LZMA_STREAM_END)
		return rc;
	if (ret != LZMA_FORMAT_ERROR && ret != LZMA_DATA_ERROR &&
	    ret != LZMA_BUF_ERROR)
		return failed(ret, at, err);
	return error_set(err, EIO, "the xz data is cut off, corrupt, or has "
	    "something else behind it: there is no good index at its end");
}

static int plan(struct store *s, struct plan *plan, struct error *err)
{
	lzma_index *index = NULL;
	lzma_index_iter i;
	int rc = read_index(s, &index, err);

	if (rc)
		return rc;
	plan->index = index;
	plan->pieces_known = plan->sizes_known = true;
	lzma_index_iter_init(&i, index);
	while (!rc && !lzma_index_iter_next(&i, LZMA_INDEX_ITER_NONEMPTY_BLOCK))
		rc = plan_add(plan, i.block.compressed_file_offset,
		    i.block.total_size, i.block.uncompressed_size, err);
	return rc;
}

static void plan_fini(struct plan *plan)
{
	lzma_index_end(plan->index, NULL);
}

/* ---- blocks */

struct state {
	lzma_stream z;
	lzma_block block;
	lzma_index_iter at;
	lzma_filter filters[LZMA_FILTERS_MAX + 1];
	uint64_t left;		/* contents of the piece after this block */
};

/* The block header and a decoder for what follows it. */
static int begin_block(struct decoder *d, struct error *err)
{
	struct state *st = d->state;
	const lzma_index_iter *i = &st->at;
	uint64_t from = i->block.compressed_file_offset, memory;
	uint8_t head[LZMA_BLOCK_HEADER_SIZE_MAX];
	lzma_block *b = &st->block;
	lzma_ret ret;
	int rc;

	d->in.at = from;
	d->in.end = from + i->block.total_size;
	d->in.pos = d->in.len = 0;
	if ((rc = input_fill(&d->in, err)))
		return rc;
	*b = (lzma_block){ .version = 1, .check = i->stream.flags->check,
	    .filters = st->filters };
	b->header_size = lzma_block_header_size_decode(d->in.buf[0]);
	if (!d->in.buf[0] || b->header_size > d->in.len)
		return failed(LZMA_DATA_ERROR, from, err);
	memcpy(head, d->in.buf, b->header_size);
	d->in.pos = b->header_size;
	ret = lzma_block_header_decode(b, NULL, head);
	if (ret != LZMA_OK)
		return failed(ret, from, err);
	/* From here on the decoder holds the block to what the index says. */
	ret = lzma_block_compressed_size(b, i->block.unpadded_size);
	if (b->uncompressed_size != LZMA_VLI_UNKNOWN &&
	    b->uncompressed_size != i->block.uncompressed_size)
		ret = LZMA_DATA_ERROR;
	b->uncompressed_size = i->block.uncompressed_size;
	memory = lzma_raw_decoder_memusage(st->filters);
	if (ret == LZMA_OK && memory == UINT64_MAX)
		ret = LZMA_OPTIONS_ERROR;
	rc = ret != LZMA_OK ? failed(ret, from, err) :
	    decoder_memory(d, memory, err);
	if (!rc && (ret = lzma_block_decoder(&st->z, b)) != LZMA_OK)
		rc = failed(ret, from, err);
	lzma_filters_free(st->filters, NULL);
	st->left -= min64(st->left, i->block.uncompressed_size);
	return rc;
}

static int begin(struct decoder *d, struct error *err)
{
	struct state *st = d->state = calloc(1, sizeof(*st));

	if (!st)
		return error_errno(err, ENOMEM, "unpacking xz");
	st->left = d->len;
	lzma_index_iter_init(&st->at, d->index);
	if (lzma_index_iter_locate(&st->at, d->out))
		return failed(LZMA_PROG_ERROR, d->in.at, err);
	return begin_block(d, err);
}

static int xz_read(struct decoder *d, uint8_t *buf, size_t size, size_t *n,
    struct error *err)
{
	struct state *st = d->state;
	lzma_ret ret;
	int rc;

	st->z.next_out = buf;
	st->z.avail_out = size;
	while (st->z.avail_out && !d->done) {
		if ((rc = input_fill(&d->in, err)))
			return rc;
		st->z.next_in = input_bytes(&d->in);
		st->z.avail_in = input_have(&d->in);
		ret = lzma_code(&st->z, st->z.avail_in ? LZMA_RUN :
		    LZMA_FINISH);
		d->in.pos = d->in.len - st->z.avail_in;
		if (ret != LZMA_OK && ret != LZMA_STREAM_END)
			return failed(ret, input_offset(&d->in), err);
		if (ret != LZMA_STREAM_END)
			continue;
		d->done = !st->left || lzma_index_iter_next(&st->at,
		    LZMA_INDEX_ITER_NONEMPTY_BLOCK);
		if (!d->done && (rc = begin_block(d, err)))
			return rc;
	}
	*n = size - st->z.avail_out;
	return 0;
}

static void end(struct decoder *d)
{
	struct state *st = d->state;

	if (st)
		lzma_end(&st->z);
	free(st);
}

const struct packing packing_xz = {
	.name = "xz",
	.plan = plan,
	.plan_fini = plan_fini,
	.begin = begin,
	.read = xz_read,
	.end = end,
};

#else

const struct packing packing_xz = { .name = "xz", .missing = "liblzma" };

#endif
