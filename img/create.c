/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* create.c - makes an image; what -o means, here and for other commands */
#include <inttypes.h>
#include <string.h>

#include "img.h"

static const struct cli_option options[] = {
	{ 'f', "format", "FMT", "format of the image (raw)", NULL },
	{ 'o', "options", "OPTIONS",
	  "options of the format: key=value,..., or help", NULL },
	{ 'b', "backing", "FILE", "image that lies under this one", NULL },
	{ 'F', "backing-format", "FMT", "format of the backing image", NULL },
	{ 'B', "backing-format", "FMT", "the same as -F", NULL },
	{ 'u', "backing-unsafe", NULL,
	  "record the backing image without looking at it", NULL },
	{ 'q', "quiet", NULL, "say nothing but errors", NULL },
	{ 0, NULL, NULL, NULL, NULL }
};

/* ---- -o */

bool img_is_help(const char *text)
{
	while (*text) {
		const size_t n = strcspn(text, ",");

		if ((n == 4 && !strncmp(text, "help", n)) ||
		    (n == 1 && *text == '?'))
			return true;
		text += n + (text[n] == ',');
	}
	return false;
}

bool img_options(const struct cli *cli, const char *text, struct opts **opts)
{
	struct error err;

	if (!*opts && !(*opts = opts_new())) {
		cli_error(cli, "out of memory");
		return false;
	}
	if (!*text) {
		cli_error(cli, "Invalid option list: %s", text);
		return false;
	}
	if (!opts_parse(*opts, text, NULL, &err))
		return true;
	cli_error(cli, "%s", err.text);
	return false;
}

/* What the file takes stands at the end of a driver's table, from "nocow" on;
 * raw has nothing but its size of its own. */
static bool is_file_option(const struct format *f, const struct option *o)
{
	for (const struct option *p = f->create_options; p != o; p++)
		if (!strcmp(p->name, "nocow"))
			return true;
	return !strcmp(o->name, "nocow");
}

/* Two literals of the same width in the peer's list, so that its columns are
 * ours. */
static const char *const type_names[] = {
	[OPTION_STR] = "str",
	[OPTION_BOOL] = "bool (on/off)",
	[OPTION_SIZE] = "size",
	[OPTION_NUMBER] = "num",
};

void img_create_help(const struct cli *cli, const struct format *f)
{
	const bool with_file = cli->argc > 0;
	const struct option *last = NULL, *next;
	int n;

	if (!cli->peer || with_file)
		printf("Supported options:\n");
	else
		printf("Supported %s options:\n", f->name);
	/* By name. */
	for (;; last = next) {
		next = NULL;
		for (const struct option *o = f->create_options; o->name; o++)
			if ((!last || strcmp(o->name, last->name) > 0) &&
			    (!next || strcmp(o->name, next->name) < 0) &&
			    (with_file || !is_file_option(f, o)))
				next = o;
		if (!next)
			break;
		n = printf("  %s=<%s>", next->name, type_names[next->type]);
		printf("%*s - %s", n < 24 ? 24 - n : 0, "", next->help);
		if (!cli->peer && next->value)
			printf(" (default: %s)", next->value);
		putchar('\n');
	}
	if (!with_file)
		printf("\nThe protocol level may support further options.\n"
		    "Specify the target filename to include those options.\n");
}

/* ---- create */

/* The value given last, or the default; NULL: none. */
static const char *option_value(struct opts *opts, const struct option *o)
{
	const char *key, *value, *found = o->value;

	for (unsigned i = 0; opts_at(opts, i, &key, &value); i++)
		if (!strcmp(key, o->name))
			found = value;
	return found;
}

/* "Formatting 'x', fmt=qcow2 cluster_size=65536 ...": programs read it. */
static void say_formatting(const char *name, const struct format *f,
    struct opts *opts, uint64_t size)
{
	struct error err;

