/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * zstd.c - zstd files (RFC 8878)
 *
 * A file is a row of frames, each unpacked by itself.  Where they lie is found
 *
 *  - in the seek table at the end, if the file has one (the "seekable
 *    format", a skippable frame after the others);
 *  - else by walking over the headers of frames and blocks.  That reads a few
 *    bytes out of each 128 KiB: cheap for a file, but from a server it would
 *    be the whole file twice, so there it is not done.
 *
 * Neither is believed: a piece must use up exactly its bytes, and give as many
 * as were said.  zstd writes the size of the contents into its frames when it
 * knows it, pzstd does not; but a walk over the blocks bounds it.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "modules/unpack/unpack.h"

#ifdef HAVE_ZSTD
#include <zstd.h>
#include <zstd_errors.h>

enum {
	FRAME_MAGIC = 0xfd2fb528u,
	SKIP_MAGIC = 0x184d2a50u,	/* and 15 more */
	SEEK_MAGIC = 0x8f92eab1u,
	HEADER_MAX = 18,
	BLOCK_MAX = 128 << 10,
	WINDOW_LOG_MAX = 27,		/* what zstd itself takes by default */
};

struct header {
	bool skippable, checksum;
	uint64_t size;		/* of the header; skippable: of it all */
	uint64_t window;
	uint64_t content;	/* UINT64_MAX: not said */
};

static bool is_skippable(uint32_t magic)
{
	return (magic & ~15u) == SKIP_MAGIC;
}

/* Section 3.1.1.1, from n bytes.  0, or what is wrong. */
static const char *parse(const uint8_t *p, size_t n, struct header *h)
{
	static const uint8_t dict_size[] = { 0, 1, 2, 4 };
	unsigned flags, fcs, at = 5;
	le32 word;
	uint64_t v = 0;

	*h = (struct header){ .content = UINT64_MAX };
	if (n < 5)
		return "is cut off";
	memcpy(&word, p, 4);
	if (is_skippable(le32_get(word))) {
		if (n < 8)
			return "is cut off";
		memcpy(&word, p + 4, 4);
		h->skippable = true;
		h->size = 8 + (uint64_t)le32_get(word);
		return NULL;
	}
	if (le32_get(word) != FRAME_MAGIC)
		return "is followed by something else";
	flags = p[4];
	if (flags & 8)
		return "is of a kind not known here";
	h->checksum = flags & 4;
	fcs = flags >> 6 ? 1u << (flags >> 6) : flags >> 5 & 1;
	h->size = at + !(flags & 32) + dict_size[flags & 3] + fcs;
	if (n < h->size)
		return "is cut off";
	if (!(flags & 32)) {
		h->window = UINT64_C(1) << (10 + (p[at] >> 3));
		h->window += h->window / 8 * (p[at] & 7);
		at++;
	}
	at += dict_size[flags & 3];
	for (unsigned i = 0; i < fcs; i++)
		v |= (uint64_t)p[at + i] << (8 * i);
	if (fcs)
		h->content = fcs == 2 ? v + 256 : v;
	if (flags & 32)
		h->window = h->content;
	return NULL;
}

static int wrong(const char *what, uint64_t at, struct error *err)
{
	return error_set(err, EIO, "the zstd data %s at byte %" PRIu64, what,
	    at);
}

/* ---- the seek table: "zstd seekable format", version 0.1.0 */

/* Entries are looked at in pieces: their number is the file's word. */
static int add_entries(struct store *s, uint64_t at, uint64_t count,
    unsigned entry, uint64_t frames_end, struct plan *plan, struct error *err)
{
	uint8_t buf[12 * 1024];
	uint64_t in = 0;
	int rc;

	while (count) {
		uint64_t n = min64(count, sizeof(buf) / entry);

		if ((rc = store_pread(s, buf, n * entry, at,
		    EVENT_HEADER_READ, err)))
			return rc;
		for (uint64_t i = 0; i < n; i++) {
			le32 word[2];

			memcpy(word, buf + i * entry, sizeof(word));
			if ((rc = plan_add(plan, in, le32_get(word[0]),
			    le32_get(word[1]), err)))
				return rc;
			in += le32_get(word[0]);
		}
		count -= n;
		at += n * entry;
	}
	plan->pieces_known = plan->sizes_known = in == frames_end;
	return 0;
}

static int plan_by_table(struct store *s, struct plan *plan,
    struct error *err)
{
	uint64_t size = store_size(s), count, length;
	uint8_t foot[9];
	unsigned entry;
	le32 word[2];
	int rc;

	if (size < 8 + sizeof(foot))
		return 0;
	if ((rc = store_pread(s, foot, sizeof(foot), size - sizeof(foot),
	    EVENT_HEADER_READ, err)))
		return rc;
	memcpy(&word[0], foot, 4);
	memcpy(&word[1], foot + 5, 4);
	if (le32_get(word[1]) != SEEK_MAGIC)
		return 0;
	entry = foot[4] & 0x80 ? 12 : 8;
	count = le32_get(word[0]);
	length = count * entry + sizeof(foot);
	if (8 + length > size)
		return 0;
	if ((rc = store_pread(s, word, sizeof(word), size - length - 8,
	    EVENT_HEADER_READ, err)))
		return rc;
	if (!is_skippable(le32_get(word[0])) || le32_get(word[1]) != length)
		return 0;
	return add_entries(s, size - length, count, entry, size - length - 8,
	    plan, err);
}

/* ---- walking */

/* n bytes at off, by way of a small buffer. */
static int look(struct input *in, uint64_t off, size_t n, struct error *err)
{
	if (off > in->end)
		return wrong("is cut off", in->end, err);
	if (off >= input_offset(in) && off < in->at) {
		in->pos += off - input_offset(in);
	} else {
		in->at = off;
		in->pos = in->len = 0;
	}
	return input_peek(in, n, err);
}

/* Over the blocks of a frame (section 3.1.1.2), to its end. */
static int walk_blocks(struct input *in, uint64_t *at, uint64_t *blocks,
    struct error *err)
{
	uint32_t head;
	int rc;

	for (*blocks = 0;; ++*blocks) {
		const uint8_t *p;

		if ((rc = look(in, *at, 3, err)))
			return rc;
		if (input_have(in) < 3)
			return wrong("is cut off", in->end, err);
		p = input_bytes(in);
		head = p[0] | p[1] << 8 | (uint32_t)p[2] << 16;
		if ((head >> 1 & 3) == 3)
			return wrong("is corrupt", *at, err);
		*at += 3 + ((head >> 1 & 3) == 1 ? 1 : head >> 3);
		if (head & 1) {
			++*blocks;
			return 0;
		}
	}
}

static int plan_by_walk(struct store *s, struct plan *plan, struct error *err)
{
	uint64_t size = store_size(s), at = 0, from, blocks;
	struct input in = { .store = s, .end = size };
	uint8_t buf[4096];
	struct header h;
	const char *what;
	int rc = 0;

	in.buf = buf;
	in.size = sizeof(buf);
	plan->pieces_known = plan->sizes_known = true;
	while (!rc && at < size) {
		from = at;
		if ((rc = look(&in, at, HEADER_MAX, err)))
			break;
		what = parse(input_bytes(&in), input_have(&in), &h);
		if (what)
			return wrong(what, at, err);
		at += h.size;
		if (!h.skippable) {
			if ((rc = walk_blocks(&in, &at, &blocks, err)))
				break;
			at += h.checksum ? 4 : 0;
			blocks *= BLOCK_MAX;
			if (h.content == UINT64_MAX) {
				plan->sizes_known = false;
				h.content = blocks;
			}
			if (h.content > blocks)
				return wrong("is corrupt", from, err);
			rc = plan_add(plan, from, at - from, h.content, err);
		}
		if (at > size)
			return wrong("is cut off", size, err);
	}
	return rc;
}

static int plan(struct store *s, struct plan *plan, struct error *err)
{
	int rc = plan_by_table(s, plan, err);

	if (rc || plan->pieces_known)
		return rc;
	plan->count = 0;
	plan->size = 0;
	return s->fd < 0 ? 0 : plan_by_walk(s, plan, err);
}

/* ---- frames */

struct state {
	ZSTD_DCtx *z;
	bool inside;		/* a frame */
};

static int begin(struct decoder *d, struct error *err)
{
	struct state *st = d->state = calloc(1, sizeof(*st));

	if (!st || !(st->z = ZSTD_createDCtx()))
		return error_errno(err, ENOMEM, "unpacking zstd");
	ZSTD_DCtx_setParameter(st->z, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	return 0;
}

/* Before a frame: what its window will take. */
static int begin_frame(struct decoder *d, struct error *err)
{
	struct header h;
	const char *what;
	int rc = input_peek(&d->in, HEADER_MAX, err);

	if (rc)
		return rc;
	if (!input_have(&d->in)) {
		d->done = true;
		return 0;
	}
	what = parse(input_bytes(&d->in), input_have(&d->in), &h);
	if (what)
		return wrong(what, input_offset(&d->in), err);
	return decoder_memory(d, h.window, err);
}

static int zstd_read(struct decoder *d, uint8_t *buf, size_t size, size_t *n,
    struct error *err)
{
	struct state *st = d->state;
	ZSTD_outBuffer out = { buf, size, 0 };
	size_t ret;
	int rc;

	while (out.pos < size && !d->done) {
		ZSTD_inBuffer in;

		if (!st->inside && (rc = begin_frame(d, err)))
			return rc;
		if (d->done)
			break;
		if ((rc = input_fill(&d->in, err)))
			return rc;
		in = (ZSTD_inBuffer){ input_bytes(&d->in),
		    input_have(&d->in), 0 };
		ret = ZSTD_decompressStream(st->z, &out, &in);
		if (ZSTD_isError(ret)) {
			if (ZSTD_getErrorCode(ret) ==
			    ZSTD_error_memory_allocation)
				return error_errno(err, ENOMEM,
				    "unpacking zstd");
			return error_set(err, EIO, "corrupt zstd data at byte "
			    "%" PRIu64 ": %s", input_offset(&d->in),
			    ZSTD_getErrorName(ret));
		}
		/* Without input it may still have had something to give. */
		if (!in.size && ret && out.pos < size)
			return wrong("is cut off", d->in.end, err);
		d->in.pos += in.pos;
		st->inside = ret != 0;
	}
	*n = out.pos;
	return 0;
}

static void end(struct decoder *d)
{
	struct state *st = d->state;

	if (st)
		ZSTD_freeDCtx(st->z);
	free(st);
}

const struct packing packing_zstd = {
	.name = "zstd",
	.plan = plan,
	.begin = begin,
	.read = zstd_read,
	.end = end,
};

#else

const struct packing packing_zstd = { .name = "zstd", .missing = "libzstd" };

#endif
