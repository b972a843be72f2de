/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix3.c - Intel 82371SB, function 0: PCI to ISA bridge
 *
 * Interrupt lines end here and go on to whatever the board has for them: each
 * of the 16 outputs is high while its ISA device or one of the PIRQ lines
 * routed to it is.  The edge/level register and the interrupt controllers
 * are chips of their own.
 *
 * Intel 82371FB/82371SB datasheet (order number 290550), section 2.2.
 */
#include "dev/piix3.h"

#include <stdlib.h>
#include <string.h>

#include "dev/pci_regs.h"

enum {
	XBCS = 0x4e,		/* 2.2.6 */
	PIRQRC = 0x60,		/* 2.2.8: four */
	PIRQ_OFF = 0x80,
	RESET_HARD = 0x02,	/* CF9h, 2.5.5.1 */
	RESET_CPU = 0x04,
};

struct piix3 {
	struct pci_dev pci;
	struct piix3_wires wires;
	bool isa[16], pirq[4];	/* inputs */
	bool out[16];
	uint8_t reset_control;
};

/* Only these can be given a PIRQ (2.2.8). */
static bool
can_route(unsigned irq)
{
	return 0xdef8 >> irq & 1;
}

static void
update(struct piix3 *c)
{
	bool out[16];

	memcpy(out, c->isa, sizeof(out));
	for (unsigned i = 0; i < 4; i++) {
		uint8_t route = c->pci.config[PIRQRC + i];

		if (!(route & PIRQ_OFF) && can_route(route & 15))
			out[route & 15] |= c->pirq[i];
	}
	for (unsigned i = 0; i < 16; i++) {
		if (out[i] != c->out[i]) {
			c->out[i] = out[i];
			irq_set(&c->wires.isa[i], out[i]);
		}
	}
}

static void
set_isa(void *sink, unsigned n, bool level)
{
	struct piix3 *c = sink;

	if (c->isa[n] != level) {
		c->isa[n] = level;
		update(c);
	}
}

struct irq
piix3_isa_irq(struct piix3 *c, unsigned n)
{
	return (struct irq){ .set = set_isa, .sink = c, .n = n & 15 };
}

void
piix3_pirq(struct piix3 *c, unsigned line, bool level)
{
	c->pirq[line & 3] = level;
	update(c);
}

static void
config_written(struct pci_dev *d, unsigned off, unsigned n)
{
	if (off < PIRQRC + 4 && off + n > PIRQRC)
		update((struct piix3 *)d);
}

/* --- CF9h: the reset happens when the CPU bit rises ----------------------- */

static uint64_t
cf9_read(void *opaque, uint64_t off, unsigned size)
{
	struct piix3 *c = opaque;

	return c->reset_control;
}

static void
cf9_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct piix3 *c = opaque;
	bool rises = value & RESET_CPU && !(c->reset_control & RESET_CPU);

	c->reset_control = value & (RESET_HARD | RESET_CPU);
	if (rises)
		irq_set(&c->wires.reset, true);
}

static const struct io_ops cf9_ops = {
	.read = cf9_read,
	.write = cf9_write,
};

/* --- Values after reset: the datasheet's defaults ------------------------- */

static void
reset(struct pci_dev *d)
{
	struct piix3 *c = (struct piix3 *)d;
	static const struct { uint8_t reg, value; } defaults[] = {
		{ PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY |
		    PCI_COMMAND_MASTER },
		{ 0x4c, 0x4d }, { XBCS, 0x03 }, { XBCS + 1, 0 },
		{ 0x60, 0x80 }, { 0x61, 0x80 }, { 0x62, 0x80 },
		{ 0x63, 0x80 }, { 0x69, 0x02 }, { 0x6a, 0 }, { 0x70, 0x80 },
		{ 0x71, 0 }, { 0x76, 0x0c }, { 0x77, 0x0c }, { 0x78, 0x02 },
		{ 0x79, 0 }, { 0x80, 0 }, { 0x82, 0 }, { 0xa0, 0x08 },
		{ 0xa2, 0 }, { 0xa3, 0 }, { 0xa4, 0 }, { 0xa5, 0 },
		{ 0xa6, 0 }, { 0xa7, 0 }, { 0xa8, 0x0f }, { 0xaa, 0 },
		{ 0xab, 0 }, { 0xac, 0 }, { 0xae, 0 },
	};

	for (unsigned i = 0; i < sizeof(defaults) / sizeof(*defaults); i++)
		d->config[defaults[i].reg] = defaults[i].value;
	c->reset_control = 0;
	irq_set(&c->wires.reset, false);
	update(c);
}

struct piix3 *
piix3_new(struct pci_bus *bus, const struct piix3_wires *wires,
    struct error *err)
{
	static const struct pci_id id = { .vendor = 0x8086, .device = 0x7000,
		.class_code = 0x06, .subclass = 0x01 };
	/* 2.2.3 to 2.2.16; what has no effect here still keeps its bits. */
	static const struct { uint8_t reg, mask; } writable[] = {
		{ 0x4c, 0xff }, { XBCS, 0xff }, { XBCS + 1, 0x01 },
		{ 0x60, 0x8f }, { 0x61, 0x8f }, { 0x62, 0x8f },
		{ 0x63, 0x8f }, { 0x69, 0xfe }, { 0x6a, 0x81 }, { 0x70, 0xef },
		{ 0x76, 0x8f }, { 0x77, 0x8f }, { 0x78, 0xff }, { 0x79, 0xff },
		{ 0x80, 0x7f }, { 0x82, 0x0f }, { 0xa0, 0x1f }, { 0xa2, 0xff },
		{ 0xa3, 0x01 }, { 0xa4, 0xff }, { 0xa5, 0xff }, { 0xa6, 0xff },
		{ 0xa7, 0xff }, { 0xa8, 0xff }, { 0xac, 0xff }, { 0xae, 0xff },
	};
	struct piix3 *c = calloc(1, sizeof(*c));

	if (!c) {
		error_errno(err, ENOMEM, "piix3");
		return NULL;
	}
	c->pci.name = "PIIX3";
	c->pci.config_written = config_written;
	c->pci.reset = reset;
	c->wires = *wires;
	if (pci_init(&c->pci, bus, &id, 1, 0, err) < 0) {
		free(c);
		return NULL;
	}
	/* The header says "several functions" even before they are there. */
	c->pci.config[PCI_HEADER] = 0x80;
	c->pci.config[PCI_STATUS + 1] = PCI_STATUS_MEDIUM >> 8;
	c->pci.writable[PCI_COMMAND] = 0;
	c->pci.writable[PCI_COMMAND + 1] = PCI_COMMAND_SERR >> 8;
	for (unsigned i = 0; i < sizeof(writable) / sizeof(*writable); i++)
		c->pci.writable[writable[i].reg] = writable[i].mask;
	pci_bus_cf9(bus, &cf9_ops, c);
	reset(&c->pci);
	return c;
}
