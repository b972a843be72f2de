/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rebase.c - puts an overlay on another backing image
 *
 * What the overlay does not have itself must read the same afterwards.  So
 * the maps of the old chain and of the new one are walked side by side; where
 * both are empty, or show the same place of the same file, nothing is read.
 * What differs is copied into the overlay, all of it is made durable, and
 * only then one header sector switches to the new name (D8).
 *
 * Threads take the image in chunks.  A chunk is whole units, and only its own
 * thread writes in it, so what a walk remembers of the overlay stays true
 * where it is asked.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "img.h"
#include "job.h"

enum { OPT_IMAGE_OPTS = 256 };

static const struct cli_option options[] = {
	{ 'f', "format", "FMT", "format of the overlay", NULL },
	{ OPT_IMAGE_OPTS, "image-opts", NULL,
	  "FILE is key=value options, not a file name", NULL },
	{ 'b', "backing", "BACKING", "new backing file; \"\" for none", NULL },
	{ 'B', "backing-format", "FMT", "its format", NULL },
	{ 'F', "backing-fmt", "FMT", "the same, as it was spelled once",
	  NULL },
	{ 'u', "backing-unsafe", NULL,
	  "only change the name: the contents are known to be the same",
	  NULL },
	{ 't', "cache", "CACHE", "cache mode (writeback)", NULL },
	{ 'T', "backing-cache", "CACHE",
	  "cache mode of the new backing file (writeback)", "source-cache" },
	{ 'U', "force-share", NULL, "open the new backing file without locks",
	  NULL },
	{ 'p', "progress", "[=MODE]", "show progress: bar, json, none", NULL },
	{ 'q', "quiet", NULL, "say nothing but errors", NULL },
	{ 0 }
};

enum {
	CHUNK = 4 << 20,
	BUFFER = 2 << 20,	/* the largest unit */
	PIECE = 256 << 10,	/* small enough to stay in the caches */
	THREADS_MAX = 8
};

/* A file that stands in both chains. */
struct twin {
	const struct store *old, *new;
};

struct rebase {
	const struct cli *cli;
	const char *backing, *format;	/* NULL: none */
	bool unsafe;
	struct image *overlay, *under;	/* under: the new backing image */
	struct twin *twins;
	unsigned twin_count;

	_Atomic uint64_t next;		/* first byte nobody has taken */
	_Atomic bool stop;
	pthread_mutex_t lock;		/* guards err: the first one stays */
	struct error err;
};

struct worker {
	struct rebase *r;
	struct walk *old, *new;		/* new: NULL without a new image */
	uint8_t *was, *is;		/* BUFFER bytes each */
	pthread_t thread;
	bool started;
};

/* ---- maps side by side */

static int find_twins(struct rebase *r, struct error *err)
{
	struct store_stat a, b;
	unsigned n = 0;
	int rc;

	for (struct image *i = r->under; i; i = i->backing)
		n += i->store_count;
	r->twins = calloc(n + 1, sizeof(*r->twins));
	if (!r->twins)
		return error_errno(err, ENOMEM, "comparing the chains");
	for (struct image *i = r->under; i; i = i->backing)
		for (unsigned k = 0; k < i->store_count; k++) {
			if ((rc = store_stat(i->stores[k], &a, err)))
				return rc;
			for (struct image *o = r->overlay; a.ino && o;
			    o = o->backing)
				for (unsigned m = 0; m < o->store_count; m++) {
					if ((rc = store_stat(o->stores[m], &b,
					    err)))
						return rc;
					if (a.dev == b.dev && a.ino == b.ino)
						r->twins[r->twin_count] =
						    (struct twin){
						    o->stores[m],
						    i->stores[k] };
				}
			r->twin_count += r->twins[r->twin_count].new != NULL;
		}
	return 0;
}

static bool reads_zero(const struct extent *e)
{
	return e->kind == EXTENT_ZERO || e->kind == EXTENT_HOLE ||
	    (e->kind == EXTENT_DATA && e->flags & EXTENT_SPARSE);
}

/* Do both extents show the same place of the same file? */
static bool same_place(const struct rebase *r, const struct extent *a,
    const struct extent *b)
{
	if (a->kind != b->kind || a->host != b->host ||
	    (a->kind == EXTENT_PACKED && (a->skip != b->skip ||
	    a->codec != b->codec || a->unit_len != b->unit_len)))
		return false;
	for (unsigned i = 0; i < r->twin_count; i++)
		if (r->twins[i].new == b->store)
			return r->twins[i].old == a->store;
	return false;
}

/* Must the *len bytes at off be compared?  Shortens *len to what the answer
 * holds for. */
static int look(struct worker *w, uint64_t off, uint64_t *len, bool *compare,
    struct error *err)
{
	struct rebase *r = w->r;
	struct extent old, new = { .kind = EXTENT_HOLE, .len = *len };
	unsigned depth;
	int rc;

