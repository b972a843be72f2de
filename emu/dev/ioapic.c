/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ioapic.c - the I/O APIC
 *
 * Intel 82093AA datasheet (290566), chapter 3, as version 20h: with the EOI
 * register that later chipsets have (ICH9 datasheet, 13.5.6).
 */
#include "dev/ioapic.h"

#include <stdlib.h>

/* Memory-mapped registers (3.1). */
#define IOREGSEL 0x00
#define IOWIN 0x10
#define EOIR 0x40

/* Indirect registers (3.2). */
#define IOAPICID 0x00
#define IOAPICVER 0x01
#define IOAPICARB 0x02
#define IOREDTBL 0x10

#define VERSION (0x20 | (IOAPIC_LINES - 1) << 16)

/* A redirection entry (3.2.4). */
#define VECTOR 0xffull
#define MODE 0x700ull
#define LOGICAL 0x800ull
#define ACTIVE_LOW 0x2000ull
#define REMOTE_IRR 0x4000ull
#define LEVEL 0x8000ull
#define MASKED 0x10000ull
#define WRITABLE 0xff0000000001afffull
#define FIXED 0
#define LOWEST 1

struct ioapic {
	struct mem_region *region;
	struct msi_sink sink;
	uint8_t select, id;
	uint64_t entry[IOAPIC_LINES];
	uint32_t lines;		/* as they are asserted, whatever the polarity */
	void (*changed)(void *opaque);
	void *opaque;
};

/* An entry as a message (SDM 3A, 11.11). */
static void
message(uint64_t e, uint64_t *addr, uint32_t *data)
{
	*addr = 0xfee00000ull | (e >> 56) << 12 | (e & LOGICAL ? 4 : 0);
	*data = (uint32_t)(e & (VECTOR | MODE)) |
	    (e & LEVEL ? 0xc000u : 0);
}

static void
send(struct ioapic *a, unsigned n)
{
	uint64_t addr, e = a->entry[n];
	uint32_t data;

	message(e, &addr, &data);
	/* Only fixed and lowest priority are ended by an EOI. */
	if (e & LEVEL && (e >> 8 & 7) <= LOWEST)
		a->entry[n] |= REMOTE_IRR;
	a->sink.send(a->sink.sink, addr, data);
}

/* A level that is there, not masked and not on its way yet is sent. */
static void
look(struct ioapic *a, unsigned n)
{
	uint64_t e = a->entry[n];

	if ((e & LEVEL) && !(e & (MASKED | REMOTE_IRR)) &&
	    a->lines >> n & 1)
		send(a, n);
}

/* Lines say whether the device asks; what is high or low on the board's wires
 * (polarity) the guest may say as it likes. */
static void
set_line(void *sink, unsigned n, bool level)
{
	struct ioapic *a = sink;
	uint32_t bit = 1u << n;
	bool was = a->lines & bit;

	if (was == level)
		return;
	a->lines ^= bit;
	if (!level)
		return;
	if (a->entry[n] & LEVEL)
		look(a, n);
	else if (!(a->entry[n] & MASKED))
		send(a, n);	/* an edge that is masked is lost (3.2.4) */
}

struct irq
ioapic_line(struct ioapic *a, unsigned n)
{
	struct irq none = { NULL, NULL, 0 };

	return n < IOAPIC_LINES ? (struct irq){ set_line, a, n } : none;
}

void
ioapic_eoi(struct ioapic *a, uint8_t vector)
{
	/* All entries first: sending one again must not end it. */
	uint32_t ended = 0;

	for (unsigned n = 0; n < IOAPIC_LINES; n++)
		if ((a->entry[n] & REMOTE_IRR) &&
		    (a->entry[n] & VECTOR) == vector) {
			a->entry[n] &= ~REMOTE_IRR;
			ended |= 1u << n;
		}
	for (unsigned n = 0; n < IOAPIC_LINES; n++)
		if (ended >> n & 1)
			look(a, n);
}

