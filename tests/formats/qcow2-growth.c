/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2-growth.c - tables that grow, and caches too small for them */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "qcow2/disk.h"
#include "support/guest.h"
#include "support/unit.h"

static struct error err;

#define OK(call) CU_ASSERT_EQUAL_FATAL(call, 0)

static struct image *make(struct store *s, uint64_t size, const char *create,
    const char *open)
{
	struct open_args a = { .format = "qcow2", .writable = true,
	    .unmap = true };
	struct image *img;

	OK(image_make(s, "qcow2", size, create, NULL, false, &err));
	img = image_in(store_lend(s, &err), &a, open, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	return img;
}

/* Closes, and holds what is there against the model. */
static void done(struct image *img, struct store *s, struct guest *g)
{
	struct open_args a = { .format = "qcow2" };
	int rc;

	OK(image_close(img, &err));
	img = image_in(store_lend(s, &err), &a, NULL, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	rc = image_sound(img, &err);
	if (!rc)
		rc = guest_check(g, img, true, &err);
	if (rc)
		printf("\n%s\n", err.text);
	CU_ASSERT_EQUAL(rc, 0);
	image_close(img, &err);
	guest_fini(g);
}

static struct qcow2_disk_header header(struct store *s)
{
	struct qcow2_disk_header h;

	OK(store_pread(s, &h, sizeof(h), 0, EVENT_DATA, &err));
	return h;
}

static void put(struct image *img, struct guest *g, uint64_t off,
    uint64_t len, uint64_t seq)
{
	uint8_t *buf = malloc(len);

	guest_pattern(buf, off, len, seq, false);
	OK(image_write(img, buf, len, off, 0, &err));
	guest_write(g, off, len, buf);
	free(buf);
}

/* 64 bits for a cluster of 512: a block counts 64 clusters, a table of one
 * cluster 4096. */
static void the_refcount_table_grows(void)
{
	static const char *const kinds[] = {
		"cluster_size=512,refcount_bits=64",
		"cluster_size=512,refcount_bits=64,lazy_refcounts=on",
		"cluster_size=512,refcount_bits=16",
	};
	uint64_t size = 12 << 20;

	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		struct store *s = memory_open(0, &err);
		struct image *img = make(s, size, kinds[i], NULL);
		uint32_t before = be32_get(header(s).reftable_clusters);
		struct guest g;

		guest_init(&g, size, size);
		for (uint64_t off = 0; off < size; off += 100000)
			put(img, &g, off, min64(100000, size - off), off);
		CU_ASSERT(i == 2 ||
		    be32_get(header(s).reftable_clusters) > before);
		done(img, s, &g);
		store_close(s, &err);
	}
}

static void the_l1_table_grows(void)
{
	uint64_t size = 300 * 1024, max = 6 << 20;
	struct store *s = memory_open(0, &err);
	struct image *img = make(s, size, "cluster_size=512", NULL);
	uint64_t l1 = be64_get(header(s).l1_offset);
	struct guest g;

	guest_init(&g, size, max);
	put(img, &g, 0, size, 1);
	while (size < max) {
		uint64_t old = size;

		size = min64(size * 2, max);
		OK(image_resize(img, size, NULL, &err));
		guest_resize(&g, size);
		put(img, &g, size - 1000, 1000, size);
		put(img, &g, old - 100, 200, size + 1);
	}
	CU_ASSERT(be64_get(header(s).l1_offset) != l1);
	CU_ASSERT(be32_get(header(s).l1_size) >= max / (64 * 512));
	done(img, s, &g);
	store_close(s, &err);
}

/* Every write goes to another table than the one before. */
static void caches_are_too_small(void)
{
	static const char *const kinds[] = {
		"cluster_size=512", "cluster_size=512,refcount_bits=64",
		"cluster_size=512,lazy_refcounts=on",
	};
	uint64_t size = 4 << 20;

	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		struct store *s = memory_open(0, &err);
		struct image *img = make(s, size, kinds[i],
		    "l2-cache-size=512,refcount-cache-size=512");
		struct guest g;
		struct dice d = { i };

		guest_init(&g, size, size);
		for (unsigned n = 0; n < 3000; n++) {
			uint64_t off = dice_below(&d, size / 512) * 512;
			uint64_t len = 512 * (1 + dice_below(&d, 5));

			len = min64(len, size - off);
			switch (dice_below(&d, 5)) {
			case 0:
				OK(image_zero(img, off, len, IO_MAY_UNMAP,
				    &err));
				guest_write(&g, off, len, NULL);
				break;
			case 1:
				OK(image_discard(img, off, len, &err));
				OK(guest_adopt(&g, img, off, len, &err));
				break;
			default:
				put(img, &g, off, len, n + 10);
			}
		}
		done(img, s, &g);
		store_close(s, &err);
	}
}

/* A snapshot shares every table: each write copies one. */
static void caches_are_too_small_for_copies(void)
{
	struct open_args a = { .format = "qcow2", .writable = true };
	uint64_t size = 2 << 20;
	struct store *s = memory_open(0, &err);
	struct image *img = make(s, size, "cluster_size=1k", NULL);
	struct guest g;

	guest_init(&g, size, size);
	for (uint64_t off = 0; off < size / 2; off += 1024)
		put(img, &g, off, 1024, 1);
	OK(image_close(img, &err));
	OK(store_snapshot(s, "one", &err));
	img = image_in(store_lend(s, &err), &a,
	    "l2-cache-size=1k,refcount-cache-size=1k", &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	for (uint64_t i = 0; i < 2000; i++)
		put(img, &g, i * 131 % (size / 512) * 512, 512, i + 2);
	done(img, s, &g);
	store_close(s, &err);
}

static const struct unit_test tests[] = {
	{ "the refcount table grows", the_refcount_table_grows },
	{ "the L1 table grows", the_l1_table_grows },
	{ "caches too small for what changes", caches_are_too_small },
	{ "caches too small for tables to be copied",
	    caches_are_too_small_for_copies },
	{ 0 }
};

int main(void)
{
	return unit_run("qcow2 growth", tests);
}
