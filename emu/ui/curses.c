/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * curses.c - the text screen on the terminal we were started from
 *
 * Some twenty times a second of host time the screen is asked for its cells,
 * and curses sends what has changed.  A graphics mode is only named.  A
 * terminal says which characters were typed, not which keys: they are turned
 * into the chord that types them on a US keyboard.
 */
#include "ui/curses.h"

#ifndef HAVE_CURSES

struct curses_display *
curses_new(struct board *b, struct display_source s, struct typist *t,
    void (*quit)(void *opaque), void *opaque, struct error *err)
{
	error_set(err, ENOTSUP,
	    "this build has no ncurses: -display curses is not there");
	return NULL;
}

void
curses_free(struct curses_display *c)
{
}

#else

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ui/shot.h"

enum { REFRESH_NS = 50000000, HOLD_NS = 20000000, KEYS_A_TIME = 64,
	ESCAPE = 0x1b, CTRL_A = 1 };

struct curses_display {
	struct board *board;
	struct display_source source;
	struct typist *typist;
	void (*quit)(void *opaque);
	void *opaque;
	int timer;
	struct board_fd *timer_fd, *key_fd;
	unsigned columns, rows;		/* of what was drawn last */
	bool command;			/* after Ctrl-A */
};

/* --- The screen ---------------------------------------------------------- */

/* A VGA's blue is curses' red. */
static short
colour(unsigned c)
{
	return (c & 1) << 2 | (c & 2) | (c & 4) >> 2;
}

static short
pair(unsigned attr)
{
	return 1 + (attr & 7) + 8 * (attr >> 4 & 7);
}

static void
make_pairs(void)
{
	if (!has_colors())
		return;
	start_color();
	for (unsigned bg = 0; bg < 8; bg++)
		for (unsigned fg = 0; fg < 8; fg++)
			init_pair(pair(fg | bg << 4), colour(fg), colour(bg));
}

static void
draw_cell(unsigned cell)
{
	wchar_t text[2] = { text_unicode(cell & 0xff), 0 };
	unsigned attr = cell >> 8;
	cchar_t c;

	setcchar(&c, text, (attr & 8 ? A_BOLD : 0) |
	    (attr & 0x80 ? A_BLINK : 0), has_colors() ? pair(attr) : 0, NULL);
	add_wch(&c);
}

static void
draw_text(const struct picture *p)
{
	unsigned rows = p->rows < (unsigned)LINES ? p->rows : (unsigned)LINES;
	unsigned columns = p->columns < (unsigned)COLS ? p->columns :
	    (unsigned)COLS;

	for (unsigned y = 0; y < rows; y++) {
		move(y, 0);
		for (unsigned x = 0; x < columns; x++)
			draw_cell(p->cell[y * p->columns + x]);
	}
	if (p->cursor_row < rows && p->cursor_column < columns) {
		curs_set(1);
		move(p->cursor_row, p->cursor_column);
	} else {
		curs_set(0);
	}
}

static void
draw(struct curses_display *c)
{
	struct picture p;
	bool shown = c->source.picture &&
	    c->source.picture(c->source.dev, &p);

	if (!shown)
		p = (struct picture){ 0 };
	if (p.columns != c->columns || p.rows != c->rows || !p.columns)
		erase();
	c->columns = p.columns;
	c->rows = p.rows;
	if (p.columns) {
		draw_text(&p);
	} else {
		curs_set(0);
		if (shown)
			mvprintw(LINES / 2, 2, "%u x %u graphics mode",
			    p.width, p.height);
		else
			mvprintw(LINES / 2, 2, "the screen is blank");
	}
	refresh();
}

static void
tick(void *opaque, short revents)
{
	struct curses_display *c = opaque;
	uint64_t count;

	if (read(c->timer, &count, sizeof(count)) == sizeof(count))
		draw(c);
}

/* --- The keyboard -------------------------------------------------------- */

static const struct { int curses; unsigned char code; } special[] = {
	{ KEY_UP, 0xc8 }, { KEY_DOWN, 0xd0 }, { KEY_LEFT, 0xcb },
	{ KEY_RIGHT, 0xcd }, { KEY_HOME, 0xc7 }, { KEY_END, 0xcf },
	{ KEY_PPAGE, 0xc9 }, { KEY_NPAGE, 0xd1 }, { KEY_IC, 0xd2 },
	{ KEY_DC, 0xd3 }, { KEY_BACKSPACE, 0x0e }, { KEY_ENTER, 0x1c },
};

static void
add(struct chord *c, unsigned code)
{
	if (code && c->n < CHORD_KEYS)
		c->key[c->n++] = code;
}

