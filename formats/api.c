/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * api.c - cowbird.h over the library's own headers
 *
 * A cowbird_image is a struct image; everything here checks what a stranger
 * may get wrong, calls the engine, and carries its error out.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/json.h"
#include "copy.h"
#include "cowbird.h"
#include "image.h"
#include "report.h"

_Static_assert(COWBIRD_FUA == IO_FUA && COWBIRD_MAY_UNMAP == IO_MAY_UNMAP &&
    COWBIRD_NO_FALLBACK == IO_NO_FALLBACK && COWBIRD_COMPRESS == IO_PACK,
    "the flags of I/O are passed on as they are");
_Static_assert(COWBIRD_FIX_LEAKS == CHECK_FIX_LEAKS &&
    COWBIRD_FIX_ERRORS == CHECK_FIX_ERRORS, "and those of check");
_Static_assert(sizeof(struct cowbird_error) == 1024, "part of the ABI");

/* The error on its way out; returns -code. */
static int tell(struct cowbird_error *to, const struct error *err)
{
	if (to) {
		to->code = err->code;
		snprintf(to->text, sizeof(to->text), "%s", err->text);
	}
	return -err->code;
}

static int done(int rc, struct cowbird_error *to, const struct error *err)
{
	return rc ? tell(to, err) : 0;
}

static struct image *image_of(struct cowbird_image *img)
{
	return (struct image *)img;
}

static int known_flags(unsigned flags, unsigned known, struct error *err)
{
	if (flags & ~known)
		return error_set(err, EINVAL, "unknown flags %#x",
		    flags & ~known);
	return 0;
}

static const struct format *find(const char *name, struct error *err)
{
	const struct format *f = format_find(name);

	if (!f)
		error_set(err, EINVAL, "unknown format '%s'", name);
	return f;
}

/* text as options; NULL: failed. */
static struct opts *parse(const char *text, struct error *err)
{
	struct opts *opts = opts_new();

	if (!opts) {
		error_errno(err, ENOMEM, "options");
	} else if (text && *text && opts_parse(opts, text, NULL, err)) {
		opts_free(opts);
		opts = NULL;
	}
	return opts;
}

const char *cowbird_version(void)
{
	return COWBIRD_VERSION;
}

void cowbird_free(void *p)
{
	free(p);
}

/* ---- formats */

const char *cowbird_format(unsigned i)
{
	for (const struct format *const *f = formats; *f; f++)
		if (!i--)
			return (*f)->name;
	return NULL;
}

unsigned cowbird_format_can(const char *name)
{
	const struct format *f = format_find(name);

	if (!f)
		return 0;
	return (f->create ? COWBIRD_CAN_CREATE : 0) |
	    (f->claim || f == format_find("raw") ? COWBIRD_CAN_WRITE : 0) |
	    (f->resize ? COWBIRD_CAN_RESIZE : 0) |
	    (f->check ? COWBIRD_CAN_CHECK : 0) |
	    (f->has_backing ? COWBIRD_CAN_BACKING : 0);
}

/* ---- opening and closing */

struct cowbird_image *cowbird_open(const char *name, const char *format,
    const char *options, unsigned flags, struct cowbird_error *to)
{
	struct open_args args = {
		.format = format,
		.writable = flags & COWBIRD_WRITABLE,
		.share = flags & COWBIRD_SHARE,
		.direct = flags & COWBIRD_DIRECT,
		.no_sync = flags & COWBIRD_NO_SYNC,
		.writethrough = flags & COWBIRD_WRITETHROUGH,
		.no_backing = flags & COWBIRD_NO_BACKING,
		.for_check = flags & COWBIRD_FOR_CHECK,
		.unmap = flags & COWBIRD_UNMAP,
		.allow_external = flags & COWBIRD_ALLOW_EXTERNAL,
		.policy = flags & COWBIRD_UNTRUSTED ? POLICY_UNTRUSTED :
		    POLICY_OWN,
	};
	struct image *img = NULL;
	struct error err;

	if (known_flags(flags, 0x3ff, &err))
		goto out;
	if (args.writable && args.share) {
		error_set(&err, EINVAL, "only reading can be shared");
		goto out;
	}
	args.options = parse(options, &err);
	if (args.options)
		img = image_open(name, &args, &err);
	opts_free(args.options);
out:
	if (!img)
		tell(to, &err);
	return (struct cowbird_image *)img;
}

