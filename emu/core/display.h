/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * display.h - what a screen shows, and what a keyboard and a mouse say
 *
 * A graphics adapter is asked for its picture when somebody wants to see it
 * (a window's refresh, screendump); it draws nothing on its own.  Keys and
 * pointer movements go from user interfaces to whichever device takes them.
 * Board lock held.
 */
#ifndef CORE_DISPLAY_H
#define CORE_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Pixels 0x00RRGGBB, row by row; text as well when the adapter is in a text
 * mode (then cell[] holds code page 437 character | attribute << 8). */
struct picture {
	unsigned width, height;
	const uint32_t *pixel;		/* borrowed until the next call */
	unsigned columns, rows;		/* 0 in graphics modes */
	const uint16_t *cell;
	unsigned cursor_column, cursor_row;	/* row >= rows: not shown */
};

struct display_source {
	/* The picture now; false while the screen is blank. */
	bool (*picture)(void *dev, struct picture *);
	void *dev;
};

/* Keys by their AT set 1 scan code (as the peers' number= and sendkey know
 * them), extended ones with 0x80 set: 0x1c enter, 0x9c keypad enter. */
struct input_sink {
	void (*key)(void *dev, unsigned code, bool down);
	void (*pointer)(void *dev, int dx, int dy, int dz, unsigned buttons);
	void *dev;
};

#endif
