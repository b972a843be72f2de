/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* modes.c - each word means what the peers mean by it, on cowbird-nbd's command
 * line and in a node's options too, and no other word is one */
#include <string.h>

#include "../nbd/tool.h"
#include "base/bytes.h"
#include "modes.h"
#include "support/unit.h"

static const struct { const char *word; enum file_aio aio; } aios[] = {
	{ "threads", AIO_THREADS }, { "native", AIO_NATIVE },
	{ "io_uring", AIO_URING },
};

static void aio(void)
{
	enum file_aio got = AIO_ANY;

	for (unsigned i = 0; i < ARRAY_LEN(aios); i++) {
		CU_ASSERT(mode_aio(aios[i].word, &got));
		CU_ASSERT_EQUAL(got, aios[i].aio);
	}
	CU_ASSERT_FALSE(mode_aio("any", &got));
	CU_ASSERT_FALSE(mode_aio("", &got));
	CU_ASSERT_EQUAL(got, AIO_URING);
}

static void caches(void)
{
	static const struct {
		const char *word;
		bool direct, no_sync, writethrough;
	} t[] = {
		{ "none", true, false, false },
		{ "writeback", false, false, false },
		{ "directsync", true, false, true },
		{ "unsafe", false, true, false },
		{ "off", true, false, false },
		{ "writethrough", false, false, true },
	};
	struct open_args a = { 0 };

	for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
		CU_ASSERT(mode_cache(t[i].word, &a));
		CU_ASSERT_EQUAL(a.direct, t[i].direct);
		CU_ASSERT_EQUAL(a.no_sync, t[i].no_sync);
		CU_ASSERT_EQUAL(a.writethrough, t[i].writethrough);
	}
	CU_ASSERT_FALSE(mode_cache("on", &a));
	CU_ASSERT(a.writethrough);
}

static void discard(void)
{
	bool unmap = false;

	CU_ASSERT(mode_discard("unmap", &unmap) && unmap);
	CU_ASSERT(mode_discard("ignore", &unmap) && !unmap);
	CU_ASSERT(mode_discard("on", &unmap) && unmap);
	CU_ASSERT_FALSE(mode_discard("yes", &unmap));
	CU_ASSERT(unmap);
	CU_ASSERT(mode_discard("off", &unmap) && !unmap);
}

static void zeros(void)
{
	enum detect_zeroes d = DETECT_OFF;

	CU_ASSERT(mode_detect_zeroes("unmap", &d) && d == DETECT_UNMAP);
	CU_ASSERT(mode_detect_zeroes("on", &d) && d == DETECT_ON);
	CU_ASSERT_FALSE(mode_detect_zeroes("ignore", &d));
	CU_ASSERT_EQUAL(d, DETECT_ON);
	CU_ASSERT(mode_detect_zeroes("off", &d) && d == DETECT_OFF);
}

static bool tell(struct told *t, const char *option, const char *value)
{
	struct cli cli = { .tool = "cowbird-nbd", .value = value };
	const struct cli_option *o = nbd_options;

	while (o->name && strcmp(o->name, option))
		o++;
	return o->name && told_option(&cli, t, o->id);
}

static void server(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(aios); i++) {
		struct told t = { 0 };

		CU_ASSERT(tell(&t, "aio", aios[i].word));
		CU_ASSERT_EQUAL(t.one.args.aio, aios[i].aio);
	}
}

/* What a raw file's options say decides whether it takes batches. */
static void options(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(aios); i++) {
		struct open_args a = { .format = "raw", .direct = true,
		    .aio = AIO_THREADS };
		struct opts *o = opts_new();
		struct image *img;
		struct error err;
		FILE *f = fopen("disk", "w");

		CU_ASSERT_FATAL(f && !fclose(f) && o);
		CU_ASSERT_FALSE(opts_set(o, "file.aio", aios[i].word, &err));
		a.options = o;
		img = image_open("disk", &a, &err);
		opts_free(o);
		if (!img && strstr(err.text, "support O_DIRECT"))
			return;
		CU_ASSERT_PTR_NOT_NULL_FATAL(img);
		CU_ASSERT_EQUAL(img->store->batches,
		    aios[i].aio != AIO_THREADS);
		CU_ASSERT_FALSE(image_close(img, &err));
	}
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "ways to reach a file past the cache", aio },
		{ "cache modes", caches },
		{ "discard", discard },
		{ "zero detection", zeros },
		{ "the server's command line", server },
		{ "a node's options", options },
		{ NULL, NULL }
	};

	return unit_run("modes", tests);
}
