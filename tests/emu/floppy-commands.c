/* SPDX-License-Identifier: GPL-2.0-or-later */
/* floppy-commands.c - the floppy controller with the DMA controller, by ports */
#include "dev/i82078.h"
#include "emu/rig.h"
#include "support/unit.h"

enum { DATA = 0x20000, SECTORS = 18, TRACK = 2 * SECTORS * 512 };

static struct rig rig;
static struct i8237 *dma;
static struct i82078 *fdc;

static void begin(uint64_t size, bool read_only)
{
	struct disk *drive[2] = { NULL };
	struct error err;

	rig_init(&rig);
	drive[0] = rig_disk(&rig, size, read_only, false);
	if (!read_only)
		rig_fill(&rig, 0);
	dma = i8237_new(rig.bus, rig.mem, &err);
	rig_must(dma, &err);
	fdc = i82078_new(rig.bus, dma, rig_irq(&rig, 6), drive, &err);
	rig_must(fdc, &err);
}

static void end(void)
{
	rig_settle(&rig);
	i82078_free(fdc);
	i8237_free(dma);
	rig_fini(&rig);
}

static uint8_t msr(void)
{
	rig_settle(&rig);
	return rig_in(&rig, 0x3f4, 1);
}

static void send(const uint8_t *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		CU_ASSERT_EQUAL(msr() & 0xc0, 0x80);
		rig_out(&rig, 0x3f5, 1, b[i]);
	}
}
#define SEND(...) send((const uint8_t[]){ __VA_ARGS__ }, \
	sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* Result bytes; how many there were. */
static unsigned result(uint8_t *b)
{
	unsigned n = 0;

	while (n < 32 && (msr() & 0xc0) == 0xc0 && msr() & 0x10)
		b[n++] = rig_in(&rig, 0x3f5, 1);
	return n;
}

/* Out of reset, motor on, 500 kbit/s, heads on a cylinder. */
static void ready(unsigned rate)
{
	uint8_t b[32];

	rig_out(&rig, 0x3f2, 1, 0x1c);
	CU_ASSERT_TRUE(rig.level[6]);
	for (unsigned i = 0; i < 4; i++) {
		SEND(0x08);
		CU_ASSERT_EQUAL(result(b), 2);
		CU_ASSERT_EQUAL(b[0], 0xc0 | i);
	}
	CU_ASSERT_FALSE(rig.level[6]);
	rig_out(&rig, 0x3f7, 1, rate);
	SEND(0x03, 0xdf, 0x02);
}

static void seek(unsigned cylinder)
{
	uint8_t b[32];

	SEND(0x0f, 0x00, cylinder);
	CU_ASSERT_TRUE(rig.level[6]);
	SEND(0x08);
	CU_ASSERT_EQUAL(result(b), 2);
	CU_ASSERT_TRUE(b[0] == 0x20 && b[1] == cylinder);
}

/* Channel 2 to or from DATA. */
static void set_dma(unsigned mode, unsigned len)
{
	rig_out(&rig, 0x0a, 1, 0x06);
	rig_out(&rig, 0x0c, 1, 0);
	rig_out(&rig, 0x0b, 1, mode | 2);
	rig_out(&rig, 0x04, 1, DATA & 0xff);
	rig_out(&rig, 0x04, 1, DATA >> 8 & 0xff);
	rig_out(&rig, 0x81, 1, DATA >> 16);
	rig_out(&rig, 0x05, 1, (len - 1) & 0xff);
	rig_out(&rig, 0x05, 1, (len - 1) >> 8);
	rig_out(&rig, 0x0a, 1, 0x02);
}

