/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ide-commands.c - ATA disks and a CD-ROM behind the PIIX3, by their ports */
#include "dev/piix3_ide.h"
#include "emu/rig.h"
#include "store/fault.h"
#include "support/unit.h"

enum { SLOT = 1, FN = PCI_DEVFN(SLOT, 1), BM = 0xc000, DISK = 4 << 20,
	CD = 1 << 20, PRD = 0x1000, DATA = 0x10000 };

static struct rig rig;
static struct piix3_ide *ide;
static struct store *faulty;

/* Primary master a disk, secondary master a CD-ROM. */
static void begin(bool discard)
{
	struct irq line[2];
	struct ide_config drive[4] = { { 0 } };
	struct error err;

	rig_init(&rig);
	line[0] = rig_irq(&rig, 14);
	line[1] = rig_irq(&rig, 15);
	drive[0].disk = rig_disk(&rig, DISK, false, discard);
	rig_fill(&rig, 0);
	drive[2].disk = rig_disk(&rig, CD, false, false);
	rig_fill(&rig, 1);
	drive[2].cd = true;
	rig_must(!piix3_ide_new(rig.pci, rig.bus, rig.mem, SLOT, line, drive,
	    &ide, &err), &err);
	rig_config_set(&rig, FN, 0x20, 4, BM);
	rig_config_set(&rig, FN, 0x04, 2, 5);
}

static uint8_t status(void)
{
	rig_settle(&rig);
	return rig_in(&rig, 0x3f6, 1);
}

static void lba28(uint32_t lba, unsigned count)
{
	rig_out(&rig, 0x1f2, 1, count);
	rig_out(&rig, 0x1f3, 1, lba);
	rig_out(&rig, 0x1f4, 1, lba >> 8);
	rig_out(&rig, 0x1f5, 1, lba >> 16);
	rig_out(&rig, 0x1f6, 1, 0xe0 | lba >> 24);
}

static void lba48(uint64_t lba, unsigned count)
{
	rig_out(&rig, 0x1f2, 1, count >> 8);
	rig_out(&rig, 0x1f3, 1, lba >> 24 & 0xff);
	rig_out(&rig, 0x1f4, 1, lba >> 32 & 0xff);
	rig_out(&rig, 0x1f5, 1, lba >> 40 & 0xff);
	lba28(lba & 0xffffff, count & 0xff);
}

static void command(uint8_t c)
{
	rig_out(&rig, 0x1f7, 1, c);
}

static void data_in(uint16_t port, uint8_t *b, unsigned n)
{
	for (unsigned i = 0; i < n; i += 2) {
		uint16_t w = rig_in(&rig, port, 2);

		memcpy(b + i, &w, 2);
	}
}

static void data_out(uint16_t port, const uint8_t *b, unsigned n)
{
	for (unsigned i = 0; i < n; i += 2)
		rig_out(&rig, port, 2, b[i] | b[i + 1] << 8);
}

/* A table of equal pieces of memory from DATA on. */
static void table(unsigned pieces, unsigned len)
{
	for (unsigned i = 0; i < pieces; i++) {
		le32 *e = (le32 *)rig_ram(&rig, PRD + 8 * i);

		le32_put(e, DATA + len * i);
		le32_put(e + 1, (len & 0xffff) |
		    (i + 1 == pieces ? 0x80000000 : 0));
	}
	rig_out(&rig, BM + 4, 4, PRD);
	rig_out(&rig, BM + 2, 1, 0x06);
}

static void identify_says_what_the_disk_is(void)
{
	uint8_t b[512], sum = 0;

	begin(false);
	command(0xec);
	CU_ASSERT_EQUAL(status(), 0x58);
	CU_ASSERT_TRUE(rig.level[14]);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x1f7, 1), 0x58);
	CU_ASSERT_FALSE(rig.level[14]);
	data_in(0x1f0, b, 512);
	for (unsigned i = 0; i < 512; i++)
		sum += b[i];
	CU_ASSERT_EQUAL(sum, 0);
	CU_ASSERT_EQUAL(le32_get(*(le32 *)(b + 120)), DISK / 512);
	CU_ASSERT_EQUAL(le32_get(*(le32 *)(b + 200)), DISK / 512);
	CU_ASSERT_NSTRING_EQUAL(b + 54, "OCBWRI DAHDRIDKS", 16);
	CU_ASSERT_EQUAL(status(), 0x50);
	rig_fini(&rig);
}

