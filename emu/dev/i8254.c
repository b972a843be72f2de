/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8254.c - the interval timer
 *
 * Intel 8254 datasheet (231164).  Nothing counts: what a counter holds and
 * whether OUT is high follow from the ticks since it was loaded or triggered.
 * Only channel 0's rising edges are events of their own.
 *
 * A count written to a counter in mode 2 or 3 is loaded when the period ends:
 * "start" then lies ahead, and until then "before" says how the old one runs.
 */
#include "dev/i8254.h"

#include <stdlib.h>
#include <string.h>

#define PERIOD_MIN_NS 20000u	/* faster, the loop would do nothing else */

/* Control words and status (datasheet: control word format, read-back). */
enum { RW_LATCH, RW_LOW, RW_HIGH, RW_BOTH };
#define NULL_COUNT 0x40u

struct run {
	uint64_t start_ns;	/* when it was loaded or triggered */
	uint32_t n;		/* initial count, 1..10000h; 0: does not count */
};

struct channel {
	uint8_t mode, rw;
	bool bcd, gate;
	uint32_t n;		/* as last written */
	struct run run, before;
	uint64_t paused;	/* ticks done when the gate went low: mode 0, 4 */
	bool is_paused;

	bool write_high, read_high;	/* the next byte */
	uint8_t low;		/* written */
	uint16_t latch;
	uint8_t latched;	/* bytes of it to be read */
	uint8_t status;
	bool status_latched;
};

struct i8254 {
	struct board *board;
	struct channel channel[3];
	struct irq out;
	bool connected, level;
	struct timer timer;
	struct bus_region *ports;
};

/* --- Time ----------------------------------------------------------------- */

static uint64_t
ticks(uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * I8254_HZ / NS_PER_S);
}

/* The first nanosecond at which so many ticks have gone. */
static uint64_t
tick_ns(uint64_t n)
{
	return (uint64_t)(((unsigned __int128)n * NS_PER_S + I8254_HZ - 1) /
	    I8254_HZ);
}

static bool
periodic(const struct channel *c)
{
	return c->mode == 2 || c->mode == 3;
}

static bool
triggered(const struct channel *c)
{
	return c->mode == 1 || c->mode == 5;
}

/* The run in force now, and its ticks so far; false: it does not count. */
static bool
elapsed(const struct i8254 *p, const struct channel *c, struct run *r,
    uint64_t *d)
{
	uint64_t now = board_now_ns(p->board);

	*r = now < c->run.start_ns ? c->before : c->run;
	if (!r->n)
		return false;
	*d = c->is_paused ? c->paused : ticks(now - r->start_ns);
	return true;
}

static bool
out(const struct i8254 *p, const struct channel *c)
{
	struct run r;
	uint64_t d;

	if (!elapsed(p, c, &r, &d))
		return c->mode != 0;
	switch (c->mode) {
	case 0:
	case 1: return d >= r.n;
	case 2: return !c->gate || d % r.n != r.n - 1;
	case 3: return !c->gate || d % r.n < (r.n + 1) / 2;
	default: return d != r.n;
	}
}

static uint16_t
count(const struct i8254 *p, const struct channel *c)
{
	uint32_t whole = c->bcd ? 10000 : 0x10000, v, half;
	struct run r;
	uint64_t d;

	if (!elapsed(p, c, &r, &d)) {
		v = c->n;
	} else if (c->mode == 2) {
		v = r.n - (uint32_t)(d % r.n);
	} else if (c->mode == 3) {	/* by twos, twice a period */
		half = (r.n + 1) / 2;
		d %= r.n;
		v = (r.n & ~1u) - 2 * (uint32_t)(d < half ? d : d - half);
	} else {			/* goes on beyond zero */
		v = (uint32_t)(r.n + whole - d % whole);
	}
	v %= whole;
	if (c->bcd)
		v = v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 |
		    v / 1000 << 12;
	return (uint16_t)v;
}

/* --- Channel 0's edges ---------------------------------------------------- */

static void
set_out(struct i8254 *p, bool level)
{
	p->level = level;
	irq_set(&p->out, level && p->connected);
}

