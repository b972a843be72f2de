/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rbd.h - an open image, for the files of this module */
#ifndef MODULES_RBD_RBD_H
#define MODULES_RBD_RBD_H

#include <pthread.h>

#include "modules/rbd/cluster.h"

struct run { uint64_t off, end; };	/* of data */

/* What was last found out about holes. */
struct window {
	pthread_mutex_t lock;		/* guards the rest; last of all */
	uint64_t off, end;		/* what runs[] is about; empty: none */
	uint64_t writes, made_ms;	/* when it was asked for */
	struct run *runs;		/* in order, with holes between */
	size_t n;
};

struct rbd {
	struct rbd_cluster cluster;
	rbd_image_t image;
	uint64_t object;		/* size of one */
	_Atomic int reason;		/* the errno, negative, of what is lost */
	pthread_rwlock_t size_lock;
	_Atomic uint64_t writes;	/* how many have begun or ended */
	struct window window;
};

/* Fills err for a request at off. */
int rbd_failed(struct store *, const char *doing, uint64_t off, int rc,
    struct error *);

/* The store's extent(): holes.c */
int rbd_extent(struct store *, uint64_t off, uint64_t len, bool *data,
    uint64_t *run, struct error *);

#endif
