/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8237.c - the ISA DMA controllers: two 8237A and the page registers
 *
 * Registers as in Intel's 8237A data sheet (231466), wiring as in the PIIX3's
 * (290550, 2.1.1): the second controller counts words and its first channel
 * is the cascade.  An address goes round within its 64 Ki of bytes or words.
 */
#include "dev/i8237.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum { OFF = 0x04 };				/* command */
enum { AUTO = 0x10, DOWN = 0x20, TYPE = 0x0c, VERIFY = 0x00,
	WRITE_MEMORY = 0x04, READ_MEMORY = 0x08 };	/* mode */

struct channel {
	uint16_t base, base_count, at, count;
	uint8_t mode, page;
	bool masked;
	void (*go)(void *opaque);
	void *opaque;
};

struct half {
	struct i8237 *dma;
	unsigned first;		/* its first channel */
	unsigned shift;		/* ports and addresses: 0, 1 for words */
	uint8_t command, status;
	bool high;		/* the next byte is the upper one */
};

struct i8237 {
	struct mem *mem;
	struct half half[2];
	struct channel channel[8];
	uint8_t latch[16];	/* ports 80h-8Fh as written */
	struct bus_region *region[3];
};

static void mask(struct half *h, unsigned n, bool on)
{
	struct channel *c = &h->dma->channel[h->first + n];
	bool before = c->masked;

	c->masked = on;
	if (before && !on && c->go)
		c->go(c->opaque);
}

static void half_reset(struct half *h)
{
	h->command = h->status = 0;
	h->high = false;
	for (unsigned i = 0; i < 4; i++)
		h->dma->channel[h->first + i].masked = true;
}

/* ---- registers */

static uint64_t half_read(void *opaque, uint64_t off, unsigned size)
{
	struct half *h = opaque;
	unsigned reg = (unsigned)off >> h->shift;
	const struct channel *c = &h->dma->channel[h->first + (reg >> 1 & 3)];
	uint8_t v = 0;
	uint16_t word;

	switch (reg) {
	case 0: case 1: case 2: case 3: case 4: case 5: case 6: case 7:
		word = reg & 1 ? c->count : c->at;
		v = h->high ? word >> 8 : word & 0xff;
		h->high = !h->high;
		return v;
	case 8:
		v = h->status;
		h->status &= 0xf0;	/* reading clears the end marks */
		return v;
	case 15:
		for (unsigned i = 0; i < 4; i++)
			v |= h->dma->channel[h->first + i].masked << i;
		return v | 0xf0;
	}
	return 0;
}

static void put_half(uint16_t *word, bool high, uint8_t v)
{
	*word = high ? (*word & 0xff) | v << 8 : (*word & 0xff00) | v;
}

static void half_write(void *opaque, uint64_t off, unsigned size, uint64_t v)
{
	struct half *h = opaque;
	unsigned reg = (unsigned)off >> h->shift, n = reg >> 1 & 3;
	struct channel *c = &h->dma->channel[h->first + n];
	uint8_t b = v;

	switch (reg) {
	case 0: case 1: case 2: case 3: case 4: case 5: case 6: case 7:
		put_half(reg & 1 ? &c->base_count : &c->base, h->high, b);
		c->at = c->base;
		c->count = c->base_count;
		h->high = !h->high;
		break;
	case 8:
		h->command = b;
		break;
	case 9:			/* requests by software: memory to memory only */
		break;
	case 10:
		mask(h, b & 3, b & 4);
		break;
	case 11:
		h->dma->channel[h->first + (b & 3)].mode = b;
		break;
	case 12:
		h->high = false;
		break;
	case 13:
		half_reset(h);
		break;
	case 14:
		for (unsigned i = 0; i < 4; i++)
			mask(h, i, false);
		break;
	case 15:
		for (unsigned i = 0; i < 4; i++)
			mask(h, i, b >> i & 1);
		break;
	}
}

static const struct io_ops half_ops = { half_read, half_write, 1, 1 };

/* Which channel's page a port of 80h-8Fh holds; the others hold a byte. */
static int channel_of_page(uint64_t off)
{
	static const int8_t of[16] = { -1, 2, 3, 1, -1, -1, -1, 0,
	    -1, 6, 7, 5, -1, -1, -1, -1 };

	return of[off & 15];
}

