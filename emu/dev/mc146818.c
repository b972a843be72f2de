/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mc146818.c - Motorola MC146818, the real-time clock
 *
 * While the clock runs nothing is stored: time is another clock plus an
 * offset, and the registers are worked out when they are read.  While it is
 * held (SET, or the divider in reset) the time stands in "held".  Flags of
 * register C are set when somebody looks: by comparing the time then with
 * the time when they were looked at last; a timer looks only when an enabled
 * interrupt makes it necessary.
 *
 * MC146818A data sheet by section name.  Century is byte 32h, as the ACPI
 * tables say (ACPI 5.2.9).
 */
#include "dev/mc146818.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"

enum {
	SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM,
	WEEKDAY, DAY, MONTH, YEAR, REG_A, REG_B, REG_C, REG_D,
	CENTURY = 0x32,
	CENTURY_PS2 = 0x37,	/* where others look */
	BYTES = 128,

	A_UPDATING = 0x80,
	A_DIVIDER = 0x70,	/* 010: runs; 11x: held in reset */
	A_RATE = 0x0f,
	B_SET = 0x80,
	B_PERIODIC = 0x40,
	B_ALARM = 0x20,
	B_UPDATE = 0x10,
	B_SQUARE = 0x08,
	B_BINARY = 0x04,
	B_24H = 0x02,
	C_IRQ = 0x80,
	C_PERIODIC = 0x40,
	C_ALARM = 0x20,
	C_UPDATE = 0x10,
	D_VALID = 0x80,

	ANY = 0xc0,		/* an alarm byte that matches always */
	UPDATE_NS = 244000,	/* the warning before an update */
	DAY_S = 24 * 60 * 60,
};

/* Nanoseconds since 1970: years 0 to 9999 do not fit 64 bits. */
typedef __int128 wide;
#define ONE_S ((wide)NS_PER_S)
#define NEVER ((wide)INT64_MAX << 32)

struct mc146818 {
	struct bus *bus;
	struct board *board;
	struct bus_region *ports;
	struct irq irq;
	bool host;
	bool cut_off;		/* from its line */
	uint8_t index;
	uint8_t byte[BYTES];	/* alarms, A, B, C and memory */
	wide offset_ns;	/* clock + offset = time shown; while it runs */
	wide held_ns;	/* time shown while it is held */
	int weekday;		/* what the guest set it off by */
	wide seen_ns;	/* when the flags of C were worked out */
	struct timer timer;
};

/* --- The calendar: days of the proleptic Gregorian one since 1970 -------- */

/* A month outside of 1..12 goes into other years, a day into other months. */
static int64_t
days_of(int64_t year, int month, int day)
{
	int64_t y = year * 12 + month - 3;	/* years begin in March here */
	int64_t m = ((y % 12) + 12) % 12;

	y = (y - m) / 12;
	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 +
	    day - 1 - 719468;
}

struct date {
	int year, month, day, weekday;	/* weekday 0 is Sunday */
	int hour, minute, second;
};

static struct date
date_of(int64_t s)
{
	int64_t days = s / DAY_S - (s % DAY_S < 0);
	int in_day = s - days * DAY_S;
	int64_t n = days + 719468;		/* since 1 March 0 */
	int64_t era = n / 146097 - (n % 146097 < 0);
	int in_era = n - era * 146097;
	int y = (in_era - in_era / 1460 + in_era / 36524 -
	    in_era / 146096) / 365;
	int in_year = in_era - (365 * y + y / 4 - y / 100);
	int m = (5 * in_year + 2) / 153;

	return (struct date){
		.year = y + era * 400 + (m >= 10),
		.month = m < 10 ? m + 3 : m - 9,
		.day = in_year - (153 * m + 2) / 5 + 1,
		.weekday = (int)(((days + 4) % 7 + 7) % 7),
		.hour = in_day / 3600,
		.minute = in_day / 60 % 60,
		.second = in_day % 60,
	};
}

/* --- Time ---------------------------------------------------------------- */

