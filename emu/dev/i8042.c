/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8042.c - Intel 8042 as the PS/2's keyboard and mouse controller
 *
 * One output buffer for three sources: answers of the controller itself, the
 * keyboard and the mouse, in this order.  It is filled again as soon as it
 * was read, with the interrupt line low in between, so that a controller
 * that looks for edges sees one for each byte.
 *
 * IBM Personal System/2 Hardware Interface Technical Reference, "Keyboard and
 * Auxiliary Device Controller".
 */
#include "dev/i8042.h"

#include <stdlib.h>

#include "dev/ps2.h"

enum {
	STATUS_OUTPUT = 0x01,	/* a byte is in the output buffer */
	STATUS_SYSTEM = 0x04,	/* the self test has passed */
	STATUS_COMMAND = 0x08,	/* the last write was to 64h */
	STATUS_UNLOCKED = 0x10,
	STATUS_MOUSE = 0x20,	/* that byte is the mouse's */

	MODE_KEYBOARD_IRQ = 0x01,	/* command byte */
	MODE_MOUSE_IRQ = 0x02,
	MODE_SYSTEM = 0x04,
	MODE_NO_KEYBOARD = 0x10,
	MODE_NO_MOUSE = 0x20,
	MODE_TRANSLATE = 0x40,

	PORT_RUN = 0x01,	/* output port: low resets the machine */
	PORT_A20 = 0x02,
	PORT_KEYBOARD = 0x10,	/* output buffer full, as the irq lines */
	PORT_MOUSE = 0x20,
};

struct i8042 {
	struct bus_region *data, *control;
	struct i8042_wires wires;
	struct ps2_keyboard keyboard;
	struct ps2_mouse mouse;
	uint8_t status, mode, port;
	uint8_t output;
	uint8_t command;	/* whose parameter comes to 60h, 0: none */
	uint8_t ram[32];
	uint8_t own[2];		/* answers that wait,
				 * and whether they look like the mouse's */
	bool own_mouse;
	unsigned own_n;
	bool broken;		/* a set 2 break prefix is being translated */
};

static void
lines_update(struct i8042 *c)
{
	bool full = c->status & STATUS_OUTPUT;
	bool mouse = c->status & STATUS_MOUSE;

	irq_set(&c->wires.keyboard, full && !mouse &&
	    c->mode & MODE_KEYBOARD_IRQ);
	irq_set(&c->wires.mouse, full && mouse && c->mode & MODE_MOUSE_IRQ);
}

/* --- The output buffer --------------------------------------------------- */

static void
output(struct i8042 *c, uint8_t b, bool mouse)
{
	c->output = b;
	c->status |= STATUS_OUTPUT;
	c->status = mouse ? c->status | STATUS_MOUSE :
	    c->status & ~STATUS_MOUSE;
}

/* From set 2 to set 1: a break prefix becomes the top bit of what follows.
 * False: nothing to be seen yet. */
static bool
translated(struct i8042 *c, uint8_t *b)
{
	if (*b == 0xf0) {
		c->broken = true;
		return false;
	}
	if (*b < 128)
		*b = ps2_set2_to_set1[*b];
	else if (*b == 0x83)
		*b = 0x41;
	else if (*b == 0x84)
		*b = 0x54;
	if (c->broken)
		*b |= 0x80;
	c->broken = false;
	return true;
}

static void
fill(struct i8042 *c)
{
	while (!(c->status & STATUS_OUTPUT) && c->own_n) {
		output(c, c->own[0], c->own_mouse);
		c->own[0] = c->own[1];
		c->own_n--;
	}
	while (!(c->status & STATUS_OUTPUT) && c->keyboard.out.n &&
	    !(c->mode & MODE_NO_KEYBOARD)) {
		uint8_t b = ps2_get(&c->keyboard.out);

		if (!(c->mode & MODE_TRANSLATE) || translated(c, &b))
			output(c, b, false);
	}
	if (!(c->status & STATUS_OUTPUT) && c->mouse.out.n &&
	    !(c->mode & MODE_NO_MOUSE))
		output(c, ps2_get(&c->mouse.out), true);
	lines_update(c);
}

static void
ready(void *opaque)
{
	fill(opaque);
}

/* An answer of the controller itself goes before what the devices have. */
static void
answer(struct i8042 *c, uint8_t b, bool mouse)
{
	if (c->own_n && c->own_mouse != mouse)
		c->own_n = 0;
	c->own_mouse = mouse;
	if (c->own_n < 2)
		c->own[c->own_n++] = b;
	fill(c);
}

static void
set_port(struct i8042 *c, uint8_t v)
{
	c->port = v;
	irq_set(&c->wires.a20, v & PORT_A20);
	if (!(v & PORT_RUN))
		irq_set(&c->wires.reset, true);
}

/* --- Port 60h ------------------------------------------------------------ */

static uint64_t
data_read(void *opaque, uint64_t off, unsigned size)
{
	struct i8042 *c = opaque;
	uint8_t b = c->output;
	bool mouse = c->status & STATUS_MOUSE;

	if (!(c->status & STATUS_OUTPUT))
		return b;
	c->status &= ~(STATUS_OUTPUT | STATUS_MOUSE);
	lines_update(c);
	if (mouse)
		ps2_mouse_more(&c->mouse);
	fill(c);
	return b;
}

