/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* iov.h - memory in pieces (struct iovec) */
#ifndef BASE_IOV_H
#define BASE_IOV_H

#include <stdint.h>
#include <sys/uio.h>

/* Bytes of all pieces; UINT64_MAX, which no range check lets pass, where the
 * sum does not fit. */
uint64_t iov_total(const struct iovec *, int n);

/* Copies len bytes that begin "skip" bytes into the pieces, which have as many:
 * out of them, or into them (buf NULL: zeros). */
void iov_get(const struct iovec *, uint64_t skip, void *buf, uint64_t len);
void iov_put(const struct iovec *, uint64_t skip, const void *buf,
    uint64_t len);

#endif
