/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * unpack.c - any bytes as a compressed file
 *
 * The first byte's bits: 1: the file is a local one (else it is far away, and
 * is not walked over); 2: whoever waits soon has enough.  The rest is the file.
 * It becomes a store that answers, or an error; what the store says of its
 * size and holes holds, and closing it in the middle ends its threads.
 */
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Zeros pack well: more than so many bytes would take too long. */
enum { INPUT_MAX = 8 << 10, PIECE = 70000, STEPS = 200 };

static struct error err;
static uint8_t buf[PIECE];

static bool not_long(void *arg, uint64_t done, uint64_t total)
{
	int *left = arg;

	return (*left)-- > 0;
}

/* The module lies in the same build tree. */
static void find_module(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);

	if (n <= 0)
		abort();
	path[n] = '\0';
	strcat(dirname(path), "/../../lib/cowbird");
	setenv("COWBIRD_MODULES", path, 0);
}

static void use(struct store *s)
{
	uint64_t size = store_size(s), off = 0, run;
	bool has_data;

	if (size > SIZE_LIMIT)
		abort();
	for (unsigned n = 0; n < STEPS && off < size; n++, off += run) {
		size_t len;

		if (store_extent(s, off, size - off, &has_data, &run, &err))
			return;
		if (!run || run > size - off)
			abort();
		len = min64(run, PIECE);
		if (!store_pread(s, buf, len, off, EVENT_DATA, &err) &&
		    !has_data && !bytes_are_zero(buf, len))
			abort();
	}
	store_pread(s, buf, min64(size, 600), size - min64(size, 600),
	    EVENT_DATA, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int null = -1;
	int left = 3;
	struct unpack_args args = { not_long, &left };
	struct store *s;

	if (null < 0) {
		find_module();
		null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	if (!size || size > INPUT_MAX)
		return 0;
	s = memory_open(size - 1, &err);
	if (!s || (size > 1 && store_pwrite(s, data + 1, size - 1, 0,
	    EVENT_DATA, &err)))
		abort();
	if (data[0] & 1)
		s->fd = null;
	if (!protocol_unpack(&s, data[0] & 2 ? &args : NULL, &err)) {
		use(s);
		store_close(s, &err);
	}
	return 0;
}
