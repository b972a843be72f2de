/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* thread-nbd-clients.c - accepting many clients, limits, and the end */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../nbd/client.h"
#include "../nbd/tool.h"
#include "support/nbd_client.h"
#include "support/unit.h"

enum { CLIENTS = 64, SIZE = 1 << 20 };

static struct {
	char path[64];
	struct address address;
	struct nbd_disk disk;
	struct listener listener;
	struct serving serving;
	atomic_uint in, most_in, failed;
	atomic_uint left;	/* the last one ends the server */
	bool signal_at_end;
} t;

static int begun(void *arg, struct error *err)
{
	return 0;
}

static void set_up(unsigned limit, bool persistent, unsigned clients)
{
	struct error err;

	snprintf(t.path, sizeof(t.path), "/tmp/cowbird-clients.%d",
	    (int)getpid());
	t.address = (struct address){ .path = t.path };
	nbd_disk_open(&t.disk, "raw", SIZE, NULL);
	t.disk.server.handshake_ms = 10000;
	CU_ASSERT_FATAL(!serve_prepare(&err));
	CU_ASSERT_FATAL(!listen_open(&t.listener, &t.address, NULL, &err));
	t.serving = (struct serving){ .server = &t.disk.server,
	    .listener = &t.listener, .connected = -1, .limit = limit,
	    .persistent = persistent, .begun = begun };
	t.in = t.most_in = t.failed = 0;
	t.left = clients;
	t.signal_at_end = persistent;
}

static void tear_down(void)
{
	listen_close(&t.listener);
	CU_ASSERT(access(t.path, F_OK) < 0);
	nbd_disk_close(&t.disk);
	CU_ASSERT_EQUAL(atomic_load(&t.failed), 0);
}

static bool exchange(struct client *c, uint16_t type, uint32_t len)
{
	struct nbd_request r = { 0 };
	struct nbd_simple_reply reply;
	char data[4096];

	be32_put(&r.magic, NBD_REQUEST_MAGIC);
	be16_put(&r.type, type);
	be32_put(&r.len, len);
	if (conn_send(&c->conn, &r, sizeof(r)))
		return false;
	return type == NBD_CMD_DISC || (!conn_recv_all(&c->conn, &reply,
	    sizeof(reply)) && !conn_recv_all(&c->conn, data, len));
}

static void *client_main(void *arg)
{
	const unsigned n = (unsigned)(uintptr_t)arg;
	struct export_info info;
	struct client c;
	struct error err;
	bool ok = false;
	int fd = connect_to(&t.address, &err);

	if (n % 4 == 3) {
		/* Half-open, and gone. */
		ok = fd >= 0;
	} else if (fd >= 0) {
		ok = !client_begin(&c, fd, NULL, NULL, false, &err) &&
		    !client_info(&c, NBD_OPT_GO, "disk", &info, &err);
		if (ok) {
			const unsigned now = atomic_fetch_add(&t.in, 1) + 1;
			unsigned most = atomic_load(&t.most_in);

			while (now > most && !atomic_compare_exchange_weak(
			    &t.most_in, &most, now))
				;
			ok = info.size == SIZE &&
			    exchange(&c, NBD_CMD_READ, 4096);
			atomic_fetch_sub(&t.in, 1);
			export_info_fini(&info);
			if (n % 2)
				exchange(&c, NBD_CMD_DISC, 0);
		}
		conn_fini(&c.conn);
	}
	if (fd >= 0)
		close(fd);
	if (!ok)
		atomic_fetch_add(&t.failed, 1);
	if (atomic_fetch_sub(&t.left, 1) == 1 && t.signal_at_end)
		kill(getpid(), SIGTERM);
	return NULL;
}

static void run(unsigned n)
{
	pthread_t thread[CLIENTS];
	struct error err;

	for (unsigned i = 0; i < n; i++)
		CU_ASSERT_FATAL(!pthread_create(&thread[i], NULL, client_main,
		    (void *)(uintptr_t)i));
	CU_ASSERT_EQUAL(serve(&t.serving, &err), 0);
	for (unsigned i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
}

static void many_come_and_go_and_a_signal_ends_it(void)
{
	set_up(0, true, CLIENTS);
	run(CLIENTS);
	tear_down();
}

static void no_more_than_the_limit_are_in(void)
{
	set_up(2, true, 16);
	run(16);
	CU_ASSERT(atomic_load(&t.most_in) >= 1);
	CU_ASSERT(atomic_load(&t.most_in) <= 2);
	tear_down();
}

static void the_last_one_to_leave_ends_it(void)
{
	set_up(0, false, 1);
	run(1);
	tear_down();
}

static int refuses(void *arg, struct error *err)
{
	return error_set(err, ENODEV, "not today");
}

static void what_cannot_begin_ends_it(void)
{
	struct error err;

	set_up(0, true, 0);
	t.serving.begun = refuses;
	CU_ASSERT_EQUAL(serve(&t.serving, &err), -ENODEV);
	tear_down();
}

/* Sessions are in the middle of things when the signal comes. */
static void *hold_main(void *arg)
{
	struct export_info info;
	struct client c;
	struct error err;
	const int fd = connect_to(&t.address, &err);

	if (fd < 0 || client_begin(&c, fd, NULL, NULL, false, &err) ||
	    client_info(&c, NBD_OPT_GO, "disk", &info, &err)) {
		atomic_fetch_add(&t.failed, 1);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	export_info_fini(&info);
	if (atomic_fetch_sub(&t.left, 1) == 1)
		kill(getpid(), SIGHUP);
	while (exchange(&c, NBD_CMD_READ, 4096))
		;
	conn_fini(&c.conn);
	close(fd);
	return NULL;
}

static void a_signal_ends_it_under_load(void)
{
	enum { HOLD = 8 };
	pthread_t thread[HOLD];
	struct error err;

	set_up(0, true, HOLD);
	for (unsigned i = 0; i < HOLD; i++)
		CU_ASSERT_FATAL(!pthread_create(&thread[i], NULL, hold_main,
		    NULL));
	CU_ASSERT_EQUAL(serve(&t.serving, &err), 0);
	for (unsigned i = 0; i < HOLD; i++)
		pthread_join(thread[i], NULL);
	tear_down();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "many come and go, and a signal ends it",
		    many_come_and_go_and_a_signal_ends_it },
		{ "no more than the limit are in",
		    no_more_than_the_limit_are_in },
		{ "the last one to leave ends it",
		    the_last_one_to_leave_ends_it },
		{ "what cannot begin ends it", what_cannot_begin_ends_it },
		{ "a signal ends it under load", a_signal_ends_it_under_load },
		{ NULL, NULL }
	};

	return unit_run("nbd-clients", tests);
}
