/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * call.h - calls of librbd that end in time, or are left behind
 *
 * Ceph's own timeouts end the requests to an OSD, but not what librbd does on
 * top: it asks for the lock of an image, before the first write, for as long
 * as nobody answers, and flushing, resizing and closing wait behind that.
 *
 * So a call lives in memory of its own, with all it reads and writes.  Who
 * made it waits; when nothing is heard for as long as its patience lasts, it is
 * left behind, with its memory, its thread and the handles it uses, and its
 * cluster is lost: nothing more is begun there, and the handles are not closed,
 * which librbd would not survive.
 */
#ifndef MODULES_RBD_CALL_H
#define MODULES_RBD_CALL_H

#include <rbd/librbd.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct patience {
	uint64_t ms;		/* without news of a call */
	_Atomic bool lost;	/* one was left behind */
};

/* The first member of what call_new() makes. */
struct call {
	sem_t done;
	_Atomic uint64_t news_ms;	/* when it was begun, or got on */
	ssize_t (*fn)(struct call *);	/* of call_run() */
	rbd_completion_t completion;	/* of call_prepare() */
	ssize_t ret;
};

/* size bytes of zeros, and room for data behind them; NULL: no memory. */
void *call_new(size_t size, size_t data);
void call_free(struct call *);

/* For one of librbd's asynchronous requests: makes the completion it is to be
 * begun with; then what beginning it returned. */
int call_prepare(struct call *);
void call_begun(struct call *, int rc);

/* For all else: fn on a thread of its own.  fn touches nothing but the call
 * and librbd's handles. */
void call_run(struct call *, ssize_t (*fn)(struct call *));

/* There is progress.  A librbd_progress_fn_t, too; its last argument is the
 * call. */
int call_news(uint64_t done, uint64_t total, void *call);

/* Waits for one that was begun or run.  True: ret is its result, and it is the
 * caller's to free.  False: it was left behind, and is nobody's any more. */
bool call_wait(struct call *, struct patience *);

/* The same, and frees it; -ETIMEDOUT when it was left behind. */
ssize_t call_end(struct call *, struct patience *);

#endif