/* --- Registers ------------------------------------------------------------ */

static void
put_entry(struct ioapic *a, unsigned n, uint64_t v)
{
	uint64_t *e = &a->entry[n];

	*e = (v & WRITABLE) | (*e & REMOTE_IRR);
	/* As an edge nothing is on its way: the way software without an EOI
	 * register has of clearing a stuck one. */
	if (!(*e & LEVEL))
		*e &= ~REMOTE_IRR;
	look(a, n);
	if (a->changed)
		a->changed(a->opaque);
}

static uint32_t
get(const struct ioapic *a, unsigned reg)
{
	switch (reg) {
	case IOAPICID:
	case IOAPICARB:
		return (uint32_t)a->id << 24;
	case IOAPICVER:
		return VERSION;
	case IOREDTBL ... IOREDTBL + 2 * IOAPIC_LINES - 1:
		reg -= IOREDTBL;
		return (uint32_t)(a->entry[reg / 2] >> (reg & 1) * 32);
	}
	return UINT32_MAX;
}

static void
put(struct ioapic *a, unsigned reg, uint32_t v)
{
	uint64_t e;

	switch (reg) {
	case IOAPICID:
		a->id = v >> 24 & 15;
		break;
	case IOREDTBL ... IOREDTBL + 2 * IOAPIC_LINES - 1:
		reg -= IOREDTBL;
		e = a->entry[reg / 2];
		e = reg & 1 ? (e & UINT32_MAX) | (uint64_t)v << 32 :
		    (e & ~(uint64_t)UINT32_MAX) | v;
		put_entry(a, reg / 2, e);
		break;
	}
}

static uint64_t
mmio_read(void *dev, uint64_t off, unsigned size)
{
	struct ioapic *a = dev;
	uint64_t v = 0;

	switch (off & 0xf0) {
	case IOREGSEL: v = a->select; break;
	case IOWIN: v = get(a, a->select); break;
	}
	return v >> 8 * (off & 15);
}

static void
mmio_write(void *dev, uint64_t off, unsigned size, uint64_t v)
{
	struct ioapic *a = dev;

	/* 3.1: registers are written as 32 bits; the selector is a byte. */
	switch (off) {
	case IOREGSEL: a->select = (uint8_t)v; break;
	case IOWIN:
		if (size == 4)
			put(a, a->select, (uint32_t)v);
		break;
	case EOIR: ioapic_eoi(a, (uint8_t)v); break;
	}
}

/* --- Making it ------------------------------------------------------------ */

void
ioapic_watch(struct ioapic *a, void (*changed)(void *opaque), void *opaque)
{
	a->changed = changed;
	a->opaque = opaque;
}

void
ioapic_entry(const struct ioapic *a, unsigned n, uint64_t *addr,
    uint32_t *data, bool *masked)
{
	message(a->entry[n], addr, data);
	*masked = a->entry[n] & MASKED;
}

void
ioapic_reset(struct ioapic *a)
{
	a->select = a->id = 0;
	for (unsigned n = 0; n < IOAPIC_LINES; n++)
		a->entry[n] = MASKED;
}

struct ioapic *
ioapic_new(struct mem *mem, struct msi_sink sink, struct error *err)
{
	static const struct io_ops ops = { mmio_read, mmio_write, 1, 4 };
	struct ioapic *a = calloc(1, sizeof(*a));

	if (a) {
		a->sink = sink;
		ioapic_reset(a);
		a->region = mem_add_io(mem, IOAPIC_BASE, PAGE_SIZE, &ops, a,
		    "ioapic");
	}
	if (!a || !a->region) {
		error_errno(err, ENOMEM, "I/O APIC");
		free(a);
		return NULL;
	}
	return a;
}

void
ioapic_free(struct ioapic *a)
{
	if (!a)
		return;
	mem_remove(a->region);
	free(a);
}
