/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nbd-status.c - block status: extents of each context, in both forms, and
 * filtered by a payload */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2/disk.h"
#include "support/bitmap.h"
#include "support/guest.h"
#include "support/nbd_client.h"
#include "support/unit.h"

#define IS(call, value) CU_ASSERT_EQUAL(call, value)
#define STATUS(flags, off, len, text) CU_ASSERT_STRING_EQUAL( \
    nbd_status(&c, flags, off, len, got, sizeof(got)), text)

enum { SIZE = 1 << 20, K64 = 65536 };

static struct nbd_disk disk;
static struct nbd_client c;
static struct error err;
static char got[4000];

/* Cluster 0 data, 1 hole, 2 zero, 3 and 4 data, the rest hole. */
static void open_qcow2(void)
{
	static uint8_t data[2 * K64];
	struct image *img;

	nbd_disk_open(&disk, "qcow2", SIZE, NULL);
	img = disk.export.image;
	memset(data, 1, sizeof(data));
	CU_ASSERT_FALSE(image_write(img, data, K64, 0, 0, &err));
	CU_ASSERT_FALSE(image_write(img, data, 2 * K64, 3 * K64, 0, &err));
	CU_ASSERT_FALSE(image_zero(img, 2 * K64, K64, 0, &err));
	disk.export.allocation_depth = true;
}

static void extents_are_told_in_both_forms(void)
{
	for (unsigned i = 0; i < 2; i++) {
		enum nbd_mode mode = i ? NBD_EXTENDED : NBD_STRUCTURED;

		open_qcow2();
		nbd_start(&c, &disk.server, "disk", mode, "base:allocation");
		STATUS(0, 0, SIZE, "65536:0 131072:3 131072:0 720896:3 ");
		STATUS(NBD_CMD_FLAG_REQ_ONE, 0, SIZE, "65536:0 ");
		STATUS(NBD_CMD_FLAG_REQ_ONE, K64, SIZE - K64, "131072:3 ");
		STATUS(NBD_CMD_FLAG_REQ_ONE, K64, 100, "100:3 ");
		STATUS(0, K64 - 1, 3, "1:0 2:3 ");
		STATUS(0, SIZE - 1, 1, "1:3 ");
		STATUS(0, SIZE - 1, 2, "error 22");
		STATUS(0, SIZE, 1, "error 22");
		STATUS(0, 0, 0, "error 22");
		STATUS(NBD_CMD_FLAG_DF, 0, 512, "error 22");
		nbd_close(&c);
		nbd_start(&c, &disk.server, "disk", mode,
		    "qemu:allocation-depth");
		STATUS(0, 0, SIZE, "65536:1 65536:0 196608:1 720896:0 ");
		nbd_close(&c);
		nbd_disk_close(&disk);
	}
}

/* Compact lengths have 32 bits; extended ones 64. */
static void large_extents_are_cut_only_where_they_must(void)
{
	nbd_disk_open(&disk, "qcow2", 1ull << 40, NULL);
	nbd_start(&c, &disk.server, "disk", NBD_STRUCTURED,
	    "base:allocation");
	STATUS(0, 4096, 0xffffffff, "4294966784:3 ");
	nbd_close(&c);
	nbd_start(&c, &disk.server, "disk", NBD_EXTENDED, "base:allocation");
	STATUS(0, 0, 1ull << 40, "1099511627776:3 ");
	/* The commands without payload, too. */
	IS(nbd_command(&c, NBD_CMD_WRITE_ZEROES, 0, 0, 1ull << 33, NULL), 0);
	IS(nbd_command(&c, NBD_CMD_TRIM, 0, 0, 1ull << 40, NULL), 0);
	nbd_close(&c);
	nbd_disk_close(&disk);
}

/* 64 KiB and not: an answer may end early, but never without an extent. */
static void long_answers_end_early(void)
{
	uint64_t off = 0, size = 40000ull * 512;
	uint8_t sector[512];

	memset(sector, 1, sizeof(sector));
	nbd_disk_open(&disk, "qcow2", size, "cluster_size=512");
	for (uint64_t at = 0; at < size; at += 1024)
		CU_ASSERT_FALSE(image_write(disk.export.image, sector, 512,
		    at, 0, &err));
	nbd_start(&c, &disk.server, "disk", NBD_STRUCTURED,
	    "base:allocation");
	while (off < size) {
		struct nbd_message m;

		nbd_request(&c, NBD_CMD_BLOCK_STATUS, 0, 1, off, size - off);
		m = nbd_message(&c);
		CU_ASSERT_FATAL(!m.eof && !m.error && m.done && m.len > 8);
		for (const uint8_t *d = c.data + 4; d < c.data + m.len;
		    d += 8, off += 512) {
			IS(be32_get(*(be32 *)d), 512);
			IS(be32_get(*(be32 *)(d + 4)), off % 1024 ? 3 : 0);
		}
	}
	IS(off, size);
	nbd_close(&c);
	nbd_disk_close(&disk);
}

/* Sends a filtered request; "ID:LEN:FLAGS " of the first extent of each
 * chunk. */