static void
add_special(struct chord *c, int key)
{
	if (key == KEY_BTAB) {
		add(c, KEY_SHIFT);
		add(c, 0x0f);
	} else if (key > KEY_F(0) && key <= KEY_F(10)) {
		add(c, 0x3b + (key - KEY_F(1)));
	} else if (key == KEY_F(11) || key == KEY_F(12)) {
		add(c, 0x57 + (key - KEY_F(11)));
	}
	for (unsigned i = 0; i < sizeof(special) / sizeof(*special); i++) {
		if (special[i].curses == key)
			add(c, special[i].code);
	}
}

static void
add_char(struct chord *c, wint_t w)
{
	bool shift, ctrl = false;
	unsigned code;

	if (w > 0x7f)
		return;
	/* Control characters that have no key of their own. */
	if (w < 0x20 && w != '\t' && w != '\r' && w != '\n' && w != '\b' &&
	    w != ESCAPE) {
		ctrl = true;
		w += w == 0 ? ' ' : w <= 26 ? 'a' - 1 : '@';
	}
	code = key_by_char(w, &shift);
	if (!code)
		return;
	if (ctrl)
		add(c, KEY_CTRL);
	if (shift && !ctrl)
		add(c, KEY_SHIFT);
	add(c, code);
}

static bool
take_command(struct curses_display *c, int kind, wint_t w)
{
	if (!c->command) {
		c->command = kind == OK && w == CTRL_A;
		return c->command;
	}
	c->command = false;
	if (kind == OK && w == CTRL_A)
		return false;
	if (kind == OK && w == 'x')
		c->quit(c->opaque);
	return true;
}

static void
typed(void *opaque, short revents)
{
	struct curses_display *c = opaque;

	/* The terminal has gone. */
	if (revents & (POLLHUP | POLLERR)) {
		board_fd_events(c->key_fd, 0);
		c->quit(c->opaque);
		return;
	}
	for (unsigned i = 0; i < KEYS_A_TIME; i++) {
		struct chord chord = { .hold_ns = HOLD_NS };
		wint_t w;
		int kind = get_wch(&w);

		if (kind == ERR)
			return;
		if (take_command(c, kind, w))
			continue;
		/* Escape and a character at once is Alt. */
		if (kind == OK && w == ESCAPE) {
			wint_t next;
			int k = get_wch(&next);

			if (k == OK) {
				add(&chord, KEY_ALT);
				w = next;
			} else if (k == KEY_CODE_YES) {
				unget_wch(next);
			}
		}
		if (kind == KEY_CODE_YES && w != KEY_RESIZE)
			add_special(&chord, w);
		else if (kind == OK)
			add_char(&chord, w);
		if (chord.n)
			typist_press(c->typist, &chord);
	}
}

/* --- The terminal -------------------------------------------------------- */

static void
leave(void)
{
	if (!isendwin())
		endwin();
}

static int
open_terminal(struct error *err)
{
	static bool once;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return error_set(err, ENOTTY,
		    "-display curses needs a terminal");
	setlocale(LC_CTYPE, "");
	if (!newterm(NULL, stdout, stdin))
		return error_set(err, ENOTSUP, "-display curses: terminal "
		    "'%s' is not known", getenv("TERM") ? getenv("TERM") : "");
	if (!once)
		atexit(leave);
	once = true;
	raw();
	noecho();
	nonl();
	intrflush(stdscr, FALSE);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	scrollok(stdscr, FALSE);
	make_pairs();
	return 0;
}

struct curses_display *
curses_new(struct board *b, struct display_source s, struct typist *t,
    void (*quit)(void *opaque), void *opaque, struct error *err)
{
	struct itimerspec every = { { 0, REFRESH_NS }, { 0, REFRESH_NS } };
	struct curses_display *c = calloc(1, sizeof(*c));

	if (!c) {
		error_errno(err, ENOMEM, "display");
		return NULL;
	}
	*c = (struct curses_display){ .board = b, .source = s, .typist = t,
		.quit = quit, .opaque = opaque, .timer = -1 };
	if (open_terminal(err) < 0) {
		free(c);
		return NULL;
	}
	c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (c->timer < 0) {
		curses_free(c);
		error_errno(err, errno, "timer");
		return NULL;
	}
	timerfd_settime(c->timer, 0, &every, NULL);
	c->timer_fd = board_fd_add(b, c->timer, POLLIN, tick, c, err);
	if (c->timer_fd)
		c->key_fd = board_fd_add(b, STDIN_FILENO, POLLIN, typed, c,
		    err);
	if (!c->key_fd) {
		curses_free(c);
		return NULL;
	}
	return c;
}

void
curses_free(struct curses_display *c)
{
	if (!c)
		return;
	board_fd_remove(c->timer_fd);
	board_fd_remove(c->key_fd);
	if (c->timer >= 0)
		close(c->timer);
	leave();
	free(c);
}

#endif
