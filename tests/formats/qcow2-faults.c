/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qcow2-faults.c - whatever operation of the store fails, once or from then
 * on, the image stays without corruption and what was flushed stays
 *
 * One workload is run again and again, and each time a later operation of the
 * store fails, until none does.  After the fault the workload goes on, as a
 * guest would.  Then the faults end, the image is closed, and what is in the
 * store is looked at as after a crash.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "store/fault.h"
#include "support/guest.h"
#include "support/unit.h"

enum { SIZE = 300 * 1024, MAX = 400 * 1024, LONGEST = 100 * 1024 };

struct kind {
	const char *create;
	bool base, snapshot;
	uint64_t size;
};

static const struct kind kinds[] = {
	{ .create = "cluster_size=512,refcount_bits=64" },
	{ .create = "cluster_size=4k", .base = true },
	{ .create = "cluster_size=16k,extended_l2=on", .base = true },
	{ .create = "cluster_size=4k,lazy_refcounts=on" },
	{ .create = "cluster_size=4k", .snapshot = true },
	{ .create = "cluster_size=512,compat=0.10", .base = true },
	{ .create = "cluster_size=256k", .snapshot = true },
};

static uint8_t buf[LONGEST], base[MAX];

static struct store *prepared(const struct kind *k)
{
	struct open_args a = { .format = "qcow2", .writable = true };
	struct error err = { 0 };
	struct store *s = memory_open(0, &err);
	struct image *img;
	FILE *f;

