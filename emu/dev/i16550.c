/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i16550.c - National PC16550D, a serial port with FIFOs
 *
 * What the guest sends goes to the back end at once, whatever the baud rate:
 * the transmitter is empty again before the guest can look, so printing costs
 * an interrupt for 16 characters and no waiting.  Only when the back end
 * takes no more do characters stay in the FIFO.  What is received is fetched
 * as there is room, so nothing is ever overrun.
 *
 * PC16550D data sheet, section 8 (registers) by number.
 */
#include "dev/i16550.h"

#include <stdlib.h>
#include <string.h>

enum {
	FIFO = 16,
	/* 8.6.1 interrupt enable */
	IER_RECEIVE = 1, IER_TRANSMIT = 2, IER_LINE = 4, IER_MODEM = 8,
	/* 8.6 interrupt identification */
	IIR_NONE = 1, IIR_MODEM = 0, IIR_TRANSMIT = 2, IIR_RECEIVE = 4,
	IIR_LINE = 6, IIR_TIMEOUT = 12, IIR_FIFOS = 0xc0,
	/* 8.5 FIFO control */
	FCR_ENABLE = 1, FCR_CLEAR_RECEIVE = 2, FCR_CLEAR_TRANSMIT = 4,
	/* 8.1 line control */
	LCR_WORD = 0x03, LCR_STOP = 0x04, LCR_PARITY = 0x08,
	LCR_BREAK = 0x40, LCR_DIVISOR = 0x80,
	/* 8.7 modem control */
	MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 16,
	/* 8.4 line status */
	LSR_READY = 0x01, LSR_OVERRUN = 0x02, LSR_BREAK = 0x10,
	LSR_HOLDING = 0x20, LSR_EMPTY = 0x40, LSR_FIFO_ERROR = 0x80,
	LSR_ERRORS = LSR_OVERRUN | 0x04 | 0x08 | LSR_BREAK,
	/* 8.8 modem status */
	MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80,
	MSR_RI_FELL = 0x04, MSR_DELTAS = 0x0f,

	CLOCK_HZ = 115200,	/* 1.8432 MHz / 16 */
};

struct fifo {
	uint8_t byte[FIFO];
	unsigned first, n;
};

struct i16550 {
	struct bus_region *ports;
	struct board *board;
	struct chardev *chr;
	struct irq irq;
	struct fifo rx, tx;
	uint8_t ier, fcr, lcr, mcr, lsr, msr, scratch;
	uint16_t divisor;
	bool transmit;		/* the transmitter's interrupt waits */
	bool timeout;		/* characters have waited below the trigger */
	bool connected;
	struct timer wait;
};

/* --- FIFOs; without them (FCR bit 0) one character each ------------------ */

static unsigned
depth(const struct i16550 *c)
{
	return c->fcr & FCR_ENABLE ? FIFO : 1;
}

static void
fifo_put(struct fifo *f, uint8_t b)
{
	f->byte[(f->first + f->n++) % FIFO] = b;
}

static uint8_t
fifo_get(struct fifo *f)
{
	uint8_t b = f->byte[f->first];

	f->first = (f->first + 1) % FIFO;
	f->n--;
	return b;
}

static unsigned
trigger(const struct i16550 *c)
{
	static const uint8_t level[] = { 1, 4, 8, 14 };

	return c->fcr & FCR_ENABLE ? level[c->fcr >> 6] : 1;
}

/* --- Interrupts (8.6): the highest that waits ---------------------------- */

static uint8_t
reason(const struct i16550 *c)
{
	if (c->ier & IER_LINE && c->lsr & LSR_ERRORS)
		return IIR_LINE;
	if (c->ier & IER_RECEIVE && c->rx.n >= trigger(c))
		return IIR_RECEIVE;
	if (c->ier & IER_RECEIVE && c->timeout)
		return IIR_TIMEOUT;
	if (c->ier & IER_TRANSMIT && c->transmit)
		return IIR_TRANSMIT;
	if (c->ier & IER_MODEM && c->msr & MSR_DELTAS)
		return IIR_MODEM;
	return IIR_NONE;
}

static void
update(struct i16550 *c)
{
	/* OUT2 gates the line on a PC's card. */
	irq_set(&c->irq, c->mcr & MCR_OUT2 && reason(c) != IIR_NONE);
}

