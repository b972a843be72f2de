/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sftp-replies.c - whatever order and size an SFTP server's replies have, the
 * right bytes arrive; and what no request asked for ends the stream
 *
 * The server is in memory: it keeps what it is asked and answers when we wait
 * for it, the last request first, with less data than was asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "modules/ssh/sftp3.c"
#include "support/unit.h"

enum { FILE_SIZE = 300 * 1000, QUEUE = 4 * SFTP3_DEPTH };

enum manner { HONEST, NO_DATA, MUCH_DATA, WRONG_NUMBER, WRONG_KIND, FAILS,
    HUGE, CUT_OFF };

static struct server {
	struct sftp3_stream io;
	enum manner manner;
	uint32_t most;			/* bytes in a DATA */
	uint8_t file[FILE_SIZE];
	struct { uint8_t type; uint32_t number, len; uint64_t off; }
	    queue[QUEUE];
	unsigned queued, in_flight;	/* the latter: at most, ever */
	uint8_t reply[SFTP3_ROOM + HEAD];
	size_t have, sent;
	bool gone;
} server;

static struct error err;
static struct sftp3 sftp;
static const struct sftp3_handle handle = { 1, "h" };

static void restart(struct sftp3_stream *io) {}

/* A packet is sent whole; "h" is the only handle. */
static int take_request(struct sftp3_stream *io, const void *buf, size_t n,
    struct error *e)
{
	const uint8_t *p = buf;
	unsigned i = server.queued++;

	CU_ASSERT_FATAL(server.queued <= QUEUE && n >= 9 + 5 + 12);
	CU_ASSERT_FATAL(be32_get(*(const be32 *)p) == n - 4);
	server.queue[i].type = p[4];
	server.queue[i].number = be32_get(*(const be32 *)(p + 5));
	CU_ASSERT_FATAL(p[12] == 1 && p[13] == 'h');
	server.queue[i].off = be64_get(*(const be64 *)(p + 14));
	server.queue[i].len = be32_get(*(const be32 *)(p + 22));
	if (p[4] == WRITE) {
		CU_ASSERT_FATAL(n == 26 + server.queue[i].len);
		memcpy(server.file + server.queue[i].off, p + 26, n - 26);
	}
	if (server.in_flight < server.queued)
		server.in_flight = server.queued;
	return 0;
}

static void say32(uint32_t v)
{
	be32_put((be32 *)(server.reply + server.have), v);
	server.have += 4;
}

static void make_reply(void)
{
	unsigned i = --server.queued;
	uint64_t off = server.queue[i].off;
	uint32_t n = server.queue[i].len, code = OK;
	bool data = server.queue[i].type == READ && off < FILE_SIZE;

	server.have = server.sent = 0;
	n = (uint32_t)min64(min64(n, server.most), FILE_SIZE - off);
	if (server.manner == FAILS && i % 3 == 0) {
		data = false;
		code = PERMISSION_DENIED;
	} else if (server.queue[i].type == READ && !data) {
		code = END_OF_FILE;
	}
	if (server.manner == NO_DATA)
		n = 0;
	if (server.manner == MUCH_DATA)
		n = server.queue[i].len + 1;
	say32(server.manner == HUGE ? 1u << 30 : data ? 9 + n : 9);
	server.reply[server.have++] = server.manner == WRONG_KIND ? HANDLE :
	    data ? DATA : STATUS;
	say32(server.queue[i].number + (server.manner == WRONG_NUMBER) *
	    SFTP3_DEPTH);
	say32(data ? n : code);
	if (data && off + n <= FILE_SIZE)
		memcpy(server.reply + server.have, server.file + off, n);
	server.have += data ? n : 0;
	if (server.manner == CUT_OFF) {
		server.have--;
		server.gone = true;
	}
}

static int give_reply(struct sftp3_stream *io, void *buf, size_t n,
    struct error *e)
{
	for (uint8_t *to = buf; n--; *to++ = server.reply[server.sent++])
		if (server.sent == server.have) {
			if (server.gone)
				return error_set(e, EIO, "gone");
			CU_ASSERT_FATAL(server.queued);
			make_reply();
		}
	return 0;
}

static void begin_server(enum manner manner, uint32_t most)
{
	server = (struct server){ .io = { restart, give_reply, take_request },
	    .manner = manner, .most = most };
	for (unsigned i = 0; i < FILE_SIZE; i++)
		server.file[i] = (uint8_t)(i * 2654435761u >> 13);
	sftp = (struct sftp3){ .io = &server.io, .turn = UINT32_MAX / 64 - 1 };
}

static int transfer(bool write, const struct iovec *iov, int n, uint64_t off)
{
	struct store_req q = { write, iov, n, off, 1 };
	int rc = sftp3_submit(&sftp, &handle, &q, 1, &err);

	CU_ASSERT_EQUAL(q.ret, rc);
	return rc;
}