static const char *filtered(uint64_t len, const uint32_t *ids, unsigned n)
{
	uint8_t payload[200];
	struct nbd_message m;
	size_t used = 0;

	be64_put((be64 *)payload, len);
	for (unsigned i = 0; i < n; i++)
		be32_put((be32 *)(payload + 8 + 4 * i), ids[i]);
	nbd_request(&c, NBD_CMD_BLOCK_STATUS, NBD_CMD_FLAG_PAYLOAD_LEN, 3, 0,
	    8 + 4 * n);
	nbd_send(&c, payload, 8 + 4 * n);
	do {
		m = nbd_message(&c);
		if (m.eof || m.error) {
			snprintf(got, sizeof(got), "error %u", m.error);
			return got;
		}
		used += (size_t)snprintf(got + used, sizeof(got) - used,
		    "%u:%llu:%u ", be32_get(*(be32 *)c.data),
		    (unsigned long long)be64_get(*(be64 *)(c.data + 8)),
		    (unsigned)be64_get(*(be64 *)(c.data + 16)));
	} while (!m.done);
	return got;
}

static void a_payload_chooses_contexts(void)
{
	const char *both[] = { "base:allocation", "qemu:allocation-depth",
	    NULL };
	static const uint32_t ids[] = { 1, 0, 0, 7 };
	char names[100];

	open_qcow2();
	nbd_connect(&c, &disk.server);
	nbd_hello(&c, 3);
	nbd_ask(&c, NBD_OPT_EXTENDED_HEADERS, NULL, 0);
	nbd_contexts(&c, NBD_OPT_SET_META_CONTEXT, "disk", both, names,
	    sizeof(names));
	nbd_go(&c, NBD_OPT_GO, "disk", NULL, 0);
	c.mode = NBD_EXTENDED;
	CU_ASSERT_STRING_EQUAL(filtered(SIZE, ids, 1), "1:65536:1 ");
	CU_ASSERT_STRING_EQUAL(filtered(SIZE, ids, 2),
	    "1:65536:1 0:65536:0 ");
	CU_ASSERT_STRING_EQUAL(filtered(512, ids + 1, 1), "0:512:0 ");
	CU_ASSERT_STRING_EQUAL(filtered(SIZE, ids + 1, 2), "error 22");
	CU_ASSERT_STRING_EQUAL(filtered(SIZE, ids + 3, 1), "error 22");
	CU_ASSERT_STRING_EQUAL(filtered(SIZE, ids, 4), "error 22");
	CU_ASSERT_STRING_EQUAL(filtered(SIZE, ids, 0), "error 22");
	CU_ASSERT_STRING_EQUAL(filtered(SIZE + 1, ids, 1), "error 22");
	CU_ASSERT_STRING_EQUAL(filtered(0, ids, 1), "error 22");
	/* Not whole ids. */
	nbd_request(&c, NBD_CMD_BLOCK_STATUS, NBD_CMD_FLAG_PAYLOAD_LEN, 4, 0,
	    14);
	nbd_send(&c, "abcdefghijklmn", 14);
	IS(nbd_message(&c).error, NBD_EINVAL);
	/* Without a payload: all that were selected. */
	nbd_request(&c, NBD_CMD_BLOCK_STATUS, 0, 5, 0, 512);
	CU_ASSERT_FALSE(nbd_message(&c).done);
	CU_ASSERT(nbd_message(&c).done);
	nbd_close(&c);
	nbd_disk_close(&disk);
}

static void bitmaps_are_contexts(void)
{
	static const struct bitmap_made made = { .name = "b",
	    .granularity_bits = 16, .flags = BITMAP_AUTO };
	struct export_bitmap map = { .name = (char *)"b" };
	struct store *s = memory_open(0, &err);
	uint8_t data[512] = { 1 };

	CU_ASSERT_FALSE_FATAL(image_make(s, "qcow2", SIZE, NULL, NULL, false,
	    &err));
	CU_ASSERT_FALSE_FATAL(store_bitmaps(s, &made, 1, &err));
	nbd_disk_use(&disk, "qcow2", s);
	CU_ASSERT_FALSE(image_write(disk.export.image, data, 512, 3 * K64 + 9,
	    0, &err));
	CU_ASSERT_FALSE_FATAL(image_bitmap_open(disk.export.image, "b",
	    &map.map, &err));
	disk.export.bitmaps = &map;
	disk.export.bitmap_count = 1;
	nbd_start(&c, &disk.server, "disk", NBD_STRUCTURED,
	    "qemu:dirty-bitmap:b");
	STATUS(0, 0, SIZE, "196608:0 65536:1 786432:0 ");
	STATUS(0, 3 * K64 + 5, 10, "10:1 ");
	/* What is written while it is served shows. */
	IS(nbd_command(&c, NBD_CMD_WRITE, 0, 0, 512, data), 0);
	STATUS(0, 0, SIZE, "65536:1 131072:0 65536:1 786432:0 ");
	nbd_close(&c);
	image_bitmap_close(map.map);
	nbd_disk_close(&disk);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "extents are told in both forms",
		    extents_are_told_in_both_forms },
		{ "large extents are cut only where they must",
		    large_extents_are_cut_only_where_they_must },
		{ "long answers end early", long_answers_end_early },
		{ "a payload chooses contexts", a_payload_chooses_contexts },
		{ "bitmaps are contexts", bitmaps_are_contexts },
		{ 0 }
	};

	return unit_run("nbd-status", tests);
}
