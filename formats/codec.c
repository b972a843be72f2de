/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * codec.c - deflate and Zstandard for single units, and the unit cache
 *
 * A unit is unpacked by one call into the buffer it fills, so neither library
 * needs a window of its own, whatever the stream declares.  That call knows
 * streams that end where the unit ends.  Anything else (longer streams, which
 * are valid; several frames; damage) goes a second way, slower and piece by
 * piece, and what that one says is the answer.
 */
#include "codec.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#ifdef HAVE_LIBDEFLATE
#include <libdeflate.h>
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

#include "base/auto.h"
#include "base/bytes.h"

static int damaged(struct error *err)
{
	return error_set(err, EIO, "compressed data is damaged or too short");
}

/* ---- deflate */

/* Raw, and with the largest window a stream can ask for. */
enum { DEFLATE_WINDOW = -15, DEFLATE_MEMORY = 8 };

static int inflate_pieces(void *dst, size_t dst_len, const void *src,
    size_t src_len, struct error *err)
{
	z_stream z = {
		.next_in = (Bytef *)src,	/* zlib only reads it */
		.avail_in = (uInt)src_len,
		.next_out = dst,
		.avail_out = (uInt)dst_len,
	};

	if (z.avail_in != src_len || z.avail_out != dst_len)
		return error_set(err, EINVAL, "compressed unit is too large");
	if (inflateInit2(&z, DEFLATE_WINDOW) != Z_OK)
		return error_errno(err, ENOMEM, "inflating");
	inflate(&z, Z_FINISH);
	inflateEnd(&z);
	return z.avail_out ? damaged(err) : 0;
}

#ifdef HAVE_LIBDEFLATE

static int deflate_unpack(void *dst, size_t dst_len, const void *src,
    size_t src_len, struct error *err)
{
	/* Making one costs nothing: it is memory that nobody clears. */
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	enum libdeflate_result result;

	if (!d)
		return error_errno(err, ENOMEM, "inflating");
	result = libdeflate_deflate_decompress(d, src, src_len, dst, dst_len,
	    NULL);
	libdeflate_free_decompressor(d);
	if (result == LIBDEFLATE_SUCCESS)
		return 0;
	return inflate_pieces(dst, dst_len, src, src_len, err);
}

/*
 * Size and speed of one core, by those of zlib's level 6 with a 4 KiB window,
 * as the peer compresses: units of 64 KiB of programs, text and data; and the
 * size when a seventh of the units are noise:
 *
 *	level	1	2	5	6	7	9	10	12
 *	size	1.021	.981	.951	.946	.943	.942	.920	.920
 *	noise	1.015	.987	.965	.962	.960	.959	.944	.943
 *	speed	5.3	3.7	2.4	2.1	1.55	.6	.45	.3
 *
 * What 10 gains it gains in all units alike: with that noise .95 would cost
 * 2.3 to 3.2 times as much as 6, even if it were known where to use 10.
 */
static int deflate_packer_init(struct packer *p, enum codec_level level)
{
	static const int levels[] = {
		[CODEC_FAST] = 1, [CODEC_DEFAULT] = 2, [CODEC_BEST] = 6
	};

	p->state = libdeflate_alloc_compressor(levels[level]);
	return p->state ? 0 : -ENOMEM;
}

static void deflate_packer_fini(struct packer *p)
{
	libdeflate_free_compressor(p->state);
}

static size_t deflate_pack(struct packer *p, void *dst, size_t cap,
    const void *src, size_t len)
{
	return libdeflate_deflate_compress(p->state, src, len, dst, cap);
}

#else

static int deflate_unpack(void *dst, size_t dst_len, const void *src,
    size_t src_len, struct error *err)
{
	return inflate_pieces(dst, dst_len, src, src_len, err);
}