	printf("Formatting '%s', fmt=%s", name, f->name);
	for (const struct option *o = f->create_options; o->name; o++) {
		const char *value = option_value(opts, o);
		uint64_t v = size;

		if (!strcmp(o->name, "size")) {
			printf(" size=%" PRIu64, v);
			continue;
		}
		if (!value)
			continue;
		printf(" %s=", o->name);
		if ((o->type == OPTION_SIZE || o->type == OPTION_NUMBER) &&
		    !size_parse(value, &v, &err)) {
			printf("%" PRIu64, v);
			continue;
		}
		for (; *value; value++)
			fputs(*value == ',' ? ",," :
			    (char[]){ *value, '\0' }, stdout);
	}
	putchar('\n');
	fflush(stdout);
}

struct job {
	const char *name, *format, *backing, *backing_format;
	struct opts *opts;
	bool unsafe, quiet;
};

static int create(const struct cli *cli, const struct job *job, uint64_t size)
{
	const struct format *f = format_find(job->format);
	struct image_create_args args = {
		.name = job->name, .format = f, .size = size,
		.options = job->opts, .unchecked_backing = job->unsafe,
		.policy = cli->peer ? POLICY_PEER : POLICY_OWN,
	};
	struct error err = { 0 };
	uint64_t got = SIZE_FROM_BACKING;
	int ret = 0;

	if (!f)
		ret = error_set(&err, EINVAL, "Unknown file format '%s'",
		    job->format);
	else if (job->backing_format && !job->backing && !f->has_backing)
		ret = error_set(&err, ENOTSUP, "Backing file format not "
		    "supported for file format '%s'", f->name);
	else if (size != SIZE_FROM_BACKING && opts_has(job->opts, "size"))
		ret = error_set(&err, EINVAL,
		    "The image size must be specified only once");
	if (!ret && job->backing)
		ret = opts_set(job->opts, "backing_file", job->backing, &err);
	if (!ret && job->backing_format)
		ret = opts_set(job->opts, "backing_fmt", job->backing_format,
		    &err);
	if (!ret) {
		args.allow_external = cli->allow_external;
		args.objects = cli->objects;
		ret = image_create(&args, &got, &err);
		/* Set as soon as it is known, before the file is made. */
		if (got != SIZE_FROM_BACKING && !job->quiet &&
		    (!ret || cli->peer))
			say_formatting(job->name, f, job->opts, got);
	}
	if (ret < 0)
		cli_image_error(cli, job->name, &err);
	return ret < 0 ? 1 : 0;
}

static int run(struct cli *cli)
{
	struct job job = { .format = "raw", .opts = opts_new() };
	uint64_t size = SIZE_FROM_BACKING;
	const struct format *f;
	bool help = false;
	int id, code = 1;

	while ((id = cli_next(cli)) != -1)
		switch (id) {
		case 'f':
			job.format = cli->value;
			break;
		case 'o':
			help |= img_is_help(cli->value);
			if (!help && !img_options(cli, cli->value, &job.opts))
				goto out;
			break;
		case 'b':
			job.backing = cli->value;
			break;
		case 'B':
		case 'F':
			job.backing_format = cli->value;
			break;
		case 'u':
			job.unsafe = true;
			break;
		case 'q':
			job.quiet = true;
			break;
		}
	if (help) {
		f = img_format(cli, job.format);
		if (f) {
			img_create_help(cli, f);
			code = 0;
		}
		goto out;
	}
	if (cli->argc < 1) {
		code = cli_usage(cli, "Expecting image file name");
		goto out;
	}
	job.name = cli->argv[0];
	if (cli->argc > 1 &&
	    !cli_size(cli, "image size", cli->argv[1], &size))
		goto out;
	if (cli->argc > 2) {
		code = cli_usage(cli, "Unexpected argument: %s",
		    cli->argv[2]);
		goto out;
	}
	if (!job.opts)
		cli_error(cli, "out of memory");
	else
		code = create(cli, &job, size);
out:
	opts_free(job.opts);
	return code;
}

const struct cli_command cmd_create = {
	.name = "create",
	.operands = "FILE [SIZE]",
	.summary = "make an image",
	.options = options,
	.run = run,
};
