/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tls.c - TLS on one connection, and who may come in by it
 *
 * A session's calls into GnuTLS run under its lock and never block: what there
 * is to wait for is waited for outside of it.  So one thread may send while
 * another receives, also when a record makes the library answer by itself
 * (TLS 1.3 key updates).
 */
#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "tls.h"

#ifdef HAVE_GNUTLS
#include <gnutls/x509.h>

enum { NAME_BYTES = 1024, WARNINGS_LIMIT = 16 };

struct session {
	gnutls_session_t tls;
	pthread_mutex_t lock;	/* guards tls; nothing is taken under it */
};

/* ---- the socket below */

static ssize_t pull(gnutls_transport_ptr_t conn, void *buf, size_t len)
{
	return recv(((struct conn *)conn)->fd, buf, len, MSG_DONTWAIT);
}

static ssize_t push(gnutls_transport_ptr_t conn, const void *buf, size_t len)
{
	return send(((struct conn *)conn)->fd, buf, len,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t pushv(gnutls_transport_ptr_t conn, const giovec_t *iov, int n)
{
	const struct msghdr msg = { .msg_iov = (struct iovec *)iov,
	    .msg_iovlen = (size_t)n };

	return sendmsg(((struct conn *)conn)->fd, &msg,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- the handshake */

static int set_credentials(const struct tls *t, gnutls_session_t s)
{
	switch (t->kind) {
	case CREDS_X509:
		return gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE,
		    t->x509);
	case CREDS_PSK:
		return t->server ?
		    gnutls_credentials_set(s, GNUTLS_CRD_PSK, t->psk_server) :
		    gnutls_credentials_set(s, GNUTLS_CRD_PSK, t->psk_client);
	case CREDS_ANON:
		return t->server ?
		    gnutls_credentials_set(s, GNUTLS_CRD_ANON,
		    t->anon_server) :
		    gnutls_credentials_set(s, GNUTLS_CRD_ANON,
		    t->anon_client);
	}
	return GNUTLS_E_INVALID_REQUEST;
}

/* The other end's certificate is verified inside the handshake, so that it
 * hears of it by an alert. */
static void set_verification(const struct tls *t, gnutls_session_t s,
    const char *hostname)
{
	gnutls_typed_vdata_st about[] = {
		{ .type = GNUTLS_DT_KEY_PURPOSE_OID, .data =
		    (unsigned char *)(t->server ? GNUTLS_KP_TLS_WWW_CLIENT :
		    GNUTLS_KP_TLS_WWW_SERVER) },
		{ .type = GNUTLS_DT_DNS_HOSTNAME,
		    .data = (unsigned char *)hostname },
	};

	if (t->kind != CREDS_X509)
		return;
	if (t->server && t->verify)
		gnutls_certificate_server_set_request(s, GNUTLS_CERT_REQUIRE);
	if (t->server && !t->verify)
		return;
	gnutls_session_set_verify_cert2(s, about, hostname ? 2 : 1, 0);
}

static int failed(struct error *err, int rc, gnutls_session_t s)
{
	gnutls_datum_t text = { NULL, 0 };

	if (rc == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return error_set(err, EPROTO, "TLS handshake failed: %s %s",
		    gnutls_strerror(rc),
		    gnutls_alert_get_name(gnutls_alert_get(s)));
	if (rc != GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR ||
	    gnutls_certificate_verification_status_print(
	    gnutls_session_get_verify_cert_status(s), GNUTLS_CRT_X509, &text,
	    0) < 0)
		return error_set(err, EPROTO, "TLS handshake failed: %s",
		    gnutls_strerror(rc));
	/* Its sentences end with ". ". */
	while (text.size && strchr(" .", text.data[text.size - 1]))
		text.size--;
	error_set(err, EPROTO, "TLS handshake failed: %.*s", (int)text.size,
	    text.data);
	gnutls_free(text.data);
	return -EPROTO;
}

static int handshake(struct conn *c, struct session *s, struct error *err)
{
	unsigned warnings = 0;
	int rc, waited;

	for (;;) {
		rc = gnutls_handshake(s->tls);
		if (rc == GNUTLS_E_SUCCESS)
			return 0;
		if (rc == GNUTLS_E_AGAIN) {
			waited = conn_wait(c, gnutls_record_get_direction(
			    s->tls) ? POLLOUT : POLLIN);
			if (waited < 0)
				return error_errno(err, -waited,
				    "TLS handshake failed");
		} else if (rc == GNUTLS_E_WARNING_ALERT_RECEIVED &&
		    ++warnings > WARNINGS_LIMIT) {
			return error_set(err, EPROTO,
			    "TLS handshake failed: too many warnings");
		} else if (gnutls_error_is_fatal(rc)) {
			gnutls_alert_send_appropriate(s->tls, rc);
			return failed(err, rc, s->tls);
		}
	}
}

/* ---- who it is */

static int name_of(const struct tls *t, gnutls_session_t s,
    char name[NAME_BYTES], struct error *err)
{
	const gnutls_datum_t *list;
	gnutls_x509_crt_t cert;
	size_t size = NAME_BYTES;
	unsigned n = 0;
	const char *user;
	int rc;

	if (t->kind == CREDS_PSK) {
		user = gnutls_psk_server_get_username(s);
		if (!user || strlen(user) >= NAME_BYTES)
			return error_set(err, EACCES, "client has no name");
		strcpy(name, user);
		return 0;
	}
	list = gnutls_certificate_get_peers(s, &n);
	if (!list || !n || gnutls_x509_crt_init(&cert) < 0)
		return error_set(err, EACCES, "client has no certificate");
	rc = gnutls_x509_crt_import(cert, &list[0], GNUTLS_X509_FMT_DER);
	if (rc >= 0)
		rc = gnutls_x509_crt_get_dn(cert, name, &size);
	gnutls_x509_crt_deinit(cert);
	return rc < 0 ? error_set(err, EACCES, "client's certificate: %s",
	    gnutls_strerror(rc)) : 0;
}

static int authorize(struct tls *t, struct session *s, struct error *err)
{
	char name[NAME_BYTES];

	if (!t->server || !t->authz)
		return 0;
	if (!name_of(t, s->tls, name, err) && !authz_check(t->authz, name,
	    err))
		return 0;
	gnutls_alert_send(s->tls, GNUTLS_AL_FATAL, GNUTLS_A_ACCESS_DENIED);
	return -err->code;
}

/* ---- one connection */

/* RFC 6066, section 3: server_name is no place for addresses. */
static bool is_address(const char *host)
{
	struct in6_addr any;

	return inet_pton(AF_INET, host, &any) == 1 ||
	    inet_pton(AF_INET6, host, &any) == 1;
}

static int begin(struct tls *t, struct conn *c, const char *hostname,
    struct error *err)
{
	struct session *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return error_errno(err, ENOMEM, "TLS");
	rc = gnutls_init(&s->tls, (t->server ? GNUTLS_SERVER : GNUTLS_CLIENT) |
	    GNUTLS_NO_TICKETS | GNUTLS_NONBLOCK);
	if (rc < 0) {
		free(s);
		return error_set(err, ENOMEM, "TLS: %s", gnutls_strerror(rc));
	}
	pthread_mutex_init(&s->lock, NULL);
	gnutls_transport_set_ptr(s->tls, c);
	gnutls_transport_set_pull_function(s->tls, pull);
	gnutls_transport_set_push_function(s->tls, push);
	gnutls_transport_set_vec_push_function(s->tls, pushv);
	gnutls_handshake_set_timeout(s->tls, GNUTLS_INDEFINITE_TIMEOUT);
	c->tls = s;
	rc = gnutls_priority_set(s->tls, t->priority);
	if (rc >= 0)
		rc = set_credentials(t, s->tls);
	if (rc >= 0 && hostname && !is_address(hostname))
		rc = gnutls_server_name_set(s->tls, GNUTLS_NAME_DNS, hostname,
		    strlen(hostname));
	if (rc < 0) {
		error_set(err, EINVAL, "TLS: %s", gnutls_strerror(rc));
	} else {
		set_verification(t, s->tls, hostname);
		rc = handshake(c, s, err);
		if (!rc)
			rc = authorize(t, s, err);
		if (!rc)
			return 0;
	}
	gnutls_deinit(s->tls);
	pthread_mutex_destroy(&s->lock);
	free(s);
	c->tls = NULL;
	return -err->code;
}

int tls_accept(struct tls *t, struct conn *c, struct error *err)
{
	return begin(t, c, NULL, err);
}

int tls_connect(struct tls *t, struct conn *c, const char *hostname,
    struct error *err)
{
	if (t->kind == CREDS_X509 && !hostname)
		return error_set(err, EINVAL,
		    "No hostname for certificate validation");
	return begin(t, c, hostname, err);
}

/* What a call has returned, as -errno; 0: try again.  Renegotiation, which
 * nobody needs, is among the errors. */
static int trouble(const struct conn *c, ssize_t n, short events)
{
	if (n == GNUTLS_E_AGAIN)
		return conn_wait(c, events);
	if (n == GNUTLS_E_INTERRUPTED)
		return 0;
	/* With TLS 1.3 a client hears so late that it may not come in. */
	if (n == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return -EACCES;
	return n == GNUTLS_E_PUSH_ERROR || n == GNUTLS_E_PULL_ERROR ?
	    -ECONNRESET : -EPROTO;
}

ssize_t tls_recv(struct conn *c, void *buf, size_t len)
{
	struct session *s = c->tls;
	ssize_t n;
	int rc;

	for (;;) {
		pthread_mutex_lock(&s->lock);
		n = gnutls_record_recv(s->tls, buf, len);
		pthread_mutex_unlock(&s->lock);
		if (n >= 0)
			return n;
		if (n == GNUTLS_E_PREMATURE_TERMINATION)
			return 0;
		rc = trouble(c, n, POLLIN);
		if (rc < 0)
			return rc;
	}
}

ssize_t tls_send(struct conn *c, const void *buf, size_t len)
{
	struct session *s = c->tls;
	ssize_t n;
	int rc;

	for (;;) {
		pthread_mutex_lock(&s->lock);
		n = gnutls_record_send(s->tls, buf, len);
		pthread_mutex_unlock(&s->lock);
		if (n >= 0)
			return n;
		rc = trouble(c, n, POLLOUT);
		if (rc < 0)
			return rc;
	}
}

void tls_end(struct conn *c)
{
	struct session *s = c->tls;

	if (!s)
		return;
	/* One try: who does not read need not be told. */
	gnutls_bye(s->tls, GNUTLS_SHUT_WR);
	gnutls_deinit(s->tls);
	pthread_mutex_destroy(&s->lock);
	free(s);
	c->tls = NULL;
}

/* ---- credentials */

struct tls *tls_new(const struct opts *objects, const char *id,
    const char *authz, struct error *err)
{
	struct tls *t = creds_load(objects, id, true, err);

	if (!t || !authz)
		return t;
	if (t->kind == CREDS_ANON || (t->kind == CREDS_X509 && !t->verify))
		error_set(err, EINVAL, "--tls-authz needs to know who clients "
		    "are: with %s they need not show it",
		    t->kind == CREDS_ANON ? "tls-creds-anon" :
		    "verify-peer=off");
	else
		t->authz = authz_new(objects, authz, err);
	if (t->authz)
		return t;
	tls_free(t);
	return NULL;
}

struct tls *tls_new_client(const struct opts *objects, const char *id,
    struct error *err)
{
	return creds_load(objects, id, false, err);
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	if (t->x509)
		gnutls_certificate_free_credentials(t->x509);
	if (t->psk_server)
		gnutls_psk_free_server_credentials(t->psk_server);
	if (t->psk_client)
		gnutls_psk_free_client_credentials(t->psk_client);
	if (t->anon_server)
		gnutls_anon_free_server_credentials(t->anon_server);
	if (t->anon_client)
		gnutls_anon_free_client_credentials(t->anon_client);
	if (t->priority)
		gnutls_priority_deinit(t->priority);
	if (t->dh)
		gnutls_dh_params_deinit(t->dh);
	authz_free(t->authz);
	free(t);
}

#else	/* nothing of this without GnuTLS */

static int missing(struct error *err)
{
	return error_set(err, ENOTSUP,
	    "this build cannot speak TLS: it was made without GnuTLS");
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
#endif
