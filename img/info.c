/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * info.c - shows what an image is
 *
 * Opens the named file alone.  --backing-chain goes on: under our own name
 * the library opens the chain, and its rules for names found inside images
 * hold (H3); under a peer's name each layer is opened as the peer does, as if
 * the user had named it.
 */
#include <stdlib.h>

#include "base/json.h"
#include "img.h"
#include "report.h"

static const struct cli_option options[] = {
	{ 'f', "format", "FMT", "format of the image; guessed without it",
	  NULL },
	{ 256, "image-opts", NULL, "FILE is a list of options: key=value,...",
	  NULL },
	{ 257, "backing-chain", NULL, "show the backing images, too", NULL },
	{ 258, "output", "FORM", "human or json", NULL },
	{ 'U', "force-share", NULL, "open even while others write to it",
	  NULL },
	{ 0, NULL, NULL, NULL, NULL }
};

struct layers {
	unsigned count;
	struct img_report at[CHAIN_LIMIT + 1];
	bool borrowed;		/* at[0] owns the images of all */
};

static bool same_file(struct store *a, struct store *b)
{
	struct store_stat x, y;
	struct error err;

	return !store_stat(a, &x, &err) && !store_stat(b, &y, &err) &&
	    x.ino && x.ino == y.ino && x.dev == y.dev;
}

/* Adds a layer; owns the image from here on. */
static bool add(const struct cli *cli, struct layers *l, struct image *image)
{
	struct img_report *r = &l->at[l->count];
	struct error err;

	if (!image)
		return false;
	r->image = image;
	l->count++;
	if (!image_info(image, &r->info, &err))
		return true;
	cli_image_error(cli, img_name(image), &err);
	return false;
}

static bool collect(const struct cli *cli, const char *name, bool image_opts,
    bool chain, struct open_args *args, struct layers *l)
{
	const struct img_report *r;
	struct image *image;

	args->no_backing = !chain || cli->peer;
	args->look_only = true;
	l->borrowed = !args->no_backing;
	if (!add(cli, l, cli_open(cli, name, image_opts, args)))
		return false;
	while (chain && l->count <= CHAIN_LIMIT) {
		r = &l->at[l->count - 1];
		if (l->borrowed) {
			image = r->image->backing;
		} else {
			image = NULL;
			args->format = r->info.backing_format;
			if (r->info.backing && !(image = cli_open(cli,
			    r->info.full_backing, false, args)))
				return false;
		}
		if (!image)
			return true;
		for (unsigned i = 0; !l->borrowed && i < l->count; i++)
			if (same_file(l->at[i].image->store, image->store)) {
				cli_error(cli, "Backing file '%s' creates an "
				    "infinite loop.", image->name);
				return cli_close(cli, image) && false;
			}
		if (!add(cli, l, image))
			return false;
	}
	return true;
}

static void show(const struct cli *cli, const struct layers *l, bool json,
    bool list)
{
	struct json j;

	json_init(&j, stdout, true);
	if (json && list)
		json_list(&j, NULL);
	for (unsigned i = 0; i < l->count; i++)
		if (json) {
			report_json(l->at[i].image, &l->at[i].info,
			    img_name(l->at[i].image), !cli->peer, &j);
		} else {
			if (i)
				putchar('\n');
			report_text(&l->at[i], stdout);
		}
	if (json && list)
		json_close(&j, ']');
	if (json)
		json_end(&j);
}

static int run(struct cli *cli)
{
	struct open_args args = { 0 };
	bool image_opts = false, chain = false, json = false, ok;
	struct layers *l;
	int id;

	while ((id = cli_next(cli)) != -1)
		switch (id) {
		case 'f':
			args.format = cli->value;
			break;
		case 256:
			image_opts = true;
			break;
		case 257:
			chain = true;
			break;
		case 258:
			if (!cli_output(cli, cli->value, &json))
				return 1;
			break;
		case 'U':
			args.share = true;
			break;
		}
	if (cli->argc != 1)
		return cli_usage(cli, "Expecting one image file name");
	l = calloc(1, sizeof(*l));
	if (!l) {
		cli_error(cli, "out of memory");
		return 1;
	}
	ok = collect(cli, cli->argv[0], image_opts, chain, &args, l);
	if (ok)
		show(cli, l, json, chain);
	for (unsigned i = 0; i < l->count; i++) {
		image_info_fini(&l->at[i].info);
		if (!i || !l->borrowed)
			cli_close(cli, l->at[i].image);
	}
	free(l);
	return ok ? 0 : 1;
}

const struct cli_command cmd_info = {
	.name = "info",
	.operands = "FILE",
	.summary = "show what an image is",
	.options = options,
	.run = run,
};
