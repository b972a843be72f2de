/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ps2_keyboard.c - an AT keyboard with scan code sets 1, 2 and 3
 *
 * Keys come in as set 1 codes.  One table says what the 8042 makes of set 2;
 * read backwards it is what a key is in set 2.
 *
 * IBM Personal System/2 Hardware Interface Technical Reference, "Keyboards".
 */
#include <string.h>

#include "dev/ps2.h"

enum {
	ACK = 0xfa, RESEND = 0xfe, ECHO = 0xee, BAT_OK = 0xaa,
	EXTENDED = 0x80,	/* in struct input_sink's codes */
	KEY_PRINT = 0xb7, KEY_SYSRQ = 0x54, KEY_PAUSE = 0xc6,
};

const uint8_t ps2_set2_to_set1[128] = {
	0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58,
	0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
	0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a,
	0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
	0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c,
	0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
	0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e,
	0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
	0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60,
	0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
	0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e,
	0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
	0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b,
	0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
	0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45,
	0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};

/* Set 3, by set 1 code. */
static const uint8_t set3[128] = {
	[0x01] = 0x08, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36,
	0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66, 0x0d,
	0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43,
	0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x11, 0x1c, 0x1b,
	0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c,
	0x52, 0x0e, 0x12, 0x5c, 0x1a, 0x22, 0x21, 0x2a,
	0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7e,
	0x19, 0x29, 0x14, 0x07, 0x0f, 0x17, 0x1f, 0x27,
	0x2f, 0x37, 0x3f, 0x47, 0x4f, 0x76, 0x5f, 0x6c,
	0x75, 0x7d, 0x84, 0x6b, 0x73, 0x74, 0x7c, 0x69,
	0x72, 0x7a, 0x70, 0x71, 0x57, 0x00, 0x13, 0x56,
	0x5e,
};

static const uint8_t set3_extended[128] = {
	[0x1c] = 0x79, [0x1d] = 0x58, [0x35] = 0x77, [0x37] = 0x57,
	[0x38] = 0x39, [0x46] = 0x62, [0x47] = 0x6e, [0x48] = 0x63,
	[0x49] = 0x6f, [0x4b] = 0x61, [0x4d] = 0x6a, [0x4f] = 0x65,
	[0x50] = 0x60, [0x51] = 0x6d, [0x52] = 0x67, [0x53] = 0x64,
	[0x5b] = 0x8b, [0x5c] = 0x8c, [0x5d] = 0x8d,
};

/* A key in set 2; 0: there is none.  F7 and SysRq are above 7Fh, and another
 * byte of the table means the same key. */
static uint8_t
set2_of(uint8_t set1)
{
	if (set1 == 0x41)
		return 0x83;
	if (set1 == KEY_SYSRQ)
		return 0x84;
	for (unsigned i = 0; i < 128; i++) {
		if (ps2_set2_to_set1[i] == set1)
			return i;
	}
	return 0;
}

/* --- Keys ---------------------------------------------------------------- */

static void
send(struct ps2_keyboard *k, const uint8_t *b, unsigned n)
{
	/* A key is sent whole or not at all; room is left for answers. */
	if (ps2_room(&k->out) < n + 16)
		return;
	for (unsigned i = 0; i < n; i++)
		ps2_put(&k->out, b[i]);
}

static void
key_in_set1(struct ps2_keyboard *k, unsigned code, bool down)
{
	uint8_t b[4], up = down ? 0 : 0x80;
	unsigned n = 0;

	if (code == KEY_PRINT && down) {	/* with a shift that is not there */
		b[n++] = 0xe0;
		b[n++] = 0x2a;
	}
	if (code & EXTENDED)
		b[n++] = 0xe0;
	b[n++] = (code & 0x7f) | up;
	send(k, b, n);
	if (code == KEY_PRINT && !down)
		send(k, (const uint8_t[]){ 0xe0, 0xaa }, 2);
}

static void
key_in_set2(struct ps2_keyboard *k, unsigned code, bool down)
{
	uint8_t b[6], key = set2_of(code & 0x7f);
	unsigned n = 0;

	if (!key)
		return;
	if (code == KEY_PRINT && down) {
		b[n++] = 0xe0;
		b[n++] = 0x12;
	}
	if (code & EXTENDED)
		b[n++] = 0xe0;
	if (!down)
		b[n++] = 0xf0;
	b[n++] = key;
	send(k, b, n);
	if (code == KEY_PRINT && !down)
		send(k, (const uint8_t[]){ 0xe0, 0xf0, 0x12 }, 3);
}

