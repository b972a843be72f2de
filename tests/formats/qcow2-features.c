/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2-features.c - feature bits and extensions that nobody knows */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "qcow2/disk.h"
#include "store/fault.h"
#include "support/guest.h"
#include "support/unit.h"

enum { SIZE = 1 << 20, STRANGE = 0x12345678 };

static struct error err;

#define OK(call) CU_ASSERT_EQUAL_FATAL(call, 0)

static struct store *make(const char *create)
{
	struct store *s = memory_open(0, &err);

	OK(image_make(s, "qcow2", SIZE, create, NULL, false, &err));
	return s;
}

static struct image *open_it(struct store *s, bool writable)
{
	struct open_args a = { .format = "qcow2", .writable = writable,
	    .no_backing = true };

	return image_in(store_lend(s, &err), &a, NULL, &err);
}

static struct qcow2_disk_header header(struct store *s)
{
	struct qcow2_disk_header h;

	OK(store_pread(s, &h, sizeof(h), 0, EVENT_DATA, &err));
	return h;
}

static void put_header(struct store *s, const struct qcow2_disk_header *h)
{
	OK(store_pwrite(s, h, sizeof(*h), 0, EVENT_DATA, &err));
}

/* Puts an extension before all others. */
static void add_ext(struct store *s, uint32_t type, const void *data,
    uint32_t len)
{
	uint8_t head[4096];
	struct qcow2_disk_ext x;
	size_t room = sizeof(x) + align_up(len, 8), at;

	OK(store_pread(s, head, sizeof(head), 0, EVENT_DATA, &err));
	at = be32_get(((struct qcow2_disk_header *)head)->header_len);
	memmove(head + at + room, head + at, sizeof(head) - room - at);
	memset(head + at, 0, room);
	be32_put(&x.type, type);
	be32_put(&x.len, len);
	memcpy(head + at, &x, sizeof(x));
	memcpy(head + at + sizeof(x), data, len);
	OK(store_pwrite(s, head, sizeof(head), 0, EVENT_DATA, &err));
}

static bool has_ext(struct store *s, uint32_t type, const void *data,
    uint32_t len)
{
	uint8_t head[4096];
	struct qcow2_disk_ext x;
	size_t at;

	OK(store_pread(s, head, sizeof(head), 0, EVENT_DATA, &err));
	at = be32_get(((struct qcow2_disk_header *)head)->header_len);
	while (at + sizeof(x) <= sizeof(head)) {
		memcpy(&x, head + at, sizeof(x));
		at += sizeof(x);
		if (be32_get(x.type) == type)
			return be32_get(x.len) == len &&
			    at + len <= sizeof(head) &&
			    !memcmp(head + at, data, len);
		if (be32_get(x.type) == EXT_END)
			break;
		at += align_up(be32_get(x.len), 8);
	}
	return false;
}

static void unknown_extensions_stay(void)
{
	static const char text[] = "what nobody knows";
	struct store *s = make("cluster_size=4k");
	struct image *img;

	add_ext(s, STRANGE, text, sizeof(text));
	img = open_it(s, true);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	OK(image_write(img, text, sizeof(text), 5000, 0, &err));
	OK(image_set_backing(img, "elsewhere", "raw", &err));
	OK(image_resize(img, 100 << 20, NULL, &err));
	OK(image_set_backing(img, NULL, NULL, &err));
	OK(image_close(img, &err));
	CU_ASSERT_TRUE(has_ext(s, STRANGE, text, sizeof(text)));
	store_close(s, &err);
}

static void unknown_autoclear_bits_go_at_the_first_write(void)
{
	struct fault_rule r = { .ops = FAULT_WRITE, .count = 1,
	    .event = EVENT_HEADER_UPDATE, .error = ENOSPC };
	struct store *s = fault_open(make("cluster_size=4k"), &err);
	struct qcow2_disk_header h = header(s);
	struct image *img;

	be64_put(&h.autoclear, 1ull << 40);
	put_header(s, &h);
	img = open_it(s, true);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	OK(image_flush(img, &err));
	OK(image_close(img, &err));
	h = header(s);
	CU_ASSERT_EQUAL(be64_get(h.autoclear), 1ull << 40);
	img = open_it(s, true);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	/* A write that could not clear them does not happen, nor the next. */
	OK(fault_add(s, &r, &err));
	CU_ASSERT_EQUAL(image_write(img, "x", 1, 0, 0, &err), -ENOSPC);
	fault_clear(s);
	h = header(s);
	CU_ASSERT_EQUAL(be64_get(h.autoclear), 1ull << 40);
	OK(image_write(img, "x", 1, 0, 0, &err));
	h = header(s);
	CU_ASSERT_EQUAL(be64_get(h.autoclear), 0);
	OK(image_close(img, &err));
	store_close(s, &err);
}

