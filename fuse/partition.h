/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * partition.h - where the partitions of a disk are: GPT and MBR
 *
 * The tables were written by whoever had the disk: they may lie about
 * everything.  What comes out lies within the disk and is bounded in number;
 * partitions may still overlap, as they may for a kernel.
 */
#ifndef FUSE_PARTITION_H
#define FUSE_PARTITION_H

#include <stdint.h>

#include "base/error.h"

struct image;

/* No table has more of them here: a GPT may claim 2^32, and the chain of
 * logical partitions may be a ring. */
enum { PARTITIONS_MAX = 1024, LOGICAL_MAX = 256 };

struct partition {
	unsigned number;	/* from 1; logical ones from 5 */
	uint64_t off, len;	/* bytes, within the disk; len is never 0 */
};

/*
 * Fills at most PARTITIONS_MAX entries of list, by number; returns how many.
 * A disk without a table, or with one that is damaged, has none.  Negative:
 * the image could not be read.
 */
int partition_read(struct image *, struct partition *list, struct error *);

#endif
