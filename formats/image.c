/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image.c - probing, opening and closing a chain
 *
 * Names and options become one store and one driver for each layer; the
 * layers are opened from the top down in a loop, never by recursion, each
 * held against those above it, so no image can make us loop (H2).  Names
 * found inside an image are data from strangers: which of them are followed
 * is decided here and nowhere else (H3).
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/names.h"
#include "codec.h"
#include "image.h"
#include "modes.h"
#include "report.h"
#include "store/protocol.h"

/* ---- probing */

const struct format *image_probe(const char *name, const uint8_t *head,
    size_t head_len, const uint8_t *tail, uint64_t size)
{
	struct probe_input in = { .name = name, .head = head,
	    .head_len = head_len, .tail = tail, .size = size };
	const struct format *best = NULL;
	int best_score = 0;

	for (const struct format *const *f = formats; *f; f++) {
		int score = (*f)->probe ? (*f)->probe(&in) : 0;

		if (score > best_score) {
			best_score = score;
			best = *f;
		}
	}
	return best;
}

static int probe_store(struct store *s, const struct format **fmt,
    struct error *err)
{
	uint8_t head[2048], tail[512];
	uint64_t size = store_size(s);
	size_t n = min64(sizeof(head), size);
	int rc = store_pread(s, head, n, 0, EVENT_HEADER_READ, err);

	if (!rc && size >= sizeof(tail))
		rc = store_pread(s, tail, sizeof(tail), size - sizeof(tail),
		    EVENT_HEADER_READ, err);
	if (rc)
		return rc;
	*fmt = image_probe(s->name, head, n, size >= sizeof(tail) ? tail :
	    NULL, size);
	return 0;
}

/* ---- names */

/* A name with a scheme ends where its query begins; json: has no folder, nor
 * has an export of an NBD server. */
char *image_full_backing(const char *image_name, const char *backing)
{
	const char *base = name_path(image_name), *slash;
	size_t len;
	char *full;

	if (!base && !name_has_scheme(image_name, "json") &&
	    strncmp(image_name, "nbd", 3))
		base = image_name;
	if (!base || name_scheme_len(backing) || backing[0] == '/')
		return strdup(backing);
	len = name_scheme_len(base) ? strcspn(base, "?#") : strlen(base);
	slash = memrchr(base, '/', len);
	if (!slash)
		return strdup(backing);
	if (asprintf(&full, "%.*s%s", (int)(slash + 1 - base), base,
	    backing) < 0)
		return NULL;
	return full;
}

/* ---- policy (H3) */

static bool path_within(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return !strncmp(path, folder, n) &&
	    (path[n] == '/' || path[n] == '\0');
}

static bool of_system(const char *path)
{
	return path_within(path, "/proc") || path_within(path, "/sys");
}

/* May this name, found inside an image, be followed? */
static int allow_reference(const struct image *img, const char *name,
    const char *full, bool own_folder, struct error *err)
{
	const char *why = NULL;
	AUTO_FREE char *real = NULL;

	/* Not in whatever folder we happen to be. */
	if (!name_path(img->store->name) && !name_scheme_len(full) &&
	    full[0] != '/')
		return error_set(err, EINVAL, "'%s' is relative to an image "
		    "that is in no folder ('%s')", name, img->store->name);
	if (img->args.policy == POLICY_UNTRUSTED)
		return error_set(err, EREFUSED,
		    "refused to follow '%s': the image is untrusted", name);
	if (img->args.policy == POLICY_PEER || img->args.allow_external)
		return 0;
	if (name_scheme_len(name) && !name_has_scheme(name, "file"))
		why = "it is not a plain path";
	else if (!name_path(full))	/* beside an image that is remote */
		why = own_folder && strchr(name, '/') ?
		    "it lies outside the image's own folder" : NULL;
	else if (img->remote)
		why = "it is a local path, and the image is not local";
	else if (of_system(name_path(full)) ||
	    ((real = realpath(name_path(full), NULL)) && of_system(real)))
		why = "it names a file of the system";
	else if (own_folder && real && img->store->fd >= 0) {
		char link[64];
		AUTO_FREE char *self = NULL;
		size_t folder;

		snprintf(link, sizeof(link), "/proc/self/fd/%d",
		    img->store->fd);
		self = realpath(link, NULL);
		if (!self)
			return error_errno(err, errno, "finding the image");
		folder = (size_t)(strrchr(self, '/') + 1 - self);
		if (strncmp(self, real, folder) || strchr(real + folder, '/'))
			why = "it lies outside the image's own folder";
	}
	if (!why)
		return 0;
	return error_set(err, EREFUSED,
	    "refused to follow '%s': %s (allow with --allow-external)", name,
	    why);
}

