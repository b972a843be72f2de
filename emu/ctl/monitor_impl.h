/* SPDX-License-Identifier: GPL-2.0-or-later */
/* monitor_impl.h - what the monitor's files share */
#ifndef CTL_MONITOR_IMPL_H
#define CTL_MONITOR_IMPL_H

#include "ctl/monitor.h"

enum { MONITOR_LINE = 1024, MONITOR_WORDS = 16 };

/* Formats of x, xp and print. */
struct dump_format {
	unsigned count;
	char how;		/* x d u o c i */
	unsigned size;		/* bytes: 1 2 4 8 */
};

struct monitor {
	struct board *board;
	const struct control *c;
	struct chardev *chr;

	/* The line as it is typed, and older ones. */
	char line[MONITOR_LINE];
	unsigned len;
	char *history[32];
	unsigned histories, shown;	/* shown: which one is on the line */
	unsigned escape;		/* in an escape sequence */
	bool after_return;

	/* What the stream has not taken yet. */
	char *out;
	size_t out_len, out_sent, out_room;
	bool cut, greeted;

	unsigned cpu;			/* x and $REGISTER are of this one */
	struct dump_format dump;	/* the last one */
};

/* monitor.c */
void monitor_print(struct monitor *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void monitor_show_line(void *monitor, const char *text);

/* monitor_commands.c */
void monitor_command(struct monitor *, char *line);
/* Command names that begin with text: the i-th, NULL at the end. */
const char *monitor_complete(const char *text, unsigned i);

/* monitor_dump.c */
int monitor_value(struct monitor *, const char **text, uint64_t *value,
    struct error *err);
/* "/8hx" at *text, if it is there; what is not said stays. */
int monitor_format(struct dump_format *, const char **text, bool *said,
    struct error *err);
int monitor_dump(struct monitor *, const struct dump_format *, bool physical,
    uint64_t addr, struct error *err);
void monitor_show_value(struct monitor *, const struct dump_format *,
    uint64_t value);

#endif
