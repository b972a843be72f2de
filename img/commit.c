/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * commit.c - moves what an overlay has into an image under it
 *
 * The chain is opened as it is and cut above the image that receives (the
 * base); what remains on top is the source.  The base is then opened anew,
 * for writing.  The overlay is emptied only after the base is on stable
 * storage (D8), so a crash at any moment leaves the overlay reading as before.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "copy.h"
#include "img.h"
#include "job.h"

enum { OPT_IMAGE_OPTS = 256 };

static const struct cli_option options[] = {
	{ 'f', "format", "FMT", "format of the overlay", NULL },
	{ OPT_IMAGE_OPTS, "image-opts", NULL,
	  "FILE is key=value options, not a file name", NULL },
	{ 'b', "base", "BASE", "the image that receives (implies -d)", NULL },
	{ 'd', "keep", NULL, "do not empty the overlay", "drop" },
	{ 't', "cache", "CACHE", "cache mode (writeback)", NULL },
	{ 'r', "rate-limit", "RATE", "at most so many bytes a second", NULL },
	{ 'p', "progress", "[=MODE]", "show progress: bar, json, none", NULL },
	{ 'q', "quiet", NULL, "say nothing but errors", NULL },
	{ 0 }
};

struct commit {
	const struct cli *cli;
	struct open_args args;
	struct image *top, *base;
	unsigned layers;	/* above the base */
	const char *wanted;	/* -b */
	bool keep;
	uint64_t rate;
	enum progress_mode progress;
};

/* ---- the base */

static bool same_file(const struct image *img, const char *path)
{
	struct store_stat st;
	struct error ignored;
	struct stat other;

	return !stat(path, &other) &&
	    !store_stat(img->store, &st, &ignored) && st.ino &&
	    st.dev == other.st_dev && st.ino == other.st_ino;
}

/* The layer whose backing image is the base, or NULL. */
static struct image *find_above(struct commit *c)
{
	struct image *above = c->top;

	for (c->layers = 1; above->backing; above = above->backing) {
		const struct image *img = above->backing;

		if (!c->wanted || !strcmp(c->wanted, img->name) ||
		    (above->backing_name &&
		    !strcmp(c->wanted, above->backing_name)) ||
		    same_file(img, c->wanted))
			return above;
		c->layers++;
	}
	return NULL;
}

/* Cuts the chain below "above" and opens what was there for writing. */
static bool open_base(struct commit *c, struct image *above)
{
	struct image *old = above->backing;
	struct open_args args = c->args;
	struct store_stat was, is;
	const uint64_t size = old->size;
	const struct format *format = old->format;
	AUTO_FREE char *name = above->backing_name &&
	    !strncmp(above->backing_name, "json:", 5) ?
	    strdup(above->backing_name) : strdup(old->name);
	struct error err;

	above->backing = NULL;
	if (store_stat(old->store, &was, &err)) {
		cli_error(c->cli, "%s", err.text);
		image_close(old, &err);
		return false;
	}
	image_close(old, &err);
	if (!name) {
		cli_error(c->cli, "%s", strerror(ENOMEM));
		return false;
	}
	args.format = strncmp(name, "json:", 5) ? format->name : NULL;
	c->base = cli_open(c->cli, name, false, &args);
	if (!c->base)
		return false;
	/* The name must have led to the same image once more. */
	if (store_stat(c->base->store, &is, &err) || is.dev != was.dev ||
	    is.ino != was.ino || c->base->size != size ||
	    c->base->format != format) {
		cli_error(c->cli, "%s: not the image that was found in the "
		    "backing chain", name);
		return false;
	}
	return true;
}

static bool grow_base(struct commit *c)
{
	struct error err;

	if (c->base->size >= c->top->size ||
	    !image_resize(c->base, c->top->size, NULL, &err))
		return true;
	cli_error(c->cli, "%s: %s", c->base->name, err.text);
	return false;
}

/* ---- the copy */

static bool copy(struct commit *c)
{
	const struct copy_source source = { .image = c->top,
	    .len = c->top->size };
	const struct copy_args args = {
		.sources = &source, .source_count = 1, .target = c->base,
		.sparse = 4096,
		.below = c->layers,
		.target_backing = c->base->backing,
		.rate = c->rate,
		.progress = progress_job,
		.stop = &cli_signal,
	};
	struct error err;
	int rc;

	progress_begin(c->progress, "commit", c->top->size);
	rc = copy_run(&args, NULL, &err);
	if (!rc)
		rc = image_flush(c->base, &err);
	progress_end(!rc);
	if (!rc && !c->keep)
		rc = image_make_empty(c->top, &err);
	if (!rc)
		return true;
	if (cli_signal)
		cli_error(c->cli, "interrupted ('%s' still has all its "
		    "changes)", c->top->name);
	else
		cli_error(c->cli, "%s", err.text);
	return false;
}

static bool commit(struct commit *c)
{
	struct image *above = find_above(c);

	if (!above && !c->wanted) {
		cli_error(c->cli, "Image does not have a backing file");
		return false;
	}
	if (!above) {
		cli_error(c->cli,
		    "Did not find '%s' in the backing chain of '%s'",
		    c->wanted, c->top->name);
		return false;
	}
	return open_base(c, above) && grow_base(c) && copy(c);
}

static int run(struct cli *cli)
{
	struct commit c = { .cli = cli, .args.writable = true,
	    .progress = job_progress_default(cli) };
	bool image_opts = false, quiet = false, ok = true;
	struct open_args args;
	int id;

	while (ok && (id = cli_next(cli)) >= 0)
		switch (id) {
		case 'f': c.args.format = cli->value; break;
		case 'b':
			c.wanted = cli->value;
			c.keep = true;
			break;
		case 'd': c.keep = true; break;
		case 't':
			ok = cli_cache_mode(cli, cli->value, &c.args);
			break;
		case 'r':
			ok = cli_size(cli, "rate limit", cli->value, &c.rate);
			break;
		case 'p': ok = job_progress(cli, &c.progress); break;
		case 'q': quiet = true; break;
		case OPT_IMAGE_OPTS: image_opts = true; break;
		}
	if (!ok)
		return 1;
	if (cli->argc != 1)
		return cli_usage(cli, "Expecting one image file name");
	if (quiet)
		c.progress = PROGRESS_QUIET;
	cli_catch_signals();
	args = c.args;
	c.top = cli_open(cli, cli->argv[0], image_opts, &args);
	if (!c.top)
		return 1;
	ok = commit(&c);
	ok = cli_close_after(cli, c.base, ok);
	ok = cli_close_after(cli, c.top, ok);
	if (ok && !quiet)
		puts("Image committed.");
	return ok ? 0 : 1;
}

const struct cli_command cmd_commit = {
	.name = "commit",
	.operands = "FILE",
	.summary = "move what an overlay has into its backing image",
	.options = options,
	.run = run,
};
