/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-blk.c - virtio disks and their rings, right and wrong ones */
#include "dev/virtio_blk.h"

#include <unistd.h>

#include "emu/virtio_driver.h"
#include "store/fault.h"
#include "support/unit.h"

enum { SLOT = 4, DISK = 4 << 20, HEADER = 0x10000, STATUS = 0x10100,
	DATA = 0x20000, TABLE = 0x18000 };
#define F_EVENT_IDX (1ull << 29)
#define F_INDIRECT (1ull << 28)
#define F_FLUSH (1ull << 9)

static struct rig rig;
static struct driver drv;

static void begin(const struct virtio_blk_config *more, bool read_only,
    bool discard)
{
	struct virtio_blk_config c = { .serial = "serial-number" };
	struct error err;

	if (more)
		c = *more;
	c.pci.slot = SLOT;
	rig_init(&rig);
	c.disk = rig_disk(&rig, DISK, false, discard);
	rig_fill(&rig, 0);
	if (read_only) {
		board_unlock(rig.board);
		rig_must(!disk_free(rig.disk[0], &err), &err);
		board_lock(rig.board);
		rig.disks = 0;
		c.disk = rig_disk(&rig, DISK, true, false);
	}
	rig_must(!virtio_blk_new(rig.pci, rig.board, rig.mem, &c, &err),
	    &err);
	driver_map(&drv, &rig, SLOT);
}

static void start(uint64_t features)
{
	driver_start(&drv, features | F_FLUSH, 1);
}

static void header(uint32_t type, uint64_t sector)
{
	memset(rig_ram(&rig, HEADER), 0, 16);
	le32_put((le32 *)rig_ram(&rig, HEADER), type);
	le64_put((le64 *)rig_ram(&rig, HEADER + 8), sector);
	*rig_ram(&rig, STATUS) = 0xee;
}

/* Header, data, status as descriptors 0, 1, 2 of a table. */
static void chain(uint64_t table, uint32_t len, bool in)
{
	put_desc(&drv, table, 0, HEADER, 16, D_NEXT, len ? 1 : 2);
	put_desc(&drv, table, 1, DATA, len, D_NEXT | (in ? D_WRITE : 0), 2);
	put_desc(&drv, table, 2, STATUS, 1, D_WRITE, 0);
}

/* Runs a request; its status, or -1 when it does not come back. */
static int request(uint32_t type, uint64_t sector, uint32_t len, bool in,
    uint32_t *used)
{
	uint32_t id;

	header(type, sector);
	chain(ring_of(&drv, 0), len, in);
	offer(&drv, 0, 0);
	kick(&drv, 0);
	rig_settle(&rig);
	if (!taken(&drv, 0, &id, used))
		return -1;
	CU_ASSERT_EQUAL(id, 0);
	return *rig_ram(&rig, STATUS);
}

static void reads_and_writes_move_data(void)
{
	uint8_t b[4096];
	struct error err;
	uint32_t used;

	for (int old = 0; old < 2; old++) {
		begin(NULL, false, false);
		drv.old = old;
		start(0);
		CU_ASSERT_EQUAL(request(0, 9, 8192, true, &used), 0);
		CU_ASSERT_EQUAL(used, 8193);
		CU_ASSERT_TRUE(rig_matches(rig_ram(&rig, DATA), 9 * 512,
		    8192));
		memset(rig_ram(&rig, DATA), 0xa7, 4096);
		CU_ASSERT_EQUAL(request(1, 20, 4096, false, &used), 0);
		CU_ASSERT_EQUAL(used, 1);
		image_read(rig.image[0], b, 4096, 20 * 512, &err);
		CU_ASSERT_TRUE(b[0] == 0xa7 && b[4095] == 0xa7);
		CU_ASSERT_EQUAL(request(4, 0, 0, false, &used), 0);
		CU_ASSERT_TRUE(rig.pirq[3]);	/* slot 4: (4 - 1) & 3 */
		CU_ASSERT_EQUAL(old ? rig_in(&rig, BAR0 + 19, 1) :
		    common(&drv, 0x1000, 1), 1);
		CU_ASSERT_FALSE(rig.pirq[3]);
		rig_fini(&rig);
	}
}

