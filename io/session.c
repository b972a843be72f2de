/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* session.c - opening, closing and reopening the one file commands work on */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "modes.h"

void source_fini(struct source *s)
{
	free(s->name);
	free(s->options);
	*s = (struct source){ 0 };
}

/* ---- modes as words */

bool source_set_cache(const struct io *io, struct source *s, const char *mode)
{
	struct open_args args = { 0 };

	if (!cli_cache_mode(io->cli, mode, &args))
		return false;
	s->direct = args.direct;
	s->no_sync = args.no_sync;
	s->writethrough = args.writethrough;
	return true;
}

bool source_set_aio(const struct io *io, struct source *s, const char *mode)
{
	if (mode_aio(mode, &s->aio))
		return true;
	cli_error(io->cli, "Invalid aio option: %s", mode);
	return false;
}

bool source_set_discard(const struct io *io, struct source *s,
    const char *mode)
{
	bool unmap;

	if (mode_discard(mode, &unmap)) {
		s->keep = !unmap;
		return true;
	}
	cli_error(io->cli, "Invalid discard option: %s", mode);
	return false;
}

/* ---- opening */

static int check_source(const struct source *s, bool writable,
    struct error *err)
{
	if (s->share && writable)
		return error_set(err, EINVAL,
		    "force-share=on can only be used with read-only images");
	if (s->copy_on_read && s->read_only)
		return error_set(err, EINVAL,
		    "Can't use copy-on-read on read-only device");
	if (s->aio == AIO_NATIVE && !s->direct && !s->options)
		return error_set(err, EINVAL, "aio=native was specified, but "
		    "it requires cache.direct=on, which was not specified.");
	return 0;
}

static void open_error(const struct io *io, const struct source *s,
    const struct error *err)
{
	const char *name = s->name ? s->name : s->options;
	const char *lock = err->code == EAGAIN ?
	    strstr(err->text, "\" lock") : NULL;
	const char *holder = lock ? strstr(lock, ": in use by ") : NULL;
	const int len = (int)(holder ? (size_t)(holder - err->text) :
	    strlen(err->text));

	if (!io->cli->peer) {
		fflush(stdout);
		cli_open_error(io->cli, name, err);
		return;
	}
	cli_error(io->cli, "can't open%s%s: %.*s", s->name ? " device " : "",
	    s->name ? s->name : "", len, err->text);
	if (lock)
		fprintf(stderr, "Is another process using the image [%s]?\n",
		    name);
}

static struct image *open_image(const struct io *io, const struct source *s)
{
	const bool writable = !s->read_only && !s->snapshot;
	struct open_args args = { .format = s->format, .writable = writable,
	    .share = s->share, .direct = s->direct, .no_sync = s->no_sync,
	    .writethrough = s->writethrough, .aio = s->aio,
	    .unmap = !s->keep,
	    .copy_on_read = s->copy_on_read && writable,
	    .allow_external = io->cli->allow_external,
	    .objects = io->cli->objects,
	    .policy = io->cli->peer ? POLICY_PEER : POLICY_OWN };
	struct image *image = NULL;
	struct opts *opts = opts_new();
	struct error err;

	if (!opts)
		error_errno(&err, ENOMEM, "options");
	else if (!check_source(s, writable, &err) && (!s->options ||
	    !opts_parse(opts, s->options, NULL, &err))) {
		args.options = opts;
		image = image_open(s->name, &args, &err);
	}
	if (image && image->probed)
		cli_warn_guessed(io->cli, image->store->name);
	if (image && s->snapshot)
		image = cli_open_overlay(image, !s->read_only, &err);
	if (!image)
		open_error(io, s, &err);
	opts_free(opts);
	return image;
}

bool session_open(struct io *io, struct source *s)
{
	struct image *image = open_image(io, s);

	if (!image) {
		source_fini(s);
		return false;
	}
	io->image = image;
	io->source = *s;
	io->read_only = s->read_only;
	return true;
}