int cowbird_close(struct cowbird_image *img, struct cowbird_error *to)
{
	struct error err;

	return done(image_close(image_of(img), &err), to, &err);
}

int cowbird_create(const char *path, const char *format, uint64_t size,
    const char *options, struct cowbird_error *to)
{
	struct image_create_args args = { .name = path, .size = size };
	struct error err;
	int rc;

	args.format = find(format, &err);
	if (!args.format || !(args.options = parse(options, &err)))
		return tell(to, &err);
	if (args.format->create)
		rc = image_create(&args, NULL, &err);
	else
		rc = error_set(&err, ENOTSUP, "%s images cannot be created",
		    format);
	opts_free(args.options);
	return done(rc, to, &err);
}

/* ---- what it is */

uint64_t cowbird_size(const struct cowbird_image *img)
{
	return ((const struct image *)img)->size;
}

const char *cowbird_image_format(const struct cowbird_image *img)
{
	return ((const struct image *)img)->format->name;
}

const char *cowbird_backing_name(const struct cowbird_image *img)
{
	return ((const struct image *)img)->backing_name;
}

char *cowbird_info(struct cowbird_image *image, struct cowbird_error *to)
{
	struct image *img = image_of(image);
	struct image_info info;
	struct error err;
	struct json j;
	char *text = NULL;
	size_t len;
	FILE *out;

	if (image_info(img, &info, &err)) {
		tell(to, &err);
		return NULL;
	}
	out = open_memstream(&text, &len);
	if (!out) {
		error_errno(&err, errno, "info");
		goto fail;
	}
	json_init(&j, out, true);
	report_json(img, &info, img->store->name, true, &j);
	if (json_end(&j) | fclose(out)) {
		error_errno(&err, ENOMEM, "info");
		goto fail;
	}
	image_info_fini(&info);
	return text;
fail:
	tell(to, &err);
	image_info_fini(&info);
	free(text);
	return NULL;
}

static unsigned extent_flags(const struct extent_status *s)
{
	return (s->present ? COWBIRD_PRESENT : 0) |
	    (s->zero ? COWBIRD_ZERO : 0) | (s->data ? COWBIRD_DATA : 0) |
	    (s->packed ? COWBIRD_COMPRESSED : 0) |
	    (s->has_host ? COWBIRD_OFFSET : 0);
}

int cowbird_map(struct cowbird_image *image, uint64_t off, uint64_t len,
    struct cowbird_extent *extent, struct cowbird_error *to)
{
	struct image *img = image_of(image);
	struct extent_status s;
	struct extent e;
	struct error err;
	unsigned depth;
	int rc;

	if (!len || !range_ok(off, len, img->size)) {
		error_set(&err, EINVAL, "the range %llu+%llu is not within "
		    "the image", (unsigned long long)off,
		    (unsigned long long)len);
		return tell(to, &err);
	}
	image_hold(img);
	rc = image_map(img, off, len, MAP_REPORT, &e, &depth, &err);
	if (!rc) {
		extent_report(&e, &s);
		*extent = (struct cowbird_extent){ .off = off, .len = e.len,
		    .offset = s.has_host ? s.host : 0,
		    .file = s.has_host ? s.store->name : NULL,
		    .flags = extent_flags(&s), .depth = depth };
	}
	image_drop(img);
	return done(rc, to, &err);
}

/* ---- reading and writing */

int cowbird_read(struct cowbird_image *img, void *buf, uint64_t len,
    uint64_t off, struct cowbird_error *to)
{
	struct error err;

	return done(image_read(image_of(img), buf, len, off, &err), to, &err);
}

int cowbird_readv(struct cowbird_image *img, const struct iovec *iov, int n,
    uint64_t off, struct cowbird_error *to)
{
	struct error err;

	return done(image_readv(image_of(img), iov, n, off, &err), to, &err);
}

int cowbird_write(struct cowbird_image *img, const void *buf, uint64_t len,
    uint64_t off, unsigned flags, struct cowbird_error *to)
{
	struct error err;
	int rc = known_flags(flags, COWBIRD_FUA | COWBIRD_COMPRESS, &err);

	if (!rc)
		rc = image_write(image_of(img), buf, len, off, flags, &err);
	return done(rc, to, &err);
}