/* Four characters' time (8.13): what lies below the trigger is told then. */
static void
await(struct i16550 *c)
{
	unsigned bits = 1 + 5 + (c->lcr & LCR_WORD) + !!(c->lcr & LCR_PARITY) +
	    (c->lcr & LCR_STOP ? 2 : 1);
	uint64_t ns = 4 * bits * (c->divisor ? c->divisor : 1) * NS_PER_S /
	    CLOCK_HZ;

	c->timeout = false;
	if (c->fcr & FCR_ENABLE && c->rx.n)
		timer_set(&c->wait, board_now_ns(c->board) + ns);
	else
		timer_stop(&c->wait);
}

static void
waited(void *opaque)
{
	struct i16550 *c = opaque;

	c->timeout = c->rx.n > 0;
	update(c);
}

/* --- Receiver ------------------------------------------------------------ */

static void
receive(struct i16550 *c, uint8_t b)
{
	if (c->rx.n >= depth(c)) {	/* in loop mode only */
		c->lsr |= LSR_OVERRUN;
		return;
	}
	fifo_put(&c->rx, b);
	c->lsr |= LSR_READY;
}

static size_t
room(void *opaque)
{
	struct i16550 *c = opaque;

	return c->mcr & MCR_LOOP || c->rx.n >= depth(c) ? 0 :
	    depth(c) - c->rx.n;
}

static void
received(void *opaque, const uint8_t *buf, size_t len)
{
	struct i16550 *c = opaque;

	for (size_t i = 0; i < len; i++)
		receive(c, buf[i]);
	await(c);
	update(c);
}

static void
break_received(void *opaque)
{
	struct i16550 *c = opaque;

	receive(c, 0);
	c->lsr |= LSR_BREAK;
	update(c);
}

/* --- Transmitter --------------------------------------------------------- */

static void
drain(struct i16550 *c)
{
	while (c->tx.n) {
		unsigned run = FIFO - c->tx.first < c->tx.n ?
		    FIFO - c->tx.first : c->tx.n;
		size_t n = run;

		if (c->chr)
			n = chardev_write(c->chr, c->tx.byte + c->tx.first,
			    run);
		if (!n)
			return;
		c->tx.first = (c->tx.first + n) % FIFO;
		c->tx.n -= n;
	}
	if (!(c->lsr & LSR_HOLDING))
		c->transmit = true;
	c->lsr |= LSR_HOLDING | LSR_EMPTY;
}

static void
writable(void *opaque)
{
	struct i16550 *c = opaque;

	drain(c);
	update(c);
}

static void
send(struct i16550 *c, uint8_t b)
{
	c->transmit = false;
	if (c->mcr & MCR_LOOP) {
		receive(c, b);
		await(c);
		c->transmit = true;
		return;
	}
	c->lsr &= ~(LSR_HOLDING | LSR_EMPTY);
	/* A full FIFO loses what comes next (8.4, bit 5). */
	if (c->tx.n < depth(c))
		fifo_put(&c->tx, b);
	drain(c);
}

/* --- Modem lines: a cable that is plugged in has CTS, DSR and DCD -------- */

static void
modem_update(struct i16550 *c)
{
	uint8_t old = c->msr & 0xf0, now, delta;

	if (c->mcr & MCR_LOOP)
		now = (c->mcr & MCR_DTR ? MSR_DSR : 0) |
		    (c->mcr & MCR_RTS ? MSR_CTS : 0) |
		    (c->mcr & MCR_OUT1 ? MSR_RI : 0) |
		    (c->mcr & MCR_OUT2 ? MSR_DCD : 0);
	else
		now = c->connected ? MSR_CTS | MSR_DSR | MSR_DCD : 0;
	delta = (old ^ now) >> 4;
	/* Of the ring indicator only the end is told (8.8, bit 2). */
	if (delta & MSR_RI_FELL && now & MSR_RI)
		delta &= ~MSR_RI_FELL;
	c->msr = now | (c->msr & MSR_DELTAS) | delta;
}

static void
connected(void *opaque, bool yes)
{
	struct i16550 *c = opaque;

	c->connected = yes;
	modem_update(c);
	update(c);
}

/* --- Ports --------------------------------------------------------------- */

static uint8_t
data_read(struct i16550 *c)
{
	uint8_t b = 0;

	if (c->rx.n)
		b = fifo_get(&c->rx);
	if (!c->rx.n)
		c->lsr &= ~LSR_READY;
	await(c);
	if (c->chr && !(c->mcr & MCR_LOOP))
		chardev_wake(c->chr);
	return b;
}

