/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor.c - commands to the machine by hand: the line and what is answered
 *
 * What a command says is kept until the stream has taken it, up to a bound,
 * and no further input is read before: a reader that does not read holds up
 * its own monitor and nothing else.
 */
#include "ctl/monitor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "ctl/monitor_impl.h"

enum { OUT_MAX = 4 << 20, INPUT = 256, HISTORY = 32 };

/* --- Output -------------------------------------------------------------- */

static void
flush(struct monitor *m)
{
	m->out_sent += chardev_write(m->chr, (uint8_t *)m->out + m->out_sent,
	    m->out_len - m->out_sent);
	if (m->out_sent == m->out_len)
		m->out_sent = m->out_len = 0;
}

static void
put(struct monitor *m, const char *text, size_t len)
{
	if (m->out_len + len > OUT_MAX) {
		m->cut = true;
		return;
	}
	if (m->out_len + len > m->out_room) {
		size_t room = (m->out_len + len) * 2;
		char *out = realloc(m->out, room);

		if (!out) {
			m->cut = true;
			return;
		}
		m->out = out;
		m->out_room = room;
	}
	memcpy(m->out + m->out_len, text, len);
	m->out_len += len;
}

/* Lines end as on a terminal in raw mode. */
static void
put_lines(struct monitor *m, const char *text)
{
	for (;;) {
		size_t n = strcspn(text, "\n");

		put(m, text, n);
		if (!text[n])
			return;
		put(m, "\r\n", 2);
		text += n + 1;
	}
}

void
monitor_print(struct monitor *m, const char *fmt, ...)
{
	char text[2 * MONITOR_LINE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_lines(m, text);
}

void
monitor_show_line(void *opaque, const char *text)
{
	put_lines(opaque, text);
	put_lines(opaque, "\n");
}

static void
prompt(struct monitor *m)
{
	if (m->cut)
		put_lines(m, "\n(there was more)\n");
	m->cut = false;
	put_lines(m, m->c->peer ? "(qemu) " : "(cowbird) ");
}

static void
greet(struct monitor *m)
{
	if (m->c->peer)
		monitor_print(m, "QEMU %s monitor - type 'help' for more "
		    "information\n", m->c->version);
	else
		monitor_print(m, "cowbird %s monitor - type 'help' for more "
		    "information\n", m->c->version);
	prompt(m);
	flush(m);
}

/* --- The line ------------------------------------------------------------ */

static void
rub_out(struct monitor *m, unsigned n)
{
	while (n-- && m->len) {
		m->len--;
		put_lines(m, "\b \b");
	}
}

static void
type(struct monitor *m, char c)
{
	if (m->len + 1 >= MONITOR_LINE)
		return;
	m->line[m->len++] = c;
	put(m, &c, 1);
}

static void
replace(struct monitor *m, const char *text)
{
	rub_out(m, m->len);
	while (*text)
		type(m, *text++);
}

static void
remember(struct monitor *m)
{
	char *copy;

	if (!m->len || (m->histories &&
	    !strcmp(m->history[m->histories - 1], m->line)))
		return;
	copy = strdup(m->line);
	if (!copy)
		return;
	if (m->histories == HISTORY) {
		free(m->history[0]);
		memmove(m->history, m->history + 1,
		    (HISTORY - 1) * sizeof(*m->history));
		m->histories--;
	}
	m->history[m->histories++] = copy;
}

static void
enter(struct monitor *m)
{
	m->line[m->len] = '\0';
	put_lines(m, "\n");
	remember(m);
	m->shown = m->histories;
	m->len = 0;
	monitor_command(m, m->line);
	prompt(m);
}

static void
recall(struct monitor *m, bool older)
{
	if (older ? m->shown == 0 : m->shown >= m->histories)
		return;
	m->shown += older ? -1 : 1;
	replace(m, m->shown < m->histories ? m->history[m->shown] : "");
}

/* One candidate is typed, several are shown. */
static void
complete(struct monitor *m)
{
	const char *name;

	m->line[m->len] = '\0';
	if (!m->len || !monitor_complete(m->line, 0))
		return;
	if (!monitor_complete(m->line, 1)) {
		name = monitor_complete(m->line, 0) + m->len;
		while (*name)
			type(m, *name++);
		type(m, ' ');
		return;
	}
	put_lines(m, "\n");
	for (unsigned i = 0; (name = monitor_complete(m->line, i)); i++)
		monitor_print(m, "%s\n", name);
	prompt(m);
	put(m, m->line, m->len);
}

static void
word_back(struct monitor *m)
{
	while (m->len && m->line[m->len - 1] == ' ')
		rub_out(m, 1);
	while (m->len && m->line[m->len - 1] != ' ')
		rub_out(m, 1);
}

/* ESC [ A and so on; what is not known is swallowed. */
static void
escaped(struct monitor *m, char c)
{
	if (m->escape == 1) {
		m->escape = c == '[' || c == 'O' ? 2 : 0;
		return;
	}
	if (c >= '0' && c <= '?')
		return;
	m->escape = 0;
	if (c == 'A' || c == 'B')
		recall(m, c == 'A');
}

static void
take(struct monitor *m, char c)
{
	bool after_return = m->after_return;

	m->after_return = c == '\r';
	if (m->escape) {
		escaped(m, c);
		return;
	}
	switch (c) {
	case '\n':
		if (after_return)
			break;
		/* fall through */
	case '\r':
		enter(m);
		break;
	case '\b':
	case 0x7f:
		rub_out(m, 1);
		break;
	case '\t':
		complete(m);
		break;
	case 0x1b:
		m->escape = 1;
		break;
	case 'C' - '@':
		put_lines(m, "\n");
		m->len = 0;
		prompt(m);
		break;
	case 'U' - '@':
		rub_out(m, m->len);
		break;
	case 'W' - '@':
		word_back(m);
		break;
	case 'P' - '@':
	case 'N' - '@':
		recall(m, c == 'P' - '@');
		break;
	default:
		if ((unsigned char)c >= ' ')
			type(m, c);
	}
}

/* --- The stream ---------------------------------------------------------- */

static size_t
room(void *opaque)
{
	struct monitor *m = opaque;

	return m->out_len ? 0 : INPUT;
}

static void
received(void *opaque, const uint8_t *buf, size_t len)
{
	struct monitor *m = opaque;

	for (size_t i = 0; i < len; i++)
		take(m, buf[i]);
	flush(m);
}

static void
writable(void *opaque)
{
	struct monitor *m = opaque;

	flush(m);
	if (!m->out_len)
		chardev_wake(m->chr);
}

static void
connected(void *opaque, bool yes)
{
	struct monitor *m = opaque;

	m->len = 0;
	m->escape = 0;
	m->out_len = m->out_sent = 0;
	if (yes)
		greet(m);
}

static const struct chardev_user user = {
	.room = room,
	.received = received,
	.writable = writable,
	.connected = connected,
};

struct monitor *
monitor_new(struct board *b, const struct control *c, struct chardev *chr,
    struct error *err)
{
	struct monitor *m = calloc(1, sizeof(*m));

	if (!m) {
		error_errno(err, ENOMEM, "monitor");
		return NULL;
	}
	m->board = b;
	m->c = c;
	m->chr = chr;
	m->dump = (struct dump_format){ .how = 'x', .size = 4 };
	chardev_attach(chr, &user, m);
	return m;
}

void
monitor_free(struct monitor *m)
{
	if (!m)
		return;
	chardev_attach(m->chr, NULL, NULL);
	for (unsigned i = 0; i < m->histories; i++)
		free(m->history[i]);
	free(m->out);
	free(m);
}
