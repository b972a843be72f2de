/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * convert.c - copies images, one or several in a row, into another one
 *
 * The target is created incomplete: until the last byte is in place nothing
 * opens it as a good image.  With a backing file for the target only what
 * the source has above that backing file is copied.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "copy.h"
#include "img.h"
#include "job.h"

enum {
	OPT_IMAGE_OPTS = 256, OPT_TARGET_OPTS, OPT_TARGET_ZERO, OPT_SALVAGE,
	OPT_BITMAPS, OPT_SKIP_BROKEN, OPT_LEVEL, OPT_UNPACK
};

static const struct cli_option options[] = {
	{ 'f', "source-format", "FMT", "format of the sources", "format" },
	{ OPT_IMAGE_OPTS, "source-image-opts", NULL,
	  "sources are key=value options, not file names", "image-opts" },
	{ 'T', "source-cache", "CACHE",
	  "cache mode of the sources (writeback)", NULL },
	{ 'l', "snapshot", "SNAPSHOT", "copy the disk as it was in this "
	  "internal snapshot", NULL },
	{ 'U', "force-share", NULL, "open the sources without locks", NULL },
	{ OPT_UNPACK, "unpack", NULL, "with -f: the contents of compressed "
	  "sources (gz, xz, zst, bz2) are of that format", NULL },
	{ 'O', "target-format", "FMT", "format of the target (raw)", NULL },
	{ 'o', "target-format-options", "OPTIONS",
	  "creation options of the target; help lists them", "options" },
	{ OPT_TARGET_OPTS, "target-image-opts", NULL,
	  "the target is key=value options (needs -n)", NULL },
	{ 't', "target-cache", "CACHE", "cache mode of the target (unsafe)",
	  "cache" },
	{ 'b', "backing", "FILE",
	  "backing file of the target: copy what lies above it", NULL },
	{ 'B', "backing-file", "FILE", "the same, as it was spelled once",
	  NULL },
	{ 'F', "backing-format", "FMT", "format of the backing file", NULL },
	{ 'n', "no-create", NULL, "the target is there, do not create it",
	  NULL },
	{ OPT_TARGET_ZERO, "target-is-zero", NULL,
	  "the target reads as zeros (needs -n)", NULL },
	{ 'S', "sparse-size", "SIZE",
	  "so many zeros in a row become a hole (4k); 0: write all", NULL },
	{ 'c', "compress", NULL, "compress", NULL },
	{ OPT_LEVEL, "compress-level", "LEVEL", "fast, default or best", NULL },
	{ 'C', "copy-range-offloading", NULL, "let the kernel copy", NULL },
	{ 'W', "oob-writes", NULL, "write the target in any order", NULL },
	{ 'm', "parallel", "N", "so many threads, 1 to 16", NULL },
	{ 'r', "rate-limit", "RATE", "at most so many bytes a second", NULL },
	{ OPT_SALVAGE, "salvage", NULL, "read errors become zeros", NULL },
	{ OPT_BITMAPS, "bitmaps", NULL, "copy persistent bitmaps", NULL },
	{ OPT_SKIP_BROKEN, "skip-broken-bitmaps", NULL,
	  "leave out inconsistent bitmaps", NULL },
	{ 'p', "progress", "[=MODE]", "show progress: bar, json, none", NULL },
	{ 'q', "quiet", NULL, "say nothing but errors", NULL },
	{ 0 }
};

struct convert {
	const struct cli *cli;
	struct open_args source, target;	/* cache modes, formats */
	struct image_create_args create;
	struct copy_args copy;
	const char *format;	/* -O */
	const char *backing;	/* -B, or backing_file of -o */
	bool source_opts, target_opts, no_create, target_zero, sparse_given;
	bool bitmaps, skip_broken, quiet;
	enum progress_mode progress;
	struct unpack_args unpack_args;
	bool unpacking;		/* its progress is shown */
	uint64_t unpacked;

	struct image **images;
	struct copy_source *pieces;
	unsigned count;
	uint64_t size;		/* of all sources */
	struct job_target out;
};

/* ---- the command line */

static bool take_sparse(struct convert *c)
{
	enum { LIMIT = 16 << 20 };
	uint64_t v;

	if (!cli_size(c->cli, "buffer size for sparse output", c->cli->value,
	    &v))
		return false;
	c->sparse_given = true;
	c->copy.sparse = v;
	if (v % 512 == 0 && v <= LIMIT)
		return true;
	cli_error(c->cli, "Invalid buffer size for sparse output specified. "
	    "Valid sizes are multiples of 512 up to %d. Select 0 to disable "
	    "sparse detection (fully allocates output).", LIMIT);
	return false;
}