static void an_empty_channel_looks_empty(void)
{
	struct irq line[2];
	struct ide_config drive[4] = { { 0 } };
	struct error err;

	rig_init(&rig);
	line[0] = rig_irq(&rig, 14);
	line[1] = rig_irq(&rig, 15);
	rig_must(!piix3_ide_new(rig.pci, rig.bus, rig.mem, SLOT, line, drive,
	    &ide, &err), &err);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x1f7, 1), 0x7f);
	rig_out(&rig, 0x1f2, 1, 0x55);
	CU_ASSERT_NOT_EQUAL(rig_in(&rig, 0x1f2, 1), 0x55);
	command(0xec);
	CU_ASSERT_FALSE(rig.level[14]);
	rig_fini(&rig);
}

static void a_drive_1_that_is_not_there_is_answered_for(void)
{
	begin(false);
	rig_out(&rig, 0x1f6, 1, 0xb0);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x1f7, 1), 0);
	command(0xec);
	CU_ASSERT_EQUAL(status(), 0);
	CU_ASSERT_FALSE(rig.level[14]);
	rig_fini(&rig);
}

static void pio_reads_interrupt_once_a_block(void)
{
	uint8_t b[512 * 5];

	begin(false);
	lba28(11, 5);
	command(0x20);
	for (unsigned i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL(status(), 0x58);
		CU_ASSERT_EQUAL(rig.rises[14], i + 1);
		rig_in(&rig, 0x1f7, 1);
		data_in(0x1f0, b + 512 * i, 512);
	}
	CU_ASSERT_EQUAL(status(), 0x50);
	CU_ASSERT_EQUAL(rig.rises[14], 5);
	CU_ASSERT_TRUE(rig_matches(b, 11 * 512, sizeof(b)));
	CU_ASSERT_EQUAL(rig_in(&rig, 0x1f3, 1), 15);
	rig_fini(&rig);
}

static void read_multiple_takes_its_block_and_all_256_sectors(void)
{
	static uint8_t b[512 * 256];

	begin(false);
	lba28(0, 16);
	command(0xc4);			/* not set yet */
	CU_ASSERT_EQUAL(status(), 0x51);
	lba28(0, 16);
	command(0xc6);
	CU_ASSERT_EQUAL(status(), 0x50);
	rig_in(&rig, 0x1f7, 1);
	rig.rises[14] = 0;
	lba28(3, 0);
	command(0xc4);
	for (unsigned i = 0; i < 256; i += 16) {
		CU_ASSERT_EQUAL(status(), 0x58);
		rig_in(&rig, 0x1f7, 1);
		data_in(0x1f0, b + 512 * i, 512 * 16);
	}
	CU_ASSERT_EQUAL(status(), 0x50);
	CU_ASSERT_EQUAL(rig.rises[14], 16);
	CU_ASSERT_TRUE(rig_matches(b, 3 * 512, sizeof(b)));
	rig_fini(&rig);
}

static void pio_writes_reach_the_disk(void)
{
	static uint8_t b[512 * 200], back[512 * 200];
	struct error err;

	begin(false);
	memset(b, 0x5a, sizeof(b));
	lba48(7, 200);
	command(0x34);
	for (unsigned i = 0; i < 200; i++) {
		CU_ASSERT_EQUAL(status(), 0x58);
		CU_ASSERT_EQUAL(rig.rises[14], i);
		rig_in(&rig, 0x1f7, 1);
		data_out(0x1f0, b + 512 * i, 512);
	}
	CU_ASSERT_EQUAL(status(), 0x50);
	CU_ASSERT_EQUAL(rig.rises[14], 200);
	image_read(rig.image[0], back, sizeof(back), 7 * 512, &err);
	CU_ASSERT_EQUAL(memcmp(b, back, sizeof(b)), 0);
	image_read(rig.image[0], back, 512, 207 * 512, &err);
	CU_ASSERT_TRUE(rig_matches(back, 207 * 512, 512));
	rig_fini(&rig);
}

