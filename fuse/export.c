/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * export.c - the images behind the files
 *
 * The live image is open for as long as it is mounted.  A snapshot's is
 * opened, read-only, when somebody looks into its folder, and stays open
 * while one of its files is: after that the few used last are kept.  So many
 * snapshots cost nothing but their names.
 *
 * The names of snapshots are the image's and may be anything: what cannot be
 * a file name, or stands there twice, is changed and gets a number, "~7",
 * which no unchanged name ends in.
 */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "base/json.h"
#include "cli/cli.h"
#include "export.h"
#include "partition.h"
#include "report.h"

enum {
	KEPT_OPEN = 4,		/* snapshots nobody uses */
	SAID_MAX = 20		/* errors of requests that are printed */
};

/* ---- opening */

/* Shares the file: the live image has it locked, and no writer of that one
 * touches what a snapshot has. */
static struct image *open_snapshot(const struct export *x,
    const struct disk *d, struct error *err)
{
	struct open_args args = x->source.args;
	struct image *image = NULL;
	struct opts *own = NULL;

	args.snapshot = d->which;
	args.share = true;
	args.writable = false;
	if (x->source.image_opts) {
		own = args.options = opts_new();
		if (!own)
			error_errno(err, ENOMEM, "options");
		if (!own || opts_parse(own, x->source.name, "file", err) < 0)
			goto out;
	}
	image = image_open(own ? NULL : x->source.name, &args, err);
out:
	opts_free(own);
	return image;
}

/* The name may have come to mean another file meanwhile. */
static int same_file(struct image *a, struct image *b, struct error *err)
{
	struct store_stat x, y;
	int rc = store_stat(a->store, &x, err);

	if (!rc)
		rc = store_stat(b->store, &y, err);
	if (!rc && (x.dev != y.dev || x.ino != y.ino))
		rc = error_set(err, ESTALE,
		    "the image was replaced by another file");
	return rc;
}

static void file_init(const struct export *x, const struct disk *d,
    struct file *f)
{
	const bool live = d == &x->live;

	f->mode = live && x->writable ? 0600 : 0400;
	if (x->others) {	/* what the user's own files would have */
		const mode_t mask = umask(0);

		umask(mask);
		f->mode = (live && x->writable ? 0644 : 0444) & ~mask;
	}
	f->uid = getuid();
	f->gid = getgid();
	atomic_init(&f->mtime, x->start.tv_sec * 1000000000LL +
	    x->start.tv_nsec);
}

/* What is on the disk: the whole and, in a folder, its partitions. */
static int look(const struct export *x, struct disk *d, struct image *image,
    struct error *err)
{
	AUTO_FREE struct partition *list =
	    malloc(PARTITIONS_MAX * sizeof(*list));
	struct file *files;
	int n;

	if (!list)
		return error_errno(err, ENOMEM, "partitions");
	n = x->folder ? partition_read(image, list, err) : 0;
	if (n < 0)
		return n;
	files = calloc((size_t)n + 1, sizeof(*files));
	if (!files)
		return error_errno(err, ENOMEM, "partitions");
	files[0].len = image->size;
	for (int i = 0; i < n; i++) {
		files[i + 1].number = list[i].number;
		files[i + 1].off = list[i].off;
		files[i + 1].len = list[i].len;
	}
	for (int i = 0; i <= n; i++)
		file_init(x, d, &files[i]);
	d->files = files;
	d->count = (unsigned)n + 1;
	return 0;
}

/* ---- names of snapshots */

static bool ends_in_number(const char *name)
{
	const char *at = strrchr(name, '~');

	return at && at[1] && at[1 + strspn(at + 1, "0123456789")] == '\0';
}

/* A file name made of what is there; "changed" when that is not the same. */
static char *plain_name(const char *name, bool *changed)
{
	const size_t room = NAME_MAX - 12;	/* and a number */
	char *s = strndup(name, room);

	*changed = strlen(name) > room || !*name || !strcmp(name, ".") ||
	    !strcmp(name, "..") || ends_in_number(name);
	for (char *c = s; s && *c; c++)
		if (*c == '/' || iscntrl((unsigned char)*c)) {
			*c = '_';
			*changed = true;
		}
	return s;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct disk *)a)->name,
	    ((const struct disk *)b)->name);
}

static bool add_number(char **name, unsigned number)
{
	char *s;

	if (asprintf(&s, "%s~%u", *name, number) < 0)
		return false;
	free(*name);
	*name = s;
	return true;
}

/* Exactly this one, as image_open() is told; commas in values are doubled. */
static char *selector(const struct snapshot_info *s)
{
	const char *const parts[] = { "snapshot.id=", s->id,
		",snapshot.name=", s->name };
	char *text = malloc(40 + 2 * (strlen(s->id) + strlen(s->name)));
	char *out = text;

	for (int i = 0; text && i < 4; i++)
		for (const char *c = parts[i]; *c; c++) {
			*out++ = *c;
			if (i % 2 && *c == ',')
				*out++ = ',';
		}
	if (text)
		*out = '\0';
	return text;
}