	*compare = false;
	rc = walk_map(w->old, off, *len, MAP_REPORT, &old, &depth, err);
	if (rc)
		return rc;
	*len = old.len;
	if (depth == 0 && old.kind != EXTENT_HOLE)
		return 0;		/* the overlay's own */
	if (w->new && off < r->under->size) {
		rc = walk_map(w->new, off, min64(*len, r->under->size - off),
		    MAP_REPORT, &new, NULL, err);
		if (rc)
			return rc;
		*len = new.len;
	}
	*compare = !(reads_zero(&old) && reads_zero(&new)) &&
	    !same_place(r, &old, &new);
	return 0;
}

/* ---- copying what differs */

static int read_new(struct worker *w, uint64_t off, size_t len,
    struct error *err)
{
	struct image *under = w->r->under;
	const size_t n = under && off < under->size ?
	    min64(len, under->size - off) : 0;

	memset(w->is + n, 0, len - n);
	if (n && image_read(under, w->is, n, off, err))
		return error_prefix(err,
		    "error while reading from new backing file");
	return 0;
}

enum part { EQUAL, ZEROS, BYTES };

static enum part part_at(const struct worker *w, size_t at, size_t len)
{
	if (!memcmp(w->was + at, w->is + at, len))
		return EQUAL;
	return bytes_are_zero(w->was + at, len) ? ZEROS : BYTES;
}

/* [off, off + len), whole granules that the overlay lacks, at most BUFFER. */
static int copy_piece(struct worker *w, uint64_t off, size_t len,
    struct error *err)
{
	struct image *overlay = w->r->overlay;
	const size_t step = max64(overlay->granule, 512);
	size_t from, to;
	int rc;

	if (image_read(overlay, w->was, len, off, err))
		return error_prefix(err,
		    "error while reading from old backing file");
	if ((rc = read_new(w, off, len, err)))
		return rc;
	for (from = 0; !rc && from < len; from = to) {
		const enum part part = part_at(w, from,
		    min64(step, len - from));

		to = min64(from + step, len);
		while (to < len && part_at(w, to, min64(step, len - to)) ==
		    part)
			to = min64(to + step, len);
		if (part == ZEROS)
			rc = image_zero(overlay, off + from, to - from, 0,
			    err);
		else if (part == BYTES)
			rc = image_write(overlay, w->was + from, to - from,
			    off + from, 0, err);
	}
	return rc ? error_prefix(err, "error while writing to COW image") : 0;
}

static int copy_range(struct worker *w, uint64_t off, uint64_t end,
    struct error *err)
{
	const uint64_t piece = max64(PIECE, w->r->overlay->unit);
	int rc = 0;

	for (uint64_t n; !rc && off < end; off += n) {
		n = min64(min64(piece, BUFFER), end - off);
		rc = copy_piece(w, off, n, err);
	}
	return rc;
}

static int do_chunk(struct worker *w, uint64_t off, uint64_t end,
    struct error *err)
{
	struct image *overlay = w->r->overlay;
	const uint64_t granule = overlay->granule;
	uint64_t len, to;
	bool compare;
	int rc;

	for (; off < end; off += len) {
		len = end - off;
		image_hold(overlay);
		rc = look(w, off, &len, &compare, err);
		image_drop(overlay);
		if (rc)
			return rc;
		if (!compare)
			continue;
		/* The overlay has a granule or it has not: none of the bytes
		 * around the piece are its own. */
		to = min64(align_up(off + len, granule), end);
		rc = copy_range(w, align_down(off, granule), to, err);
		if (rc)
			return rc;
		len = to - off;
	}
	return 0;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct rebase *r = w->r;
	const uint64_t size = r->overlay->size;
	struct error err;

	while (!atomic_load(&r->stop) && !cli_signal) {
		const uint64_t off = atomic_fetch_add(&r->next, CHUNK);
		const uint64_t end = min64(off + CHUNK, size);

		if (off >= size)
			break;
		if (do_chunk(w, off, end, &err)) {
			LOCKED(&r->lock);
			if (!atomic_exchange(&r->stop, true))
				r->err = err;
			break;
		}
		progress_add(end - off);
	}
	return NULL;
}

/* ---- threads */

static int worker_init(struct worker *w, struct rebase *r, struct error *err)
{
	w->r = r;
	w->was = malloc(BUFFER);
	w->is = malloc(BUFFER);
	if (!w->was || !w->is)
		return error_errno(err, ENOMEM, "buffers");
	w->old = walk_new(r->overlay, err);
	w->new = w->old && r->under ? walk_new(r->under, err) : NULL;
	return w->old && (w->new || !r->under) ? 0 : -err->code;
}

static void worker_fini(struct worker *w)
{
	if (w->started)
		pthread_join(w->thread, NULL);
	walk_free(w->old);
	walk_free(w->new);
	free(w->was);
	free(w->is);
}

