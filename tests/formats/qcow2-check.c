/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counting references, and repairs of qcow2 that a power cut interrupts */
#include <stdlib.h>

#include "qcow2/check.h"
#include "store/fault.h"
#include "support/guest.h"
#include "support/unit.h"

enum { SIZE = 300 * 1024, CLUSTER = 4096 };

/* ---- counters */

static void counters_grow_as_they_must(void)
{
	struct counts c;
	struct error err;

	CU_ASSERT_EQUAL_FATAL(counts_init(&c, 1 << 30, 1 << 20, &err), 0);
	CU_ASSERT_EQUAL(counts_get(&c, 5), 0);
	CU_ASSERT_EQUAL(counts_next(&c, 0), c.limit);
	for (unsigned i = 0; i < 300; i++)
		CU_ASSERT_EQUAL(counts_add(&c, 5, 1, &err), 0);
	CU_ASSERT_EQUAL(counts_add(&c, 4096 * 1024 * 3ull + 7, 1, &err), 0);
	CU_ASSERT_EQUAL(counts_add(&c, 6, UINT64_MAX, &err), 0);
	CU_ASSERT_EQUAL(counts_add(&c, 6, 1, &err), 0);
	CU_ASSERT_EQUAL(counts_get(&c, 5), 300);
	CU_ASSERT_EQUAL(counts_get(&c, 6), UINT64_MAX);
	CU_ASSERT_EQUAL(counts_get(&c, 7), 0);
	CU_ASSERT_EQUAL(counts_next(&c, 0), 5);
	CU_ASSERT_EQUAL(counts_next(&c, 7), 4096 * 1024 * 3 + 7);
	CU_ASSERT_EQUAL(counts_next(&c, 4096 * 1024 * 3 + 8), c.limit);
	CU_ASSERT_EQUAL(counts_set(&c, 5, 0, &err), 0);
	CU_ASSERT_EQUAL(counts_next(&c, 0), 6);
	CU_ASSERT(counts_add(&c, c.limit, 1, &err) < 0);
	counts_fini(&c);
}

static void shared_means_counted_twice(void)
{
	struct counts c;
	struct error err;

	CU_ASSERT_EQUAL_FATAL(counts_init(&c, 1 << 20, 1 << 20, &err), 0);
	for (unsigned i = 0; i < 10000; i++)
		CU_ASSERT_EQUAL(counts_add(&c, i, 1, &err), 0);
	CU_ASSERT_FALSE(c.shared);
	CU_ASSERT_EQUAL(counts_add(&c, 77, 1, &err), 0);
	CU_ASSERT_TRUE(c.shared);
	counts_fini(&c);
}

static void counters_keep_to_their_memory(void)
{
	struct counts c;
	struct error err;
	int rc = 0;

	CU_ASSERT_EQUAL_FATAL(counts_init(&c, 1ull << 40, 1 << 20, &err), 0);
	for (uint64_t i = 0; !rc && i < 100000; i++)
		rc = counts_add(&c, i << 20, 1, &err);
	CU_ASSERT_EQUAL(rc, -ENOMEM);
	CU_ASSERT_TRUE(c.bytes <= 1 << 20);
	counts_fini(&c);
}

/* ---- repairs */

struct damaged {
	struct store *s;
	uint64_t l1, l2, table, block;	/* where they lie */
	uint8_t *contents;
};

static uint64_t get(struct store *s, uint64_t at)
{
	struct error err;
	be64 v;

	if (store_pread(s, &v, sizeof(v), at, EVENT_DATA, &err))
		abort();
	return be64_get(v);
}

static void put(struct store *s, uint64_t at, uint64_t value)
{
	struct error err;
	be64 v;

	be64_put(&v, value);
	if (store_pwrite(s, &v, sizeof(v), at, EVENT_DATA, &err))
		abort();
}