static bool
is_held(const struct mc146818 *c)
{
	return c->byte[REG_B] & B_SET || (c->byte[REG_A] & 0x60) == 0x60;
}

static wide
clock_ns(const struct mc146818 *c)
{
	struct timespec t;

	if (!c->host)
		return board_now_ns(c->board);
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * ONE_S + t.tv_nsec;
}

static wide
shown_ns(const struct mc146818 *c)
{
	return is_held(c) ? c->held_ns : clock_ns(c) + c->offset_ns;
}

/* Whole seconds, also of times before 1970. */
static int64_t
seconds_of(wide ns)
{
	return ns / ONE_S - (ns % ONE_S < 0);
}

static void
show_from_now(struct mc146818 *c, wide ns)
{
	if (is_held(c))
		c->held_ns = ns;
	else
		c->offset_ns = ns - clock_ns(c);
	c->seen_ns = ns;
}

int64_t
mc146818_time(struct mc146818 *c)
{
	return seconds_of(shown_ns(c));
}

/* --- Bytes of the time: BCD or binary, 12 or 24 hours -------------------- */

static uint8_t
coded(const struct mc146818 *c, unsigned v)
{
	return c->byte[REG_B] & B_BINARY ? v : v / 10 << 4 | v % 10;
}

static unsigned
decoded(const struct mc146818 *c, uint8_t v)
{
	return c->byte[REG_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 15);
}

static uint8_t
coded_hour(const struct mc146818 *c, unsigned hour)
{
	if (c->byte[REG_B] & B_24H)
		return coded(c, hour);
	return coded(c, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0);
}

static unsigned
decoded_hour(const struct mc146818 *c, uint8_t v)
{
	if (c->byte[REG_B] & B_24H)
		return decoded(c, v);
	return decoded(c, v & 0x7f) % 12 + (v & 0x80 ? 12 : 0);
}

static uint8_t
time_read(const struct mc146818 *c, unsigned at)
{
	struct date d = date_of(seconds_of(shown_ns(c)));

	switch (at) {
	case SECONDS:
		return coded(c, d.second);
	case MINUTES:
		return coded(c, d.minute);
	case HOURS:
		return coded_hour(c, d.hour);
	case WEEKDAY:
		return coded(c, (d.weekday + c->weekday) % 7 + 1);
	case DAY:
		return coded(c, d.day);
	case MONTH:
		return coded(c, d.month);
	case YEAR:
		return coded(c, d.year % 100);
	}
	return coded(c, d.year / 100 % 100);
}

static void
time_write(struct mc146818 *c, unsigned at, uint8_t value)
{
	wide ns = shown_ns(c);
	int64_t s = seconds_of(ns);
	int64_t part = ns - s * ONE_S;
	struct date d = date_of(s);
	int v = decoded(c, value);

	switch (at) {
	case SECONDS:
		d.second = v & 0x7f;
		break;
	case MINUTES:
		d.minute = v;
		break;
	case HOURS:
		d.hour = decoded_hour(c, value);
		break;
	case WEEKDAY:
		c->weekday = (v % 7 + 13 - d.weekday) % 7;
		return;
	case DAY:
		d.day = v;
		break;
	case MONTH:
		d.month = v;
		break;
	case YEAR:
		d.year = d.year / 100 * 100 + v % 100;
		break;
	default:
		d.year = v % 100 * 100 + d.year % 100;
	}
	/* Bytes are set one by one: the day must not run over into the next
	 * month while the month is still the old one. */
	if (at != DAY && at != HOURS && at != MINUTES && at != SECONDS) {
		int64_t last = days_of(d.year, d.month + 1, 1) -
		    days_of(d.year, d.month, 1);

		if (d.day > last)
			d.day = last;
	}
	s = days_of(d.year, d.month, d.day) * DAY_S + d.hour * 3600 +
	    d.minute * 60 + d.second;
	show_from_now(c, s * ONE_S + part);
}

/* --- Flags --------------------------------------------------------------- */

