/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nbd-limits.c - clients that break the rules, stop in the middle, do not
 * read or do not go: each costs itself the connection, and nobody else */
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

enum { SIZE = 80 << 20 };

static struct nbd_disk disk;
static struct nbd_client c;
static struct error err;
static uint8_t data[72 << 20];

static void begin(void)
{
	nbd_connect(&c, &disk.server);
	nbd_hello(&c, 3);
}

static void ready(enum nbd_mode mode)
{
	nbd_start(&c, &disk.server, "disk", mode, NULL);
}

/* ---- handshake */

static void sixty_four_options_and_no_more(void)
{
	begin();
	for (unsigned i = 0; i < 64; i++)
		IS(nbd_ask(&c, NBD_OPT_LIST, NULL, 0), NBD_REP_ACK);
	nbd_option(&c, NBD_OPT_LIST, NULL, 0);
	CU_ASSERT(nbd_is_dropped(&c));
	CU_ASSERT_FALSE(nbd_close(&c));
}

static void options_have_64_kib_at_most(void)
{
	begin();
	IS(nbd_ask(&c, 99, data, 65536), NBD_REP_ERR_UNSUP);
	IS(nbd_ask(&c, NBD_OPT_GO, data, 65536), NBD_REP_ERR_UNKNOWN);
	nbd_option(&c, 99, data, 65537);
	CU_ASSERT(nbd_is_dropped(&c));
	CU_ASSERT_FALSE(nbd_close(&c));
}

static void wrong_magic_in_the_handshake_ends_it(void)
{
	begin();
	nbd_send(&c, data, 16);
	CU_ASSERT(nbd_is_dropped(&c));
	nbd_close(&c);
	nbd_connect(&c, &disk.server);
	nbd_hello(&c, 4);
	CU_ASSERT(nbd_is_dropped(&c));
	nbd_close(&c);
}

/* However far it has come: greeting, half an option, between options. */
static void the_handshake_has_a_deadline(void)
{
	disk.server.handshake_ms = 150;
	for (unsigned i = 0; i < 4; i++) {
		nbd_connect(&c, &disk.server);
		if (i)
			nbd_hello(&c, 3);
		else
			recv(c.fd, data, 18, MSG_WAITALL);
		if (i == 2)
			nbd_send(&c, "IHAVE", 5);
		if (i == 3)
			nbd_ask(&c, NBD_OPT_LIST, NULL, 0);
		CU_ASSERT(nbd_is_dropped(&c));
		CU_ASSERT_FALSE(nbd_close(&c));
	}
	/* Who has come in may take his time. */
	ready(NBD_SIMPLE);
	usleep(300000);
	IS(nbd_command(&c, NBD_CMD_FLUSH, 0, 0, 0, NULL), 0);
	CU_ASSERT(nbd_close(&c));
	disk.server.handshake_ms = 10000;
}

static bool slow(void *arg, int fd)
{
	usleep(300000);
	return true;
}

static void waiting_to_be_let_in_does_not_count(void)
{
	disk.server.handshake_ms = 150;
	disk.server.admit = slow;
	ready(NBD_SIMPLE);
	IS(nbd_command(&c, NBD_CMD_FLUSH, 0, 0, 0, NULL), 0);
	CU_ASSERT(nbd_close(&c));
	disk.server.admit = NULL;
	disk.server.handshake_ms = 10000;
}

/* Sends options and reads no reply. */
static void who_reads_no_replies_meets_the_deadline(void)
{
	static char text[4000];

	disk.server.handshake_ms = 300;
	memset(text, 'd', sizeof(text) - 1);
	disk.export.description = text;
	nbd_connect(&c, &disk.server);
	nbd_hello(&c, 3);
	for (unsigned i = 0; i < 64; i++)
		nbd_option(&c, NBD_OPT_LIST, NULL, 0);
	CU_ASSERT_FALSE(nbd_outlast(&c));
	disk.export.description = NULL;
	disk.server.handshake_ms = 10000;
}

/* ---- transmission */

static void wrong_magic_in_a_request_ends_the_session(void)
{
	for (unsigned mode = NBD_SIMPLE; mode <= NBD_EXTENDED; mode++) {
		ready(mode);
		/* The other form's. */
		c.mode = mode == NBD_EXTENDED ? NBD_SIMPLE : NBD_EXTENDED;
		nbd_request(&c, NBD_CMD_FLUSH, 0, 1, 0, 0);
		nbd_send(&c, data, 32);
		CU_ASSERT(nbd_is_dropped(&c));
		CU_ASSERT(nbd_close(&c));
	}
}

