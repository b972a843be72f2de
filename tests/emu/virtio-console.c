/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-console.c - consoles, serial ports and random bytes over virtio */
#include "dev/virtio_console.h"
#include "dev/virtio_rng.h"

#include <time.h>

#include "emu/virtio_driver.h"
#include "support/unit.h"

enum { SLOT = 5, RNG_SLOT = 6, BUFFER = 0x20000, ANSWER = 0x30000 };
#define F_MULTIPORT 2

/* ---- a back end that takes as much as it is told to */

struct chardev {
	const struct chardev_user *user;
	void *opaque;
	char got[512];
	size_t len, takes;
	unsigned wakes;
};

void chardev_attach(struct chardev *c, const struct chardev_user *user,
    void *opaque)
{
	c->user = user;
	c->opaque = opaque;
	if (user)
		user->connected(opaque, true);
}

size_t chardev_write(struct chardev *c, const uint8_t *buf, size_t len)
{
	size_t n = min64(len, min64(c->takes, sizeof(c->got) - 1 - c->len));

	memcpy(c->got + c->len, buf, n);
	c->len += n;
	c->got[c->len] = 0;
	c->takes -= n;
	return n;
}

void chardev_wake(struct chardev *c)
{
	c->wakes++;
}

static struct rig rig;
static struct driver drv;
static struct chardev host[2];

static void begin(void)
{
	struct virtio_port_config port[] = {
		{ .chr = &host[0], .console = true },
		{ .chr = &host[1], .name = "org.example.port" },
	};
	struct virtio_console_config c = { .ports = port, .n = 2 };
	struct error err;

	memset(host, 0, sizeof(host));
	host[0].takes = host[1].takes = sizeof(host[0].got);
	rig_init(&rig);
	c.pci.slot = SLOT;
	rig_must(!virtio_console_new(rig.pci, rig.board, rig.mem, &c, &err),
	    &err);
	driver_map(&drv, &rig, SLOT);
}

static void give(unsigned q, const void *data, unsigned len)
{
	memcpy(rig_ram(&rig, BUFFER), data, len);
	put_desc(&drv, ring_of(&drv, q), 0, BUFFER, len, 0, 0);
	offer(&drv, q, 0);
	kick(&drv, q);
}

static void lend(unsigned q, unsigned head, uint64_t gpa, unsigned len)
{
	put_desc(&drv, ring_of(&drv, q), head, gpa, len, D_WRITE, 0);
	offer(&drv, q, head);
	kick(&drv, q);
}

static void what_the_guest_says_reaches_the_host(void)
{
	uint32_t id, len;

	begin();
	driver_start(&drv, 0, 2);
	give(1, "hello", 5);
	CU_ASSERT_STRING_EQUAL(host[0].got, "hello");
	CU_ASSERT_TRUE(taken(&drv, 1, &id, &len));
	CU_ASSERT_EQUAL(len, 0);
	rig_fini(&rig);
}

static void a_host_that_takes_little_gets_the_rest_later(void)
{
	uint32_t id, len;

	begin();
	driver_start(&drv, 0, 2);
	host[0].takes = 3;
	give(1, "patience", 8);
	CU_ASSERT_STRING_EQUAL(host[0].got, "pat");
	CU_ASSERT_FALSE(taken(&drv, 1, &id, &len));
	host[0].takes = 100;
	host[0].user->writable(host[0].opaque);
	CU_ASSERT_STRING_EQUAL(host[0].got, "patience");
	CU_ASSERT_TRUE(taken(&drv, 1, &id, &len));
	rig_fini(&rig);
}

