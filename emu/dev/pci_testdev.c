/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci_testdev.c - a PCI function that counts writes, for test suites
 *
 * Each of two BARs, one of memory and one of ports, begins with a header: the
 * guest chooses a test by its number, reads of what width, where and what to
 * write, writes it as often as it likes, and reads how often it was seen.
 *
 * "QEMU PCI test device" (pci-testdev specification).
 */
#include "dev/pci_testdev.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum {
	HEADER_NAME = 16,
	NAME = 32,
	WRITE_AT = 0x80,	/* of test 0; the others behind it */
	WRITE_STEP = 0x10,
	WRITE_DATA = 0x5a,
	NO_TEST = 0xff,
	MEMORY = 4096,
	PORTS = 256,
};

/* What a write has to be to count. */
static const struct { const char *name; bool any; } tests[] = {
	{ "no-eventfd", true },
	{ "wildcard-eventfd", true },
	{ "datamatch-eventfd", false },
};

struct header {
	uint8_t test, width, pad[2];
	le32 offset, data, count;
	char name[NAME];
};
_Static_assert(offsetof(struct header, name) == HEADER_NAME,
    "the header is 16 bytes and a name");

struct pci_testdev {
	struct pci_dev pci;
	struct window {
		const char *kind;
		uint8_t test;
		uint32_t count;
	} window[2];
};

static void
make_header(const struct window *w, struct header *h)
{
	memset(h, 0, sizeof(*h));
	h->test = w->test;
	le32_put(&h->count, w->count);
	if (w->test >= ARRAY_LEN(tests))
		return;
	h->width = 1;
	le32_put(&h->offset, WRITE_AT + WRITE_STEP * w->test);
	le32_put(&h->data, WRITE_DATA);
	snprintf(h->name, sizeof(h->name), "%s-%s", w->kind,
	    tests[w->test].name);
}

static uint64_t
window_read(void *opaque, uint64_t off, unsigned size)
{
	const struct window *w = opaque;
	struct header h;
	uint64_t v = 0;

	make_header(w, &h);
	if (off + size <= sizeof(h))
		memcpy(&v, (uint8_t *)&h + off, size);
	return v;
}

static void
window_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct window *w = opaque;

	if (off == 0 && size == 1) {
		w->test = value;
		w->count = 0;
	} else if (w->test < ARRAY_LEN(tests) && size == 1 &&
	    off == WRITE_AT + WRITE_STEP * (unsigned)w->test &&
	    (tests[w->test].any || value == WRITE_DATA)) {
		w->count++;
	}
}

static const struct io_ops window_ops = {
	.read = window_read,
	.write = window_write,
	.max = 4,
};

static void
reset(struct pci_dev *d)
{
	struct pci_testdev *c = (struct pci_testdev *)d;

	for (unsigned i = 0; i < 2; i++) {
		c->window[i].test = NO_TEST;
		c->window[i].count = 0;
	}
}

int
pci_testdev_new(struct pci_bus *bus, unsigned slot, const char *id,
    struct error *err)
{
	static const struct pci_id ids = { .vendor = 0x1b36, .device = 0x0005,
		.class_code = 0x00, .subclass = 0xff };
	struct pci_testdev *c = calloc(1, sizeof(*c));

	if (!c)
		return error_errno(err, ENOMEM, "pci-testdev");
	c->pci.name = "pci-testdev";
	c->pci.id = id;
	c->pci.reset = reset;
	c->window[0].kind = "mmio";
	c->window[1].kind = "portio";
	reset(&c->pci);
	c->pci.bar[0] = (struct pci_bar){ .size = MEMORY, .ops = &window_ops,
		.opaque = &c->window[0] };
	c->pci.bar[1] = (struct pci_bar){ .size = PORTS, .io = true,
		.ops = &window_ops, .opaque = &c->window[1] };
	if (pci_init(&c->pci, bus, &ids, slot, 0, err) < 0) {
		free(c);
		return -err->code;
	}
	return 0;
}
