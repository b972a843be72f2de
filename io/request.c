/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* request.c - the memory of a request, its running, and what is said of it */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "command.h"

enum { BUF_ALIGN = 4096, MISALIGN = 16,
    KEEP_MAX = 64 << 20 /* larger memory is given back */ };

/* ---- memory */

bool request_memory(const struct io *io, struct request *r)
{
	const size_t need = max64(r->len, 1) + MISALIGN;

	if (r->mem_size < need) {
		free(r->mem);
		r->mem_size = 0;
		if (posix_memalign(&r->mem, BUF_ALIGN,
		    align_up(need, BUF_ALIGN))) {
			r->mem = NULL;
			printf("%s failed: %s\n", r->what, strerror(ENOMEM));
			return false;
		}
		r->mem_size = align_up(need, BUF_ALIGN);
	}
	r->buf = (uint8_t *)r->mem + (io->misalign ? MISALIGN : 0);
	return true;
}

void request_fini(struct request *r)
{
	free(r->mem);
	free(r->iov);
	*r = (struct request){ 0 };
}

void request_begin(struct request *r, enum request_op op,
    const char *what)
{
	*r = (struct request){ .op = op, .what = what, .mem = r->mem,
	    .mem_size = r->mem_size, .iov = r->iov, .pattern = 0xcd };
	if (r->mem_size > KEEP_MAX) {
		free(r->mem);
		r->mem = NULL;
		r->mem_size = 0;
	}
}

/* ---- running */

static int request_io(struct image *img, struct request *r)
{
	const struct iovec one = { r->buf, r->len };
	const struct iovec *iov = r->n ? r->iov : &one;
	const int n = r->n ? r->n : 1;

	if (r->vm_state)
		return error_set(&r->err, ENOTSUP,
		    "the vm state of an image is not supported");
	if (!range_ok(r->off, r->len, img->size))
		return error_set(&r->err, EIO, "%" PRIu64 " bytes at %" PRIu64
		    " are not within the image, which has %" PRIu64, r->len,
		    r->off, img->size);
	switch (r->op) {
	case REQUEST_READ:
		return image_readv(img, iov, n, r->off, &r->err);
	case REQUEST_WRITE:
		return image_writev(img, iov, n, r->off, r->flags, &r->err);
	case REQUEST_ZERO:
		return image_zero(img, r->off, r->len, r->flags, &r->err);
	case REQUEST_DISCARD:
		return image_discard(img, r->off, r->len, &r->err);
	}
	return 0;
}

void request_run(struct image *img, struct request *r)
{
	clock_gettime(CLOCK_MONOTONIC, &r->begin);
	r->ret = request_io(img, r);
	clock_gettime(CLOCK_MONOTONIC, &r->end);
}

/* ---- reporting */

static void time_text(char *buf, size_t size, double t, bool full)
{
	const unsigned centi = (unsigned)(t * 100) % 100;
	const unsigned long s = (unsigned long)t;

	if (full || s >= 60)
		snprintf(buf, size, "%lu:%02lu:%02lu.%02u", s / 3600,
		    s / 60 % 60, s % 60, centi);
	else
		snprintf(buf, size, "%02lu.%02u sec", s, centi);
}

static void put_figures(const struct request *r)
{
	static const char *const done[] = {
		[REQUEST_READ] = "read", [REQUEST_WRITE] = "wrote",
		[REQUEST_ZERO] = "wrote", [REQUEST_DISCARD] = "discard",
	};
	double t = (double)(r->end.tv_sec - r->begin.tv_sec) +
	    (double)(r->end.tv_nsec - r->begin.tv_nsec) / 1e9;
	char size[UNITS_TEXT], rate[UNITS_TEXT], clock[48];

	if (t <= 0)
		t = 1e-9;
	time_text(clock, sizeof(clock), t, r->terse);
	if (r->terse) {
		printf("%" PRIu64 ",1,%s,%.3f,%.3f\n", r->len, clock,
		    (double)r->len / t, 1 / t);
		return;
	}
	printf("%s %" PRIu64 "/%" PRIu64 " bytes at offset %" PRIu64 "\n"
	    "%s, 1 ops; %s (%s/sec and %.4f ops/sec)\n", done[r->op], r->len,
	    r->len, r->off, units_text(size, (double)r->len), clock,
	    units_text(rate, (double)r->len / t), 1 / t);
}

int request_report(const struct io *io, struct request *r)
{
	int ret = 0;

	if (r->ret) {
		printf("%s failed: %s\n", r->what, io->cli->peer ?
		    strerror(r->err.code) : r->err.text);
		return 1;
	}
	if (r->verify && !pattern_matches(r->buf + r->verify_off,
	    r->verify_len, r->pattern)) {
		printf("Pattern verification failed at offset %" PRIu64 ", %"
		    PRIu64 " bytes\n", r->off + r->verify_off, r->verify_len);
		ret = 1;
	}
	if (r->quiet)
		return ret;
	if (r->dump)
		pattern_dump(r->buf, r->len, r->off);
	put_figures(r);
	return ret;
}