static void the_old_registers_say_what_they_should(void)
{
	begin(NULL, false, false);
	drv.old = true;
	CU_ASSERT_EQUAL(rig_config(&rig, drv.devfn, 0, 4), 0x10011af4);
	CU_ASSERT_EQUAL(rig_config(&rig, drv.devfn, 8, 1), 0);
	CU_ASSERT_EQUAL(rig_config(&rig, drv.devfn, 0x2c, 4), 0x00021af4);
	CU_ASSERT_EQUAL(rig_in(&rig, BAR0 + 12, 2), 256);
	CU_ASSERT_EQUAL(rig_in(&rig, BAR0 + 20, 4), DISK / 512);
	rig_out(&rig, BAR0 + 14, 2, 1);
	CU_ASSERT_EQUAL(rig_in(&rig, BAR0 + 12, 2), 0);
	rig_out(&rig, BAR0 + 14, 2, 0xffff);
	rig_out(&rig, BAR0 + 8, 4, 0xffffffff);
	rig_fini(&rig);
}

static void a_chain_may_be_indirect(void)
{
	uint32_t used, id;

	begin(NULL, false, false);
	start(F_INDIRECT);
	header(0, 3);
	chain(TABLE, 1024, true);
	put_desc(&drv, ring_of(&drv, 0), 5, TABLE, 48, D_INDIRECT, 0);
	offer(&drv, 0, 5);
	kick(&drv, 0);
	rig_settle(&rig);
	CU_ASSERT_TRUE(taken(&drv, 0, &id, &used));
	CU_ASSERT_TRUE(id == 5 && used == 1025);
	CU_ASSERT_TRUE(rig_matches(rig_ram(&rig, DATA), 3 * 512, 1024));
	rig_fini(&rig);
}

static void headers_and_status_may_be_split_anyhow(void)
{
	uint64_t t;
	uint32_t used, id;

	begin(NULL, false, false);
	start(0);
	t = ring_of(&drv, 0);
	header(0, 6);
	put_desc(&drv, t, 0, HEADER, 7, D_NEXT, 1);
	put_desc(&drv, t, 1, HEADER + 7, 9, D_NEXT, 2);
	put_desc(&drv, t, 2, DATA, 100, D_NEXT | D_WRITE, 3);
	put_desc(&drv, t, 3, DATA + 100, 413, D_WRITE, 0);
	offer(&drv, 0, 0);
	kick(&drv, 0);
	rig_settle(&rig);
	CU_ASSERT_TRUE(taken(&drv, 0, &id, &used));
	CU_ASSERT_EQUAL(used, 513);
	CU_ASSERT_TRUE(rig_matches(rig_ram(&rig, DATA), 6 * 512, 512));
	CU_ASSERT_EQUAL(*rig_ram(&rig, DATA + 512), 0);
	rig_fini(&rig);
}

static void event_indices_hold_interrupts_back(void)
{
	uint32_t used;

	begin(NULL, false, false);
	start(F_EVENT_IDX);
	/* Tell us after the third. */
	le16_put((le16 *)(rig_ram(&rig, avail_of(&drv, 0)) + 4 + 2 * SIZE), 2);
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_FALSE(rig.pirq[3]);
		CU_ASSERT_EQUAL(request(0, i, 512, true, &used), 0);
		/* And it wants to hear of the next. */
		CU_ASSERT_EQUAL(le16_get(*(le16 *)(rig_ram(&rig,
		    used_of(&drv, 0)) + 4 + 8 * SIZE)), i + 1);
	}
	CU_ASSERT_TRUE(rig.pirq[3]);
	rig_fini(&rig);
}

static void the_flag_holds_interrupts_back(void)
{
	uint32_t used;

	begin(NULL, false, false);
	start(0);
	le16_put((le16 *)rig_ram(&rig, avail_of(&drv, 0)), 1);
	CU_ASSERT_EQUAL(request(0, 0, 512, true, &used), 0);
	CU_ASSERT_FALSE(rig.pirq[3]);
	rig_fini(&rig);
}