/* A good image, for each test to damage. */
static void make(struct damaged *d)
{
	struct open_args a = { .format = "qcow2", .writable = true };
	struct image *img;
	struct error err;

	d->s = memory_open(0, &err);
	d->contents = calloc(1, SIZE);
	for (unsigned i = 0; i < SIZE; i += 8)
		d->contents[i] = i / CLUSTER % 3 ? (uint8_t)(i / 512 + 1) : 0;
	if (image_make(d->s, "qcow2", SIZE, "cluster_size=4k", NULL, false,
	    &err) || !(img = image_in(store_lend(d->s, &err), &a, NULL, &err)))
		abort();
	for (unsigned i = 0; i < SIZE; i += CLUSTER)
		if (i / CLUSTER % 3 && image_write(img, d->contents + i,
		    CLUSTER, i, 0, &err))
			abort();
	if (image_close(img, &err))
		abort();
	d->l1 = get(d->s, 40);
	d->l2 = get(d->s, d->l1) & L1_OFFSET;
	d->table = get(d->s, 48);
	d->block = get(d->s, d->table);
}

static void unmake(struct damaged *d)
{
	struct error ignored;

	free(d->contents);
	store_close(d->s, &ignored);
}

/* Checks with repairs; the image's contents are as they were, the second
 * check finds nothing when whole. */
static int repair(struct damaged *d, struct store *s, bool whole,
    struct error *err)
{
	struct open_args a = { .format = "qcow2", .writable = true,
	    .for_check = true };
	struct check c = { .fix = CHECK_FIX_LEAKS | CHECK_FIX_ERRORS };
	AUTO_FREE uint8_t *buf = malloc(SIZE);
	struct image *img = image_in(s, &a, NULL, err);
	struct error late;
	int rc;

	if (!img)
		return -err->code;
	rc = image_read(img, buf, SIZE, 0, err);
	if (!rc && memcmp(buf, d->contents, SIZE))
		rc = error_set(err, EIO, "other contents");
	if (!rc)
		rc = img->format->check(img, &c, err);
	c.fix = 0;
	c.leaks = c.corruptions = c.check_errors = 0;
	if (!rc && whole)
		rc = img->format->check(img, &c, err);
	if (!rc && (c.leaks || c.corruptions || c.check_errors))
		rc = error_set(err, EIO, "not repaired");
	if (!rc && whole && (((struct qcow2 *)img->state)->h.incompatible &
	    (INCOMPAT_DIRTY | INCOMPAT_CORRUPT)))
		rc = error_set(err, EIO, "still marked");
	return image_close(img, &late) && !rc ? (*err = late, -late.code) : rc;
}

/* Each state in which a cut could leave the repair is no worse than what it
 * began with: it opens, has the same contents, and can be repaired. */
static void cut_everywhere(struct damaged *d)
{
	static const unsigned keeps[] = { 256, 0, 128, 40, 220 };
	struct error err = { 0 };
	struct store *fault = fault_open(d->s, &err);

	if (!fault || fault_record(fault, &err))
		abort();
	CU_ASSERT_EQUAL(repair(d, store_lend(fault, &err), true, &err), 0);
	for (unsigned n = 0; n <= fault_steps(fault); n++)
		for (unsigned i = 0; i < ARRAY_LEN(keeps); i++) {
			struct store *s = fault_cut(fault, n, n * 10 + i,
			    keeps[i], &err);

			if (!s || repair(d, s, true, &err)) {
				printf("step %u: %s ", n, err.text);
				CU_FAIL("worse than before");
			}
		}
	d->s = fault;
}

static void refcounts_in_place(void)
{
	struct damaged d;

	make(&d);
	put(d.s, 72, INCOMPAT_DIRTY);
	put(d.s, d.block + 16, 0);
	put(d.s, d.block + 40, 0x0001000000050001);
	put(d.s, d.block + 2048, 0x0001000000050001);
	cut_everywhere(&d);
	unmake(&d);
}