static bool take_threads(struct convert *c)
{
	char *end;
	const unsigned long v = strtoul(c->cli->value, &end, 10);

	c->copy.threads = v;
	if (end != c->cli->value && !*end && v >= 1 && v <= 16)
		return true;
	cli_error(c->cli, "Invalid number of coroutines. Allowed number of "
	    "coroutines is between 1 and 16");
	return false;
}

static bool take_level(struct convert *c)
{
	static const char *const names[] = {
		[CODEC_FAST] = "fast", [CODEC_DEFAULT] = "default",
		[CODEC_BEST] = "best" };

	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(c->cli->value, names[i])) {
			c->copy.level = i;
			return true;
		}
	cli_error(c->cli, "compression level '%s' is not fast, default or "
	    "best", c->cli->value);
	return false;
}

static bool take_option(struct convert *c, int id, bool *help)
{
	const struct cli *cli = c->cli;
	struct error err;

	switch (id) {
	case 'f': c->source.format = cli->value; break;
	case 'T': return job_source_cache(cli, cli->value, &c->source);
	case 'l': c->source.snapshot = cli->value; break;
	case 'U': c->source.share = true; break;
	case 'O': c->format = cli->value; break;
	case 'o':
		*help |= img_is_help(cli->value);
		return *help || job_options(cli, cli->value,
		    c->create.options);
	case 't': return cli_cache_mode(cli, cli->value, &c->target);
	case 'b':
	case 'B':
	case 'F':
		if (!opts_set(c->create.options, id == 'F' ? "backing_fmt" :
		    "backing_file", cli->value, &err))
			break;
		cli_error(cli, "%s", err.text);
		return false;
	case 'n': c->no_create = true; break;
	case 'S': return take_sparse(c);
	case 'c': c->copy.pack = true; break;
	case 'C': c->copy.offload = true; break;
	case 'W': c->copy.unordered = true; break;
	case 'm': return take_threads(c);
	case 'r': return cli_size(cli, "rate limit", cli->value,
	    &c->copy.rate);
	case 'p': return job_progress(cli, &c->progress);
	case 'q': c->quiet = true; break;
	case OPT_IMAGE_OPTS: c->source_opts = true; break;
	case OPT_TARGET_OPTS: c->target_opts = true; break;
	case OPT_TARGET_ZERO: c->target_zero = true; break;
	case OPT_SALVAGE: c->copy.salvage = true; break;
	case OPT_BITMAPS: c->bitmaps = true; break;
	case OPT_SKIP_BROKEN: c->skip_broken = true; break;
	case OPT_LEVEL: return take_level(c);
	case OPT_UNPACK: c->source.unpack = UNPACK_ALWAYS; break;
	}
	return true;
}

static const char *peek(const struct opts *opts, const char *wanted)
{
	const char *key, *value;

	for (unsigned i = 0; opts_at(opts, i, &key, &value); i++)
		if (!strcmp(key, wanted))
			return value;
	return NULL;
}

/* What cannot go together; NULL: nothing. */
static const char *conflict(const struct convert *c)
{
	const char *key, *value;
	bool other = false;

	for (unsigned i = 0; opts_at(c->create.options, i, &key, &value); i++)
		other |= strncmp(key, "backing_", 8);
	if (c->target_opts && !c->no_create)
		return "--target-image-opts requires use of -n flag";
	if (c->target_opts && c->format)
		return "--image-opts and --format are mutually exclusive";
	if (c->target_zero && !c->no_create)
		return "--target-is-zero requires use of -n flag";
	if (c->skip_broken && !c->bitmaps)
		return "Use of --skip-broken-bitmaps requires --bitmaps";
	if (c->copy.offload && c->copy.pack)
		return "Cannot enable copy offloading when -c is used";
	if (c->copy.offload && c->sparse_given)
		return "Cannot enable copy offloading when -S is used";
	if (c->copy.offload && c->copy.salvage)
		return "Cannot use copy offloading in salvaging mode";
	if (c->no_create && other)
		return "-o has no effect when skipping image creation";
	if (c->count > 1 && c->bitmaps)
		return "Copying bitmaps only possible with single source";
	if (c->count > 1 && c->source.snapshot)
		return "No support for concatenating multiple snapshot";
	if (c->bitmaps)
		return "bitmaps cannot be copied by this version";
	if (c->count > 1 && c->backing)
		return "Having a backing file for the target makes no sense "
		    "when concatenating multiple input images";
	if (!c->no_create && c->backing &&
	    !peek(c->create.options, "backing_fmt"))
		return "Use of backing file requires explicit backing format";
	if (!c->no_create && !c->backing &&
	    peek(c->create.options, "backing_fmt"))
		return "Backing format cannot be used without backing file";
	return NULL;
}

