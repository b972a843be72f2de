/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keys.c - keys by name and by character, and keys typed by programs
 *
 * Names are the peer's (sendkey).  Codes are those of set 1; 80h marks
 * extended ones.  A chord is held for a while since guests' drivers expect
 * presses and releases, and a slow guest loses keys that come all at once.
 */
#include "ui/keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static const struct {
	const char *name;
	unsigned char code;
} names[] = {
	{ "shift", KEY_SHIFT }, { "shift_r", 0x36 }, { "alt", KEY_ALT },
	{ "alt_r", 0xb8 }, { "ctrl", KEY_CTRL }, { "ctrl_r", 0x9d },
	{ "menu", 0x9e }, { "esc", 0x01 },
	{ "1", 0x02 }, { "2", 0x03 }, { "3", 0x04 }, { "4", 0x05 },
	{ "5", 0x06 }, { "6", 0x07 }, { "7", 0x08 }, { "8", 0x09 },
	{ "9", 0x0a }, { "0", 0x0b }, { "minus", 0x0c }, { "equal", 0x0d },
	{ "backspace", 0x0e }, { "tab", 0x0f },
	{ "q", 0x10 }, { "w", 0x11 }, { "e", 0x12 }, { "r", 0x13 },
	{ "t", 0x14 }, { "y", 0x15 }, { "u", 0x16 }, { "i", 0x17 },
	{ "o", 0x18 }, { "p", 0x19 }, { "bracket_left", 0x1a },
	{ "bracket_right", 0x1b }, { "ret", 0x1c },
	{ "a", 0x1e }, { "s", 0x1f }, { "d", 0x20 }, { "f", 0x21 },
	{ "g", 0x22 }, { "h", 0x23 }, { "j", 0x24 }, { "k", 0x25 },
	{ "l", 0x26 }, { "semicolon", 0x27 }, { "apostrophe", 0x28 },
	{ "grave_accent", 0x29 }, { "backslash", 0x2b },
	{ "z", 0x2c }, { "x", 0x2d }, { "c", 0x2e }, { "v", 0x2f },
	{ "b", 0x30 }, { "n", 0x31 }, { "m", 0x32 }, { "comma", 0x33 },
	{ "dot", 0x34 }, { "slash", 0x35 }, { "asterisk", 0x37 },
	{ "spc", 0x39 }, { "caps_lock", 0x3a },
	{ "f1", 0x3b }, { "f2", 0x3c }, { "f3", 0x3d }, { "f4", 0x3e },
	{ "f5", 0x3f }, { "f6", 0x40 }, { "f7", 0x41 }, { "f8", 0x42 },
	{ "f9", 0x43 }, { "f10", 0x44 }, { "f11", 0x57 }, { "f12", 0x58 },
	{ "num_lock", 0x45 }, { "scroll_lock", 0x46 },
	{ "kp_divide", 0xb5 }, { "kp_multiply", 0x37 },
	{ "kp_subtract", 0x4a }, { "kp_add", 0x4e }, { "kp_enter", 0x9c },
	{ "kp_decimal", 0x53 },
	{ "kp_0", 0x52 }, { "kp_1", 0x4f }, { "kp_2", 0x50 },
	{ "kp_3", 0x51 }, { "kp_4", 0x4b }, { "kp_5", 0x4c },
	{ "kp_6", 0x4d }, { "kp_7", 0x47 }, { "kp_8", 0x48 },
	{ "kp_9", 0x49 },
	{ "less", 0x56 }, { "sysrq", 0x54 }, { "print", 0xb7 },
	{ "pause", 0xc6 }, { "home", 0xc7 }, { "up", 0xc8 },
	{ "pgup", 0xc9 }, { "left", 0xcb }, { "right", 0xcd },
	{ "end", 0xcf }, { "down", 0xd0 }, { "pgdn", 0xd1 },
	{ "insert", 0xd2 }, { "delete", 0xd3 },
	{ "meta_l", 0xdb }, { "meta_r", 0xdc }, { "compose", 0xdd },
};

unsigned
key_by_name(const char *name, size_t len)
{
	char text[16], *end;
	unsigned long code;

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (strlen(names[i].name) == len &&
		    !strncmp(names[i].name, name, len))
			return names[i].code;
	}
	if (len < 3 || len >= sizeof(text) || name[0] != '0' || name[1] != 'x')
		return 0;
	memcpy(text, name, len);
	text[len] = '\0';
	code = strtoul(text, &end, 16);
	return *end || code > 0xff || !(code & 0x7f) ? 0 : code;
}

/* Rows of a US keyboard from their first code on: without and with shift. */
static const struct {
	unsigned char code;
	const char *plain, *shifted;
} rows[] = {
	{ 0x02, "1234567890-=", "!@#$%^&*()_+" },
	{ 0x10, "qwertyuiop[]", "QWERTYUIOP{}" },
	{ 0x1e, "asdfghjkl;'`", "ASDFGHJKL:\"~" },
	{ 0x2b, "\\zxcvbnm,./", "|ZXCVBNM<>?" },
};

unsigned
key_by_char(unsigned char c, bool *shift)
{
	*shift = false;
	switch (c) {
	case ' ':
		return 0x39;
	case '\r':
	case '\n':
		return 0x1c;
	case '\t':
		return 0x0f;
	case 0x1b:
		return 0x01;
	case '\b':
	case 0x7f:
		return 0x0e;
	case '\0':
		return 0;
	}
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		const char *at = strchr(rows[i].plain, c);

		if (at)
			return rows[i].code + (unsigned)(at - rows[i].plain);
		at = strchr(rows[i].shifted, c);
		if (at) {
			*shift = true;
			return rows[i].code +
			    (unsigned)(at - rows[i].shifted);
		}
	}
	return 0;
}

/* --- Typing -------------------------------------------------------------- */

int
chord_parse(struct chord *c, const char *text, struct error *err)
{
	c->n = 0;
	for (;;) {
		size_t len = strcspn(text, "-");
		unsigned code = key_by_name(text, len);

		if (!code)
			return error_set(err, EINVAL, "invalid parameter: %.*s",
			    (int)min64(len, 80), text);
		if (c->n == CHORD_KEYS)
			return error_set(err, EINVAL, "more than %d keys",
			    CHORD_KEYS);
		c->key[c->n++] = code;
		if (!text[len])
			return 0;
		text += len + 1;
	}
}

static void
next(void *opaque)
{
	struct typist *t = opaque;
	struct chord *c = &t->queue[t->first];
	uint64_t wait = 2000000;	/* between two chords */

	if (!t->n)
		return;
	if (t->held) {
		for (unsigned i = c->n; i-- > 0; )
			t->to.key(t->to.dev, c->key[i], false);
		t->first = (t->first + 1) % CHORDS;
		t->n--;
	} else {
		for (unsigned i = 0; i < c->n; i++)
			t->to.key(t->to.dev, c->key[i], true);
		wait = c->hold_ns;
	}
	t->held = !t->held;
	if (t->n)
		timer_set(&t->timer, board_now_ns(t->timer.board) + wait);
}

void
typist_init(struct typist *t, struct board *b, struct input_sink to)
{
	t->to = to;
	t->first = t->n = 0;
	t->held = false;
	timer_init(&t->timer, b, next, t);
}

void
typist_fini(struct typist *t)
{
	timer_stop(&t->timer);
}

bool
typist_press(struct typist *t, const struct chord *c)
{
	if (t->n == CHORDS || !t->to.key)
		return false;
	t->queue[(t->first + t->n++) % CHORDS] = *c;
	if (t->n == 1 && !t->timer.pending)
		next(t);
	return true;
}
