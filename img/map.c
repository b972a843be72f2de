/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * map.c - prints where an image's bytes are
 *
 * A large scattered image has millions of runs, so a run costs one walk_map(),
 * one comparison with the run before it, and a line put together by hand in a
 * buffer; nothing is kept.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "img.h"

enum { OPT_IMAGE_OPTS = 256, OPT_OUTPUT };

static const struct cli_option options[] = {
	{ 'f', "format", "FMT", "format of the image", NULL },
	{ OPT_IMAGE_OPTS, "image-opts", NULL,
	  "FILE is key=value options, not a file name", NULL },
	{ 's', "start-offset", "OFFSET", "begin here", NULL },
	{ 'l', "max-length", "LENGTH", "end after so many bytes", NULL },
	{ OPT_OUTPUT, "output", "FORM", "human or json", NULL },
	{ 'U', "force-share", NULL, "open without locks", NULL },
	{ 0 }
};

struct run {
	uint64_t start, len;
	unsigned depth;
	struct extent_status at;
};

/* ---- lines */

struct line {
	char text[512];
	char *end;
};

static void put(struct line *l, const char *s, size_t n)
{
	memcpy(l->end, s, n);
	l->end += n;
}
#define PUT(l, literal) put(l, "" literal, sizeof(literal) - 1)

static void put_u64(struct line *l, uint64_t v)
{
	char digits[20], *s = digits + sizeof(digits);

	do
		*--s = '0' + v % 10;
	while (v /= 10);
	put(l, s, digits + sizeof(digits) - s);
}

static void put_bool(struct line *l, bool v)
{
	if (v)
		PUT(l, "true");
	else
		PUT(l, "false");
}

static void show_json(const struct cli *cli, const struct run *r, bool first)
{
	struct line l = { .end = l.text };

	if (first)
		PUT(&l, "[{ \"start\": ");
	else
		PUT(&l, ",\n{ \"start\": ");
	put_u64(&l, r->start);
	PUT(&l, ", \"length\": ");
	put_u64(&l, r->len);
	PUT(&l, ", \"depth\": ");
	put_u64(&l, r->depth);
	PUT(&l, ", \"present\": ");
	put_bool(&l, r->at.present);
	PUT(&l, ", \"zero\": ");
	put_bool(&l, r->at.zero);
	PUT(&l, ", \"data\": ");
	put_bool(&l, r->at.data);
	if (!cli->peer) {
		PUT(&l, ", \"compressed\": ");
		put_bool(&l, r->at.packed);
	}
	if (r->at.has_host) {
		PUT(&l, ", \"offset\": ");
		put_u64(&l, r->at.host);
	}
	PUT(&l, "}");
	fwrite_unlocked(l.text, 1, l.end - l.text, stdout);
}

/* Only data is listed, and all of it must have a place. */
static bool show_human(const struct cli *cli, const struct run *r)
{
	if (!r->at.data || r->at.zero)
		return true;
	if (!r->at.has_host) {
		cli_error(cli, "File contains external, encrypted or "
		    "compressed clusters.");
		return false;
	}
	printf("%#-16" PRIx64 "%#-16" PRIx64 "%#-16" PRIx64 "%s\n", r->start,
	    r->len, r->at.host, r->at.store->name);
	return true;
}

/* ---- runs */

/* Does b go on where a ends? */
static bool continues(const struct run *a, const struct run *b)
{
	return a->depth == b->depth && a->at.present == b->at.present &&
	    a->at.zero == b->at.zero && a->at.data == b->at.data &&
	    a->at.packed == b->at.packed &&
	    a->at.has_host == b->at.has_host && (!a->at.has_host ||
	    (a->at.store == b->at.store &&
	    a->at.host + a->len == b->at.host));
}

static int next_run(struct walk *w, struct image *img, uint64_t off,
    uint64_t end, struct run *r, struct error *err)
{
	struct extent e;
	int rc;

	image_hold(img);
	rc = walk_map(w, off, end - off, MAP_REPORT, &e, &r->depth, err);
	if (!rc) {
		r->start = off;
		r->len = e.len;
		extent_report(&e, &r->at);
	}
	image_drop(img);
	return rc;
}

static bool show_runs(const struct cli *cli, struct image *img, uint64_t off,
    uint64_t end, bool json)
{
	struct run run = { .start = off }, next = { 0 };
	bool first = true, ok = false;
	struct error err;
	struct walk *w = walk_new(img, &err);

	if (!w)
		goto fail;
	for (; off < end; off += next.len) {
		if (next_run(w, img, off, end, &next, &err))
			goto fail;
		if (!run.len) {
			run = next;
			continue;
		}
		if (continues(&run, &next)) {
			run.len += next.len;
			continue;
		}
		if (json)
			show_json(cli, &run, first);
		else if (!show_human(cli, &run))
			goto out;
		first = false;
		run = next;
	}
	ok = true;
	if (json)
		show_json(cli, &run, first);
	else
		ok = show_human(cli, &run);
	goto out;
fail:
	cli_error(cli, "%s", err.text);
out:
	walk_free(w);
	return ok;
}

static bool show(const struct cli *cli, struct image *img, uint64_t off,
    uint64_t len, bool json)
{
	const uint64_t end = off + min64(len, SIZE_LIMIT - min64(off,
	    SIZE_LIMIT));
	bool ok;

	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	if (!json)
		printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to",
		    "File");
	ok = show_runs(cli, img, off, min64(end, img->size), json);
	if (json && ok)
		puts("]");
	return ok;
}

static int run(struct cli *cli)
{
	struct open_args args = { 0 };
	uint64_t off = 0, len = UINT64_MAX;
	bool image_opts = false, json = false, ok = true;
	struct image *img;
	int id;

	while (ok && (id = cli_next(cli)) >= 0)
		switch (id) {
		case 'f': args.format = cli->value; break;
		case 's':
			ok = cli_size(cli, "start offset", cli->value, &off);
			break;
		case 'l':
			ok = cli_size(cli, "max length", cli->value, &len);
			break;
		case 'U': args.share = true; break;
		case OPT_IMAGE_OPTS: image_opts = true; break;
		case OPT_OUTPUT:
			ok = cli_output(cli, cli->value, &json);
			break;
		}
	if (!ok)
		return 1;
	if (cli->argc != 1)
		return cli_usage(cli, "Expecting one image file name");
	img = cli_open(cli, cli->argv[0], image_opts, &args);
	if (!img)
		return 1;
	ok = show(cli, img, off, len, json);
	return cli_close(cli, img) && ok ? 0 : 1;
}

const struct cli_command cmd_map = {
	.name = "map",
	.operands = "FILE",
	.summary = "print where the bytes of an image are",
	.options = options,
	.run = run,
};