	if (k->base) {
		guest_pattern(base, 0, MAX, 1, false);
		f = fopen("base", "wb");
		CU_ASSERT_FATAL(f && fwrite(base, 1, MAX, f) == MAX);
		fclose(f);
	}
	CU_ASSERT_EQUAL_FATAL(image_make(s, "qcow2", SIZE, k->create,
	    k->base ? "base" : NULL, false, &err), 0);
	if (!k->snapshot)
		return s;
	img = image_in(store_lend(s, &err), &a, NULL, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	guest_pattern(buf, 1000, 60000, 2, false);
	CU_ASSERT_EQUAL_FATAL(image_write(img, buf, 60000, 1000, 0, &err), 0);
	CU_ASSERT_EQUAL_FATAL(image_close(img, &err), 0);
	CU_ASSERT_EQUAL_FATAL(store_snapshot(s, "one", &err), 0);
	return s;
}

/* A failed request may have left old bytes, new ones, or both. */
static void outcome(struct guest *g, int rc, uint64_t off, uint64_t len,
    const void *bytes)
{
	guest_write(g, off, len, bytes);
	(void)rc;
}

/* What a failed request left shows only in reading. */
static bool settle(struct guest *g, struct image *img)
{
	static uint8_t now[MAX];
	struct error err;

	if (image_read(img, now, img->size, 0, &err))
		return false;
	if (g->old[0] && guest_check(g, img, false, &err) &&
	    !strstr(err.text, "injected")) {
		printf("\n%s\n", err.text);
		CU_FAIL("other data than what was written");
	}
	g->size = img->size;
	if (memcmp(now, g->now, img->size))
		memcpy(g->now, now, img->size);
	return true;
}

static int write_at(struct image *img, struct guest *g, uint64_t off,
    uint64_t len, uint64_t seq, unsigned flags)
{
	struct error err;
	int rc;

	guest_pattern(buf, off, len, seq, flags & IO_PACK);
	rc = image_write(img, buf, len, off, flags, &err);
	outcome(g, rc, off, len, buf);
	return rc;
}

static int zero_at(struct image *img, struct guest *g, uint64_t off,
    uint64_t len, unsigned flags)
{
	struct error err;
	int rc = image_zero(img, off, len, flags, &err);

	outcome(g, rc, off, len, NULL);
	return rc;
}

static int discard_at(struct image *img, struct guest *g, uint64_t off,
    uint64_t len)
{
	struct error err;
	int rc = image_discard(img, off, len, &err);

	guest_may(g, align_down(off, 512), align_up(len, 512) + 512, NULL);
	return rc;
}

static int flush(struct image *img, struct guest *g)
{
	struct error err;
	int rc = image_flush(img, &err);

	if (rc)
		return rc;
	if (settle(g, img))
		guest_flushed(g);
	return 0;
}

static int resize(struct image *img, struct guest *g, uint64_t size)
{
	struct error err;
	uint64_t old = img->size;
	int rc = image_resize(img, size, NULL, &err);

	/* It may have been done and failed behind that. */
	if (size < old) {
		guest_may(g, size, old - size, NULL);
		guest_may(g, size, old - size, base + size);
	}
	guest_resize(g, old);
	guest_resize(g, size);
	if (rc)
		g->size = img->size;
	return rc;
}

/* How many of its requests failed. */
static unsigned workload(struct image *img, struct guest *g)
{
	uint64_t u = img->unit;
	unsigned bad = 0;

#define DO(call) (bad += (call) != 0)
	DO(write_at(img, g, 3000, 9000, 10, 0));
	DO(flush(img, g));
	DO(write_at(img, g, 0, u > LONGEST ? 512 : u, 11,
	    u > LONGEST ? 0 : IO_PACK));
	DO(write_at(img, g, 150000, 70000, 12, 0));
	DO(discard_at(img, g, 2000, 6000));
	DO(zero_at(img, g, 160000, 30000, IO_MAY_UNMAP));
	DO(flush(img, g));
	DO(write_at(img, g, 1000, 20000, 13, 0));
	DO(zero_at(img, g, 5000, 700, 0));
	DO(resize(img, g, MAX));
	DO(write_at(img, g, MAX - 5000, 5000, 14, IO_FUA));
	DO(discard_at(img, g, 150000, 60000));
	DO(flush(img, g));
	DO(write_at(img, g, 150100, 10000, 15, 0));
	DO(resize(img, g, 200 * 1024 + 512));
	DO(write_at(img, g, 100, 90000, 16, 0));
	DO(flush(img, g));
#undef DO
	return bad;
}

static void look_after(const struct kind *k, struct store *s,
    const struct guest *g, const char *what)
{
	struct open_args a = { .format = "qcow2", .for_check = true };
	struct error err = { 0 }, ignored;
	struct image *img = image_in(store_lend(s, &err), &a, NULL, &err);
	struct image_info info = { 0 };
	int rc = img ? image_info(img, &info, &err) : -err.code;

	if (!rc && info.corrupt)
		rc = error_set(&err, EIO, "it is marked corrupt");
	if (!rc && info.dirty) {
		/* Opening for writing repairs. */
		image_close(img, &ignored);
		a.for_check = false;
		a.writable = true;
		img = image_in(store_lend(s, &err), &a, NULL, &err);
		rc = img ? 0 : -err.code;
	}
	image_info_fini(&info);
	if (!rc)
		rc = image_sound(img, &err);
	if (!rc)
		rc = guest_check(g, img, false, &err);
	image_close(img, &ignored);
	if (rc)
		printf("\n%s, %s: %s\n", k->create, what, err.text);
	CU_ASSERT_EQUAL(rc, 0);
}

/* The n-th of these operations fails; false: there were not so many. */
static bool one_fault(const struct kind *k, struct store *from, unsigned ops,
    unsigned n, unsigned count, int code)
{
	struct fault_rule r = { .ops = ops, .event = -1, .skip = n,
	    .count = count, .error = code };
	struct open_args a = { .format = "qcow2", .writable = true,
	    .unmap = true };
	struct error err = { 0 };
	struct store *under = memory_clone(from, &err);
	struct store *s = fault_open(under, &err);
	struct guest g;
	struct image *img;
	unsigned bad = 0;
	char what[100];

	img = image_in(store_lend(s, &err), &a, "l2-cache-size=2k", &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	guest_init(&g, SIZE, MAX);
	CU_ASSERT_FATAL(settle(&g, img));
	CU_ASSERT_EQUAL_FATAL(fault_add(s, &r, &err), 0);
	bad = workload(img, &g);
	if (count)
		fault_clear(s);
	if (image_close(img, &err))
		bad++;
	fault_clear(s);
	snprintf(what, sizeof(what), "%s of operation %u (mask %u)%s",
	    strerror(code), n, ops, count ? "" : " and on");
	/* Another store: this one does not forget a failed sync. */
	under = memory_clone(under, &err);
	look_after(k, under, &g, what);
	store_close(under, &err);
	guest_fini(&g);
	store_close(s, &err);
	return bad || ops == FAULT_PUNCH;
}

static void sweep(unsigned ops, unsigned count, int code, unsigned stride)
{
	const char *fast = getenv("CRASH_STATES");

	if (fast && atoi(fast) < 1000)
		stride *= 7;
	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		struct store *from = prepared(&kinds[i]);
		struct error err;
		unsigned fine = 0;

		/* Some failures harm nobody: a look ahead, a hole not made. */
		for (unsigned n = 0; fine < 30 && n < 3000; n += stride)
			fine = one_fault(&kinds[i], from, ops, n, count,
			    code) ? 0 : fine + 1;
		store_close(from, &err);
	}
}

static void one_write_error(void)
{
	sweep(FAULT_WRITE | FAULT_ZERO | FAULT_RESIZE, 1, EIO, 1);
}

static void one_write_without_space(void)
{
	sweep(FAULT_WRITE | FAULT_ZERO | FAULT_RESIZE, 1, ENOSPC, 1);
}

static void the_disk_is_full_from_then_on(void)
{
	sweep(FAULT_WRITE | FAULT_ZERO | FAULT_RESIZE, 0, ENOSPC, 2);
}

static void the_disk_is_gone_from_then_on(void)
{
	sweep(FAULT_ANY, 0, EIO, 3);
}

static void one_read_error(void)
{
	sweep(FAULT_READ, 1, EIO, 1);
}

static void one_sync_error(void)
{
	sweep(FAULT_SYNC, 1, EIO, 1);
}

static const struct unit_test tests[] = {
	{ "one write fails with EIO", one_write_error },
	{ "one write fails with ENOSPC", one_write_without_space },
	{ "all writes fail with ENOSPC from some point on",
	    the_disk_is_full_from_then_on },
	{ "everything fails from some point on",
	    the_disk_is_gone_from_then_on },
	{ "one read fails", one_read_error },
	{ "one sync fails", one_sync_error },
	{ 0 }
};

int main(void)
{
	return unit_run("qcow2 faults", tests);
}
