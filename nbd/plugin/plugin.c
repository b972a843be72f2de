/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plugin.c - the library as an nbdkit plugin: nbdkit's filters, TLS and
 * sockets over our formats
 *
 * One image serves all connections.  It is opened by the first of them, as it
 * wants it (read-only or not), and closed after the last: what a session left
 * in memory is on the disk when nobody is connected.  Whether it can be
 * opened at all is tried at the start, so that nbdkit does not begin to serve
 * what is not there.
 */
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "modes.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

/* What the command line said; fixed once nbdkit serves. */
static char *file, *format, *snapshot;
static bool image_opts, share, allow_external;
static struct open_args args = { .unmap = true };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards these two */
static struct image *image;
static unsigned users;

static int fail(const struct error *err)
{
	nbdkit_error("%s: %s", file, err->text);
	nbdkit_set_error(err->code == EREFUSED ? EPERM : err->code);
	return -1;
}

/* ---- parameters */

static int take_bool(const char *key, const char *value, bool *v)
{
	int b = nbdkit_parse_bool(value);

	if (b < 0)
		return -1;
	*v = b;
	return 0;
}

static int take_text(char **to, const char *value)
{
	free(*to);
	*to = strdup(value);
	if (!*to)
		nbdkit_error("out of memory");
	return *to ? 0 : -1;
}

/* Was it one of the words this parameter has? */
static int known(bool is, const char *key, const char *value)
{
	if (is)
		return 0;
	nbdkit_error("%s=%s is not known", key, value);
	return -1;
}

static int cowbird_config(const char *key, const char *value)
{
	if (!strcmp(key, "file")) {
		free(file);	/* nbdkit may change its folder; schemes stay */
		file = strncmp(value, "json:", 5) && !strstr(value, "://") ?
		    nbdkit_absolute_path(value) : strdup(value);
		return file ? 0 : -1;
	}
	if (!strcmp(key, "image-opts")) {
		image_opts = true;
		return take_text(&file, value);
	}
	if (!strcmp(key, "format"))
		return take_text(&format, value);
	if (!strcmp(key, "snapshot"))
		return take_text(&snapshot, value);
	if (!strcmp(key, "cache"))
		return known(mode_cache(value, &args), key, value);
	if (!strcmp(key, "share"))
		return take_bool(key, value, &share);
	if (!strcmp(key, "allow-external"))
		return take_bool(key, value, &allow_external);
	if (!strcmp(key, "discard"))
		return known(mode_discard(value, &args.unmap), key, value);
	if (!strcmp(key, "detect-zeroes"))
		return known(mode_detect_zeroes(value, &args.detect_zeroes),
		    key, value);
	nbdkit_error("unknown parameter '%s'", key);
	return -1;
}

#define cowbird_config_help \
	"[file=]FILE             The image: a path, URI or json:{...}.\n" \
	"format=FMT              Its format; guessed without it.\n" \
	"image-opts=KEY=VALUE,.. Instead of file.\n" \
	"snapshot=ID             An internal snapshot of it, read-only.\n" \
	"cache=MODE              writeback, none, writethrough, directsync, unsafe.\n" \
	"discard=ignore|unmap    Whether to give space back (unmap).\n" \
	"detect-zeroes=off|on|unmap\n" \
	"share=BOOL              Open it although others write to it (with -r).\n" \
	"allow-external=BOOL     Follow references out of the image's folder."

/* ---- the image */

static struct image *open_image(bool writable, struct error *err)
{
	struct open_args a = args;
	struct image *img = NULL;

	a.writable = writable;
	a.format = format;
	a.snapshot = snapshot;
	a.share = share && !writable;
	a.allow_external = allow_external;
	if (image_opts) {
		a.options = opts_new();
		if (!a.options)
			error_errno(err, ENOMEM, "options");
		else if (!opts_parse(a.options, file, NULL, err))
			img = image_open(NULL, &a, err);
		opts_free(a.options);
	} else {
		img = image_open(file, &a, err);
	}
	return img;
}

static int cowbird_config_complete(void)
{
	if (file)
		return 0;
	nbdkit_error("no image is named: file=FILE");
	return -1;
}

static int cowbird_get_ready(void)
{
	struct error err;
	struct image *img;
	bool was = share;

	share = true;		/* a look that hinders nobody */
	img = open_image(false, &err);
	share = was;
	if (!img || image_close(img, &err))
		return fail(&err);
	return 0;
}

static void cowbird_unload(void)
{
	free(file);
	free(format);
	free(snapshot);
}

static void *cowbird_open(int readonly)
{
	struct error err;
	LOCKED(&lock);

	if (!image)
		image = open_image(!readonly && !snapshot, &err);
	if (!image) {
		fail(&err);
		return NULL;
	}
	users++;
	return NBDKIT_HANDLE_NOT_NEEDED;
}

