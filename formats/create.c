/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * create.c - a new file, and an image in it
 *
 * Options are checked before anything is touched; a file that was made for a
 * creation that fails is removed again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/names.h"
#include "image.h"
#include "store/protocol.h"

/* The value of one option is of its type. */
static int check_create_value(const struct image_create_args *args,
    const struct option *o, struct error *err)
{
	uint64_t number;
	bool flag;
	int rc = 0;

	switch (o->type) {
	case OPTION_STR:
		break;
	case OPTION_BOOL:
		rc = opts_take_bool(args->options, o->name, &flag, err);
		break;
	case OPTION_NUMBER:
		rc = opts_take_u64(args->options, o->name, &number, err);
		break;
	case OPTION_SIZE:
		rc = opts_take_size(args->options, o->name, &number, err);
		if (rc && args->policy == POLICY_PEER)
			strncat(err->text, "\nOptional suffix k, M, G, T, P or "
			    "E means kilo-, mega-, giga-, tera-, peta-\n"
			    "and exabytes, respectively.",
			    sizeof(err->text) - strlen(err->text) - 1);
		break;
	}
	return rc;
}

static int check_create_options(const struct image_create_args *args,
    struct error *err)
{
	const char *key, *value;
	int rc;

	for (unsigned i = 0; opts_at(args->options, i, &key, &value); i++) {
		const struct option *o = args->format->create_options;

		while (o->name && strcmp(o->name, key))
			o++;
		if (o->name) {
			if ((rc = check_create_value(args, o, err)))
				return rc;
			continue;
		}
		if (!strcmp(key, "backing_file") || !strcmp(key, "backing_fmt"))
			return error_set(err, EINVAL, "Backing file not "
			    "supported for file format '%s'",
			    args->format->name);
		return error_set(err, EINVAL, "Invalid parameter '%s'", key);
	}
	return 0;
}

/* Opens the backing file to see that it is there, and how large.  Neither
 * the new image nor its data file may take the place of what it lies on. */
static int check_backing(const struct image_create_args *args,
    const char *backing, const char *format, const char *data_full,
    uint64_t *size, struct error *err)
{
	struct open_args oa = { .format = format, .policy = args->policy,
	    .allow_external = args->allow_external, .objects = args->objects };
	AUTO_FREE char *full = image_full_backing(args->name, backing);
	struct image *img;
	int rc;

	if (!full)
		return error_errno(err, ENOMEM, "opening");
	img = image_open(full, &oa, err);
	if (!img) {
		rc = -err->code;
		if (args->policy == POLICY_PEER) {
			strncat(err->text, "\nCould not open backing image.",
			    sizeof(err->text) - strlen(err->text) - 1);
		} else {
			error_prefix(err, "backing file '%s'", backing);
		}
		return rc;
	}
	rc = 0;
	if (image_uses(img, args->name) ||
	    (data_full && image_uses(img, data_full)))
		rc = error_set(err, EINVAL, "would take the place of its own "
		    "backing file '%s', or of one below it", backing);
	else if (!format)
		rc = error_set(err, EINVAL,
		    "Backing file specified without backing format%s"
		    "Detected format of %s.",
		    args->policy == POLICY_PEER ? "\n" : ": ",
		    img->format->name);
	if (*size == SIZE_FROM_BACKING)
		*size = img->size;
	image_close(img, &(struct error){ 0 });
	return rc;
}

/* Are these two names of one file? */
static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	a = a ? name_path(a) : NULL;
	b = b ? name_path(b) : NULL;
	return a && b && !stat(a, &x) && !stat(b, &y) &&
	    x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A store that is made for a creation, and how it goes if that fails. */
struct made {
	const char *name;
	struct store *store;
	const struct protocol *proto;	/* NULL: a file */
	struct opts *keys;		/* of proto */
	struct protocol_args args;
	bool fresh;			/* nothing was there before */
};

/* NULL for a file. */
static int find_protocol(const char *name, const struct protocol **proto,
    struct error *err)
{
	int rc;

	*proto = NULL;
	if (name_path(name))
		return 0;
	if ((rc = protocol_by_scheme(name, proto, err)))
		return rc;
	if (!(*proto)->create)
		return error_set(err, ENOTSUP, "Protocol driver '%s' does not "
		    "support image creation", (*proto)->drivers[0]);
	return 0;
}

static int make_remote(struct made *m, uint64_t size, struct error *err)
{
	int rc;

	m->keys = opts_new();
	if (!m->keys)
		return error_errno(err, ENOMEM, "options");
	if ((rc = m->proto->parse(m->name, m->keys, err)) ||
	    (rc = m->proto->create(m->keys, size, &m->args, err)) < 0)
		return rc;
	m->fresh = rc;
	m->store = m->proto->open(m->keys, &m->args, err);
	return m->store ? 0 : -err->code;
}

/* size: what a raw image will have, 0 for others. */
static int make_store(struct made *m, const struct image_create_args *args,
    const char *name, uint64_t size, struct error *err)
{
	struct file_args fa = { .writable = true, .create = true,
	    .no_sync = args->no_sync };
	uint64_t ignored;
	int rc;

	*m = (struct made){ .name = name, .args = { .writable = true,
	    .no_sync = args->no_sync, .objects = args->objects } };
	/* The hint is advice to a file system; none here takes it. */
	if ((rc = opts_take_bool(args->options, "nocow", &fa.no_cow, err)) ||
	    (rc = opts_take_size(args->options, "extent_size_hint", &ignored,
	    err)) ||
	    (rc = find_protocol(name, &m->proto, err)))
		return rc;
	if (m->proto)
		return make_remote(m, size, err);
	m->store = file_open(name_path(name), &fa, err);
	m->fresh = m->store && file_created(m->store);
	return m->store ? 0 : -err->code;
}