static int deflate_packer_init(struct packer *p, enum codec_level level)
{
	static const int levels[] = {
		[CODEC_FAST] = 1, [CODEC_DEFAULT] = 6, [CODEC_BEST] = 9
	};
	z_stream *z = calloc(1, sizeof(*z));

	if (z && deflateInit2(z, levels[level], Z_DEFLATED, DEFLATE_WINDOW,
	    DEFLATE_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(z);
		z = NULL;
	}
	p->state = z;
	return z ? 0 : -ENOMEM;
}

static void deflate_packer_fini(struct packer *p)
{
	deflateEnd(p->state);
	free(p->state);
}

static size_t deflate_pack(struct packer *p, void *dst, size_t cap,
    const void *src, size_t len)
{
	z_stream *z = p->state;

	deflateReset(z);
	z->next_in = (Bytef *)src;
	z->avail_in = (uInt)len;
	z->next_out = dst;
	z->avail_out = (uInt)min64(cap, UINT32_MAX);
	if (z->avail_in != len || deflate(z, Z_FINISH) != Z_STREAM_END)
		return 0;
	return z->total_out;
}

#endif

const struct codec *codec_deflate(void)
{
	static const struct codec deflate_codec = {
		.name = "zlib",
		.unpack = deflate_unpack,
		.packer_init = deflate_packer_init,
		.packer_fini = deflate_packer_fini,
		.pack = deflate_pack,
	};

	return &deflate_codec;
}

/* ---- Zstandard */

#ifdef HAVE_ZSTD

/* The second way needs a window beside the output.  Units are 2 MiB at most,
 * so is what their writers need; this leaves room and bounds the rest. */
enum { ZSTD_WINDOW_LOG = 23 };

/*
 * A decompressor is 95 KiB, and making one for each unit of 64 KiB costs a
 * quarter of the time: each thread keeps its own until it ends.
 */
static struct {
	pthread_once_t once;
	pthread_key_t key;
	bool made;
} zstd_thread = { .once = PTHREAD_ONCE_INIT };

static void zstd_free(void *d)
{
	ZSTD_freeDCtx(d);
}

static void zstd_make_key(void)
{
	zstd_thread.made = !pthread_key_create(&zstd_thread.key, zstd_free);
}

/* This thread's; NULL: no memory, the second way says so. */
static ZSTD_DCtx *zstd_mine(void)
{
	ZSTD_DCtx *d;

	pthread_once(&zstd_thread.once, zstd_make_key);
	if (!zstd_thread.made)
		return NULL;
	d = pthread_getspecific(zstd_thread.key);
	if (d)
		return d;
	d = ZSTD_createDCtx();
	if (d && pthread_setspecific(zstd_thread.key, d)) {
		ZSTD_freeDCtx(d);
		d = NULL;
	}
	return d;
}

static void free_dctx(ZSTD_DCtx **d)
{
	ZSTD_freeDCtx(*d);
}

static int zstd_unpack_pieces(void *dst, size_t dst_len, const void *src,
    size_t src_len, struct error *err)
{
	__attribute__((cleanup(free_dctx))) ZSTD_DCtx *d = ZSTD_createDCtx();
	ZSTD_outBuffer out = { .dst = dst, .size = dst_len };
	ZSTD_inBuffer in = { .src = src, .size = src_len };

	if (!d)
		return error_errno(err, ENOMEM, "decompressing");
	ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	while (out.pos < out.size) {
		size_t was_in = in.pos, was_out = out.pos;

		if (ZSTD_isError(ZSTD_decompressStream(d, &out, &in)) ||
		    (in.pos == was_in && out.pos == was_out))
			return damaged(err);
	}
	return 0;
}

static int zstd_unpack(void *dst, size_t dst_len, const void *src,
    size_t src_len, struct error *err)
{
	/* src goes on behind the frame: to the end of a sector, and more */
	size_t len = ZSTD_findFrameCompressedSize(src, src_len);
	ZSTD_DCtx *d = zstd_mine();

	if (d && !ZSTD_isError(len) &&
	    ZSTD_decompressDCtx(d, dst, dst_len, src, len) == dst_len)
		return 0;
	return zstd_unpack_pieces(dst, dst_len, src, src_len, err);
}

struct zstd_packer {
	ZSTD_CCtx *ctx;
	int level;
};

static void zstd_packer_fini(struct packer *p)
{
	struct zstd_packer *z = p->state;

	if (z)
		ZSTD_freeCCtx(z->ctx);
	free(z);
}

static int zstd_packer_init(struct packer *p, enum codec_level level)
{
	static const int levels[] = {
		[CODEC_FAST] = 1, [CODEC_DEFAULT] = 3, [CODEC_BEST] = 9
	};
	struct zstd_packer *z = calloc(1, sizeof(*z));

	if (z) {
		z->ctx = ZSTD_createCCtx();
		z->level = levels[level];
	}
	p->state = z;
	if (z && z->ctx)
		return 0;
	zstd_packer_fini(p);
	return -ENOMEM;
}

static size_t zstd_pack(struct packer *p, void *dst, size_t cap,
    const void *src, size_t len)
{
	struct zstd_packer *z = p->state;
	size_t n = ZSTD_compressCCtx(z->ctx, dst, cap, src, len, z->level);

	return ZSTD_isError(n) ? 0 : n;
}

#else

static int zstd_unpack(void *dst, size_t dst_len, const void *src,
    size_t src_len, struct error *err)
{
	return error_set(err, ENOTSUP, "this build reads no zstd");
}

static int zstd_packer_init(struct packer *p, enum codec_level level)
{
	return -ENOTSUP;
}

static void zstd_packer_fini(struct packer *p)
{
}

static size_t zstd_pack(struct packer *p, void *dst, size_t cap,
    const void *src, size_t len)
{
	return 0;
}

#endif

const struct codec *codec_zstd(void)
{
	static const struct codec zstd_codec = {
		.name = "zstd",
		.unpack = zstd_unpack,
		.packer_init = zstd_packer_init,
		.packer_fini = zstd_packer_fini,
		.pack = zstd_pack,
	};

	return &zstd_codec;
}

/* ---- packers */

struct packer *packer_new(const struct codec *codec, enum codec_level level,
    struct error *err)
{
	struct packer *p = calloc(1, sizeof(*p));
	int ret = -ENOMEM;

	if (p) {
		p->codec = codec;
		ret = codec->packer_init(p, level);
	}
	if (!ret)
		return p;
	free(p);
	if (ret == -ENOTSUP)
		error_set(err, ENOTSUP, "this build writes no %s",
		    codec->name);
	else
		error_errno(err, -ret, "%s compressor", codec->name);
	return NULL;
}

void packer_free(struct packer *p)
{
	if (p)
		p->codec->packer_fini(p);
	free(p);
}

size_t packer_pack(struct packer *p, void *dst, size_t cap, const void *src,
    size_t len)
{
	return p->codec->pack(p, dst, cap, src, len);
}

/* ---- unit cache */

enum { UNITS = 8, UNIT_MAX = 2 * MIB };

struct unit {
	struct store *store;	/* NULL: nothing in it */
	uint64_t host;
	uint32_t len, room;
	unsigned users;		/* copying from it, or to it */
	uint64_t used;		/* when, by the cache's clock */
	void *data;
};

/* Bytes are copied outside the lock: two readers wait for each other for a
 * few instructions only.  A unit with users stays as it is. */
struct unit_cache {
	pthread_mutex_t lock;	/* guards all below, data excepted; innermost */
	uint64_t clock;
	struct unit unit[UNITS];
};

struct unit_cache *unit_cache_new(void)
{
	struct unit_cache *c = calloc(1, sizeof(*c));

	if (c)
		pthread_mutex_init(&c->lock, NULL);
	return c;
}

void unit_cache_free(struct unit_cache *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < UNITS; i++)
		free(c->unit[i].data);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* Under the lock. */
static struct unit *find(struct unit_cache *c, struct store *store,
    uint64_t host)
{
	for (struct unit *u = c->unit; u < c->unit + UNITS; u++)
		if (u->store == store && u->host == host)
			return u;
	return NULL;
}

static struct unit *hold(struct unit_cache *c, struct store *store,
    uint64_t host, uint64_t end)
{
	LOCKED(&c->lock);
	struct unit *u = find(c, store, host);

	if (!u || end > u->len)
		return NULL;
	u->used = ++c->clock;
	u->users++;
	return u;
}

bool unit_cache_get(struct unit_cache *c, struct store *store, uint64_t host,
    uint32_t skip, uint32_t len, void *buf)
{
	struct unit *u = hold(c, store, host, (uint64_t)skip + len);

	if (!u)
		return false;
	memcpy(buf, (const char *)u->data + skip, len);
	LOCKED(&c->lock);
	u->users--;
	return true;
}

/* The unit used least recently, emptied, for this thread to fill; NULL when
 * all are busy or another thread was first with this one. */
static struct unit *claim(struct unit_cache *c, struct store *store,
    uint64_t host)
{
	LOCKED(&c->lock);
	struct unit *oldest = NULL;

	if (find(c, store, host))
		return NULL;
	for (struct unit *u = c->unit; u < c->unit + UNITS; u++)
		if (!u->users && (!oldest || u->used < oldest->used))
			oldest = u;
	if (oldest) {
		oldest->store = NULL;
		oldest->users = 1;
	}
	return oldest;
}

static bool fill(struct unit *u, const void *data, uint32_t len)
{
	if (u->room < len) {
		free(u->data);
		u->data = malloc(len);
		u->room = u->data ? len : 0;
	}
	if (u->room < len)
		return false;
	memcpy(u->data, data, len);
	u->len = len;
	return true;
}

void unit_cache_put(struct unit_cache *c, struct store *store, uint64_t host,
    const void *unit, uint32_t unit_len)
{
	struct unit *u = unit_len && unit_len <= UNIT_MAX ?
	    claim(c, store, host) : NULL;
	bool filled;

	if (!u)
		return;
	filled = fill(u, unit, unit_len);
	LOCKED(&c->lock);
	u->users = 0;
	if (!filled)
		return;
	u->store = store;
	u->host = host;
	u->used = ++c->clock;
}

void unit_cache_flush(struct unit_cache *c)
{
	LOCKED(&c->lock);
	for (unsigned i = 0; i < UNITS; i++)
		c->unit[i].store = NULL;
}
