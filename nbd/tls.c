/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tls.c - credentials, STARTTLS, who may come in */
#include "tool.h"

static int missing(struct error *err)
{
	return error_set(err, ENOTSUP, "this build has no TLS (GnuTLS)");
}

struct tls *tls_new(const struct opts *objects, const char *id,
    const char *authz, struct error *err)
{
	missing(err);
	return NULL;
}

struct tls *tls_new_client(const struct opts *objects, const char *id,
    struct error *err)
{
	missing(err);
	return NULL;
}

void tls_free(struct tls *t)
{
}

int tls_accept(struct tls *t, struct conn *c, struct error *err)
{
	return missing(err);
}

int tls_connect(struct tls *t, struct conn *c, const char *hostname,
    struct error *err)
{
	return missing(err);
}

ssize_t tls_recv(struct conn *c, void *buf, size_t len)
{
	return -ENOTSUP;
}

ssize_t tls_send(struct conn *c, const void *buf, size_t len)
{
	return -ENOTSUP;
}

void tls_end(struct conn *c)
{
}
