/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hpet.c - the high precision event timers
 *
 * IA-PC HPET specification 1.0a, cited by section.  The counter does not
 * count: it follows from the time since it was started.
 */
#include "dev/hpet.h"

#include <stdlib.h>

#include "core/board.h"

#define TIMERS 3
#define PERIOD_MIN_NS 20000u	/* faster, the loop would do nothing else */
#define ROUTES 0xf00000u	/* lines 20..23 */

/* 2.3.4: 10 ns in femtoseconds; the block's id. */
#define CAPABILITIES (10000000ull << 32 | HPET_ID)

/* General configuration (2.3.5). */
#define ENABLE 1u
#define LEGACY 2u

/* A timer's configuration (2.3.8). */
#define LEVEL 0x2u
#define INT_ENABLE 0x4u
#define PERIODIC 0x8u
#define PERIODIC_CAP 0x10u
#define WIDE_CAP 0x20u
#define VALUE_SET 0x40u
#define NARROW 0x100u
#define ROUTE_SHIFT 9
#define FSB_ENABLE 0x4000u
#define FSB_CAP 0x8000u
#define WRITABLE (LEVEL | INT_ENABLE | PERIODIC | VALUE_SET | NARROW | \
	31u << ROUTE_SHIFT | FSB_ENABLE)

struct comparator {
	struct hpet *hpet;
	unsigned n;
	uint32_t config;
	uint64_t at, period, fsb;
	struct timer timer;
};

struct hpet {
	struct board *board;
	struct mem_region *region;
	struct hpet_wires wires;
	uint32_t config, status;
	uint64_t count;		/* when it was started, or stands */
	uint64_t start_ns;
	struct comparator timer[TIMERS];
};

static uint64_t
counter(const struct hpet *h)
{
	if (!(h->config & ENABLE))
		return h->count;
	return h->count + (board_now_ns(h->board) - h->start_ns) /
	    HPET_TICK_NS;
}

/* --- Interrupts (2.4) ----------------------------------------------------- */

static void
drive(struct comparator *t, bool level)
{
	struct hpet *h = t->hpet;
	unsigned route = t->config >> ROUTE_SHIFT & 31;

	if ((h->config & LEGACY) && t->n < 2)
		irq_set(t->n ? &h->wires.clock : &h->wires.timer, level);
	else if (route < 24 && (ROUTES >> route & 1))
		irq_set(&h->wires.line[route], level);
}

static bool
by_message(const struct comparator *t)
{
	return (t->config & FSB_ENABLE) && t->hpet->wires.msi.send;
}

static void
raise_irq(struct comparator *t)
{
	struct hpet *h = t->hpet;

	if (t->config & LEVEL)
		h->status |= 1u << t->n;
	if (!(t->config & INT_ENABLE) || !(h->config & ENABLE))
		return;
	if (by_message(t)) {
		h->wires.msi.send(h->wires.msi.sink, t->fsb >> 32,
		    (uint32_t)t->fsb);
	} else if (t->config & LEVEL) {
		drive(t, true);
	} else {
		drive(t, true);
		drive(t, false);
	}
}

/* A level is there while its bit is set and nothing holds it back. */
static void
follow(struct comparator *t)
{
	struct hpet *h = t->hpet;

	if (!by_message(t))
		drive(t, (t->config & LEVEL) && (t->config & INT_ENABLE) &&
		    (h->config & ENABLE) && (h->status >> t->n & 1));
}

/* --- Comparing ------------------------------------------------------------ */

