/* SPDX-License-Identifier: GPL-2.0-or-later */
/* chip-i8042.c - keyboard controller, keyboard and mouse */
#include "rig.h"

#include "dev/i8042.h"
#include "support/unit.h"

enum { KBD = 1, MOUSE = 12, A20 = 20, RESET = 21 };

static struct rig r;
static struct i8042 *c;
static struct input_sink in;

static void start(void)
{
	struct i8042_wires w = { rig_irq(&r, KBD), rig_irq(&r, MOUSE),
		rig_irq(&r, RESET), rig_irq(&r, A20) };
	struct error err;

	rig_init(&r);
	c = i8042_new(r.bus, &w, &err);
	rig_must(c, &err);
	in = i8042_input(c);
}

static void end(void)
{
	i8042_free(c);
	rig_fini(&r);
}

static uint8_t status(void)
{
	return rig_in(&r, 0x64, 1);
}

static void command(uint8_t v)
{
	rig_out(&r, 0x64, 1, v);
}

static void data(uint8_t v)
{
	rig_out(&r, 0x60, 1, v);
}

/* All that can be read, as text in hex; "m" before what is the mouse's. */
static const char *all(void)
{
	static char text[1024];
	char *p = text;

	*p = '\0';
	while (status() & 1 && p < text + 900) {
		bool mouse = status() & 0x20;

		p += sprintf(p, "%s%s%02x", p == text ? "" : " ",
		    mouse ? "m" : "", rig_in(&r, 0x60, 1));
	}
	return text;
}

#define READS(expected) CU_ASSERT_STRING_EQUAL(all(), expected)

static void to_mouse(uint8_t v)
{
	command(0xd4);
	data(v);
}

static void controller(void)
{
	start();
	CU_ASSERT(r.level[A20]);
	command(0xaa);
	READS("55");
	CU_ASSERT(status() & 4);
	command(0xab);
	READS("00");
	command(0xa9);
	READS("00");
	command(0x60);
	data(0x47);
	command(0x20);
	READS("47");
	command(0x61);
	data(0x99);
	command(0x21);
	READS("99");
	command(0xd2);
	data(0x12);
	READS("12");
	command(0xd3);
	data(0x34);
	READS("m34");
	command(0xd1);
	data(0xdd);
	CU_ASSERT(!r.level[A20]);
	command(0xdf);
	CU_ASSERT(r.level[A20]);
	command(0xd0);
	CU_ASSERT_EQUAL(strtoul(all(), NULL, 16) & 3, 3);
	CU_ASSERT(!r.level[RESET]);
	command(0xff);				/* pulses nothing */
	CU_ASSERT(!r.level[RESET]);
	command(0xfe);
	CU_ASSERT(r.level[RESET]);
	i8042_reset(c);
	CU_ASSERT(!r.level[RESET]);
	end();
}