static void msi_x_sends_the_queues_vector(void)
{
	unsigned cap;
	uint32_t used;

	begin(NULL, false, false);
	for (cap = rig_config(&rig, drv.devfn, 0x34, 1);
	    cap && rig_config(&rig, drv.devfn, cap, 1) != 0x11;
	    cap = rig_config(&rig, drv.devfn, cap + 1, 1))
		;
	CU_ASSERT_NOT_EQUAL_FATAL(cap, 0);
	rig_poke(&rig, BAR1 + 16, 4, 0xfee00000);
	rig_poke(&rig, BAR1 + 20, 4, 0);
	rig_poke(&rig, BAR1 + 24, 4, 0x4041);
	rig_poke(&rig, BAR1 + 28, 4, 0);
	rig_config_set(&rig, drv.devfn, cap + 2, 2, 0x8000);
	start(0);
	common_set(&drv, 22, 2, 0);
	common_set(&drv, 26, 2, 99);
	CU_ASSERT_EQUAL(common(&drv, 26, 2), 0xffff);
	common_set(&drv, 26, 2, 1);
	CU_ASSERT_EQUAL(common(&drv, 26, 2), 1);
	CU_ASSERT_EQUAL(request(0, 0, 512, true, &used), 0);
	CU_ASSERT_EQUAL(rig.messages, 1);
	CU_ASSERT_EQUAL(rig.last_message, 0x4041);
	CU_ASSERT_FALSE(rig.pirq[3]);
	rig_fini(&rig);
}

static void a_burst_ends_with_one_interrupt(void)
{
	unsigned cap;
	uint32_t id, used;

	begin(NULL, false, false);
	for (cap = rig_config(&rig, drv.devfn, 0x34, 1);
	    cap && rig_config(&rig, drv.devfn, cap, 1) != 0x11;
	    cap = rig_config(&rig, drv.devfn, cap + 1, 1))
		;
	rig_poke(&rig, BAR1, 4, 0xfee00000);
	rig_poke(&rig, BAR1 + 12, 4, 0);
	rig_config_set(&rig, drv.devfn, cap + 2, 2, 0x8000);
	start(F_INDIRECT);
	common_set(&drv, 22, 2, 0);
	common_set(&drv, 26, 2, 0);
	header(4, 0);			/* sixteen flushes of one header */
	chain(TABLE, 0, false);
	for (unsigned i = 0; i < SIZE; i++) {
		put_desc(&drv, ring_of(&drv, 0), i, TABLE, 48, D_INDIRECT, 0);
		offer(&drv, 0, i);
	}
	/* The loop does not run before all have ended. */
	kick(&drv, 0);
	usleep(100000);
	rig_settle(&rig);
	for (unsigned i = 0; i < SIZE; i++)
		CU_ASSERT_TRUE(taken(&drv, 0, &id, &used));
	CU_ASSERT_EQUAL(rig.messages, 1);
	rig_fini(&rig);
}

static void the_serial_number_is_told(void)
{
	uint32_t used;

	begin(NULL, false, false);
	start(0);
	CU_ASSERT_EQUAL(request(8, 0, 20, true, &used), 0);
	CU_ASSERT_STRING_EQUAL(rig_ram(&rig, DATA), "serial-number");
	rig_fini(&rig);
}

static void discards_and_zeroes_do_what_they_say(void)
{
	uint8_t b[512];
	struct error err;
	uint32_t used;

	begin(NULL, false, true);
	start(0);
	le64_put((le64 *)rig_ram(&rig, DATA), 16);
	le32_put((le32 *)rig_ram(&rig, DATA + 8), 8);
	le32_put((le32 *)rig_ram(&rig, DATA + 12), 0);
	CU_ASSERT_EQUAL(request(13, 0, 16, false, &used), 0);
	image_read(rig.image[0], b, 512, 23 * 512, &err);
	CU_ASSERT_TRUE(bytes_are_zero(b, 512));
	image_read(rig.image[0], b, 512, 24 * 512, &err);
	CU_ASSERT_TRUE(rig_matches(b, 24 * 512, 512));
	le64_put((le64 *)rig_ram(&rig, DATA), 32);
	CU_ASSERT_EQUAL(request(11, 0, 16, false, &used), 0);
	le32_put((le32 *)rig_ram(&rig, DATA + 12), 1);
	CU_ASSERT_EQUAL(request(11, 0, 16, false, &used), 2);
	CU_ASSERT_EQUAL(request(13, 0, 16, false, &used), 0);
	CU_ASSERT_EQUAL(request(13, 0, 32, false, &used), 2);
	le64_put((le64 *)rig_ram(&rig, DATA), UINT64_MAX);
	CU_ASSERT_EQUAL(request(13, 0, 16, false, &used), 1);
	rig_fini(&rig);
}