/* ---- one layer */

static int bad_value(const char *key, const char *text, struct error *err)
{
	return error_set(err, EINVAL,
	    "Parameter '%s' does not accept value '%s'", key, text);
}

/* A store that is not a file.  name: "scheme:rest", or NULL when the keys say
 * all. */
static int open_remote(const struct protocol *proto, const char *name,
    struct opts *keys, const struct open_args *args, bool direct,
    bool no_sync, struct store **store, struct error *err)
{
	struct protocol_args pa = { .writable = args->writable,
	    .share = args->share, .direct = direct, .no_sync = no_sync,
	    .objects = args->objects };
	int rc = name ? proto->parse(name, keys, err) : 0;

	if (rc)
		return rc;
	opts_take(keys, "driver");	/* parse() may say it again */
	*store = proto->open(keys, &pa, err);
	if (!*store)
		return -err->code;
	(*store)->far = true;
	return 0;
}

/* What the file under a layer is: a protocol's (proto), or a file (proto NULL,
 * path).  remote: the name, where it is what names a remote store. */
static int choose_store(const char *name, struct opts *file,
    const struct protocol **proto, const char **path, const char **remote,
    struct error *err)
{
	static const char *const drivers[] = {
		"file", "host_device", "host_cdrom", NULL };
	const char *driver = opts_get(file, "driver");
	struct error ignored;
	unsigned which;
	int rc;

	*remote = *path = NULL;
	if (!*proto && driver && format_find(driver))
		return error_set(err, ENOTSUP,
		    "an image inside another image is not supported");
	if (!*proto && driver && opts_take_enum(file, "driver", drivers,
	    &which, &ignored)) {
		if ((rc = protocol_by_driver(driver, proto, err)))
			return rc;
		if (!*proto)
			return error_set(err, EINVAL, "Unknown driver '%s'",
			    driver);
	}
	opts_take(file, "driver");
	if (*proto)
		return 0;
	*path = opts_take(file, "filename");
	if (*path)		/* a plain path, whatever is in it */
		return 0;
	*path = name;
	if (!name || !*name)
		return error_set(err, EINVAL,
		    "The 'file' block driver requires a file name");
	if (!name_scheme_len(name))
		return 0;
	*path = name_path(name);
	if (*path)
		return 0;
	*remote = name;
	return protocol_by_scheme(name, proto, err);
}

/* The file under a layer, as its options say: "file.filename=x",
 * "filename=x" with driver=file, a protocol's keys at either place, or the
 * bare name.  proto: what driver= of the node itself names, or NULL. */
static int open_file(const char *name, struct opts *node,
    const struct protocol *proto, const struct open_args *args,
    const struct image *from, struct store **store, struct error *err)
{
	static const char *const lockings[] = { "auto", "on", "off", NULL };
	struct file_args fa = { .writable = args->writable,
	    .share = args->share, .direct = args->direct,
	    .no_sync = args->no_sync, .aio = args->aio,
	    .late_lock = args->look_only && !args->writable };
	bool file_level = proto || opts_has(node, "filename");
	struct opts *file = file_level ? node : opts_take_sub(node, "file");
	unsigned locking = 0;
	bool flag, direct = fa.direct, no_sync = fa.no_sync;
	const char *path, *remote, *unknown, *aio;
	int rc;

	*store = NULL;
	if (!file)
		return error_errno(err, ENOMEM, "options");
	if ((rc = choose_store(name, file, &proto, &path, &remote, err)) ||
	    (rc = opts_take_bool(file, "read-only", &flag, err)) ||
	    (rc = opts_take_bool(file, "auto-read-only", &flag, err)) ||
	    (rc = opts_take_bool(file, "cache.direct", &direct, err)) ||
	    (rc = opts_take_bool(file, "cache.no-flush", &no_sync, err)))
		goto out;
	opts_take(file, "node-name");
	if (proto) {
		rc = open_remote(proto, remote, file, args, direct, no_sync,
		    store, err);
		goto check;
	}
	rc = opts_take_enum(file, "locking", lockings, &locking, err);
	if (!rc && (aio = opts_take(file, "aio")) && !mode_aio(aio, &fa.aio))
		rc = bad_value("aio", aio, err);
	if (rc)
		goto out;
	fa.direct = direct;
	fa.no_sync = no_sync;
	fa.no_lock = locking == 2;
	if (!file_level && (unknown = opts_unused(file)))
		goto unknown;
	if (from) {
		struct store_stat st;

		fa.no_special = from->args.policy != POLICY_PEER &&
		    !from->args.allow_external;
		fa.allow_block = !store_stat(from->store, &st, err) &&
		    st.block_device && from->store->fd >= 0;
	}
	*store = file_open(path, &fa, err);
	rc = *store ? 0 : -err->code;
	if (rc && args->policy == POLICY_PEER && from)
		error_prefix(err, "Could not open '%s'", path);
	goto out;
check:
	if (rc || file_level || !(unknown = opts_unused(file)))
		goto out;
	store_close(*store, err);
	*store = NULL;
unknown:
	rc = error_set(err, EINVAL,
	    "Block protocol '%s' doesn't support the option '%s'",
	    proto ? proto->drivers[0] : "file", unknown);
out:
	if (!file_level)
		opts_free(file);
	return rc;
}