/* Period of the interrupt that register A chooses; 0: none. */
static int64_t
period_ns(const struct mc146818 *c)
{
	unsigned rate = c->byte[REG_A] & A_RATE;

	if (!rate || (c->byte[REG_A] & A_DIVIDER) != 0x20)
		return 0;
	if (rate < 3)
		rate += 7;
	return (int64_t)ONE_S * (1 << (rate - 1)) / 32768;
}

static bool
alarm_part(uint8_t byte, unsigned alarm, unsigned now)
{
	return (byte & ANY) == ANY || alarm == now;
}

/* The first second after s at which the alarm goes off, INT64_MAX: never. */
static int64_t
next_alarm(const struct mc146818 *c, int64_t s)
{
	uint8_t hb = c->byte[HOURS_ALARM], mb = c->byte[MINUTES_ALARM];
	uint8_t sb = c->byte[SECONDS_ALARM];
	unsigned hour = decoded_hour(c, hb), minute = decoded(c, mb);
	unsigned second = decoded(c, sb);
	int64_t end = s + DAY_S;

	if (((hb & ANY) != ANY && hour > 23) ||
	    ((mb & ANY) != ANY && minute > 59) ||
	    ((sb & ANY) != ANY && second > 59))
		return INT64_MAX;
	/* To the next hour, minute, second that may do: about 150 steps. */
	for (s++; s <= end; ) {
		unsigned t = (s % DAY_S + DAY_S) % DAY_S;

		if (!alarm_part(hb, hour, t / 3600))
			s += 3600 - t % 3600;
		else if (!alarm_part(mb, minute, t / 60 % 60))
			s += 60 - t % 60;
		else if (!alarm_part(sb, second, t % 60))
			s++;
		else
			return s;
	}
	return INT64_MAX;
}

static wide
sooner(wide a, wide b)
{
	return a < b ? a : b;
}

/* Brings C up to date, sets the line, and asks to be woken in time. */
static void
look(struct mc146818 *c)
{
	wide now = shown_ns(c), period = period_ns(c), next = NEVER;
	int64_t alarm;
	uint8_t on = c->byte[REG_B] & (B_PERIODIC | B_ALARM | B_UPDATE);
	uint8_t *flags = &c->byte[REG_C];

	if (now < c->seen_ns)		/* the host's clock was set back */
		c->seen_ns = now;
	if (!is_held(c)) {
		int64_t before = seconds_of(c->seen_ns), s = seconds_of(now);

		if (s != before) {
			*flags |= C_UPDATE;
			alarm = next_alarm(c, before);
			if (alarm <= s)
				*flags |= C_ALARM;
		}
		if (period && now / period != c->seen_ns / period)
			*flags |= C_PERIODIC;
		c->seen_ns = now;

		if (period && on & B_PERIODIC)
			next = (now / period + 1) * period;
		if (on & B_UPDATE)
			next = sooner(next, (s + 1) * ONE_S);
		if (on & B_ALARM && (alarm = next_alarm(c, s)) != INT64_MAX)
			next = sooner(next, alarm * ONE_S);
	}
	*flags &= C_PERIODIC | C_ALARM | C_UPDATE;
	if (*flags & on)
		*flags |= C_IRQ;
	if (!c->cut_off)
		irq_set(&c->irq, *flags & C_IRQ);
	if (next == NEVER)
		timer_stop(&c->timer);
	else
		timer_set(&c->timer, board_now_ns(c->board) +
		    (uint64_t)(next - now));
}

static void
fire(void *opaque)
{
	look(opaque);
}

/* --- Ports --------------------------------------------------------------- */

static uint64_t
port_read(void *opaque, uint64_t off, unsigned size)
{
	struct mc146818 *c = opaque;
	wide ns;
	uint8_t v;

	if (off == 0)
		return 0xff;
	switch (c->index) {
	case SECONDS:
	case MINUTES:
	case HOURS:
	case WEEKDAY:
	case DAY:
	case MONTH:
	case YEAR:
	case CENTURY:
	case CENTURY_PS2:
		return time_read(c, c->index);
	case REG_A:
		v = c->byte[REG_A];
		ns = shown_ns(c);
		ns -= seconds_of(ns) * ONE_S;
		if (!is_held(c) && ns >= ONE_S - UPDATE_NS)
			v |= A_UPDATING;
		return v;
	case REG_C:
		look(c);
		v = c->byte[REG_C];
		c->byte[REG_C] = 0;
		look(c);
		return v;
	case REG_D:
		return D_VALID;
	}
	return c->byte[c->index];
}