static void what_is_wrong_is_an_error_of_the_request(void)
{
	uint32_t used;

	begin(NULL, false, false);
	start(0);
	CU_ASSERT_EQUAL(request(0, DISK / 512, 512, true, &used), 1);
	CU_ASSERT_EQUAL(request(0, DISK / 512 - 1, 1024, true, &used), 1);
	CU_ASSERT_EQUAL(request(1, UINT64_MAX, 512, false, &used), 1);
	CU_ASSERT_EQUAL(request(0, 0, 100, true, &used), 1);
	CU_ASSERT_EQUAL(request(77, 0, 512, true, &used), 2);
	/* And the device goes on. */
	CU_ASSERT_EQUAL(request(0, 0, 512, true, &used), 0);
	CU_ASSERT_EQUAL(dev_status(&drv) & 0x40, 0);
	rig_fini(&rig);
}

static void data_outside_ram_is_an_error_of_the_request(void)
{
	uint32_t id, used;

	begin(NULL, false, false);
	start(0);
	header(0, 0);
	chain(ring_of(&drv, 0), 512, true);
	put_desc(&drv, ring_of(&drv, 0), 1, BAR4, 512, D_NEXT | D_WRITE, 2);
	offer(&drv, 0, 0);
	kick(&drv, 0);
	rig_settle(&rig);
	CU_ASSERT_TRUE(taken(&drv, 0, &id, &used));
	CU_ASSERT_EQUAL(*rig_ram(&rig, STATUS), 1);
	rig_fini(&rig);
}

static void read_only_disks_are_not_written_to(void)
{
	uint32_t used;

	begin(NULL, true, false);
	start(0);
	common_set(&drv, 0, 4, 0);
	CU_ASSERT_EQUAL(common(&drv, 4, 4) >> 5 & 1, 1);
	CU_ASSERT_EQUAL(request(1, 0, 512, false, &used), 1);
	CU_ASSERT_EQUAL(request(0, 0, 512, true, &used), 0);
	CU_ASSERT_EQUAL(request(4, 0, 0, false, &used), 0);
	rig_fini(&rig);
}

static void failing_images_are_told_of(void)
{
	struct fault_rule full = { .ops = FAULT_WRITE, .event = -1,
	    .error = ENOSPC };
	struct virtio_blk_config c = { .pci.slot = SLOT };
	struct store *s;
	struct error err;
	uint32_t used;

	rig_init(&rig);
	s = fault_open(memory_open(DISK, &err), &err);
	rig_must(s, &err);
	c.disk = rig_disk_on(&rig, s, false, false);
	rig_must(!virtio_blk_new(rig.pci, rig.board, rig.mem, &c, &err),
	    &err);
	driver_map(&drv, &rig, SLOT);
	start(0);
	rig_must(!fault_add(s, &full, &err), &err);
	CU_ASSERT_EQUAL(request(1, 0, 512, false, &used), 1);
	fault_clear(s);
	CU_ASSERT_EQUAL(request(1, 0, 512, false, &used), 0);
	rig_fini(&rig);
}

/* ---- rings that break the rules */

static unsigned sync_count(struct store *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < fault_steps(s); i++)
		n += fault_is_sync(s, i);
	return n;
}

static void without_flush_a_write_is_on_the_medium(void)
{
	struct virtio_blk_config c = { .pci.slot = SLOT };
	struct store *s;
	struct error err;
	uint32_t used;

	rig_init(&rig);
	s = fault_open(memory_open(DISK, &err), &err);
	rig_must(s, &err);
	rig_must(!fault_record(s, &err), &err);
	c.disk = rig_disk_on(&rig, s, false, false);
	rig_must(!virtio_blk_new(rig.pci, rig.board, rig.mem, &c, &err),
	    &err);
	driver_map(&drv, &rig, SLOT);
	start(0);
	CU_ASSERT_EQUAL(request(1, 0, 512, false, &used), 0);
	CU_ASSERT_EQUAL(sync_count(s), 0);
	CU_ASSERT_EQUAL(request(4, 0, 0, false, &used), 0);
	CU_ASSERT_EQUAL(sync_count(s), 1);
	driver_start(&drv, 0, 1);
	CU_ASSERT_EQUAL(request(1, 0, 512, false, &used), 0);
	CU_ASSERT_EQUAL(sync_count(s), 2);
	rig_fini(&rig);
}

