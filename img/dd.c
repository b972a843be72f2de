/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dd.c - copies a piece of an image into a new one, or to standard output */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "copy.h"
#include "img.h"
#include "job.h"

enum { OPT_IMAGE_OPTS = 256 };

static const struct cli_option options[] = {
	{ 'f', "format", "FMT", "format of the input", NULL },
	{ OPT_IMAGE_OPTS, "image-opts", NULL,
	  "if= is key=value options, not a file name", NULL },
	{ 'O', "output-format", "FMT", "format of the output (raw)", NULL },
	{ 'U', "force-share", NULL, "open the input without locks", NULL },
	{ 0 }
};

struct dd {
	const struct cli *cli;
	struct open_args args;
	const struct format *format;
	bool image_opts;
	const char *in, *out;		/* out NULL: standard output */
	uint64_t block, skip, count;	/* skip, count: in blocks */
	uint64_t off, len;		/* what that comes to */
};

static bool operand(struct dd *d, const char *text)
{
	const struct cli *cli = d->cli;

	if (!strncmp(text, "if=", 3)) {
		d->in = text + 3;
	} else if (!strncmp(text, "of=", 3)) {
		d->out = strcmp(text + 3, "-") ? text + 3 : NULL;
	} else if (!strncmp(text, "skip=", 5)) {
		return cli_size(cli, "skip", text + 5, &d->skip);
	} else if (!strncmp(text, "count=", 6)) {
		return cli_size(cli, "count", text + 6, &d->count);
	} else if (!strncmp(text, "bs=", 3)) {
		if (!cli_size(cli, "bs", text + 3, &d->block))
			return false;
		if (d->block < 1 || d->block > INT_MAX) {
			cli_error(cli, "Invalid bs specified. Must be between "
			    "1 and %d.", INT_MAX);
			return false;
		}
	} else {
		cli_error(cli, "unrecognized operand %.*s",
		    (int)strcspn(text, "="), text);
		return false;
	}
	return true;
}

static bool check(struct dd *d)
{
	if (!d->in)
		cli_error(d->cli, "Must specify both input and output files");
	else if (d->out && !d->format->create)
		cli_error(d->cli, "Format driver '%s' does not support image "
		    "creation", d->format->name);
	else if (!d->out && strcmp(d->format->name, "raw"))
		cli_error(d->cli, "standard output takes raw only, not %s",
		    d->format->name);
	else if (!d->out && isatty(STDOUT_FILENO))
		cli_error(d->cli, "not writing an image to a terminal (name a "
		    "file with of=)");
	else
		return true;
	return false;
}

/* Blocks to bytes, within the image.  Skipping past its end is told, but
 * copies nothing and fails nothing, as the peer has it. */
static void place(struct dd *d, uint64_t size)
{
	uint64_t bytes;

	if (!mul_ok(d->skip, d->block, &d->off) || d->off > size) {
		cli_error(d->cli, "%s: cannot skip to specified offset",
		    d->in);
		d->off = size;
	}
	d->len = size - d->off;
	if (mul_ok(d->count, d->block, &bytes))
		d->len = min64(d->len, bytes);
}

static bool to_image(struct dd *d, struct image *img)
{
	struct copy_source source = { .image = img, .off = d->off,
	    .len = d->len };
	struct copy_args copy = { .sources = &source, .source_count = 1,
	    .sparse = 4096, .stop = &cli_signal };
	struct image_create_args create = { .name = d->out,
	    .format = d->format, .size = align_up(d->len, 512),
	    .options = opts_new() };
	struct open_args open = { 0 };
	struct job_target target;
	struct store_stat st;
	struct error err;
	bool ok;

	if (!create.options) {
		cli_error(d->cli, "%s", strerror(ENOMEM));
		return false;
	}
	ok = !job_clash(d->cli, img, d->out, &create) &&
	    job_create(&target, d->cli, &create, &open,
	    "error while creating output image");
	opts_free(create.options);
	if (!ok)
		return false;
	copy.target = target.image;
	copy.target_zero = !store_stat(target.image->store, &st, &err) &&
	    !st.block_device;
	if (d->len && copy_run(&copy, NULL, &err)) {
		job_fail(&target, "%s", err.text);
		return false;
	}
	return job_finish(&target);
}

/* False, with errno: not all of it could be written. */
static bool write_all(const char *buf, size_t len)
{
	while (len) {
		const ssize_t n = write(STDOUT_FILENO, buf, len);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			buf += n;
			len -= n;
		}
	}
	return true;
}

static bool to_stdout(struct dd *d, struct image *img)
{
	enum { PIECE = 1 << 20 };
	AUTO_FREE char *buf = malloc(PIECE);
	struct error err;

	if (!buf) {
		cli_error(d->cli, "%s", strerror(ENOMEM));
		return false;
	}
	while (d->len && !cli_signal) {
		const size_t n = min64(d->len, PIECE);

		if (image_read(img, buf, n, d->off, &err)) {
			cli_error(d->cli, "error while reading from input "
			    "image file: %s", err.text);
			return false;
		}
		if (!write_all(buf, n)) {
			if (errno != EPIPE)
				cli_error(d->cli, "standard output: %s",
				    strerror(errno));
			return false;
		}
		d->off += n;
		d->len -= n;
	}
	return !cli_signal;
}

static int run(struct cli *cli)
{
	struct dd d = { .cli = cli, .block = 512, .count = UINT64_MAX };
	const char *format = "raw";
	struct image *img;
	bool ok;
	int id;

	while ((id = cli_next(cli)) >= 0)
		switch (id) {
		case 'f': d.args.format = cli->value; break;
		case 'O': format = cli->value; break;
		case 'U': d.args.share = true; break;
		case OPT_IMAGE_OPTS: d.image_opts = true; break;
		}
	for (int i = 0; i < cli->argc; i++)
		if (!operand(&d, cli->argv[i]))
			return 1;
	d.format = img_format(cli, format);
	if (!d.format || !check(&d))
		return 1;
	cli_catch_signals();
	img = cli_open(cli, d.in, d.image_opts, &d.args);
	if (!img)
		return 1;
	place(&d, img->size);
	ok = d.out ? to_image(&d, img) : to_stdout(&d, img);
	return cli_close(cli, img) && ok ? 0 : 1;
}

const struct cli_command cmd_dd = {
	.name = "dd",
	.operands = "[bs=SIZE] [count=N] [skip=N] if=FILE [of=FILE]",
	.summary = "copy a piece of an image",
	.options = options,
	.run = run,
};
