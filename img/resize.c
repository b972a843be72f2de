/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resize.c - makes an image larger, or smaller when that is asked for */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "img.h"

static const struct cli_option options[] = {
	{ 'f', "format", "FMT", "format of the image; guessed without it",
	  NULL },
	{ 256, "image-opts", NULL, "FILE is a list of options: key=value,...",
	  NULL },
	{ 257, "preallocation", "MODE",
	  "space for what is added: off, metadata, falloc, full", NULL },
	{ 258, "shrink", NULL, "allow what lies beyond the new end to be lost",
	  NULL },
	{ 'q', "quiet", NULL, "say nothing but errors", NULL },
	{ 0, NULL, NULL, NULL, NULL }
};

/* "-1G" is no option: taken out before options are looked for. */
static const char *take_negative(struct cli *cli)
{
	for (int i = 1; i < cli->argc && strcmp(cli->argv[i], "--"); i++) {
		const char *a = cli->argv[i];

		if (a[0] != '-' || !isdigit((unsigned char)a[1]))
			continue;
		memmove(cli->argv + i, cli->argv + i + 1,
		    (cli->argc - i) * sizeof(*cli->argv));
		cli->argc--;
		return a;
	}
	return NULL;
}

/* The new size by "N", "+N" or "-N"; false: said what is wrong. */
static bool new_size(const struct cli *cli, const char *text, uint64_t old,
    uint64_t *size)
{
	const char sign = *text == '+' || *text == '-' ? *text : '\0';
	struct error err;
	uint64_t n;

	if (size_parse(text + !!sign, &n, &err) < 0) {
		if (cli->peer)
			cli_error(cli, "Parameter 'size' expects a "
			    "non-negative number below 2^64\nOptional suffix "
			    "k, M, G, T, P or E means kilo-, mega-, giga-, "
			    "tera-, peta-\nand exabytes, respectively.");
		else
			cli_error(cli, "size '%s': %s", text, err.text);
		return false;
	}
	*size = n;
	if ((sign == '+' && !add_ok(old, n, size)) || (sign == '-' &&
	    __builtin_sub_overflow(old, n, size)) || !*size ||
	    *size > INT64_MAX) {
		cli_error(cli, "New image size must be positive");
		return false;
	}
	return true;
}

static int resize(const struct cli *cli, struct image *image,
    const char *text, const char *prealloc, bool shrink)
{
	struct error err;
	uint64_t size;

	if (!new_size(cli, text, image->size, &size))
		return -1;
	if (size < image->size && !shrink) {
		if (cli->peer) {
			cli_error(cli, "Use the --shrink option to perform a "
			    "shrink operation.");
			cli_error(cli, "warning: Shrinking an image will "
			    "delete all data beyond the shrunken image's end. "
			    "Before performing such an operation, make sure "
			    "there is no important data there.");
		} else {
			cli_error(cli, "%s: %" PRIu64 " is less than the %"
			    PRIu64 " bytes it has; --shrink gives up what "
			    "lies beyond", image->name, size, image->size);
		}
		return -1;
	}
	if (!image_resize(image, size, prealloc, &err))
		return 0;
	if (cli->peer)
		cli_error(cli, "%s", err.text);
	else
		cli_image_error(cli, image->name, &err);
	return -1;
}

static bool known_mode(const struct cli *cli, const char *mode)
{
	static const char *const modes[] = { "off", "metadata", "falloc",
	    "full" };

	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (!strcmp(mode, modes[i]))
			return true;
	cli_error(cli, "Invalid preallocation mode '%s'", mode);
	return false;
}

static int run(struct cli *cli)
{
	struct open_args args = { .writable = true };
	const char *size = take_negative(cli), *prealloc = "off";
	bool image_opts = false, shrink = false, quiet = false;
	struct image *image;
	int id, ret, given;

	while ((id = cli_next(cli)) != -1)
		switch (id) {
		case 'f':
			args.format = cli->value;
			break;
		case 256:
			image_opts = true;
			break;
		case 257:
			prealloc = cli->value;
			if (!known_mode(cli, prealloc))
				return 1;
			break;
		case 258:
			shrink = true;
			break;
		case 'q':
			quiet = true;
			break;
		}
	given = cli->argc + !!size;
	if (given < 2)
		return cli_usage(cli, "Not enough arguments");
	if (given > 2)
		return cli_usage(cli, "Expecting image file name and size");
	if (!size)
		size = cli->argv[1];

	image = cli_open(cli, cli->argv[0], image_opts, &args);
	if (!image)
		return 1;
	ret = resize(cli, image, size, prealloc, shrink);
	if (!cli_close_after(cli, image, !ret))
		ret = -1;
	if (!ret && !quiet)
		printf("Image resized.\n");
	return ret ? 1 : 0;
}

const struct cli_command cmd_resize = {
	.name = "resize",
	.operands = "FILE [+|-]SIZE",
	.summary = "make an image larger or smaller",
	.options = options,
	.run = run,
};