/* Keys every node may have. */
static int take_node_options(struct opts *node, struct open_args *args,
    struct error *err)
{
	bool read_only = !args->writable, automatic = false;
	const char *discard, *detect;
	int rc;

	opts_take(node, "node-name");
	if ((rc = opts_take_bool(node, "read-only", &read_only, err)) ||
	    (rc = opts_take_bool(node, "auto-read-only", &automatic, err)) ||
	    (rc = opts_take_bool(node, "force-share", &args->share, err)) ||
	    (rc = opts_take_bool(node, "cache.direct", &args->direct, err)) ||
	    (rc = opts_take_bool(node, "cache.no-flush", &args->no_sync,
	    err)))
		return rc;
	discard = opts_take(node, "discard");
	if (discard && !mode_discard(discard, &args->unmap))
		return bad_value("discard", discard, err);
	detect = opts_take(node, "detect-zeroes");
	if (detect && !mode_detect_zeroes(detect, &args->detect_zeroes))
		return bad_value("detect-zeroes", detect, err);
	if (read_only && args->writable)
		return error_set(err, EINVAL,
		    "read-only=on, but writing was asked for");
	if (args->detect_zeroes == DETECT_UNMAP && !args->unmap)
		return error_set(err, EINVAL, "setting detect-zeroes to unmap "
		    "is not allowed without setting discard operation to "
		    "unmap");
	return 0;
}

static void free_layer(struct image *img)
{
	struct error ignored;

	if (!img)
		return;
	if (img->state && img->format->close)
		img->format->close(img);
	for (unsigned i = img->store_count; i-- > 0;)
		store_close(img->stores[i], &ignored);
	unit_cache_free(img->units);
	gate_fini(&img->gate);
	pthread_mutex_destroy(&img->claims.lock);
	pthread_cond_destroy(&img->claims.freed);
	pthread_mutex_destroy(&img->first_lock);
	free(img->state);
	free(img->backing_name);
	free(img->backing_format);
	free(img->name);
	free(img);
}

static struct image *new_layer(const char *name, struct store *store,
    const struct open_args *args, struct error *err)
{
	struct image *img = calloc(1, sizeof(*img));

	if (!img) {
		store_close(store, err);
		error_errno(err, ENOMEM, "opening");
		return NULL;
	}
	gate_init(&img->gate);
	pthread_mutex_init(&img->claims.lock, NULL);
	pthread_cond_init(&img->claims.freed, NULL);
	pthread_mutex_init(&img->first_lock, NULL);
	img->store = img->stores[img->store_count++] = store;
	img->args = *args;
	img->args.format = NULL;
	img->args.options = NULL;
	img->args.store = NULL;
	img->args.unpack_args = NULL;
	img->writable = args->writable;
	img->incomplete = args->incomplete;
	img->name = strdup(name ? name : store->name);
	img->units = unit_cache_new();
	if (!img->name || !img->units) {
		error_errno(err, ENOMEM, "opening");
		free_layer(img);
		return NULL;
	}
	return img;
}

