/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd_client.c - any bytes as what an NBD server says
 *
 * The first byte chooses: 0xff: the rest is a name, to be parsed.  Else its
 * bits say how the export is opened and in which order it is used, two bytes
 * how much of the rest the server says at once; what is left it says when it
 * sees the first request, and hangs up.  Whatever that is, each call ends, with
 * an answer or an error; nothing is read that was not written, nothing is
 * taken for an extent that makes no sense.
 */
#include <libgen.h>
#include <pthread.h>
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

/* ---- the server */

struct says {
	int fd;
	const uint8_t *text;
	size_t len;
};

static void say(struct says *s, size_t len)
{
	while (len) {
		ssize_t n = send(s->fd, s->text, len, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		s->text += n;
		s->len -= (size_t)n;
		len -= (size_t)n;
	}
}

/* Listens to the end, for the magic of a request; also a client that waits
 * hears the rest. */
static void *answer(void *arg)
{
	static const uint8_t magic[4] = { 0x25, 0x60, 0x95, 0x13 };
	const struct timeval patience = { .tv_usec = 30 * 1000 };
	struct says *s = arg;
	bool asked = false;
	unsigned same = 0;
	uint8_t buf[4096];
	ssize_t n;

	setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
	    sizeof(patience));
	while ((n = recv(s->fd, buf, sizeof(buf), 0)) > 0 || (n < 0 &&
	    errno == EAGAIN)) {
		for (ssize_t i = 0; i < n && same < 4; i++)
			same = buf[i] == magic[same] ? same + 1 :
			    buf[i] == magic[0];
		if (asked || (n > 0 && same < 4))
			continue;
		asked = true;
		say(s, s->len);
		shutdown(s->fd, SHUT_WR);
	}
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct says says;
	pthread_t thread;
	struct store *s;
	size_t first;
	int fd[2];

	if (!size || size > SAYS_MAX)
		return 0;
	if (data[0] == 0xff) {
		parse(data + 1, size - 1);
		return 0;
	}
	if (size < 3)
		return 0;
	first = min64(data[1] | data[2] << 8, size - 3);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		abort();
	says = (struct says){ fd[1], data + 3, size - 3 };
	say(&says, first);
	if (!says.len)
		shutdown(fd[1], SHUT_WR);
	if (pthread_create(&thread, NULL, answer, &says))
		abort();
	s = dial(fd[0], data[0]);
	close(fd[0]);
	if (s) {
		use(s, data[0]);
		store_close(s, &err);
	}
	pthread_join(thread, NULL);
	close(fd[1]);
	return 0;
}
