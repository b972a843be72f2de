/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nbd-commands.c - every command, in each form of replies, does what the
 * protocol document says and refuses what it says */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "store/fault.h"
#include "support/guest.h"
#include "support/nbd_client.h"
#include "support/unit.h"

enum { SIZE = 8 << 20, LARGE = 3 << 20 };

#define IS(call, value) CU_ASSERT_EQUAL(call, value)

static struct nbd_disk disk;
static struct nbd_client c;
static uint8_t out[SIZE], in[SIZE];

/* The claims below hold for each of these. */
static void each(const char *format, void (*claim)(void))
{
	static const enum nbd_mode modes[] = { NBD_SIMPLE, NBD_STRUCTURED,
	    NBD_EXTENDED };

	for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
		nbd_disk_open(&disk, format, SIZE, NULL);
		nbd_start(&c, &disk.server, "disk", modes[i], NULL);
		claim();
		CU_ASSERT(nbd_close(&c));
		nbd_disk_close(&disk);
	}
}

static uint32_t cmd(unsigned type, unsigned flags, uint64_t off, uint64_t len)
{
	return nbd_command(&c, type, flags, off, len, type == NBD_CMD_READ ?
	    in : out);
}

static void write_and_read(void)
{
	static const struct { uint64_t off, len; } t[] = {
		{ 0, 1 }, { 511, 2 }, { 4096, 4096 }, { 70000, 65536 },
		{ 200000, 65537 }, { 1 << 20, LARGE }, { SIZE - 1, 1 },
	};

	guest_pattern(out, 0, SIZE, 1, false);
	for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
		IS(cmd(NBD_CMD_WRITE, i % 2 ? NBD_CMD_FLAG_FUA : 0, t[i].off,
		    t[i].len), 0);
		IS(cmd(NBD_CMD_READ, 0, t[i].off, t[i].len), 0);
		CU_ASSERT_FALSE(memcmp(in, out, t[i].len));
	}
	/* All of it at once: data and holes. */
	IS(cmd(NBD_CMD_READ, NBD_CMD_FLAG_FUA, 0, SIZE), 0);
	CU_ASSERT_FALSE(memcmp(in + (1 << 20), out, LARGE));
	CU_ASSERT(bytes_are_zero(in + 400000, (1 << 20) - 400000));
	CU_ASSERT(in[SIZE - 1] == out[0]);
	if (c.mode == NBD_SIMPLE)
		return;
	IS(cmd(NBD_CMD_READ, NBD_CMD_FLAG_DF, 4096, LARGE), 0);
	CU_ASSERT_FALSE(memcmp(in, out, 4096));
}

static void what_is_written_can_be_read(void)
{
	each("raw", write_and_read);
	each("qcow2", write_and_read);
}

static void one_chunk(void)
{
	struct nbd_message m;

	if (c.mode == NBD_SIMPLE)
		return;
	IS(cmd(NBD_CMD_WRITE, 0, 65536, 65536), 0);
	nbd_request(&c, NBD_CMD_READ, NBD_CMD_FLAG_DF, 1, 0, 262144);
	m = nbd_message(&c);
	CU_ASSERT(m.done && m.type == NBD_REPLY_TYPE_OFFSET_DATA);
	IS(m.len, 262144 + 8);
	/* Without the flag holes are told. */
	nbd_request(&c, NBD_CMD_READ, 0, 1, 0, 262144);
	m = nbd_message(&c);
	CU_ASSERT(!m.done && m.type == NBD_REPLY_TYPE_OFFSET_HOLE);
	m = nbd_message(&c);
	CU_ASSERT(!m.done && m.type == NBD_REPLY_TYPE_OFFSET_DATA);
	IS(m.len, 65536 + 8);
	m = nbd_message(&c);
	CU_ASSERT(m.done && m.type == NBD_REPLY_TYPE_OFFSET_HOLE);
}

static void df_gives_one_chunk(void)
{
	each("qcow2", one_chunk);
}

