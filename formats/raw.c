/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * raw.c - the file is the disk
 *
 * Guest offset and store offset are the same, or differ by the open option
 * "offset".  Sizes are whole 512-byte sectors: the bytes a shorter file lacks
 * read as zeros.
 */
#include <stdlib.h>

#include "image.h"

struct raw {
	uint64_t offset;	/* where the disk starts in the store */
	bool window;		/* offset or size were given: no resizing */
	uint64_t final_size;	/* finish() gives the file this size */
};

static int probe(const struct probe_input *in)
{
	return 1;		/* everything is raw, if nothing else */
}

static int raw_open(struct image *img, struct opts *opts, struct error *err)
{
	struct raw *raw = img->state;
	uint64_t file = store_size(img->store), size = UINT64_MAX;
	int rc;

	raw->window = opts_has(opts, "offset") || opts_has(opts, "size");
	if ((rc = opts_take_size(opts, "offset", &raw->offset, err)) ||
	    (rc = opts_take_size(opts, "size", &size, err)))
		return rc;
	if (raw->offset > file)
		return error_set(err, EINVAL,
		    "offset (%llu) cannot be greater than size of the "
		    "containing file (%llu)",
		    (unsigned long long)raw->offset, (unsigned long long)file);
	if (size == UINT64_MAX)
		size = file - raw->offset;
	else if (size > file - raw->offset)
		return error_set(err, EINVAL,
		    "the sum of offset (%llu) and size (%llu) has to be "
		    "smaller or equal to the actual size of the containing "
		    "file (%llu)", (unsigned long long)raw->offset,
		    (unsigned long long)size, (unsigned long long)file);
	if (size > SIZE_LIMIT)
		return error_set(err, EFBIG, "image is too large");
	raw->final_size = size;
	if (img->args.incomplete)
		raw->final_size = size = max64(size,
		    img->args.incomplete_size);
	img->size = align_up(size, 512);
	img->granule = img->unit = 1;
	img->raw_store = true;
	return 0;
}

static int map(struct image *img, uint64_t off, uint64_t len,
    enum map_why why, struct extent *e, struct error *err)
{
	struct raw *raw = img->state;
	uint64_t host = raw->offset + off, size = store_size(img->store);
	unsigned flags;
	int rc;

	*e = (struct extent){ .kind = EXTENT_DATA, .len = len,
	    .store = img->store, .host = host };
	if (why == MAP_READ)
		return 0;
	if (host >= size)	/* the last sector's missing bytes */
		flags = STORE_HOLE | STORE_ZERO;
	else if ((rc = store_status(img->store, host, min64(len, size - host),
	    &flags, &e->len, err)))
		return rc;
	switch (flags) {
	case STORE_HOLE | STORE_ZERO:
		e->kind = EXTENT_ZERO;
		e->flags = EXTENT_HOST;
		break;
	case STORE_ZERO:
		e->flags = EXTENT_SPARSE;
		break;
	case STORE_HOLE:
		e->flags = EXTENT_VAGUE;
		break;
	}
	return 0;
}

/* enum store_prealloc, in the words of the option; NULL is "off". */
static int prealloc_mode(const char *text, enum store_prealloc *mode,
    struct error *err)
{
	static const char *const names[] = { "off", "falloc", "full" };

	*mode = PREALLOC_OFF;
	if (!text)
		return 0;
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(text, names[i])) {
			*mode = (enum store_prealloc)i;
			return 0;
		}
	if (!strcmp(text, "metadata"))
		return error_set(err, ENOTSUP,
		    "Unsupported preallocation mode: metadata");
	return error_set(err, EINVAL, "invalid parameter value: %s", text);
}

static int create(const struct create_args *args, struct error *err)
{
	struct store_stat st;
	enum store_prealloc mode;
	int rc = prealloc_mode(opts_take(args->options, "preallocation"),
	    &mode, err);

	if (rc || (rc = store_stat(args->store, &st, err)))
		return rc;
	/* Nothing in a raw file can say that it is unfinished, but its
	 * length: it grows as it is written, and is whole at the end. */
	if (args->incomplete && mode == PREALLOC_OFF && st.regular)
		return 0;
	return store_make_room(args->store, args->size, mode, err);
}

static int finish(struct image *img, struct error *err)
{
	struct raw *raw = img->state;

	if (store_size(img->store) >= raw->final_size)
		return 0;
	return store_resize(img->store, raw->final_size, PREALLOC_OFF, err);
}

static int resize(struct image *img, uint64_t size, const char *prealloc,
    struct error *err)
{
	struct raw *raw = img->state;
	enum store_prealloc mode;
	int rc;

	if (raw->window)
		return error_set(err, ENOTSUP,
		    "cannot resize an image opened with offset or size");
	if ((rc = prealloc_mode(prealloc, &mode, err)) ||
	    (rc = store_resize(img->store, size, mode, err)))
		return rc;
	img->size = align_up(size, 512);
	return 0;
}

static int measure(uint64_t size, struct opts *opts, measure_walk walk,
    void *arg, struct measure *m, struct error *err)
{
	opts_take(opts, "preallocation");
	m->required = m->fully_allocated = size;
	return 0;
}

/* In the order of create's line; from nocow on they are the file's. */
static const struct option create_options[] = {
	{ "size", OPTION_SIZE, "Virtual disk size", NULL },
	{ "nocow", OPTION_BOOL, "Turn off copy-on-write (valid only on btrfs)",
	    NULL },
	{ "preallocation", OPTION_STR,
	    "Preallocation mode (allowed values: off, falloc, full)", NULL },
	{ "extent_size_hint", OPTION_SIZE,
	    "Extent size hint for the image file, 0 to disable", NULL },
	{ 0 }
};

static const struct option open_options[] = {
	{ "offset", OPTION_SIZE, "where the disk starts in the file", NULL },
	{ "size", OPTION_SIZE, "how long it is", NULL },
	{ 0 }
};

const struct format format_raw = {
	.name = "raw",
	.state_size = sizeof(struct raw),
	.create_options = create_options,
	.open_options = open_options,
	.probe = probe,
	.open = raw_open,
	.map = map,
	.create = create,
	.finish = finish,
	.resize = resize,
	.measure = measure,
};
