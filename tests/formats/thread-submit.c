/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * thread-submit.c - batches do what the same requests do one by one, on a
 * file with and without O_DIRECT, from several threads at once
 *
 * Each thread has a part of the disk and a model of it in memory.  Requests of
 * one batch do not overlap; some are aligned and plain (they go together),
 * some allocate, some cover sectors in part, some are zeros and flushes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/threads.h"
#include "support/guest.h"
#include "support/unit.h"

enum { PART = 4 << 20, PARTS = 3, SLOT = 64 << 10, SLOTS = PART / SLOT,
	ROUNDS = 40, BATCH_MAX = SLOTS };

struct part {
	struct image *image;
	unsigned number;
	uint8_t *model, *bufs;
	bool failed;
};

/* One request in each of n slots, no two in one. */
static void one_batch(struct part *p, struct dice *d)
{
	struct iovec iov[BATCH_MAX];
	struct io_req reqs[BATCH_MAX];
	unsigned n = 1 + (unsigned)dice_below(d, BATCH_MAX);
	uint64_t base = (uint64_t)p->number * PART;
	struct error err;

	for (unsigned i = 0; i < n; i++) {
		bool aligned = dice_below(d, 4);
		uint64_t len = aligned ? 4096 * (1 + dice_below(d, 4)) :
		    1 + dice_below(d, 9000);
		uint64_t in = aligned ? 4096 * dice_below(d, 4) :
		    dice_below(d, SLOT / 2);
		enum io_op op = dice_below(d, 2) ? IO_READ :
		    dice_below(d, 5) ? IO_WRITE : IO_ZERO;
		uint64_t at = i * SLOT + in;
		uint8_t *buf = p->bufs + i * SLOT;

		if (i == n - 1 && n > 3)
			op = IO_FLUSH;
		iov[i] = (struct iovec){ buf, len };
		reqs[i] = (struct io_req){ .op = op, .iov = &iov[i],
		    .iovcnt = 1, .off = base + at, .len = len, .ret = 1,
		    .flags = dice_below(d, 16) ? 0 : IO_FUA };
		if (op == IO_WRITE) {
			guest_pattern(buf, base + at, len, dice_next(d), true);
			memcpy(p->model + at, buf, len);
		} else if (op == IO_ZERO) {
			memset(p->model + at, 0, len);
		}
	}
	if (image_submit(p->image, reqs, n, &err)) {
		fprintf(stderr, "submit: %s\n", err.text);
		p->failed = true;
	}
	for (unsigned i = 0; i < n; i++)
		if (reqs[i].ret || (reqs[i].op == IO_READ &&
		    memcmp(iov[i].iov_base, p->model + (reqs[i].off - base),
		    iov[i].iov_len)))
			p->failed = true;
}

static void *run_part(void *arg)
{
	struct part *p = arg;
	struct dice d = { p->number + 1 };

	for (unsigned i = 0; i < ROUNDS && !p->failed; i++)
		one_batch(p, &d);
	return NULL;
}

static void batches(const char *format, bool direct)
{
	struct image_create_args ca = { .name = "disk",
	    .format = format_find(format), .size = PARTS * PART };
	struct open_args oa = { .format = format, .writable = true,
	    .direct = direct };
	struct part parts[PARTS] = { 0 };
	struct error err = { 0 };
	uint8_t *back = malloc(PART);
	struct image *img;

	unlink("disk");
	ca.options = opts_new();
	CU_ASSERT_EQUAL_FATAL(image_create(&ca, NULL, &err), 0);
	opts_free(ca.options);
	img = image_open("disk", &oa, &err);
	if (!img && direct && strstr(err.text, "O_DIRECT")) {
		free(back);
		return;		/* such a file system */
	}
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	for (unsigned i = 0; i < PARTS; i++) {
		void *bufs = NULL;

		CU_ASSERT_EQUAL_FATAL(posix_memalign(&bufs, 4096, PART), 0);
		parts[i] = (struct part){ .image = img, .number = i,
		    .model = calloc(1, PART), .bufs = bufs };
	}
	threads_run(PARTS, run_part, parts, sizeof(parts[0]));
	for (unsigned i = 0; i < PARTS; i++) {
		CU_ASSERT_FALSE(parts[i].failed);
		CU_ASSERT_EQUAL(image_read(img, back, PART,
		    (uint64_t)i * PART, &err), 0);
		CU_ASSERT_EQUAL(memcmp(back, parts[i].model, PART), 0);
		free(parts[i].model);
		free(parts[i].bufs);
	}
	CU_ASSERT_EQUAL(image_sound(img, &err), 0);
	CU_ASSERT_EQUAL(image_close(img, &err), 0);
	free(back);
}

static void raw_cached(void)
{
	batches("raw", false);
}

static void raw_direct(void)
{
	batches("raw", true);
}

static void qcow2_cached(void)
{
	batches("qcow2", false);
}

static void qcow2_direct(void)
{
	batches("qcow2", true);
}

/* Each request has its own result, and others of the batch are done. */
static void errors_are_of_one(void)
{
	struct open_args oa = { .format = "raw", .writable = true,
	    .direct = true };
	struct error err = { 0 };
	struct iovec iov[3];
	struct io_req reqs[3];
	struct image *img;
	void *buf = NULL;

	CU_ASSERT_EQUAL_FATAL(posix_memalign(&buf, 4096, 3 * 4096), 0);
	memset(buf, 7, 3 * 4096);
	img = image_open("disk", &oa, &err);
	if (!img)
		img = image_open("disk", &(struct open_args){ .format = "raw",
		    .writable = true }, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	for (unsigned i = 0; i < 3; i++) {
		iov[i] = (struct iovec){ (char *)buf + i * 4096, 4096 };
		reqs[i] = (struct io_req){ .op = IO_WRITE, .iov = &iov[i],
		    .iovcnt = 1, .off = i == 1 ? img->size : i * 4096 };
	}
	CU_ASSERT_EQUAL(image_submit(img, reqs, 3, &err), -EINVAL);
	CU_ASSERT_EQUAL(reqs[0].ret, 0);
	CU_ASSERT_EQUAL(reqs[1].ret, -EINVAL);
	CU_ASSERT_EQUAL(reqs[2].ret, 0);
	memset(buf, 0, 4096);
	CU_ASSERT_EQUAL(image_read(img, buf, 4096, 8192, &err), 0);
	CU_ASSERT_EQUAL(*(char *)buf, 7);
	CU_ASSERT_EQUAL(image_close(img, &err), 0);
	free(buf);
}

static const struct unit_test tests[] = {
	{ "raw, cached", raw_cached },
	{ "raw, O_DIRECT", raw_direct },
	{ "each request of a batch has its own result", errors_are_of_one },
	{ "qcow2, cached", qcow2_cached },
	{ "qcow2, O_DIRECT", qcow2_direct },
	{ 0 }
};

int main(void)
{
	return unit_run("batches", tests);
}
