/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * emu_virtio_console.c - a guest against consoles and ports over virtio
 *
 * Input as in emu_virtio.h; the device's own operation is what the host does:
 * says something, takes more or less, comes and goes.
 */
#include "dev/virtio_console.h"
#include "fuzz/emu_virtio.h"

struct chardev {
	const struct chardev_user *user;
	void *opaque;
	size_t takes;
};

static struct chardev host[2];

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
	size_t n = min64(len, c->takes);

	c->takes -= n;
	return n;
}

void chardev_wake(struct chardev *c)
{
}

static void host_does(struct fuzz *f)
{
	unsigned what = fuzz_take(f, 1);
	struct chardev *c = &host[what >> 7];
	uint8_t said[64];
	size_t n;

	switch (what & 3) {
	case 0:
		n = min64(c->user->room(c->opaque), sizeof(said));
		memset(said, what, sizeof(said));
		if (n)
			c->user->received(c->opaque, said, n);
		break;
	case 1:
		c->takes = fuzz_take(f, 2);
		c->user->writable(c->opaque);
		break;
	case 2:
		c->user->connected(c->opaque, what & 4);
		break;
	case 3:
		pci_bus_reset(f->r.pci);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;
	struct virtio_port_config port[] = {
		{ .chr = &host[0], .console = true },
		{ .chr = &host[1], .name = "port" },
	};
	struct virtio_console_config c = { .pci.slot = SLOT, .ports = port,
	    .n = 2, .max_ports = 3 };
	struct error err;

	fuzz_begin(&f, data, size);
	host[0].takes = host[1].takes = 1000;
	f.more = host_does;
	rig_must(!virtio_console_new(f.r.pci, f.r.board, f.r.mem, &c, &err),
	    &err);
	virtio_fuzz(&f, 6);
	rig_fini(&f.r);
	return 0;
}
