/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* detect-zeroes.c - whatever is written in whatever pieces, the disk reads as
 * written, and no whole granule of zeros is stored */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "support/guest.h"
#include "support/unit.h"

enum { SIZE = (2 << 20) + 512, MOST = 600 << 10, PIECES = 200 };

static struct error err;

#define OK(call) CU_ASSERT_EQUAL_FATAL(call, 0)

/* Data, with zeros here and there, most of them in whole sectors. */
static void some_bytes(uint8_t *buf, uint64_t len, struct dice *d)
{
	guest_pattern(buf, 0, len, dice_next(d), false);
	for (unsigned n = (unsigned)dice_below(d, 5); n--;) {
		uint64_t off = dice_below(d, len), zeros;

		zeros = min64(dice_below(d, 200 << 10), len - off);
		if (dice_below(d, 4))
			off = align_down(off, 512);
		memset(buf + off, 0, zeros);
	}
	if (dice_below(d, 6) == 0)
		memset(buf, 0, len);
}

static int cut(struct iovec *iov, uint8_t *buf, uint64_t len, struct dice *d)
{
	int n = 0;

	while (len) {
		uint64_t here = n == PIECES - 1 ? len :
		    min64(len, dice_below(d, dice_below(d, 3) ? 50000 : 600));

		iov[n++] = (struct iovec){ buf, here };
		buf += here;
		len -= here;
	}
	return n;
}

/* No granule that reads as zeros and was written is data. */
static void nothing_is_stored_in_vain(struct image *img, const uint8_t *now)
{
	uint64_t step = max64(img->granule, img->raw_store ? 64 << 10 : 4096);
	struct extent e;

	for (uint64_t off = 0; off < SIZE; off += e.len) {
		OK(image_map(img, off, min64(step, SIZE - off), MAP_REPORT, &e,
		    NULL, &err));
		if (e.len == step && bytes_are_zero(now + off, step) &&
		    e.kind == EXTENT_DATA)
			CU_FAIL("zeros are stored");
	}
}

static void try(const char *format, const char *create,
    enum detect_zeroes detect)
{
	struct open_args a = { .format = format, .writable = true,
	    .unmap = true, .detect_zeroes = detect };
	AUTO_FREE uint8_t *now = calloc(1, SIZE + MOST);
	AUTO_FREE uint8_t *buf = malloc(SIZE);
	struct dice d = { 7 };
	struct store *s = memory_open(0, &err);
	struct iovec iov[PIECES];
	struct image *img;

	OK(image_make(s, format, SIZE, create, NULL, false, &err));
	img = image_in(s, &a, NULL, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	for (unsigned i = 0; i < 200; i++) {
		uint64_t off = dice_below(&d, SIZE), len = 1 +
		    dice_below(&d, MOST);
		int n;

		if (dice_below(&d, 2))
			off = align_down(off, 64 << 10);
		len = min64(len, SIZE - off);
		some_bytes(now + off, len, &d);
		memcpy(buf, now + off, len);
		n = cut(iov, buf, len, &d);
		OK(image_writev(img, iov, n, off, i % 9 ? 0 : IO_FUA, &err));
	}
	/* All of it, so that each granule is of one write. */
	OK(image_write(img, now, SIZE, 0, 0, &err));
	if (!img->raw_store || detect == DETECT_UNMAP)
		nothing_is_stored_in_vain(img, now);
	OK(image_read(img, buf, SIZE, 0, &err));
	CU_ASSERT_EQUAL(memcmp(buf, now, SIZE), 0);
	OK(image_sound(img, &err));
	OK(image_close(img, &err));
}

static void qcow2(void)
{
	try("qcow2", NULL, DETECT_ON);
	try("qcow2", "cluster_size=512", DETECT_UNMAP);
	try("qcow2", "extended_l2=on", DETECT_UNMAP);
	try("qcow2", "compat=0.10,cluster_size=4k", DETECT_ON);
}

static void raw(void)
{
	try("raw", NULL, DETECT_ON);
	try("raw", NULL, DETECT_UNMAP);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "qcow2 reads as written and stores no zeros", qcow2 },
		{ "raw reads as written and stores no zeros", raw },
		{ NULL, NULL }
	};

	return unit_run("detect-zeroes", tests);
}
