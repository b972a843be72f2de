/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev.c - back ends for streams of characters, over descriptors
 *
 * One struct for all: a descriptor to read from, one to write to, either -1.
 * A write that the descriptor would not take at once is refused, and the
 * front end is told when there is room: nothing here waits.  Standard output
 * is not made non-blocking, since it may be shared with other programs; it is
 * asked first and written to in pieces that it then takes.
 */
#include "ctl/chardev.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { PIECE = 512 };	/* what a pipe that is ready takes: PIPE_BUF */

struct chardev {
	struct board *board;
	const struct chardev_user *user;
	void *opaque;
	int in, out;		/* -1: none */
	bool own_out;		/* to be closed */
	struct board_fd *in_fd, *out_fd;
	bool full;		/* somebody waits for room */
	bool is_tty;
	struct termios before;
};

/* --- Reading ------------------------------------------------------------------ */

static size_t
user_room(struct chardev *c)
{
	if (!c->user || !c->user->received)
		return 0;
	return c->user->room ? c->user->room(c->opaque) : PIECE;
}

static void
readable(void *opaque, short revents)
{
	struct chardev *c = opaque;
	uint8_t buf[PIECE];
	size_t room = user_room(c);
	ssize_t n;

	if (!room) {
		board_fd_events(c->in_fd, 0);
		return;
	}
	n = read(c->in, buf, room < sizeof(buf) ? room : sizeof(buf));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {			/* the end: nothing more will come */
		board_fd_remove(c->in_fd);
		c->in_fd = NULL;
		return;
	}
	c->user->received(c->opaque, buf, n);
}

void
chardev_wake(struct chardev *c)
{
	if (c->in_fd)
		board_fd_events(c->in_fd, user_room(c) ? POLLIN : 0);
}

/* --- Writing ------------------------------------------------------------------ */

static void
writable(void *opaque, short revents)
{
	struct chardev *c = opaque;

	board_fd_remove(c->out_fd);
	c->out_fd = NULL;
	c->full = false;
	if (c->user && c->user->writable)
		c->user->writable(c->opaque);
}

/* Asks to be told when the descriptor takes bytes again. */
static void
await_room(struct chardev *c)
{
	struct error err;

	c->full = true;
	if (!c->out_fd)
		c->out_fd = board_fd_add(c->board, c->out, POLLOUT, writable,
		    c, &err);
}

size_t
chardev_write(struct chardev *c, const uint8_t *buf, size_t len)
{
	size_t done = 0;

	if (c->out < 0)
		return len;
	if (c->full && c->out_fd)
		return 0;
	while (done < len) {
		struct pollfd p = { .fd = c->out, .events = POLLOUT };
		size_t part = len - done < PIECE ? len - done : PIECE;
		ssize_t n;

		if (poll(&p, 1, 0) == 0) {
			await_room(c);
			break;
		}
		n = write(c->out, buf + done, part);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			await_room(c);
			break;
		}
		if (n < 0)		/* nobody reads it any more: lost */
			return len;
		done += n;
	}
	return done;
}

void
chardev_attach(struct chardev *c, const struct chardev_user *user,
    void *opaque)
{
	c->user = user;
	c->opaque = opaque;
	if (user && user->connected)
		user->connected(opaque, true);
	chardev_wake(c);
}

/* --- Making them -------------------------------------------------------------- */

int
chardev_parse(struct chardev_config *config, const char *text,
    struct error *err)
{
	*config = (struct chardev_config){ .signals = true };
	if (!strcmp(text, "none"))
		config->kind = CHARDEV_NONE;
	else if (!strcmp(text, "null"))
		config->kind = CHARDEV_NULL;
	else if (!strcmp(text, "stdio"))
		config->kind = CHARDEV_STDIO;
	else if (!strncmp(text, "file:", 5) && text[5])
		*config = (struct chardev_config){ .kind = CHARDEV_FILE,
		    .path = text + 5 };
	else
		return error_set(err, EINVAL, "unknown character device '%s'",
		    text);
	return 0;
}

static int
open_file(struct chardev *c, const struct chardev_config *config,
    struct error *err)
{
	c->out = open(config->path, O_WRONLY | O_CREAT | O_CLOEXEC |
	    O_NONBLOCK | (config->append ? O_APPEND : O_TRUNC), 0666);
	c->own_out = true;
	if (c->out < 0)
		return error_errno(err, errno, "%s", config->path);
	return 0;
}

static int
open_stdio(struct chardev *c, const struct chardev_config *config,
    struct error *err)
{
	struct termios raw;

	c->in = STDIN_FILENO;
	c->out = STDOUT_FILENO;
	c->in_fd = board_fd_add(c->board, c->in, 0, readable, c, err);
	if (!c->in_fd)
		return -err->code;
	if (tcgetattr(c->in, &c->before) < 0)
		return 0;
	raw = c->before;
	raw.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR |
	    ICRNL | IXON);
	raw.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
	if (!config->signals)
		raw.c_lflag &= ~ISIG;
	raw.c_cflag = (raw.c_cflag & ~(CSIZE | PARENB)) | CS8;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	c->is_tty = tcsetattr(c->in, TCSANOW, &raw) == 0;
	return 0;
}

struct chardev *
chardev_new(struct board *board, const struct chardev_config *config,
    struct error *err)
{
	struct chardev *c = calloc(1, sizeof(*c));
	int ret = 0;

	if (!c) {
		error_errno(err, ENOMEM, "character device");
		return NULL;
	}
	c->board = board;
	c->in = c->out = -1;
	if (config->kind == CHARDEV_FILE)
		ret = open_file(c, config, err);
	else if (config->kind == CHARDEV_STDIO)
		ret = open_stdio(c, config, err);
	if (ret < 0) {
		chardev_free(c);
		return NULL;
	}
	return c;
}

void
chardev_free(struct chardev *c)
{
	if (!c)
		return;
	if (c->in_fd)
		board_fd_remove(c->in_fd);
	if (c->out_fd)
		board_fd_remove(c->out_fd);
	if (c->is_tty)
		tcsetattr(c->in, TCSADRAIN, &c->before);
	if (c->own_out && c->out >= 0)
		close(c->out);
	free(c);
}
