/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli.c - options from tables, messages, the opening and closing of images */
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* base/opts.h has a struct option of its own. */
#define option getopt_long_option
#include <getopt.h>
#undef option

#include "base/auto.h"
#include "base/names.h"
#include "cli/cli.h"
#include "modes.h"

#define PEER_VERSION "7.2.22"

enum { OPTIONS_MAX = 64, ID_HELP = 'h', ID_OBJECT = 4000, ID_EXTERNAL };

const struct cli_option cli_common[] = {
	{ ID_EXTERNAL, "allow-external", NULL,
	  "follow references to anywhere found inside images", NULL },
	{ ID_HELP, "help", NULL, "show this help", NULL },
	{ ID_OBJECT, "object", "OBJECT",
	  "secret,id=ID,file=FILE or data=TEXT: define a secret", NULL },
	{ 0, NULL, NULL, NULL, NULL }
};

volatile sig_atomic_t cli_signal;

static bool refused;	/* something was not opened, by policy */

/* ---- the tool */

void cli_init(struct cli *cli, const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	*cli = (struct cli){ .tool = slash ? slash + 1 : argv0 };
	cli->peer = !strncmp(cli->tool, "qemu-", 5);
	/* Opened the wrong way round, so that using them still fails. */
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", fd ? O_RDONLY : O_WRONLY);
}

void cli_version(const struct cli *cli, FILE *out)
{
	if (cli->peer)
		fprintf(out, "%s %s" PEER_VERSION " (cowbird "
		    COWBIRD_VERSION ")\n", cli->tool,
		    strcmp(cli->tool, "qemu-nbd") ? "version " : "");
	else
		fprintf(out, "%s " COWBIRD_VERSION "\n"
		    "Takes the command lines of the qemu tools " PEER_VERSION
		    " and later.\n", cli->tool);
}

/* Why standard output failed; an earlier flush may have seen it, then only
 * that a reader has left can still be found out.  NULL: nothing to tell. */
static const char *output_failed(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO };

	errno = 0;
	if (!fflush(stdout) && !ferror(stdout))
		return NULL;
	if (errno == EPIPE || (!errno && poll(&p, 1, 0) == 1 &&
	    p.revents & POLLERR))
		return NULL;
	return errno ? strerror(errno) : "not all could be written";
}

int cli_end(const struct cli *cli, int code)
{
	const char *failed = output_failed();

	if (failed) {
		cli_error(cli, "standard output: %s", failed);
		return code ? code : 1;
	}
	if (cli_signal && code)
		return 128 + cli_signal;
	if (refused && code && !cli->peer)
		return 64;
	return code;
}

static void on_signal(int sig)
{
	cli_signal = sig;
}

void cli_catch_signals(void)
{
	static const int caught[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal };
	struct sigaction old;

	/* The second one of a kind ends the process at once. */
	sa.sa_flags = SA_RESETHAND;
	for (size_t i = 0; i < sizeof(caught) / sizeof(*caught); i++)
		if (!sigaction(caught[i], NULL, &old) &&
		    old.sa_handler != SIG_IGN)
			sigaction(caught[i], &sa, NULL);
	/* A reader of our output who leaves must not leave us half-way. */
	signal(SIGPIPE, SIG_IGN);
}

/* ---- messages */

__attribute__((format(printf, 2, 0)))
static void say(const struct cli *cli, const char *fmt, va_list ap)
{
	AUTO_FREE char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	else
		name_hide_password(text);
	fprintf(stderr, "%s: %s\n", cli->tool, text ? text : fmt);
}

void cli_error(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(cli, fmt, ap);
	va_end(ap);
}

static int error_code(const struct cli *cli)
{
	return cli->command && cli->command->error_code ?
	    cli->command->error_code : 1;
}

int cli_usage(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (cli->peer || !cli->command) {
		const bool nbd = !strcmp(cli->tool, "qemu-nbd");

		say(cli, fmt, ap);
		fprintf(stderr, "Try %c%s --help' for more information%s\n",
		    nbd ? '`' : '\'', cli->tool, nbd ? "." : "");
	} else {
		char text[512];

		vsnprintf(text, sizeof(text), fmt, ap);
		cli_error(cli, "%c%s (see %s%s%s --help)",
		    tolower((unsigned char)text[0]), text + 1, cli->tool,
		    *cli->command->name ? " " : "", cli->command->name);
	}
	va_end(ap);
	return cli->peer ? 1 : error_code(cli);
}

/* The reason without what the sentence around it says anyway; the peer's ends
 * otherwise when a lock is held: it does not know by whom. */
static const char *reason(const struct cli *cli, const char *name,
    const struct error *err, char *buf, size_t size)
{
	const char *text = err->text, *lock, *holder;
	size_t n;

	if (cli->peer) {
		lock = err->code == EAGAIN ? strstr(text, "\" lock") : NULL;
		holder = lock ? strstr(lock, ": in use by ") : NULL;
		if (!lock)
			return text;
		n = holder ? (size_t)(holder - text) : strlen(text);
		snprintf(buf, size, "%.*s\nIs another process using the "
		    "image [%s]?", (int)n, text, name);
		return buf;
	}
	n = snprintf(buf, size, "Could not open '%s': ", name);
	return n < size && !strncmp(text, buf, n) ? text + n : text;
}

