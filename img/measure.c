/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* measure.c - how large a file an image will need */
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "img.h"
#include "report.h"

static const struct cli_option options[] = {
	{ 'f', "format", "FMT", "format of FILE; guessed without it", NULL },
	{ 256, "image-opts", NULL, "FILE is a list of options: key=value,...",
	  NULL },
	{ 'O', "target-format", "FMT", "format of the new image (raw)", NULL },
	{ 'o', "options", "OPTIONS", "options of the new image: key=value,...",
	  NULL },
	{ 'l', "snapshot", "SNAPSHOT",
	  "measure FILE as it was in this internal snapshot", NULL },
	{ 's', "size", "SIZE", "size of the new image, instead of FILE's",
	  NULL },
	{ 257, "output", "FORM", "human or json", NULL },
	{ 'U', "force-share", NULL, "open even while others write to it",
	  NULL },
	{ 0, NULL, NULL, NULL, NULL }
};

struct source {
	struct image *image;
	struct walk *walk;
};

/* Without an image: an empty one. */
static int next_run(void *arg, uint64_t off, uint64_t len, bool *data,
    uint64_t *run, struct error *err)
{
	struct source *s = arg;
	struct extent_status status;
	struct extent e;
	int ret;

	*data = false;
	*run = len;
	if (!s->image)
		return 0;
	image_hold(s->image);
	ret = walk_map(s->walk, off, len, MAP_REPORT, &e, NULL, err);
	if (!ret) {
		extent_report(&e, &status);
		*data = status.data && !status.zero;
		*run = e.len;
	}
	image_drop(s->image);
	return ret;
}

static uint64_t units(uint64_t bytes, uint64_t unit)
{
	return bytes / unit + !!(bytes % unit);
}

/*
 * What the bitmaps of a qcow2 image take in another: for each the bits and a
 * table of 8 bytes for each cluster of them; one directory of entries of 24
 * bytes and the name.
 */
static void add_bitmaps(const struct image_info *info, uint64_t size,
    uint64_t cluster, struct measure *m)
{
	uint64_t clusters = 0, directory = 0, bits, n;
	const struct report *list, *r;

	if (!info->specific)
		return;
	for (list = info->specific->first; list; list = list->next) {
		if (list->key && !strcmp(list->key, "compat"))
			m->has_bitmaps = strcmp(list->str, "0.10");
		if (!list->key || strcmp(list->key, "bitmaps"))
			continue;
		for (r = list->first; r; r = r->next) {
			uint64_t granularity = 65536, name = 0;

			for (const struct report *v = r->first; v; v = v->next)
				if (!strcmp(v->key, "granularity"))
					granularity = v->num;
				else if (!strcmp(v->key, "name"))
					name = strlen(v->str);
			bits = units(size, granularity);
			n = units(units(bits, 8), cluster);
			clusters += n + units(n * 8, cluster);
			directory += align_up(24 + name, 8);
		}
	}
	m->bitmaps = (clusters + units(directory, cluster)) * cluster;
}

static int measure(struct source *s, const struct format *f, uint64_t size,
    struct opts *opts, struct measure *m, struct error *err)
{
	struct image_info info;
	uint64_t cluster = 65536;
	const char *compat;
	int ret;

	if (s->image) {
		s->walk = walk_new(s->image, err);
		if (!s->walk)
			return -err->code;
		size = s->image->size;
	}
	/* The format takes them, too. */
	ret = opts_take_size(opts, "cluster_size", &cluster, err);
	compat = opts_take(opts, "compat");
	if (!ret)
		ret = f->measure(align_up(size, 512), opts, next_run, s, m,
		    err);
	walk_free(s->walk);
	if (ret < 0 || !s->image || strcmp(f->name, "qcow2") ||
	    strcmp(s->image->format->name, "qcow2") ||
	    (compat && (!strcmp(compat, "0.10") || !strcmp(compat, "v2"))))
		return ret;
	ret = image_info(s->image, &info, err);
	if (!ret) {
		add_bitmaps(&info, size, cluster, m);
		image_info_fini(&info);
	}
	return ret;
}