/* Three pieces that nothing is aligned to. */
static uint8_t memory[FILE_SIZE + 1000];
static const struct iovec pieces[] = { { memory, 7 },
    { memory + 7, 100000 }, { memory + 100007, FILE_SIZE - 100007 + 1000 } };

static void reads_are_put_together(void)
{
	static const uint32_t most[] = { SFTP3_CHUNK, 10000, 333 };

	for (unsigned i = 0; i < 3; i++) {
		begin_server(HONEST, most[i]);
		memset(memory, 1, sizeof(memory));
		CU_ASSERT_EQUAL(transfer(false, pieces, 3, 0), 0);
		CU_ASSERT_EQUAL(memcmp(memory, server.file, FILE_SIZE), 0);
		CU_ASSERT(bytes_are_zero(memory + FILE_SIZE, 1000));
		CU_ASSERT(!sftp.broken && server.in_flight >= 9);
	}
}

static void reads_past_the_end_are_zeros(void)
{
	begin_server(HONEST, SFTP3_CHUNK);
	memset(memory, 1, sizeof(memory));
	CU_ASSERT_EQUAL(transfer(false, pieces, 3, FILE_SIZE), 0);
	CU_ASSERT(bytes_are_zero(memory, sizeof(memory)) && !sftp.broken);
}

static void writes_are_cut_up(void)
{
	begin_server(HONEST, SFTP3_CHUNK);
	for (unsigned i = 0; i < sizeof(memory); i++)
		memory[i] = (uint8_t)(i * 40503u >> 7);
	CU_ASSERT_EQUAL(transfer(true, pieces, 2, 33), 0);
	CU_ASSERT_EQUAL(memcmp(server.file + 33, memory, 100007), 0);
	CU_ASSERT(!sftp.broken);
}

/* More than there are slots; one of them fails alone. */
static void batches_are_many_requests(void)
{
	static struct store_req q[200];
	static struct iovec iov[200];

	begin_server(HONEST, 333);
	memset(memory, 1, sizeof(memory));
	for (unsigned i = 0; i < 200; i++) {
		iov[i] = (struct iovec){ memory + 1000 * i, 1000 };
		q[i] = (struct store_req){ i == 7, iov + i, 1, 1000 * i, 1 };
	}
	CU_ASSERT_EQUAL(sftp3_submit(&sftp, &handle, q, 200, &err), 0);
	CU_ASSERT_EQUAL(memcmp(memory, server.file, 200 * 1000), 0);
	CU_ASSERT_EQUAL(server.file[7500], 1);
	CU_ASSERT(server.in_flight >= 64 && !q[7].ret && !q[199].ret);
	server.manner = FAILS;
	CU_ASSERT_EQUAL(sftp3_submit(&sftp, &handle, q, 200, &err), -EACCES);
	CU_ASSERT(!sftp.broken && !server.queued);
	server.manner = WRONG_KIND;
	CU_ASSERT_EQUAL(sftp3_submit(&sftp, &handle, q, 200, &err), -EPROTO);
	CU_ASSERT(sftp.broken && q[0].ret == -EPROTO && q[199].ret);
}

static void a_refusal_is_an_answer(void)
{
	begin_server(FAILS, SFTP3_CHUNK);
	CU_ASSERT_EQUAL(transfer(false, pieces, 3, 0),
	    -EACCES);
	CU_ASSERT_EQUAL(transfer(true, pieces, 2, 0),
	    -EACCES);
	CU_ASSERT(!sftp.broken && !server.queued);
	server.manner = HONEST;
	CU_ASSERT_EQUAL(transfer(false, pieces, 3, 0), 0);
}

static void nonsense_ends_the_stream(void)
{
	static const enum manner manners[] = { NO_DATA, MUCH_DATA,
	    WRONG_NUMBER, WRONG_KIND, HUGE, CUT_OFF };

	for (unsigned i = 0; i < ARRAY_LEN(manners); i++) {
		begin_server(manners[i], SFTP3_CHUNK);
		CU_ASSERT(transfer(false, pieces, 1, 0) < 0);
		CU_ASSERT(sftp.broken && !strchr(err.text, '\n'));
	}
}

static const struct unit_test tests[] = {
	{ "reads are put together", reads_are_put_together },
	{ "reads past the end are zeros", reads_past_the_end_are_zeros },
	{ "writes are cut up", writes_are_cut_up },
	{ "batches are many requests", batches_are_many_requests },
	{ "a refusal is an answer", a_refusal_is_an_answer },
	{ "nonsense ends the stream", nonsense_ends_the_stream },
	{ 0 }
};

int main(void)
{
	return unit_run("SFTP replies", tests);
}