void cli_open_error(const struct cli *cli, const char *name,
    const struct error *err)
{
	char buf[sizeof(err->text) + 256];

	if (err->code == EREFUSED)
		refused = true;
	/* The peer opens first and looks for the snapshot then. */
	if (cli->peer && !strncmp(err->text, "Failed to load snapshot", 23)) {
		cli_error(cli, "%s", err->text);
		return;
	}
	cli_error(cli, cli->peer ? "Could not open '%s': %s" : "%s: %s", name,
	    reason(cli, name, err, buf, sizeof(buf)));
}

void cli_image_error(const struct cli *cli, const char *name,
    const struct error *err)
{
	char buf[sizeof(err->text) + 256];

	if (err->code == EREFUSED)
		refused = true;
	cli_error(cli, "%s: %s", name,
	    reason(cli, name, err, buf, sizeof(buf)));
}

/* ---- parsing */

/* Both tables, the command's own first. */
static const struct cli_option *option_at(const struct cli_command *c,
    unsigned i)
{
	unsigned n = 0;

	while (c->options && c->options[n].name)
		n++;
	return i < n ? &c->options[i] : &cli_common[i - n];
}

void cli_begin(struct cli *cli, const struct cli_command *c, int argc,
    char **argv)
{
	cli->command = c;
	cli->argc = argc;
	cli->argv = argv;
	optind = 0;	/* glibc: begin anew */
	opterr = 0;
}

/* What getopt did not take: the word as it was given, or the letter when it
 * stands in the middle of one. */
static void refuse(const struct cli *cli, int answer)
{
	const char letter[] = { '-', optopt, '\0' };
	const char *word = cli->argv[optind - 1];

	if (!strcmp(cli->tool, "qemu-nbd")) {	/* getopt's own words */
		if (strncmp(word, "--", 2))
			cli_error(cli, answer == ':' ?
			    "option requires an argument -- '%c'" :
			    "invalid option -- '%c'", optopt);
		else
			cli_error(cli, answer == ':' ?
			    "option '%s' requires an argument" :
			    "unrecognized option '%s'", word);
		cli_error(cli, "Try `%s --help' for more information.",
		    cli->tool);
		exit(1);
	}
	exit(cli_usage(cli, answer == ':' ?
	    "missing argument for option '%s'" : "unrecognized option '%s'",
	    *word == '-' ? word : letter));
}

static int next_option(struct cli *cli)
{
	struct getopt_long_option longs[2 * OPTIONS_MAX + 1];
	char shorts[2 * OPTIONS_MAX + 3] = ":", *s = shorts + 1;
	const struct cli_option *o;
	unsigned n = 0;
	int id;

	for (unsigned i = 0; (o = option_at(cli->command, i))->name; i++) {
		const int arg = !o->arg ? no_argument : *o->arg == '[' ?
		    optional_argument : required_argument;

		if (i >= OPTIONS_MAX)
			abort();
		longs[n++] = (struct getopt_long_option){
			o->name, arg, NULL, o->id };
		if (o->alias)
			longs[n++] = (struct getopt_long_option){
				o->alias, arg, NULL, o->id };
		if (o->id < 256) {
			*s++ = o->id;
			if (o->arg && *o->arg != '[')
				*s++ = ':';
		}
	}
	*s = '\0';
	longs[n] = (struct getopt_long_option){ NULL, 0, NULL, 0 };

	id = getopt_long(cli->argc, cli->argv, shorts, longs, NULL);
	if (id == '?' || id == ':')
		refuse(cli, id);
	return id;
}

int cli_next(struct cli *cli)
{
	for (;;) {
		const int id = next_option(cli);

		cli->value = optarg;
		switch (id) {
		case ID_HELP:
			cli_help(cli, cli->command, stdout);
			exit(cli_end(cli, 0));
		case ID_OBJECT:
			if (!cli_object(cli, optarg))
				exit(error_code(cli));
			break;
		case ID_EXTERNAL:
			cli->allow_external = true;
			break;
		case -1:
			cli->argc -= optind;
			cli->argv += optind;
			return -1;
		default:
			return id;
		}
	}
}

/* ---- help */

enum { HELP_COLUMN = 24 };

static void option_help(const struct cli_option *o, FILE *out)
{
	int n;

	if (o->id < 256)
		n = fprintf(out, "  -%c, --%s", o->id, o->name);
	else
		n = fprintf(out, "      --%s", o->name);
	if (o->arg)
		n += fprintf(out, *o->arg == '[' ? "%s" : " %s", o->arg);
	if (n + 2 > HELP_COLUMN)
		n = fprintf(out, "\n") - 1;
	fprintf(out, "%*s%s\n", HELP_COLUMN - n, "", o->help);
}

void cli_help(const struct cli *cli, const struct cli_command *c, FILE *out)
{
	const struct cli_option *o;

	fprintf(out, "usage: %s%s%s [OPTION]... %s\n%s\n\n", cli->tool,
	    *c->name ? " " : "", c->name, c->operands, c->summary);
	for (unsigned i = 0; (o = option_at(c, i))->name; i++)
		option_help(o, out);
}