/* SET and the divider stop the clock where it is and let it go on from there;
 * after a divider reset the first update comes half a second later. */
static void
control_write(struct mc146818 *c, unsigned at, uint8_t value)
{
	wide ns = shown_ns(c);
	bool divider = (c->byte[REG_A] & 0x60) == 0x60;

	look(c);
	c->byte[at] = value;
	if (divider && (c->byte[REG_A] & 0x60) != 0x60)
		ns = seconds_of(ns) * ONE_S + ONE_S / 2;
	show_from_now(c, ns);
	look(c);
}

static void
port_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct mc146818 *c = opaque;

	if (off == 0) {
		c->index = value & 0x7f;
		return;
	}
	switch (c->index) {
	case SECONDS:
	case MINUTES:
	case HOURS:
	case WEEKDAY:
	case DAY:
	case MONTH:
	case YEAR:
	case CENTURY:
	case CENTURY_PS2:
		look(c);
		time_write(c, c->index, value);
		look(c);
		break;
	case SECONDS_ALARM:
	case MINUTES_ALARM:
	case HOURS_ALARM:
		look(c);
		c->byte[c->index] = value;
		look(c);
		break;
	case REG_A:
		control_write(c, REG_A, value & 0x7f);
		break;
	case REG_B:
		control_write(c, REG_B, value & B_SET ? value & ~B_UPDATE :
		    value);
		break;
	case REG_C:
	case REG_D:
		break;
	default:
		c->byte[c->index] = value;
	}
}

static const struct io_ops ops = {
	.read = port_read,
	.write = port_write,
	.max = 1,
};

/* --- The chip ------------------------------------------------------------ */

void
mc146818_put(struct mc146818 *c, unsigned at, uint8_t value)
{
	if (at > REG_D && at < BYTES)
		c->byte[at] = value;
}

uint8_t
mc146818_get(const struct mc146818 *c, unsigned at)
{
	return at < BYTES ? c->byte[at] : 0xff;
}

void
mc146818_connect(struct mc146818 *c, bool on)
{
	c->cut_off = false;
	if (on) {
		look(c);
	} else {
		irq_set(&c->irq, false);
		c->cut_off = true;
	}
}

/* RESET: interrupts and square wave are off, flags are clear. */
void
mc146818_reset(struct mc146818 *c)
{
	look(c);
	c->byte[REG_B] &= ~(B_PERIODIC | B_ALARM | B_UPDATE | B_SQUARE);
	c->byte[REG_C] = 0;
	c->index = 0;
	look(c);
}

struct mc146818 *
mc146818_new(struct bus *bus, struct board *board,
    const struct mc146818_config *config, struct error *err)
{
	struct mc146818 *c = calloc(1, sizeof(*c));

	if (!c) {
		error_errno(err, ENOMEM, "mc146818");
		return NULL;
	}
	c->bus = bus;
	c->board = board;
	c->host = config->host;
	c->irq = config->irq;
	c->byte[REG_A] = 0x26;		/* runs; 1024 Hz */
	c->byte[REG_B] = B_24H;
	timer_init(&c->timer, board, fire, c);
	show_from_now(c, config->start * ONE_S);
	c->ports = bus_add(bus, 0x70, 2, &ops, c, "rtc");
	if (!c->ports) {
		error_errno(err, ENOMEM, "mc146818");
		mc146818_free(c);
		return NULL;
	}
	return c;
}

void
mc146818_free(struct mc146818 *c)
{
	if (!c)
		return;
	timer_stop(&c->timer);
	bus_remove(c->ports);
	free(c);
}
