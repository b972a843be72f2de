/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* partition.c - tables that lie give partitions within the disk, or none */
#include "../../fuse/partition.c"

#include "support/unit.h"

enum { DISK = 4 << 20 };

static struct partition list[PARTITIONS_MAX];
static struct error err;

static struct image *disk(struct store **store, uint64_t size)
{
	struct open_args a = { .format = "raw" };
	struct image *image;

	*store = a.store = memory_open(size, &err);
	image = image_open("disk", &a, &err);
	if (!image)
		abort();
	return image;
}

static void entry(struct mbr *m, int i, uint8_t type, uint32_t start,
    uint32_t sectors)
{
	m->entry[i].type = type;
	le32_put(&m->entry[i].start, start);
	le32_put(&m->entry[i].sectors, sectors);
	m->magic[0] = 0x55;
	m->magic[1] = 0xaa;
}

static void put(struct store *s, const void *p, size_t len, uint64_t off)
{
	if (store_pwrite(s, p, len, off, EVENT_DATA, &err))
		abort();
}

static int count(struct image *image)
{
	const int n = partition_read(image, list, &err);

	for (int i = 0; i < n; i++) {
		CU_ASSERT(list[i].len > 0);
		CU_ASSERT(range_ok(list[i].off, list[i].len, image->size));
	}
	CU_ASSERT_EQUAL(image_close(image, &err), 0);
	return n;
}

static void what_passes_the_end_is_cut_or_left_out(void)
{
	struct mbr m = { 0 };
	struct store *s;
	struct image *image = disk(&s, DISK);

	entry(&m, 0, 0x83, 1, UINT32_MAX);
	entry(&m, 1, 0x83, UINT32_MAX, UINT32_MAX);
	entry(&m, 2, 0x83, DISK / 512 - 1, 9);
	entry(&m, 3, 0x83, 7, 0);
	put(s, &m, sizeof(m), 0);
	CU_ASSERT_EQUAL(count(image), 2);
	CU_ASSERT_EQUAL(list[0].len, DISK - 512);
	CU_ASSERT_EQUAL(list[1].number, 3);
	CU_ASSERT_EQUAL(list[1].len, 512);
}

static void a_ring_of_logical_partitions_ends(void)
{
	struct mbr m = { 0 };
	struct store *s;
	struct image *image = disk(&s, DISK);

	entry(&m, 0, 0x05, 100, 1000);
	put(s, &m, sizeof(m), 0);
	entry(&m, 0, 0x83, 1, 10);
	entry(&m, 1, 0x05, 200, 10);
	put(s, &m, sizeof(m), 100 * 512);
	put(s, &m, sizeof(m), 300 * 512);
	CU_ASSERT_EQUAL(count(image), LOGICAL_MAX);
	CU_ASSERT_EQUAL(list[0].number, 5);
	CU_ASSERT_EQUAL(list[0].off, 101 * 512);
	CU_ASSERT_EQUAL(list[1].off, 301 * 512);
}

static void a_boot_sector_is_no_table(void)
{
	struct mbr m = { 0 };
	struct store *s;
	struct image *image = disk(&s, DISK);

	entry(&m, 0, 0x83, 1, 100);
	m.entry[2].boot = 0x41;
	put(s, &m, sizeof(m), 0);
	CU_ASSERT_EQUAL(count(image), 0);
	CU_ASSERT_EQUAL(count(disk(&s, 0)), 0);
	CU_ASSERT_EQUAL(count(disk(&s, 512)), 0);
}

/* A GPT with one partition, changed by f before its checksums are made. */
static int with_gpt(void (*f)(struct gpt_header *, struct gpt_entry *))
{
	const uint64_t last = DISK / 512 - 1;
	struct gpt_entry e[128] = { 0 };
	struct gpt_header h = { .magic = "EFI PART" };
	struct mbr m = { 0 };
	struct store *s;
	struct image *image = disk(&s, DISK);

	entry(&m, 0, 0xee, 1, last);
	put(s, &m, sizeof(m), 0);
	le32_put(&h.header_size, sizeof(h));
	le64_put(&h.my_lba, 1);
	le64_put(&h.other_lba, last);
	le64_put(&h.first_usable, 34);
	le64_put(&h.last_usable, last - 33);
	le64_put(&h.entries_lba, 2);
	le32_put(&h.entry_count, 128);
	le32_put(&h.entry_size, 128);
	e[6].type.b[3] = 1;
	le64_put(&e[6].first, 40);
	le64_put(&e[6].last, 49);
	if (f)
		f(&h, e);
	le32_put(&h.entries_crc, (uint32_t)crc32(0, (void *)e, sizeof(e)));
	le32_put(&h.header_crc, (uint32_t)crc32(0, (void *)&h, sizeof(h)));
	put(s, &h, sizeof(h), 512);
	put(s, e, sizeof(e), 1024);
	return count(image);
}

static void backwards(struct gpt_header *h, struct gpt_entry *e)
{
	le64_put(&e[6].last, 39);
}

static void beyond(struct gpt_header *h, struct gpt_entry *e)
{
	le64_put(&e[6].last, UINT64_MAX);
}

static void endless(struct gpt_header *h, struct gpt_entry *e)
{
	le32_put(&h->entry_count, UINT32_MAX);
	le32_put(&h->entry_size, UINT32_MAX);
}

static void large(struct gpt_header *h, struct gpt_entry *e)
{
	le32_put(&h->entry_count, 1 << 20);
}

static void nothing(struct gpt_header *h, struct gpt_entry *e)
{
	le32_put(&h->entry_size, 0);
}

static void elsewhere(struct gpt_header *h, struct gpt_entry *e)
{
	le64_put(&h->entries_lba, UINT64_MAX / 512);
}

static void usable(struct gpt_header *h, struct gpt_entry *e)
{
	le64_put(&h->last_usable, DISK / 512);
}

static void another(struct gpt_header *h, struct gpt_entry *e)
{
	le64_put(&h->my_lba, 2);
}

static void long_header(struct gpt_header *h, struct gpt_entry *e)
{
	le32_put(&h->header_size, UINT32_MAX);
}

static void a_gpt_that_lies_is_not_used(void)
{
	CU_ASSERT_EQUAL(with_gpt(NULL), 1);
	CU_ASSERT_EQUAL(list[0].number, 7);
	CU_ASSERT_EQUAL(list[0].off, 40 * 512);
	CU_ASSERT_EQUAL(list[0].len, 10 * 512);
	CU_ASSERT_EQUAL(with_gpt(backwards), 0);
	CU_ASSERT_EQUAL(with_gpt(beyond), 0);
	CU_ASSERT_EQUAL(with_gpt(endless), 0);
	CU_ASSERT_EQUAL(with_gpt(large), 0);
	CU_ASSERT_EQUAL(with_gpt(nothing), 0);
	CU_ASSERT_EQUAL(with_gpt(elsewhere), 0);
	CU_ASSERT_EQUAL(with_gpt(usable), 0);
	CU_ASSERT_EQUAL(with_gpt(another), 0);
	CU_ASSERT_EQUAL(with_gpt(long_header), 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "what passes the end is cut or left out",
		  what_passes_the_end_is_cut_or_left_out },
		{ "a ring of logical partitions ends",
		  a_ring_of_logical_partitions_ends },
		{ "a boot sector is no table", a_boot_sector_is_no_table },
		{ "a GPT that lies is not used", a_gpt_that_lies_is_not_used },
		{ NULL, NULL }
	};

	return unit_run("partition", tests);
}