static void what_the_host_says_waits_for_a_buffer(void)
{
	const struct chardev_user *u;
	uint32_t id, len;

	begin();
	u = host[0].user;
	CU_ASSERT_EQUAL(u->room(host[0].opaque), 0);
	driver_start(&drv, 0, 2);
	CU_ASSERT_EQUAL(u->room(host[0].opaque), 0);
	lend(0, 3, ANSWER, 16);
	CU_ASSERT_TRUE(host[0].wakes >= 1);
	CU_ASSERT_EQUAL(u->room(host[0].opaque), 16);
	u->received(host[0].opaque, (const uint8_t *)"key", 3);
	CU_ASSERT_TRUE(taken(&drv, 0, &id, &len));
	CU_ASSERT_TRUE(id == 3 && len == 3);
	CU_ASSERT_NSTRING_EQUAL(rig_ram(&rig, ANSWER), "key", 3);
	CU_ASSERT_EQUAL(u->room(host[0].opaque), 0);
	rig_fini(&rig);
}

static void message(uint32_t id, uint16_t event, uint16_t value)
{
	uint8_t m[8];

	le32_put((le32 *)m, id);
	le16_put((le16 *)(m + 4), event);
	le16_put((le16 *)(m + 6), value);
	give(3, m, 8);
}

/* The next control message lent a buffer at ANSWER + 256 * head. */
static bool told(uint32_t *port, unsigned *event, const char **text)
{
	uint32_t head, len;
	uint8_t *b;

	if (!taken(&drv, 2, &head, &len))
		return false;
	b = rig_ram(&rig, ANSWER + 256 * head);
	*port = le32_get(*(le32 *)b);
	*event = le16_get(*(le16 *)(b + 4));
	*text = (char *)b + 8;
	b[len] = 0;
	return true;
}

static void ports_are_announced(void)
{
	const char *text;
	unsigned event;
	uint32_t port;

	begin();
	CU_ASSERT_EQUAL(common(&drv, 0x2000 + 4, 4), 31);
	driver_start(&drv, F_MULTIPORT, 6);
	message(0, 0, 1);
	CU_ASSERT_FALSE(told(&port, &event, &text));
	for (unsigned i = 0; i < 8; i++)
		lend(2, i, ANSWER + 256 * i, 200);
	CU_ASSERT_TRUE(told(&port, &event, &text));
	CU_ASSERT_TRUE(port == 0 && event == 1);
	CU_ASSERT_TRUE(told(&port, &event, &text));
	CU_ASSERT_TRUE(port == 1 && event == 1);
	message(0, 3, 1);
	message(1, 3, 1);
	CU_ASSERT_TRUE(told(&port, &event, &text));
	CU_ASSERT_TRUE(port == 0 && event == 4);
	CU_ASSERT_TRUE(told(&port, &event, &text));
	CU_ASSERT_TRUE(port == 0 && event == 6);
	CU_ASSERT_TRUE(told(&port, &event, &text));
	CU_ASSERT_TRUE(port == 1 && event == 7);
	CU_ASSERT_STRING_EQUAL(text, "org.example.port");
	give(5, "port", 4);
	CU_ASSERT_STRING_EQUAL(host[1].got, "port");
	/* Ports there are none of. */
	message(77, 3, 1);
	message(30, 3, 1);
	message(UINT32_MAX, 6, 1);
	rig_fini(&rig);
}

static void a_reset_takes_the_buffers_back(void)
{
	begin();
	driver_start(&drv, 0, 2);
	lend(0, 0, ANSWER, 16);
	CU_ASSERT_EQUAL(host[0].user->room(host[0].opaque), 16);
	host[0].takes = 0;
	give(1, "lost", 4);
	common_set(&drv, 20, 1, 0);
	CU_ASSERT_EQUAL(common(&drv, 20, 1), 0);
	host[0].takes = 100;
	host[0].user->writable(host[0].opaque);
	CU_ASSERT_EQUAL(host[0].len, 0);
	CU_ASSERT_EQUAL(host[0].user->room(host[0].opaque), 0);
	driver_start(&drv, 0, 2);
	give(1, "new", 3);
	CU_ASSERT_STRING_EQUAL(host[0].got, "new");
	rig_fini(&rig);
}

static void emergency_writes_need_no_queues(void)
{
	begin();
	rig_poke(&rig, BAR4 + 0x2000 + 8, 4, '!');
	CU_ASSERT_STRING_EQUAL(host[0].got, "!");
	rig_fini(&rig);
}

