/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * load.c - start a server, keep it busy, end it
 *
 *	load nbd  read|write SIZE DEPTH CONNECTIONS COUNT SOCKET COMMAND...
 *	load file read|write SIZE DEPTH COUNT FILE [COMMAND...]
 *
 * Makes COUNT requests of SIZE bytes, DEPTH at a time (on each connection).
 * COMMAND is an NBD server that listens on SOCKET, or a FUSE server that shows
 * its disk as FILE, which is then read and written with O_DIRECT.  Without a
 * COMMAND, FILE is a plain file: a bare loop over it, the least there is to
 * do.  Wall and CPU time and peak memory of this program (measure.c) are then
 * those of the server, from its start to its end by SIGTERM, under a load that
 * is the same whoever serves.
 *
 * Small requests are scattered, large ones go through the disk in order.
 * What is written depends on where alone, so servers can be compared by what
 * their images hold afterwards.  Any failure ends it with one line and exit
 * status 1; the server is then killed by the kernel, and its mount is left to
 * the caller.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../nbd/nbd_proto.h"

#define SIZE_MAXIMUM	NBD_PAYLOAD_MAX
#define IN_ORDER_FROM	(64 * KIB)	/* requests of this size */
#define THREADS_MAXIMUM	256
#define RECEIVE		(256 * KIB)
#define NONE		UINT64_MAX

static const char *target;	/* the socket or file */
static bool writing;
static uint64_t size;		/* of a request */
static uint64_t blocks;		/* of that size in the disk */
static uint64_t depth, connections = 1, count;
static atomic_uint_fast64_t begun;
static pid_t server;

/* The number of the next request, or NONE. */
static uint64_t next(void)
{
	uint64_t n = atomic_fetch_add_explicit(&begun, 1,
	    memory_order_relaxed);

	return n < count ? n : NONE;
}

/* A large prime as a step visits every block, in no order a disk would
 * foresee. */
static uint64_t place(uint64_t n)
{
	return (size < IN_ORDER_FROM ? n * 2654435761u : n) % blocks * size;
}

static void set_disk_size(uint64_t bytes)
{
	blocks = bytes / size;
	if (!blocks)
		errx(1, "%s: smaller than a request", target);
}

static void fill(void *data)
{
	memset(data, 0xcb, size);
}

static void stamp(void *data, uint64_t off)
{
	memcpy(data, &off, sizeof(off));
}

static void *memory(size_t len)
{
	void *p;

	if (posix_memalign(&p, 4096, len))
		errx(1, "out of memory");
	return p;
}

/* ---- the server */

static void start(char **command)
{
	server = fork();
	if (server < 0)
		err(1, "fork");
	if (server)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(*command, command);
	err(127, "%s", *command);
}

static void judge(int status)
{
	if (WIFSIGNALED(status))
		errx(1, "the server was ended by signal %d", WTERMSIG(status));
	if (status)
		errx(1, "the server ended with %d", WEXITSTATUS(status));
}

/* Between two looks at whether it serves. */
static void wait_a_little(void)
{
	int status;

	if (waitpid(server, &status, WNOHANG) == server) {
		judge(status);
		errx(1, "the server ended before it served");
	}
	usleep(1000);
}

static void end(void)
{
	int status;

	kill(server, SIGTERM);
	if (waitpid(server, &status, 0) != server)
		err(1, "wait");
	judge(status);
}

/* One thread for each of n, until all have ended. */
static void run_threads(void *(*body)(void *), void **args, uint64_t n)
{
	pthread_t thread[THREADS_MAXIMUM];

	for (uint64_t i = 0; i < n; i++)
		if ((errno = pthread_create(&thread[i], NULL, body,
		    args ? args[i] : NULL)))
			err(1, "pthread_create");
	for (uint64_t i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
}

/* ---- NBD: simple replies, several requests in one send */

struct session {
	int fd;
	unsigned queued;	/* requests in out */
	uint64_t in_flight;	/* these, and what was sent */
	uint64_t *cookie;	/* of each slot, NONE: it is free */
	uint64_t slot;		/* of the reply whose data are coming: */
	uint64_t data_left;
	char *out, *in;
};

static void send_all(int fd, const void *buf, size_t len)
{
	for (const char *p = buf; len;) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0)
			err(1, "%s: send", target);
		p += n;
		len -= (size_t)n;
	}
}

