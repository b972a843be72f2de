/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* command.c - the table of commands, the cutting of lines, help */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"

int complain(const struct io *io, const char *fmt, ...)
{
	va_list ap;

	if (!io->cli->peer)
		fflush(stdout);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
	return 1;
}

/* ---- commands that have no file of their own */

static int run_quit(struct io *io, const struct command *c, int argc,
    char **argv)
{
	io->quit = true;
	return 0;
}

static int run_sleep(struct io *io, const struct command *c, int argc,
    char **argv)
{
	struct timespec t;
	char *end;
	long ms;

	errno = 0;
	ms = strtol(argv[1], &end, 0);
	if (*end || end == argv[1] || errno || ms < 0) {
		printf("%s is not a valid number\n", argv[1]);
		return 1;
	}
	t = (struct timespec){ ms / 1000, ms % 1000 * 1000000 };
	fflush(stdout);
	aio_idle(io);
	while (nanosleep(&t, &t) && errno == EINTR && !cli_signal)
		;
	aio_busy(io);
	return 0;
}

static int run_sigraise(struct io *io, const struct command *c, int argc,
    char **argv)
{
	uint64_t sig;

	if (!parse_size(argv[1], &sig))
		return 1;
	if (sig > NSIG) {
		printf("signal argument '%s' is too large to be a valid "
		    "signal\n", argv[1]);
		return 1;
	}
	fflush(stdout);
	raise((int)sig);
	return 0;
}

static int run_abort(struct io *io, const struct command *c, int argc,
    char **argv)
{
	abort();
}

/* What only the peer's debugging driver could do, in the words of one who
 * has not loaded it. */
static int run_break(struct io *io, const struct command *c, int argc,
    char **argv)
{
	printf("%s: %s\n", c->text, strerror(ENOTSUP));
	return 1;
}

static int run_remove_break(struct io *io, const struct command *c, int argc,
    char **argv)
{
	printf("Could not remove breakpoint %s: %s\n", argv[1],
	    strerror(ENOTSUP));
	return 1;
}

static int run_zone(struct io *io, const struct command *c, int argc,
    char **argv)
{
	printf("%s: zoned devices are not supported\n", c->name);
	return 1;
}

static int run_help(struct io *, const struct command *, int, char **);

static const struct command
cmd_abort = {
	"abort", NULL, run_abort, 0, -1, NO_FILE, NULL,
	"simulate a program crash using abort(3)", NULL, NULL
},
cmd_break = {
	"break", NULL, run_break, 2, 2, 0, "event tag",
	"sets a breakpoint on event and tags the stopped request as tag",
	NULL, "Could not set breakpoint"
},
cmd_help = {
	"help", "?", run_help, 0, 1, NO_FILE, "[command]",
	"help for one or all commands", NULL, NULL
},
cmd_quit = {
	"quit", "q", run_quit, 0, -1, NO_FILE, NULL, "exit the program",
	NULL, NULL
},
cmd_remove_break = {
	"remove_break", NULL, run_remove_break, 1, 1, 0, "tag",
	"remove a breakpoint by tag", NULL, NULL
},
cmd_resume = {
	"resume", NULL, run_break, 1, 1, 0, "tag",
	"resumes the request tagged as tag", NULL, "Could not resume request"
},
cmd_sigraise = {
	"sigraise", NULL, run_sigraise, 1, 1, NO_FILE, "signal",
	"raises a signal", NULL,
	" The number is that of kill -l: 'sigraise 15' is SIGTERM.\n"
},
cmd_sleep = {
	"sleep", NULL, run_sleep, 1, 1, NO_FILE, NULL,
	"waits for the given value in milliseconds", NULL, NULL
},
cmd_wait_break = {
	"wait_break", NULL, run_break, 1, 1, 0, "tag",
	"waits for the suspension of a request", NULL,
	"Could not wait for a request"
},
cmd_zone_append = {
	"zone_append", "zap", run_zone, 0, -1, OWN | NO_FILE,
	"off len [len..]", "not supported", NULL, NULL
},
cmd_zone_close = {
	"zone_close", "zc", run_zone, 0, -1, OWN | NO_FILE, "off len",
	"not supported", NULL, NULL
},
cmd_zone_finish = {
	"zone_finish", "zf", run_zone, 0, -1, OWN | NO_FILE, "off len",
	"not supported", NULL, NULL
},
cmd_zone_open = {
	"zone_open", "zo", run_zone, 0, -1, OWN | NO_FILE, "off len",
	"not supported", NULL, NULL
},
cmd_zone_report = {
	"zone_report", "zrp", run_zone, 0, -1, OWN | NO_FILE, "off count",
	"not supported", NULL, NULL
},
cmd_zone_reset = {
	"zone_reset", "zrs", run_zone, 0, -1, OWN | NO_FILE, "off len",
	"not supported", NULL, NULL
};

static const struct command *const commands[] = {
	&cmd_abort, &cmd_aio_flush, &cmd_aio_read, &cmd_aio_write, &cmd_alloc,
	&cmd_break, &cmd_close, &cmd_discard, &cmd_flush, &cmd_help,
	&cmd_info, &cmd_length, &cmd_map, &cmd_open, &cmd_quit, &cmd_read,
	&cmd_readv, &cmd_remove_break, &cmd_reopen, &cmd_resume,
	&cmd_sigraise, &cmd_sleep, &cmd_truncate, &cmd_wait_break, &cmd_write,
	&cmd_writev, &cmd_zone_append, &cmd_zone_close, &cmd_zone_finish,
	&cmd_zone_open, &cmd_zone_report, &cmd_zone_reset, NULL
};