static uint64_t
port_read(void *opaque, uint64_t off, unsigned size)
{
	struct i16550 *c = opaque;
	uint8_t v = 0;

	switch (off) {
	case 0:
		v = c->lcr & LCR_DIVISOR ? c->divisor & 0xff : data_read(c);
		break;
	case 1:
		v = c->lcr & LCR_DIVISOR ? c->divisor >> 8 : c->ier;
		break;
	case 2:
		v = reason(c);
		if (v == IIR_TRANSMIT)
			c->transmit = false;
		if (c->fcr & FCR_ENABLE)
			v |= IIR_FIFOS;
		break;
	case 3:
		v = c->lcr;
		break;
	case 4:
		v = c->mcr;
		break;
	case 5:
		v = c->lsr;
		c->lsr &= ~LSR_ERRORS;
		break;
	case 6:
		v = c->msr;
		c->msr &= ~MSR_DELTAS;
		break;
	case 7:
		v = c->scratch;
		break;
	}
	update(c);
	return v;
}

static void
control_fifos(struct i16550 *c, uint8_t v)
{
	bool switched = (v ^ c->fcr) & FCR_ENABLE;

	if (switched || v & FCR_CLEAR_RECEIVE) {
		c->rx.n = 0;
		c->lsr &= ~(LSR_READY | LSR_BREAK);
	}
	if (switched || v & FCR_CLEAR_TRANSMIT) {
		c->tx.n = 0;
		drain(c);
	}
	/* The other bits hold only while FIFOs are on (8.5). */
	c->fcr = v & FCR_ENABLE ? v & 0xc9 : 0;
	await(c);
	if (c->chr)
		chardev_wake(c->chr);
}

static void
port_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct i16550 *c = opaque;
	uint8_t v = value;

	switch (off) {
	case 0:
		if (c->lcr & LCR_DIVISOR)
			c->divisor = (c->divisor & 0xff00) | v;
		else
			send(c, v);
		break;
	case 1:
		if (c->lcr & LCR_DIVISOR) {
			c->divisor = (c->divisor & 0xff) | v << 8;
			break;
		}
		/* Enabling it while the transmitter is empty is a reason. */
		if (v & ~c->ier & IER_TRANSMIT && c->lsr & LSR_HOLDING)
			c->transmit = true;
		c->ier = v & 0x0f;
		break;
	case 2:
		control_fifos(c, v);
		break;
	case 3:
		c->lcr = v;
		break;
	case 4:
		c->mcr = v & 0x1f;
		modem_update(c);
		if (c->chr && !(c->mcr & MCR_LOOP))
			chardev_wake(c->chr);
		break;
	case 7:
		c->scratch = v;
		break;
	}
	update(c);
}

static const struct io_ops ops = {
	.read = port_read,
	.write = port_write,
	.max = 1,
};

/* --- The chip ------------------------------------------------------------ */

static const struct chardev_user user = {
	.room = room,
	.received = received,
	.writable = writable,
	.connected = connected,
	.break_received = break_received,
};

/* Master reset (8.0, table I). */
void
i16550_reset(struct i16550 *c)
{
	c->rx.n = c->tx.n = 0;
	c->ier = c->fcr = c->lcr = c->mcr = c->scratch = 0;
	c->lsr = LSR_HOLDING | LSR_EMPTY;
	c->divisor = 12;		/* 9600 baud, as a BIOS leaves it */
	c->transmit = false;
	modem_update(c);
	c->msr &= ~MSR_DELTAS;
	await(c);
	update(c);
	if (c->chr)
		chardev_wake(c->chr);
}

struct i16550 *
i16550_new(struct bus *bus, struct board *board, uint16_t port,
    const struct irq *irq, struct chardev *chr, struct error *err)
{
	struct i16550 *c = calloc(1, sizeof(*c));

	if (!c) {
		error_errno(err, ENOMEM, "serial port");
		return NULL;
	}
	c->board = board;
	c->irq = *irq;
	timer_init(&c->wait, board, waited, c);
	c->ports = bus_add(bus, port, 8, &ops, c, "serial");
	if (!c->ports) {
		error_errno(err, ENOMEM, "serial port");
		i16550_free(c);
		return NULL;
	}
	i16550_reset(c);
	c->chr = chr;
	if (chr)
		chardev_attach(chr, &user, c);
	return c;
}

void
i16550_free(struct i16550 *c)
{
	if (!c)
		return;
	if (c->chr)
		chardev_attach(c->chr, NULL, NULL);
	timer_stop(&c->wait);
	bus_remove(c->ports);
	free(c);
}