static int copy(struct rebase *r, struct error *err)
{
	const uint64_t chunks = div_up(r->overlay->size, CHUNK);
	struct worker workers[THREADS_MAX] = { 0 };
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	int rc = find_twins(r, err);

	n = min64(n < 2 ? 2 : n, THREADS_MAX);
	n = min64(n, chunks);
	for (long i = 0; !rc && i < n; i++)
		rc = worker_init(&workers[i], r, err);
	/* Whoever cannot have a thread leaves its share to the others. */
	for (long i = 1; !rc && i < n; i++)
		workers[i].started = !pthread_create(&workers[i].thread, NULL,
		    work, &workers[i]);
	if (!rc && n)
		work(&workers[0]);
	for (long i = 0; i < n; i++)
		worker_fini(&workers[i]);
	free(r->twins);
	if (rc)
		return rc;
	if (cli_signal)
		return error_set(err, EINTR, "interrupted (the backing file "
		    "of '%s' is as it was)", r->overlay->name);
	if (r->stop) {
		*err = r->err;
		return -err->code;
	}
	return 0;
}

/* ---- the command */

static bool refuse(const struct rebase *r, const char *why)
{
	const char *name = r->backing ? r->backing : "";

	if (r->cli->peer)
		cli_error(r->cli,
		    "Could not change the backing file to '%s': %s", name, why);
	else
		cli_error(r->cli, "%s: backing file '%s': %s",
		    r->overlay->name, name, why);
	return false;
}

static bool open_new(struct rebase *r, struct open_args *args)
{
	AUTO_FREE char *full = image_full_backing(r->overlay->store->name,
	    r->backing);
	struct error err;

	args->format = r->format;
	args->policy = r->cli->peer ? POLICY_PEER : POLICY_OWN;
	args->allow_external = r->cli->allow_external;
	args->objects = r->cli->objects;
	if (!full)
		error_errno(&err, ENOMEM, "opening");
	else
		r->under = image_open(full, args, &err);
	if (r->under)
		return true;
	cli_error(r->cli, r->cli->peer ?
	    "Could not open new backing file '%s': %s" :
	    "new backing file '%s': %s", r->backing, err.text);
	return false;
}

/* The image on itself would never open again. */
static bool names_itself(const struct rebase *r)
{
	AUTO_FREE char *full = r->backing ? image_full_backing(
	    r->overlay->store->name, r->backing) : NULL;

	return full && image_uses(r->overlay, full);
}

static bool rebase(struct rebase *r, struct open_args *under,
    enum progress_mode progress)
{
	struct error err;
	int rc = 0;

	if (!r->overlay->format->set_backing)
		return refuse(r, strerror(ENOTSUP));
	if (r->backing && !r->format)
		return refuse(r, "backing format must be specified");
	if (r->unsafe && names_itself(r))
		return refuse(r, "it is the image itself");
	if (!r->unsafe && r->backing && !open_new(r, under))
		return false;
	progress_begin(progress, "rebase", r->overlay->size);
	if (!r->unsafe)
		rc = copy(r, &err);
	progress_end(!rc);
	if (rc) {
		cli_error(r->cli, "%s", err.text);
		return false;
	}
	if (image_set_backing(r->overlay, r->backing, r->format, &err))
		return refuse(r, err.text);
	return true;
}

static int run(struct cli *cli)
{
	struct rebase r = { .cli = cli, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct open_args overlay = { .writable = true }, under = { 0 };
	enum progress_mode progress = job_progress_default(cli);
	bool image_opts = false, quiet = false, given = false, ok = true;
	int id;

	while (ok && (id = cli_next(cli)) >= 0)
		switch (id) {
		case 'f': overlay.format = cli->value; break;
		case 'b': r.backing = cli->value; given = true; break;
		case 'B':
		case 'F': r.format = cli->value; break;
		case 'u': r.unsafe = true; break;
		case 't':
			ok = cli_cache_mode(cli, cli->value, &overlay);
			break;
		case 'T':
			ok = job_source_cache(cli, cli->value, &under);
			break;
		case 'U': under.share = true; break;
		case 'p': ok = job_progress(cli, &progress); break;
		case 'q': quiet = true; break;
		case OPT_IMAGE_OPTS: image_opts = true; break;
		}
	if (!ok)
		return 1;
	if (cli->argc != 1)
		return cli_usage(cli, "Expecting one image file name");
	if (!given && !r.unsafe)
		return cli_usage(cli, "Must specify backing file (-b) or use "
		    "unsafe mode (-u)");
	if (r.format && !format_find(r.format)) {
		cli_error(cli, "Invalid format name: '%s'", r.format);
		return 1;
	}
	if (!r.backing || !*r.backing)
		r.backing = r.format = NULL;
	overlay.no_backing = r.unsafe;
	cli_catch_signals();
	r.overlay = cli_open(cli, cli->argv[0], image_opts, &overlay);
	if (!r.overlay)
		return 1;
	ok = rebase(&r, &under, quiet ? PROGRESS_QUIET : progress);
	image_close(r.under, &(struct error){ 0 });
	return cli_close_after(cli, r.overlay, ok) ? 0 : 1;
}

const struct cli_command cmd_rebase = {
	.name = "rebase",
	.operands = "FILE",
	.summary = "put an overlay on another backing file",
	.options = options,
	.run = run,
};
