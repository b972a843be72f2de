/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* codec.c - units come back as they were; odd streams, damage, the cache */
#include "codec.h"

#include <stdio.h>
#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

#include "base/auto.h"
#include "base/bytes.h"
#include "support/unit.h"

enum { UNIT = 64 * 1024, ROOM = 2 * UNIT };

static unsigned char plain[2 * UNIT], packed[ROOM], back[UNIT + 16];

/* Words again and again, near and far, and a little noise. */
static void make_text(void)
{
	unsigned seed = 3;

	for (unsigned i = 0; i < 2 * UNIT; i++)
		plain[i] = (unsigned char)(i > 50000 && i % 700 < 600 ?
		    plain[i - 40000] : i % 5 ? "cowbird "[i % 8] :
		    rand_r(&seed) % 64);
}

/* The unit's bytes and nothing beyond them. */
static int unpack(const struct codec *c, size_t src_len)
{
	struct error err;
	int ret;

	memset(back, 0x55, UNIT + 16);
	ret = c->unpack(back, UNIT, packed, src_len, &err);
	for (unsigned i = 0; i < 16; i++)
		CU_ASSERT_EQUAL(back[UNIT + i], 0x55);
	if (!ret)
		CU_ASSERT(!memcmp(back, plain, UNIT));
	return ret;
}

static size_t pack(const struct codec *c, enum codec_level level, size_t len,
    size_t cap)
{
	struct error err;
	struct packer *p = packer_new(c, level, &err);
	size_t n;

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	memset(packed, 0xa5, ROOM);	/* what follows the stream */
	n = packer_pack(p, packed, cap, plain, len);
	CU_ASSERT_EQUAL(packer_pack(p, back, 10, plain, len), 0);
	packer_free(p);
	return n;
}

static void check_codec(const struct codec *c)
{
	size_t n;

	for (enum codec_level l = CODEC_FAST; l <= CODEC_BEST; l++) {
		n = pack(c, l, UNIT, ROOM);
		CU_ASSERT(n > 0 && n < UNIT);
		CU_ASSERT_EQUAL(unpack(c, n), 0);
		/* garbage behind the stream */
		CU_ASSERT_EQUAL(unpack(c, align_up(n + 1, 512)), 0);
		/* what does not fit is not written */
		CU_ASSERT_EQUAL(pack(c, l, UNIT, n / 2), 0);
	}
	n = pack(c, CODEC_DEFAULT, 2 * UNIT, ROOM);
	CU_ASSERT_EQUAL(unpack(c, n), 0);		/* too long: fine */
	n = pack(c, CODEC_DEFAULT, UNIT - 1, ROOM);
	CU_ASSERT_EQUAL(unpack(c, n), -EIO);		/* one byte short */
	n = pack(c, CODEC_DEFAULT, UNIT, ROOM);
	CU_ASSERT_EQUAL(unpack(c, n / 2), -EIO);	/* cut */
	CU_ASSERT_EQUAL(unpack(c, 0), -EIO);
	memset(packed, 0xff, ROOM);
	CU_ASSERT_EQUAL(unpack(c, ROOM), -EIO);
}

/* Whatever the bytes, unpacking ends, stays in its buffer and says 0 or EIO
 * (the sanitizers watch). */
static void check_damage(const struct codec *c)
{
	size_t n = pack(c, CODEC_DEFAULT, UNIT, ROOM);
	unsigned seed = 5;
	struct error err;

	for (unsigned i = 0; i < 500; i++) {
		size_t at = (size_t)rand_r(&seed) % (i % 2 ? n : 64);
		unsigned char old = packed[at];
		int ret;

		packed[at] ^= (unsigned char)(1u << rand_r(&seed) % 8);
		ret = c->unpack(back, UNIT, packed, n, &err);
		CU_ASSERT(ret == 0 || ret == -EIO);
		packed[at] = old;
	}
}

static void deflate_units_come_back(void)
{
	check_codec(codec_deflate());
	CU_ASSERT_STRING_EQUAL(codec_deflate()->name, "zlib");
}

static void damaged_deflate_is_harmless(void)
{
	check_damage(codec_deflate());
}