/*
 * One layer.  from is the image that names it, NULL for what the user named.
 * node is taken from.
 */
static struct image *open_layer(const char *name, struct opts *node,
    const struct open_args *given, const struct image *from,
    struct error *err)
{
	struct open_args args = *given;
	const char *driver = opts_take(node, "driver"), *unknown;
	const struct protocol *proto = NULL;
	const struct format *fmt = NULL;
	struct store *store = args.store;
	struct image *img;
	bool probed = false, remote;

	if (!driver)
		driver = args.format;
	if (driver && (!strcmp(driver, "file") ||
	    !strcmp(driver, "host_device")))
		driver = "raw";
	if (driver && !(fmt = format_find(driver))) {
		if (protocol_by_driver(driver, &proto, err))
			goto fail;
		if (proto)
			fmt = format_find("raw");
	}
	if (driver && !fmt) {
		error_set(err, EINVAL, "Unknown driver '%s'", driver);
		goto fail;
	}
	if (take_node_options(node, &args, err))
		goto fail;
	if (!store && open_file(name, node, proto, &args, from, &store, err))
		return NULL;
	remote = store->far;	/* what is unpacked is not */
	if (args.unpack >= (fmt ? UNPACK_ALWAYS : UNPACK_PROBED) && !from &&
	    protocol_unpack(&store, args.unpack_args, err))
		return NULL;
	if (!fmt) {
		if (probe_store(store, &fmt, err))
			goto fail;
		probed = true;
		if (from && args.policy != POLICY_PEER &&
		    strcmp(fmt->name, "raw")) {
			error_set(err, EREFUSED,
			    "its format is not recorded in the overlay, and "
			    "it does not look raw but like %s", fmt->name);
			goto fail;
		}
	}
	if (args.look_only && fmt != format_find("raw") &&
	    file_lock_late(store, err))
		goto fail;
	if (args.snapshot && !fmt->has_snapshots) {
		error_set(err, ENOTSUP, args.policy == POLICY_PEER ?
		    "Failed to load snapshot: Block format '%s' used by "
		    "device '' does not support temporarily loading internal "
		    "snapshots" : "%s images have no internal snapshots",
		    fmt->name);
		goto fail;
	}
	if (args.snapshot && args.writable) {
		error_set(err, EINVAL,
		    "an internal snapshot can only be opened read-only");
		goto fail;
	}
	if (args.writable && !fmt->claim && fmt != format_find("raw")) {
		error_set(err, EROFS, "%s images are read-only", fmt->name);
		goto fail;
	}
	img = new_layer(name, store, &args, err);
	if (!img)
		return NULL;
	img->format = fmt;
	img->remote = remote;
	img->probed = probed && fmt == format_find("raw") && args.writable;
	img->state = calloc(1, fmt->state_size ? fmt->state_size : 1);
	if (!img->state) {
		error_errno(err, ENOMEM, "opening");
		goto fail_layer;
	}
	if (fmt->open(img, node, err))
		goto fail_layer;
	img->args.snapshot = NULL;	/* the caller's */
	if (img->size > SIZE_LIMIT) {
		error_set(err, EFBIG, "image size is out of range");
		goto fail_layer;
	}
	unknown = opts_unused(node);
	if (unknown && strcmp(unknown, "backing") &&
	    strncmp(unknown, "backing.", 8)) {
		error_set(err, EINVAL,
		    "Block format '%s' does not support the option '%s'",
		    fmt->name, unknown);
		goto fail_layer;
	}
	return img;
fail_layer:
	free_layer(img);
	return NULL;
fail:
	if (store) {
		struct error ignored;

		store_close(store, &ignored);
	}
	return NULL;
}

int image_ref(struct image *img, const char *name, struct opts *node,
    struct store **store, struct error *err)
{
	AUTO_FREE char *full = NULL;
	struct open_args args = img->args;
	int rc;

	args.store = NULL;
	if (img->store_count == IMAGE_STORES)
		return error_set(err, EMFILE, "too many files in one image");
	if (!opts_has(node, "filename")) {
		full = name ? image_full_backing(img->store->name, name) :
		    NULL;
		if (!full)
			return name ? error_errno(err, ENOMEM, "opening") :
			    error_set(err, EINVAL, "no file is named");
		if ((rc = allow_reference(img, name, full, true, err)))
			return rc;
	}
	rc = open_file(full, node, NULL, &args, full ? img : NULL, store, err);
	if (!rc)
		img->stores[img->store_count++] = *store;
	return rc;
}