static void too_large_writes_are_skipped_up_to_64_mib(void)
{
	for (unsigned mode = NBD_SIMPLE; mode <= NBD_EXTENDED; mode++) {
		ready(mode);
		memset(data, 'z', sizeof(data));
		IS(nbd_command(&c, NBD_CMD_WRITE, 0, 0, 32 << 20, data), 0);
		IS(nbd_command(&c, NBD_CMD_WRITE, 0, 0, (32 << 20) + 1, data),
		    NBD_EINVAL);
		IS(nbd_command(&c, NBD_CMD_WRITE, 0, 0, 64 << 20, data),
		    NBD_EINVAL);
		IS(nbd_command(&c, NBD_CMD_READ, 0, 0, 32 << 20, data), 0);
		CU_ASSERT(data[0] == 'z' && data[(32 << 20) - 1] == 'z');
		nbd_request(&c, NBD_CMD_WRITE, mode == NBD_EXTENDED ?
		    NBD_CMD_FLAG_PAYLOAD_LEN : 0, 1, 0, (64 << 20) + 1);
		nbd_send(&c, data, 100000);
		CU_ASSERT(nbd_is_dropped(&c));
		CU_ASSERT(nbd_close(&c));
	}
}

static bool image_has(uint64_t off, uint64_t len, uint8_t byte)
{
	static uint8_t buf[1 << 20];

	CU_ASSERT_FALSE(image_read(disk.export.image, buf, len, off, &err));
	for (uint64_t i = 0; i < len; i++)
		if (buf[i] != byte)
			return false;
	return true;
}

/* Every cut through a request, and through payloads of all three sizes. */
static void nothing_of_half_a_write_is_written(void)
{
	static const uint32_t lens[] = { 4096, 65536, 65537, 1 << 20 };

	memset(data, 0, 1 << 20);
	CU_ASSERT_FALSE(image_write(disk.export.image, data, 1 << 20, 0, 0,
	    &err));
	memset(data, 'n', 1 << 20);
	for (size_t cut = 0; cut < sizeof(struct nbd_request); cut++) {
		ready(NBD_SIMPLE);
		nbd_send(&c, data, 0);
		nbd_send(&c, "\x25\x60\x95\x13", cut < 4 ? cut : 4);
		if (cut > 4)
			nbd_send(&c, (uint8_t[24]){ 0, 0, 0, 1 }, cut - 4);
		CU_ASSERT(nbd_close(&c));
	}
	for (unsigned i = 0; i < ARRAY_LEN(lens); i++) {
		ready(NBD_SIMPLE);
		nbd_request(&c, NBD_CMD_WRITE, 0, 1, 0, lens[i]);
		nbd_send(&c, data, lens[i] - 1);
		CU_ASSERT(nbd_close(&c));
		CU_ASSERT(image_has(0, 1 << 20, 0));
	}
	/* In pieces, but all of them. */
	ready(NBD_SIMPLE);
	for (unsigned i = 0; i < ARRAY_LEN(lens); i++) {
		nbd_request(&c, NBD_CMD_WRITE, 0, i, 0, lens[i]);
		for (size_t n = 0; n < lens[i]; n += 9999)
			nbd_send(&c, data + n, min64(9999, lens[i] - n));
		IS(nbd_answer(&c, i, NULL, 0, 0), 0);
		CU_ASSERT(image_has(0, lens[i], 'n'));
	}
	CU_ASSERT(nbd_close(&c));
}

static void half_closed_clients_get_their_answers(void)
{
	unsigned done = 0;

	ready(NBD_STRUCTURED);
	for (unsigned i = 0; i < 20; i++)
		nbd_request(&c, NBD_CMD_READ, 0, 7, 0, 65536);
	shutdown(c.fd, SHUT_WR);
	while (done < 20) {
		struct nbd_message m = nbd_message(&c);

		CU_ASSERT_FATAL(!m.eof && !m.error);
		done += m.done;
	}
	CU_ASSERT(nbd_is_dropped(&c));
	CU_ASSERT(nbd_close(&c));
}