static void show(const struct measure *m, bool json)
{
	struct json j;

	if (!json) {
		printf("required size: %" PRIu64 "\n"
		    "fully allocated size: %" PRIu64 "\n", m->required,
		    m->fully_allocated);
		if (m->has_bitmaps)
			printf("bitmaps size: %" PRIu64 "\n", m->bitmaps);
		return;
	}
	json_init(&j, stdout, true);
	json_object(&j, NULL);
	if (m->has_bitmaps)
		json_u64(&j, "bitmaps", m->bitmaps);
	json_u64(&j, "required", m->required);
	json_u64(&j, "fully-allocated", m->fully_allocated);
	json_close(&j, '}');
	json_end(&j);
}

/* Options are checked against the format's table, in the peer's words. */
static bool known_options(const struct cli *cli, const struct format *f,
    struct opts *opts)
{
	const char *key, *value;

	for (unsigned i = 0; opts_at(opts, i, &key, &value); i++) {
		const struct option *o = f->create_options;

		while (o->name && strcmp(o->name, key))
			o++;
		if (o->name)
			continue;
		cli_error(cli, "Invalid parameter '%s'", key);
		if (cli->peer)
			cli_error(cli, "Invalid options for file format '%s'",
			    f->name);
		return false;
	}
	return true;
}

static int run(struct cli *cli)
{
	struct open_args args = { 0 };
	struct opts *opts = opts_new();
	const char *target = "raw";
	const struct format *f;
	struct source source = { 0 };
	struct measure m = { 0 };
	struct error err;
	uint64_t size = UINT64_MAX;
	bool image_opts = false, json = false, help = false, ok = false;
	int id, code = 1;

	while ((id = cli_next(cli)) != -1)
		switch (id) {
		case 'f':
			args.format = cli->value;
			break;
		case 256:
			image_opts = true;
			break;
		case 'O':
			target = cli->value;
			break;
		case 'o':
			help |= !cli->peer && img_is_help(cli->value);
			if (!help && !img_options(cli, cli->value, &opts))
				goto out;
			break;
		case 'l':
			args.snapshot = cli->value;
			break;
		case 's':
			if (!cli_size(cli, "image size", cli->value, &size))
				goto out;
			break;
		case 257:
			if (!cli_output(cli, cli->value, &json))
				goto out;
			break;
		case 'U':
			args.share = true;
			break;
		}
	if (!help && cli->argc > 1)
		cli_error(cli, "At most one filename argument is allowed.");
	else if (!help && !cli->argc && (image_opts || args.format ||
	    args.snapshot))
		cli_error(cli, "--image-opts, -f, and -l require a filename "
		    "argument.");
	else if (!help && !cli->argc && size == UINT64_MAX)
		cli_error(cli, "Either --size N or one filename must be "
		    "specified.");
	else if (!help && cli->argc && size != UINT64_MAX)
		cli_error(cli, "--size N cannot be used together with a "
		    "filename.");
	else
		ok = true;
	if (!ok || !(f = img_format(cli, target)))
		goto out;
	if (help) {
		img_create_help(cli, f);
		code = 0;
		goto out;
	}
	if (!f->measure) {
		cli_error(cli, "Block driver '%s' does not support size "
		    "measurement", f->name);
		goto out;
	}
	if (!known_options(cli, f, opts) || (cli->argc && !(source.image =
	    cli_open(cli, cli->argv[0], image_opts, &args))))
		goto out;
	if (measure(&source, f, size, opts, &m, &err) < 0) {
		cli_error(cli, "%s", err.text);
		goto out;
	}
	show(&m, json);
	code = 0;
out:
	if (!cli_close(cli, source.image))
		code = 1;
	opts_free(opts);
	return code;
}

const struct cli_command cmd_measure = {
	.name = "measure",
	.operands = "[FILE]",
	.summary = "tell how large a file an image will need",
	.options = options,
	.run = run,
};