void cli_syntax(const struct cli_command *c, FILE *out)
{
	const struct cli_option *o;

	fputs(c->name, out);
	for (unsigned i = 0; (o = option_at(c, i))->name; i++) {
		if (o->id == ID_HELP)
			continue;
		if (o->id < 256)
			fprintf(out, " [-%c%s%s]", o->id,
			    o->arg && *o->arg != '[' ? " " : "",
			    o->arg && *o->arg != '[' ? o->arg : "");
		else
			fprintf(out, " [--%s%s%s]", o->name, o->arg ? "=" : "",
			    o->arg ? o->arg : "");
	}
	fprintf(out, " %s\n", c->operands);
}

/* ---- values */

bool cli_size(const struct cli *cli, const char *what, const char *text,
    uint64_t *v)
{
	struct error err;
	int ret = size_parse(text, v, &err);

	if (!ret && *v > INT64_MAX)
		ret = error_set(&err, ERANGE, "larger than %" PRId64,
		    INT64_MAX);
	if (!ret)
		return true;
	if (!cli->peer)
		cli_error(cli, "%s '%s': %s", what, text, err.text);
	else if (ret == -ERANGE)
		cli_error(cli, "Invalid %s specified. Must be between 0 and %"
		    PRId64 ".", what, INT64_MAX);
	else {
		cli_error(cli, "Invalid %s specified. You may use k, M, G, T, "
		    "P or E suffixes for", what);
		cli_error(cli, "kilobytes, megabytes, gigabytes, terabytes, "
		    "petabytes and exabytes.");
	}
	return false;
}

bool cli_number(const struct cli *cli, const char *what, const char *text,
    uint64_t min, uint64_t max, uint64_t *v)
{
	char *end;

	errno = 0;
	*v = strtoull(text, &end, 0);
	if (isdigit((unsigned char)*text) && !*end && !errno && *v >= min &&
	    *v <= max)
		return true;
	if (cli->peer)
		cli_error(cli, "Invalid %s specified", what);
	else
		cli_error(cli, "%s '%s' is not a number from %" PRIu64 " to %"
		    PRIu64, what, text, min, max);
	return false;
}

bool cli_output(const struct cli *cli, const char *text, bool *json)
{
	*json = !strcmp(text, "json");
	if (*json || !strcmp(text, "human"))
		return true;
	cli_error(cli, "--output must be used with human or json as argument.");
	return false;
}

bool cli_cache_mode(const struct cli *cli, const char *text,
    struct open_args *args)
{
	if (mode_cache(text, args))
		return true;
	cli_error(cli, !strcmp(cli->tool, "qemu-nbd") ?
	    "Invalid cache mode `%s'" :
	    cli->peer ? "Invalid cache option: %s" :
	    "cache mode '%s' is not none, writeback, writethrough, "
	    "directsync or unsafe", text);
	return false;
}

/* ---- images */

void cli_warn_guessed(const struct cli *cli, const char *name)
{
	if (cli->peer)
		fprintf(stderr, "WARNING: Image format was not specified for "
		    "'%s' and probing guessed raw.\n         Automatically "
		    "detecting the format is dangerous for raw images, write "
		    "operations on block 0 will be restricted.\n         "
		    "Specify the 'raw' format explicitly to remove the "
		    "restrictions.\n", name);
	else
		cli_error(cli, "%s: warning: guessed to be raw, so its first "
		    "sector takes no image header; -f raw says it is", name);
}

struct image *cli_open(const struct cli *cli, const char *name,
    bool image_opts, struct open_args *args)
{
	struct opts *own = NULL;
	struct image *image = NULL;
	struct error err;

	if (image_opts && args->format) {
		cli_error(cli,
		    "--image-opts and --format are mutually exclusive");
		return NULL;
	}
	args->policy = cli->peer ? POLICY_PEER : POLICY_OWN;
	args->allow_external |= cli->allow_external;
	args->objects = cli->objects;
	if (image_opts) {
		own = opts_new();
		if (!own) {
			error_errno(&err, ENOMEM, "options");
			goto out;
		}
		if (opts_parse(own, name, "file", &err) < 0)
			goto out;
		args->options = own;
	}
	image = image_open(image_opts ? NULL : name, args, &err);
	if (image && image->probed)
		cli_warn_guessed(cli, name);
out:
	if (!image)
		cli_open_error(cli, name, &err);
	if (own)
		args->options = NULL;
	opts_free(own);
	return image;
}

bool cli_close(const struct cli *cli, struct image *image)
{
	AUTO_FREE char *name = NULL;
	struct error err;

	if (!image)
		return true;
	if (image->name)
		name = strdup(image->name);
	if (!image_close(image, &err))
		return true;
	cli_error(cli, "%s: %s", name ? name : "image", err.text);
	return false;
}

bool cli_close_after(const struct cli *cli, struct image *image, bool ok)
{
	struct error ignored;

	if (ok)
		return cli_close(cli, image);
	image_close(image, &ignored);
	return false;
}
