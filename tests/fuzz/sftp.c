/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sftp.c - any bytes as what an SFTP server says
 *
 * The input is all that the server ever sends, from its version on; then it is
 * gone.  Every call ends, with an answer or an error, and writes nowhere but
 * where it was asked to.
 */
#include <stdlib.h>
#include <string.h>

#include "modules/ssh/sftp3.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct script {
	struct sftp3_stream io;
	const uint8_t *data;
	size_t size;
};

static void restart(struct sftp3_stream *io) {}

static int swallow(struct sftp3_stream *io, const void *buf, size_t n,
    struct error *err)
{
	return 0;
}

static int give(struct sftp3_stream *io, void *buf, size_t n,
    struct error *err)
{
	struct script *s = (struct script *)io;

	if (n > s->size)
		return error_set(err, EIO, "gone");
	memcpy(buf, s->data, n);
	s->data += n;
	s->size -= n;
	return 0;
}

static void use(struct sftp3 *s, struct error *err)
{
	enum { A = 100, B = 34000 };
	struct iovec iov[2] = { { malloc(A), A }, { malloc(B), B } };
	struct sftp3_handle h;
	struct sftp3_attrs attrs;

	if (!iov[0].iov_base || !iov[1].iov_base)
		abort();
	memset(iov[0].iov_base, 1, A);
	memset(iov[1].iov_base, 1, B);
	if (sftp3_open(s, "/x", SFTP3_READ, &h, err))
		goto out;
	for (int i = 0; i < 2 && !s->broken; i++) {
		sftp3_fstat(s, &h, &attrs, err);
		if (!s->broken)
			sftp3_submit(s, &h, &(struct store_req){ false, iov, 2,
			    1000, 0 }, 1, err);
		if (!s->broken)
			sftp3_submit(s, &h, &(struct store_req){ true, iov, 2,
			    1000, 0 }, 1, err);
		if (!s->broken)
			sftp3_fsync(s, &h, err);
		if (!s->broken)
			sftp3_set_size(s, &h, 4096, err);
	}
	if (!s->broken)
		sftp3_close(s, &h, err);
out:
	free(iov[0].iov_base);
	free(iov[1].iov_base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = { { restart, give, swallow }, data, size };
	struct sftp3 *s = malloc(sizeof(*s));
	struct error err = { 0 };

	if (!s)
		abort();
	if (!sftp3_begin(s, &script.io, &err))
		use(s, &err);
	if (err.code && (!err.text[0] || strchr(err.text, '\n')))
		abort();
	free(s);
	return 0;
}