static bool parse(struct convert *c, struct cli *cli, bool *help)
{
	int id;

	while ((id = cli_next(cli)) >= 0)
		if (!take_option(c, id, help))
			return false;
	if (c->quiet)
		c->progress = PROGRESS_QUIET;
	if (!c->target_opts && !(c->create.format = img_format(cli,
	    c->format ? c->format : "raw")))
		return false;
	if (*help)
		return true;
	if (cli->argc < 2) {
		cli_error(cli, "Must specify image file name");
		return false;
	}
	c->count = cli->argc - 1;
	c->create.name = cli->argv[c->count];
	c->backing = peek(c->create.options, "backing_file");
	if (conflict(c)) {
		cli_error(cli, "%s", conflict(c));
		return false;
	}
	return true;
}

/* Can the format do what is asked of it? */
static bool able(const struct convert *c)
{
	const struct format *f = c->create.format;

	if (!c->no_create && !f->create)
		cli_error(c->cli, "Format driver '%s' does not support image "
		    "creation", f->name);
	else if (f && c->copy.pack && !f->claim)
		cli_error(c->cli,
		    "Compression not supported for this file format");
	else if (f && c->backing && !f->has_backing)
		cli_error(c->cli, "Backing file not supported for file format "
		    "'%s'", f->name);
	else
		return true;
	return false;
}

/* ---- sources and target */

/* Compressed sources that do not tell their size are unpacked when they are
 * opened. */
static bool going(void *arg, uint64_t done, uint64_t total)
{
	struct convert *c = arg;

	if (total) {
		if (!c->unpacking)
			progress_begin(c->progress, "unpack", total);
		c->unpacking = true;
		progress_add(done - c->unpacked);
		c->unpacked = done;
	}
	return !cli_signal;
}

static struct image *open_source(struct convert *c, const char *name)
{
	struct open_args args = c->source;
	struct image *image;

	c->unpacking = false;
	c->unpacked = 0;
	c->unpack_args = (struct unpack_args){ going, c };
	args.unpack_args = &c->unpack_args;
	image = cli_open(c->cli, name, c->source_opts, &args);
	if (c->unpacking)
		progress_end(image != NULL);
	return image;
}

static bool open_sources(struct convert *c)
{
	c->images = calloc(c->count, sizeof(*c->images));
	c->pieces = calloc(c->count, sizeof(*c->pieces));
	if (!c->images || !c->pieces) {
		cli_error(c->cli, "%s", strerror(ENOMEM));
		return false;
	}
	for (unsigned i = 0; i < c->count; i++) {
		c->images[i] = open_source(c, c->cli->argv[i]);
		if (!c->images[i])
			return false;
		c->pieces[i] = (struct copy_source){ .image = c->images[i],
		    .len = c->images[i]->size, .dst = c->size };
		if (!add_ok(c->size, c->images[i]->size, &c->size) ||
		    c->size > SIZE_LIMIT) {
			cli_error(c->cli, "the sources together are too large");
			return false;
		}
	}
	return true;
}

/* The sources are read only; whatever closing says has been said before. */
static void close_sources(struct convert *c)
{
	struct error ignored;

	for (unsigned i = 0; c->images && i < c->count; i++)
		image_close(c->images[i], &ignored);
	free(c->images);
	free(c->pieces);
}