static uint64_t page_read(void *opaque, uint64_t off, unsigned size)
{
	return ((struct i8237 *)opaque)->latch[off & 15];
}

static void page_write(void *opaque, uint64_t off, unsigned size, uint64_t v)
{
	struct i8237 *d = opaque;
	int n = channel_of_page(off);

	d->latch[off & 15] = v;
	if (n >= 0)
		d->channel[n].page = v;
}

static const struct io_ops page_ops = { page_read, page_write, 1, 1 };

/* ---- transfers */

static bool move_piece(struct i8237 *d, uint64_t gpa, uint8_t *buf,
    unsigned len, const struct channel *c, bool to_memory)
{
	if ((c->mode & TYPE) == VERIFY) {
		if (!to_memory)
			memset(buf, 0, len);
		return true;
	}
	return to_memory ? mem_write(d->mem, gpa, buf, len) :
	    mem_read(d->mem, gpa, buf, len);
}

/* Units (bytes or words) that can go at once: to the end of the count, of buf
 * and of the 64 Ki; one by one downwards. */
static unsigned run_length(const struct channel *c, unsigned want)
{
	unsigned n = (unsigned)min64(want, (unsigned)c->count + 1);

	if (c->mode & DOWN)
		return 1;
	return (unsigned)min64(n, 0x10000 - c->at);
}

unsigned i8237_move(struct i8237 *d, unsigned channel, void *buf, unsigned len,
    bool to_memory, bool *end)
{
	struct channel *c = &d->channel[channel & 7];
	struct half *h = &d->half[channel >> 2 & 1];
	unsigned type = c->mode & TYPE, done = 0;

	*end = false;
	if (c->masked || h->command & OFF || (type != VERIFY &&
	    type != (to_memory ? WRITE_MEMORY : READ_MEMORY)))
		return 0;
	while (!*end && len - done >= 1u << h->shift) {
		unsigned n = run_length(c, (len - done) >> h->shift);
		uint64_t gpa = h->shift ?
		    (uint64_t)(c->page & 0xfe) << 16 | (uint64_t)c->at << 1 :
		    (uint64_t)c->page << 16 | c->at;

		/* Where there is no RAM it is lost, and reads as ones. */
		move_piece(d, gpa, (uint8_t *)buf + done, n << h->shift, c,
		    to_memory);
		done += n << h->shift;
		c->at += c->mode & DOWN ? -n : n;
		if (n <= c->count) {
			c->count -= n;
			continue;
		}
		*end = true;
		h->status |= 1 << (channel & 3);
		if (c->mode & AUTO) {
			c->at = c->base;
			c->count = c->base_count;
		} else {
			c->count = 0xffff;
			c->masked = true;
		}
	}
	return done;
}

/* ---- the chip */

void i8237_attach(struct i8237 *d, unsigned channel, void (*go)(void *opaque),
    void *opaque)
{
	d->channel[channel & 7].go = go;
	d->channel[channel & 7].opaque = opaque;
}

void i8237_reset(struct i8237 *d)
{
	half_reset(&d->half[0]);
	half_reset(&d->half[1]);
	memset(d->latch, 0, sizeof(d->latch));
	for (unsigned i = 0; i < 8; i++)
		d->channel[i].page = 0;
}

struct i8237 *i8237_new(struct bus *bus, struct mem *mem, struct error *err)
{
	struct i8237 *d = calloc(1, sizeof(*d));

	if (!d)
		goto fail;
	d->mem = mem;
	d->half[0] = (struct half){ .dma = d, .first = 0, .shift = 0 };
	d->half[1] = (struct half){ .dma = d, .first = 4, .shift = 1 };
	i8237_reset(d);
	d->region[0] = bus_add(bus, 0x00, 16, &half_ops, &d->half[0], "dma1");
	d->region[1] = bus_add(bus, 0xc0, 32, &half_ops, &d->half[1], "dma2");
	d->region[2] = bus_add(bus, 0x80, 16, &page_ops, d, "dma-page");
	if (d->region[0] && d->region[1] && d->region[2])
		return d;
fail:
	error_set(err, ENOMEM, "no memory for the DMA controllers");
	i8237_free(d);
	return NULL;
}

void i8237_free(struct i8237 *d)
{
	if (!d)
		return;
	for (unsigned i = 0; i < 3; i++)
		bus_remove(d->region[i]);
	free(d);
}
