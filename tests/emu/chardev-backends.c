/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices: what users say becomes the right struct or one clear
 * line; files, pipes, sockets, pseudo-terminals carry bytes both ways; what
 * the other end does not take is refused and asked for again; several front
 * ends share one by Ctrl-A.
 */
#include <CUnit/Basic.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "core/board.h"
#include "ctl/chardev.h"

static struct board *board;

/* ---- a front end that remembers */

struct front {
	char got[4096];
	size_t len, room;
	unsigned writable, connects, goes, breaks;
};

static size_t room(void *opaque)
{
	return ((struct front *)opaque)->room;
}

static void received(void *opaque, const uint8_t *buf, size_t len)
{
	struct front *f = opaque;

	CU_ASSERT(len <= f->room && f->len + len < sizeof(f->got));
	memcpy(f->got + f->len, buf, len);
	f->len += len;
	f->got[f->len] = '\0';
	f->room -= len;
}

static void writable(void *opaque)
{
	((struct front *)opaque)->writable++;
}

static void connected(void *opaque, bool yes)
{
	struct front *f = opaque;

	f->connects += yes;
	f->goes += !yes;
}

static void break_received(void *opaque)
{
	((struct front *)opaque)->breaks++;
}

static const struct chardev_user user = { room, received, writable, connected,
	break_received };

/* ---- the board's loop, in a thread of its own */

static pthread_t thread;

static void *run(void *opaque)
{
	board_run(board);
	return NULL;
}

static void lock(void)
{
	board_lock(board);
}

static void unlock(void)
{
	board_unlock(board);
}

/* Waits until it is so, five seconds at most; leaves the lock held. */
#define UNTIL(condition)						\
	for (unsigned turn_ = 0; ; turn_++) {				\
		lock();							\
		if ((condition) || turn_ == 500)			\
			break;						\
		unlock();						\
		usleep(10000);						\
	}								\
	CU_ASSERT(condition)

static void writes(struct chardev *c, const char *text)
{
	CU_ASSERT_EQUAL(chardev_write(c, (const uint8_t *)text, strlen(text)),
	    strlen(text));
}

static struct chardev *make(const char *text, struct error *err)
{
	struct chardev_config c;
	struct chardev *chr;

	if (chardev_parse(&c, text, err) < 0)
		return NULL;
	chr = chardev_new(board, &c, "label", err);
	chardev_config_fini(&c);
	return chr;
}

/* ---- what users say */

static void test_words(void)
{
	static const struct { const char *text, *why; } bad[] = {
		{ "udp:1.2.3.4:5", "'udp' are not supported" },
		{ "vc", "'vc' are not supported" },
		{ "nothing", "unknown character device 'nothing'" },
		{ "file:", "file name missing" },
		{ "tcp:host", "'host' is not HOST:PORT" },
		{ "unix:/a,wait=off", "server=on" },
		{ "unix:/a,server=on,colour=red", "'colour'" },
		{ "unix:/a,server=maybe", "server" },
		{ "tcp:a:1,server=on,reconnect=2", "reconnect=" },
		{ "tcp:a:1,telnet=on", "telnet" },
		{ "/dev/ttyS0", "/dev/ttyS0" },
	}, bad_opts[] = {
		{ "null", "id=" },
		{ "id=a", "type" },
		{ "file,id=a", "path=" },
		{ "null,id=a,path=b", "'path'" },
		{ "socket,id=a", "path=" },
		{ "socket,id=a,path=b,port=1", "not both" },
		{ "ringbuf,id=a", "'ringbuf' are not supported" },
		{ "stdio,id=a,mux=2", "mux" },
	};
	struct chardev_config c;
	struct error err;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CU_ASSERT(chardev_parse(&c, bad[i].text, &err) < 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.text, bad[i].why));
	}
	for (unsigned i = 0; i < sizeof(bad_opts) / sizeof(*bad_opts); i++) {
		CU_ASSERT(chardev_parse_opts(&c, bad_opts[i].text, &err) < 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.text, bad_opts[i].why));
	}
	CU_ASSERT(!chardev_parse(&c, "mon:stdio", &err));
	CU_ASSERT(c.kind == CHARDEV_STDIO && c.mux && c.monitor && !c.signals);
	chardev_config_fini(&c);
	CU_ASSERT(!chardev_parse(&c, "tcp:[::1]:99,server,nowait", &err));
	CU_ASSERT(c.server && !c.wait);
	CU_ASSERT_STRING_EQUAL(c.host, "::1");
	CU_ASSERT_STRING_EQUAL(c.port, "99");
	chardev_config_fini(&c);
	CU_ASSERT(!chardev_parse(&c, "file:/a,b=c", &err));
	CU_ASSERT_STRING_EQUAL(c.path, "/a,b=c");
	chardev_config_fini(&c);
	CU_ASSERT(!chardev_parse_opts(&c, "socket,id=q,path=/a,,b,server=on",
	    &err));
	CU_ASSERT(c.kind == CHARDEV_SOCKET && c.server && c.wait);
	CU_ASSERT_STRING_EQUAL(c.path, "/a,b");
	CU_ASSERT_STRING_EQUAL(c.id, "q");
	chardev_config_fini(&c);
}