static void dma_reads_end_with_the_count(void)
{
	uint8_t b[32];

	begin(1440 * 1024, false);
	CU_ASSERT_EQUAL(i82078_drive_kind(fdc, 0), 4);
	CU_ASSERT_EQUAL(i82078_drive_kind(fdc, 1), 0);
	ready(0);
	seek(3);
	set_dma(0x44, 4 * 512);
	SEND(0x46, 0x04, 3, 1, 5, 2, 18, 0x1b, 0xff);
	CU_ASSERT_EQUAL(result(b), 7);
	/* side 1, next sector 9 */
	CU_ASSERT_TRUE(b[0] == 0x04 && !b[1] && !b[2]);
	CU_ASSERT_TRUE(b[3] == 3 && b[4] == 1 && b[5] == 9 && b[6] == 2);
	CU_ASSERT_TRUE(rig_matches(rig_ram(&rig, DATA),
	    3 * TRACK + (18 + 4) * 512, 4 * 512));
	CU_ASSERT_EQUAL(*rig_ram(&rig, DATA + 4 * 512), 0);
	end();
}

static void both_sides_are_one_run(void)
{
	uint8_t b[32];

	begin(1440 * 1024, false);
	ready(0);
	seek(7);
	set_dma(0x44, TRACK);
	SEND(0xe6, 0x00, 7, 0, 1, 2, 18, 0x1b, 0xff);
	CU_ASSERT_EQUAL(result(b), 7);
	CU_ASSERT_TRUE(!b[0] && !b[1] && b[3] == 8 && !b[4] && b[5] == 1);
	CU_ASSERT_TRUE(rig_matches(rig_ram(&rig, DATA), 7 * TRACK, TRACK));
	end();
}

static void writes_reach_the_disk(void)
{
	uint8_t b[32], back[1024];
	struct error err;

	begin(1440 * 1024, false);
	ready(0);
	seek(1);
	memset(rig_ram(&rig, DATA), 0x77, 1024);
	set_dma(0x48, 1024);
	SEND(0x45, 0x00, 1, 0, 2, 2, 18, 0x1b, 0xff);
	CU_ASSERT_EQUAL(result(b), 7);
	CU_ASSERT_TRUE(!b[0] && b[5] == 4);
	image_read(rig.image[0], back, 1024, TRACK + 512, &err);
	CU_ASSERT_TRUE(back[0] == 0x77 && back[1023] == 0x77);
	image_read(rig.image[0], back, 512, TRACK + 1536, &err);
	CU_ASSERT_TRUE(rig_matches(back, TRACK + 1536, 512));
	end();
}