static void chs_addresses_are_those_of_the_translation(void)
{
	uint8_t b[512];

	begin(false);
	rig_out(&rig, 0x1f2, 1, 10);	/* 10 sectors, 4 heads */
	rig_out(&rig, 0x1f6, 1, 0xa3);
	command(0x91);
	CU_ASSERT_EQUAL(status(), 0x50);
	rig_out(&rig, 0x1f2, 1, 1);
	rig_out(&rig, 0x1f3, 1, 4);
	rig_out(&rig, 0x1f4, 1, 2);
	rig_out(&rig, 0x1f5, 1, 0);
	rig_out(&rig, 0x1f6, 1, 0xa1);
	command(0x20);
	CU_ASSERT_EQUAL(status(), 0x58);
	data_in(0x1f0, b, 512);
	CU_ASSERT_TRUE(rig_matches(b, (2 * 40 + 10 + 3) * 512, 512));
	rig_out(&rig, 0x1f2, 1, 1);
	rig_out(&rig, 0x1f3, 1, 11);
	command(0x20);
	CU_ASSERT_EQUAL(status(), 0x51);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x1f1, 1), 0x10);
	rig_fini(&rig);
}

static void sectors_past_the_end_are_not_found(void)
{
	begin(false);
	lba28(DISK / 512 - 1, 2);
	command(0x20);
	CU_ASSERT_EQUAL(status(), 0x51);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x1f1, 1), 0x10);
	CU_ASSERT_TRUE(rig.level[14]);
	lba48(0xffffffffffffull, 0);
	command(0x25);
	CU_ASSERT_EQUAL(status(), 0x51);
	rig_fini(&rig);
}

static void dma_reads_go_where_the_table_says(void)
{
	begin(false);
	table(33, 1000);
	lba28(5, 64);
	rig_out(&rig, BM, 1, 0x08);
	command(0xc8);
	CU_ASSERT_EQUAL(status() & 0x80, 0x80);
	rig_out(&rig, BM, 1, 0x09);
	CU_ASSERT_EQUAL(status(), 0x50);
	/* The table has 232 bytes more than the drive. */
	CU_ASSERT_EQUAL(rig_in(&rig, BM + 2, 1) & 7, 5);
	CU_ASSERT_TRUE(rig_matches(rig_ram(&rig, DATA), 5 * 512, 64 * 512));
	CU_ASSERT_EQUAL(*rig_ram(&rig, DATA + 64 * 512), 0);
	CU_ASSERT_TRUE(rig.level[14]);
	rig_fini(&rig);
}

static void dma_of_two_byte_pieces_arrives_whole(void)
{
	begin(false);
	table(4096, 2);
	lba28(9, 16);
	rig_out(&rig, BM, 1, 0x09);
	command(0xc8);
	CU_ASSERT_EQUAL(status(), 0x50);
	CU_ASSERT_EQUAL(rig_in(&rig, BM + 2, 1) & 7, 4);
	CU_ASSERT_TRUE(rig_matches(rig_ram(&rig, DATA), 9 * 512, 16 * 512));
	rig_fini(&rig);
}

static void dma_writes_of_a_megabyte_reach_the_disk(void)
{
	static uint8_t back[1 << 20];
	struct error err;

	begin(false);
	for (unsigned i = 0; i < sizeof(back); i++)
		*rig_ram(&rig, DATA + i) = i * 5 + (i >> 8);
	table(16, 65536);
	lba48(100, 2048);
	rig_out(&rig, BM, 1, 0x01);
	command(0x35);
	CU_ASSERT_EQUAL(status(), 0x50);
	CU_ASSERT_EQUAL(rig_in(&rig, BM + 2, 1) & 7, 4);
	image_read(rig.image[0], back, sizeof(back), 100 * 512, &err);
	CU_ASSERT_EQUAL(memcmp(back, rig_ram(&rig, DATA), sizeof(back)), 0);
	rig_fini(&rig);
}

