/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * thread-nbd-client.c - many threads on one NBD export read what was written,
 * on several connections, over connections that are cut
 *
 * The server is ours, in threads of this program; where blocks are large,
 * nbdkit.
 */
#include <libgen.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../nbd/nbd.h"
#include "base/bytes.h"
#include "store/protocol.h"
#include "support/unit.h"

enum { THREADS = 8, PIECE = 3000, PIECES = 800, ROUNDS = 3, CLIENTS = 200 };
#define SIZE ((uint64_t)PIECE * PIECES)

static struct error err;

#define OK(call) CU_ASSERT_EQUAL_FATAL(call, 0)

/* ---- the server */

static struct service {
	struct export export;
	struct server server;
	int listener;
	pthread_t thread;
	pthread_mutex_t lock;	/* guards what follows */
	int client[CLIENTS];	/* sockets; -1: gone */
	unsigned clients;	/* so far */
	pthread_t session[CLIENTS];
} service = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *serve_one(void *arg)
{
	int *fd = arg, own;

	pthread_mutex_lock(&service.lock);
	own = *fd;
	pthread_mutex_unlock(&service.lock);
	session_run(&service.server, own);
	pthread_mutex_lock(&service.lock);
	close(*fd);
	*fd = -1;
	pthread_mutex_unlock(&service.lock);
	return NULL;
}

static void *serve(void *unused)
{
	struct pollfd p = { .fd = service.listener, .events = POLLIN };

	while (!atomic_load(&service.server.stopping)) {
		unsigned i;
		int fd;

		if (poll(&p, 1, 50) != 1)
			continue;
		fd = accept(service.listener, NULL, NULL);
		pthread_mutex_lock(&service.lock);
		i = service.clients;
		if (fd < 0 || i == CLIENTS) {
			close(fd);
		} else {
			service.client[i] = fd;
			pthread_create(&service.session[i], NULL, serve_one,
			    &service.client[i]);
			service.clients++;
		}
		pthread_mutex_unlock(&service.lock);
	}
	return unused;
}

static void cut(void)
{
	pthread_mutex_lock(&service.lock);
	for (unsigned i = 0; i < service.clients; i++)
		if (service.client[i] >= 0)
			shutdown(service.client[i], SHUT_RDWR);
	pthread_mutex_unlock(&service.lock);
}

static void start_server(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "s" };
	struct open_args args = { .format = "raw", .writable = true,
	    .store = memory_open(SIZE, &err) };
	struct image *img = image_open("memory", &args, &err);

	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	service.export = (struct export){ .name = "", .image = img,
	    .size = img->size, .multi_conn = true };
	service.server.exports = &service.export;
	service.server.export_count = 1;
	atomic_store(&service.server.stopping, false);
	service.clients = 0;
	unlink("s");
	service.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	OK(bind(service.listener, (struct sockaddr *)&a, sizeof(a)));
	OK(listen(service.listener, 50));
	OK(pthread_create(&service.thread, NULL, serve, NULL));
}

static void stop_server(void)
{
	atomic_store(&service.server.stopping, true);
	pthread_join(service.thread, NULL);
	cut();
	for (unsigned i = 0; i < service.clients; i++)
		pthread_join(service.session[i], NULL);
	close(service.listener);
	OK(image_close(service.export.image, &err));
}

/* ---- the client */