static void zero(void)
{
	memset(out, 'x', LARGE);
	IS(cmd(NBD_CMD_WRITE, 0, 0, LARGE), 0);
	IS(cmd(NBD_CMD_WRITE_ZEROES, 0, 100, 70000), 0);
	IS(cmd(NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_NO_HOLE, 131072, 65536), 0);
	IS(cmd(NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_FUA |
	    NBD_CMD_FLAG_FAST_ZERO, 262144, 65536), 0);
	IS(cmd(NBD_CMD_READ, 0, 0, LARGE), 0);
	memset(out + 100, 0, 70000);
	memset(out + 131072, 0, 65536);
	memset(out + 262144, 0, 65536);
	CU_ASSERT_FALSE(memcmp(in, out, LARGE));
	IS(cmd(NBD_CMD_TRIM, 0, 1 << 20, 1 << 20), 0);
	IS(cmd(NBD_CMD_TRIM, NBD_CMD_FLAG_FUA, 0, 1), 0);
	IS(cmd(NBD_CMD_READ, 0, 1 << 20, 1 << 20), 0);
	CU_ASSERT(bytes_are_zero(in, 1 << 20));
	IS(cmd(NBD_CMD_CACHE, 0, 0, SIZE), 0);
	IS(cmd(NBD_CMD_FLUSH, 0, 0, 0), 0);
	IS(cmd(NBD_CMD_FLUSH, NBD_CMD_FLAG_FUA, 0, 0), 0);
	IS(cmd(NBD_CMD_WRITE_ZEROES, 0, 0, SIZE), 0);
	IS(cmd(NBD_CMD_READ, 0, 0, SIZE), 0);
	CU_ASSERT(bytes_are_zero(in, SIZE));
}

static void zeroes_trim_cache_and_flush(void)
{
	each("raw", zero);
	each("qcow2", zero);
}

static void nothing(void)
{
	IS(cmd(NBD_CMD_READ, 0, 0, 0), 0);
	IS(cmd(NBD_CMD_READ, 0, SIZE, 0), 0);
	IS(cmd(NBD_CMD_WRITE_ZEROES, 0, 0, 0), 0);
	IS(cmd(NBD_CMD_TRIM, 0, 0, 0), 0);
	IS(cmd(NBD_CMD_CACHE, 0, 0, 0), 0);
	IS(nbd_command(&c, NBD_CMD_WRITE, 0, 0, 0, out), 0);
}

static void requests_of_no_bytes_succeed(void)
{
	each("raw", nothing);
	each("qcow2", nothing);
}

static void refusals(void)
{
	bool simple = c.mode == NBD_SIMPLE;
	static const uint16_t bits[] = { 1u << 6, 1u << 15 };

	IS(cmd(NBD_CMD_READ, 0, SIZE - 10, 11), NBD_EINVAL);
	IS(cmd(NBD_CMD_READ, 0, UINT64_MAX, 2), NBD_EINVAL);
	IS(cmd(NBD_CMD_READ, 0, 0, NBD_PAYLOAD_MAX + 1), NBD_EINVAL);
	IS(cmd(NBD_CMD_WRITE, 0, SIZE - 10, 11), NBD_ENOSPC);
	IS(cmd(NBD_CMD_WRITE, 0, 1ull << 63, 4096), NBD_ENOSPC);
	IS(cmd(NBD_CMD_WRITE, 0, SIZE - 4096, 128 << 10), NBD_ENOSPC);
	IS(cmd(NBD_CMD_WRITE_ZEROES, 0, SIZE - 10, 11), NBD_ENOSPC);
	IS(cmd(NBD_CMD_TRIM, 0, SIZE - 10, 11), NBD_EINVAL);
	IS(cmd(NBD_CMD_CACHE, 0, SIZE - 10, 11), NBD_EINVAL);
	IS(cmd(NBD_CMD_BLOCK_STATUS, 0, 0, 512), NBD_EINVAL);
	IS(cmd(8, 0, 0, 512), NBD_EINVAL);
	IS(cmd(0xffff, 0, 0, 0), NBD_EINVAL);
	/* Flags where they do not belong. */
	IS(cmd(NBD_CMD_READ, NBD_CMD_FLAG_DF, 0, 512), simple ? NBD_EINVAL :
	    0);
	IS(cmd(NBD_CMD_READ, NBD_CMD_FLAG_NO_HOLE, 0, 512), NBD_EINVAL);
	IS(cmd(NBD_CMD_READ, NBD_CMD_FLAG_REQ_ONE, 0, 512), NBD_EINVAL);
	IS(cmd(NBD_CMD_WRITE, NBD_CMD_FLAG_DF, 0, 512), NBD_EINVAL);
	IS(cmd(NBD_CMD_TRIM, NBD_CMD_FLAG_FAST_ZERO, 0, 512), NBD_EINVAL);
	IS(cmd(NBD_CMD_FLUSH, NBD_CMD_FLAG_NO_HOLE, 0, 0), NBD_EINVAL);
	IS(cmd(NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_DF, 0, 512), NBD_EINVAL);
	IS(cmd(NBD_CMD_CACHE, NBD_CMD_FLAG_DF, 0, 512), NBD_EINVAL);
	for (unsigned type = 0; type < 8; type++)
		if (type != NBD_CMD_DISC)
			IS(cmd(type, bits[type % 2], 0, 512), NBD_EINVAL);
	/* And the connection is as good as before. */
	IS(cmd(NBD_CMD_READ, 0, 0, 512), 0);
}

