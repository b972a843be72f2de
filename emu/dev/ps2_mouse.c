/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ps2_mouse.c - a PS/2 mouse that becomes an IntelliMouse when asked to
 *
 * Movement adds up until there is room to report it, so however fast a user
 * interface moves the pointer, the queue holds a few reports at most.
 *
 * IBM Personal System/2 Hardware Interface Technical Reference, "Mouse"; the
 * wheel and five buttons by the sequences of sample rates 200, 100, 80 and
 * 200, 200, 80.
 */
#include <string.h>

#include "dev/ps2.h"

enum { ACK = 0xfa, NAK = 0xfe, BAT_OK = 0xaa, REPORTS = 3 };

static int
clamp(int v, int low, int high)
{
	return v < low ? low : v > high ? high : v;
}

static void
answer(struct ps2_mouse *m, uint8_t b)
{
	m->last = b;
	ps2_put(&m->out, b);
}

/* One report; what does not fit its nine bits stays for the next. */
static void
report(struct ps2_mouse *m)
{
	int dx = clamp(m->dx, -255, 255), dy = clamp(m->dy, -255, 255);
	int dz = clamp(m->dz, -8, 7);

	m->dx -= dx;
	m->dy -= dy;
	m->dz -= dz;
	m->sent = m->buttons;
	ps2_put(&m->out, 0x08 | (m->buttons & 7) | (dx < 0 ? 0x10 : 0) |
	    (dy < 0 ? 0x20 : 0));
	ps2_put(&m->out, dx);
	ps2_put(&m->out, dy);
	if (m->id == 3)
		ps2_put(&m->out, dz);
	else if (m->id == 4)
		ps2_put(&m->out, (dz & 0x0f) | (m->buttons & 0x18) << 1);
	if (m->id == 0)
		m->dz = 0;
}

void
ps2_mouse_more(struct ps2_mouse *m)
{
	bool any = false;

	while (m->reporting && !m->remote && !m->wrap &&
	    m->out.n < 4 * REPORTS &&
	    (m->dx || m->dy || m->dz || m->buttons != m->sent)) {
		report(m);
		any = true;
	}
	if (any)
		m->out.ready(m->out.opaque);
}

/* Up is positive for the mouse and negative on a screen. */
void
ps2_mouse_move(struct ps2_mouse *m, int dx, int dy, int dz, unsigned buttons)
{
	enum { FAR = 1 << 16 };

	m->buttons = buttons & 0x1f;
	if (!m->reporting && !m->remote)
		return;
	m->dx = clamp(m->dx + clamp(dx, -FAR, FAR), -FAR, FAR);
	m->dy = clamp(m->dy - clamp(dy, -FAR, FAR), -FAR, FAR);
	m->dz = clamp(m->dz + clamp(dz, -FAR, FAR), -FAR, FAR);
	ps2_mouse_more(m);
}

static void
defaults(struct ps2_mouse *m)
{
	m->rate = 100;
	m->resolution = 2;
	m->reporting = m->remote = m->wrap = m->scale = false;
	m->command = 0;
	m->dx = m->dy = m->dz = 0;
}

void
ps2_mouse_reset(struct ps2_mouse *m)
{
	defaults(m);
	m->out.first = m->out.n = 0;
	m->id = 0;
	memset(m->rates, 0, sizeof(m->rates));
	m->last = BAT_OK;
}

static void
set_rate(struct ps2_mouse *m, uint8_t v)
{
	m->rate = v;
	m->rates[2] = m->rates[1];
	m->rates[1] = m->rates[0];
	m->rates[0] = v;
	if (v == 80 && m->rates[2] == 200) {
		if (m->rates[1] == 100)
			m->id = 3;
		else if (m->rates[1] == 200)
			m->id = 4;
	}
}

static void
status(struct ps2_mouse *m)
{
	static const uint8_t bit[] = { 4, 1, 2 };	/* left, right, middle */
	uint8_t v = (m->remote ? 0x40 : 0) | (m->reporting ? 0x20 : 0) |
	    (m->scale ? 0x10 : 0);

	for (unsigned i = 0; i < 3; i++)
		v |= m->buttons >> i & 1 ? bit[i] : 0;
	answer(m, v);
	answer(m, m->resolution);
	answer(m, m->rate);
}

static void
command(struct ps2_mouse *m, uint8_t v)
{
	switch (v) {
	case 0xe6:
	case 0xe7:
		m->scale = v == 0xe7;
		answer(m, ACK);
		break;
	case 0xe8:
	case 0xf3:
		m->command = v;
		answer(m, ACK);
		break;
	case 0xe9:
		answer(m, ACK);
		status(m);
		break;
	case 0xea:
		m->remote = false;
		answer(m, ACK);
		break;
	case 0xeb:
		answer(m, ACK);
		report(m);
		break;
	case 0xec:
		m->wrap = false;
		answer(m, ACK);
		break;
	case 0xee:
		m->wrap = true;
		answer(m, ACK);
		break;
	case 0xf0:
		m->remote = true;
		answer(m, ACK);
		break;
	case 0xf2:
		answer(m, ACK);
		answer(m, m->id);
		break;
	case 0xf4:
	case 0xf5:
		m->reporting = v == 0xf4;
		answer(m, ACK);
		break;
	case 0xf6:
		defaults(m);
		answer(m, ACK);
		break;
	case 0xfe:
		answer(m, m->last);
		break;
	case 0xff:
		ps2_mouse_reset(m);
		answer(m, ACK);
		answer(m, BAT_OK);
		answer(m, m->id);
		break;
	default:
		answer(m, NAK);
	}
}

void
ps2_mouse_write(struct ps2_mouse *m, uint8_t v)
{
	uint8_t waiting = m->command;

	m->command = 0;
	/* A command stops what was being reported. */
	if (!waiting && !m->wrap)
		m->out.first = m->out.n = 0;
	if (m->wrap && v != 0xec && v != 0xff) {
		answer(m, v);
	} else if (waiting == 0xe8) {
		m->resolution = v & 3;
		answer(m, ACK);
	} else if (waiting == 0xf3) {
		set_rate(m, v);
		answer(m, ACK);
	} else {
		command(m, v);
	}
	m->out.ready(m->out.opaque);
	ps2_mouse_more(m);
}
