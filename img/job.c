/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * job.c - common options of the commands that copy, and their target
 *
 * A file that the job made is removed when the job fails, here or on a server.
 * A file that was there before keeps its place and its owner but loses what was
 * written, so that it cannot pass for the whole.  A device is left as it is and
 * called incomplete.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "job.h"
#include "modes.h"

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
	if (!cli->peer)
		return cli_cache_mode(cli, text, args);
	if (mode_cache(text, args))
		return true;
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

/* What image_take_away() has done, in words. */
static const char *const left_words[] = {
	[TAKEN_AWAY] = "was incomplete and is removed",
	[TAKEN_CONTENTS] = "was incomplete and is emptied",
	[TAKEN_NOTHING] = "is incomplete",
};

void job_fail(struct job_target *t, const char *fmt, ...)
{
	enum taken left = TAKEN_NOTHING;
	struct error ignored;
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	image_close(t->image, &ignored);
	t->image = NULL;
	if (t->created && t->data_file)
		image_take_away(t->data_file, t->made & 2, t->cli->objects);
	if (t->created)
		left = image_take_away(t->name, t->made & 1, t->cli->objects);
	free(t->data_file);
	t->data_file = NULL;
	if (cli_signal)
		strcpy(text, "interrupted");
	if (!(t->created || t->writing) || (t->cli->peer && !cli_signal))
		cli_error(t->cli, "%s", text);
	else
		cli_error(t->cli, "%s ('%s' %s)", text, t->name,
		    left_words[left]);
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
	struct error err;

	*t = (struct job_target){ .cli = cli, .name = create->name };
	create->incomplete = open->incomplete = true;
	create->policy = open->policy = cli->peer ? POLICY_PEER : POLICY_OWN;
	create->allow_external = cli->allow_external;
	create->objects = cli->objects;
	create->made = &t->made;
	create->no_sync = open->no_sync;
	open->allow_external = true;	/* the names are the user's own */
	open->format = create->format->name;
	open->writable = true;
	for (unsigned i = 0; opts_at(create->options, i, &key, &value); i++)
		if (!strcmp(key, "data_file"))
			data_file = value;
	if (data_file)
		t->data_file = image_full_backing(create->name, data_file);
	if (data_file && !t->data_file) {
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
	free(t->data_file);
	t->data_file = NULL;
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
	free(t->data_file);
	t->data_file = NULL;
	return true;
}