/* ---- back ends */

static void test_file(void)
{
	struct error err;
	struct chardev *c;
	char got[32] = "";
	FILE *f;

	lock();
	c = make("file:out", &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	writes(c, "one\n");
	chardev_free(c);
	c = make("file:/nowhere/at/all", &err);
	CU_ASSERT_PTR_NULL(c);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/nowhere/at/all"));
	unlock();
	f = fopen("out", "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_PTR_NOT_NULL(fgets(got, sizeof(got), f));
	CU_ASSERT_STRING_EQUAL(got, "one\n");
	fclose(f);
}

static void test_pipe(void)
{
	static struct front f;
	struct error err;
	struct chardev *c;
	char got[8] = "";
	int in, out;

	f = (struct front){ .room = 3 };
	CU_ASSERT_EQUAL(mkfifo("p.in", 0600), 0);
	CU_ASSERT_EQUAL(mkfifo("p.out", 0600), 0);
	lock();
	c = make("pipe:p", &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	chardev_attach(c, &user, &f);
	CU_ASSERT_EQUAL(f.connects, 1);
	writes(c, "hello");
	unlock();
	in = open("p.in", O_WRONLY);
	out = open("p.out", O_RDONLY);
	CU_ASSERT_EQUAL(read(out, got, 5), 5);
	CU_ASSERT_STRING_EQUAL(got, "hello");
	/* No more is given than there is room for, and the rest later. */
	CU_ASSERT_EQUAL(write(in, "abcdef", 6), 6);
	UNTIL(f.len == 3);
	unlock();
	usleep(50000);
	lock();
	CU_ASSERT_EQUAL(f.len, 3);
	f.room = 10;
	chardev_wake(c);
	unlock();
	UNTIL(f.len == 6);
	CU_ASSERT_STRING_EQUAL(f.got, "abcdef");
	chardev_free(c);
	unlock();
	close(in);
	close(out);
}

static int call(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void test_socket(void)
{
	static uint8_t much[1 << 16];
	static struct front f;
	struct error err;
	struct chardev *c;
	char got[4096] = "";
	size_t sent = 0, n;
	int fd;

	f = (struct front){ .room = 100 };
	lock();
	c = make("unix:sock,server=on,wait=off", &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	chardev_attach(c, &user, &f);
	CU_ASSERT_EQUAL(f.connects, 0);
	writes(c, "lost: nobody is there");
	unlock();
	fd = call("sock");
	CU_ASSERT_FATAL(fd >= 0);
	UNTIL(f.connects == 1);
	writes(c, "hi");
	unlock();
	CU_ASSERT_EQUAL(read(fd, got, sizeof(got)), 2);
	CU_ASSERT_EQUAL(write(fd, "there", 5), 5);
	UNTIL(f.len == 5);
	/* A client that does not read: refused, then asked for again. */
	while ((n = chardev_write(c, much, sizeof(much))) == sizeof(much))
		sent += n;
	sent += n;
	CU_ASSERT(sent > 0 && sent < 64u << 20);
	CU_ASSERT_EQUAL(chardev_write(c, much, 1), 0);
	unlock();
	for (size_t done = 0; done < sent; done += n)
		n = read(fd, got, sizeof(got));
	UNTIL(f.writable == 1);
	writes(c, "again");
	unlock();
	/* What a client left behind comes before it is gone; one after it. */
	CU_ASSERT_EQUAL(write(fd, "bye", 3), 3);
	close(fd);
	UNTIL(f.goes == 1);
	CU_ASSERT_STRING_EQUAL(f.got, "therebye");
	unlock();
	fd = call("sock");
	UNTIL(f.connects == 2);
	chardev_free(c);
	unlock();
	close(fd);
	CU_ASSERT(call("sock") < 0);	/* its name has gone with it */
}

/* A client calls again until there is a server, and when it has lost it. */
static void test_reconnect(void)
{
	static struct front f, g;
	struct chardev *client, *server;
	struct error err;

	f = g = (struct front){ .room = 100 };
	lock();
	client = make("unix:later,reconnect=1", &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(client);
	chardev_attach(client, &user, &f);
	CU_ASSERT_PTR_NULL(make("unix:never", &err));
	server = make("unix:later,server=on,wait=off", &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(server);
	chardev_attach(server, &user, &g);
	unlock();
	UNTIL(f.connects == 1 && g.connects == 1);
	writes(client, "ping");
	unlock();
	UNTIL(g.len == 4);
	chardev_free(server);
	unlock();
	UNTIL(f.goes == 1);
	chardev_free(client);
	unlock();
}

static void test_pty(void)
{
	static struct front f;
	struct error err;
	struct chardev *c;
	char text[128], got[8] = "", *name;
	int fd;

	f = (struct front){ .room = 100 };
	lock();
	c = make("pty", &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	chardev_attach(c, &user, &f);
	chardev_describe(c, text, sizeof(text));
	unlock();
	name = strstr(text, "/dev/");
	CU_ASSERT_PTR_NOT_NULL_FATAL(name);
	for (unsigned i = 1; i <= 2; i++) {
		fd = open(name, O_RDWR | O_NOCTTY);
		CU_ASSERT_FATAL(fd >= 0);
		UNTIL(f.connects == i);
		writes(c, "hey");
		unlock();
		CU_ASSERT_EQUAL(read(fd, got, 3), 3);
		CU_ASSERT_EQUAL(write(fd, "x\r\3", 3), 3);	/* raw */
		UNTIL(f.len == 3 * i);
		unlock();
		close(fd);
		UNTIL(f.goes == i);
		unlock();
	}
	lock();
	chardev_free(c);
	unlock();
}

static void quit(void *opaque)
{
	++*(unsigned *)opaque;
}

static void test_mux(void)
{
	static struct front f[2];
	struct chardev_config config;
	struct chardev *c, *end[2], *more;
	struct error err;
	unsigned quits = 0;
	char got[16] = "";
	int fd;

	f[0] = f[1] = (struct front){ .room = 100 };
	lock();
	CU_ASSERT(!chardev_parse_opts(&config,
	    "socket,id=m,path=mux,server=on,wait=off,mux=on", &err));
	c = chardev_new(board, &config, "m", &err);
	chardev_config_fini(&config);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	chardev_on_quit(c, quit, &quits);
	for (unsigned i = 0; i < 2; i++) {
		end[i] = chardev_share(c, &err);
		CU_ASSERT_PTR_NOT_NULL_FATAL(end[i]);
		chardev_attach(end[i], &user, &f[i]);
	}
	unlock();
	fd = call("mux");
	UNTIL(f[0].connects == 1 && f[1].connects == 1);
	writes(end[0], "A");
	writes(end[1], "B");
	unlock();
	UNTIL(true);
	unlock();
	CU_ASSERT_EQUAL(read(fd, got, 2), 2);
	CU_ASSERT_STRING_EQUAL(got, "AB");
	CU_ASSERT_EQUAL(write(fd, "one\1\1\1cto\1b\1x", 14), 14);
	UNTIL(quits == 1);
	CU_ASSERT_STRING_EQUAL(f[0].got, "one\1");
	CU_ASSERT_STRING_EQUAL(f[1].got, "to");
	CU_ASSERT_EQUAL(f[0].breaks, 0);
	CU_ASSERT_EQUAL(f[1].breaks, 1);
	chardev_free(c);
	/* One that is not shared has one front end. */
	c = make("null", &err);
	CU_ASSERT_PTR_NOT_NULL(chardev_share(c, &err));
	more = chardev_share(c, &err);
	CU_ASSERT_PTR_NULL(more);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "mux=on"));
	chardev_free(c);
	unlock();
	close(fd);
}

int main(void)
{
	struct error err;
	CU_pSuite suite;
	unsigned failed;

	board = board_new(&err);
	if (!board || pthread_create(&thread, NULL, run, NULL))
		return 1;
	CU_initialize_registry();
	suite = CU_add_suite("chardev", NULL, NULL);
	CU_add_test(suite, "words", test_words);
	CU_add_test(suite, "file", test_file);
	CU_add_test(suite, "pipe", test_pipe);
	CU_add_test(suite, "socket", test_socket);
	CU_add_test(suite, "reconnect", test_reconnect);
	CU_add_test(suite, "pty", test_pty);
	CU_add_test(suite, "mux", test_mux);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	board_quit(board, 0);
	pthread_join(thread, NULL);
	board_free(board);
	return failed != 0;
}
