/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uring.h - many aligned requests to one O_DIRECT file at once (file.c's own) */
#ifndef STORE_URING_H
#define STORE_URING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct uring_op {
	bool write;
	const struct iovec *iov;
	int iovcnt;
	uint64_t off;
	int64_t ret;		/* bytes, as the system call would say; or -errno */
};

/* The rings of one open file: one for each batch that is under way, made as
 * they are needed.  NULL: no memory, or a build without liburing. */
struct uring;
struct uring *uring_new(void);
void uring_free(struct uring *);	/* NULL is allowed */

/* Does all n, returns when they are done.  -ENOSYS: this system gives no ring
 * (too old, or forbidden); nothing was done.  Any thread. */
int uring_run(struct uring *, int fd, struct uring_op *ops, unsigned n);

#endif