static void a_table_that_is_too_short_leaves_the_drive_waiting(void)
{
	begin(false);
	table(1, 1024);
	lba28(0, 4);
	rig_out(&rig, BM, 1, 0x09);
	command(0xc8);
	CU_ASSERT_EQUAL(status() & 0x80, 0x80);
	CU_ASSERT_EQUAL(rig_in(&rig, BM + 2, 1) & 7, 0);
	CU_ASSERT_TRUE(rig_matches(rig_ram(&rig, DATA), 0, 1024));
	/* A software reset ends it. */
	rig_out(&rig, 0x3f6, 1, 4);
	rig_out(&rig, 0x3f6, 1, 0);
	CU_ASSERT_EQUAL(status(), 0x50);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x1f2, 1), 1);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x1f4, 1), 0);
	rig_fini(&rig);
}

static void dma_outside_ram_is_an_error(void)
{
	begin(false);
	table(1, 1024);
	le32_put((le32 *)rig_ram(&rig, PRD), 0xfff00000);
	lba28(0, 2);
	rig_out(&rig, BM, 1, 0x09);
	command(0xc8);
	CU_ASSERT_EQUAL(status() & 1, 1);
	CU_ASSERT_EQUAL(rig_in(&rig, BM + 2, 1) & 7, 6);
	rig_out(&rig, BM, 1, 0);
	rig_out(&rig, BM + 4, 4, 0xfffffff8);
	rig_out(&rig, BM, 1, 0x09);
	command(0xc8);
	CU_ASSERT_EQUAL(status() & 1, 1);
	rig_fini(&rig);
}

static void without_bus_mastering_nothing_moves(void)
{
	begin(false);
	rig_config_set(&rig, FN, 0x04, 2, 1);
	table(1, 1024);
	lba28(0, 2);
	rig_out(&rig, BM, 1, 0x09);
	command(0xc8);
	CU_ASSERT_EQUAL(status() & 0x80, 0x80);
	CU_ASSERT_EQUAL(*rig_ram(&rig, DATA), 0);
	rig_config_set(&rig, FN, 0x04, 2, 5);
	CU_ASSERT_EQUAL(status(), 0x50);
	CU_ASSERT_TRUE(rig_matches(rig_ram(&rig, DATA), 0, 1024));
	rig_fini(&rig);
}

static void a_reset_amid_a_read_waits_for_it(void)
{
	begin(false);
	table(1, 32768);
	lba28(0, 64);
	rig_out(&rig, BM, 1, 0x09);
	command(0xc8);
	rig_out(&rig, 0x3f6, 1, 4);
	rig_out(&rig, 0x3f6, 1, 0);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x3f6, 1), 0x80);
	CU_ASSERT_EQUAL(status(), 0x50);
	CU_ASSERT_FALSE(rig.level[14]);
	rig_fini(&rig);
}

static void n_ien_keeps_the_line_low(void)
{
	begin(false);
	rig_out(&rig, 0x3f6, 1, 2);
	command(0xe7);
	CU_ASSERT_EQUAL(status(), 0x50);
	CU_ASSERT_FALSE(rig.level[14]);
	rig_out(&rig, 0x3f6, 1, 0);
	CU_ASSERT_TRUE(rig.level[14]);
	rig_fini(&rig);
}

static void trim_discards_where_the_disk_does(void)
{
	uint8_t b[512];
	struct error err;

	begin(true);
	table(1, 512);
	le32_put((le32 *)rig_ram(&rig, DATA), 8);
	le32_put((le32 *)rig_ram(&rig, DATA + 4), 1024 << 16);
	rig_out(&rig, 0x1f1, 1, 1);
	lba48(0, 1);
	rig_out(&rig, BM, 1, 0x01);
	command(0x06);
	CU_ASSERT_EQUAL(status(), 0x50);
	image_read(rig.image[0], b, 512, 100 * 512, &err);
	CU_ASSERT_TRUE(bytes_are_zero(b, 512));
	image_read(rig.image[0], b, 512, 7 * 512, &err);
	CU_ASSERT_TRUE(rig_matches(b, 7 * 512, 512));
	rig_fini(&rig);
	begin(false);
	rig_out(&rig, 0x1f1, 1, 1);
	lba48(0, 1);
	command(0x06);
	CU_ASSERT_EQUAL(status(), 0x51);
	rig_fini(&rig);
}