/* Ends a store of a creation; what was made for it goes with it when the
 * creation failed. */
static int end_store(struct made *m, int rc, struct error *err)
{
	struct error e;

	if (rc && m->fresh && !m->proto)
		unlink(name_path(m->name));
	if (store_close(m->store, &e) && !rc) {
		*err = e;
		rc = -e.code;
	}
	if (rc && m->fresh && m->proto && m->proto->remove)
		m->proto->remove(m->keys, &m->args, &e);
	opts_free(m->keys);
	return rc;
}

int image_create(const struct image_create_args *args, uint64_t *size,
    struct error *err)
{
	const char *backing, *backing_format, *data_file;
	struct create_args ca = { .size = args->size,
	    .options = args->options, .incomplete = args->incomplete };
	struct made image = { 0 }, data = { 0 };
	const struct protocol *proto;
	uint64_t given = UINT64_MAX;
	AUTO_FREE char *data_full = NULL;
	AUTO_FREE char *full = NULL;
	int rc;

	if ((rc = find_protocol(args->name, &proto, err)) ||
	    (rc = check_create_options(args, err)) ||
	    (rc = opts_take_size(args->options, "size", &given, err)))
		return rc;
	if (ca.size == SIZE_FROM_BACKING)
		ca.size = given;
	backing = opts_take(args->options, "backing_file");
	backing_format = opts_take(args->options, "backing_fmt");
	if (backing && !*backing)
		return error_set(err, EINVAL,
		    "Expected backing file name, got empty string");
	data_file = args->format->has_backing &&
	    opts_has(args->options, "data_file") ?
	    opts_take(args->options, "data_file") : NULL;
	if (data_file)
		data_full = image_full_backing(args->name, data_file);
	if (backing)
		full = image_full_backing(args->name, backing);
	if ((data_file && !data_full) || (backing && !full))
		return error_errno(err, ENOMEM, "creating");
	if (backing && (!strcmp(backing, args->name) ||
	    same_file(full, args->name) || same_file(full, data_full)))
		return error_set(err, EINVAL, "Error: Trying to create an "
		    "image with the same filename as the backing file");
	if (backing && !args->unchecked_backing &&
	    (rc = check_backing(args, backing, backing_format, data_full,
	    &ca.size, err)))
		return rc;
	if (backing && !backing_format)
		return error_set(err, EINVAL,
		    "Backing file specified without backing format");
	if (backing_format && !format_find(backing_format))
		return error_set(err, EINVAL, "Invalid backing format '%s'",
		    backing_format);
	if (ca.size == SIZE_FROM_BACKING)
		return error_set(err, EINVAL,
		    "Image creation needs a size parameter");
	if (ca.size > SIZE_LIMIT)
		return error_set(err, EFBIG, "Image size must be less than "
		    "8 EiB!");
	if (size)
		*size = ca.size;
	ca.size = align_up(ca.size, 512);
	if (backing_format && !backing)
		return error_set(err, EINVAL,
		    "Backing format cannot be used without backing file");
	ca.backing = backing;
	ca.backing_format = backing ? backing_format : NULL;
	rc = make_store(&image, args, args->name,
	    args->format->has_backing ? 0 : ca.size, err);
	if (!rc && data_file) {
		ca.data_file = data_file;
		rc = make_store(&data, args, data_full, ca.size, err);
	}
	ca.store = image.store;
	ca.data_store = data.store;
	if (!rc)
		rc = args->format->create(&ca, err);
	rc = end_store(&data, rc, err);
	if (args->made)
		*args->made = image.fresh + data.fresh * 2u;
	return end_store(&image, rc, err);
}

static enum taken take_file_away(const char *path, bool made)
{
	struct stat st;

	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return TAKEN_NOTHING;
	if (made && !unlink(path))
		return TAKEN_AWAY;
	return truncate(path, 0) ? TAKEN_NOTHING : TAKEN_CONTENTS;
}

enum taken image_take_away(const char *name, bool made,
    const struct opts *objects)
{
	struct protocol_args args = { .writable = true, .objects = objects };
	enum taken taken = TAKEN_NOTHING;
	const struct protocol *proto;
	struct opts *keys;
	struct error err;

	if (name_path(name))
		return take_file_away(name_path(name), made);
	if (find_protocol(name, &proto, &err) || !proto->remove)
		return TAKEN_NOTHING;
	keys = opts_new();
	if (!keys || proto->parse(name, keys, &err))
		taken = TAKEN_NOTHING;
	else if (made && !proto->remove(keys, &args, &err))
		taken = TAKEN_AWAY;
	else if (!made && !proto->create(keys, 0, &args, &err))
		taken = TAKEN_CONTENTS;
	opts_free(keys);
	return taken;
}

int image_finish(struct image *img, struct error *err)
{
	int rc = image_flush(img, err);

	if (!rc && img->format->finish)
		rc = img->format->finish(img, err);
	if (!rc)
		img->incomplete = false;
	return rc;
}