/* Deflates n bytes of plain as zlib does. */
static size_t zlib_pack(int window, int level, size_t n)
{
	z_stream z = { 0 };

	deflateInit2(&z, level, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
	z.next_in = plain;
	z.avail_in = (uInt)n;
	z.next_out = packed;
	z.avail_out = ROOM;
	deflate(&z, Z_FINISH);
	deflateEnd(&z);
	return ROOM - z.avail_out;
}

static void streams_with_any_window_are_read(void)
{
	for (int window = -9; window >= -15; window--)
		CU_ASSERT_EQUAL(unpack(codec_deflate(),
		    zlib_pack(window, 6, UNIT)), 0);
	/* longer than the unit, and stored rather than compressed */
	CU_ASSERT_EQUAL(unpack(codec_deflate(),
	    zlib_pack(-12, 0, UNIT + 5000)), 0);
	CU_ASSERT_EQUAL(unpack(codec_deflate(),
	    zlib_pack(-12, 6, UNIT + 1)), 0);
}

/* On what disks hold: here the C library, code and data. */
static void deflate_levels_keep_their_promises(void)
{
	size_t peer = 0, size[CODEC_BEST + 1] = { 0 };
	Dl_info libc = { 0 };
	FILE *f;

	dladdr((void *)(uintptr_t)gnu_get_libc_version, &libc);
	f = fopen(libc.dli_fname ? libc.dli_fname : "/proc/self/exe", "r");
	CU_ASSERT_PTR_NOT_NULL(f);
	for (unsigned i = 0; f && i < 24 && fread(plain, UNIT, 1, f); i++) {
		peer += zlib_pack(-12, 6, UNIT);
		for (enum codec_level l = CODEC_FAST; l <= CODEC_BEST; l++)
			size[l] += pack(codec_deflate(), l, UNIT, ROOM);
	}
	if (f)
		fclose(f);
	make_text();
	CU_ASSERT(size[CODEC_DEFAULT] <= peer);
	CU_ASSERT(size[CODEC_BEST] <= size[CODEC_DEFAULT]);
#ifdef HAVE_LIBDEFLATE
	CU_ASSERT(size[CODEC_FAST] * 100 <= peer * 105);
	CU_ASSERT(size[CODEC_BEST] * 100 <= peer * 95);
#endif
}

#ifdef HAVE_ZSTD

static void zstd_units_come_back(void)
{
	check_codec(codec_zstd());
	CU_ASSERT_STRING_EQUAL(codec_zstd()->name, "zstd");
}

static void damaged_zstd_is_harmless(void)
{
	check_damage(codec_zstd());
}

/* Frames that do not tell their length, with a window of 2^log bytes. */
static size_t zstd_pack_stream(int log, size_t n, size_t step)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	ZSTD_outBuffer out = { .dst = packed, .size = ROOM };

	memset(packed, 0xa5, ROOM);
	ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, log);
	for (size_t at = 0; at < n; at += step) {
		ZSTD_inBuffer in = { .src = plain + at, .size = step };

		ZSTD_compressStream2(c, &out, &in, ZSTD_e_flush);
	}
	ZSTD_compressStream2(c, &out, &(ZSTD_inBuffer){ 0 }, ZSTD_e_end);
	ZSTD_freeCCtx(c);
	return out.pos;
}

static void frames_without_a_length_are_read(void)
{
	size_t n = zstd_pack_stream(16, UNIT, UNIT / 4);

	CU_ASSERT_EQUAL(unpack(codec_zstd(), n), 0);
	CU_ASSERT_EQUAL(unpack(codec_zstd(), n + 300), 0);
	n = zstd_pack_stream(16, 2 * UNIT, UNIT / 4);
	CU_ASSERT_EQUAL(unpack(codec_zstd(), n), 0);
	n = zstd_pack_stream(16, UNIT / 2, UNIT / 4);
	CU_ASSERT_EQUAL(unpack(codec_zstd(), n), -EIO);
}

/* 128 MiB declared: read without a window of that size, and refused where
 * one would be needed. */
