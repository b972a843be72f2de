/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * job.h - what the commands that copy share: common options, and a target
 * that does not outlive a failure
 */
#ifndef JOB_H
#define JOB_H

#include "cli/cli.h"

/* -p and --progress[=MODE]: cli->value is the mode or NULL. */
bool job_progress(const struct cli *, enum progress_mode *);
/* What to show when neither -p nor --progress was given. */
enum progress_mode job_progress_default(const struct cli *);
/* -T: as cli_cache_mode(), for the source. */
bool job_source_cache(const struct cli *, const char *text,
    struct open_args *);
/* Adds the words of one -o; prints what is wrong. */
bool job_options(const struct cli *, const char *text, struct opts *);

/* A target that is made for the job, and what has to go when the job fails. */
struct job_target {
	const struct cli *cli;
	const char *name;
	struct image *image;
	char *data_file;	/* external, or NULL */
	unsigned made;		/* which of them: see image_create_args */
	bool created;
	bool writing;		/* set by the caller: from here on a failure
				 * leaves something half done */
};

/* Is the target, by its name or that of its data file, among the files of the
 * source?  Says so.  create may be NULL. */
bool job_clash(const struct cli *, struct image *source, const char *name,
    const struct image_create_args *create);
/* Creates the image, incomplete, and opens it.  doing is what the peer says
 * it was at when creation fails: "error while converting raw".  False: said
 * why, nothing is left. */
bool job_create(struct job_target *, const struct cli *,
    struct image_create_args *, struct open_args *, const char *doing);
/* Opens one that is there. */
bool job_open(struct job_target *, const struct cli *, const char *name,
    bool image_opts, struct open_args *);
/* The job is done: finishes, flushes, closes.  False: said why, and nothing
 * that looks finished is left. */
bool job_finish(struct job_target *);
/* The job has failed: closes, takes away what was created, prints one line:
 * the text and what is left.  After a signal the text is "interrupted". */
void job_fail(struct job_target *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
