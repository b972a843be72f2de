/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd-thread-storm.c - 64 clients of one image at once, each with many
 * requests under way, get what they wrote and nobody else's
 *
 * Each client has a part of the disk of its own, and knows what is in it.
 * Stores in memory count as slow, so reads go to helpers and are answered out
 * of order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "support/guest.h"
#include "support/nbd_client.h"
#include "support/unit.h"

enum { CLIENTS = 64, PART = 192 * 1024, PIECE = 3000, DEPTH = 12 };
#ifdef __SANITIZE_THREAD__
enum { ROUNDS = 12 };
#else
enum { ROUNDS = 60 };
#endif

struct part {
	pthread_t thread;
	struct server *server;
	unsigned number;
	enum nbd_mode mode;
	unsigned failures;
	uint8_t now[PART];
};

static struct nbd_disk disk;
static struct part parts[CLIENTS];

/* DEPTH reads of different places, then their answers. */
static unsigned read_many(struct nbd_client *c, struct part *p,
    struct dice *d)
{
	uint64_t base = (uint64_t)p->number * PART, at[DEPTH];
	unsigned failures = 0;

	for (unsigned i = 0; i < DEPTH; i++) {
		at[i] = dice_below(d, PART - PIECE);
		nbd_request(c, NBD_CMD_READ, NBD_CMD_FLAG_DF, i, base + at[i],
		    PIECE);
	}
	for (unsigned i = 0; i < DEPTH; i++) {
		struct nbd_message m = nbd_message(c);

		if (m.eof)
			return failures + DEPTH;
		failures += m.error || m.cookie >= DEPTH ||
		    m.len != PIECE + 8 ||
		    memcmp(c->data + 8, p->now + at[m.cookie], PIECE);
	}
	return failures;
}

static unsigned step(struct nbd_client *c, struct part *p, struct dice *d,
    uint64_t seq)
{
	uint64_t base = (uint64_t)p->number * PART;
	uint64_t len = 1 + dice_below(d, dice_below(d, 4) ? 9000 : PART / 2);
	uint64_t off = dice_below(d, PART - len);

	switch (dice_below(d, 8)) {
	case 0:
		memset(p->now + off, 0, len);
		return nbd_command(c, NBD_CMD_WRITE_ZEROES, 0, base + off, len,
		    NULL);
	case 1:
		return nbd_command(c, NBD_CMD_FLUSH, 0, 0, 0, NULL);
	case 2:
	case 3:
	case 4:
		guest_pattern(p->now + off, base + off, len, seq, false);
		return nbd_command(c, NBD_CMD_WRITE, 0, base + off, len,
		    p->now + off);
	default:
		return read_many(c, p, d);
	}
}

static void *client(void *arg)
{
	struct part *p = arg;
	struct dice d = { p->number };
	struct nbd_client c;

	nbd_start(&c, p->server, "disk", p->mode, NULL);
	for (unsigned i = 0; i < ROUNDS; i++) {
		/* Some go in between, with requests under way. */
		if (i % 25 == 24) {
			nbd_request(&c, NBD_CMD_READ, 0, 1, 0, 65536);
			nbd_request(&c, NBD_CMD_READ, 0, 2, 0, 65536);
			p->failures += !nbd_close(&c);
			nbd_start(&c, p->server, "disk", p->mode, NULL);
		}
		p->failures += step(&c, p, &d, i) != 0;
	}
	p->failures += !nbd_close(&c);
	return NULL;
}

static void storm(const char *format)
{
	static uint8_t all[CLIENTS * PART];
	unsigned failures = 0;
	struct error err;

	nbd_disk_open(&disk, format, sizeof(all), NULL);
	disk.export.multi_conn = true;
	for (unsigned i = 0; i < CLIENTS; i++) {
		parts[i] = (struct part){ .server = &disk.server, .number = i,
		    .mode = i % 2 ? NBD_STRUCTURED : NBD_EXTENDED };
		CU_ASSERT_FALSE_FATAL(pthread_create(&parts[i].thread, NULL,
		    client, &parts[i]));
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		pthread_join(parts[i].thread, NULL);
		failures += parts[i].failures;
	}
	CU_ASSERT_EQUAL(failures, 0);
	CU_ASSERT_EQUAL(atomic_load(&disk.server.helpers), 0);
	CU_ASSERT_FALSE(image_read(disk.export.image, all, sizeof(all), 0,
	    &err));
	for (unsigned i = 0; i < CLIENTS; i++)
		CU_ASSERT_FALSE(memcmp(all + (size_t)i * PART, parts[i].now,
		    PART));
	nbd_disk_close(&disk);
}

static void on_raw(void)
{
	storm("raw");
}

static void on_qcow2(void)
{
	storm("qcow2");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "64 clients on a raw image", on_raw },
		{ "64 clients on a qcow2 image", on_qcow2 },
		{ 0 }
	};

	return unit_run("nbd-thread-storm", tests);
}