/* A chain may name the same memory over and over: terabytes of it. */
static void endless_output_is_done_in_turns(void)
{
	uint64_t start;

	begin();
	driver_start(&drv, 0, 2);
	host[0].takes = SIZE_MAX;
	for (unsigned i = 0; i < SIZE; i++)
		put_desc(&drv, ring_of(&drv, 1), i, 0, RIG_RAM,
		    i + 1 < SIZE ? D_NEXT : 0, i + 1);
	offer(&drv, 1, 0);
	start = board_now_ns(rig.board);
	kick(&drv, 1);
	CU_ASSERT_TRUE(board_now_ns(rig.board) - start < 100000000);
	CU_ASSERT_EQUAL(dev_status(&drv) & 0x40, 0);
	rig_fini(&rig);
}

/* ---- random bytes */

static void a_guest_gets_random_bytes_but_not_without_end(void)
{
	struct virtio_rng_config c = { .max_bytes = 100, .period_ms = 50 };
	uint32_t id, len, total = 0;
	struct error err;

	rig_init(&rig);
	c.pci.slot = RNG_SLOT;
	rig_must(!virtio_rng_new(rig.pci, rig.board, rig.mem, &c, &err),
	    &err);
	driver_map(&drv, &rig, RNG_SLOT);
	CU_ASSERT_EQUAL(rig_config(&rig, drv.devfn, 0, 4), 0x10051af4);
	common_set(&drv, 20, 1, 3);
	common_set(&drv, 8, 4, 1);
	common_set(&drv, 12, 4, 1);
	common_set(&drv, 20, 1, 11);
	memset(rig_ram(&rig, RING), 0, 0x4000);
	common_set(&drv, 32, 4, RING);
	common_set(&drv, 40, 4, avail_of(&drv, 0));
	common_set(&drv, 48, 4, used_of(&drv, 0));
	common_set(&drv, 28, 2, 1);
	common_set(&drv, 20, 1, 15);
	CU_ASSERT_EQUAL(common(&drv, 24, 2), 8);
	put_desc(&drv, RING, 0, BUFFER, 64, D_WRITE, 0);
	le16_put((le16 *)(rig_ram(&rig, avail_of(&drv, 0)) + 2), 4);
	kick(&drv, 0);
	/* 64 and 36; the third waits for the next period. */
	CU_ASSERT_EQUAL(used_index(&drv, 0), 2);
	CU_ASSERT_FALSE(bytes_are_zero(rig_ram(&rig, BUFFER), 64));
	for (unsigned i = 0; i < 100 && used_index(&drv, 0) < 4; i++) {
		struct timespec ms = { 0, 1000000 };

		nanosleep(&ms, NULL);
		rig_turn(&rig);
	}
	CU_ASSERT_EQUAL(used_index(&drv, 0), 4);
	for (unsigned i = 0; i < 4; i++) {
		uint8_t *u = rig_ram(&rig, used_of(&drv, 0)) + 4 + 8 * i;

		id = le32_get(*(le32 *)u);
		len = le32_get(*(le32 *)(u + 4));
		CU_ASSERT_EQUAL(id, 0);
		total += len;
	}
	CU_ASSERT_EQUAL(total, 64 + 36 + 64 + 36);
	rig_fini(&rig);
}

static const struct unit_test tests[] = {
	{ "what the guest says reaches the host",
	    what_the_guest_says_reaches_the_host },
	{ "a host that takes little gets the rest later",
	    a_host_that_takes_little_gets_the_rest_later },
	{ "what the host says waits for a buffer",
	    what_the_host_says_waits_for_a_buffer },
	{ "ports are announced", ports_are_announced },
	{ "a reset takes the buffers back", a_reset_takes_the_buffers_back },
	{ "emergency writes need no queues", emergency_writes_need_no_queues },
	{ "endless output is done in turns", endless_output_is_done_in_turns },
	{ "a guest gets random bytes, but not without end",
	    a_guest_gets_random_bytes_but_not_without_end },
	{ NULL, NULL }
};

int main(void)
{
	return unit_run("virtio-console", tests);
}