static size_t receive(int fd, void *buf, size_t len, int flags)
{
	ssize_t n = recv(fd, buf, len, flags);

	if (n < 0)
		err(1, "%s: receive", target);
	if (n == 0 || (flags == MSG_WAITALL && (size_t)n < len))
		errx(1, "%s: the server has hung up", target);
	return (size_t)n;
}

static size_t request_len(void)
{
	return sizeof(struct nbd_request) + (writing ? size : 0);
}

/* "Newstyle negotiation", by the option that every server has. */
static void negotiate(int fd)
{
	struct nbd_greeting hello;
	struct nbd_option option;
	struct nbd_export_reply reply;
	char zeroes[NBD_EXPORT_ZEROES];
	uint32_t flags;
	be32 answer;

	receive(fd, &hello, sizeof(hello), MSG_WAITALL);
	if (be64_get(hello.magic) != NBD_MAGIC ||
	    be64_get(hello.version) != NBD_OPTS_MAGIC)
		errx(1, "%s: not an NBD server", target);
	flags = be16_get(hello.flags) &
	    (NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	be32_put(&answer, flags);
	send_all(fd, &answer, sizeof(answer));

	be64_put(&option.magic, NBD_OPTS_MAGIC);
	be32_put(&option.option, NBD_OPT_EXPORT_NAME);
	be32_put(&option.len, 0);
	send_all(fd, &option, sizeof(option));

	receive(fd, &reply, sizeof(reply), MSG_WAITALL);
	if (!(flags & NBD_FLAG_NO_ZEROES))
		receive(fd, zeroes, sizeof(zeroes), MSG_WAITALL);
	set_disk_size(be64_get(reply.size));
}

static struct session *session_new(const struct sockaddr_un *address)
{
	struct session *s = memory(sizeof(*s));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	while (connect(fd, (const struct sockaddr *)address,
	    sizeof(*address))) {
		if (errno != ENOENT && errno != ECONNREFUSED)
			err(1, "%s", target);
		wait_a_little();
	}
	negotiate(fd);
	*s = (struct session){ .fd = fd };
	s->in = memory(RECEIVE);
	s->out = memory(depth * request_len());
	s->cookie = memory(depth * sizeof(*s->cookie));
	for (uint64_t i = 0; i < depth; i++) {
		s->cookie[i] = NONE;
		if (writing)
			fill(s->out + i * request_len() +
			    sizeof(struct nbd_request));
	}
	return s;
}

/* Puts the next request into a free slot, if there is one to be made. */
static void ask(struct session *s, uint64_t slot)
{
	char *at = s->out + s->queued * request_len();
	uint64_t n = next();
	struct nbd_request q;

	s->cookie[slot] = NONE;
	if (n == NONE)
		return;
	s->cookie[slot] = n * depth + slot;
	be32_put(&q.magic, NBD_REQUEST_MAGIC);
	be16_put(&q.flags, 0);
	be16_put(&q.type, writing ? NBD_CMD_WRITE : NBD_CMD_READ);
	be64_put(&q.cookie, s->cookie[slot]);
	be64_put(&q.off, place(n));
	be32_put(&q.len, (uint32_t)size);
	memcpy(at, &q, sizeof(q));
	if (writing)
		stamp(at + sizeof(q), place(n));
	s->queued++;
	s->in_flight++;
}

static void done(struct session *s)
{
	s->in_flight--;
	ask(s, s->slot);
}

static void begin_reply(struct session *s, const char *in)
{
	struct nbd_simple_reply r;
	uint64_t cookie;

	memcpy(&r, in, sizeof(r));
	if (be32_get(r.magic) != NBD_SIMPLE_REPLY_MAGIC)
		errx(1, "%s: not a simple reply", target);
	if (be32_get(r.error))
		errx(1, "%s: error %u", target, be32_get(r.error));
	cookie = be64_get(r.cookie);
	s->slot = cookie % depth;
	if (cookie == NONE || s->cookie[s->slot] != cookie ||
	    s->queued == depth)
		errx(1, "%s: a reply nobody waits for", target);
	s->data_left = writing ? 0 : size;
	if (writing)
		done(s);
}

/* Returns how many of the bytes are used up: but a part of a header, all. */
static size_t take_replies(struct session *s, const char *in, size_t len)
{
	size_t at = 0;

	while (at < len) {
		if (s->data_left) {
			size_t n = len - at < s->data_left ?
			    len - at : s->data_left;

			at += n;
			s->data_left -= n;
			if (!s->data_left)
				done(s);
		} else if (len - at < sizeof(struct nbd_simple_reply)) {
			break;
		} else {
			begin_reply(s, in + at);
			at += sizeof(struct nbd_simple_reply);
		}
	}
	return at;
}

static void *session_run(void *arg)
{
	struct session *s = arg;
	struct nbd_request bye = { 0 };
	size_t have = 0;

	for (uint64_t slot = 0; slot < depth; slot++)
		ask(s, slot);
	while (s->in_flight) {
		size_t used;

		send_all(s->fd, s->out, s->queued * request_len());
		s->queued = 0;
		have += receive(s->fd, s->in + have, RECEIVE - have, 0);
		used = take_replies(s, s->in, have);
		have -= used;
		memmove(s->in, s->in + used, have);
	}
	be32_put(&bye.magic, NBD_REQUEST_MAGIC);
	be16_put(&bye.type, NBD_CMD_DISC);
	send_all(s->fd, &bye, sizeof(bye));
	close(s->fd);
	free(s->cookie);
	free(s->out);
	free(s->in);
	free(s);
	return NULL;
}

static void load_nbd(char **command)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	void *sessions[THREADS_MAXIMUM];

	if (strlen(target) >= sizeof(address.sun_path))
		errx(1, "%s: too long for a socket", target);
	strcpy(address.sun_path, target);
	unlink(target);
	start(command);
	for (uint64_t i = 0; i < connections; i++)
		sessions[i] = session_new(&address);
	run_threads(session_run, sessions, connections);
	end();
}