static bool open_target(struct convert *c)
{
	char doing[64];

	for (unsigned i = 0; !c->target_opts && i < c->count; i++)
		if (job_clash(c->cli, c->images[i], c->create.name,
		    c->no_create ? NULL : &c->create))
			return false;

	if (c->no_create) {
		c->target.format = c->target_opts ? NULL :
		    c->create.format->name;
		if (!job_open(&c->out, c->cli, c->create.name,
		    c->target_opts, &c->target))
			return false;
		for (unsigned i = 0; i < c->count; i++)
			if (image_uses(c->images[i], c->out.image->store->name)) {
				job_fail(&c->out, "%s: cannot be the target, "
				    "it is what is read", c->create.name);
				return false;
			}
		return true;
	}
	c->create.size = c->size;
	snprintf(doing, sizeof(doing), "error while converting %s",
	    c->create.format->name);
	return job_create(&c->out, c->cli, &c->create, &c->target, doing);
}

/* How many layers of the source lie above the target's backing file: what
 * only the others hold is there already.  1 where it is none of them: then
 * the user says that it equals the image under the source. */
static unsigned layers_above(const struct convert *c)
{
	const struct image *backing = c->out.image->backing;
	const struct image *img = c->images[0];
	struct store_stat want, st;
	struct error ignored;
	unsigned depth = 1;

	if (!img->backing)
		return 0;
	if (!backing || store_stat(backing->store, &want, &ignored))
		return 1;
	for (img = img->backing; img; img = img->backing, depth++)
		if (!store_stat(img->store, &st, &ignored) && st.ino &&
		    st.dev == want.dev && st.ino == want.ino)
			return depth;
	return 1;
}

/* Does a new target read as zeros?  Not on a device, where raw keeps what
 * was there. */
static bool reads_zero(const struct image *target)
{
	struct store_stat st;
	struct error ignored;

	return !target->raw_store || (!store_stat(target->store, &st,
	    &ignored) && !st.block_device);
}

/* ---- the copy */

static void warn(void *arg, const char *line)
{
	cli_error(arg, "warning: %s", line);
}

static bool copy(struct convert *c)
{
	struct image *target = c->out.image;
	uint64_t lost = 0;
	struct error err;
	int rc;

	if (target->size < c->size) {
		job_fail(&c->out, c->cli->peer ?
		    "output file is smaller than input file" :
		    "%s: smaller than the input", c->out.name);
		return false;
	}
	if (c->copy.pack && !target->packed_codec) {
		job_fail(&c->out,
		    "Compression not supported for this file format");
		return false;
	}
	/* The copier's writes pass by the engine's search for zeros. */
	if (target->args.detect_zeroes)
		c->copy.sparse = 4096;
	c->copy.sources = c->pieces;
	c->copy.source_count = c->count;
	c->copy.target = target;
	c->copy.below = c->backing ? layers_above(c) : 0;
	c->copy.target_backing = target->backing &&
	    (!c->target_zero || c->copy.below);
	c->copy.target_zero = c->target_zero ||
	    (!c->no_create && reads_zero(target));
	c->copy.progress = progress_job;
	c->copy.say = c->quiet ? NULL : warn;
	c->copy.say_arg = (void *)c->cli;
	c->copy.stop = &cli_signal;
	c->out.writing = true;
	progress_begin(c->progress, "convert", c->size);
	rc = copy_run(&c->copy, &lost, &err);
	progress_end(!rc);
	if (rc) {
		job_fail(&c->out, "%s", err.text);
		return false;
	}
	if (lost && !c->quiet && !c->cli->peer)
		cli_error(c->cli, "warning: %" PRIu64 " bytes could not be "
		    "read and are zeros in '%s'", lost, c->out.name);
	return job_finish(&c->out);
}

static int run(struct cli *cli)
{
	struct convert c = {
		.cli = cli,
		.target.no_sync = true,
		.copy.sparse = 4096,
		.copy.level = CODEC_DEFAULT,
		.source.unpack = cli->peer ? UNPACK_NEVER : UNPACK_PROBED,
		.progress = job_progress_default(cli),
	};
	bool help = false, ok = false;

	c.create.options = opts_new();
	if (!c.create.options) {
		cli_error(cli, "%s", strerror(ENOMEM));
		return 1;
	}
	if (!parse(&c, cli, &help))
		goto out;
	if (help) {
		img_create_help(cli, c.create.format);
		ok = true;
		goto out;
	}
	cli_catch_signals();
	ok = able(&c) && open_sources(&c) && open_target(&c) && copy(&c);
out:
	close_sources(&c);
	opts_free(c.create.options);
	return ok ? 0 : 1;
}

const struct cli_command cmd_convert = {
	.name = "convert",
	.operands = "FILE... TARGET",
	.summary = "copy an image, or several in a row, into a new one",
	.options = options,
	.run = run,
};
