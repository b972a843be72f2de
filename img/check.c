/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check.c - looks for errors in an image's tables, and repairs them */
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "img.h"
#include "job.h"

static const struct cli_option options[] = {
	{ 'f', "format", "FMT", "format of the image; guessed without it",
	  NULL },
	{ 256, "image-opts", NULL, "FILE is a list of options: key=value,...",
	  NULL },
	{ 'r', "repair", "WHAT", "leaks, or all that is wrong", NULL },
	{ 'T', "cache", "MODE", "cache mode (writeback)", "source-cache" },
	{ 257, "output", "FORM", "human or json", NULL },
	{ 'U', "force-share", NULL, "open even while others write to it",
	  NULL },
	{ 'q', "quiet", NULL, "show only what is wrong", NULL },
	{ 0, NULL, NULL, NULL, NULL }
};

/* Exit codes: programs know them. */
enum { CLEAN = 0, FAILED = 1, CORRUPT = 2, LEAKS = 3, NO_CHECK = 63 };

static void say(void *arg, const char *line)
{
	fprintf(stderr, "%s\n", line);
}

static void show_json(const char *name, const struct image *image,
    const struct check *c)
{
	struct json j;

	json_init(&j, stdout, true);
	json_object(&j, NULL);
	if (c->image_end_offset)
		json_u64(&j, "image-end-offset", c->image_end_offset);
	if (c->packed_clusters)
		json_u64(&j, "compressed-clusters", c->packed_clusters);
	if (c->total_clusters)
		json_u64(&j, "total-clusters", c->total_clusters);
	if (c->corruptions)
		json_u64(&j, "corruptions", c->corruptions);
	if (c->corruptions_fixed)
		json_u64(&j, "corruptions-fixed", c->corruptions_fixed);
	json_u64(&j, "check-errors", c->check_errors);
	if (c->leaks)
		json_u64(&j, "leaks", c->leaks);
	if (c->leaks_fixed)
		json_u64(&j, "leaks-fixed", c->leaks_fixed);
	if (c->allocated_clusters)
		json_u64(&j, "allocated-clusters", c->allocated_clusters);
	json_str(&j, "filename", name);
	json_str(&j, "format", image->format->name);
	if (c->fragmented_clusters)
		json_u64(&j, "fragmented-clusters", c->fragmented_clusters);
	json_close(&j, '}');
	json_end(&j);
}

static void show_text(const struct check *c)
{
	const double total = c->total_clusters, in_use = c->allocated_clusters;

	if (!c->corruptions && !c->leaks && !c->check_errors)
		printf("No errors were found on the image.\n");
	if (c->corruptions)
		printf("\n%" PRIu64 " errors were found on the image.\n"
		    "Data may be corrupted, or further writes to the image "
		    "may corrupt it.\n", c->corruptions);
	if (c->leaks)
		printf("\n%" PRIu64 " leaked clusters were found on the "
		    "image.\nThis means waste of disk space, but no harm to "
		    "data.\n", c->leaks);
	if (c->check_errors)
		printf("\n%" PRIu64 " internal errors have occurred during "
		    "the check.\n", c->check_errors);
	if (c->total_clusters && c->allocated_clusters)
		printf("%" PRIu64 "/%" PRIu64 " = %0.2f%% allocated, %0.2f%% "
		    "fragmented, %0.2f%% compressed clusters\n",
		    c->allocated_clusters, c->total_clusters,
		    100 * in_use / total, 100 * c->fragmented_clusters / in_use,
		    100 * c->packed_clusters / in_use);
	if (c->image_end_offset)
		printf("Image end offset: %" PRIu64 "\n",
		    c->image_end_offset);
}

static int exit_code(const struct check *c)
{
	return c->check_errors ? FAILED : c->corruptions ? CORRUPT :
	    c->leaks ? LEAKS : CLEAN;
}

struct job {
	const char *name;
	unsigned fix;
	bool json, quiet;
};

/* With repairs: what is left is found by looking again. */
static int check(const struct cli *cli, const struct job *job,
    struct image *image)
{
	struct check c = { .fix = job->fix, .say = say };
	struct error err;

	if (!image->format->check) {
		cli_error(cli, "This image format does not support checks");
		return NO_CHECK;
	}
	if (image->format->check(image, &c, &err) < 0)
		goto failed;
	if (c.corruptions_fixed || c.leaks_fixed) {
		const struct check first = c;

		if (!job->json && !job->quiet)
			printf("The following inconsistencies were found and "
			    "repaired:\n\n    %" PRIu64 " leaked clusters\n"
			    "    %" PRIu64 " corruptions\n\n"
			    "Double checking the fixed image now...\n",
			    c.leaks_fixed, c.corruptions_fixed);
		fflush(stdout);
		c = (struct check){ .say = say };
		if (image->format->check(image, &c, &err) < 0)
			goto failed;
		c.leaks_fixed = first.leaks_fixed;
		c.corruptions_fixed = first.corruptions_fixed;
	}
	if (job->json)
		show_json(job->name, image, &c);
	else if (!job->quiet)
		show_text(&c);
	return exit_code(&c);
failed:
	if (cli->peer)
		cli_error(cli, "Check failed: %s", strerror(err.code));
	else
		cli_error(cli, "%s: check failed: %s", job->name, err.text);
	return FAILED;
}

static int run(struct cli *cli)
{
	struct open_args args = { .no_backing = true, .for_check = true };
	struct job job = { 0 };
	struct image *image;
	bool image_opts = false;
	int id, code;

	while ((id = cli_next(cli)) != -1)
		switch (id) {
		case 'f':
			args.format = cli->value;
			break;
		case 256:
			image_opts = true;
			break;
		case 'r':
			if (!strcmp(cli->value, "leaks"))
				job.fix = CHECK_FIX_LEAKS;
			else if (!strcmp(cli->value, "all"))
				job.fix = CHECK_FIX_LEAKS | CHECK_FIX_ERRORS;
			else
				return cli_usage(cli, "Unknown option value "
				    "for -r (expecting 'leaks' or 'all'): %s",
				    cli->value);
			args.writable = true;
			break;
		case 'T':
			if (!job_source_cache(cli, cli->value, &args))
				return FAILED;
			break;
		case 257:
			if (!cli_output(cli, cli->value, &job.json))
				return FAILED;
			break;
		case 'U':
			args.share = true;
			break;
		case 'q':
			job.quiet = true;
			break;
		}
	if (cli->argc != 1)
		return cli_usage(cli, "Expecting one image file name");
	job.name = cli->argv[0];
	if (args.share && args.writable) {
		cli_open_error(cli, job.name, &(struct error){ EINVAL,
		    "force-share=on can only be used with read-only images" });
		return FAILED;
	}
	image = cli_open(cli, job.name, image_opts, &args);
	if (!image)
		return FAILED;
	code = check(cli, &job, image);
	return cli_close(cli, image) ? code : FAILED;
}

const struct cli_command cmd_check = {
	.name = "check",
	.operands = "FILE",
	.summary = "look for errors in an image's tables, and repair them",
	.options = options,
	.run = run,
};