static void
schedule(struct comparator *t)
{
	struct hpet *h = t->hpet;
	uint64_t now, ticks, ns;

	timer_stop(&t->timer);
	if (!(h->config & ENABLE))
		return;
	now = counter(h);
	ticks = t->config & NARROW ? (uint32_t)(t->at - now) : t->at - now;
	/* To the beginning of the tick; what lies centuries ahead never is. */
	if (__builtin_mul_overflow(ticks, (uint64_t)HPET_TICK_NS, &ns))
		return;
	ns += h->start_ns + (now - h->count) * HPET_TICK_NS;
	if (ns > INT64_MAX)
		return;
	if ((t->config & PERIODIC) && t->period * HPET_TICK_NS <
	    PERIOD_MIN_NS && ns < board_now_ns(h->board) + PERIOD_MIN_NS)
		ns = board_now_ns(h->board) + PERIOD_MIN_NS;
	timer_set(&t->timer, ns);
}

static void
fire(void *opaque)
{
	struct comparator *t = opaque;
	uint64_t behind = counter(t->hpet) - t->at;

	if (t->config & NARROW)
		behind = (uint32_t)behind;
	if (!(t->config & PERIODIC)) {
		/* With 32 bits it comes round again. */
		raise_irq(t);
		if (t->config & NARROW)
			timer_set(&t->timer, board_now_ns(t->hpet->board) +
			    ((1ull << 32) - behind) * HPET_TICK_NS);
		return;
	}
	if (t->period) {	/* what was missed is not made up */
		t->at += (behind / t->period + 1) * t->period;
		if (t->config & NARROW)
			t->at = (uint32_t)t->at;
		schedule(t);
	}
	raise_irq(t);
}

/* --- Registers ------------------------------------------------------------ */

static uint64_t
timer_get(const struct comparator *t, unsigned reg)
{
	switch (reg) {
	case 0x00:
		return (uint64_t)ROUTES << 32 | t->config | PERIODIC_CAP |
		    WIDE_CAP | (t->hpet->wires.msi.send ? FSB_CAP : 0);
	case 0x08: return t->at;
	case 0x10: return t->fsb;
	}
	return 0;
}

static uint64_t
get(const struct hpet *h, unsigned reg)
{
	switch (reg) {
	case 0x000: return CAPABILITIES;
	case 0x010: return h->config;
	case 0x020: return h->status;
	case 0x0f0: return counter(h);
	case 0x100 ... 0x100 + 0x20 * TIMERS - 1:
		return timer_get(&h->timer[(reg - 0x100) / 0x20], reg & 0x18);
	}
	return 0;
}

static void
put_config(struct hpet *h, uint32_t v)
{
	uint32_t old = h->config;

	v &= ENABLE | LEGACY;
	if ((old ^ v) & ENABLE) {
		h->count = counter(h);
		h->start_ns = board_now_ns(h->board);
	}
	if ((old ^ v) & LEGACY)
		for (unsigned i = 0; i < 2; i++)
			drive(&h->timer[i], false);
	h->config = v;
	if (((old ^ v) & LEGACY) && h->wires.legacy)
		h->wires.legacy(h->wires.opaque, v & LEGACY);
	for (unsigned i = 0; i < TIMERS; i++) {
		follow(&h->timer[i]);
		schedule(&h->timer[i]);
	}
}

static void
timer_put_config(struct comparator *t, uint32_t v)
{
	if ((t->config ^ v) & (LEVEL | 31u << ROUTE_SHIFT | FSB_ENABLE))
		drive(t, false);
	t->config = v & WRITABLE;
	if (!t->hpet->wires.msi.send)
		t->config &= ~FSB_ENABLE;
	/* 2.3.8: a route that cannot be is read back as another. */
	if (!(ROUTES >> (t->config >> ROUTE_SHIFT & 31) & 1))
		t->config &= ~(31u << ROUTE_SHIFT);
	if (t->config & NARROW) {
		t->at = (uint32_t)t->at;
		t->period = (uint32_t)t->period;
	}
	follow(t);
	schedule(t);
}

/* The comparator (2.3.9): of a periodic timer it is the period, and with
 * VALUE_SET the next match as well.  whole: the high half, too, is written. */