static void cowbird_close(void *handle)
{
	struct error err;
	LOCKED(&lock);

	if (--users)
		return;
	if (image_close(image, &err))
		fail(&err);
	image = NULL;
}

/* ---- what there is */

static int64_t cowbird_get_size(void *handle)
{
	return (int64_t)image->size;
}

static int yes(void *handle)
{
	return 1;
}

static int writable(void *handle)
{
	return image->writable;
}

static int cowbird_can_fua(void *handle)
{
	return NBDKIT_FUA_NATIVE;
}

/* Requests of any alignment are served; whole units cost least. */
static int cowbird_block_size(void *handle, uint32_t *minimum,
    uint32_t *preferred, uint32_t *maximum)
{
	*minimum = 1;
	*preferred = image->unit < 4096 ? 4096 : image->unit > 64 << 10 ?
	    64 << 10 : image->unit;
	*maximum = UINT32_MAX;
	return 0;
}

/* ---- requests */

static int cowbird_pread(void *handle, void *buf, uint32_t count,
    uint64_t off, uint32_t flags)
{
	struct error err;

	return image_read(image, buf, count, off, &err) ? fail(&err) : 0;
}

static int cowbird_pwrite(void *handle, const void *buf, uint32_t count,
    uint64_t off, uint32_t flags)
{
	struct error err;

	return image_write(image, buf, count, off,
	    flags & NBDKIT_FLAG_FUA ? IO_FUA : 0, &err) ? fail(&err) : 0;
}

static int cowbird_flush(void *handle, uint32_t flags)
{
	struct error err;

	return image_flush(image, &err) ? fail(&err) : 0;
}

static int cowbird_trim(void *handle, uint32_t count, uint64_t off,
    uint32_t flags)
{
	struct error err;

	if (image_discard(image, off, count, &err) ||
	    ((flags & NBDKIT_FLAG_FUA) && image_flush(image, &err)))
		return fail(&err);
	return 0;
}

static int cowbird_zero(void *handle, uint32_t count, uint64_t off,
    uint32_t flags)
{
	unsigned how = (flags & NBDKIT_FLAG_FUA ? IO_FUA : 0) |
	    (flags & NBDKIT_FLAG_MAY_TRIM ? IO_MAY_UNMAP : 0) |
	    (flags & NBDKIT_FLAG_FAST_ZERO ? IO_NO_FALLBACK : 0);
	struct error err;
	int rc = image_zero(image, off, count, how, &err);

	if (rc == -ENOTSUP) {	/* an answer: nothing to say */
		nbdkit_set_error(EOPNOTSUPP);
		return -1;
	}
	return rc ? fail(&err) : 0;
}

static int cowbird_extents(void *handle, uint32_t count, uint64_t off,
    uint32_t flags, struct nbdkit_extents *extents)
{
	uint64_t end = off + count;
	struct error err;
	int rc = 0;

	while (off < end && !rc) {
		struct extent_status s;
		struct extent e;

		image_hold(image);
		rc = image_map(image, off, end - off, MAP_REPORT, &e, NULL,
		    &err);
		image_drop(image);
		if (rc)
			return fail(&err);
		extent_report(&e, &s);
		if (nbdkit_add_extent(extents, off, e.len,
		    (s.data ? 0 : NBDKIT_EXTENT_HOLE) |
		    (s.zero ? NBDKIT_EXTENT_ZERO : 0)))
			return -1;
		off += e.len;
		if (flags & NBDKIT_FLAG_REQ_ONE)
			break;
	}
	return 0;
}

static struct nbdkit_plugin plugin = {
	.name = "cowbird",
	.longname = "cowbird disk images",
	.version = COWBIRD_VERSION,
	.description = "Serves disk images: raw, qcow2 and what else cowbird "
	    "reads.",
	.unload = cowbird_unload,
	.config = cowbird_config,
	.config_complete = cowbird_config_complete,
	.config_help = cowbird_config_help,
	.magic_config_key = "file",
	.get_ready = cowbird_get_ready,
	.open = cowbird_open,
	.close = cowbird_close,
	.get_size = cowbird_get_size,
	.block_size = cowbird_block_size,
	.can_write = writable,
	.can_trim = writable,
	.can_zero = writable,
	.can_fast_zero = yes,
	.can_flush = yes,
	.can_extents = yes,
	.can_multi_conn = yes,
	.can_fua = cowbird_can_fua,
	.pread = cowbird_pread,
	.pwrite = cowbird_pwrite,
	.flush = cowbird_flush,
	.trim = cowbird_trim,
	.zero = cowbird_zero,
	.extents = cowbird_extents,
};

NBDKIT_REGISTER_PLUGIN(plugin)