bool session_close(struct io *io)
{
	struct image *image = io->image;

	aio_drain(io);
	io->image = NULL;
	source_fini(&io->source);
	return cli_close(io->cli, image);
}

/* ---- open */

/* "a=b" and more of it: later keys count. */
static bool add_options(struct source *s, const char *more)
{
	char *all;

	if (asprintf(&all, "%s%s%s", s->options ? s->options : "",
	    s->options ? "," : "", more) < 0)
		return false;
	free(s->options);
	s->options = all;
	return true;
}

/* One option; '?' when there is no such. */
static int open_option(struct io *io, struct source *s, int letter)
{
	switch (letter) {
	case 'r':
		s->read_only = true;
		return 0;
	case 's':
		s->snapshot = true;
		return 0;
	case 'C':
		s->copy_on_read = true;
		return 0;
	case 'n':
		return !source_set_cache(io, s, "none");
	case 'U':
		s->share = true;
		return 0;
	case 'k':
		return !source_set_aio(io, s, "native");
	case 'i':
		return !source_set_aio(io, s, optarg);
	case 't':
		return !source_set_cache(io, s, optarg);
	case 'd':
		return !source_set_discard(io, s, optarg);
	case 'o':
		return !add_options(s, optarg);
	default:
		return letter;
	}
}

static int run_open(struct io *io, const struct command *c, int argc,
    char **argv)
{
	struct source s = { 0 };
	int letter, failed;

	while ((letter = command_next(c, argc, argv)) != -1) {
		failed = open_option(io, &s, letter);
		if (failed) {
			source_fini(&s);
			return failed == '?' ? command_usage(c) : 1;
		}
	}
	if (optind < argc - 1 || (optind == argc && !s.options)) {
		source_fini(&s);
		return command_usage(c);
	}
	if (io->image) {
		source_fini(&s);
		cli_error(io->cli, "file open already, try 'help close'");
		return 1;
	}
	if (optind < argc)
		s.name = strdup(argv[optind]);
	return !session_open(io, &s);
}

const struct command cmd_open = {
	"open", "o", run_open, 1, -1, NO_FILE,
	"[-rsCnkU] [-t cache] [-d discard] [-o options] [path]",
	"open the file specified by path",
	(const struct flag[]){
		{ 'r', false, "read-only" },
		{ 's', false, "with a temporary snapshot for what is written" },
		{ 'C', false, "keep what is read from backing images" },
		{ 'n', false, "the same as -t none" },
		{ 'U', false, "although another process uses it (with -r)" },
		{ 'k', false, "the same as -i native" },
		{ 'i', true, "threads, native or io_uring: makes no "
		  "difference" },
		{ 't', true, "none, writeback, writethrough, directsync or "
		  "unsafe" },
		{ 'd', true, "ignore or unmap: what becomes of discards" },
		{ 'o', true, "key=value,...: options of the format" },
		{ 0, false, NULL }
	},
	" Opens the file that the other commands work on.\n\n"
	" 'open -n -o driver=raw a.img' opens raw data past the host's "
	"cache.\n\n"
};

/* ---- close, flush */

static int run_close(struct io *io, const struct command *c, int argc,
    char **argv)
{
	return !session_close(io);
}

const struct command cmd_close = {
	"close", "c", run_close, 0, 0, 0, NULL,
	"close the current open file", NULL, NULL
};

static int run_flush(struct io *io, const struct command *c, int argc,
    char **argv)
{
	struct error err;

	if (!image_flush(io->image, &err))
		return 0;
	printf("flush failed: %s\n", io->cli->peer ? strerror(err.code) :
	    err.text);
	return 1;
}

const struct command cmd_flush = {
	"flush", "f", run_flush, 0, 0, 0, NULL,
	"flush all in-core file state to disk", NULL, NULL
};

/* ---- reopen */