/* When OUT rises next; false: never. */
static bool
next_rise(const struct i8254 *p, uint64_t *at)
{
	const struct channel *c = &p->channel[0];
	uint64_t now = board_now_ns(p->board), d, n;
	const struct run *r = &c->run;

	if (!r->n || c->is_paused)
		return false;
	if (now < r->start_ns) {	/* the end of the period before */
		*at = r->start_ns;
		return true;
	}
	d = ticks(now - r->start_ns);
	if (periodic(c))
		n = (d / r->n + 1) * r->n;
	else
		n = c->mode < 2 ? r->n : r->n + 1;
	if (!periodic(c) && n <= d)
		return false;
	*at = r->start_ns + tick_ns(n);
	return true;
}

static void
schedule(struct i8254 *p)
{
	uint64_t at, now = board_now_ns(p->board);

	timer_stop(&p->timer);
	if (!next_rise(p, &at))
		return;
	if (periodic(&p->channel[0]) && at < now + PERIOD_MIN_NS &&
	    p->channel[0].run.n < ticks(PERIOD_MIN_NS))
		at = now + PERIOD_MIN_NS;
	timer_set(&p->timer, at);
}

static void
fire(void *opaque)
{
	struct i8254 *p = opaque;

	/* In modes 2 and 3 the low part of the period is made up here: only
	 * the edge counts. */
	if (p->level)
		set_out(p, false);
	set_out(p, true);
	schedule(p);
}

/* The counter was loaded or stopped: what follows for OUT. */
static void
changed(struct i8254 *p, struct channel *c)
{
	if (c != &p->channel[0])
		return;
	set_out(p, out(p, c));
	schedule(p);
}

/* --- Loading -------------------------------------------------------------- */

static void
load(struct i8254 *p, struct channel *c, uint32_t n)
{
	uint64_t now = board_now_ns(p->board), d;
	struct run r;

	if (c->bcd)
		n = (n & 15) + (n >> 4 & 15) * 10 + (n >> 8 & 15) * 100 +
		    (n >> 12 & 15) * 1000;
	c->n = n ? n : c->bcd ? 10000 : 0x10000;
	if (triggered(c))
		return;
	if (periodic(c) && elapsed(p, c, &r, &d) && c->gate) {
		if (now >= c->run.start_ns)
			c->before = c->run;
		d = (d / r.n + 1) * r.n;
		c->run.start_ns = r.start_ns + tick_ns(d);
		c->run.n = c->n;
		if (c == &p->channel[0])
			schedule(p);
		return;
	}
	c->run.start_ns = now;
	c->run.n = c->n;
	c->paused = 0;
	c->is_paused = !c->gate && !periodic(c);
	changed(p, c);
}

static void
set_gate(struct i8254 *p, struct channel *c, bool on)
{
	bool rose = on && !c->gate;
	struct run r;
	uint64_t d;

	if (on == c->gate)
		return;
	if (!periodic(c) && !triggered(c)) {
		if (!on && elapsed(p, c, &r, &d)) {
			c->paused = d;
			c->is_paused = true;
		} else if (on && c->is_paused) {
			c->is_paused = false;
			c->run.start_ns = board_now_ns(p->board) -
			    tick_ns(c->paused);
		}
	}
	c->gate = on;
	if (rose && (triggered(c) || c->run.n) && c->n &&
	    (triggered(c) || periodic(c))) {
		c->run.start_ns = board_now_ns(p->board);
		c->run.n = c->n;
	}
	changed(p, c);
}

void
i8254_gate(void *i8254, bool on)
{
	struct i8254 *p = i8254;

	set_gate(p, &p->channel[2], on);
}

bool
i8254_out(void *i8254)
{
	struct i8254 *p = i8254;

	return out(p, &p->channel[2]);
}

void
i8254_connect(void *i8254, bool on)
{
	struct i8254 *p = i8254;

	p->connected = on;
	set_out(p, p->level);
}

/* --- Ports ---------------------------------------------------------------- */

static void
latch_count(struct i8254 *p, struct channel *c)
{
	if (c->latched)
		return;		/* the first one counts until it is read */
	c->latch = count(p, c);
	c->latched = c->rw == RW_BOTH ? 2 : 1;
	if (c->rw == RW_HIGH)
		c->latch >>= 8;
}