static void broken(const char *what)
{
	uint32_t id, used;

	kick(&drv, 0);
	rig_settle(&rig);
	if (!(dev_status(&drv) & 0x40))
		CU_FAIL(what);
	CU_ASSERT_FALSE(taken(&drv, 0, &id, &used));
	/* Nothing more until it is reset. */
	kick(&drv, 0);
	rig_settle(&rig);
	CU_ASSERT_FALSE(taken(&drv, 0, &id, &used));
	start(F_INDIRECT);
	CU_ASSERT_EQUAL(dev_status(&drv), 15);
	CU_ASSERT_EQUAL(request(0, 1, 512, true, &used), 0);
	start(F_INDIRECT);
	header(0, 0);
	chain(ring_of(&drv, 0), 512, true);
}

static void rings_that_break_the_rules_break_the_device(void)
{
	uint64_t t = RING;

	begin(NULL, false, false);
	start(F_INDIRECT);
	header(0, 0);
	chain(t, 512, true);

	offer(&drv, 0, SIZE);
	broken("a head past the queue");

	put_desc(&drv, t, 1, DATA, 512, D_NEXT | D_WRITE, SIZE);
	offer(&drv, 0, 0);
	broken("a next past the queue");

	put_desc(&drv, t, 1, DATA, 512, D_NEXT | D_WRITE, 1);
	offer(&drv, 0, 0);
	broken("a chain that goes in circles");

	put_desc(&drv, t, 2, STATUS, 1, 0, 0);
	offer(&drv, 0, 0);
	broken("something to read after something to write");

	put_desc(&drv, t, 1, DATA, 0, D_NEXT | D_WRITE, 2);
	offer(&drv, 0, 0);
	broken("an empty buffer");

	put_desc(&drv, t, 0, HEADER, 8, D_NEXT, 2);
	offer(&drv, 0, 0);
	broken("no room for a header");

	put_desc(&drv, t, 0, HEADER, 16, 0, 0);
	offer(&drv, 0, 0);
	broken("no room for a status");

	put_desc(&drv, t, 4, TABLE, 40, D_INDIRECT, 0);
	offer(&drv, 0, 4);
	broken("a table of two and a half");

	put_desc(&drv, t, 4, TABLE, 0, D_INDIRECT, 0);
	offer(&drv, 0, 4);
	broken("an empty table");

	put_desc(&drv, TABLE, 0, TABLE, 16, D_INDIRECT, 0);
	put_desc(&drv, t, 4, TABLE, 16, D_INDIRECT, 0);
	offer(&drv, 0, 4);
	broken("a table in a table");

	put_desc(&drv, t, 4, UINT64_MAX - 8, 32, D_INDIRECT, 0);
	offer(&drv, 0, 4);
	broken("a table past all addresses");

	put_desc(&drv, t, 4, 0xf0000000, 32, D_INDIRECT, 0);
	offer(&drv, 0, 4);
	broken("a table that is not RAM");

	put_desc(&drv, t, 4, TABLE, 48, D_INDIRECT | D_NEXT, 0);
	offer(&drv, 0, 4);
	broken("a table with a next");

	drv.avail[0] += SIZE;
	offer(&drv, 0, 0);
	broken("more available than there is room for");
	rig_fini(&rig);
}

static void indirect_tables_want_the_feature(void)
{
	begin(NULL, false, false);
	start(0);
	header(0, 0);
	chain(TABLE, 512, true);
	put_desc(&drv, RING, 0, TABLE, 48, D_INDIRECT, 0);
	offer(&drv, 0, 0);
	kick(&drv, 0);
	CU_ASSERT_EQUAL(dev_status(&drv) & 0x40, 0x40);
	rig_fini(&rig);
}

static void rings_outside_ram_break_the_device(void)
{
	static const unsigned at[] = { 32, 40, 48 };

	begin(NULL, false, false);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t used;

		common_set(&drv, 20, 1, 0);
		common_set(&drv, 20, 1, 3);
		common_set(&drv, 8, 4, 1);
		common_set(&drv, 12, 4, 1);
		common_set(&drv, 20, 1, 11);
		common_set(&drv, 32, 4, RING);
		common_set(&drv, 40, 4, avail_of(&drv, 0));
		common_set(&drv, 48, 4, used_of(&drv, 0));
		common_set(&drv, at[i], 4, 0xe0000000);
		common_set(&drv, 24, 2, SIZE);
		common_set(&drv, 28, 2, 1);
		common_set(&drv, 20, 1, 15);
		drv.avail[0] = drv.seen[0] = 0;
		memset(rig_ram(&rig, RING), 0, 0x4000);
		request(0, 0, 512, true, &used);
		CU_ASSERT_EQUAL(dev_status(&drv) & 0x40, 0x40);
	}
	rig_fini(&rig);
}

