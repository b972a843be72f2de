/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev_mux.c - one stream for several front ends
 *
 * All of them write; what is typed goes to the one that has the focus, the
 * first at the beginning.  Ctrl-A begins a command to this file.  What the
 * front end has no room for waits in a small queue, and the stream below is
 * not read while that is full: Ctrl-A works as long as it is not.
 */
#include "ctl/chardev_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENDS = 4, QUEUE = 256, ESCAPE = 1 /* Ctrl-A */ };

struct end {
	struct chardev chr;
	struct mux *mux;
};

struct mux {
	struct chardev chr;
	struct chardev *below;
	struct end end[ENDS];
	unsigned ends, focus;
	bool escaped;
	uint8_t queue[QUEUE];
	unsigned first, n;
	void (*quit)(void *opaque);
	void *quit_opaque;
};

static const struct chardev_backend mux_backend, end_backend;

bool
chardev_is_mux(const struct chardev *c)
{
	return c->backend == &mux_backend;
}

/* --- What is typed ------------------------------------------------------- */

/* Gives the front end what it has room for. */
static void
drain(struct mux *m)
{
	while (m->n && m->focus < m->ends) {
		struct chardev *c = &m->end[m->focus].chr;
		size_t room = chardev_room(c), run = QUEUE - m->first;
		unsigned first = m->first;

		if (!room)
			break;
		if (run > m->n)
			run = m->n;
		if (run > room)
			run = room;
		/* First taken off: it may ask for more at once. */
		m->first = (m->first + run) % QUEUE;
		m->n -= run;
		if (c->user->received)
			c->user->received(c->opaque, m->queue + first, run);
	}
}

static void
say(struct mux *m, const char *text)
{
	chardev_write(m->below, (const uint8_t *)text, strlen(text));
}

static void
help(struct mux *m)
{
	say(m, "\r\n"
	    "Ctrl-A h  this\r\n"
	    "Ctrl-A x  end the emulator\r\n"
	    "Ctrl-A b  send a break\r\n"
	    "Ctrl-A c  switch between console and monitor\r\n"
	    "Ctrl-A Ctrl-A  send Ctrl-A\r\n");
}

static void
command(struct mux *m, uint8_t b)
{
	struct chardev *c = &m->end[m->focus].chr;

	switch (b) {
	case 'h':
	case '?':
		help(m);
		break;
	case 'x':
		say(m, "\r\nended by Ctrl-A x\r\n");
		if (m->quit)
			m->quit(m->quit_opaque);
		break;
	case 'b':
		if (m->focus < m->ends && c->user && c->user->break_received)
			c->user->break_received(c->opaque);
		break;
	case 'c':
		if (m->ends)
			m->focus = (m->focus + 1) % m->ends;
		/* Half a line that the last one was given is lost to it. */
		m->n = 0;
		break;
	}
}

static size_t
room(void *opaque)
{
	struct mux *m = opaque;

	return QUEUE - m->n;
}

static void
received(void *opaque, const uint8_t *buf, size_t len)
{
	struct mux *m = opaque;

	for (size_t i = 0; i < len; i++) {
		bool escaped = m->escaped;

		m->escaped = false;
		if (escaped && buf[i] != ESCAPE) {
			drain(m);	/* what was typed before it */
			command(m, buf[i]);
		} else if (!escaped && buf[i] == ESCAPE) {
			m->escaped = true;
		} else if (m->n < QUEUE) {
			m->queue[(m->first + m->n++) % QUEUE] = buf[i];
		}
	}
	drain(m);
}

/* --- To all front ends --------------------------------------------------- */

static void
writable(void *opaque)
{
	struct mux *m = opaque;

	for (unsigned i = 0; i < m->ends; i++) {
		struct chardev *c = &m->end[i].chr;

		if (!c->full)
			continue;
		c->full = false;
		if (c->user && c->user->writable)
			c->user->writable(c->opaque);
	}
}

static void
connected(void *opaque, bool yes)
{
	struct mux *m = opaque;

	for (unsigned i = 0; i < m->ends; i++) {
		struct chardev *c = &m->end[i].chr;

		c->connected = yes;
		if (c->user && c->user->connected)
			c->user->connected(c->opaque, yes);
	}
	m->chr.connected = yes;
}

static const struct chardev_user below_user = {
	.room = room,
	.received = received,
	.writable = writable,
	.connected = connected,
};

/* --- From a front end ---------------------------------------------------- */

static size_t
end_write(struct chardev *c, const uint8_t *buf, size_t len)
{
	size_t n = chardev_write(((struct end *)c)->mux->below, buf, len);

	if (n < len)
		c->full = true;
	return n;
}

static void
end_wake(struct chardev *c)
{
	struct mux *m = ((struct end *)c)->mux;

	drain(m);
	chardev_wake(m->below);
}

static const struct chardev_backend end_backend = {
	.write = end_write,
	.wake = end_wake,
};

/* --- Making it ----------------------------------------------------------- */

static void
describe(const struct chardev *c, char *text, size_t size)
{
	char below[256];
	const char *what;

	chardev_describe(((const struct mux *)c)->below, below,
	    sizeof(below));
	what = strchr(below, '=');
	snprintf(text, size, "mux%s%s", what ? ":" : "", what ? what + 1 : "");
}

static const struct chardev_backend mux_backend = {
	.describe = describe,
};

struct chardev *
chardev_mux_new(struct board *board, struct chardev *below, const char *label)
{
	struct mux *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->chr = (struct chardev){ .backend = &mux_backend, .board = board,
		.label = strdup(label),
		.id = below->id ? strdup(below->id) : NULL,
		.in = -1, .out = -1 };
	if (!m->chr.label || (below->id && !m->chr.id)) {
		free(m->chr.label);
		free(m->chr.id);
		free(m);
		return NULL;
	}
	m->below = below;
	chardev_attach(below, &below_user, m);
	return &m->chr;
}

struct chardev *
chardev_mux_share(struct chardev *c, struct error *err)
{
	struct mux *m = (struct mux *)c;
	struct end *e = &m->end[m->ends];

	if (m->ends == ENDS) {
		error_set(err, EBUSY, "character device '%s' is shared by %d "
		    "already", c->id ? c->id : c->label, ENDS);
		return NULL;
	}
	*e = (struct end){ .mux = m, .chr = { .backend = &end_backend,
	    .board = c->board, .label = c->label, .id = c->id, .in = -1,
	    .out = -1, .connected = c->connected } };
	m->ends++;
	return &e->chr;
}

void
chardev_mux_on_quit(struct chardev *c, void (*quit)(void *), void *opaque)
{
	struct mux *m = (struct mux *)c;

	m->quit = quit;
	m->quit_opaque = opaque;
}

void
chardev_mux_free(struct chardev *c)
{
	struct mux *m = (struct mux *)c;

	for (unsigned i = 0; i < m->ends; i++)
		m->end[i].chr.user = NULL;
	chardev_free(m->below);
	free(m->chr.label);
	free(m->chr.id);
	free(m);
}