static void
timer_put_at(struct comparator *t, uint64_t v, bool whole)
{
	if (t->config & NARROW)
		v = (uint32_t)v;
	if (!(t->config & PERIODIC) || (t->config & VALUE_SET))
		t->at = v;
	if (t->config & PERIODIC)
		t->period = v;
	if (whole || (t->config & NARROW))
		t->config &= ~VALUE_SET;
	schedule(t);
}

static void
timer_put(struct comparator *t, unsigned reg, uint64_t v, bool whole)
{
	switch (reg) {
	case 0x00: timer_put_config(t, (uint32_t)v); break;
	case 0x08: timer_put_at(t, v, whole); break;
	case 0x10: t->fsb = v; break;
	}
}

/* mask: the bits that are written. */
static void
put(struct hpet *h, unsigned reg, uint64_t v, uint64_t mask)
{
	const struct comparator *t;
	uint64_t old = get(h, reg);

	switch (reg) {
	case 0x010:
		put_config(h, (uint32_t)((old & ~mask) | v));
		break;
	case 0x020:			/* written as 1, cleared */
		h->status &= ~(uint32_t)v;
		for (unsigned i = 0; i < TIMERS; i++)
			follow(&h->timer[i]);
		break;
	case 0x0f0:
		h->count = (old & ~mask) | v;
		h->start_ns = board_now_ns(h->board);
		for (unsigned i = 0; i < TIMERS; i++)
			schedule(&h->timer[i]);
		break;
	case 0x100 ... 0x100 + 0x20 * TIMERS - 1:
		t = &h->timer[(reg - 0x100) / 0x20];
		/* The other half of what is being set is the period's. */
		if ((reg & 0x18) == 8 && (t->config & PERIODIC))
			old = t->period;
		timer_put(&h->timer[t->n], reg & 0x18, (old & ~mask) | v,
		    mask >> 63);
		break;
	}
}

static uint64_t
mmio_read(void *dev, uint64_t off, unsigned size)
{
	return get(dev, off & 0x3f8) >> 8 * (off & 7);
}

static void
mmio_write(void *dev, uint64_t off, unsigned size, uint64_t v)
{
	uint64_t mask = size == 8 ? UINT64_MAX : UINT32_MAX;

	if (size < 4 || off & (size - 1))	/* 2.3.1: 32 or 64 bits */
		return;
	put(dev, off & 0x3f8, (v & mask) << 8 * (off & 7),
	    mask << 8 * (off & 7));
}

/* --- Making it ------------------------------------------------------------ */

void
hpet_reset(struct hpet *h)
{
	for (unsigned i = 0; i < TIMERS; i++) {
		struct comparator *t = &h->timer[i];

		drive(t, false);
		timer_stop(&t->timer);
		t->config = 0;
		t->at = UINT64_MAX;
		t->period = t->fsb = 0;
	}
	if ((h->config & LEGACY) && h->wires.legacy)
		h->wires.legacy(h->wires.opaque, false);
	h->config = h->status = 0;
	h->count = 0;
}

struct hpet *
hpet_new(struct mem *mem, struct board *board, const struct hpet_wires *wires,
    struct error *err)
{
	static const struct io_ops ops = { mmio_read, mmio_write, 1, 8 };
	struct hpet *h = calloc(1, sizeof(*h));

	if (h) {
		h->board = board;
		h->wires = *wires;
		for (unsigned i = 0; i < TIMERS; i++) {
			h->timer[i].hpet = h;
			h->timer[i].n = i;
			timer_init(&h->timer[i].timer, board, fire,
			    &h->timer[i]);
		}
		hpet_reset(h);
		h->region = mem_add_io(mem, HPET_BASE, 0x400, &ops, h, "hpet");
	}
	if (!h || !h->region) {
		error_errno(err, ENOMEM, "event timers");
		free(h);
		return NULL;
	}
	return h;
}

void
hpet_free(struct hpet *h)
{
	if (!h)
		return;
	for (unsigned i = 0; i < TIMERS; i++)
		timer_stop(&h->timer[i].timer);
	mem_remove(h->region);
	free(h);
}