static void features_we_do_not_have_are_not_agreed_to(void)
{
	begin(NULL, false, false);
	common_set(&drv, 20, 1, 0);
	common_set(&drv, 20, 1, 3);
	common_set(&drv, 8, 4, 1);
	common_set(&drv, 12, 4, 5);	/* VERSION_1, RING_PACKED */
	common_set(&drv, 20, 1, 11);
	CU_ASSERT_EQUAL(common(&drv, 20, 1), 3);
	common_set(&drv, 12, 4, 0);
	common_set(&drv, 20, 1, 11);
	CU_ASSERT_EQUAL(common(&drv, 20, 1), 3);
	common_set(&drv, 12, 4, 1);
	common_set(&drv, 20, 1, 11);
	CU_ASSERT_EQUAL(common(&drv, 20, 1), 11);
	rig_fini(&rig);
}

static void a_reset_waits_for_what_is_under_way(void)
{
	struct fault_rule slow = { .ops = FAULT_READ, .event = -1,
	    .pause_ms = 50 };
	struct virtio_blk_config c = { .pci.slot = SLOT };
	struct store *s;
	struct error err;
	uint32_t id, used;

	rig_init(&rig);
	s = fault_open(memory_open(DISK, &err), &err);
	rig_must(s, &err);
	c.disk = rig_disk_on(&rig, s, false, false);
	rig_must(!virtio_blk_new(rig.pci, rig.board, rig.mem, &c, &err),
	    &err);
	driver_map(&drv, &rig, SLOT);
	start(0);
	rig_must(!fault_add(s, &slow, &err), &err);
	header(0, 0);
	chain(RING, 512, true);
	offer(&drv, 0, 0);
	kick(&drv, 0);
	common_set(&drv, 20, 1, 0);
	CU_ASSERT_EQUAL(common(&drv, 20, 1), 15);
	rig_settle(&rig);
	CU_ASSERT_EQUAL(common(&drv, 20, 1), 0);
	CU_ASSERT_FALSE(taken(&drv, 0, &id, &used));
	fault_clear(s);
	/* A driver that does not wait finds its queue served, later. */
	start(0);
	header(0, 0);
	chain(RING, 512, true);
	offer(&drv, 0, 0);
	kick(&drv, 0);
	start(0);
	CU_ASSERT_EQUAL(request(0, 0, 512, true, &used), 0);
	CU_ASSERT_EQUAL(used_index(&drv, 0), 1);
	rig_fini(&rig);
}

static void without_bus_mastering_the_rings_are_not_looked_at(void)
{
	uint32_t id, used;

	begin(NULL, false, false);
	start(0);
	rig_config_set(&rig, drv.devfn, 0x04, 2, 3);
	CU_ASSERT_EQUAL(request(0, 0, 512, true, &used), -1);
	rig_config_set(&rig, drv.devfn, 0x04, 2, 7);
	rig_settle(&rig);
	CU_ASSERT_TRUE(taken(&drv, 0, &id, &used));
	rig_fini(&rig);
}

static void configuration_space_is_a_door_to_the_registers(void)
{
	unsigned cap;

	begin(NULL, false, false);
	rig_config_set(&rig, drv.devfn, 0x04, 2, 0);	/* no BARs */
	for (cap = rig_config(&rig, drv.devfn, 0x34, 1); cap;
	    cap = rig_config(&rig, drv.devfn, cap + 1, 1))
		if (rig_config(&rig, drv.devfn, cap, 1) == 9 &&
		    rig_config(&rig, drv.devfn, cap + 3, 1) == 5)
			break;
	CU_ASSERT_NOT_EQUAL_FATAL(cap, 0);
	rig_config_set(&rig, drv.devfn, cap + 4, 1, 4);
	rig_config_set(&rig, drv.devfn, cap + 8, 4, 0x2000);
	rig_config_set(&rig, drv.devfn, cap + 12, 4, 4);
	CU_ASSERT_EQUAL(rig_config(&rig, drv.devfn, cap + 16, 4), DISK / 512);
	rig_config_set(&rig, drv.devfn, cap + 8, 4, 20);
	rig_config_set(&rig, drv.devfn, cap + 12, 4, 1);
	rig_config_set(&rig, drv.devfn, cap + 16, 1, 3);
	CU_ASSERT_EQUAL(rig_config(&rig, drv.devfn, cap + 16, 1), 3);
	rig_config_set(&rig, drv.devfn, cap + 8, 4, 0xfffffffc);
	rig_config(&rig, drv.devfn, cap + 16, 4);
	rig_fini(&rig);
}

