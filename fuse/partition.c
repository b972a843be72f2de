/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * partition.c - reads partition tables: GPT (UEFI specification, chapter 5)
 * and the PC's MBR with its chain of extended boot records
 *
 * A disk has a GPT when its MBR says so by an entry of type 0xee, as UEFI and
 * the kernels have it; sectors of 512 bytes are tried before 4096.  The
 * header and the entries must fit their CRCs; where the first copy does not,
 * the one at the end of the disk is used.  An MBR counts in sectors of 512
 * bytes.
 *
 * Everything is held to the disk before it is used (H1): an entry that starts
 * behind its end is left out, one that goes past it is cut.
 */
#include <stdbool.h>
#include <stdlib.h>

#include <zlib.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "image.h"
#include "partition.h"

struct guid { uint8_t b[16]; };

struct mbr_entry {
	uint8_t boot;		/* 0x80 or 0 */
	uint8_t first_chs[3];
	uint8_t type;
	uint8_t last_chs[3];
	le32 start, sectors;
};

struct mbr {
	uint8_t code[446];
	struct mbr_entry entry[4];
	uint8_t magic[2];	/* 55 aa */
};

/* UEFI 2.10, table 5.5 */
struct gpt_header {
	uint8_t magic[8];	/* "EFI PART" */
	le32 revision;
	le32 header_size;	/* what header_crc covers: 92 .. one sector */
	le32 header_crc;	/* computed with zeros in its place */
	le32 reserved;
	le64 my_lba, other_lba;
	le64 first_usable, last_usable;
	struct guid disk;
	le64 entries_lba;
	le32 entry_count, entry_size;
	le32 entries_crc;
};

/* table 5.6; an entry may be longer */
struct gpt_entry {
	struct guid type;	/* zeros: not used */
	struct guid id;
	le64 first, last;
	le64 attributes;
	uint8_t name[72];
};

_Static_assert(sizeof(struct mbr) == 512, "MBR");
_Static_assert(sizeof(struct gpt_header) == 92, "GPT header");
_Static_assert(sizeof(struct gpt_entry) == 128, "GPT entry");

enum { SECTOR = 512, SECTOR_MAX = 4096, TYPE_GPT = 0xee };

/* Of a GPT's entries; tools make 128 of 128 bytes. */
enum { ENTRIES_BYTES_MAX = 1 << 20, ENTRY_SIZE_MAX = 4096 };

struct found {
	struct image *image;
	struct partition *list;
	int n;
};

/* Adds what of the range lies on the disk. */
static void add(struct found *f, unsigned number, uint64_t off, uint64_t len)
{
	if (f->n == PARTITIONS_MAX || !len || off >= f->image->size)
		return;
	f->list[f->n++] = (struct partition){ number, off,
	    min64(len, f->image->size - off) };
}

/* ---- MBR */

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

/* A boot sector of a file system has the same last two bytes, and code or
 * nothing where the entries would be: a true one says 0 or 0x80 in all four. */
static bool is_table(const struct mbr *m)
{
	if (m->magic[0] != 0x55 || m->magic[1] != 0xaa)
		return false;
	for (int i = 0; i < 4; i++)
		if (m->entry[i].boot & 0x7f)
			return false;
	return true;
}

/* Each record of the chain has one partition, counted from the record itself,
 * and the place of the next record, counted from the extended partition. */
static int read_logical(struct found *f, uint64_t base, struct error *err)
{
	uint64_t at = base;
	unsigned number = 5;
	struct mbr m;
	int rc;

	for (unsigned i = 0; i < LOGICAL_MAX; i++) {
		const struct mbr_entry *data = NULL, *link = NULL;

		if (!range_ok(at * SECTOR, SECTOR, f->image->size))
			return 0;
		rc = image_read(f->image, &m, sizeof(m), at * SECTOR, err);
		if (rc)
			return rc;
		if (m.magic[0] != 0x55 || m.magic[1] != 0xaa)
			return 0;
		for (int j = 3; j >= 0; j--) {
			const struct mbr_entry *e = &m.entry[j];

			if (!le32_get(e->sectors))
				continue;
			if (is_extended(e->type))
				link = e;
			else
				data = e;
		}
		if (data)
			add(f, number++, (at + le32_get(data->start)) * SECTOR,
			    (uint64_t)le32_get(data->sectors) * SECTOR);
		if (!link)
			return 0;
		at = base + le32_get(link->start);
	}
	return 0;
}

