/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ps2.h - a keyboard and a mouse as the 8042 sees them
 *
 * A device is a queue of bytes to the controller and a function that takes
 * bytes from it.  It calls ready() whenever it has put something in the queue.
 */
#ifndef DEV_PS2_H
#define DEV_PS2_H

#include <stdbool.h>
#include <stdint.h>

enum { PS2_QUEUE = 64 };

struct ps2_queue {
	uint8_t byte[PS2_QUEUE];
	unsigned first, n;
	void (*ready)(void *opaque);
	void *opaque;		/* borrowed */
};

static inline unsigned
ps2_room(const struct ps2_queue *q)
{
	return PS2_QUEUE - q->n;
}

/* What does not fit is lost; who must not lose a part asks for room first. */
static inline void
ps2_put(struct ps2_queue *q, uint8_t b)
{
	if (q->n < PS2_QUEUE)
		q->byte[(q->first + q->n++) % PS2_QUEUE] = b;
}

static inline uint8_t
ps2_get(struct ps2_queue *q)
{
	uint8_t b = q->byte[q->first];

	q->first = (q->first + 1) % PS2_QUEUE;
	q->n--;
	return b;
}

/* --- ps2_keyboard.c ------------------------------------------------------- */

struct ps2_keyboard {
	struct ps2_queue out;
	uint8_t command;	/* that waits for its parameter, 0: none */
	uint8_t set;		/* scan code set 1, 2 or 3 */
	uint8_t leds;
	uint8_t last;		/* byte sent last, for "resend" */
	bool scanning;
	uint8_t no_break[32];	/* set 3: a bit for each key that has none */
};

void ps2_keyboard_reset(struct ps2_keyboard *);
void ps2_keyboard_write(struct ps2_keyboard *, uint8_t);
/* core/display.h: struct input_sink.key */
void ps2_keyboard_key(struct ps2_keyboard *, unsigned code, bool down);

/* Scan code set 2 to 1, as the 8042 translates; 0xff: no such key. */
extern const uint8_t ps2_set2_to_set1[128];

/* --- ps2_mouse.c ---------------------------------------------------------- */

struct ps2_mouse {
	struct ps2_queue out;
	uint8_t command;
	uint8_t id;		/* 0, 3 with a wheel, 4 with five buttons */
	uint8_t rate, resolution;
	uint8_t rates[3];	/* set last, newest first: how a wheel is found */
	bool reporting, remote, wrap, scale;
	uint8_t last;
	int dx, dy, dz;		/* moved since the last report */
	uint8_t buttons, sent;	/* now; in the last report */
};

void ps2_mouse_reset(struct ps2_mouse *);
void ps2_mouse_write(struct ps2_mouse *, uint8_t);
/* core/display.h: struct input_sink.pointer */
void ps2_mouse_move(struct ps2_mouse *, int dx, int dy, int dz,
    unsigned buttons);
/* There is room in the queue again. */
void ps2_mouse_more(struct ps2_mouse *);

#endif