static void keyboard(void)
{
	start();
	command(0x60);
	data(0x41);				/* interrupt, translation */
	data(0xff);
	READS("fa aa");
	data(0xf2);
	READS("fa ab 41");
	data(0xee);
	READS("ee");
	data(0xed);
	data(0x07);
	READS("fa fa");
	data(0x01);
	READS("fe");
	/* A, released; right Ctrl; as set 1. */
	in.key(in.dev, 0x1e, true);
	CU_ASSERT(r.level[KBD] && !r.level[MOUSE]);
	in.key(in.dev, 0x1e, false);
	in.key(in.dev, 0x9d, true);
	in.key(in.dev, 0x9d, false);
	READS("1e 9e e0 1d e0 9d");
	CU_ASSERT(!r.level[KBD]);
	/* F7 and SysRq are odd. */
	in.key(in.dev, 0x41, true);
	in.key(in.dev, 0x54, true);
	READS("41 54");
	in.key(in.dev, 0xc6, true);
	in.key(in.dev, 0xc6, false);
	READS("e1 1d 45 e1 9d c5");
	/* Every key of set 1 comes through unchanged. */
	for (unsigned i = 1; i < 0x59; i++) {
		char text[16];

		if (i == 0x55)
			continue;
		in.key(in.dev, i, true);
		in.key(in.dev, i, false);
		sprintf(text, "%02x %02x", i, i | 0x80);
		READS(text);
	}
	/* Sets 2 and 3 as they are. */
	command(0x60);
	data(0x01);
	in.key(in.dev, 0x1e, true);
	in.key(in.dev, 0x1e, false);
	READS("1c f0 1c");
	in.key(in.dev, 0xb7, true);
	in.key(in.dev, 0xb7, false);
	READS("e0 12 e0 7c e0 f0 7c e0 f0 12");
	data(0xf0);
	data(0);
	READS("fa fa 02");
	data(0xf0);
	data(3);
	in.key(in.dev, 0x9d, true);
	in.key(in.dev, 0x9d, false);
	READS("fa fa 58 f0 58");
	data(0xf0);
	data(1);
	in.key(in.dev, 0xc8, true);
	in.key(in.dev, 0xc8, false);
	READS("fa fa e0 48 e0 c8");
	/* Nothing while it is disabled; then all of it. */
	command(0xad);
	in.key(in.dev, 0x1e, true);
	READS("");
	command(0xae);
	READS("1e");
	data(0xf5);
	in.key(in.dev, 0x1e, true);
	READS("fa");
	end();
}

static void edges(void)
{
	unsigned before;

	start();
	before = r.rises[KBD];
	in.key(in.dev, 0x1e, true);
	in.key(in.dev, 0x1e, false);		/* 1c f0 1c */
	READS("1c f0 1c");
	CU_ASSERT_EQUAL(r.rises[KBD] - before, 3);
	end();
}

static void mouse(void)
{
	start();
	command(0xa8);
	command(0x60);
	data(0x03);
	to_mouse(0xff);
	READS("mfa maa m00");
	in.pointer(in.dev, 5, 5, 0, 1);
	READS("");				/* not asked for yet */
	to_mouse(0xf4);
	READS("mfa m09 m00 m00");		/* the button */
	in.pointer(in.dev, 3, 2, 0, 1);
	CU_ASSERT(r.level[MOUSE] && !r.level[KBD]);
	READS("m29 m03 mfe");
	in.pointer(in.dev, -300, 0, 0, 0);
	READS("m18 m01 m00 m18 md3 m00");
	to_mouse(0xf5);
	READS("mfa");
	to_mouse(0xe9);
	READS("mfa m00 m02 m64");
	/* The wheel appears when the rates are right. */
	for (unsigned i = 0; i < 3; i++) {
		to_mouse(0xf3);
		READS("mfa");
		to_mouse((uint8_t[]){ 200, 100, 80 }[i]);
		READS("mfa");
	}
	to_mouse(0xf2);
	READS("mfa m03");
	to_mouse(0xf4);
	READS("mfa");
	in.pointer(in.dev, 0, 0, -1, 0);
	READS("m08 m00 m00 mff");
	/* However much happens, little is kept. */
	for (unsigned i = 0; i < 100000; i++) {
		in.pointer(in.dev, i, -7, 1, i & 3);
		in.key(in.dev, 0x1e, i & 1);
	}
	for (unsigned i = 0; i < 300000 && status() & 1; i++)
		rig_in(&r, 0x60, 1);
	CU_ASSERT(!(status() & 1));
	to_mouse(0xee);
	to_mouse(0x55);
	READS("mfa m55");
	end();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "commands of the controller, A20 and reset", controller },
		{ "keys in all scan code sets", keyboard },
		{ "each byte is an edge", edges },
		{ "a mouse, with a wheel when asked", mouse },
		{ NULL, NULL }
	};

	return unit_run("chip-i8042", tests);
}
