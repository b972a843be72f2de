/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev.c - back ends for streams of characters, over descriptors
 *
 * One struct for all: a descriptor to read from, one to write to, either -1.
 * A write that the descriptor would not take at once is refused, and the
 * front end is told when there is room: nothing here waits.  Standard output
 * is not made non-blocking, since it may be shared with other programs; it is
 * asked first and written to in pieces that it then takes.
 *
 * What is written while nobody is at the other end is lost, as on a cable
 * that is not plugged in.
 */
#include "ctl/chardev_impl.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/terminal.h"

enum { PIECE = 512 };	/* what a pipe that is ready takes: PIPE_BUF */

/* --- Reading ------------------------------------------------------------- */

size_t
chardev_room(const struct chardev *c)
{
	if (!c->user)
		return 0;
	/* Who does not listen gets it all the same: it is thrown away, and the
	 * end is noticed. */
	return c->user->room ? c->user->room(c->opaque) : PIECE;
}

static void
hangup(struct chardev *c)
{
	if (c->backend->hangup) {
		c->backend->hangup(c);
		return;
	}
	/* The end of what there was: nothing more will come. */
	board_fd_remove(c->in_fd);
	c->in_fd = NULL;
}

static void
readable(void *opaque, short revents)
{
	struct chardev *c = opaque;
	uint8_t buf[PIECE];
	size_t room = chardev_room(c);
	ssize_t n;

	/* Looked at again when there is room: chardev_wake(). */
	if (!room) {
		board_fd_events(c->in_fd, 0);
		return;
	}
	n = read(c->in, buf, room < sizeof(buf) ? room : sizeof(buf));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		hangup(c);
		return;
	}
	if (c->user->received)
		c->user->received(c->opaque, buf, n);
}

void
chardev_wake(struct chardev *c)
{
	if (c->backend->wake)
		c->backend->wake(c);
	else if (c->in_fd)
		board_fd_events(c->in_fd, chardev_room(c) ? POLLIN : 0);
}

/* --- Writing ------------------------------------------------------------- */

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