/* ---- files */

static int file;

static void *file_run(void *arg)
{
	char *data = memory(size);
	uint64_t n;

	fill(data);
	while ((n = next()) != NONE) {
		off_t off = (off_t)place(n);
		ssize_t r;

		if (writing)
			stamp(data, (uint64_t)off);
		r = writing ? pwrite(file, data, size, off) :
		    pread(file, data, size, off);
		if (r < 0)
			err(1, "%s: at %jd", target, (intmax_t)off);
		if ((size_t)r < size)
			errx(1, "%s: at %jd: only %zd bytes", target,
			    (intmax_t)off, r);
	}
	free(data);
	return NULL;
}

/* What is mounted on an empty file has a size. */
static void mount_it(char **command)
{
	int fd = open(target, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct stat st;

	if (fd < 0)
		err(1, "%s", target);
	close(fd);
	start(command);
	while (stat(target, &st) || !st.st_size)
		wait_a_little();
}

static void load_file(char **command)
{
	struct stat st;

	if (*command)
		mount_it(command);
	file = open(target, (writing ? O_RDWR : O_RDONLY) | O_CLOEXEC |
	    (*command ? O_DIRECT : 0));
	if (file < 0 || fstat(file, &st))
		err(1, "%s", target);
	set_disk_size((uint64_t)st.st_size);
	run_threads(file_run, NULL, depth);
	close(file);
	if (*command) {
		end();
		if (stat(target, &st) || st.st_size)
			errx(1, "%s: the server has left it mounted", target);
	}
}

/* ---- the command line */

static void usage(void)
{
	fprintf(stderr, "usage: load nbd read|write SIZE DEPTH CONNECTIONS "
	    "COUNT SOCKET COMMAND...\n"
	    "       load file read|write SIZE DEPTH COUNT FILE [COMMAND...]\n");
	exit(2);
}

static uint64_t number(const char *text, uint64_t most)
{
	char *rest;
	uint64_t n = strtoull(text, &rest, 10);

	if (*rest || n < 1 || n > most)
		usage();
	return n;
}

int main(int argc, char **argv)
{
	bool nbd = argc > 1 && !strcmp(argv[1], "nbd");

	if (argc < (nbd ? 9 : 7) || (!nbd && strcmp(argv[1], "file")))
		usage();
	writing = !strcmp(argv[2], "write");
	if (!writing && strcmp(argv[2], "read"))
		usage();
	argv += 3;
	size = number(*argv++, SIZE_MAXIMUM);
	depth = number(*argv++, THREADS_MAXIMUM);
	if (size < sizeof(uint64_t))
		usage();
	if (nbd)
		connections = number(*argv++, THREADS_MAXIMUM);
	count = number(*argv++, UINT32_MAX);
	target = *argv++;
	if (nbd)
		load_nbd(argv);
	else
		load_file(argv);
	return 0;
}