static void the_previous_content_shows_with_hob(void)
{
	begin(false);
	lba48(0x112233445566ull, 0x7788);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x1f2, 1), 0x88);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x1f3, 1), 0x66);
	rig_out(&rig, 0x3f6, 1, 0x80);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x1f2, 1), 0x77);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x1f3, 1), 0x33);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x1f5, 1), 0x11);
	rig_fini(&rig);
}

static void unknown_commands_are_aborted(void)
{
	static const uint8_t some[] = { 0xb0, 0xf1, 0xf6, 0xf9, 0x37, 0x60,
	    0xa1, 0x08, 0x00, 0xff };

	begin(false);
	for (unsigned i = 0; i < sizeof(some); i++) {
		command(some[i]);
		CU_ASSERT_EQUAL(status(), 0x51);
		CU_ASSERT_EQUAL(rig_in(&rig, 0x1f1, 1), 4);
	}
	rig_fini(&rig);
}

/* ---- the CD-ROM */

static uint8_t cd_status(void)
{
	rig_settle(&rig);
	return rig_in(&rig, 0x376, 1);
}

static void packet(const uint8_t *cdb, unsigned limit, bool dma)
{
	rig_out(&rig, 0x176, 1, 0xa0);
	rig_out(&rig, 0x171, 1, dma);
	rig_out(&rig, 0x174, 1, limit & 0xff);
	rig_out(&rig, 0x175, 1, limit >> 8);
	rig_out(&rig, 0x177, 1, 0xa0);
	CU_ASSERT_EQUAL(cd_status() & 0x88, 0x08);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x172, 1) & 3, 1);
	data_out(0x170, cdb, 12);
}

/* Reads what a packet's answer offers; its length. */
static unsigned answer(uint8_t *b, unsigned room)
{
	unsigned at = 0;

	while (cd_status() & 8) {
		unsigned n = rig_in(&rig, 0x174, 1) |
		    rig_in(&rig, 0x175, 1) << 8;

		CU_ASSERT_EQUAL(rig_in(&rig, 0x172, 1) & 3, 2);
		CU_ASSERT_TRUE_FATAL(n && at + n <= room);
		data_in(0x170, b + at, n);
		at += n;
	}
	CU_ASSERT_EQUAL(rig_in(&rig, 0x172, 1) & 3, 3);
	return at;
}

static void a_cd_rom_shows_by_its_signature(void)
{
	uint8_t b[512];

	begin(false);
	rig_out(&rig, 0x176, 1, 0xa0);
	rig_out(&rig, 0x177, 1, 0xec);
	CU_ASSERT_EQUAL(cd_status() & 1, 1);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x174, 1), 0x14);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x175, 1), 0xeb);
	rig_out(&rig, 0x177, 1, 0xa1);
	CU_ASSERT_EQUAL(cd_status() & 8, 8);
	data_in(0x170, b, 512);
	CU_ASSERT_EQUAL(b[1], 0x85);
	rig_fini(&rig);
}

static void a_cd_is_read_in_blocks_of_the_hosts_size(void)
{
	static uint8_t b[2048 * 40];
	static const uint8_t read[12] = { 0x28, 0, 0, 0, 0, 3, 0, 0, 40 };

	begin(false);
	packet(read, 4000, false);
	CU_ASSERT_EQUAL(answer(b, sizeof(b)), sizeof(b));
	CU_ASSERT_TRUE(rig_matches(b, 3 * 2048, sizeof(b)));
	CU_ASSERT_EQUAL(cd_status(), 0x40);
	rig_fini(&rig);
}

