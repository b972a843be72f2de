/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * direct.h - O_DIRECT for callers who align nothing (file.c's own)
 *
 * Functions return 0 or -errno; file.c knows the words.
 */
#ifndef STORE_DIRECT_H
#define STORE_DIRECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct direct;

/* For a file opened with O_DIRECT: finds out what alignment it wants.  rings:
 * batches go by io_uring.  NULL: no memory. */
struct direct *direct_new(int fd, bool rings);
void direct_free(struct direct *);

/* The smallest aligned request. */
uint32_t direct_align(const struct direct *);

/* All of iov, len bytes in sum; past the end zeros. */
int direct_preadv(struct direct *, int fd, const struct iovec *iov, int n,
    uint64_t off, uint64_t len);

/* The same.  "buffered" is the same file opened without O_DIRECT, "size" not
 * more than its size. */
int direct_pwritev(struct direct *, int fd, int buffered,
    const struct iovec *iov, int n, uint64_t off, uint64_t len,
    uint64_t size);

/* All of a batch, each with its own ret.  Aligned ones go to the kernel
 * together, where it has rings. */
struct store_req;
void direct_submit(struct direct *, int fd, int buffered,
    struct store_req *reqs, unsigned n, uint64_t size);

/*
 * A change by other means than direct_pwritev() of [off, end), such as
 * fallocate(), must not come between the reading and the writing of a sector
 * at its edge.  False, and nothing to let go, where its edges are aligned.
 */
struct direct_range {
	uint64_t off, end;
	struct direct_range *next;
};
bool direct_hold(struct direct *, struct direct_range *, uint64_t off,
    uint64_t end);
void direct_let_go(struct direct *, struct direct_range *);

#endif
