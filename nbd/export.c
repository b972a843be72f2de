/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * export.c - images, as the command line names them, become exports
 *
 * An export is a window of an image.  Where a snapshot is given by a key, the
 * list of snapshots is read first: open_args knows "id, else name" only.
 */
#include <inttypes.h>
#include <string.h>

#include "base/auto.h"
#include "tool.h"

/* ---- opening */

/* The peer has a sentence of its own for what cannot be opened. */
static void open_error(const struct cli *cli, const struct export_options *o,
    const struct error *err)
{
	const char *text = err->text, *lock, *holder;
	int n = (int)strlen(text);

	if (!cli->peer || err->code == EREFUSED) {
		cli_open_error(cli, o->file, err);
		return;
	}
	if (o->snapshot && o->args.snapshot && (err->code == ENOENT ||
	    err->code == ENOTSUP) && strstr(text, "snapshot")) {
		cli_error(cli, "%s", err->code == ENOENT ?
		    "Failed to load snapshot: Can't find snapshot" : text);
		return;
	}
	lock = err->code == EAGAIN ? strstr(text, "\" lock") : NULL;
	holder = lock ? strstr(lock, ": in use by ") : NULL;
	if (holder)
		n = (int)(holder - text);
	cli_error(cli, "Failed to blk_new_open '%s': %.*s", o->file, n, text);
	if (lock)
		fprintf(stderr, "Is another process using the image [%s]?\n",
		    o->file);
}

static struct image *open_file(const struct cli *cli,
    const struct export_options *o, const struct open_args *how,
    struct error *err)
{
	struct open_args args = *how;
	struct opts *own = NULL;
	struct image *image = NULL;

	args.policy = cli->peer ? POLICY_PEER : POLICY_OWN;
	args.allow_external = cli->allow_external;
	args.objects = cli->objects;
	if (o->image_opts) {
		own = opts_new();
		if (!own) {
			error_errno(err, ENOMEM, "options");
			return NULL;
		}
		if (opts_parse(own, o->file, "file", err) < 0)
			goto out;
		args.options = own;
	}
	image = image_open(o->image_opts ? NULL : o->file, &args, err);
out:
	opts_free(own);
	return image;
}

/* ---- snapshots: "snapshot.id=ID,snapshot.name=NAME", or either alone */

static char *find_snapshot(const struct image_info *info, const char *id,
    const char *name, struct error *err)
{
	for (unsigned i = 0; i < info->snapshot_count; i++) {
		const struct snapshot_info *s = &info->snapshots[i];
		char *found;

		if ((id && strcmp(id, s->id)) || (name && strcmp(name,
		    s->name)))
			continue;
		found = strdup(s->id);
		if (!found)
			error_errno(err, ENOMEM, "snapshot");
		return found;
	}
	error_set(err, ENOENT, "Failed to load snapshot: Can't find snapshot");
	return NULL;
}

/* The id of what -l names by keys; NULL: printed. */
static char *resolve_snapshot(const struct cli *cli,
    const struct export_options *o)
{
	struct open_args args = o->args;
	struct opts *keys = opts_new();
	struct image *image = NULL;
	struct image_info info;
	struct error err, ignored;
	const char *id, *name, *unused;
	char *found = NULL;

	if (!keys) {
		cli_error(cli, "out of memory");
		return NULL;
	}
	if (opts_parse(keys, o->snapshot, NULL, &err) < 0) {
		cli_error(cli, "%s", err.text);
		goto out;
	}
	id = opts_take(keys, "snapshot.id");
	name = opts_take(keys, "snapshot.name");
	unused = opts_unused(keys);
	if (unused) {
		cli_error(cli, "Invalid parameter '%s'", unused);
		cli_error(cli, "Failed in parsing snapshot param `%s'",
		    o->snapshot);
		goto out;
	}
	args.writable = false;
	args.no_backing = true;
	image = open_file(cli, o, &args, &err);
	if (!image) {
		open_error(cli, o, &err);
		goto out;
	}
	info = (struct image_info){ 0 };
	if (image_info(image, &info, &err) == 0) {
		found = find_snapshot(&info, id, name, &err);
		image_info_fini(&info);
	}
	if (!found)
		cli_error(cli, "%s", err.text);
out:
	image_close(image, &ignored);
	opts_free(keys);
	return found;
}

