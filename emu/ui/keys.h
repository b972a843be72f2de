/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keys.h - keys by name and by character (core/display.h: input_sink codes) */
#ifndef UI_KEYS_H
#define UI_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "core/board.h"
#include "core/display.h"

enum { KEY_SHIFT = 0x2a, KEY_CTRL = 0x1d, KEY_ALT = 0x38 };

/* The code of a key by its name of len bytes, or "0x1c"; 0: there is none. */
unsigned key_by_name(const char *name, size_t len);
/* The key that types an ASCII character on a US keyboard, and whether with
 * shift; 0: there is none. */
unsigned key_by_char(unsigned char c, bool *shift);

/*
 * Presses keys together and lets go of them after a while, one chord after
 * the other.  Board lock held.
 */
enum { CHORD_KEYS = 16, CHORDS = 256 };

struct chord {
	unsigned char key[CHORD_KEYS];
	unsigned n;
	uint64_t hold_ns;
};

struct typist {
	struct input_sink to;
	struct timer timer;
	struct chord queue[CHORDS];
	unsigned first, n;
	bool held;
};

void typist_init(struct typist *, struct board *, struct input_sink to);
void typist_fini(struct typist *);
bool typist_press(struct typist *, const struct chord *); /* false: full */
/* "ctrl-alt-delete"; err: which part of it is no key. */
int chord_parse(struct chord *, const char *text, struct error *err);

#endif