static void several_queues_serve_one_disk(void)
{
	struct virtio_blk_config c = { .queues = 4 };
	uint32_t id, used;

	begin(&c, false, false);
	CU_ASSERT_EQUAL(common(&drv, 18, 2), 4);
	CU_ASSERT_EQUAL(common(&drv, 0x2000 + 34, 2), 4);
	driver_start(&drv, F_FLUSH | 1 << 12, 4);
	for (unsigned q = 0; q < 4; q++) {
		header(0, q);
		chain(ring_of(&drv, q), 512, true);
		offer(&drv, q, 0);
		kick(&drv, q);
		rig_settle(&rig);
		CU_ASSERT_TRUE(taken(&drv, q, &id, &used));
		CU_ASSERT_TRUE(rig_matches(rig_ram(&rig, DATA), q * 512,
		    512));
	}
	rig_fini(&rig);
}

static void one_interface_can_be_switched_off(void)
{
	struct virtio_blk_config c = { .pci.disable_legacy = true };

	begin(&c, false, false);
	CU_ASSERT_EQUAL(rig_config(&rig, drv.devfn, 0, 4), 0x10421af4);
	CU_ASSERT_EQUAL(rig_config(&rig, drv.devfn, 8, 1), 1);
	CU_ASSERT_EQUAL(rig_config(&rig, drv.devfn, 0x10, 4), 0);
	rig_fini(&rig);
	c.pci.disable_legacy = false;
	c.pci.disable_modern = true;
	begin(&c, false, false);
	CU_ASSERT_EQUAL(rig_config(&rig, drv.devfn, 0, 4), 0x10011af4);
	CU_ASSERT_EQUAL(rig_config(&rig, drv.devfn, 0x20, 4), 0);
	rig_fini(&rig);
}

#define T(name, f) { name, f }
static const struct unit_test tests[] = {
	T("reads and writes move data", reads_and_writes_move_data),
	T("the old registers say what they should",
	    the_old_registers_say_what_they_should),
	T("a chain may be indirect", a_chain_may_be_indirect),
	T("headers and status may be split anyhow",
	    headers_and_status_may_be_split_anyhow),
	T("event indices hold interrupts back",
	    event_indices_hold_interrupts_back),
	T("the flag holds interrupts back", the_flag_holds_interrupts_back),
	T("MSI-X sends the queue's vector", msi_x_sends_the_queues_vector),
	T("a burst ends with one interrupt", a_burst_ends_with_one_interrupt),
	T("the serial number is told", the_serial_number_is_told),
	T("discards and zeroes do what they say",
	    discards_and_zeroes_do_what_they_say),
	T("what is wrong is an error of the request",
	    what_is_wrong_is_an_error_of_the_request),
	T("data outside RAM is an error of the request",
	    data_outside_ram_is_an_error_of_the_request),
	T("read-only disks are not written to",
	    read_only_disks_are_not_written_to),
	T("failing images are told of", failing_images_are_told_of),
	T("without FLUSH a write is on the medium",
	    without_flush_a_write_is_on_the_medium),
	T("rings that break the rules break the device",
	    rings_that_break_the_rules_break_the_device),
	T("indirect tables want the feature",
	    indirect_tables_want_the_feature),
	T("rings outside RAM break the device",
	    rings_outside_ram_break_the_device),
	T("features we do not have are not agreed to",
	    features_we_do_not_have_are_not_agreed_to),
	T("a reset waits for what is under way",
	    a_reset_waits_for_what_is_under_way),
	T("without bus mastering the rings are not looked at",
	    without_bus_mastering_the_rings_are_not_looked_at),
	T("configuration space is a door to the registers",
	    configuration_space_is_a_door_to_the_registers),
	T("several queues serve one disk", several_queues_serve_one_disk),
	T("one interface can be switched off",
	    one_interface_can_be_switched_off),
	{ NULL, NULL }
};

int main(void)
{
	return unit_run("virtio-blk", tests);
}
