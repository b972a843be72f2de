/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * compare.c - do two images read the same?
 *
 * Exit codes are the peer's: 0 the same, 1 different, 2 an image could not be
 * opened, 3 the allocation could not be told, 4 data could not be read.
 */
#include <inttypes.h>
#include <stdarg.h>

#include "copy.h"
#include "img.h"
#include "job.h"

enum { OPT_IMAGE_OPTS = 256 };

static const struct cli_option options[] = {
	{ 'f', "a-format", "FMT", "format of the first image", "format" },
	{ 'F', "b-format", "FMT", "format of the second image", NULL },
	{ OPT_IMAGE_OPTS, "image-opts", NULL,
	  "images are key=value options, not file names", NULL },
	{ 's', "strict", NULL, "size and allocation have to agree, too",
	  NULL },
	{ 'T', "source-cache", "CACHE", "cache mode (writeback)", "cache" },
	{ 'U', "force-share", NULL, "open without locks", NULL },
	{ 'p', "progress", "[=MODE]", "show progress: bar, json, none", NULL },
	{ 'q', "quiet", NULL, "say nothing but errors", NULL },
	{ 0 }
};

enum { SAME, DIFFERENT, OPEN_FAILED, MAP_FAILED, READ_FAILED };

__attribute__((format(printf, 2, 3)))
static void say(bool quiet, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!quiet)
		vprintf(fmt, ap);
	va_end(ap);
}

static int failed(const struct cli *cli, const struct compare_result *r,
    const struct error *err)
{
	if (cli_signal)
		cli_error(cli, "interrupted");
	else if (r->which >= 0 && !cli->peer)
		cli_error(cli, "%s: %s", cli->argv[r->which], err->text);
	else
		cli_error(cli, "%s", err->text);
	return r->mapping ? MAP_FAILED : READ_FAILED;
}

static int compare(const struct cli *cli, struct compare_args *args,
    enum progress_mode progress, bool quiet)
{
	const uint64_t common = min64(args->a->size, args->b->size);
	const uint64_t total = max64(args->a->size, args->b->size);
	struct compare_result r = { .which = -1 };
	struct error err;
	int rc;

	if (args->strict && common != total) {
		say(quiet, "Strict mode: Image size mismatch!\n");
		return DIFFERENT;
	}
	progress_begin(progress, "compare", total);
	rc = compare_run(args, &r, &err);
	progress_end(!rc && r.differ_at == UINT64_MAX);
	if (rc)
		return failed(cli, &r, &err);
	if (common != total && r.differ_at >= common)
		say(quiet, "Warning: Image size mismatch!\n");
	if (r.differ_at == UINT64_MAX) {
		say(quiet, "Images are identical.\n");
		return SAME;
	}
	if (r.allocation)
		say(quiet, "Strict mode: Offset %" PRIu64
		    " block status mismatch!\n", r.differ_at);
	else
		say(quiet, "Content mismatch at offset %" PRIu64 "!\n",
		    r.differ_at);
	return DIFFERENT;
}

static int run(struct cli *cli)
{
	struct open_args a = { 0 }, b = { 0 };
	struct compare_args args = { .progress = progress_job,
	    .stop = &cli_signal };
	enum progress_mode progress = job_progress_default(cli);
	bool image_opts = false, quiet = false;
	int id, code = OPEN_FAILED;

	while ((id = cli_next(cli)) >= 0)
		switch (id) {
		case 'f': a.format = cli->value; break;
		case 'F': b.format = cli->value; break;
		case 's': args.strict = true; break;
		case 'T':
			if (!job_source_cache(cli, cli->value, &a) ||
			    !job_source_cache(cli, cli->value, &b))
				return OPEN_FAILED;
			break;
		case 'U': a.share = b.share = true; break;
		case 'p':
			if (!job_progress(cli, &progress))
				return OPEN_FAILED;
			break;
		case 'q': quiet = true; break;
		case OPT_IMAGE_OPTS: image_opts = true; break;
		}
	if (cli->argc != 2)
		return cli_usage(cli, "Expecting two image file names");
	cli_catch_signals();
	args.a = cli_open(cli, cli->argv[0], image_opts, &a);
	args.b = args.a ? cli_open(cli, cli->argv[1], image_opts, &b) : NULL;
	if (args.b)
		code = compare(cli, &args, quiet ? PROGRESS_QUIET : progress,
		    quiet);
	/* Both are read only; there is nothing left to lose. */
	image_close(args.b, &(struct error){ 0 });
	image_close(args.a, &(struct error){ 0 });
	return code;
}

const struct cli_command cmd_compare = {
	.name = "compare",
	.operands = "FILE1 FILE2",
	.summary = "tell whether two images read the same",
	.options = options,
	.run = run,
	.error_code = 2,
};