static void a_cd_is_read_by_dma(void)
{
	static const uint8_t read[12] = { 0xa8, 0, 0, 0, 0, 1, 0, 0, 0, 64 };

	begin(false);
	table(2, 0);
	le32_put((le32 *)rig_ram(&rig, PRD + 8), DATA + 65536);
	rig_out(&rig, BM + 8 + 4, 4, PRD);
	rig_out(&rig, BM + 8, 1, 0x09);
	packet(read, 0, true);
	CU_ASSERT_EQUAL(cd_status(), 0x40);
	CU_ASSERT_EQUAL(rig_in(&rig, BM + 8 + 2, 1) & 7, 4);
	CU_ASSERT_TRUE(rig_matches(rig_ram(&rig, DATA), 2048, 64 * 2048));
	rig_fini(&rig);
}

static void what_a_cd_cannot_do_is_told_by_sense_data(void)
{
	static const uint8_t sense[12] = { 0x03, 0, 0, 0, 18 };
	static const uint8_t bad[12] = { 0x0a };
	static const uint8_t past[12] = { 0x28, 0, 0, 0, 2, 0, 0, 0, 1 };
	static const uint8_t eject[12] = { 0x1b, 0, 0, 0, 2 };
	static const uint8_t ready[12] = { 0 };
	uint8_t b[64];

	begin(false);
	packet(bad, 64, false);
	CU_ASSERT_EQUAL(cd_status() & 1, 1);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x171, 1), 0x54);
	packet(sense, 64, false);
	CU_ASSERT_EQUAL(answer(b, 64), 18);
	CU_ASSERT_TRUE(b[2] == 5 && b[12] == 0x20);
	packet(past, 2048, false);
	packet(sense, 64, false);
	answer(b, 64);
	CU_ASSERT_TRUE(b[2] == 5 && b[12] == 0x21);
	packet(ready, 0, false);
	CU_ASSERT_EQUAL(cd_status(), 0x40);
	packet(eject, 0, false);
	packet(ready, 0, false);
	CU_ASSERT_EQUAL(cd_status() & 1, 1);
	packet(sense, 64, false);
	answer(b, 64);
	CU_ASSERT_TRUE(b[2] == 2 && b[12] == 0x3a);
	rig_fini(&rig);
}

static void capacity_and_contents_are_told(void)
{
	static const uint8_t capacity[12] = { 0x25 };
	static const uint8_t toc[12] = { 0x43, 2, 0, 0, 0, 0, 0, 0, 20 };
	static const uint8_t event[12] = { 0x4a, 1, 0, 0, 16, 0, 0, 0, 8 };
	static const uint8_t config[12] = { 0x46, 0, 0, 0, 0, 0, 0, 2, 0 };
	static const uint8_t mode[12] = { 0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 64 };
	uint8_t b[512];

	begin(false);
	packet(capacity, 8, false);
	CU_ASSERT_EQUAL(answer(b, 512), 8);
	CU_ASSERT_EQUAL(b[2] << 8 | b[3], CD / 2048 - 1);
	CU_ASSERT_EQUAL(b[6], 8);
	packet(toc, 20, false);
	CU_ASSERT_EQUAL(answer(b, 512), 20);
	CU_ASSERT_TRUE(b[1] == 18 && b[2] == 1 && b[14] == 0xaa);
	/* 512 blocks and two seconds: 8 seconds 62 frames */
	CU_ASSERT_TRUE(b[17] == 0 && b[18] == 8 && b[19] == 62);
	packet(event, 8, false);
	CU_ASSERT_EQUAL(answer(b, 512), 8);
	CU_ASSERT_EQUAL(b[5], 2);
	packet(config, 512, false);
	CU_ASSERT_TRUE(answer(b, 512) > 8);
	CU_ASSERT_EQUAL(b[7], 8);
	packet(mode, 64, false);
	CU_ASSERT_EQUAL(answer(b, 512), 28);
	rig_fini(&rig);
}

