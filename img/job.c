/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * job.c - common options of the commands that copy, and their target
 *
 * A file that the job made is removed when the job fails.  A file that was
 * there before keeps its place and its owner but loses what was written, so
 * that it cannot pass for the whole.  A device is left as it is and called
 * incomplete.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "job.h"

/* ---- options */

bool job_progress(const struct cli *cli, enum progress_mode *mode)
{
	if (cli->value)
		return progress_parse(cli, cli->value, mode);
	*mode = PROGRESS_PEER;
	return true;
}

enum progress_mode job_progress_default(const struct cli *cli)
{
	return cli->peer ? PROGRESS_QUIET : PROGRESS_AUTO;
}

bool job_source_cache(const struct cli *cli, const char *text,
    struct open_args *args)
{
	static const char *const names[] = { "writeback", "none", "off",
	    "writethrough", "directsync", "unsafe" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(text, names[i]))
			return cli_cache_mode(cli, text, args);
	if (!cli->peer)
		return cli_cache_mode(cli, text, args);
	cli_error(cli, "Invalid source cache option: %s", text);
	return false;
}

bool job_options(const struct cli *cli, const char *text, struct opts *opts)
{
	const size_t n = strlen(text);
	struct error err;

	if (!n || text[0] == ',' || text[n - 1] == ',') {
		cli_error(cli, "Invalid option list: %s", text);
		return false;
	}
	if (opts_parse(opts, text, NULL, &err)) {
		cli_error(cli, "%s", err.text);
		return false;
	}
	return true;
}

/* ---- the target */

static bool add_file(struct job_target *t, unsigned i, const char *name)
{
	struct stat st;

	if (!strncmp(name, "file:", 5))
		name += 5;
	t->file[i].path = strdup(name);
	t->file[i].existed = !stat(name, &st);
	return t->file[i].path;
}

static void forget(struct job_target *t)
{
	for (unsigned i = 0; i < ARRAY_LEN(t->file); i++) {
		free(t->file[i].path);
		t->file[i].path = NULL;
	}
}

/* Takes a file away as far as it may be; what is left, in words. */
static const char *take_away(const char *path, bool existed)
{
	struct stat st;

	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return "is incomplete";
	if (!existed && !unlink(path))
		return "was incomplete and is removed";
	if (!truncate(path, 0))
		return "was incomplete and is emptied";
	return "is incomplete";
}

void job_fail(struct job_target *t, const char *fmt, ...)
{
	const char *left = "is incomplete";
	struct error ignored;
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	image_close(t->image, &ignored);
	t->image = NULL;
	for (unsigned i = ARRAY_LEN(t->file); t->created && i-- > 0;)
		if (t->file[i].path)
			left = take_away(t->file[i].path, t->file[i].existed);
	forget(t);
	if (cli_signal)
		strcpy(text, "interrupted");
	if (!(t->created || t->writing) || (t->cli->peer && !cli_signal))
		cli_error(t->cli, "%s", text);
	else
		cli_error(t->cli, "%s ('%s' %s)", text, t->name, left);
}

bool job_clash(const struct cli *cli, struct image *source, const char *name,
    const struct image_create_args *create)
{
	const char *key, *value, *data_file = NULL;
	AUTO_FREE char *full = NULL;

	/* The peer leaves it to the locks. */
	if (cli->peer && !source->args.share)
		return false;
	for (unsigned i = 0; create && opts_at(create->options, i, &key,
	    &value); i++)
		if (!strcmp(key, "data_file"))
			data_file = value;
	if (data_file)
		full = image_full_backing(name, data_file);
	if (!image_uses(source, name) && !(full && image_uses(source, full)))
		return false;
	cli_error(cli, "%s: cannot be the target, it is what is read", name);
	return true;
}

bool job_create(struct job_target *t, const struct cli *cli,
    struct image_create_args *create, struct open_args *open,
    const char *doing)
{
	const char *data_file = NULL, *key, *value;
	AUTO_FREE char *full = NULL;
	struct error err;

	*t = (struct job_target){ .cli = cli, .name = create->name };
	create->incomplete = open->incomplete = true;
	create->policy = open->policy = cli->peer ? POLICY_PEER : POLICY_OWN;
	create->allow_external = cli->allow_external;
	create->objects = cli->objects;
	create->no_sync = open->no_sync;
	open->allow_external = true;	/* the names are the user's own */
	open->format = create->format->name;
	open->writable = true;
	for (unsigned i = 0; opts_at(create->options, i, &key, &value); i++)
		if (!strcmp(key, "data_file"))
			data_file = value;
	if (data_file)
		full = image_full_backing(create->name, data_file);
	if (!add_file(t, 0, create->name) || (data_file &&
	    (!full || !add_file(t, 1, full)))) {
		error_errno(&err, ENOMEM, "creating");
		cli_open_error(cli, create->name, &err);
		goto fail;
	}
	if (image_create(create, &open->incomplete_size, &err)) {
		if (cli->peer && !strncmp(err.text, "Invalid parameter", 17))
			cli_error(cli, "%s", err.text);
		else if (cli->peer)
			cli_error(cli, "%s: %s: %s", create->name, doing,
			    err.text);
		else
			cli_error(cli, "%s: %s", create->name, err.text);
		goto fail;
	}
	t->created = true;
	t->image = image_open(create->name, open, &err);
	if (t->image)
		return true;
	job_fail(t, cli->peer ? "Could not open '%s': %s" : "%s: %s",
	    create->name, err.text);
fail:
	forget(t);
	return false;
}

bool job_open(struct job_target *t, const struct cli *cli, const char *name,
    bool image_opts, struct open_args *open)
{
	*t = (struct job_target){ .cli = cli, .name = name };
	open->writable = true;
	t->image = cli_open(cli, name, image_opts, open);
	return t->image;
}

bool job_finish(struct job_target *t)
{
	struct image *img = t->image;
	struct error err;

	if ((t->created && image_finish(img, &err)) ||
	    image_flush(img, &err)) {
		job_fail(t, "%s: %s", t->name, err.text);
		return false;
	}
	t->image = NULL;
	if (image_close(img, &err)) {
		job_fail(t, "%s: %s", t->name, err.text);
		return false;
	}
	forget(t);
	return true;
}