static ssize_t
put(struct chardev *c, const uint8_t *buf, size_t len)
{
	if (c->is_socket)
		return send(c->out, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	return write(c->out, buf, len);
}

size_t
chardev_write(struct chardev *c, const uint8_t *buf, size_t len)
{
	size_t done = 0;

	if (c->backend->write)
		return c->backend->write(c, buf, len);
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
		n = put(c, buf + done, part);
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

/* --- Front ends and other ends ------------------------------------------- */

void
chardev_attach(struct chardev *c, const struct chardev_user *user,
    void *opaque)
{
	c->user = user;
	c->opaque = opaque;
	if (user && user->connected && c->connected)
		user->connected(opaque, true);
	chardev_wake(c);
}

int
chardev_connect(struct chardev *c, int in, int out, struct error *err)
{
	c->in = in;
	c->out = out;
	if (in >= 0) {
		c->in_fd = board_fd_add(c->board, in, 0, readable, c, err);
		if (!c->in_fd) {
			chardev_disconnect(c);
			return -err->code;
		}
	}
	c->connected = true;
	if (c->user && c->user->connected)
		c->user->connected(c->opaque, true);
	chardev_wake(c);
	return 0;
}

void
chardev_disconnect(struct chardev *c)
{
	bool told = c->connected;

	board_fd_remove(c->in_fd);
	board_fd_remove(c->out_fd);
	c->in_fd = c->out_fd = NULL;
	if (c->in > STDERR_FILENO)
		close(c->in);
	if (c->out > STDERR_FILENO && c->out != c->in)
		close(c->out);
	c->in = c->out = -1;
	c->connected = false;
	if (told && c->user && c->user->connected)
		c->user->connected(c->opaque, false);
	/* Who waits for room would wait for ever. */
	if (c->full && c->user && c->user->writable) {
		c->full = false;
		c->user->writable(c->opaque);
	}
	c->full = false;
}

/* --- Files, pipes, standard input and output ----------------------------- */

static int
open_file(struct chardev *c, const struct chardev_config *config,
    struct error *err)
{
	int fd = open(config->path, O_WRONLY | O_CREAT | O_CLOEXEC |
	    O_NONBLOCK | (config->append ? O_APPEND : O_TRUNC), 0666);

	if (fd < 0)
		return error_errno(err, errno, "%s", config->path);
	return chardev_connect(c, -1, fd, err);
}

const struct chardev_backend chardev_file = {
	.size = sizeof(struct chardev),
	.open = open_file,
};

static int
open_stdio(struct chardev *c, const struct chardev_config *config,
    struct error *err)
{
	if (chardev_connect(c, STDIN_FILENO, STDOUT_FILENO, err) < 0)
		return -err->code;
	return terminal_raw(config->signals, err);
}

static void
close_stdio(struct chardev *c)
{
	terminal_restore();
}

const struct chardev_backend chardev_stdio = {
	.size = sizeof(struct chardev),
	.open = open_stdio,
	.close = close_stdio,
};

/* Both directions of a FIFO are opened, so that neither waits for the other
 * side nor ends when that goes. */
static int
open_end(const char *path, const char *suffix)
{
	char name[4096];
	int n = snprintf(name, sizeof(name), "%s%s", path, suffix);

	if (n < 0 || (size_t)n >= sizeof(name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

static int
open_pipe(struct chardev *c, const struct chardev_config *config,
    struct error *err)
{
	int in = open_end(config->path, ".in");
	int out = in < 0 ? -1 : open_end(config->path, ".out");

	if (out < 0) {
		if (in >= 0)
			close(in);
		in = out = open_end(config->path, "");
	}
	if (in < 0)
		return error_errno(err, errno, "%s.in, %s.out or %s",
		    config->path, config->path, config->path);
	return chardev_connect(c, in, out, err);
}

const struct chardev_backend chardev_pipe = {
	.size = sizeof(struct chardev),
	.open = open_pipe,
};

static const struct chardev_backend chardev_null = {
	.size = sizeof(struct chardev),
};

/* --- Making them --------------------------------------------------------- */

static struct chardev *
make(struct board *board, const struct chardev_config *config,
    const char *label, struct error *err)
{
	static const struct chardev_backend *const backends[] = {
		[CHARDEV_NULL] = &chardev_null,
		[CHARDEV_FILE] = &chardev_file,
		[CHARDEV_STDIO] = &chardev_stdio,
		[CHARDEV_PIPE] = &chardev_pipe,
		[CHARDEV_SOCKET] = &chardev_socket,
		[CHARDEV_PTY] = &chardev_pty,
	};
	const struct chardev_backend *b = backends[config->kind];
	struct chardev *c = calloc(1, b->size);

	if (c) {
		c->backend = b;
		c->board = board;
		c->in = c->out = -1;
		c->label = strdup(label);
		c->id = config->id ? strdup(config->id) : NULL;
	}
	if (!c || !c->label || (config->id && !c->id)) {
		error_errno(err, ENOMEM, "character device");
		if (c) {
			free(c->label);
			free(c->id);
		}
		free(c);
		return NULL;
	}
	if (!b->open)
		c->connected = true;
	else if (b->open(c, config, err) < 0) {
		chardev_free(c);
		return NULL;
	}
	return c;
}

struct chardev *
chardev_new(struct board *board, const struct chardev_config *config,
    const char *label, struct error *err)
{
	struct chardev *c, *mux;

	/* A reader that has gone is an error of write(), not the end. */
	signal(SIGPIPE, SIG_IGN);
	c = make(board, config, label, err);
	if (!c || !config->mux)
		return c;
	mux = chardev_mux_new(board, c, label);
	if (!mux) {
		error_errno(err, ENOMEM, "character device");
		chardev_free(c);
	}
	return mux;
}

void
chardev_free(struct chardev *c)
{
	if (!c)
		return;
	c->user = NULL;
	if (chardev_is_mux(c)) {
		chardev_mux_free(c);
		return;
	}
	if (c->backend->close)
		c->backend->close(c);
	chardev_disconnect(c);
	free(c->label);
	free(c->id);
	free(c);
}

struct chardev *
chardev_share(struct chardev *c, struct error *err)
{
	if (chardev_is_mux(c))
		return chardev_mux_share(c, err);
	if (c->shared) {
		error_set(err, EBUSY, "character device '%s' is in use; "
		    "mux=on would share it", c->id ? c->id : c->label);
		return NULL;
	}
	c->shared = true;
	return c;
}

void
chardev_on_quit(struct chardev *c, void (*quit)(void *opaque), void *opaque)
{
	if (chardev_is_mux(c))
		chardev_mux_on_quit(c, quit, opaque);
}

void
chardev_describe(const struct chardev *c, char *text, size_t size)
{
	char what[256] = "";
	const char *name = c->id ? c->id : c->label;

	if (c->backend->describe)
		c->backend->describe(c, what, sizeof(what));
	else
		snprintf(what, sizeof(what), "%s",
		    c->backend == &chardev_file ? "file" :
		    c->backend == &chardev_stdio ? "stdio" :
		    c->backend == &chardev_pipe ? "pipe" : "null");
	snprintf(text, size, "%s: filename=%s", name, what);
}

const char *
chardev_id(const struct chardev *c)
{
	return c->id;
}