static void wrong_requests_are_refused_and_skipped(void)
{
	each("raw", refusals);
	/* Without extended headers the flag is not known. */
	nbd_disk_open(&disk, "raw", SIZE, NULL);
	nbd_start(&c, &disk.server, "disk", NBD_STRUCTURED, NULL);
	IS(cmd(NBD_CMD_WRITE, NBD_CMD_FLAG_PAYLOAD_LEN, 0, 512), NBD_EINVAL);
	CU_ASSERT(nbd_close(&c));
	nbd_start(&c, &disk.server, "disk", NBD_EXTENDED, NULL);
	/* With them it must be there, and only there. */
	nbd_request(&c, NBD_CMD_WRITE, 0, 77, 0, 512);
	IS(nbd_answer(&c, 77, NULL, 0, 0), NBD_EINVAL);
	nbd_request(&c, NBD_CMD_READ, NBD_CMD_FLAG_PAYLOAD_LEN, 78, 0, 512);
	nbd_send(&c, out, 512);
	IS(nbd_answer(&c, 78, NULL, 0, 0), NBD_EINVAL);
	nbd_request(&c, NBD_CMD_TRIM, NBD_CMD_FLAG_PAYLOAD_LEN, 79, 0, LARGE);
	nbd_send(&c, out, LARGE);
	IS(nbd_answer(&c, 79, NULL, 0, 0), NBD_EINVAL);
	/* More than 32 bits. */
	IS(cmd(NBD_CMD_WRITE_ZEROES, 0, 0, 1ull << 33), NBD_ENOSPC);
	IS(cmd(NBD_CMD_READ, 0, 0, 1ull << 33), NBD_EINVAL);
	IS(cmd(NBD_CMD_READ, 0, 0, 512), 0);
	CU_ASSERT(nbd_close(&c));
	nbd_disk_close(&disk);
}

static void read_only(void)
{
	/* The session reads it for every request. */
	disk.export.read_only = true;
	IS(cmd(NBD_CMD_WRITE, 0, 0, 512), NBD_EPERM);
	IS(cmd(NBD_CMD_WRITE, 0, SIZE, 512), NBD_EPERM);
	IS(cmd(NBD_CMD_WRITE, 0, 0, LARGE), NBD_EPERM);
	IS(cmd(NBD_CMD_WRITE_ZEROES, 0, 0, 512), NBD_EPERM);
	IS(cmd(NBD_CMD_TRIM, 0, 0, 512), NBD_EPERM);
	IS(cmd(NBD_CMD_FLUSH, 0, 0, 0), 0);
	IS(cmd(NBD_CMD_CACHE, 0, 0, 512), 0);
	IS(cmd(NBD_CMD_READ, 0, 0, 512), 0);
}

static void read_only_exports_are_not_written(void)
{
	each("raw", read_only);
}

/* A window: the client's offset 0 is not the image's. */
static void windows_are_kept(void)
{
	struct error err;

	nbd_disk_open(&disk, "qcow2", SIZE, NULL);
	disk.export.off = 1 << 20;
	disk.export.size = 1 << 20;
	nbd_start(&c, &disk.server, "disk", NBD_STRUCTURED,
	    "base:allocation");
	IS(c.size, 1 << 20);
	memset(out, 'w', SIZE);
	IS(cmd(NBD_CMD_WRITE, 0, 0, 1 << 20), 0);
	IS(cmd(NBD_CMD_WRITE, 0, 1, 1 << 20), NBD_ENOSPC);
	IS(cmd(NBD_CMD_READ, 0, 1, 1 << 20), NBD_EINVAL);
	nbd_status(&c, 0, 0, 1 << 20, (char *)in, 100);
	CU_ASSERT_STRING_EQUAL(in, "1048576:0 ");
	IS(cmd(NBD_CMD_WRITE_ZEROES, 0, (1 << 20) - 65536, 65536), 0);
	CU_ASSERT(nbd_close(&c));
	CU_ASSERT_FALSE(image_read(disk.export.image, in, SIZE, 0, &err));
	CU_ASSERT(bytes_are_zero(in, 1 << 20));
	CU_ASSERT_FALSE(memcmp(in + (1 << 20), out, (1 << 20) - 65536));
	CU_ASSERT(bytes_are_zero(in + (2 << 20) - 65536, SIZE - (2 << 20)));
	nbd_disk_close(&disk);
}