/* ---- the chain */

/* None of the layers from top to end (itself not one) is this file. */
static int check_loop(struct image *top, const struct image *end,
    const char *name, uint64_t dev, uint64_t ino, struct error *err)
{
	struct store_stat st;
	unsigned depth = 1;
	int rc;

	for (struct image *i = top; i != end; i = i->backing, depth++) {
		if ((rc = store_stat(i->store, &st, err)))
			return rc;
		if (ino && st.dev == dev && st.ino == ino)
			return error_set(err, ELOOP,
			    "the backing chain loops: '%s' is also layer %u",
			    name, depth);
	}
	return 0;
}

/* A layer that is locked for writing is in use below itself, too: then the
 * loop is what is wrong. */
static bool names_layer(struct image *top, const struct image *img,
    struct error *err)
{
	AUTO_FREE char *full = img->backing_name ?
	    image_full_backing(img->store->name, img->backing_name) : NULL;
	const char *path = full ? name_path(full) : NULL;
	struct error loop;
	struct stat st;

	if (!path || stat(path, &st) || check_loop(top, NULL, path, st.st_dev,
	    st.st_ino, &loop) != -ELOOP)
		return false;
	*err = loop;
	return true;
}

static int check_chain(struct image *top, struct image *img,
    struct error *err)
{
	struct store_stat st;
	unsigned depth = 1;
	int rc = store_stat(img->store, &st, err);

	if (rc || (rc = check_loop(top, img, img->name, st.dev, st.ino, err)))
		return rc;
	for (struct image *i = top; i != img; i = i->backing)
		depth++;
	if (depth > CHAIN_LIMIT)
		return error_set(err, EMLINK,
		    "the backing chain has more than %d layers", CHAIN_LIMIT);
	return 0;
}

/* The layer under img, or NULL with err->code 0 when there is none. */
static struct image *open_backing(struct image *img, struct opts *node,
    struct opts **under_node, struct error *err)
{
	struct open_args args = img->args;
	struct opts *under = opts_take_sub(node, "backing");
	AUTO_FREE char *full = NULL;
	const char *name = NULL;
	struct image *result = NULL;
	bool named;

	err->code = 0;
	if (!under) {
		error_errno(err, ENOMEM, "options");
		return NULL;
	}
	named = opts_has_prefix(under, "file") || opts_has(under, "filename") ||
	    opts_has(under, "driver");
	if (!named && (opts_is_null(node, "backing") || !img->backing_name)) {
		opts_take(node, "backing");
		opts_free(under);
		return NULL;
	}
	args.writable = args.incomplete = args.for_check = false;
	args.copy_on_read = false;
	args.unpack = UNPACK_NEVER;
	args.detect_zeroes = DETECT_OFF;
	args.snapshot = NULL;
	args.store = NULL;
	args.format = img->backing_format;
	if (!opts_has_prefix(under, "file") && !opts_has(under, "filename")) {
		name = img->backing_name;
		full = name ? image_full_backing(img->store->name, name) :
		    NULL;
		if (!full) {
			error_errno(err, ENOMEM, "opening");
			goto fail;
		}
		if (allow_reference(img, name, full, false, err))
			goto fail;
		name = full;
		if (name_has_scheme(name, "json")) {
			if (opts_parse_json(under, name + 5, err))
				goto fail;
			name = NULL;
		}
	}
	result = open_layer(name, under, &args, named ? NULL : img, err);
	if (result) {
		*under_node = under;
		return result;
	}
fail:
	opts_free(under);
	return NULL;
}

static int open_chain(struct image *top, struct opts *node,
    struct error *err)
{
	struct opts *own = NULL;	/* of layers below the top */
	struct image *img = top;
	int rc = 0;