static void a_large_window_costs_no_memory(void)
{
	size_t n = zstd_pack_stream(27, UNIT, UNIT);

	CU_ASSERT_EQUAL(unpack(codec_zstd(), n), 0);
	n = zstd_pack_stream(27, 2 * UNIT, UNIT);
	CU_ASSERT_EQUAL(unpack(codec_zstd(), n), -EIO);
}

#else

static void zstd_is_refused_in_one_line(void)
{
	struct error err;

	CU_ASSERT_EQUAL(codec_zstd()->unpack(back, UNIT, packed, 1, &err),
	    -ENOTSUP);
	CU_ASSERT_PTR_NULL(packer_new(codec_zstd(), CODEC_FAST, &err));
	CU_ASSERT_EQUAL(err.code, ENOTSUP);
}

#endif

static void the_cache_keeps_the_units_used_last(void)
{
	struct unit_cache *c = unit_cache_new();
	struct store *a = (struct store *)plain, *b = (struct store *)packed;
	char buf[64];

	CU_ASSERT_FALSE(unit_cache_get(c, a, 0, 0, 1, buf));
	for (uint64_t i = 0; i < 8; i++)
		unit_cache_put(c, a, i, plain + i, 1000);
	CU_ASSERT(unit_cache_get(c, a, 0, 100, 64, buf));
	CU_ASSERT(!memcmp(buf, plain + 100, 64));
	CU_ASSERT_FALSE(unit_cache_get(c, b, 0, 100, 64, buf));
	unit_cache_put(c, b, 0, plain + 500, UNIT);
	CU_ASSERT(unit_cache_get(c, b, 0, UNIT - 64, 64, buf));
	CU_ASSERT(!memcmp(buf, plain + 500 + UNIT - 64, 64));
	CU_ASSERT(unit_cache_get(c, a, 0, 0, 1, buf));	/* used: stays */
	CU_ASSERT_FALSE(unit_cache_get(c, a, 1, 0, 1, buf)); /* oldest */
	CU_ASSERT_FALSE(unit_cache_get(c, a, 2, 990, 11, buf));
	CU_ASSERT_FALSE(unit_cache_get(c, a, 2, UINT32_MAX, 1, buf));
	unit_cache_flush(c);
	CU_ASSERT_FALSE(unit_cache_get(c, a, 0, 0, 1, buf));
	CU_ASSERT_FALSE(unit_cache_get(c, b, 0, 0, 1, buf));
	unit_cache_free(c);
	unit_cache_free(NULL);
}

static void large_units_are_not_kept(void)
{
	struct unit_cache *c = unit_cache_new();
	struct store *a = (struct store *)plain;
	AUTO_FREE void *large = calloc(2 * MIB + 1, 1);
	char byte;

	unit_cache_put(c, a, 0, large, 2 * MIB + 1);
	CU_ASSERT_FALSE(unit_cache_get(c, a, 0, 0, 1, &byte));
	unit_cache_put(c, a, 0, large, 2 * MIB);
	CU_ASSERT(unit_cache_get(c, a, 0, 2 * MIB - 1, 1, &byte));
	unit_cache_free(c);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "deflate: units come back, odd streams are judged",
		    deflate_units_come_back },
		{ "deflate: damage is harmless", damaged_deflate_is_harmless },
		{ "deflate: streams with any window are read",
		    streams_with_any_window_are_read },
		{ "deflate: levels keep their promises",
		    deflate_levels_keep_their_promises },
#ifdef HAVE_ZSTD
		{ "zstd: units come back, odd streams are judged",
		    zstd_units_come_back },
		{ "zstd: damage is harmless", damaged_zstd_is_harmless },
		{ "zstd: frames without a length are read",
		    frames_without_a_length_are_read },
		{ "zstd: a large window costs no memory",
		    a_large_window_costs_no_memory },
#else
		{ "zstd is refused in one line", zstd_is_refused_in_one_line },
#endif
		{ "the cache keeps the units used last",
		    the_cache_keeps_the_units_used_last },
		{ "large units are not kept", large_units_are_not_kept },
		{ NULL, NULL }
	};

	make_text();
	return unit_run("codec", tests);
}