int cowbird_writev(struct cowbird_image *img, const struct iovec *iov, int n,
    uint64_t off, unsigned flags, struct cowbird_error *to)
{
	struct error err;
	int rc = known_flags(flags, COWBIRD_FUA | COWBIRD_COMPRESS, &err);

	if (!rc)
		rc = image_writev(image_of(img), iov, n, off, flags, &err);
	return done(rc, to, &err);
}

int cowbird_zero(struct cowbird_image *img, uint64_t off, uint64_t len,
    unsigned flags, struct cowbird_error *to)
{
	struct error err;
	int rc = known_flags(flags, COWBIRD_FUA | COWBIRD_MAY_UNMAP |
	    COWBIRD_NO_FALLBACK, &err);

	if (!rc)
		rc = image_zero(image_of(img), off, len, flags, &err);
	return done(rc, to, &err);
}

int cowbird_discard(struct cowbird_image *img, uint64_t off, uint64_t len,
    struct cowbird_error *to)
{
	struct error err;

	return done(image_discard(image_of(img), off, len, &err), to, &err);
}

int cowbird_flush(struct cowbird_image *img, struct cowbird_error *to)
{
	struct error err;

	return done(image_flush(image_of(img), &err), to, &err);
}

int cowbird_resize(struct cowbird_image *img, uint64_t size,
    const char *preallocation, struct cowbird_error *to)
{
	struct error err;

	return done(image_resize(image_of(img), size, preallocation, &err),
	    to, &err);
}

/* ---- checking */

static void say_nothing(void *arg, const char *line)
{
}

/* What is left after repairs is found by looking again. */
int cowbird_check(struct cowbird_image *image, unsigned fix,
    void (*say)(void *arg, const char *line), void *arg,
    struct cowbird_findings *f, struct cowbird_error *to)
{
	struct image *img = image_of(image);
	struct check c = { .fix = fix, .say = say ? say : say_nothing,
	    .arg = arg };
	struct check first;
	struct error err;
	int rc = known_flags(fix, COWBIRD_FIX_LEAKS | COWBIRD_FIX_ERRORS,
	    &err);

	if (!rc && !img->format->check)
		rc = error_set(&err, ENOTSUP, "%s images cannot be checked",
		    img->format->name);
	if (!rc && fix && !img->writable)
		rc = error_set(&err, EBADF, "the image is open for reading "
		    "only");
	if (!rc)
		rc = img->format->check(img, &c, &err);
	first = c;
	if (!rc && (c.corruptions_fixed || c.leaks_fixed)) {
		c = (struct check){ .say = say_nothing };
		rc = img->format->check(img, &c, &err);
	}
	if (rc)
		return tell(to, &err);
	*f = (struct cowbird_findings){
		.corruptions = c.corruptions,
		.leaks = c.leaks,
		.check_errors = c.check_errors,
		.corruptions_fixed = first.corruptions_fixed,
		.leaks_fixed = first.leaks_fixed,
		.image_end = c.image_end_offset,
		.total_clusters = c.total_clusters,
		.allocated_clusters = c.allocated_clusters,
		.fragmented_clusters = c.fragmented_clusters,
		.compressed_clusters = c.packed_clusters,
	};
	return 0;
}

/* ---- copying and comparing */