/* ---- the image */

static struct image *open_image(const struct cli *cli,
    const struct export_options *o)
{
	struct open_args args = o->args;
	AUTO_FREE char *id = NULL;
	struct image *image = NULL;
	struct error err;

	args.writable = !o->read_only && !o->temporary && !o->snapshot;
	if (o->snapshot && !strncmp(o->snapshot, "snapshot.", 9)) {
		id = resolve_snapshot(cli, o);
		if (!id)
			return NULL;
		args.snapshot = id;
	} else {
		args.snapshot = o->snapshot;
	}
	if (args.aio == AIO_NATIVE && !args.direct && !o->image_opts)
		error_set(&err, EINVAL, "aio=native was specified, but it "
		    "requires cache.direct=on, which was not specified.");
	else
		image = open_file(cli, o, &args, &err);
	if (image && image->probed && args.writable)
		cli_warn_guessed(cli, o->file);
	if (image && o->temporary && !o->read_only && !o->snapshot)
		image = cli_open_overlay(image, true, &err);
	if (!image) {
		struct export_options said = *o;

		said.args.snapshot = args.snapshot;
		open_error(cli, &said, &err);
	}
	return image;
}

static bool open_bitmap(const struct cli *cli, struct export *e,
    const char *name)
{
	struct export_bitmap *b = &e->bitmaps[e->bitmap_count];
	struct error err;

	if (image_bitmap_open(e->image, name, &b->map, &err)) {
		cli_error(cli, "%s", err.text);
		return false;
	}
	b->name = strdup(name);
	if (!b->name) {
		image_bitmap_close(b->map);
		cli_error(cli, "out of memory");
		return false;
	}
	e->bitmap_count++;
	return true;
}

static bool set_window(const struct cli *cli, const struct export_options *o,
    struct export *e)
{
	const uint64_t whole = e->image->size;

	if (o->off > whole) {
		cli_error(cli, "Offset (%" PRIu64 ") cannot be greater than "
		    "size of the containing file (%" PRIu64 ")", o->off,
		    whole);
		return false;
	}
	if (o->size != UINT64_MAX && o->size > whole - o->off) {
		cli_error(cli, "The sum of offset (%" PRIu64 ") and size (%"
		    PRIu64 ") has to be smaller or equal to the actual size "
		    "of the containing file (%" PRIu64 ")", o->off, o->size,
		    whole);
		return false;
	}
	e->off = o->off;
	e->size = o->size != UINT64_MAX ? o->size : whole - o->off;
	return true;
}

/* Can nobody write to what this image is made of?  Else bytes must be copied
 * before they are sent. */
static bool is_still(const struct image *image)
{
	for (; image; image = image->backing)
		for (unsigned i = 0; i < image->store_count; i++)
			if (!file_is_still(image->stores[i]))
				return false;
	return true;
}