static void a_masked_channel_is_waited_for(void)
{
	uint8_t b[32];

	begin(1440 * 1024, false);
	ready(0);
	set_dma(0x44, 512);
	rig_out(&rig, 0x0a, 1, 0x06);
	SEND(0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
	CU_ASSERT_EQUAL(msr(), 0x10);
	rig_out(&rig, 0x0a, 1, 0x02);
	CU_ASSERT_EQUAL(result(b), 7);
	CU_ASSERT_EQUAL(b[0], 0);
	CU_ASSERT_TRUE(rig_matches(rig_ram(&rig, DATA), 0, 512));
	end();
}

static void without_dma_bytes_go_through_the_fifo(void)
{
	uint8_t b[512], r[32];

	begin(1440 * 1024, false);
	ready(0);
	SEND(0x03, 0xdf, 0x03);
	SEND(0x46, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
	CU_ASSERT_EQUAL(msr(), 0xf0);
	for (unsigned i = 0; i < 512; i++) {
		CU_ASSERT_TRUE(rig.level[6]);
		b[i] = rig_in(&rig, 0x3f5, 1);
	}
	CU_ASSERT_TRUE(rig_matches(b, 17 * 512, 512));
	CU_ASSERT_EQUAL(result(r), 7);
	/* Nobody said that this was all: end of cylinder. */
	CU_ASSERT_TRUE(r[0] == 0x40 && r[1] == 0x80);
	SEND(0x45, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
	for (unsigned i = 0; i < 512; i++)
		rig_out(&rig, 0x3f5, 1, 0x99);
	CU_ASSERT_EQUAL(result(r), 7);
	SEND(0x46, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
	CU_ASSERT_EQUAL(msr(), 0xf0);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x3f5, 1), 0x99);
	end();
}

static void a_track_is_formatted(void)
{
	uint8_t b[32], back[TRACK / 2];
	struct error err;

	begin(720 * 1024, false);
	ready(2);
	seek(2);
	for (unsigned i = 0; i < 9; i++) {
		uint8_t *id = rig_ram(&rig, DATA + 4 * i);

		id[0] = 2;
		id[1] = 1;
		id[2] = 1 + (i * 2) % 9;
		id[3] = 2;
	}
	set_dma(0x48, 36);
	SEND(0x4d, 0x04, 2, 9, 0x50, 0xf6);
	CU_ASSERT_EQUAL(result(b), 7);
	CU_ASSERT_EQUAL(b[0], 0x04);
	image_read(rig.image[0], back, 9 * 512, (2 * 18 + 9) * 512, &err);
	for (unsigned i = 0; i < 9 * 512; i++)
		if (back[i] != 0xf6) {
			CU_FAIL("not formatted");
			break;
		}
	image_read(rig.image[0], back, 512, 3 * 18 * 512, &err);
	CU_ASSERT_TRUE(rig_matches(back, 3 * 18 * 512, 512));
	end();
}

static void what_cannot_be_found_is_told(void)
{
	uint8_t b[32];

	begin(1440 * 1024, true);
	ready(0);
	SEND(0x46, 0x00, 0, 0, 19, 2, 19, 0x1b, 0xff);
	CU_ASSERT_EQUAL(result(b), 7);
	CU_ASSERT_TRUE(b[0] == 0x40 && b[1] == 0x04);
	SEND(0x46, 0x00, 5, 0, 1, 2, 18, 0x1b, 0xff);
	CU_ASSERT_EQUAL(result(b), 7);
	CU_ASSERT_TRUE(b[1] == 0x04 && b[2] == 0x10);
	SEND(0x45, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
	CU_ASSERT_EQUAL(result(b), 7);
	CU_ASSERT_EQUAL(b[1], 0x02);
	SEND(0x4a, 0x01);		/* drive B */
	CU_ASSERT_EQUAL(result(b), 7);
	CU_ASSERT_TRUE(b[0] == 0x41 && b[1] == 0x01);
	rig_out(&rig, 0x3f7, 1, 2);	/* the wrong rate */
	SEND(0x4a, 0x00);
	CU_ASSERT_EQUAL(result(b), 7);
	CU_ASSERT_EQUAL(b[1], 0x01);
	SEND(0x04, 0x00);
	CU_ASSERT_EQUAL(result(b), 1);
	CU_ASSERT_EQUAL(b[0], 0x78);
	SEND(0x1f);
	CU_ASSERT_EQUAL(result(b), 1);
	CU_ASSERT_EQUAL(b[0], 0x80);
	end();
}

static void a_part_of_a_diskette_ends_where_it_ends(void)
{
	uint8_t b[32];

	begin(512 * 3, false);
	CU_ASSERT_EQUAL(i82078_drive_kind(fdc, 0), 4);
	ready(0);
	set_dma(0x44, 512);
	SEND(0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
	CU_ASSERT_EQUAL(result(b), 7);
	CU_ASSERT_EQUAL(b[0], 0);
	set_dma(0x44, 512 * 18);
	SEND(0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
	CU_ASSERT_EQUAL(result(b), 7);
	CU_ASSERT_TRUE(b[0] == 0x40 && b[1] == 0x04);
	end();
}

static void the_changed_line_goes_with_a_step(void)
{
	begin(1440 * 1024, false);
	ready(0);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x3f7, 1), 0x80);
	seek(1);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x3f7, 1), 0);
	end();
}

static void configuration_is_dumped(void)
{
	uint8_t b[32];

	begin(1440 * 1024, false);
	ready(0);
	SEND(0x13, 0, 0x57, 0x12);
	SEND(0x94);
	CU_ASSERT_EQUAL(result(b), 1);
	CU_ASSERT_EQUAL(b[0], 0x10);
	rig_out(&rig, 0x3f4, 1, 0x80);
	SEND(0x0e);
	CU_ASSERT_EQUAL(result(b), 10);
	CU_ASSERT_TRUE(b[7] == 0x80 && b[8] == 0x57 && b[9] == 0x12);
	SEND(0x10);
	CU_ASSERT_EQUAL(result(b), 1);
	CU_ASSERT_EQUAL(b[0], 0x90);
	SEND(0x8e, 0x01, 0x02, 0x03, 0xc0);
	CU_ASSERT_EQUAL(result(b), 4);
	end();
}

/* However many bytes come, whatever the command: the class of VENOM. */
static void the_fifo_has_an_end(void)
{
	begin(1440 * 1024, false);
	ready(0);
	for (unsigned c = 0; c < 256; c++) {
		rig_out(&rig, 0x3f5, 1, c);
		for (unsigned i = 0; i < 1000; i++)
			rig_out(&rig, 0x3f5, 1, i % 0x80);
		rig_settle(&rig);
		for (unsigned i = 0; i < 1000; i++)
			rig_in(&rig, 0x3f5, 1);
		rig_out(&rig, 0x3f2, 1, 0);
		rig_out(&rig, 0x3f2, 1, 0x1c);
	}
	rig_settle(&rig);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x3f4, 1), 0x80);
	end();
}

