/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cli.h - what the command-line tools share
 *
 * A table of commands, each with a table of options: the one source of the
 * parser, of --help and of the test against the manual pages.  A tool is run
 * under its own name or under a peer's (qemu-img, qemu-io: a symlink); the
 * name decides the manner: texts, version line and policy (HACKING.md,
 * Tools).  Linked into tools only, never into libcowbird.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "image.h"

/* ---- options and commands */

/* A table ends with an entry without name.  id is what cli_next() returns:
 * the short letter, or a number from 256 on for options without one. */
struct cli_option {
	int id;
	const char *name;	/* long name */
	const char *arg;	/* NULL: a flag; else what help calls the value;
				 * "[=VALUE]": only --name=VALUE takes one */
	const char *help;	/* one line, lower case, no full stop */
	const char *alias;	/* a second long name, or NULL */
};

struct cli;

struct cli_command {
	const char *name;
	const char *operands;	/* as in usage: "FILE [SIZE]" */
	const char *summary;	/* one line */
	const struct cli_option *options;
	int (*run)(struct cli *);	/* exit code */
	int error_code;		/* of a bad command line where 1 says something
				 * else (compare); 0: 1 */
};

struct cli {
	const char *tool;	/* basename(argv[0]), as messages begin */
	bool peer;		/* run under a peer's name */
	const struct cli_command *command;
	const char *value;	/* of the option cli_next() returned */
	int argc;		/* operands after cli_next() returned -1 */
	char **argv;
	bool allow_external;	/* --allow-external */
	struct opts *objects;	/* --object: "ID.qom-type", "ID.data", ...; see
				 * store/protocol.h; or NULL */
};

/* Sets tool and peer from argv[0] ("qemu-" prefix).  Makes sure that 0, 1 and
 * 2 are open, so that no image becomes one of them. */
void cli_init(struct cli *, const char *argv0);

/* Begins parsing for one command: argv[0] is the command's name, and argv ends
 * with NULL. */
void cli_begin(struct cli *, const struct cli_command *, int argc,
    char **argv);
/* Next option's id and cli->value; -1 at the end of options, operands are
 * then in argc/argv.  Options and operands may mix.  The options every command
 * has (cli_common) are handled here and stand in no command's table: --help
 * prints the command's help and exits 0, --object, --allow-external.  An
 * unknown option prints what is wrong and exits 1. */
int cli_next(struct cli *);
extern const struct cli_option cli_common[];
/* The help of one command, from its table: all of it, or "name [-f FMT] ...
 * OPERANDS" on one line. */
void cli_help(const struct cli *, const struct cli_command *, FILE *);
void cli_syntax(const struct cli_command *, FILE *);
/* The lines of --version: under a peer's name line 1 is
 * "qemu-img version 7.2.22 (cowbird 0.1.0)". */
void cli_version(const struct cli *, FILE *);

/* ---- messages: one line on stderr, "tool: text" */

void cli_error(const struct cli *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, then where help is to be had; returns the exit code. */
int cli_usage(const struct cli *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* "tool: name: text", or the peer's "tool: Could not open 'name': Text". */
void cli_open_error(const struct cli *, const char *name,
    const struct error *);
/* "tool: name: text" under both names: for what is not the opening. */
void cli_image_error(const struct cli *, const char *name,
    const struct error *);
/* A size operand or option up to INT64_MAX: prints what is wrong and returns
 * false.  what: "image size", "start offset", ... */
bool cli_size(const struct cli *, const char *what, const char *text,
    uint64_t *v);
/* A whole number in [min, max]. */
bool cli_number(const struct cli *, const char *what, const char *text,
    uint64_t min, uint64_t max, uint64_t *v);
/* --output: human or json. */
bool cli_output(const struct cli *, const char *text, bool *json);
/* cache=: none, writeback, writethrough, directsync, unsafe. */
bool cli_cache_mode(const struct cli *, const char *text, struct open_args *);

/* Opens what a command's operand names, prints the error if it cannot.
 * image_opts: name is key=value text (--image-opts).  args->policy is set
 * here from the manner.  Says so when a raw image to be written was only
 * guessed to be raw.  NULL: failed and said so. */
struct image *cli_open(const struct cli *, const char *name, bool image_opts,
    struct open_args *);
/* Says that a raw image was only guessed to be raw. */
void cli_warn_guessed(const struct cli *, const char *name);
/* overlay.c: a writable layer over base, which it owns from then on (on error,
 * too); what is written goes to a file without a name in TMPDIR.  writable:
 * as the guest sees it. */
struct image *cli_open_overlay(struct image *base, bool writable,
    struct error *);
/* Closes; prints an error; false when there was one.  NULL is true. */
bool cli_close(const struct cli *, struct image *);
/* The same after a job: when it failed, which was said, closing fails without a
 * word.  Returns what is true of both. */
bool cli_close_after(const struct cli *, struct image *, bool ok);
/* Ends a tool: flushes stdout and tells when that failed (/dev/full; EPIPE
 * stays quiet).  Returns the exit code to use: code, 1 when only that failed,
 * 64 when opening was refused by policy (H3; not under a peer's name), 128 +
 * signal. */
int cli_end(const struct cli *, int code);

/* ---- progress (progress.c): a bar with percent, rate and time left on a
 * terminal; the peer's form with -p; a line on SIGUSR1; one JSON line a step
 * for programs. Thread-safe; the caller counts bytes of work. */

enum progress_mode {
	PROGRESS_AUTO,		/* bar when stderr is a terminal, else nothing */
	PROGRESS_QUIET,		/* -q */
	PROGRESS_PEER,		/* -p: "    (12.34/100%)\r" on stdout */
	PROGRESS_JSON		/* --progress=json, on stderr */
};
/* --progress=MODE: bar, json, none.  False: says what is wrong. */
bool progress_parse(const struct cli *, const char *text,
    enum progress_mode *);
void progress_begin(enum progress_mode, const char *what, uint64_t total);
void progress_add(uint64_t bytes);
void progress_job(void *unused, uint64_t bytes); /* the same, for copy.h */
void progress_end(bool done);	/* removes the bar; done: it was all of it */

/* ---- interruption: after cli_catch_signals() SIGINT, SIGTERM and SIGHUP
 * set this flag; loops look at it, clean up and return; the tool then ends by
 * cli_end() with 128 + signal. */
extern volatile sig_atomic_t cli_signal;
void cli_catch_signals(void);

/* object.c: takes one --object; prints what is wrong and returns false. */
bool cli_object(struct cli *, const char *text);

#endif
