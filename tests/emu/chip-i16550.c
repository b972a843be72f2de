/* SPDX-License-Identifier: GPL-2.0-or-later */
/* chip-i16550.c - the serial port, over pipes of the host */
#include "rig.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "ctl/chardev.h"
#include "dev/i16550.h"
#include "support/unit.h"

enum { LINE = 4, BASE = 0x3f8 };

static struct rig r;
static struct i16550 *c;
static struct chardev *chr;
static pthread_t loop_thread;
static int to_us = -1, from_us = -1;	/* the host's ends */

static void *run(void *unused)
{
	board_run(r.board);
	return NULL;
}

static void plug(const struct chardev_config *config)
{
	struct irq irq = rig_irq(&r, LINE);
	struct error err;

	chr = chardev_new(r.board, config, "serial0", &err);
	rig_must(chr, &err);
	c = i16550_new(r.bus, r.board, BASE, &irq, chr, &err);
	rig_must(c, &err);
	pthread_create(&loop_thread, NULL, run, NULL);
}

/* What the port sends goes to a pipe. */
static void start(void)
{
	char path[32];
	struct chardev_config file = { .kind = CHARDEV_FILE, .path = path };
	int out[2];

	rig_init(&r);
	if (pipe2(out, O_NONBLOCK))
		abort();
	from_us = out[0];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", out[1]);
	plug(&file);
	close(out[1]);
}

/* What it receives comes from one. */
static void start_reading(void)
{
	struct chardev_config stdio = { .kind = CHARDEV_STDIO };
	int in[2];

	rig_init(&r);
	if (pipe(in) || dup2(in[0], 0) < 0)
		abort();
	close(in[0]);
	to_us = in[1];
	plug(&stdio);
}

static void end(void)
{
	board_quit(r.board, 0);
	board_unlock(r.board);
	pthread_join(loop_thread, NULL);
	board_lock(r.board);
	i16550_free(c);
	chardev_free(chr);
	if (to_us >= 0)
		close(to_us);
	if (from_us >= 0)
		close(from_us);
	to_us = from_us = -1;
	rig_fini(&r);
}

/* The loop has its turn. */
static void turn(void)
{
	board_unlock(r.board);
	usleep(1000);
	board_lock(r.board);
}

static uint8_t get(unsigned reg)
{
	return rig_in(&r, BASE + reg, 1);
}

static void put(unsigned reg, uint8_t v)
{
	rig_out(&r, BASE + reg, 1, v);
}

static void registers(void)
{
	start();
	CU_ASSERT_EQUAL(get(5), 0x60);
	CU_ASSERT_EQUAL(get(2), 0x01);
	CU_ASSERT_EQUAL(get(6) & 0xf0, 0xb0);
	put(7, 0x5a);
	CU_ASSERT_EQUAL(get(7), 0x5a);
	put(3, 0x83);
	put(0, 1);
	put(1, 2);
	CU_ASSERT_EQUAL(get(0), 1);
	CU_ASSERT_EQUAL(get(1), 2);
	put(3, 0x03);
	put(1, 0xff);
	CU_ASSERT_EQUAL(get(1), 0x0f);
	put(2, 0x01);
	CU_ASSERT_EQUAL(get(2) & 0xc0, 0xc0);
	end();
}

static void sending(void)
{
	char buf[64];
	ssize_t n;

	start();
	put(0, 'h');
	put(0, 'i');
	n = read(from_us, buf, sizeof(buf));
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT(n == 2 && !memcmp(buf, "hi", 2));
	CU_ASSERT_EQUAL(get(5) & 0x60, 0x60);
	/* Enabling the interrupt is a reason for it; reading which it is ends
	 * it; sending makes another. */
	put(4, 0x08);
	CU_ASSERT(!r.level[LINE]);
	put(1, 2);
	CU_ASSERT(r.level[LINE]);
	CU_ASSERT_EQUAL(get(2), 2);
	CU_ASSERT(!r.level[LINE]);
	put(0, 'x');
	CU_ASSERT(r.level[LINE]);
	put(4, 0);				/* OUT2 gates the line */
	CU_ASSERT(!r.level[LINE]);
	end();
}

static void full(void)
{
	char buf[4096];
	size_t sent = 0, got = 0;
	ssize_t n;

	/* A reader that does not read holds nobody up, and loses nothing that
	 * the port has said it would take. */
	start();
	put(2, 0x01);
	while (get(5) & 0x20 && sent < 1 << 20) {
		put(0, (uint8_t)sent);
		sent++;
	}
	CU_ASSERT(sent >= 4096 && sent < 1 << 20);
	for (unsigned quiet = 0; quiet < 20; quiet++) {
		while ((n = read(from_us, buf, sizeof(buf))) > 0) {
			for (ssize_t i = 0; i < n; i++, got++) {
				if ((uint8_t)buf[i] != (uint8_t)got)
					CU_FAIL_FATAL("other bytes");
			}
			quiet = 0;
		}
		turn();
	}
	CU_ASSERT_EQUAL(got, sent);
	CU_ASSERT_EQUAL(get(5) & 0x60, 0x60);
	end();
}

static void receiving(void)
{
	start_reading();
	put(4, 0x0b);
	put(2, 0x81);				/* trigger at 8 */
	put(1, 1);
	put(3, 0x83);
	put(0, 1);				/* 115200 baud */
	put(1, 0);
	put(3, 0x03);
	CU_ASSERT_EQUAL(write(to_us, "abcdefghijklmnopqrstuvwxyz", 26), 26);
	for (unsigned i = 0; i < 100 && !r.level[LINE]; i++)
		turn();
	CU_ASSERT_EQUAL(get(2), 0xc4);
	for (unsigned i = 0; i < 26; i++) {
		for (unsigned n = 0; n < 100 && !(get(5) & 1); n++)
			turn();
		CU_ASSERT_EQUAL(get(0), 'a' + i);
	}
	CU_ASSERT_EQUAL(get(5), 0x60);		/* nothing was overrun */
	/* Less than the trigger is told after a while. */
	CU_ASSERT_EQUAL(write(to_us, "z", 1), 1);
	for (unsigned i = 0; i < 1000 && !r.level[LINE]; i++) {
		turn();
		usleep(100);
	}
	CU_ASSERT_EQUAL(get(2), 0xcc);
	CU_ASSERT_EQUAL(get(0), 'z');
	CU_ASSERT(!r.level[LINE]);
	end();
}

static void loop(void)
{
	start();
	put(2, 0x07);
	put(4, 0x1a);
	CU_ASSERT_EQUAL(get(6) & 0xf0, 0x90);	/* RTS, OUT2 as CTS, DCD */
	for (unsigned i = 0; i < 17; i++)
		put(0, 'A' + i);
	CU_ASSERT_EQUAL(get(5), 0x63);		/* ready, and overrun */
	CU_ASSERT_EQUAL(get(5), 0x61);
	for (unsigned i = 0; i < 16; i++)
		CU_ASSERT_EQUAL(get(0), 'A' + i);
	CU_ASSERT_EQUAL(get(5), 0x60);
	put(4, 0);
	CU_ASSERT_EQUAL(get(6) & 0xf0, 0xb0);
	i16550_reset(c);
	CU_ASSERT_EQUAL(get(2), 0x01);
	end();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "registers", registers },
		{ "what is sent arrives, and interrupts", sending },
		{ "a back end that is full", full },
		{ "what is received, trigger and timeout", receiving },
		{ "loop back", loop },
		{ NULL, NULL }
	};

	return unit_run("chip-i16550", tests);
}
