/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* iov.c - memory in pieces, measured and copied */
#include "base/iov.h"

#include <string.h>

#include "base/bytes.h"

uint64_t iov_total(const struct iovec *iov, int n)
{
	uint64_t sum = 0;

	while (n--)
		if (!add_ok(sum, (iov++)->iov_len, &sum))
			return UINT64_MAX;
	return sum;
}

/* The next piece of at most len bytes; skip becomes what is yet to be passed
 * over. */
static size_t next(const struct iovec **iov, uint64_t *skip, uint64_t len,
    uint8_t **at)
{
	size_t n;

	for (; *skip >= (*iov)->iov_len; ++*iov)
		*skip -= (*iov)->iov_len;
	*at = (uint8_t *)(*iov)->iov_base + *skip;
	n = (size_t)min64((*iov)->iov_len - *skip, len);
	*skip += n;
	return n;
}

void iov_get(const struct iovec *iov, uint64_t skip, void *buf, uint64_t len)
{
	uint8_t *to = buf, *at;

	for (size_t n; len; to += n, len -= n) {
		n = next(&iov, &skip, len, &at);
		memcpy(to, at, n);
	}
}

void iov_put(const struct iovec *iov, uint64_t skip, const void *buf,
    uint64_t len)
{
	const uint8_t *from = buf;
	uint8_t *at;

	for (size_t n; len; len -= n) {
		n = next(&iov, &skip, len, &at);
		if (!from) {
			memset(at, 0, n);
			continue;
		}
		memcpy(at, from, n);
		from += n;
	}
}