/* The module lies in the same build tree. */
static struct store *dial(const char *text)
{
	const struct protocol_args args = { .writable = true };
	struct opts *keys = opts_new();
	const struct protocol *nbd;
	struct store *s;
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);

	CU_ASSERT_FATAL(n > 0);
	path[n] = '\0';
	strcat(dirname(path), "/../../lib/cowbird");
	setenv("COWBIRD_MODULES", path, 1);
	OK(protocol_by_driver("nbd", &nbd, &err));
	OK(opts_parse(keys, text, NULL, &err));
	s = nbd->open(keys, &args, &err);
	opts_free(keys);
	if (!s)
		fprintf(stderr, "%s\n", err.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

struct worker {
	pthread_t thread;
	struct store *store;
	unsigned number;
	unsigned failures;
	struct error err;
};

static void run(struct store *s, void *(*body)(void *))
{
	struct worker w[THREADS] = { 0 };

	for (unsigned i = 0; i < THREADS; i++) {
		w[i].store = s;
		w[i].number = i;
		OK(pthread_create(&w[i].thread, NULL, body, &w[i]));
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		if (w[i].failures)
			fprintf(stderr, "%u: %s\n", i, w[i].err.text);
		CU_ASSERT_EQUAL(w[i].failures, 0);
	}
}

static int pattern(unsigned piece, unsigned round)
{
	return 1 + (int)((piece * 7 + round * 31) % 251);
}

/* Pieces that share blocks with their neighbours, which are other threads'. */
static void *deal(void *arg)
{
	struct worker *w = arg;
	char buf[PIECE], back[PIECE];

	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned i = w->number; i < PIECES; i += THREADS) {
			const uint64_t off = (uint64_t)i * PIECE;
			uint64_t from = off;
			unsigned flags;

			memset(buf, pattern(i, round), PIECE);
			if (store_pwrite(w->store, buf, PIECE, off, EVENT_DATA,
			    &w->err) < 0 || store_pread(w->store, back, PIECE,
			    off, EVENT_DATA, &w->err) < 0 ||
			    memcmp(buf, back, PIECE))
				w->failures++;
			/* What was written is data, whatever is remembered
			 * of before. */
			while (i % 50 == w->number && from < off + PIECE) {
				uint64_t n;

				if (store_status(w->store, from, off + PIECE -
				    from, &flags, &n, &w->err) || flags) {
					w->failures++;
					break;
				}
				from += n;
			}
		}
	return NULL;
}

static void check_dealt(struct store *s)
{
	char buf[PIECE], want[PIECE];
	unsigned wrong = 0;

	for (unsigned i = 0; i < PIECES; i++) {
		OK(store_pread(s, buf, PIECE, (uint64_t)i * PIECE, EVENT_DATA,
		    &err));
		memset(want, pattern(i, ROUNDS - 1), PIECE);
		wrong += memcmp(buf, want, PIECE) != 0;
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void many_threads_find_what_they_wrote(void)
{
	struct store *s;

	start_server();
	s = dial("server.path=s");
	run(s, deal);
	check_dealt(s);
	OK(store_sync(s, &err));
	CU_ASSERT(service.clients > 1 && service.clients <= 4);
	OK(store_close(s, &err));
	stop_server();
}

static atomic_bool done;

static void *cutter(void *unused)
{
	for (unsigned i = 0; i < 20 && !atomic_load(&done); i++) {
		usleep(30 * 1000);
		cut();
	}
	return unused;
}

/* Everything arrives; that it is safe nobody says. */
static void cut_connections_are_made_again(void)
{
	pthread_t thread;
	struct store *s;

	start_server();
	s = dial("server.path=s,reconnect-delay=20");
	atomic_store(&done, false);
	OK(pthread_create(&thread, NULL, cutter, NULL));
	run(s, deal);
	atomic_store(&done, true);
	pthread_join(thread, NULL);
	check_dealt(s);
	CU_ASSERT(service.clients > 4);
	CU_ASSERT_EQUAL(store_sync(s, &err), -EIO);
	OK(store_close(s, &err));
	stop_server();
}

static void neighbours_in_a_block_lose_nothing(void)
{
	struct store *s;
	char text[64];
	int fd[2];
	pid_t pid;

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	pid = fork();
	if (!pid) {
		char size[32];

		snprintf(size, sizeof(size), "%llu",
		    (unsigned long long)align_up(SIZE, 65536));
		close(fd[0]);
		dup2(fd[1], 0);
		dup2(fd[1], 1);
		execlp("nbdkit", "nbdkit", "-s", "--filter=blocksize-policy",
		    "memory", size, "blocksize-minimum=65536",
		    "blocksize-preferred=65536", "blocksize-maximum=1M",
		    "blocksize-error-policy=error", NULL);
		_exit(127);
	}
	close(fd[1]);
	if (!system("command -v nbdkit >/dev/null")) {
		snprintf(text, sizeof(text), "server.type=fd,server.str=%d",
		    fd[0]);
		s = dial(text);
		run(s, deal);
		check_dealt(s);
		OK(store_close(s, &err));
	}
	close(fd[0]);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	return unit_run("NBD client, threads", (struct unit_test[]){
		{ "many threads find what they wrote",
		    many_threads_find_what_they_wrote },
		{ "cut connections are made again",
		    cut_connections_are_made_again },
		{ "neighbours in a block lose nothing",
		    neighbours_in_a_block_lose_nothing },
		{ NULL }
	});
}