static void structure_rebuilt(void)
{
	struct damaged d;

	make(&d);
	put(d.s, 72, INCOMPAT_CORRUPT);
	put(d.s, d.table, d.l2);
	put(d.s, d.table + 8, 0x12345678);
	cut_everywhere(&d);
	unmake(&d);
}

static void copied_flags(void)
{
	struct damaged d;

	make(&d);
	put(d.s, d.l1, get(d.s, d.l1) ^ ENTRY_COPIED);
	for (unsigned i = 1; i < 20; i += 2)
		if (get(d.s, d.l2 + 8 * i))
			put(d.s, d.l2 + 8 * i, get(d.s, d.l2 + 8 * i) ^
			    ENTRY_COPIED);
	cut_everywhere(&d);
	unmake(&d);
}

static void a_cluster_used_twice(void)
{
	struct damaged d;

	make(&d);
	put(d.s, d.l2 + 8 * 4, get(d.s, d.l2 + 8));
	memcpy(d.contents + 4 * CLUSTER, d.contents + CLUSTER, CLUSTER);
	cut_everywhere(&d);
	unmake(&d);
}

static void preallocated_nowhere(void)
{
	struct damaged d;

	make(&d);
	put(d.s, d.l2, ENTRY_COPIED | ENTRY_ZERO | 0x200);
	put(d.s, d.l2 + 8 * 3, ENTRY_ZERO | 0x7000200);
	/* It does not read before it is repaired. */
	{
		struct open_args a = { .format = "qcow2", .writable = true,
		    .for_check = true };
		struct check c = { .fix = CHECK_FIX_ERRORS | CHECK_FIX_LEAKS };
		struct error err = { 0 };
		struct image *img = image_in(store_lend(d.s, &err), &a, NULL,
		    &err);

		CU_ASSERT_PTR_NOT_NULL_FATAL(img);
		CU_ASSERT_EQUAL(img->format->check(img, &c, &err), 0);
		CU_ASSERT_EQUAL(c.corruptions_fixed, 2);
		CU_ASSERT_EQUAL(c.corruptions, 0);
		CU_ASSERT_EQUAL(image_close(img, &err), 0);
	}
	cut_everywhere(&d);
	unmake(&d);
}

static void a_dirty_image_is_repaired_at_open(void)
{
	struct open_args a = { .format = "qcow2", .writable = true };
	struct error err = { 0 };
	struct damaged d;
	struct image *img;

	make(&d);
	put(d.s, 72, INCOMPAT_DIRTY);
	for (unsigned i = 2; i < 40; i += 2)
		put(d.s, d.block + 8 * i, 0);
	img = image_in(store_lend(d.s, &err), &a, NULL, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	CU_ASSERT_EQUAL(get(d.s, 72), 0);
	CU_ASSERT_EQUAL(image_write(img, d.contents, SIZE, 0, 0, &err), 0);
	CU_ASSERT_EQUAL(image_close(img, &err), 0);
	CU_ASSERT_EQUAL(repair(&d, store_lend(d.s, &err), true, &err), 0);
	unmake(&d);
}

static const struct unit_test tests[] = {
	{ "counters grow as they must", counters_grow_as_they_must },
	{ "shared means counted twice", shared_means_counted_twice },
	{ "counters keep to their memory", counters_keep_to_their_memory },
	{ "a cut while refcounts are repaired", refcounts_in_place },
	{ "a cut while the structure is rebuilt", structure_rebuilt },
	{ "a cut while copied flags are set", copied_flags },
	{ "a cut while a shared cluster is counted", a_cluster_used_twice },
	{ "a cut after places were forgotten", preallocated_nowhere },
	{ "a dirty image is repaired at open",
	    a_dirty_image_is_repaired_at_open },
	{ NULL, NULL }
};

int main(void)
{
	return unit_run("qcow2 check", tests);
}
