/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nbd-files.c - images in files: sent without copying, read past the page
 * cache in batches, and slow places that keep nobody waiting */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "store/fault.h"
#include "support/guest.h"
#include "support/nbd_client.h"
#include "support/unit.h"

#define IS(call, value) CU_ASSERT_EQUAL(call, value)

enum { SIZE = 4 << 20 };

static const enum nbd_mode modes[] = { NBD_SIMPLE, NBD_STRUCTURED,
    NBD_EXTENDED };
static struct export export;
static struct server server;
static struct nbd_client c;
static struct error err;
static uint8_t want[SIZE], in[SIZE];

/* A new image in the file "disk", filled with a pattern up to "full". */
static void make_file(const char *format, uint64_t full)
{
	struct file_args f = { .writable = true, .create = true };
	struct open_args a = { .format = format, .writable = true };
	struct store *s = file_open("disk", &f, &err);
	struct image *img;

	memset(want, 0, SIZE);
	guest_pattern(want, 0, full, 3, false);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_FALSE_FATAL(image_make(s, format, SIZE, NULL, NULL, false,
	    &err));
	CU_ASSERT_FALSE_FATAL(store_close(s, &err));
	img = image_open("disk", &a, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	/* Back to front, so that a qcow2 image has an extent for each. */
	for (uint64_t off = full; off; off -= 65536)
		CU_ASSERT_FALSE(image_write(img, want + off - 65536, 65536,
		    off - 65536, 0, &err));
	CU_ASSERT_FALSE(image_close(img, &err));
}

static void serve_image(struct image *img)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	export = (struct export){ .name = (char *)"disk", .size = SIZE,
	    .image = img };
	server = (struct server){ .exports = &export, .export_count = 1 };
}

static uint32_t read_at(uint64_t off, uint64_t len)
{
	return nbd_command(&c, NBD_CMD_READ, 0, off, len, in);
}

static void files_are_sent_as_they_are(void)
{
	static const struct { uint64_t off, len; } t[] = {
		{ 0, 65536 }, { 4096, 65535 }, { 1, 65537 }, { 0, 1 << 20 },
		{ 900000, 1 << 20 }, { 0, SIZE }, { 100, 100 },
	};
	static const char *kinds[] = { "raw", "qcow2" };

	for (unsigned f = 0; f < 2; f++) {
		struct open_args a = { .format = kinds[f] };

		make_file(kinds[f], f ? SIZE / 2 : SIZE);
		serve_image(image_open("disk", &a, &err));
		export.read_only = export.may_sendfile = true;
		for (unsigned m = 0; m < 3; m++) {
			nbd_start(&c, &server, "disk", modes[m], NULL);
			for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
				IS(read_at(t[i].off, t[i].len), 0);
				CU_ASSERT_FALSE(memcmp(in, want + t[i].off,
				    t[i].len));
			}
			CU_ASSERT(nbd_close(&c));
		}
		image_close(export.image, &err);
	}
}

/* As everywhere: what a file does not have reads as zeros. */
static void a_file_cut_while_it_is_sent_is_zeros(void)
{
	struct open_args a = { .format = "raw" };

	for (unsigned m = 0; m < 3; m++) {
		make_file("raw", SIZE);
		serve_image(image_open("disk", &a, &err));
		export.read_only = export.may_sendfile = true;
		nbd_start(&c, &server, "disk", modes[m], NULL);
		CU_ASSERT_FALSE(truncate("disk", SIZE / 2 + 100));
		/* DF: nobody looks for the hole that is there now. */
		IS(nbd_command(&c, NBD_CMD_READ, m ? NBD_CMD_FLAG_DF : 0,
		    SIZE / 4, SIZE / 2, in), 0);
		CU_ASSERT_FALSE(memcmp(in, want + SIZE / 4, SIZE / 4 + 100));
		CU_ASSERT(bytes_are_zero(in + SIZE / 4 + 100,
		    SIZE / 4 - 100));
		CU_ASSERT(nbd_close(&c));
		image_close(export.image, &err);
	}
}

/* A store with a descriptor that has nothing, and reading that fails: what was
 * promised cannot be kept.  An error where there is a form for it, the end of
 * the connection where there is none. */