/* ---- finding one */

static bool known(const struct io *io, const struct command *c)
{
	return !(c->flags & OWN) || !io->cli->peer;
}

static const struct command *find(const struct io *io, const char *name)
{
	for (const struct command *const *c = commands; *c; c++)
		if (known(io, *c) && (!strcmp((*c)->name, name) ||
		    ((*c)->alias && !strcmp((*c)->alias, name))))
			return *c;
	return NULL;
}

const char *command_name(const struct io *io, unsigned i)
{
	for (const struct command *const *c = commands; *c; c++)
		if (known(io, *c) && !i--)
			return (*c)->name;
	return NULL;
}

/* ---- help */

static void put_usage(const struct command *c, const char *name)
{
	printf("%s %s%s-- %s\n", name, c->usage ? c->usage : "",
	    c->usage ? " " : "", c->summary);
}

int command_usage(const struct command *c)
{
	put_usage(c, c->name);
	return 1;
}

static int run_help(struct io *io, const struct command *self, int argc,
    char **argv)
{
	const struct command *c;

	if (argc == 1) {
		for (const struct command *const *i = commands; *i; i++)
			if (known(io, *i))
				put_usage(*i, (*i)->name);
		printf("\nUse 'help commandname' for extended help.\n");
		return 0;
	}
	c = find(io, argv[1]);
	if (!c) {
		printf("command %s not found\n", argv[1]);
		return 1;
	}
	put_usage(c, argv[1]);
	if (c->run == run_break || (!c->text && !c->options))
		return 0;
	printf("\n%s", c->text ? c->text : "");
	for (const struct flag *f = c->options; f && f->letter; f++)
		printf(" -%c, -- %s\n", f->letter, f->help);
	putchar('\n');
	return 0;
}

/* ---- options and operands */

int command_next(const struct command *c, int argc, char **argv)
{
	char letters[64], *s = letters;

	for (const struct flag *f = c->options; f && f->letter; f++) {
		*s++ = f->letter;
		if (f->value)
			*s++ = ':';
	}
	*s = '\0';
	return getopt(argc, argv, letters);
}

bool parse_size(const char *text, uint64_t *v)
{
	struct error err;
	int ret = size_parse(text, v, &err);

	if (!ret && *v > INT64_MAX)
		ret = -ERANGE;
	if (ret == -ERANGE)
		printf("Parsing error: argument too large -- %s\n", text);
	else if (ret)
		printf("Parsing error: non-numeric argument, or "
		    "extraneous/unrecognized suffix -- %s\n", text);
	return !ret;
}

bool parse_pattern(const char *text, uint8_t *v)
{
	char *end;
	long n = strtol(text, &end, 0);

	*v = (uint8_t)n;
	if (end != text && !*end && n >= 0 && n <= UINT8_MAX)
		return true;
	printf("%s is not a valid pattern byte\n", text);
	return false;
}

const char *units_text(char buf[UNITS_TEXT], double bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB",
	    "TiB", "PiB", "EiB" };
	unsigned u = 0;
	char number[32];
	char *point;

	for (; bytes >= 1024 && u < sizeof(units) / sizeof(*units) - 1; u++)
		bytes /= 1024;
	snprintf(number, sizeof(number), u ? "%.3f" : "%f", bytes);
	point = strchr(number, '.');
	if (point && !point[1 + strspn(point + 1, "0")])
		*point = '\0';
	snprintf(buf, UNITS_TEXT, "%s %s", number, units[u]);
	return buf;
}

/* ---- lines */

static int wrong_count(const struct io *io, const struct command *c,
    const char *name, int n)
{
	if (c->max < 0)
		return complain(io, "bad argument count %d to %s, expected at "
		    "least %d arguments", n, name, c->min);
	if (c->min == c->max)
		return complain(io, "bad argument count %d to %s, expected %d "
		    "arguments", n, name, c->min);
	return complain(io, "bad argument count %d to %s, expected between %d "
	    "and %d arguments", n, name, c->min, c->max);
}

static int run(struct io *io, int argc, char **argv)
{
	const struct command *c = find(io, argv[0]);

	if (!c)
		return complain(io, "command \"%s\" not found", argv[0]);
	if (!io->image && !(c->flags & NO_FILE))
		return complain(io, "no file open, try 'help open'");
	if (argc - 1 < c->min || (c->max >= 0 && argc - 1 > c->max))
		return wrong_count(io, c, argv[0], argc - 1);
	if (io->read_only && c->flags & WRITES) {
		if (!io->cli->peer)
			fflush(stdout);
		cli_error(io->cli, io->cli->peer ? "Block node is read-only" :
		    "the file is open read-only");
		return 1;
	}
	optind = 0;	/* glibc: begin anew */
	opterr = 1;	/* and say what is wrong */
	return c->run(io, c, argc, argv);
}

void command_line(struct io *io, char *line)
{
	char *few[32], **argv = few, *save = NULL;
	size_t words = strlen(line) / 2 + 2;
	int argc = 0;

	if (words > sizeof(few) / sizeof(*few))
		argv = calloc(words, sizeof(*argv));
	if (!argv) {
		complain(io, "line too long");
		io->failed = true;
		return;
	}
	for (char *w = strtok_r(line, " ", &save); w;
	    w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	if (argc && run(io, argc, argv))
		io->failed = true;
	if (argv != few)
		free(argv);
}