bool export_open(const struct cli *cli, const struct export_options *o,
    struct export *e)
{
	*e = (struct export){ .read_only = o->read_only || o->snapshot,
	    .allocation_depth = o->allocation_depth };
	/* They go into one message of the protocol. */
	if ((o->name && strlen(o->name) > NAME_LIMIT) ||
	    (o->description && strlen(o->description) > NAME_LIMIT)) {
		const bool name = o->name && strlen(o->name) > NAME_LIMIT;

		cli_error(cli, "export %s '%s' too long", name ? "name" :
		    "description", name ? o->name : o->description);
		return false;
	}
	e->image = open_image(cli, o);
	if (!e->image)
		return false;
	e->name = strdup(o->name ? o->name : "");
	e->description = o->description ? strdup(o->description) : NULL;
	e->bitmaps = calloc(BITMAPS_LIMIT, sizeof(*e->bitmaps));
	if (!e->name || (o->description && !e->description) || !e->bitmaps) {
		cli_error(cli, "out of memory");
		goto fail;
	}
	if (!set_window(cli, o, e))
		goto fail;
	for (unsigned i = 0; i < o->bitmap_count; i++)
		if (!open_bitmap(cli, e, o->bitmaps[i]))
			goto fail;
	e->may_sendfile = e->read_only && is_still(e->image);
	return true;
fail:
	export_close(cli, e);
	return false;
}

bool export_close(const struct cli *cli, struct export *e)
{
	bool ok;

	while (e->bitmap_count) {
		struct export_bitmap *b = &e->bitmaps[--e->bitmap_count];

		image_bitmap_close(b->map);
		free(b->name);
	}
	free(e->bitmaps);
	free(e->name);
	free(e->description);
	ok = cli_close(cli, e->image);
	*e = (struct export){ 0 };
	return ok;
}

/* ---- --export */

static bool take_list(const struct cli *cli, struct opts *opts,
    struct export_options *o)
{
	const char *one = opts_take(opts, "bitmap");
	struct opts *more = opts_take_sub(opts, "bitmap");
	const char *key, *value;

	if (!more) {
		cli_error(cli, "out of memory");
		return false;
	}
	if (one)
		o->bitmaps[o->bitmap_count++] = one;
	for (unsigned i = 0; opts_at(more, i, &key, &value); i++) {
		const char *name = NULL;
		AUTO_FREE char *full = NULL;

		if (o->bitmap_count < BITMAPS_LIMIT && value &&
		    asprintf(&full, "bitmap.%s", key) > 0)
			name = opts_get(opts, full);
		if (!name) {
			cli_error(cli, "more than %d bitmaps", BITMAPS_LIMIT);
			opts_free(more);
			return false;
		}
		o->bitmaps[o->bitmap_count++] = name;
	}
	opts_free(more);
	return true;
}

bool export_parse(const struct cli *cli, const char *text,
    struct export_options *o)
{
	struct opts *opts = opts_new();
	const char *format, *unused;
	struct error err;

	if (!opts) {
		cli_error(cli, "out of memory");
		return false;
	}
	if (opts_parse(opts, text, NULL, &err) < 0)
		goto fail;
	o->parsed = opts;
	o->bitmap_count = 0;
	o->file = opts_take(opts, "file");
	o->name = opts_take(opts, "name");
	o->description = opts_take(opts, "description");
	o->snapshot = opts_take(opts, "snapshot");
	format = opts_take(opts, "format");
	if (format)
		o->args.format = format;
	if (opts_take_bool(opts, "read-only", &o->read_only, &err) < 0 ||
	    opts_take_bool(opts, "temporary", &o->temporary, &err) < 0 ||
	    opts_take_bool(opts, "allocation-depth", &o->allocation_depth,
	    &err) < 0 ||
	    opts_take_bool(opts, "image-opts", &o->image_opts, &err) < 0 ||
	    opts_take_size(opts, "offset", &o->off, &err) < 0 ||
	    opts_take_size(opts, "size", &o->size, &err) < 0)
		goto fail;
	if (!take_list(cli, opts, o))
		return false;
	unused = opts_unused(opts);
	if (unused)
		error_set(&err, EINVAL, "no such key: '%s'", unused);
	else if (!o->file)
		error_set(&err, EINVAL, "file=NAME is missing");
	else if (!o->name)
		error_set(&err, EINVAL, "name=NAME is missing");
	else
		return true;
fail:
	cli_error(cli, "--export '%s': %s", text, err.text);
	if (!o->parsed)
		opts_free(opts);
	return false;
}