/* The extended partition itself is no file: it holds the logical ones. */
static int read_mbr(struct found *f, const struct mbr *m, struct error *err)
{
	uint64_t extended = 0;

	for (unsigned i = 0; i < 4; i++) {
		const struct mbr_entry *e = &m->entry[i];
		const uint64_t start = le32_get(e->start);

		if (!is_extended(e->type) && e->type)
			add(f, i + 1, start * SECTOR,
			    (uint64_t)le32_get(e->sectors) * SECTOR);
		else if (e->type && !extended)
			extended = start;
	}
	return extended ? read_logical(f, extended, err) : 0;
}

/* ---- GPT */

static void add_entry(struct found *f, unsigned number,
    const struct gpt_entry *e, unsigned sector, uint64_t last)
{
	const uint64_t from = le64_get(e->first), to = le64_get(e->last);

	if (!bytes_are_zero(&e->type, sizeof(e->type)) && from <= to &&
	    to <= last)
		add(f, number, from * sector, (to - from + 1) * sector);
}

/* Adds the entries when the header at sector lba and they are good: 1; else 0. */
static int read_gpt_at(struct found *f, unsigned sector, uint64_t lba,
    struct error *err)
{
	const uint64_t last = f->image->size / sector - 1;
	uint8_t block[SECTOR_MAX];
	AUTO_FREE uint8_t *entries = NULL;
	uint64_t bytes, at;
	uint32_t size, count, each;
	struct gpt_header h;
	int rc;

	rc = image_read(f->image, block, sector, lba * sector, err);
	if (rc)
		return rc;
	memcpy(&h, block, sizeof(h));
	size = le32_get(h.header_size);
	if (memcmp(h.magic, "EFI PART", 8) || size < sizeof(h) ||
	    size > sector || le64_get(h.my_lba) != lba)
		return 0;
	memset(block + offsetof(struct gpt_header, header_crc), 0,
	    sizeof(h.header_crc));
	if ((uint32_t)crc32(0, block, size) != le32_get(h.header_crc))
		return 0;

	count = le32_get(h.entry_count);
	each = le32_get(h.entry_size);
	at = le64_get(h.entries_lba);
	if (le64_get(h.first_usable) > le64_get(h.last_usable) ||
	    le64_get(h.last_usable) > last || at > last ||
	    each < sizeof(struct gpt_entry) || each > ENTRY_SIZE_MAX ||
	    !mul_ok(count, each, &bytes) || bytes > ENTRIES_BYTES_MAX ||
	    !range_ok(at * sector, bytes, f->image->size))
		return 0;
	entries = malloc(bytes + 1);
	if (!entries)
		return error_errno(err, ENOMEM, "partition table");
	rc = image_read(f->image, entries, bytes, at * sector, err);
	if (rc)
		return rc;
	if ((uint32_t)crc32(0, entries, (uInt)bytes) !=
	    le32_get(h.entries_crc))
		return 0;
	for (uint32_t i = 0; i < count; i++)
		add_entry(f, i + 1, (const void *)(entries + (size_t)i * each),
		    sector, last);
	return 1;
}

static int read_gpt(struct found *f, struct error *err)
{
	static const unsigned sectors[] = { 512, 4096 };
	int rc;

	for (size_t i = 0; i < ARRAY_LEN(sectors); i++) {
		const uint64_t n = f->image->size / sectors[i];

		if (n < 2)
			continue;
		rc = read_gpt_at(f, sectors[i], 1, err);
		if (!rc)
			rc = read_gpt_at(f, sectors[i], n - 1, err);
		if (rc)
			return rc < 0 ? rc : 0;
	}
	return 0;
}

/* ---- either */

int partition_read(struct image *image, struct partition *list,
    struct error *err)
{
	struct found f = { .image = image, .list = list };
	struct mbr m;
	int rc;

	if (image->size < sizeof(m))
		return 0;
	rc = image_read(image, &m, sizeof(m), 0, err);
	if (rc)
		return rc;
	if (!is_table(&m))
		return 0;
	for (int i = 0; i < 4; i++)
		if (m.entry[i].type == TYPE_GPT) {
			rc = read_gpt(&f, err);
			return rc ? rc : f.n;
		}
	rc = read_mbr(&f, &m, err);
	return rc ? rc : f.n;
}
