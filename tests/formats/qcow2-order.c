/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qcow2-order.c - the rules of durability, one by one
 *
 * What is written when: seen by a hook in the store and by states of a cut.
 * The crash programs find what breaks the rules; these tests say which.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "store/fault.h"
#include "support/guest.h"
#include "support/unit.h"

enum { CLUSTER = 4096, SIZE = 4 << 20 };

static struct error err;
static uint8_t buf[CLUSTER], back[CLUSTER];

#define OK(call) CU_ASSERT_EQUAL_FATAL(call, 0)

static struct image *make(const char *create, struct store **fault)
{
	struct open_args a = { .format = "qcow2", .writable = true,
	    .unmap = true };
	struct store *s = memory_open(0, &err);
	struct image *img;

	OK(image_make(s, "qcow2", SIZE, create, NULL, false, &err));
	*fault = fault_open(s, &err);
	OK(fault_record(*fault, &err));
	img = image_in(store_lend(*fault, &err), &a, NULL, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	return img;
}

static void end(struct image *img, struct store *fault)
{
	image_close(img, &err);
	store_close(fault, &err);
}

static void put(struct image *img, uint64_t off, uint64_t seq)
{
	guest_pattern(buf, off, CLUSTER, seq, false);
	OK(image_write(img, buf, CLUSTER, off, 0, &err));
}

static bool has(struct image *img, uint64_t off, uint64_t seq)
{
	guest_pattern(buf, off, CLUSTER, seq, false);
	OK(image_read(img, back, CLUSTER, off, &err));
	return !memcmp(buf, back, CLUSTER);
}

static uint64_t host_of(struct image *img, uint64_t off)
{
	struct extent e;

	OK(image_map(img, off, CLUSTER, MAP_READ, &e, NULL, &err));
	return e.kind == EXTENT_DATA ? e.host : 0;
}

/* What a cut after all that was done leaves, with nothing unflushed kept. */
static struct image *after_cut(struct store *fault, unsigned keep)
{
	struct open_args a = { .format = "qcow2" };
	struct store *s = fault_cut(fault, fault_steps(fault), 2, keep, &err);
	struct image *img = s ? image_in(s, &a, NULL, &err) : NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	return img;
}

/* ---- D1, D2, D3 */

static void what_is_flushed_survives_alone(void)
{
	struct store *fault;
	struct image *img = make("cluster_size=4k", &fault), *cut;

	put(img, 0, 1);
	OK(image_flush(img, &err));
	put(img, CLUSTER, 2);
	cut = after_cut(fault, 0);
	CU_ASSERT_TRUE(has(cut, 0, 1));
	CU_ASSERT_FALSE(has(cut, CLUSTER, 2));
	OK(image_sound(cut, &err));
	image_close(cut, &err);
	end(img, fault);
}

struct watch {
	struct store *fault;
	unsigned syncs, data, refblocks, l2, l1;	/* at their first */
	unsigned now;
};

static void at_sync(void *arg)
{
	((struct watch *)arg)->now++;
}

#define FIRST(what) static void at_##what(void *arg) \
{ \
	struct watch *w = arg; \
	if (!w->what) \
		w->what = w->now; \
}
FIRST(data)
FIRST(refblocks)
FIRST(l2)
FIRST(l1)

static void stages_have_barriers_between(void)
{
	struct watch w = { .now = 1 };
	const struct fault_rule rules[] = {
		{ .ops = FAULT_SYNC, .event = -1, .hook = at_sync },
		{ .ops = FAULT_WRITE, .event = EVENT_REFBLOCK_UPDATE,
		    .hook = at_refblocks },
		{ .ops = FAULT_WRITE, .event = EVENT_L2_UPDATE,
		    .hook = at_l2 },
		{ .ops = FAULT_WRITE, .event = EVENT_L1_UPDATE,
		    .hook = at_l1 },
		{ .ops = FAULT_WRITE, .event = EVENT_DATA, .hook = at_data },
	};
	struct store *fault;
	struct image *img = make("cluster_size=4k", &fault);

	for (unsigned i = 0; i < ARRAY_LEN(rules); i++) {
		struct fault_rule r = rules[i];

		r.hook_arg = &w;
		OK(fault_add(fault, &r, &err));
	}
	put(img, 0, 1);
	OK(image_flush(img, &err));
	CU_ASSERT(w.data && w.refblocks && w.l2 && w.l1);
	CU_ASSERT(w.data < w.l2);
	CU_ASSERT(w.refblocks < w.l2);
	CU_ASSERT(w.l2 < w.l1);
	CU_ASSERT(w.l1 < w.now);	/* a barrier at the end */

	/* And no barrier where there is nothing to order. */
	w.now = 1;
	OK(image_flush(img, &err));
	CU_ASSERT_EQUAL(w.now, 1);
	put(img, 0, 2);
	OK(image_flush(img, &err));
	CU_ASSERT_EQUAL(w.now, 2);
	fault_clear(fault);
	end(img, fault);
}

static void fua_is_a_flush(void)
{
	struct store *fault;
	struct image *img = make("cluster_size=4k", &fault), *cut;

	guest_pattern(buf, 0, CLUSTER, 1, false);
	OK(image_write(img, buf, CLUSTER, 0, IO_FUA, &err));
	cut = after_cut(fault, 0);
	CU_ASSERT_TRUE(has(cut, 0, 1));
	image_close(cut, &err);
	end(img, fault);
}

/* ---- D7 */

static void a_discarded_cluster_waits_for_a_flush(void)
{
	struct store *fault;
	struct image *img = make("cluster_size=4k", &fault), *cut;
	uint64_t first;

	put(img, 0, 1);
	OK(image_flush(img, &err));
	first = host_of(img, 0);
	CU_ASSERT(first != 0);
	OK(image_discard(img, 0, CLUSTER, &err));
	for (unsigned i = 1; i < 50; i++) {
		put(img, i * CLUSTER, 2);
		CU_ASSERT(host_of(img, i * CLUSTER) != first);
	}
	/* All the new data reached the disk, and none of the tables. */
	cut = after_cut(fault, 0);
	CU_ASSERT_TRUE(has(cut, 0, 1));
	image_close(cut, &err);
	OK(image_flush(img, &err));
	put(img, 60 * CLUSTER, 3);
	CU_ASSERT_EQUAL(host_of(img, 60 * CLUSTER), first);
	end(img, fault);
}

static void so_do_overwritten_compressed_clusters(void)
{
	struct store *fault;
	struct image *img = make("cluster_size=4k", &fault), *cut;

	guest_pattern(buf, 0, CLUSTER, 1, true);
	OK(image_write(img, buf, CLUSTER, 0, IO_PACK, &err));
	OK(image_flush(img, &err));
	put(img, 0, 2);
	for (unsigned i = 1; i < 20; i++)
		put(img, i * CLUSTER, 3);
	cut = after_cut(fault, 128);
	OK(image_read(cut, back, CLUSTER, 0, &err));
	guest_pattern(buf, 0, CLUSTER, 1, true);
	CU_ASSERT_EQUAL(memcmp(buf, back, CLUSTER), 0);
	image_close(cut, &err);
	end(img, fault);
}

static void much_dropped_asks_for_a_flush(void)
{
	struct store *fault;
	struct image *img = make("cluster_size=512", &fault);
	uint64_t size;

	/* 80 MiB in 163840 pieces, never two in a row. */
	for (unsigned round = 0; round < 40; round++) {
		guest_pattern(buf, 0, CLUSTER, round, false);
		for (uint64_t off = 0; off < SIZE; off += 1024)
			OK(image_write(img, buf, 512, off, 0, &err));
		for (uint64_t i = 0; i < SIZE / 1024; i++)
			OK(image_discard(img, i * 37 % (SIZE / 1024) * 1024,
			    512, &err));
	}
	size = store_size(fault);
	CU_ASSERT(size < 50u << 20);
	OK(image_close(img, &err));
	store_close(fault, &err);
}

/* ---- D6 */

static void fail_at(struct store *fault, unsigned ops, int event, int code)
{
	struct fault_rule r = { .ops = ops, .event = event, .count = 1,
	    .error = code };

	OK(fault_add(fault, &r, &err));
}

static void a_failed_sync_stays(void)
{
	struct store *fault;
	struct image *img = make("cluster_size=4k", &fault);

	put(img, 0, 1);
	fail_at(fault, FAULT_SYNC, -1, EIO);
	CU_ASSERT_EQUAL(image_flush(img, &err), -EIO);
	fault_clear(fault);
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(image_flush(img, &err), -EIO);
	CU_ASSERT_NOT_EQUAL(image_close(img, &err), 0);
	store_close(fault, &err);
}

static void a_failed_write_of_tables_stays(void)
{
	static const int events[] = { EVENT_L2_UPDATE, EVENT_L1_UPDATE,
	    EVENT_REFBLOCK_UPDATE };

	for (unsigned i = 0; i < ARRAY_LEN(events); i++) {
		struct store *fault;
		struct image *img = make("cluster_size=4k", &fault);

		put(img, 0, 1);
		fail_at(fault, FAULT_WRITE, events[i], EIO);
		CU_ASSERT_EQUAL(image_flush(img, &err), -EIO);
		fault_clear(fault);
		CU_ASSERT_EQUAL(image_flush(img, &err), -EIO);
		CU_ASSERT_NOT_EQUAL(image_close(img, &err), 0);
		store_close(fault, &err);
	}
}

static void want_of_space_does_not(void)
{
	static const int events[] = { EVENT_L2_UPDATE, EVENT_L1_UPDATE,
	    EVENT_REFBLOCK_UPDATE };
	static const int codes[] = { ENOSPC, EDQUOT, EFBIG };

	for (unsigned i = 0; i < ARRAY_LEN(events); i++) {
		struct store *fault;
		struct image *img = make("cluster_size=4k", &fault), *cut;

		put(img, 0, 1);
		fail_at(fault, FAULT_WRITE, events[i], codes[i]);
		CU_ASSERT_EQUAL(image_flush(img, &err), -codes[i]);
		fault_clear(fault);
		put(img, CLUSTER, 2);
		OK(image_flush(img, &err));
		cut = after_cut(fault, 0);
		CU_ASSERT_TRUE(has(cut, 0, 1));
		CU_ASSERT_TRUE(has(cut, CLUSTER, 2));
		OK(image_sound(cut, &err));
		image_close(cut, &err);
		OK(image_close(img, &err));
		store_close(fault, &err);
	}
}

static void a_failed_copy_of_a_table_has_no_after_effect(void)
{
	/* 128k clusters: a table is two slices in the cache, 2 GiB of guest. */
	struct open_args a = { .format = "qcow2", .writable = true };
	struct fault_rule r = { .ops = FAULT_READ, .event = EVENT_L2_LOAD,
	    .skip = 1, .count = 1, .error = EIO };
	uint64_t far = 3ull << 30;
	struct store *s = memory_open(0, &err), *fault;
	struct image *img;

	OK(image_make(s, "qcow2", 8ull << 30, "cluster_size=128k", NULL,
	    false, &err));
	img = image_in(store_lend(s, &err), &a, NULL, &err);
	put(img, 0, 1);
	put(img, 1ull << 30, 2);
	put(img, far, 3);
	OK(image_close(img, &err));
	OK(store_snapshot(s, "one", &err));
	fault = fault_open(s, &err);
	img = image_in(store_lend(fault, &err), &a, NULL, &err);
	put(img, far + CLUSTER, 4);
	guest_pattern(buf, 0, CLUSTER, 9, false);
	OK(fault_add(fault, &r, &err));
	CU_ASSERT_EQUAL(image_write(img, buf, CLUSTER, 0, 0, &err), -EIO);
	fault_clear(fault);
	/* Takes the place that the copy was to have. */
	put(img, far + (1 << 20), 5);
	OK(image_close(img, &err));
	img = image_in(store_lend(fault, &err), &a, NULL, &err);
	OK(image_sound(img, &err));
	CU_ASSERT_TRUE(has(img, 0, 1));
	CU_ASSERT_TRUE(has(img, 1ull << 30, 2));
	CU_ASSERT_TRUE(has(img, far, 3));
	CU_ASSERT_TRUE(has(img, far + CLUSTER, 4));
	CU_ASSERT_TRUE(has(img, far + (1 << 20), 5));
	end(img, fault);
}

static void closing_says_what_failed(void)
{
	struct store *fault;
	struct image *img = make("cluster_size=4k", &fault);

	put(img, 0, 1);
	fail_at(fault, FAULT_WRITE, EVENT_L2_UPDATE, ENOSPC);
	CU_ASSERT_EQUAL(image_close(img, &err), -ENOSPC);
	store_close(fault, &err);
}

/* ---- lazy refcounts (D4) */

static void the_dirty_bit_is_first(void)
{
	struct store *fault;
	struct image *img = make("cluster_size=4k,lazy_refcounts=on",
	    &fault), *cut;
	struct image_info info;

	put(img, 0, 1);
	cut = after_cut(fault, 0);
	OK(image_info(cut, &info, &err));
	CU_ASSERT_TRUE(info.dirty);
	image_info_fini(&info);
	image_close(cut, &err);
	OK(image_close(img, &err));
	cut = after_cut(fault, 0);
	OK(image_info(cut, &info, &err));
	CU_ASSERT_FALSE(info.dirty);
	image_info_fini(&info);
	OK(image_sound(cut, &err));
	image_close(cut, &err);
	store_close(fault, &err);
}

static const struct unit_test tests[] = {
	{ "what is flushed survives, what is not does not have to",
	    what_is_flushed_survives_alone },
	{ "data and refcounts, L2, L1: barriers between",
	    stages_have_barriers_between },
	{ "FUA is a flush", fua_is_a_flush },
	{ "a discarded cluster is not used before the next flush",
	    a_discarded_cluster_waits_for_a_flush },
	{ "nor is that of an overwritten compressed one",
	    so_do_overwritten_compressed_clusters },
	{ "much that is dropped is reused without the guest's flush",
	    much_dropped_asks_for_a_flush },
	{ "after a failed sync no flush succeeds", a_failed_sync_stays },
	{ "nor after EIO from writing tables",
	    a_failed_write_of_tables_stays },
	{ "after ENOSPC the next flush may", want_of_space_does_not },
	{ "a table that cannot be copied leaves nothing to be written",
	    a_failed_copy_of_a_table_has_no_after_effect },
	{ "closing returns the error", closing_says_what_failed },
	{ "the dirty bit is set before the first lazy write",
	    the_dirty_bit_is_first },
	{ 0 }
};

int main(void)
{
	return unit_run("qcow2 order", tests);
}