static void a_read_error_does_not_make_it_corrupt(void)
{
	struct store *s = fault_open(make("cluster_size=4k"), &err);
	struct qcow2_disk_header h;
	struct image *img;

	for (unsigned n = 0; n < 8; n++) {
		struct fault_rule r = { .ops = FAULT_READ, .event = -1,
		    .skip = n, .count = 1, .error = EIO };

		img = open_it(s, true);
		CU_ASSERT_PTR_NOT_NULL_FATAL(img);
		OK(fault_add(s, &r, &err));
		image_write(img, "x", 1, n * 40000, 0, &err);
		fault_clear(s);
		OK(image_write(img, "x", 1, n * 40000, 0, &err));
		OK(image_close(img, &err));
	}
	h = header(s);
	CU_ASSERT_EQUAL(be64_get(h.incompatible), 0);
	store_close(s, &err);
}

static void unknown_incompatible_bits_are_named(void)
{
	struct store *s = make("cluster_size=4k");
	struct qcow2_disk_header h = header(s);
	struct qcow2_disk_feature f = { .type = 0, .bit = 17,
	    .name = "flying saucers" };

	be64_put(&h.incompatible, 1ull << 17);
	put_header(s, &h);
	CU_ASSERT_PTR_NULL(open_it(s, false));
	CU_ASSERT_EQUAL(err.code, ENOTSUP);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "20000"));
	store_close(s, &err);

	/* The image's own table of names says it better.  Version 3 images
	 * have one; this one comes first and is the only. */
	s = make("cluster_size=512");
	h = header(s);
	be64_put(&h.incompatible, 1ull << 17);
	put_header(s, &h);
	OK(store_zero(s, be32_get(h.header_len), 512 -
	    be32_get(h.header_len), 0, &err));
	OK(store_resize(s, 8192, PREALLOC_OFF, &err));
	add_ext(s, EXT_FEATURES, &f, sizeof(f));
	CU_ASSERT_PTR_NULL(open_it(s, false));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "flying saucers"));
	store_close(s, &err);
}

static void the_corrupt_bit_allows_reading_only(void)
{
	struct store *s = make("cluster_size=4k");
	struct qcow2_disk_header h = header(s);
	struct image *img;

	be64_put(&h.incompatible, INCOMPAT_CORRUPT);
	put_header(s, &h);
	CU_ASSERT_PTR_NULL(open_it(s, true));
	CU_ASSERT_EQUAL(err.code, EACCES);
	img = open_it(s, false);
	CU_ASSERT_PTR_NOT_NULL(img);
	image_close(img, &err);
	store_close(s, &err);
}

static void an_unfinished_image_does_not_open(void)
{
	struct open_args a = { .format = "qcow2", .incomplete = true,
	    .writable = true };
	static const char *const kinds[] = { "cluster_size=4k",
	    "cluster_size=512", "compat=0.10" };

	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		struct store *s = memory_open(0, &err);
		struct image *img;

		OK(image_make(s, "qcow2", SIZE, kinds[i], NULL, true, &err));
		CU_ASSERT_PTR_NULL(open_it(s, false));
		CU_ASSERT_PTR_NULL(open_it(s, true));
		img = image_in(store_lend(s, &err), &a, NULL, &err);
		CU_ASSERT_PTR_NOT_NULL_FATAL(img);
		OK(image_write(img, "x", 1, 0, 0, &err));
		CU_ASSERT_PTR_NULL(open_it(s, false));
		OK(image_finish(img, &err));
		OK(image_close(img, &err));
		img = open_it(s, true);
		CU_ASSERT_PTR_NOT_NULL(img);
		image_close(img, &err);
		store_close(s, &err);
	}
}

static const struct unit_test tests[] = {
	{ "unknown extensions stay", unknown_extensions_stay },
	{ "unknown autoclear bits go at the first write, not before",
	    unknown_autoclear_bits_go_at_the_first_write },
	{ "a read error does not make an image corrupt",
	    a_read_error_does_not_make_it_corrupt },
	{ "unknown incompatible bits are named",
	    unknown_incompatible_bits_are_named },
	{ "a corrupt image can be read", the_corrupt_bit_allows_reading_only },
	{ "an unfinished image does not open",
	    an_unfinished_image_does_not_open },
	{ 0 }
};

int main(void)
{
	return unit_run("qcow2 features", tests);
}