static void
key_in_set3(struct ps2_keyboard *k, unsigned code, bool down)
{
	uint8_t key = (code & EXTENDED ? set3_extended : set3)[code & 0x7f];

	if (!key)
		return;
	if (down)
		send(k, &key, 1);
	else if (!(k->no_break[key / 8] >> key % 8 & 1))
		send(k, (const uint8_t[]){ 0xf0, key }, 2);
}

void
ps2_keyboard_key(struct ps2_keyboard *k, unsigned code, bool down)
{
	static const uint8_t pause1[] = { 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5 };
	static const uint8_t pause2[] = { 0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14,
		0xf0, 0x77 };

	if (!k->scanning || code > 0xff || !(code & 0x7f))
		return;
	if (code == KEY_PAUSE && k->set < 3) {
		if (down && k->set == 1)
			send(k, pause1, sizeof(pause1));
		else if (down)
			send(k, pause2, sizeof(pause2));
	} else if (k->set == 1) {
		key_in_set1(k, code, down);
	} else if (k->set == 2) {
		key_in_set2(k, code, down);
	} else {
		key_in_set3(k, code, down);
	}
	k->out.ready(k->out.opaque);
}

/* --- Commands ------------------------------------------------------------ */

static void
defaults(struct ps2_keyboard *k)
{
	k->set = 2;
	k->command = 0;
	memset(k->no_break, 0, sizeof(k->no_break));
}

void
ps2_keyboard_reset(struct ps2_keyboard *k)
{
	defaults(k);
	k->out.first = k->out.n = 0;
	k->scanning = true;
	k->leds = 0;
	k->last = BAT_OK;
}

static void
answer(struct ps2_keyboard *k, uint8_t b)
{
	k->last = b;
	ps2_put(&k->out, b);
}

/* The byte after a command that has one; false: it is a command itself. */
static bool
parameter(struct ps2_keyboard *k, uint8_t v)
{
	uint8_t command = k->command;

	k->command = 0;
	switch (command) {
	case 0xed:
		k->leds = v & 7;
		break;
	case 0xf0:
		if (v > 3) {
			answer(k, RESEND);
			return true;
		}
		answer(k, ACK);
		if (v)
			k->set = v;
		else
			answer(k, k->set);
		return true;
	case 0xf3:
		break;
	case 0xfb:			/* set 3: keys until a command comes */
	case 0xfc:
	case 0xfd:
		if (v >= 0xed)
			return false;
		if (command == 0xfc)
			k->no_break[v / 8] &= ~(1 << v % 8);
		else
			k->no_break[v / 8] |= 1 << v % 8;
		k->command = command;
		break;
	default:
		return false;
	}
	answer(k, ACK);
	return true;
}

static void
command(struct ps2_keyboard *k, uint8_t v)
{
	switch (v) {
	case 0xed:
	case 0xf0:
	case 0xf3:
	case 0xfb:
	case 0xfc:
	case 0xfd:
		k->command = v;
		answer(k, ACK);
		break;
	case ECHO:
		answer(k, ECHO);
		break;
	case 0xf2:
		answer(k, ACK);
		answer(k, 0xab);
		answer(k, 0x83);
		break;
	case 0xf4:
		k->out.first = k->out.n = 0;
		k->scanning = true;
		answer(k, ACK);
		break;
	case 0xf5:
	case 0xf6:
		k->out.first = k->out.n = 0;
		defaults(k);
		k->scanning = v == 0xf6;
		answer(k, ACK);
		break;
	case 0xf7:			/* set 3: all keys at once */
	case 0xf9:
		memset(k->no_break, 0xff, sizeof(k->no_break));
		answer(k, ACK);
		break;
	case 0xf8:
	case 0xfa:
		memset(k->no_break, 0, sizeof(k->no_break));
		answer(k, ACK);
		break;
	case 0xfe:
		answer(k, k->last);
		break;
	case 0xff:
		ps2_keyboard_reset(k);
		answer(k, ACK);
		answer(k, BAT_OK);
		break;
	default:
		answer(k, RESEND);
	}
}

void
ps2_keyboard_write(struct ps2_keyboard *k, uint8_t v)
{
	if (!k->command || !parameter(k, v))
		command(k, v);
	k->out.ready(k->out.opaque);
}
