/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * command.h - the commands of cowbird-io, and what they work on
 *
 * A line is split at spaces, nothing is quoted; the first word finds a struct
 * command, which is the one source of the parser, of help and of the test
 * against the manual page.  A command's result is 0, or 1 after it has said
 * what failed; it is what decides the exit status.
 *
 * All state belongs to the main thread, but for requests handed to aio.c.
 */
#ifndef IO_COMMAND_H
#define IO_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/cli.h"

/* ---- commands */

struct io;

struct flag {
	char letter;		/* 0 ends a table */
	bool value;
	const char *help;
};

#define NO_FILE	1u	/* works without an open file */
#define WRITES	2u	/* refused when the file is read-only */
#define OWN	4u	/* unknown under the peer's name */

struct command {
	const char *name, *alias;	/* alias: NULL, or a second name */
	int (*run)(struct io *, const struct command *, int argc,
	    char **argv);
	int min, max;		/* words after the name; max -1: any number */
	unsigned flags;
	const char *usage;	/* what follows the name */
	const char *summary;
	const struct flag *options;
	const char *text;	/* of help, NULL: nothing more to say */
};

extern const struct command
    cmd_aio_flush, cmd_aio_read, cmd_aio_write, cmd_alloc, cmd_close,
    cmd_discard, cmd_flush, cmd_info, cmd_length, cmd_map, cmd_open, cmd_read,
    cmd_readv, cmd_reopen, cmd_truncate, cmd_write, cmd_writev;

/* Runs one line, which it cuts up; notes a failure in io->failed. */
void command_line(struct io *, char *line);

/* The name of the i-th command that may be typed, or NULL: for completion. */
const char *command_name(const struct io *, unsigned i);

/* The next option's letter, its value in optarg; -1 at the end, operands are
 * then from optind on; '?' after saying what is wrong. */
int command_next(const struct command *, int argc, char **argv);
int command_usage(const struct command *);	/* prints it; 1 */

/* Each says what is wrong with the text and returns false. */
bool parse_size(const char *text, uint64_t *v);
bool parse_pattern(const char *text, uint8_t *v);

/* One line on stderr, after what stdout has said so far; 1. */
int complain(const struct io *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* "1.500 KiB", "512 bytes": three digits after the point, none if all 0. */
enum { UNITS_TEXT = 48 };
const char *units_text(char buf[UNITS_TEXT], double bytes);

/* ---- one request: a read, a write, a discard.  request.c */

enum request_op {
	REQUEST_READ, REQUEST_WRITE, REQUEST_ZERO, REQUEST_DISCARD
};

struct request {
	enum request_op op;
	unsigned flags;		/* IO_FUA, ... */
	const char *what;	/* in "what failed: ..." */
	bool terse, quiet, dump, verify;
	bool vm_state;
	uint8_t pattern;
	uint64_t off, len;
	uint64_t verify_off, verify_len;
	const char *source;	/* pattern file, until the buffer is filled */

	uint8_t *buf;		/* len bytes, inside mem */
	void *mem;
	size_t mem_size;
	struct iovec *iov;	/* n pieces of buf; n 0: one */
	int n;

	struct timespec begin, end;
	int ret;
	struct error err;

	struct request *next;	/* aio.c: in the order of submission */
	bool taken, done;
};

/* Blank, but for memory that may be used again. */
void request_begin(struct request *, enum request_op, const char *what);
/* For len bytes; prints the error. */
bool request_memory(const struct io *, struct request *);
void request_run(struct image *, struct request *);	/* any thread */
/* Prints what came of it; the command's result. */
int request_report(const struct io *, struct request *);
void request_fini(struct request *);

/* ---- requests that run while the prompt is back.  aio.c
 *
 * A few threads, made when there is work for them.  Results are printed in
 * the order of submission: at once while the main thread waits for input or
 * time, between aio_idle() and aio_busy(); else when it drains, or when very
 * many have gathered. */

struct aio;

struct request *aio_request(struct io *);	/* blank; NULL: no memory */
void aio_release(struct io *, struct request *); /* instead of submit */
void aio_submit(struct io *, struct request *);
void aio_drain(struct io *);		/* all done and printed */
void aio_idle(struct io *);
void aio_busy(struct io *);
void aio_free(struct io *);		/* drains; ends the threads */

/* ---- the open file.  session.c */

/* How a file is opened; reopen changes it.  Strings are owned. */
struct source {
	char *name;		/* NULL: the options name it */
	char *options;		/* key=value text, or NULL */
	const char *format;	/* borrowed from the command line, or NULL */
	bool image_opts;	/* options came in the name's place */
	bool read_only, snapshot, copy_on_read, share;
	bool keep;		/* discards do not reach the file */
	bool direct, no_sync, writethrough;
	enum file_aio aio;
};

bool source_set_cache(const struct io *, struct source *, const char *mode);
bool source_set_aio(const struct io *, struct source *, const char *mode);
bool source_set_discard(const struct io *, struct source *,
    const char *mode);
void source_fini(struct source *);

/* Opens it as io->image and keeps the source; frees it when it cannot. */
bool session_open(struct io *, struct source *);
bool session_close(struct io *);

/* ---- contents.  pattern.c */

/* Is all of it this byte? */
bool pattern_matches(const uint8_t *buf, size_t len, uint8_t byte);
/* A file's contents, again and again, until buf is full. */
bool pattern_load(const struct io *, const char *file, uint8_t *buf,
    size_t len);
/* As hexadecimal and characters, 16 bytes a line, on stdout. */
void pattern_dump(const uint8_t *buf, size_t len, uint64_t off);

/* ---- all of it */

struct io {
	struct cli *cli;
	struct image *image;	/* NULL: no file is open */
	struct source source;
	bool read_only;		/* commands may not write */
	bool misalign;		/* buffers are not as O_DIRECT wants them */
	bool quit, failed;
	struct request sync;	/* of all commands that wait for theirs */
	struct aio *aio;	/* NULL until the first */
};

#endif
