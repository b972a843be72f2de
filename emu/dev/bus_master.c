/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bus_master.c - the bus master of one IDE channel: registers and its table
 *
 * The table lies in guest memory and is the guest's to change at any time:
 * each entry is read once, into bm_walk.  It may name the same memory a
 * thousand times, or two bytes at a time; a step takes at most BM_SEGS entries
 * and a table has at most as many as fit into the 64 KiB it must not cross.
 */
#include "dev/ide.h"

#include <string.h>

#include "base/bytes.h"
#include "dev/pci.h"

/* Command and status register, 2.1 and 2.2 of the programming interface. */
enum { START = 0x01, TO_MEMORY = 0x08 };
enum { ACTIVE = 0x01, FAILED = 0x02, INTERRUPT = 0x04, CAPABLE = 0x60 };

enum { TABLE_ENTRIES = 64 * 1024 / 8, PAGE_PARTS = 18 };

struct prd {			/* 1.2, physical region descriptor */
	le32 base;		/* bit 0 is 0 */
	le16 count;		/* 0: 64 KiB; bit 0 is 0 */
	le16 flags;		/* bit 15: the last */
};
_Static_assert(sizeof(struct prd) == 8, "physical region descriptor");

void bm_reset(struct bus_master *b)
{
	b->command = b->status = 0;
	b->table = 0;
	memset(&b->walk, 0, sizeof(b->walk));
}

bool bm_running(const struct bus_master *b)
{
	return b->command & START && b->status & ACTIVE && !b->in_use &&
	    pci_may_dma(b->pci);
}

uint32_t bm_read(const struct bus_master *b, unsigned off, unsigned size)
{
	uint8_t reg[8] = { b->command, 0xff, b->status, 0xff };
	uint32_t v = 0;

	le32_put((le32 *)(reg + 4), b->table);
	for (unsigned i = 0; i < size; i++)
		v |= (uint32_t)(off + i < 8 ? reg[off + i] : 0xff) << 8 * i;
	return v;
}

static bool write_byte(struct bus_master *b, unsigned off, uint8_t v)
{
	bool started = false;

	switch (off) {
	case 0:
		if (v & START && !(b->command & START)) {
			b->walk = (struct bm_walk){ .next = b->table };
			b->status |= ACTIVE;
			started = true;
		} else if (!(v & START)) {
			b->status &= ~ACTIVE;
		}
		b->command = v & (START | TO_MEMORY);
		break;
	case 2:
		b->status = (b->status & (ACTIVE | FAILED | INTERRUPT) &
		    ~(v & (FAILED | INTERRUPT))) | (v & CAPABLE);
		break;
	case 4:
		v &= ~3;
		/* fallthrough */
	case 5: case 6: case 7:
		b->table &= ~(0xffu << 8 * (off - 4));
		b->table |= (uint32_t)v << 8 * (off - 4);
		break;
	}
	return started;
}

bool bm_write(struct bus_master *b, unsigned off, unsigned size, uint32_t v)
{
	bool started = false;

	for (unsigned i = 0; i < size; i++)
		started |= write_byte(b, off + i, v >> 8 * i);
	return started;
}

/* The entry after the current one: 1, 0 after the last, -EFAULT. */
static int next_entry(struct bus_master *b, struct bm_walk *w)
{
	struct prd e;
	unsigned count;

	if (w->last || w->entries == TABLE_ENTRIES)
		return 0;
	if (!mem_read(b->mem, w->next, &e, sizeof(e)))
		return -EFAULT;
	w->entries++;
	w->next += sizeof(e);
	w->gpa = le32_get(e.base) & ~1u;
	count = le16_get(e.count) & ~1u;
	w->left = count ? count : 64 * 1024;
	w->last = le16_get(e.flags) & 0x8000;
	return 1;
}

int64_t bm_next(struct bus_master *b, uint64_t max, unsigned unit)
{
	struct bm_walk w = b->walk, good = w;
	uint64_t total = 0, good_total = 0;
	unsigned n = 0, parts = 0;
	uint32_t good_len = 0;
	int rc;

	b->segs = 0;
	b->iovs = 0;
	while (total < max && n < BM_SEGS && parts + PAGE_PARTS <= BM_IOVS) {
		uint64_t to;
		uint32_t len;

		if (!w.left) {
			rc = next_entry(b, &w);
			if (rc < 0)
				return rc;
			if (!rc)
				break;
		}
		len = (uint32_t)min64(w.left, max - total);
		/* Entries wrap no more than addresses do. */
		if (len > 0x100000000ull - w.gpa)
			return -EFAULT;
		parts += (len >> PAGE_BITS) + 2;
		b->seg[n++] = (struct bm_seg){ w.gpa, len };
		to = align_down(total + len, unit);
		if (to > total) {
			good = w;
			good_len = (uint32_t)(to - total);
			good.gpa += good_len;
			good.left -= good_len;
			good_total = to;
			b->segs = n;
		}
		total += len;
		w.gpa += len;
		w.left -= len;
	}
	if (!good_total) {
		/* Pieces too small for one unit are more than we follow. */
		if (n == BM_SEGS || parts + PAGE_PARTS > BM_IOVS)
			return -EFAULT;
		b->status &= ~ACTIVE;
		return 0;
	}
	b->seg[b->segs - 1].len = good_len;
	b->walk = good;
	for (unsigned i = 0; i < b->segs; i++)
		if (!mem_iov(b->mem, b->seg[i].gpa, b->seg[i].len, b->iov,
		    &b->iovs, BM_IOVS))
			return -EFAULT;
	return (int64_t)good_total;
}

void bm_wrote(struct bus_master *b)
{
	for (unsigned i = 0; i < b->segs; i++)
		mem_written(b->mem, b->seg[i].gpa, b->seg[i].len);
}

int64_t bm_copy(struct bus_master *b, void *buf, uint64_t len, bool to_memory)
{
	uint8_t *p = buf;
	uint64_t done = 0;

	while (done < len) {
		int64_t n = bm_next(b, len - done, 1);

		if (n < 0)
			return n;
		if (!n)
			break;
		for (unsigned i = 0; i < b->segs; i++) {
			const struct bm_seg *s = &b->seg[i];

			if (to_memory ?
			    !mem_write(b->mem, s->gpa, p + done, s->len) :
			    !mem_read(b->mem, s->gpa, p + done, s->len))
				return -EFAULT;
			done += s->len;
		}
	}
	return (int64_t)done;
}

/* 3.1: active stays set where the table has more than the drive wanted. */
void bm_end(struct bus_master *b, bool failed)
{
	if (failed)
		b->status |= FAILED;
	if (failed || (b->walk.last && !b->walk.left))
		b->status &= ~ACTIVE;
}