static void disc_answers_what_came_before(void)
{
	memset(data, 'd', 65536);
	CU_ASSERT_FALSE(image_write(disk.export.image, data, 65536, 0, 0,
	    &err));
	ready(NBD_SIMPLE);
	nbd_request(&c, NBD_CMD_READ, 0, 1, 0, 65536);
	nbd_request(&c, NBD_CMD_FLUSH, 0, 4, 0, 0);
	nbd_request(&c, NBD_CMD_DISC, 0, 2, 0, 0);
	nbd_request(&c, NBD_CMD_TRIM, 0, 3, 0, 65536);
	for (unsigned i = 0; i < 2; i++) {
		struct nbd_message m = nbd_message(&c);

		CU_ASSERT_FATAL(!m.eof && !m.error &&
		    (m.cookie == 1 || m.cookie == 4));
		for (size_t got = 0; m.cookie == 1 && got < 65536; )
			got += (size_t)recv(c.fd, data, 65536 - got, 0);
	}
	CU_ASSERT(nbd_is_dropped(&c));
	CU_ASSERT(nbd_close(&c));
	CU_ASSERT(image_has(0, 65536, 'd'));
}

/* It asks for far more than the socket holds and reads nothing: others are
 * served, and a server that stops does not wait for it. */
static void who_does_not_read_waits_alone(void)
{
	struct nbd_client other;

	ready(NBD_SIMPLE);
	for (unsigned i = 0; i < 200; i++)
		nbd_request(&c, NBD_CMD_READ, 0, i, 0, 1 << 20);
	nbd_start(&other, &disk.server, "disk", NBD_SIMPLE, NULL);
	for (unsigned i = 0; i < 100; i++)
		IS(nbd_command(&other, NBD_CMD_READ, 0, 4096 * i, 4096, data),
		    0);
	CU_ASSERT(nbd_close(&other));
	atomic_store(&disk.server.stopping, true);
	shutdown(c.server_fd, SHUT_RD);
	CU_ASSERT(nbd_outlast(&c));
	atomic_store(&disk.server.stopping, false);
}

static void stop(void *arg)
{
	atomic_store(&disk.server.stopping, true);
}

/* The server begins to stop while it reads. */
static void stopping_answers_what_has_begun(void)
{
	struct fault_rule rule = { .ops = FAULT_READ, .event = -1,
	    .hook = stop };
	struct nbd_disk usual = disk;
	struct store *s = fault_open(memory_open(1 << 20, &err), &err);

	CU_ASSERT_FALSE_FATAL(fault_add(s, &rule, &err));
	nbd_disk_use(&disk, "raw", s);
	ready(NBD_STRUCTURED);
	IS(nbd_command(&c, NBD_CMD_READ, 0, 0, 4096, data), 0);
	CU_ASSERT(nbd_is_dropped(&c));
	CU_ASSERT(nbd_close(&c));
	nbd_disk_close(&disk);
	disk = usual;
	disk.server.exports = &disk.export;
}

/* Silence gives back what requests needed, and costs nothing else. */
static void silence_is_allowed(void)
{
	ready(NBD_STRUCTURED);
	IS(nbd_command(&c, NBD_CMD_WRITE, 0, 0, 1 << 20, data), 0);
	nbd_send(&c, "\x25\x60", 2);	/* half a request stays */
	usleep(1300000);
	nbd_send(&c, "\x95\x13\0\0\0\3" "cookie78" "\0\0\0\0\0\0\0\0"
	    "\0\0\0\0", 26);
	IS(nbd_message(&c).error, 0);
	usleep(1300000);
	IS(nbd_command(&c, NBD_CMD_READ, 0, 0, 1 << 20, data), 0);
	CU_ASSERT(nbd_close(&c));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "64 options and no more", sixty_four_options_and_no_more },
		{ "options have 64 KiB at most", options_have_64_kib_at_most },
		{ "wrong magic in the handshake ends it",
		    wrong_magic_in_the_handshake_ends_it },
		{ "the handshake has a deadline",
		    the_handshake_has_a_deadline },
		{ "waiting to be let in does not count",
		    waiting_to_be_let_in_does_not_count },
		{ "who reads no replies meets the deadline",
		    who_reads_no_replies_meets_the_deadline },
		{ "wrong magic in a request ends the session",
		    wrong_magic_in_a_request_ends_the_session },
		{ "too large writes are skipped up to 64 MiB",
		    too_large_writes_are_skipped_up_to_64_mib },
		{ "nothing of half a write is written",
		    nothing_of_half_a_write_is_written },
		{ "half-closed clients get their answers",
		    half_closed_clients_get_their_answers },
		{ "disc answers what came before",
		    disc_answers_what_came_before },
		{ "who does not read waits alone",
		    who_does_not_read_waits_alone },
		{ "stopping answers what has begun",
		    stopping_answers_what_has_begun },
		{ "silence is allowed", silence_is_allowed },
		{ 0 }
	};
	int rc;

	nbd_disk_open(&disk, "raw", SIZE, NULL);
	rc = unit_run("nbd-limits", tests);
	nbd_disk_close(&disk);
	return rc;
}