static bool source_copy(struct source *to, const struct source *from)
{
	*to = *from;
	to->name = from->name ? strdup(from->name) : NULL;
	to->options = from->options ? strdup(from->options) : NULL;
	if (!to->name == !from->name && !to->options == !from->options)
		return true;
	source_fini(to);
	return false;
}

/* Options of reopen that contradict -r, -w and -c, or name another file. */
static bool options_agree(const struct io *io, const char *text, bool mode,
    bool cache)
{
	struct opts *opts = opts_new();
	const char *key, *value;
	struct error err;
	bool ok = opts != NULL;

	if (ok && opts_parse(opts, text, NULL, &err)) {
		cli_error(io->cli, "%s", err.text);
		ok = false;
	}
	for (unsigned i = 0; ok && opts_at(opts, i, &key, &value); i++) {
		ok = false;
		if (mode && !strcmp(key, "read-only"))
			cli_error(io->cli,
			    "Cannot set both -r/-w and 'read-only'");
		else if (cache && !strncmp(key, "cache.", 6))
			cli_error(io->cli,
			    "Cannot set both -c and the cache options");
		else if (!strcmp(key, "driver") || !strcmp(key, "file") ||
		    !strcmp(key, "filename"))
			cli_error(io->cli, "Cannot change the option '%s'",
			    key);
		else if (!strncmp(key, "file.", 5))
			cli_error(io->cli, "Cannot change the option '%s'",
			    key + 5);
		else
			ok = true;
	}
	opts_free(opts);
	return ok;
}

/* Closes it and opens it in the new way; or in the old one, where that cannot
 * be. */
static int reopen(struct io *io, struct source *s)
{
	struct source old;

	if (!source_copy(&old, &io->source)) {
		source_fini(s);
		return complain(io, "reopen: %s", strerror(ENOMEM));
	}
	if (!session_close(io)) {
		source_fini(&old);
		source_fini(s);
		return 1;
	}
	if (session_open(io, s)) {
		source_fini(&old);
		return 0;
	}
	session_open(io, &old);
	return 1;
}

static int run_reopen(struct io *io, const struct command *c, int argc,
    char **argv)
{
	struct source s;
	bool mode = false, cache = false, ok = true;
	const char *options = NULL;
	int letter;

	if (!source_copy(&s, &io->source))
		return complain(io, "reopen: %s", strerror(ENOMEM));
	while (ok && (letter = command_next(c, argc, argv)) != -1)
		switch (letter) {
		case 'c':
			cache = true;
			ok = source_set_cache(io, &s, optarg);
			break;
		case 'o':
			options = optarg;
			break;
		case 'r':
		case 'w':
			ok = !mode;
			if (!ok)
				cli_error(io->cli,
				    "Only one -r/-w option may be given");
			mode = true;
			s.read_only = letter == 'r';
			break;
		default:
			ok = false;
			command_usage(c);
		}
	if (ok && optind < argc)
		ok = !command_usage(c);
	if (ok && options)
		ok = options_agree(io, options, mode, cache) &&
		    add_options(&s, options);
	if (ok && io->source.snapshot) {
		cli_error(io->cli,
		    "a temporary snapshot cannot be reopened");
		ok = false;
	}
	if (ok)
		return reopen(io, &s);
	source_fini(&s);
	return 1;
}

const struct command cmd_reopen = {
	"reopen", NULL, run_reopen, 0, -1, 0,
	"[(-r|-w)] [-c cache] [-o options]",
	"reopens an image with new options",
	(const struct flag[]){
		{ 'r', false, "read-only" },
		{ 'w', false, "for writing, too" },
		{ 'c', true, "the cache mode, as open -t" },
		{ 'o', true, "key=value,...: options to be changed" },
		{ 0, false, NULL }
	},
	" Changes how the open file is open; the rest stays as it was.\n\n"
	" 'reopen -o lazy-refcounts=on' switches them on in qcow2.\n\n"
};