static void a_failing_disk_says_where_it_failed(void)
{
	struct fault_rule bad_sector = { .ops = FAULT_READ, .event = -1,
	    .off = 200 * 512, .len = 512, .error = EIO };
	struct fault_rule full = { .ops = FAULT_WRITE, .event = -1,
	    .error = ENOSPC };
	struct ide_config drive[4] = { { 0 } };
	struct irq line[2];
	struct error err;

	rig_init(&rig);
	line[0] = rig_irq(&rig, 14);
	line[1] = rig_irq(&rig, 15);
	faulty = fault_open(memory_open(DISK, &err), &err);
	rig_must(faulty, &err);
	drive[0].disk = rig_disk_on(&rig, faulty, false, false);
	rig_must(!piix3_ide_new(rig.pci, rig.bus, rig.mem, SLOT, line, drive,
	    &ide, &err), &err);
	rig_config_set(&rig, FN, 0x20, 4, BM);
	rig_config_set(&rig, FN, 0x04, 2, 5);
	rig_must(!fault_add(faulty, &bad_sector, &err), &err);
	rig_must(!fault_add(faulty, &full, &err), &err);
	lba28(200, 1);
	command(0x20);
	CU_ASSERT_EQUAL(status(), 0x51);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x1f1, 1), 0x40);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x1f3, 1), 200);
	table(1, 1024);
	lba28(10, 2);
	rig_out(&rig, BM, 1, 0x01);
	command(0xca);
	CU_ASSERT_EQUAL(status(), 0x51);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x1f1, 1), 0x04);
	CU_ASSERT_EQUAL(rig_in(&rig, BM + 2, 1) & 7, 6);
	fault_clear(faulty);
	rig_fini(&rig);
}

static const struct unit_test tests[] = {
	{ "identify says what the disk is", identify_says_what_the_disk_is },
	{ "an empty channel looks empty", an_empty_channel_looks_empty },
	{ "a drive 1 that is not there is answered for",
	    a_drive_1_that_is_not_there_is_answered_for },
	{ "PIO reads interrupt once a block",
	    pio_reads_interrupt_once_a_block },
	{ "READ MULTIPLE takes its block and all 256 sectors",
	    read_multiple_takes_its_block_and_all_256_sectors },
	{ "PIO writes reach the disk", pio_writes_reach_the_disk },
	{ "CHS addresses are those of the translation",
	    chs_addresses_are_those_of_the_translation },
	{ "sectors past the end are not found",
	    sectors_past_the_end_are_not_found },
	{ "DMA reads go where the table says",
	    dma_reads_go_where_the_table_says },
	{ "DMA of two-byte pieces arrives whole",
	    dma_of_two_byte_pieces_arrives_whole },
	{ "DMA writes of a megabyte reach the disk",
	    dma_writes_of_a_megabyte_reach_the_disk },
	{ "a table that is too short leaves the drive waiting",
	    a_table_that_is_too_short_leaves_the_drive_waiting },
	{ "DMA outside RAM is an error", dma_outside_ram_is_an_error },
	{ "without bus mastering nothing moves",
	    without_bus_mastering_nothing_moves },
	{ "a reset amid a read waits for it",
	    a_reset_amid_a_read_waits_for_it },
	{ "nIEN keeps the line low", n_ien_keeps_the_line_low },
	{ "TRIM discards where the disk does",
	    trim_discards_where_the_disk_does },
	{ "the previous content shows with HOB",
	    the_previous_content_shows_with_hob },
	{ "unknown commands are aborted", unknown_commands_are_aborted },
	{ "a failing disk says where it failed",
	    a_failing_disk_says_where_it_failed },
	{ "a CD-ROM shows by its signature", a_cd_rom_shows_by_its_signature },
	{ "a CD is read in blocks of the host's size",
	    a_cd_is_read_in_blocks_of_the_hosts_size },
	{ "a CD is read by DMA", a_cd_is_read_by_dma },
	{ "what a CD cannot do is told by sense data",
	    what_a_cd_cannot_do_is_told_by_sense_data },
	{ "capacity and contents are told", capacity_and_contents_are_told },
	{ NULL, NULL }
};

int main(void)
{
	return unit_run("ide-commands", tests);
}