/* ---- the DMA controllers */

static void dma_counts_wrap_and_reload(void)
{
	uint8_t b[64];
	bool tc;

	begin(1440 * 1024, false);
	memset(b, 0x31, sizeof(b));
	set_dma(0x54, 32);			/* reloads itself */
	CU_ASSERT_EQUAL(i8237_move(dma, 2, b, 20, true, &tc), 20);
	CU_ASSERT_FALSE(tc);
	CU_ASSERT_EQUAL(i8237_move(dma, 2, b, 64, true, &tc), 12);
	CU_ASSERT_TRUE(tc);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x08, 1), 0x04);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x08, 1), 0);
	CU_ASSERT_EQUAL(i8237_move(dma, 2, b, 64, true, &tc), 32);
	CU_ASSERT_EQUAL(i8237_move(dma, 2, b, 8, false, &tc), 0);
	/* Downwards, and round within the 64 KiB. */
	set_dma(0x64, 4);
	rig_out(&rig, 0x04, 1, 1);
	rig_out(&rig, 0x04, 1, 0);
	memcpy(b, "abcd", 4);
	CU_ASSERT_EQUAL(i8237_move(dma, 2, b, 4, true, &tc), 4);
	CU_ASSERT_TRUE(tc);
	CU_ASSERT_EQUAL(*rig_ram(&rig, DATA + 1), 'a');
	CU_ASSERT_EQUAL(*rig_ram(&rig, DATA + 0), 'b');
	CU_ASSERT_EQUAL(*rig_ram(&rig, DATA + 0xffff), 'c');
	CU_ASSERT_EQUAL(*rig_ram(&rig, DATA + 0xfffe), 'd');
	CU_ASSERT_EQUAL(i8237_move(dma, 2, b, 4, true, &tc), 0);
	CU_ASSERT_EQUAL(rig_in(&rig, 0x0f, 1), 0xff);
	end();
}

static const struct unit_test tests[] = {
	{ "DMA reads end with the count", dma_reads_end_with_the_count },
	{ "both sides are one run", both_sides_are_one_run },
	{ "writes reach the disk", writes_reach_the_disk },
	{ "a masked channel is waited for", a_masked_channel_is_waited_for },
	{ "without DMA bytes go through the FIFO",
	    without_dma_bytes_go_through_the_fifo },
	{ "a track is formatted", a_track_is_formatted },
	{ "what cannot be found is told", what_cannot_be_found_is_told },
	{ "a part of a diskette ends where it ends",
	    a_part_of_a_diskette_ends_where_it_ends },
	{ "the changed line goes with a step",
	    the_changed_line_goes_with_a_step },
	{ "configuration is dumped", configuration_is_dumped },
	{ "the FIFO has an end", the_fifo_has_an_end },
	{ "DMA counts wrap and reload", dma_counts_wrap_and_reload },
	{ NULL, NULL }
};

int main(void)
{
	return unit_run("floppy-commands", tests);
}