/* Carries progress from many threads to one function at a time. */
struct watch {
	int (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
	pthread_mutex_t lock;	/* guards done and the call; innermost */
	uint64_t done, total;
	volatile sig_atomic_t stop;
};

static void watch_add(void *arg, uint64_t bytes)
{
	struct watch *w = arg;
	LOCKED(&w->lock);

	w->done = min64(w->done + bytes, w->total);
	if (w->progress && !w->stop &&
	    w->progress(w->arg, w->done, w->total))
		__atomic_store_n(&w->stop, 1, __ATOMIC_RELAXED);
}

/* The end of a job: what came after the watcher said stop does not count. */
static int watch_end(struct watch *w, int rc, struct error *err)
{
	pthread_mutex_destroy(&w->lock);
	if (!rc && w->stop)
		rc = error_set(err, EINTR, "interrupted");
	return rc;
}

static int sum_sizes(struct cowbird_image *const *sources, unsigned count,
    uint64_t *sum, struct error *err)
{
	if (!count)
		return error_set(err, EINVAL, "there is nothing to copy");
	*sum = 0;
	for (unsigned i = 0; i < count; i++)
		if (!add_ok(*sum, cowbird_size(sources[i]), sum) ||
		    *sum > SIZE_LIMIT)
			return error_set(err, EFBIG,
			    "the sources together are too large");
	return 0;
}

static int copy(struct cowbird_image *const *sources, unsigned count,
    struct image *target, unsigned flags, unsigned threads, struct watch *w,
    struct error *err)
{
	const bool zero = flags & COWBIRD_COPY_IS_ZERO;
	AUTO_FREE struct copy_source *pieces =
	    calloc(count, sizeof(*pieces));
	struct copy_args args = {
		.sources = pieces, .source_count = count, .target = target,
		.threads = threads,
		.unordered = flags & COWBIRD_COPY_UNORDERED,
		.pack = flags & COWBIRD_COPY_COMPRESS,
		.level = CODEC_DEFAULT,
		.sparse = flags & COWBIRD_COPY_FULL ? 0 : 4096,
		.target_zero = zero,
		.target_backing = target->backing && !zero,
		.progress = watch_add, .progress_arg = w, .stop = &w->stop,
	};
	uint64_t at = 0;