static int list_snapshots(struct export *x, struct error *err)
{
	struct image_info info;
	struct disk *d = NULL;
	unsigned n;
	bool ok = true, changed;
	int rc = image_info(x->live.image, &info, err);

	if (rc)
		return rc;
	n = info.snapshot_count;
	if (n && x->live.image->format->has_snapshots)
		d = x->snapshots = calloc(n, sizeof(*d));
	for (unsigned i = 0; d && i < n && ok; i++) {
		d[i].which = selector(&info.snapshots[i]);
		d[i].name = plain_name(info.snapshots[i].name, &changed);
		x->snapshot_count++;
		ok = d[i].which && d[i].name &&
		    (!changed || add_number(&d[i].name, i + 1));
	}
	if (d && ok) {
		/* Of equal names all but the first get a number. */
		qsort(d, n, sizeof(*d), by_name);
		for (unsigned i = n; ok && i-- > 1; )
			if (!strcmp(d[i].name, d[i - 1].name))
				ok = add_number(&d[i].name, n + i);
		if (ok)
			qsort(d, n, sizeof(*d), by_name);
	}
	ok = ok && (d || !n || !x->live.image->format->has_snapshots);
	image_info_fini(&info);
	return ok ? 0 : error_errno(err, ENOMEM, "snapshots");
}

/* ---- the whole */

int export_json(struct export *x, char **text, size_t *len,
    struct error *err)
{
	struct image_info info;
	struct json json;
	FILE *out;
	int rc = image_info(x->live.image, &info, err);

	if (rc)
		return rc;
	*text = NULL;
	out = open_memstream(text, len);
	if (!out) {
		rc = error_errno(err, errno, "disk.json");
	} else {
		json_init(&json, out, true);
		report_json(x->live.image, &info, x->live.image->store->name, true,
		    &json);
		rc = json_end(&json);
		if (fclose(out) && !rc)
			rc = -errno;
		if (rc)
			error_errno(err, -rc, "disk.json");
	}
	image_info_fini(&info);
	if (rc)
		free(*text);
	return rc;
}

bool export_open(struct export *x)
{
	struct image *image;
	struct error err;
	int rc;

	clock_gettime(CLOCK_REALTIME, &x->start);
	pthread_mutex_init(&x->lock, NULL);
	pthread_cond_init(&x->released, NULL);
	gate_init(&x->gate);
	image = x->live.image = cli_open(x->cli, x->source.name,
	    x->source.image_opts, &x->source.args);
	if (!image)
		return false;
	/* What opens a snapshot is to have them, too. */
	x->source.args.policy = POLICY_OWN;
	x->source.args.objects = x->cli->objects;
	rc = x->growable && !image->format->resize ? error_set(&err, ENOTSUP,
	    "%s images cannot grow", image->format->name) : 0;
	if (!rc)
		rc = look(x, &x->live, image, &err);
	if (!rc && x->folder && !x->source.args.snapshot)
		rc = list_snapshots(x, &err);
	if (!rc && x->folder)
		rc = export_json(x, &x->json, &x->json_len, &err);
	if (rc) {
		cli_image_error(x->cli, x->source.name, &err);
		return false;
	}
	x->uncached = x->writable && x->live.count > 1;
	return true;
}

bool export_close(struct export *x)
{
	struct error ignored;
	bool ok;

	for (unsigned i = 0; i < x->snapshot_count; i++) {
		image_close(x->snapshots[i].image, &ignored);
		free(x->snapshots[i].files);
		free(x->snapshots[i].name);
		free(x->snapshots[i].which);
	}
	free(x->snapshots);
	ok = cli_close(x->cli, x->live.image);
	free(x->live.files);
	free(x->json);
	gate_fini(&x->gate);
	pthread_cond_destroy(&x->released);
	pthread_mutex_destroy(&x->lock);
	return ok;
}

/* ---- use */

/* Closes the one that was opened first of those nobody uses, when there are
 * more than a few. */
static void close_oldest(struct export *x)
{
	struct disk *oldest = NULL;
	struct error ignored;
	unsigned n = 0;

	for (unsigned i = 0; i < x->snapshot_count; i++) {
		struct disk *d = &x->snapshots[i];

		if (!d->image || d->users)
			continue;
		n++;
		if (!oldest || d->used < oldest->used)
			oldest = d;
	}
	if (n > KEPT_OPEN) {
		image_close(oldest->image, &ignored);	/* read-only */
		oldest->image = NULL;
	}
}

int disk_get(struct export *x, struct disk *d, struct error *err)
{
	struct image *image;
	int rc = 0;

	if (d == &x->live)
		return 0;
	LOCKED(&x->lock);
	if (!d->image) {
		image = open_snapshot(x, d, err);
		if (!image)
			return error_prefix(err, "snapshot '%s'", d->name);
		rc = same_file(image, x->live.image, err);
		if (!rc && !d->files)
			rc = look(x, d, image, err);
		if (rc) {
			struct error ignored;

			image_close(image, &ignored);
			return error_prefix(err, "snapshot '%s'", d->name);
		}
		d->image = image;
	}
	d->users++;
	d->used = ++x->clock;
	return 0;
}

void disk_put(struct export *x, struct disk *d)
{
	if (d == &x->live)
		return;
	LOCKED(&x->lock);
	if (!--d->users)
		close_oldest(x);
}

int export_failed(struct export *x, const struct error *err)
{
	const unsigned said = atomic_fetch_add(&x->said, 1);

	if (said < SAID_MAX)
		cli_error(x->cli, "%s: %s%s", x->source.name, err->text,
		    said == SAID_MAX - 1 ? " (further errors are not shown)" :
		    "");
	else
		atomic_store(&x->said, SAID_MAX);
	/* What a caller of read(2) and the like can make sense of. */
	switch (err->code) {
	case ENOSPC: case EDQUOT: case EFBIG: case ENOMEM: case EROFS:
	case EPERM: case EINTR: case ETIMEDOUT: case ESTALE:
		return err->code;
	case ENOTSUP:
		return EOPNOTSUPP;
	}
	return EIO;
}