static void a_file_that_fails_while_it_is_sent_is_an_error(void)
{
	struct fault_rule bad = { .ops = FAULT_READ, .event = -1,
	    .off = SIZE / 2, .len = 512, .error = EIO };
	struct open_args a = { .format = "raw" };

	for (unsigned m = 0; m < 3; m++) {
		struct store *s = fault_open(memory_open(SIZE, &err), &err);

		CU_ASSERT_FALSE_FATAL(fault_add(s, &bad, &err));
		s->fd = open("empty", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		serve_image(image_in(s, &a, NULL, &err));
		export.read_only = export.may_sendfile = true;
		nbd_start(&c, &server, "disk", modes[m], NULL);
		nbd_request(&c, NBD_CMD_READ, m ? NBD_CMD_FLAG_DF : 0, 6,
		    SIZE / 4, SIZE / 2);
		if (modes[m] == NBD_SIMPLE) {
			struct nbd_message msg = nbd_message(&c);
			ssize_t n, got = 0;

			CU_ASSERT(!msg.eof && !msg.error);
			while ((n = recv(c.fd, in, SIZE, 0)) > 0)
				got += n;
			CU_ASSERT(got >= SIZE / 4 - 65536 && got < SIZE / 2);
		} else {
			IS(nbd_answer(&c, 6, in, SIZE / 4, SIZE / 2),
			    NBD_EIO);
			IS(read_at(0, 1 << 20), 0);
		}
		CU_ASSERT(nbd_close(&c));
		close(s->fd);
		image_close(export.image, &err);
	}
}

/* N requests at once of one type; their answers in any order.  Returns how
 * many failed. */
static unsigned many(unsigned type, unsigned n, uint32_t len)
{
	unsigned failed = 0;

	for (unsigned i = 0; i < n; i++) {
		nbd_request(&c, type, type == NBD_CMD_WRITE &&
		    c.mode == NBD_EXTENDED ? NBD_CMD_FLAG_PAYLOAD_LEN : 0, i,
		    (uint64_t)i * len, len);
		if (type == NBD_CMD_WRITE)
			nbd_send(&c, want + (size_t)i * len, len);
	}
	for (unsigned i = 0; i < n; i++) {
		struct nbd_message m = nbd_message(&c);

		if (m.eof)
			return n;
		failed += m.error != 0;
		if (type != NBD_CMD_READ || m.error)
			continue;
		if (m.simple)
			for (size_t got = 0; got < len; )
				got += (size_t)recv(c.fd, in + got, len - got,
				    0);
		failed += 0 != memcmp(m.simple ? in : c.data + 8,
		    want + m.cookie * len, len);
	}
	return failed;
}

static void batches_past_the_page_cache(void)
{
	static const char *kinds[] = { "raw", "qcow2" };
	static const uint32_t lens[] = { 4096, 512, 1000, 30000 };

	for (unsigned f = 0; f < 2; f++) {
		struct open_args a = { .format = kinds[f], .writable = true,
		    .direct = true, .aio = AIO_URING };

		struct image *img;

		make_file(kinds[f], SIZE);
		img = image_open("disk", &a, &err);
		if (!img)
			return;	/* a file system without O_DIRECT */
		serve_image(img);
		for (unsigned m = 0; m < 3; m++) {
			nbd_start(&c, &server, "disk", modes[m], NULL);
			for (unsigned i = 0; i < ARRAY_LEN(lens); i++) {
				IS(many(NBD_CMD_READ, 100, lens[i]), 0);
				guest_pattern(want, 0, SIZE, 10 * m + i,
				    false);
				IS(many(NBD_CMD_WRITE, 100, lens[i]), 0);
				IS(many(NBD_CMD_READ, 100, lens[i]), 0);
				/* The others' places, as they are. */
				IS(read_at(0, SIZE), 0);
				memcpy(want, in, SIZE);
			}
			/* One of them is refused, one waits for a flush. */
			nbd_request(&c, NBD_CMD_READ, 0, 1, SIZE, 1);
			nbd_request(&c, NBD_CMD_FLUSH, 0, 2, 0, 0);
			for (unsigned i = 0; i < 2; i++) {
				struct nbd_message msg = nbd_message(&c);

				IS(msg.error, msg.cookie == 1 ? NBD_EINVAL :
				    0);
			}
			CU_ASSERT(nbd_close(&c));
		}
		CU_ASSERT_FALSE(image_close(export.image, &err));
	}
}

/* One place takes half a second: what was asked after it is answered before
 * it. */
static void slow_reads_keep_nobody_waiting(void)
{
	struct open_args a = { .format = "raw", .writable = true };
	struct fault_rule slow = { .ops = FAULT_READ, .event = -1, .len = 512,
	    .pause_ms = 500 };
	struct fault_rule sync = { .ops = FAULT_SYNC, .event = -1,
	    .pause_ms = 500 };
	struct store *s = fault_open(memory_open(SIZE, &err), &err);

	CU_ASSERT_FALSE_FATAL(fault_add(s, &slow, &err));
	CU_ASSERT_FALSE_FATAL(fault_add(s, &sync, &err));
	serve_image(image_in(s, &a, NULL, &err));
	nbd_start(&c, &server, "disk", NBD_STRUCTURED, NULL);
	IS(nbd_command(&c, NBD_CMD_WRITE, 0, 0, 512, want), 0);
	for (unsigned i = 0; i < 10; i++)
		nbd_request(&c, i == 1 ? NBD_CMD_FLUSH : NBD_CMD_READ, 0, i,
		    i == 1 ? 0 : i * 4096, i == 1 ? 0 : 4096);
	for (unsigned i = 0; i < 10; i++) {
		struct nbd_message m = nbd_message(&c);

		CU_ASSERT(!m.eof && !m.error);
		CU_ASSERT_EQUAL(m.cookie < 2, i >= 8);
	}
	CU_ASSERT(nbd_close(&c));
	image_close(export.image, &err);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "files are sent as they are", files_are_sent_as_they_are },
		{ "a file cut while it is sent is zeros",
		    a_file_cut_while_it_is_sent_is_zeros },
		{ "a file that fails while it is sent is an error",
		    a_file_that_fails_while_it_is_sent_is_an_error },
		{ "batches past the page cache",
		    batches_past_the_page_cache },
		{ "slow reads keep nobody waiting",
		    slow_reads_keep_nobody_waiting },
		{ 0 }
	};

	return unit_run("nbd-files", tests);
}