/* Many at once, answered in any order. */
static void pipeline(void)
{
	enum { N = 200, LEN = 4096 };
	bool seen[N] = { false };

	guest_pattern(out, 0, N * LEN, 7, false);
	IS(cmd(NBD_CMD_WRITE, 0, 0, N * LEN), 0);
	for (unsigned i = 0; i < N; i++)
		nbd_request(&c, NBD_CMD_READ, 0, i, i * LEN, LEN);
	for (unsigned i = 0; i < N; i++) {
		struct nbd_message m = nbd_message(&c);
		uint64_t k = m.cookie;
		const uint8_t *data = in;

		CU_ASSERT_FATAL(!m.eof && !m.error && k < N && !seen[k] &&
		    m.done);
		seen[k] = true;
		if (m.simple) {
			for (size_t got = 0; got < LEN; ) {
				ssize_t n = recv(c.fd, in + got, LEN - got, 0);

				CU_ASSERT_FATAL(n > 0);
				got += (size_t)n;
			}
		} else {
			data = c.data + 8;
		}
		CU_ASSERT_FALSE(memcmp(data, out + k * LEN, LEN));
	}
}

static void many_requests_at_once_are_each_answered(void)
{
	each("raw", pipeline);
	each("qcow2", pipeline);
}

static void fail_next(struct store *s, unsigned ops, int error)
{
	struct fault_rule rule = { .ops = ops, .event = -1, .error = error };
	struct error err;

	fault_clear(s);
	CU_ASSERT_FALSE(fault_add(s, &rule, &err));
}

/* Its own error for each; no names of ours in the text; and the connection
 * goes on. */
static void failures_are_told(void)
{
	struct open_args a = { .format = "raw", .writable = true };
	static const enum nbd_mode modes[] = { NBD_SIMPLE, NBD_STRUCTURED,
	    NBD_EXTENDED };
	struct error err;
	struct store *s;

	memset(out, 'f', SIZE);
	for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
		nbd_disk_open(&disk, "raw", SIZE, NULL);
		nbd_disk_close(&disk);
		s = fault_open(memory_open(SIZE, &err), &err);
		CU_ASSERT_PTR_NOT_NULL_FATAL(s);
		disk.export.image = image_in(s, &a, NULL, &err);
		CU_ASSERT_PTR_NOT_NULL_FATAL(disk.export.image);
		nbd_start(&c, &disk.server, "disk", modes[i], NULL);
		IS(cmd(NBD_CMD_WRITE, 0, 0, SIZE), 0);
		fail_next(s, FAULT_READ, EIO);
		IS(cmd(NBD_CMD_READ, 0, 0, 512), NBD_EIO);
		IS(cmd(NBD_CMD_READ, 0, 0, LARGE), NBD_EIO);
		if (c.data && modes[i] != NBD_SIMPLE)
			CU_ASSERT_STRING_EQUAL(c.data + 6,
			    "input/output error");
		fail_next(s, FAULT_WRITE, ENOSPC);
		IS(cmd(NBD_CMD_WRITE, 0, 0, 512), NBD_ENOSPC);
		fail_next(s, FAULT_WRITE, EDQUOT);
		IS(cmd(NBD_CMD_WRITE, 0, 0, LARGE), NBD_ENOSPC);
		fail_next(s, FAULT_ZERO, ENOTSUP);
		IS(cmd(NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_FAST_ZERO, 0, 512),
		    NBD_ENOTSUP);
		IS(cmd(NBD_CMD_WRITE_ZEROES, 0, 0, 512), 0);
		fault_clear(s);
		IS(cmd(NBD_CMD_READ, 0, 512, LARGE), 0);
		CU_ASSERT_FALSE(memcmp(in, out, LARGE));
		fail_next(s, FAULT_SYNC, EIO);
		IS(cmd(NBD_CMD_FLUSH, 0, 0, 0), NBD_EIO);
		IS(cmd(NBD_CMD_WRITE, NBD_CMD_FLAG_FUA, 0, 512), NBD_EIO);
		CU_ASSERT(nbd_close(&c));
		image_close(disk.export.image, &err);
	}
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "what is written can be read", what_is_written_can_be_read },
		{ "DF gives one chunk", df_gives_one_chunk },
		{ "zeroes, trim, cache and flush",
		    zeroes_trim_cache_and_flush },
		{ "requests of no bytes succeed",
		    requests_of_no_bytes_succeed },
		{ "wrong requests are refused and skipped",
		    wrong_requests_are_refused_and_skipped },
		{ "read-only exports are not written",
		    read_only_exports_are_not_written },
		{ "windows are kept", windows_are_kept },
		{ "many requests at once are each answered",
		    many_requests_at_once_are_each_answered },
		{ "failures are told", failures_are_told },
		{ 0 }
	};

	return unit_run("nbd-commands", tests);
}