	if (!pieces)
		return error_errno(err, ENOMEM, "copying");
	for (unsigned i = 0; i < count; i++) {
		struct image *img = image_of(sources[i]);

		if (image_uses(img, target->store->name))
			return error_set(err, EINVAL,
			    "an image cannot be copied to itself");
		pieces[i] = (struct copy_source){ .image = img,
		    .len = img->size, .dst = at };
		at += img->size;
	}
	return copy_run(&args, NULL, err);
}

int cowbird_copy(struct cowbird_image *const *sources, unsigned count,
    struct cowbird_image *target, unsigned flags, unsigned threads,
    int (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
    struct cowbird_error *to)
{
	struct watch w = { .progress = progress, .arg = arg };
	struct error err;
	int rc = known_flags(flags, 15, &err);

	if (!rc)
		rc = sum_sizes(sources, count, &w.total, &err);
	if (rc)
		return tell(to, &err);
	pthread_mutex_init(&w.lock, NULL);
	rc = copy(sources, count, image_of(target), flags, threads, &w, &err);
	return done(watch_end(&w, rc, &err), to, &err);
}

/* Into an image that was just made, and that nothing opens as a good one
 * before the last byte is there (D5). */
static int fill(struct cowbird_image *const *sources, unsigned count,
    const struct image_create_args *create, unsigned flags, unsigned threads,
    struct watch *w, struct error *err)
{
	const struct open_args open = { .format = create->format->name,
	    .writable = true, .incomplete = true,
	    .incomplete_size = create->size, .allow_external = true };
	struct image *target = image_open(create->name, &open, err);
	struct store_stat st;
	struct error late;
	int rc;

	if (!target)
		return -err->code;
	rc = store_stat(target->store, &st, err);
	if (!rc && (!target->raw_store || !st.block_device) &&
	    !target->backing)
		flags |= COWBIRD_COPY_IS_ZERO;
	if (!rc)
		rc = copy(sources, count, target, flags, threads, w, err);
	if (!rc && w->stop)
		rc = error_set(err, EINTR, "interrupted");
	if (!rc)
		rc = image_finish(target, err);
	if (!rc)
		rc = image_flush(target, err);
	if (image_close(target, &late) && !rc) {
		*err = late;
		rc = -late.code;
	}
	return rc;
}

static int convert(struct cowbird_image *const *sources, unsigned count,
    const struct image_create_args *create, unsigned flags, unsigned threads,
    struct watch *w, struct error *err)
{
	const char *key, *value, *data_file = NULL;
	AUTO_FREE char *data_path = NULL;
	int rc = 0;

	for (unsigned i = 0; opts_at(create->options, i, &key, &value); i++)
		if (!strcmp(key, "data_file"))
			data_file = value;
	if (data_file)
		data_path = image_full_backing(create->name, data_file);
	if (data_file && !data_path)
		rc = error_errno(err, ENOMEM, "converting");
	for (unsigned i = 0; !rc && i < count; i++)
		if (image_uses(image_of(sources[i]), create->name) ||
		    (data_path && image_uses(image_of(sources[i]), data_path)))
			rc = error_set(err, EINVAL, "'%s' cannot be made of "
			    "itself", create->name);
	if (!rc)
		rc = image_create(create, NULL, err);
	if (!rc) {
		rc = fill(sources, count, create, flags, threads, w, err);
		if (rc && data_path)
			image_take_away(data_path, *create->made & 2, NULL);
		if (rc)
			image_take_away(create->name, *create->made & 1, NULL);
	}
	return rc;
}

int cowbird_convert(struct cowbird_image *const *sources, unsigned count,
    const char *path, const char *format, const char *options,
    unsigned flags, unsigned threads,
    int (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
    struct cowbird_error *to)
{
	unsigned made = 0;
	struct image_create_args create = { .name = path, .incomplete = true,
	    .made = &made };
	struct watch w = { .progress = progress, .arg = arg };
	struct error err;
	int rc = known_flags(flags, 7, &err);

	if (!rc && !(create.format = find(format, &err)))
		rc = -err.code;
	if (!rc && !create.format->create)
		rc = error_set(&err, ENOTSUP, "%s images cannot be created",
		    format);
	if (!rc)
		rc = sum_sizes(sources, count, &w.total, &err);
	if (!rc && !(create.options = parse(options, &err)))
		rc = -err.code;
	if (rc)
		return tell(to, &err);
	create.size = w.total;
	pthread_mutex_init(&w.lock, NULL);
	rc = convert(sources, count, &create, flags, threads, &w, &err);
	opts_free(create.options);
	pthread_mutex_destroy(&w.lock);
	return done(rc, to, &err);
}

int cowbird_compare(struct cowbird_image *a, struct cowbird_image *b,
    unsigned threads, uint64_t *differ_at,
    int (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
    struct cowbird_error *to)
{
	struct watch w = { .progress = progress, .arg = arg,
	    .total = max64(cowbird_size(a), cowbird_size(b)) };
	struct compare_args args = { .a = image_of(a), .b = image_of(b),
	    .threads = threads, .progress = watch_add, .progress_arg = &w,
	    .stop = &w.stop };
	struct compare_result result;
	struct error err;
	int rc;

	pthread_mutex_init(&w.lock, NULL);
	rc = watch_end(&w, compare_run(&args, &result, &err), &err);
	if (!rc)
		*differ_at = result.differ_at;
	return done(rc, to, &err);
}

/* ---- measuring */

struct measured {
	struct image *image;	/* NULL: an empty one */
	struct walk *walk;
};

static int next_run(void *arg, uint64_t off, uint64_t len, bool *data,
    uint64_t *run, struct error *err)
{
	struct measured *m = arg;
	struct extent_status s;
	struct extent e;
	int rc;

	*data = false;
	*run = len;
	if (!m->image)
		return 0;
	image_hold(m->image);
	rc = walk_map(m->walk, off, len, MAP_REPORT, &e, NULL, err);
	if (!rc) {
		extent_report(&e, &s);
		*data = s.data && !s.zero;
		*run = e.len;
	}
	image_drop(m->image);
	return rc;
}

int cowbird_measure(struct cowbird_image *source, uint64_t size,
    const char *format, const char *options, uint64_t *required,
    uint64_t *fully_allocated, struct cowbird_error *to)
{
	struct measured m = { .image = image_of(source) };
	const struct format *f;
	struct opts *opts = NULL;
	struct measure result = { 0 };
	struct error err;
	int rc = -EINVAL;

	if (!(f = find(format, &err)) || !(opts = parse(options, &err)))
		return tell(to, &err);
	if (!f->measure) {
		rc = error_set(&err, ENOTSUP, "the size of %s images cannot "
		    "be told beforehand", format);
		goto out;
	}
	if (m.image) {
		size = m.image->size;
		m.walk = walk_new(m.image, &err);
		if (!m.walk) {
			rc = -err.code;
			goto out;
		}
	}
	rc = f->measure(size, opts, next_run, &m, &result, &err);
	if (!rc && opts_unused(opts))
		rc = error_set(&err, EINVAL, "unknown option '%s'",
		    opts_unused(opts));
	if (!rc) {
		*required = result.required;
		*fully_allocated = result.fully_allocated;
	}
out:
	walk_free(m.walk);
	opts_free(opts);
	return done(rc, to, &err);
}