static void
data_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct i8042 *c = opaque;
	uint8_t command = c->command, v = value;

	c->status &= ~STATUS_COMMAND;
	c->command = 0;
	switch (command) {
	case 0:			/* for the keyboard, which it switches on */
		c->mode &= ~MODE_NO_KEYBOARD;
		ps2_keyboard_write(&c->keyboard, v);
		break;
	case 0x60:
		c->mode = v;
		c->ram[0] = v;
		c->status = (c->status & ~STATUS_SYSTEM) |
		    (v & MODE_SYSTEM ? STATUS_SYSTEM : 0);
		fill(c);
		break;
	case 0xd1:
		set_port(c, v);
		break;
	case 0xd2:
		answer(c, v, false);
		break;
	case 0xd3:
		answer(c, v, true);
		break;
	case 0xd4:
		c->mode &= ~MODE_NO_MOUSE;
		ps2_mouse_write(&c->mouse, v);
		break;
	default:
		if (command > 0x60 && command < 0x80)
			c->ram[command & 0x1f] = v;
	}
}

/* --- Port 64h ------------------------------------------------------------ */

static uint64_t
status_read(void *opaque, uint64_t off, unsigned size)
{
	struct i8042 *c = opaque;

	return c->status;
}

static void
set_mode(struct i8042 *c, uint8_t mode)
{
	c->mode = mode;
	fill(c);
}

static uint8_t
output_port(const struct i8042 *c)
{
	uint8_t v = c->port & ~(PORT_KEYBOARD | PORT_MOUSE);

	if (c->status & STATUS_OUTPUT)
		v |= c->status & STATUS_MOUSE ? PORT_MOUSE : PORT_KEYBOARD;
	return v;
}

static void
command_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct i8042 *c = opaque;
	uint8_t v = value;

	c->status |= STATUS_COMMAND;
	c->command = 0;
	switch (v) {
	case 0x20:
		answer(c, c->mode, false);
		break;
	case 0xa7:
		set_mode(c, c->mode | MODE_NO_MOUSE);
		break;
	case 0xa8:
		set_mode(c, c->mode & ~MODE_NO_MOUSE);
		break;
	case 0xa9:		/* tests of the two lines: nothing is wrong */
	case 0xab:
		answer(c, 0x00, false);
		break;
	case 0xaa:
		c->status |= STATUS_SYSTEM;
		answer(c, 0x55, false);
		break;
	case 0xad:
		set_mode(c, c->mode | MODE_NO_KEYBOARD);
		break;
	case 0xae:
		set_mode(c, c->mode & ~MODE_NO_KEYBOARD);
		break;
	case 0xc0:		/* input port: keyboard not locked */
		answer(c, 0x80, false);
		break;
	case 0xd0:
		answer(c, output_port(c), false);
		break;
	case 0x60:
	case 0xd1:
	case 0xd2:
	case 0xd3:
	case 0xd4:
		c->command = v;
		break;
	case 0xdd:
		set_port(c, c->port & ~PORT_A20);
		break;
	case 0xdf:
		set_port(c, c->port | PORT_A20);
		break;
	case 0xe0:		/* test inputs: both clocks idle */
		answer(c, 0x00, false);
		break;
	default:
		if (v > 0x20 && v < 0x40)
			answer(c, c->ram[v & 0x1f], false);
		else if (v > 0x60 && v < 0x80)
			c->command = v;
		/* A pulse of the lines whose bits are 0; line 0 is reset. */
		else if (v >= 0xf0 && !(v & PORT_RUN))
			irq_set(&c->wires.reset, true);
	}
}

static const struct io_ops data_ops = {
	.read = data_read,
	.write = data_write,
	.max = 1,
};

static const struct io_ops control_ops = {
	.read = status_read,
	.write = command_write,
	.max = 1,
};

/* --- Input --------------------------------------------------------------- */

static void
key(void *dev, unsigned code, bool down)
{
	struct i8042 *c = dev;

	ps2_keyboard_key(&c->keyboard, code, down);
}

static void
pointer(void *dev, int dx, int dy, int dz, unsigned buttons)
{
	struct i8042 *c = dev;

	ps2_mouse_move(&c->mouse, dx, dy, dz, buttons);
}

struct input_sink
i8042_input(struct i8042 *c)
{
	return (struct input_sink){ .key = key, .pointer = pointer,
	    .dev = c };
}

/* --- The chip ------------------------------------------------------------ */

void
i8042_reset(struct i8042 *c)
{
	c->status = STATUS_UNLOCKED | STATUS_COMMAND;
	c->mode = MODE_KEYBOARD_IRQ | MODE_MOUSE_IRQ;
	c->command = 0;
	c->own_n = 0;
	c->broken = false;
	c->output = 0;
	ps2_keyboard_reset(&c->keyboard);
	ps2_mouse_reset(&c->mouse);
	irq_set(&c->wires.reset, false);
	set_port(c, PORT_RUN | PORT_A20 | 0xcc);
	lines_update(c);
}

struct i8042 *
i8042_new(struct bus *bus, const struct i8042_wires *wires,
    struct error *err)
{
	struct i8042 *c = calloc(1, sizeof(*c));

	if (!c) {
		error_errno(err, ENOMEM, "i8042");
		return NULL;
	}
	c->wires = *wires;
	c->keyboard.out.ready = c->mouse.out.ready = ready;
	c->keyboard.out.opaque = c->mouse.out.opaque = c;
	c->data = bus_add(bus, 0x60, 1, &data_ops, c, "i8042-data");
	c->control = bus_add(bus, 0x64, 1, &control_ops, c, "i8042-command");
	if (!c->data || !c->control) {
		error_errno(err, ENOMEM, "i8042");
		i8042_free(c);
		return NULL;
	}
	i8042_reset(c);
	return c;
}

void
i8042_free(struct i8042 *c)
{
	if (!c)
		return;
	bus_remove(c->data);
	bus_remove(c->control);
	free(c);
}
