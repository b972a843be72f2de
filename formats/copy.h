/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * copy.h - one copier for everything that moves an image's contents
 *
 * Convert, commit and rebase are the same walk: map the source once, skip
 * what need not be copied, read and look for zeros (or compress) on several
 * threads, give out space in the target in guest order, write: in parallel,
 * unless the target is a file in the page cache, where the kernel lets in
 * one at a time.
 * Space is given in order, so the target's bytes are the same for any number
 * of threads, unless unordered is set.
 */
#ifndef COPY_H
#define COPY_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "codec.h"
#include "image.h"

struct copy_source {
	struct image *image;
	uint64_t off, len;	/* the piece of it */
	uint64_t dst;		/* goes to this offset of the target */
};

struct copy_args {
	const struct copy_source *sources;
	unsigned source_count;
	struct image *target;

	unsigned threads;	/* 0: one for each processor, 2 to 16 */
	bool unordered;		/* -W */
	bool pack;		/* -c */
	enum codec_level level;
	uint64_t sparse;	/* -S: zeros of at least so many bytes become
				 * holes; 0: write all */
	bool offload;		/* -C: copy_file_range where the extents allow */
	bool target_zero;	/* the target reads as zeros now */
	bool target_backing;	/* zeros must hide the target's backing image */
	/* Source layers from this depth on are left out: what only they hold
	 * is not copied (convert -B, commit: 1).  In a chain cut there
	 * (commit) holes at its end are what they held.  0: all. */
	unsigned below;
	bool salvage;		/* unreadable source clusters become zeros */
	uint64_t rate;		/* bytes a second, 0: no limit */

	/* Each NULL, or called by any thread: so much more is done; salvage:
	 * what was lost. */
	void (*progress)(void *arg, uint64_t bytes);
	void *progress_arg;
	void (*say)(void *arg, const char *line);
	void *say_arg;
	const volatile sig_atomic_t *stop;	/* becomes nonzero: EINTR */
};

/* *lost (if not NULL): guest bytes that salvage replaced by zeros. */
int copy_run(const struct copy_args *, uint64_t *lost, struct error *);

/* Do two images read the same?  What the longer one has more must be zeros.
 * Walks both maps, reads only where they can differ, on several threads. */
struct compare_args {
	struct image *a, *b;
	bool strict;		/* allocation must agree, too */
	unsigned threads;
	void (*progress)(void *arg, uint64_t bytes);
	void *progress_arg;
	const volatile sig_atomic_t *stop;
};
struct compare_result {
	uint64_t differ_at;	/* first difference, sector precise as the peer
				 * reports it; UINT64_MAX: none */
	bool allocation;	/* strict: it is the allocation that differs */
	int which;		/* on error: image 0 or 1, -1 unknown */
	bool mapping;		/* on error: it was the mapping that failed */
};
int compare_run(const struct compare_args *, struct compare_result *,
    struct error *);

#endif
