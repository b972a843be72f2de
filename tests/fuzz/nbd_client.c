/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd_client.c - any bytes as what an NBD server says
 *
 * The first byte chooses: 0xff: the rest is a name, to be parsed.  Else its
 * bits say how the export is opened and in which order it is used, and the
 * rest is all that the server ever sends, after which it hangs up.  Whatever
 * that is, each call ends, with an answer or an error; nothing is read that
 * was not written, nothing is taken for an extent that makes no sense.
 */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/opts.h"
#include "store/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SAYS_MAX = 64 << 10, PIECE = 5 << 10, STEPS = 50 };

static struct error err;

/* The module lies in the same build tree. */
static const struct protocol *protocol(void)
{
	static const struct protocol *nbd;
	char path[4096];
	ssize_t n;

	if (nbd)
		return nbd;
	n = readlink("/proc/self/exe", path, sizeof(path) - 64);
	if (n <= 0)
		abort();
	path[n] = '\0';
	strcat(dirname(path), "/../../lib/cowbird");
	setenv("COWBIRD_MODULES", path, 0);
	if (protocol_by_driver("nbd", &nbd, &err) || !nbd) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	return nbd;
}

static void parse(const uint8_t *data, size_t size)
{
	struct opts *keys = opts_new();
	char *name = strndup((const char *)data, size);

	if (!keys || !name)
		abort();
	protocol()->parse(name, keys, &err);
	opts_free(keys);
	free(name);
}

static struct store *dial(int fd, unsigned how)
{
	const struct protocol_args args = { .writable = how & 1 };
	struct opts *keys = opts_new();
	struct store *s;
	char text[128];

	snprintf(text, sizeof(text), "server.type=fd,server.str=%d%s", fd,
	    how & 2 ? ",x-dirty-bitmap=base:allocation" : "");
	if (!keys || opts_parse(keys, text, NULL, &err))
		abort();
	s = protocol()->open(keys, &args, &err);
	opts_free(keys);
	return s;
}

static void walk(struct store *s)
{
	uint64_t off = 0, size = store_size(s), run;
	unsigned flags;
	bool data;

	for (unsigned n = 0; n < STEPS && off < size; n++, off += run) {
		if (store_status(s, off, size - off, &flags, &run, &err))
			return;
		if (!run || run > size - off)
			abort();
		if (store_extent(s, off, run, &data, &run, &err))
			return;
	}
}

/* What was in memory before a read must not pass for the server's: nobody who
 * does not see these bytes sends 16 of them. */
static uint8_t stale[PIECE];

static void prepare(uint8_t *buf)
{
	if (!stale[0] && getrandom(stale, sizeof(stale), 0) != sizeof(stale))
		abort();
	stale[0] |= 1;
	memcpy(buf, stale, sizeof(stale));
}

static void check_read(const uint8_t *buf)
{
	for (unsigned i = 0, same = 0; i < PIECE; i++) {
		same = buf[i] == stale[i] ? same + 1 : 0;
		if (same == 16)
			abort();
	}
}

static void use(struct store *s, unsigned how)
{
	/* Of its own length each time, for ASan. */
	uint8_t *buf = malloc(PIECE), *front = malloc(100);
	struct iovec iov[2] = { { front, 100 }, { buf, PIECE } };
	struct store_req reqs[2] = { { .iov = iov, .n = 1 },
	    { .iov = iov + 1, .n = 1, .off = 4096 } };
	struct store_stat st;

	if (!buf || !front)
		abort();
	prepare(buf);
	memset(front, 1, 100);
	store_stat(s, &st, &err);
	if (how & 4)
		walk(s);
	if (!store_pread(s, buf, PIECE, 0, EVENT_DATA, &err))
		check_read(buf);
	store_preadv(s, iov, 2, 1000, EVENT_DATA, &err);
	store_submit(s, reqs, 2, &err);
	if (s->writable) {
		store_pwritev(s, iov, 2, 700, EVENT_DATA, &err);
		store_zero(s, 10, 70000, how & 8 ? STORE_MAY_PUNCH :
		    STORE_NO_FALLBACK, &err);
		store_punch(s, 0, 12345, &err);
		store_sync(s, &err);
	}
	if (how & 16)
		walk(s);
	free(buf);
	free(front);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store *s;
	int fd[2];

	if (!size || size > SAYS_MAX)
		return 0;
	if (data[0] == 0xff) {
		parse(data + 1, size - 1);
		return 0;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		abort();
	if (write(fd[1], data + 1, size - 1) != (ssize_t)(size - 1) ||
	    shutdown(fd[1], SHUT_WR))
		abort();
	s = dial(fd[0], data[0]);
	if (s) {
		use(s, data[0]);
		store_close(s, &err);
	}
	close(fd[0]);
	close(fd[1]);
	return 0;
}