	while (!top->args.no_backing) {
		struct opts *under = NULL;
		struct image *next = open_backing(img, node, &under, err);
		const char *unknown;

		if (!next) {
			if (err->code && names_layer(top, img, err))
				rc = -ELOOP;
			else if (err->code)
				rc = img->args.policy == POLICY_PEER ?
				    error_prefix(err,
				    "Could not open backing file") :
				    error_prefix(err, "backing file '%s'",
				    img->backing_name ? img->backing_name :
				    "(named by options)");
			break;
		}
		opts_free(own);
		node = own = under;
		img->backing = next;
		img = next;
		if ((rc = check_chain(top, img, err)))
			break;
		unknown = opts_unused(node);
		if (unknown && strcmp(unknown, "backing") &&
		    strncmp(unknown, "backing.", 8)) {
			rc = error_set(err, EINVAL,
			    "unknown option '%s'", unknown);
			break;
		}
	}
	opts_free(own);
	return rc;
}

struct image *image_open(const char *name, const struct open_args *args,
    struct error *err)
{
	struct opts *own = NULL, *node = args->options;
	struct image *img = NULL;
	struct error ignored;

	if (!node) {
		node = own = opts_new();
		if (!node) {
			store_close(args->store, err);
			error_errno(err, ENOMEM, "options");
			return NULL;
		}
	}
	if (name && !args->store && name_has_scheme(name, "json")) {
		if (opts_parse_json(node, name + 5, err))
			goto out;
		img = open_layer(NULL, node, args, NULL, err);
		if (img) {	/* messages and relative names use it as given */
			free(img->name);
			img->name = strdup(name);
			if (!img->name) {
				error_errno(err, ENOMEM, "opening");
				free_layer(img);
				img = NULL;
			}
		}
	} else {
		img = open_layer(name, node, args, NULL, err);
	}
	if (img && open_chain(img, node, err)) {
		image_close(img, &ignored);
		img = NULL;
	}
out:
	opts_free(own);
	return img;
}

bool image_uses(struct image *img, const char *name)
{
	const char *path = name_path(name);
	struct store_stat there;
	struct error ignored;
	struct stat st;

	if (!path || stat(path, &st))
		return false;
	for (; img; img = img->backing)
		for (unsigned i = 0; i < img->store_count; i++)
			if (!store_stat(img->stores[i], &there, &ignored) &&
			    there.ino && there.dev == st.st_dev &&
			    there.ino == st.st_ino)
				return true;
	return false;
}

/* What close still has to write of a layer. */
static int close_writable(struct image *img, struct error *err)
{
	int rc;

	if (!atomic_load(&img->wrote))
		return 0;
	rc = image_flush(img, err);
	/* What the flush let go is given back; that dirties metadata anew. */
	if (!rc && img->format->flush)
		rc = image_flush(img, err);
	if (!rc && img->format->settle && !(rc = img->format->settle(img, err)))
		rc = image_flush(img, err);
	return rc;
}

int image_close(struct image *img, struct error *err)
{
	struct error first = { 0 };
	int rc = 0;

	while (img) {
		struct image *under = img->backing;
		struct error e;

		if (img->writable && close_writable(img, &e) && !rc) {
			first = e;
			rc = -e.code;
		}
		for (; img->store_count; img->store_count--)
			if (store_close(img->stores[img->store_count - 1],
			    &e) && !rc) {
				first = e;
				rc = -e.code;
			}
		free_layer(img);
		img = under;
	}
	if (rc)
		*err = first;
	return rc;
}

/* ---- info */

int image_info(struct image *img, struct image_info *info, struct error *err)
{
	struct store_stat st;
	int rc;

	*info = (struct image_info){ .virtual_size = img->size,
	    .backing = img->backing_name,
	    .backing_format = img->backing_format };
	for (unsigned i = 0; i < img->store_count; i++) {
		if ((rc = store_stat(img->stores[i], &st, err)))
			return rc;
		info->actual_size += st.allocated;
		info->has_actual_size = st.allocated != STORE_UNKNOWN;
		if (!info->has_actual_size)
			break;
	}
	if (img->backing_name) {
		info->full_backing = image_full_backing(img->store->name,
		    img->backing_name);
		if (!info->full_backing)
			return error_errno(err, ENOMEM, "info");
	}
	rc = img->format->info ? img->format->info(img, info, err) : 0;
	if (rc)
		image_info_fini(info);
	return rc;
}

void image_info_fini(struct image_info *info)
{
	for (unsigned i = 0; i < info->snapshot_count; i++) {
		free(info->snapshots[i].id);
		free(info->snapshots[i].name);
	}
	free(info->snapshots);
	free(info->full_backing);
	report_free(info->specific);
	*info = (struct image_info){ 0 };
}
