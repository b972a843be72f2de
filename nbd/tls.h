/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tls.h - what tls.c, creds.c and authz.c share */
#ifndef NBD_TLS_H
#define NBD_TLS_H

#include "nbd.h"

/* The properties of the object --object made: "qom-type", "dir", ...  NULL
 * with err: there is none (ENOENT), or no memory. */
struct opts *object_opts(const struct opts *objects, const char *id,
    struct error *);

/* ---- authz.c: who may come in, by name */

struct authz;
struct authz *authz_new(const struct opts *objects, const char *id,
    struct error *);
void authz_free(struct authz *);		/* NULL is allowed */
/* 0: this name may.  Any thread. */
int authz_check(struct authz *, const char *name, struct error *);

/* ---- creds.c: what is known of the two ends before they talk */

#ifdef HAVE_GNUTLS
#include <gnutls/gnutls.h>

enum creds_kind { CREDS_X509, CREDS_PSK, CREDS_ANON };

struct tls {
	enum creds_kind kind;
	bool server;
	bool verify;			/* x509: clients must show one, too */
	gnutls_certificate_credentials_t x509;
	gnutls_psk_server_credentials_t psk_server;
	gnutls_psk_client_credentials_t psk_client;
	gnutls_anon_server_credentials_t anon_server;
	gnutls_anon_client_credentials_t anon_client;
	gnutls_priority_t priority;
	gnutls_dh_params_t dh;		/* of dh-params.pem, or NULL */
	struct authz *authz;		/* NULL: everybody who got so far */
};

struct tls *creds_load(const struct opts *objects, const char *id,
    bool server, struct error *);
#endif

#endif