static void
latch_status(struct i8254 *p, struct channel *c)
{
	bool loaded = c->run.n == c->n && c->n &&
	    board_now_ns(p->board) >= c->run.start_ns;

	if (c->status_latched)
		return;
	c->status = (out(p, c) ? 0x80 : 0) | (loaded ? 0 : NULL_COUNT) |
	    c->rw << 4 | c->mode << 1 | c->bcd;
	c->status_latched = true;
}

static void
control(struct i8254 *p, uint8_t v)
{
	struct channel *c;
	uint8_t mode = v >> 1 & 7;

	if (v >> 6 == 3) {		/* read-back */
		for (unsigned i = 0; i < 3; i++) {
			if (!(v & 2u << i))
				continue;
			if (!(v & 0x20))
				latch_count(p, &p->channel[i]);
			if (!(v & 0x10))
				latch_status(p, &p->channel[i]);
		}
		return;
	}
	c = &p->channel[v >> 6];
	if ((v >> 4 & 3) == RW_LATCH) {
		latch_count(p, c);
		return;
	}
	c->rw = v >> 4 & 3;
	c->mode = mode > 5 ? mode & 3 : mode;	/* bit 3 does not matter */
	c->bcd = v & 1;
	c->write_high = c->read_high = c->status_latched = false;
	c->latched = 0;
	memset(&c->run, 0, sizeof(c->run));
	memset(&c->before, 0, sizeof(c->before));
	c->is_paused = false;
	c->n = 0;
	changed(p, c);
}

static void
port_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	struct i8254 *p = dev;
	struct channel *c = &p->channel[off];
	uint8_t v = (uint8_t)value;

	if (off == 3) {
		control(p, v);
		return;
	}
	switch (c->rw) {
	case RW_LOW:
		load(p, c, v);
		break;
	case RW_HIGH:
		load(p, c, (uint32_t)v << 8);
		break;
	case RW_BOTH:
		if (c->write_high) {
			load(p, c, (uint32_t)v << 8 | c->low);
		} else {
			c->low = v;
			if (c->mode == 0) {	/* stops the counting */
				c->run.n = 0;
				changed(p, c);
			}
		}
		c->write_high = !c->write_high;
		break;
	}
}

static uint64_t
port_read(void *dev, uint64_t off, unsigned size)
{
	struct i8254 *p = dev;
	struct channel *c = &p->channel[off];
	uint16_t v;

	if (off == 3)
		return 0xff;
	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	if (c->latched) {
		v = c->latch & 0xff;
		c->latch >>= 8;
		c->latched--;
		return v;
	}
	v = count(p, c);
	if (c->rw == RW_BOTH) {
		c->read_high = !c->read_high;
		return c->read_high ? v & 0xff : v >> 8;
	}
	return c->rw == RW_HIGH ? v >> 8 : v & 0xff;
}

/* --- Making it ------------------------------------------------------------ */

void
i8254_reset(struct i8254 *p)
{
	timer_stop(&p->timer);
	p->connected = true;
	for (unsigned i = 0; i < 3; i++) {
		bool gate = i < 2 || p->channel[i].gate;

		p->channel[i] = (struct channel){ .rw = RW_BOTH, .mode = 3,
		    .gate = gate };
	}
	set_out(p, false);
}

struct i8254 *
i8254_new(struct bus *bus, struct board *board, struct irq line,
    struct error *err)
{
	static const struct io_ops ops = { port_read, port_write, 1, 1 };
	struct i8254 *p = calloc(1, sizeof(*p));

	if (p) {
		p->board = board;
		p->out = line;
		timer_init(&p->timer, board, fire, p);
		i8254_reset(p);
		p->ports = bus_add(bus, 0x40, 4, &ops, p, "pit");
	}
	if (!p || !p->ports) {
		error_errno(err, ENOMEM, "interval timer");
		free(p);
		return NULL;
	}
	return p;
}

void
i8254_free(struct i8254 *p)
{
	if (!p)
		return;
	timer_stop(&p->timer);
	bus_remove(p->ports);
	free(p);
}
