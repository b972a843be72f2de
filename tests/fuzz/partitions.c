/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * partitions.c - any bytes as a partition table
 *
 * The input is the disk, without what is zeros in most: records of a 32-bit
 * sector number, a byte of flags, and 512 bytes that lie there.  Flag 1: the
 * CRCs of a GPT header there are made right, with sectors of 4096 bytes when
 * flag 2 is set.  What is found lies within the disk.
 */
#include "../../fuse/partition.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DISK = 64 << 20, RECORD = 5 + 512 };

static struct partition list[PARTITIONS_MAX];
static struct error err;

static void make_right(struct store *s, uint64_t off, unsigned sector)
{
	uint8_t block[SECTOR_MAX];
	struct gpt_header *h = (void *)block;
	uint64_t len, at;
	uint32_t size;
	uint8_t *entries;

	if (store_pread(s, block, sizeof(block), off, EVENT_DATA, &err))
		abort();
	len = (uint64_t)le32_get(h->entry_count) * le32_get(h->entry_size);
	if (len > ENTRIES_BYTES_MAX ||
	    !mul_ok(le64_get(h->entries_lba), sector, &at) || at > DISK)
		return;
	entries = calloc(1, len + 1);
	if (!entries || store_pread(s, entries, len, at, EVENT_DATA, &err))
		abort();
	le32_put(&h->entries_crc, (uint32_t)crc32(0, entries, (uInt)len));
	free(entries);
	size = le32_get(h->header_size);
	le32_put(&h->header_crc, 0);
	le32_put(&h->header_crc, (uint32_t)crc32(0, block,
	    size > sizeof(block) ? 0 : size));
	if (store_pwrite(s, block, SECTOR, off, EVENT_DATA, &err))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct open_args a = { .format = "raw",
	    .store = memory_open(DISK, &err) };
	struct image *image = image_open("disk", &a, &err);
	int n;

	if (!image)
		abort();
	for (int fix = 0; fix < 2; fix++)
		for (size_t i = 0; i + RECORD <= size; i += RECORD) {
			le32 at;

			memcpy(&at, data + i, sizeof(at));
			const uint64_t off = (uint64_t)le32_get(at) %
			    (DISK / SECTOR) * SECTOR;

			if (!fix && store_pwrite(image->store, data + i + 5,
			    SECTOR, off, EVENT_DATA, &err))
				abort();
			if (fix && data[i + 4] & 1)
				make_right(image->store, off,
				    data[i + 4] & 2 ? 4096 : 512);
		}
	n = partition_read(image, list, &err);
	if (n < 0 || n > PARTITIONS_MAX)
		abort();
	while (n--)
		if (!list[n].len || !list[n].number ||
		    !range_ok(list[n].off, list[n].len, DISK))
			abort();
	image_close(image, &err);
	return 0;
}
