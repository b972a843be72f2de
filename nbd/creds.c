/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * creds.c - TLS credentials: files of one folder, named as the peers name them
 *
 *	x509	ca-cert.pem, ca-crl.pem (optional), dh-params.pem (optional),
 *		server-cert.pem, server-key.pem; client-cert.pem, client-key.pem
 *		(optional)
 *	psk	keys.psk: lines "user:hexadecimal key"
 *	anon	dh-params.pem (optional); nobody knows who the other is
 *
 * All is read, and certificates are looked at, before anybody may connect: one
 * that has expired is told here, not to clients.  TLS 1.2 and 1.3 are spoken
 * and nothing older, whatever priority= says.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/opts.h"
#include "tls.h"

struct opts *object_opts(const struct opts *objects, const char *id,
    struct error *err)
{
	const size_t n = strlen(id);
	const char *key, *value;
	struct opts *o = opts_new();
	bool any = false;
	int rc = 0;

	if (!o)
		error_errno(err, ENOMEM, "object");
	for (unsigned i = 0; o && !rc && objects &&
	    opts_at(objects, i, &key, &value); i++) {
		if (strncmp(key, id, n) || key[n] != '.' || !value)
			continue;
		rc = opts_set(o, key + n + 1, value, err);
		any = true;
	}
	if (o && !rc && any)
		return o;
	if (o && !rc)
		error_set(err, ENOENT, "No object with id '%s'", id);
	opts_free(o);
	return NULL;
}

#ifdef HAVE_GNUTLS
#include <gnutls/x509.h>

static int failed(struct error *err, int rc, const char *what)
{
	return error_set(err, rc == GNUTLS_E_MEMORY_ERROR ? ENOMEM : EINVAL,
	    "%s: %s", what, gnutls_strerror(rc));
}

/* ---- files */

/* The path of a file; NULL with err: it is needed and cannot be read, or there
 * is no memory.  NULL without: it need not be there, and is not. */
static char *find(const char *dir, const char *name, bool needed,
    struct error *err)
{
	char *path;

	err->code = 0;
	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		error_errno(err, ENOMEM, "credentials");
		return NULL;
	}
	if (!access(path, R_OK))
		return path;
	if (needed || errno != ENOENT)
		error_errno(err, errno, "Unable to access credentials %s",
		    path);
	free(path);
	return NULL;
}

/* All of a file of a few KiB at most; gnutls_free() it. */
static int slurp(const char *path, gnutls_datum_t *data, struct error *err)
{
	const int rc = gnutls_load_file(path, data);

	return rc < 0 ? error_set(err, EINVAL,
	    "Unable to load credentials %s: %s", path, gnutls_strerror(rc)) :
	    0;
}

/* ---- looking at certificates (sanity-check=on) */

static int check_times(gnutls_x509_crt_t cert, const char *path,
    struct error *err)
{
	const time_t now = time(NULL);

	if (gnutls_x509_crt_get_expiration_time(cert) < now)
		return error_set(err, EINVAL,
		    "The certificate %s has expired", path);
	if (gnutls_x509_crt_get_activation_time(cert) > now)
		return error_set(err, EINVAL,
		    "The certificate %s is not yet active", path);
	return 0;
}

/* May it do what it is for?  A certificate that says nothing may. */
static int check_use(gnutls_x509_crt_t cert, const char *path, bool ca,
    bool server, struct error *err)
{
	const char *purpose = server ? GNUTLS_KP_TLS_WWW_SERVER :
	    GNUTLS_KP_TLS_WWW_CLIENT, *end = server ? "server" : "client";
	unsigned critical, is_ca = 0, usage = 0, i = 0;
	char oid[128];
	size_t n = sizeof(oid);
	int rc;

	rc = gnutls_x509_crt_get_basic_constraints(cert, &critical, &is_ca,
	    NULL);
	if (ca && (rc < 0 || !is_ca))
		return error_set(err, EINVAL, "The certificate %s basic "
		    "constraints do not show a CA", path);
	if (!ca && rc >= 0 && is_ca)
		return error_set(err, EINVAL, "The certificate %s basic "
		    "constraints show a CA, but we need one for a %s", path,
		    end);
	if (ca && gnutls_x509_crt_get_key_usage(cert, &usage, &critical) >= 0 &&
	    !(usage & GNUTLS_KEY_KEY_CERT_SIGN))
		return error_set(err, EINVAL, "Certificate %s usage does not "
		    "permit certificate signing", path);
	if (ca)
		return 0;
	while ((rc = gnutls_x509_crt_get_key_purpose_oid(cert, i, oid, &n,
	    &critical)) >= 0) {
		if (!strcmp(oid, purpose) || !strcmp(oid, GNUTLS_KP_ANY))
			return 0;
		n = sizeof(oid);
		i++;
	}
	return i ? error_set(err, EINVAL, "Certificate %s purpose does not "
	    "allow use with a TLS %s", path, end) : 0;
}

static void free_certs(gnutls_x509_crt_t *certs, unsigned n)
{
	while (n)
		gnutls_x509_crt_deinit(certs[--n]);
	gnutls_free(certs);
}

static int load_certs(const char *path, gnutls_x509_crt_t **certs,
    unsigned *n, struct error *err)
{
	gnutls_datum_t data;
	int rc;

	if (slurp(path, &data, err))
		return -err->code;
	rc = gnutls_x509_crt_list_import2(certs, n, &data,
	    GNUTLS_X509_FMT_PEM, 0);
	gnutls_free(data.data);
	return rc < 0 ? error_set(err, EINVAL,
	    "Unable to import certificate %s: %s", path, gnutls_strerror(rc)) :
	    0;
}

static int check_certs(const char *ca_path, const char *path, bool server,
    struct error *err)
{
	gnutls_x509_crt_t *cas = NULL, *certs = NULL;
	unsigned ca_count = 0, count = 0, status = 0;
	int rc = load_certs(ca_path, &cas, &ca_count, err);

	if (!rc && path)
		rc = load_certs(path, &certs, &count, err);
	for (unsigned i = 0; !rc && i < ca_count; i++)
		if (!(rc = check_times(cas[i], ca_path, err)))
			rc = check_use(cas[i], ca_path, true, false, err);
	for (unsigned i = 0; !rc && i < count; i++)
		rc = check_times(certs[i], path, err);
	if (!rc && count)
		rc = check_use(certs[0], path, false, server, err);
	if (!rc && count) {
		rc = gnutls_x509_crt_list_verify(certs, (int)count, cas,
		    (int)ca_count, NULL, 0, 0, &status);
		if (rc < 0)
			failed(err, rc, "Unable to verify certificate");
		else if (status)
			rc = error_set(err, EINVAL, "Our own certificate %s "
			    "failed validation against %s: %s", path, ca_path,
			    status & GNUTLS_CERT_SIGNER_NOT_FOUND ?
			    "The certificate hasn't got a known issuer" :
			    status & GNUTLS_CERT_INSECURE_ALGORITHM ?
			    "The certificate uses an insecure algorithm" :
			    "The certificate is not trusted");
	}
	free_certs(cas, ca_count);
	free_certs(certs, count);
	return rc < 0 ? -err->code : 0;
}

/* ---- x509 */

static int load_dh(struct tls *t, const char *dir, struct error *err)
{
	AUTO_FREE char *path = find(dir, "dh-params.pem", false, err);
	gnutls_datum_t data;
	int rc;

	if (!path)
		return -err->code;
	if (slurp(path, &data, err))
		return -err->code;
	rc = gnutls_dh_params_init(&t->dh);
	if (rc >= 0)
		rc = gnutls_dh_params_import_pkcs3(t->dh, &data,
		    GNUTLS_X509_FMT_PEM);
	gnutls_free(data.data);
	return rc < 0 ? error_set(err, EINVAL,
	    "Unable to load DH parameters from %s: %s", path,
	    gnutls_strerror(rc)) : 0;
}

static const char *password(const struct opts *objects, struct opts *o,
    struct error *err)
{
	const char *id = opts_take(o, "passwordid"), *data;
	char key[256];

	err->code = 0;
	if (!id)
		return NULL;
	snprintf(key, sizeof(key), "%s.data", id);
	data = objects ? opts_get(objects, key) : NULL;
	if (!data)
		error_set(err, ENOENT, "No secret with id '%s'", id);
	return data;
}

static int load_key(struct tls *t, const char *cert, const char *key,
    const char *pass, struct error *err)
{
	const int rc = gnutls_certificate_set_x509_key_file2(t->x509, cert,
	    key, GNUTLS_X509_FMT_PEM, pass, 0);

	return rc < 0 ? error_set(err, EINVAL, "Cannot load certificate '%s' "
	    "& key '%s': %s", cert, key, gnutls_strerror(rc)) : 0;
}

static int load_x509(struct tls *t, const struct opts *objects,
    struct opts *o, const char *dir, struct error *err)
{
	AUTO_FREE char *ca = NULL, *crl = NULL, *cert = NULL, *key = NULL;
	const char *pass;
	bool sane = true;
	int rc;

	t->verify = true;
	if ((rc = opts_take_bool(o, "verify-peer", &t->verify, err)) ||
	    (rc = opts_take_bool(o, "sanity-check", &sane, err)))
		return rc;
	pass = password(objects, o, err);
	if (err->code || !(ca = find(dir, "ca-cert.pem", true, err)))
		return -err->code;
	crl = find(dir, "ca-crl.pem", false, err);
	if (err->code)
		return -err->code;
	cert = find(dir, t->server ? "server-cert.pem" : "client-cert.pem",
	    t->server, err);
	if (err->code)
		return -err->code;
	if (cert && !(key = find(dir, t->server ? "server-key.pem" :
	    "client-key.pem", true, err)))
		return -err->code;
	if (sane && check_certs(ca, cert, t->server, err) < 0)
		return -err->code;
	rc = gnutls_certificate_allocate_credentials(&t->x509);
	if (rc < 0)
		return failed(err, rc, "Cannot allocate credentials");
	rc = gnutls_certificate_set_x509_trust_file(t->x509, ca,
	    GNUTLS_X509_FMT_PEM);
	if (rc < 0)
		return error_set(err, EINVAL, "Cannot load CA certificate "
		    "'%s': %s", ca, gnutls_strerror(rc));
	if (crl && (rc = gnutls_certificate_set_x509_crl_file(t->x509, crl,
	    GNUTLS_X509_FMT_PEM)) < 0)
		return error_set(err, EINVAL, "Cannot load CRL '%s': %s", crl,
		    gnutls_strerror(rc));
	if (cert && load_key(t, cert, key, pass, err) < 0)
		return -err->code;
	if (t->server && load_dh(t, dir, err) < 0)
		return -err->code;
	if (t->dh)
		gnutls_certificate_set_dh_params(t->x509, t->dh);
	else if (t->server)
		gnutls_certificate_set_known_dh_params(t->x509,
		    GNUTLS_SEC_PARAM_MEDIUM);
	return 0;
}

/* ---- psk, anon */

/* The key of one user in a file of "user:key" lines. */
static int find_key(const char *path, const char *user, gnutls_datum_t *key,
    struct error *err)
{
	const size_t n = strlen(user);
	FILE *f = fopen(path, "re");
	char line[1024];

	key->data = NULL;
	if (!f)
		return error_errno(err, errno,
		    "Unable to access credentials %s", path);
	while (!key->data && fgets(line, sizeof(line), f))
		if (!strncmp(line, user, n) && line[n] == ':') {
			line[strcspn(line, "\r\n")] = '\0';
			key->data = (unsigned char *)strdup(line + n + 1);
		}
	fclose(f);
	explicit_bzero(line, sizeof(line));
	if (!key->data)
		return error_set(err, ENOENT,
		    "Username %s not found in key file %s", user, path);
	key->size = (unsigned)strlen((char *)key->data);
	return 0;
}

static int load_psk_client(struct tls *t, const char *path, const char *user,
    struct error *err)
{
	gnutls_datum_t key;
	int rc = find_key(path, user, &key, err);

	if (rc)
		return rc;
	rc = gnutls_psk_allocate_client_credentials(&t->psk_client);
	if (rc >= 0)
		rc = gnutls_psk_set_client_credentials(t->psk_client, user,
		    &key, GNUTLS_PSK_KEY_HEX);
	explicit_bzero(key.data, key.size);
	free(key.data);
	return rc < 0 ? failed(err, rc, "Cannot set client credentials") : 0;
}

static int load_psk(struct tls *t, struct opts *o, const char *dir,
    struct error *err)
{
	AUTO_FREE char *path = find(dir, "keys.psk", true, err);
	const char *user = opts_take(o, "username");
	int rc;

	if (!path)
		return -err->code;
	if (!t->server)
		return load_psk_client(t, path, user ? user : "qemu", err);
	if (user)
		return error_set(err, EINVAL, "username should not be set "
		    "when endpoint=server");
	if (load_dh(t, dir, err) < 0)
		return -err->code;
	rc = gnutls_psk_allocate_server_credentials(&t->psk_server);
	if (rc >= 0)
		rc = gnutls_psk_set_server_credentials_file(t->psk_server,
		    path);
	if (rc < 0)
		return failed(err, rc, "Cannot set server credentials");
	if (t->dh)
		gnutls_psk_set_server_dh_params(t->psk_server, t->dh);
	else
		gnutls_psk_set_server_known_dh_params(t->psk_server,
		    GNUTLS_SEC_PARAM_MEDIUM);
	return 0;
}

static int load_anon(struct tls *t, const char *dir, struct error *err)
{
	int rc;

	if (!t->server) {
		rc = gnutls_anon_allocate_client_credentials(&t->anon_client);
		return rc < 0 ? failed(err, rc, "Cannot allocate credentials")
		    : 0;
	}
	if (dir && load_dh(t, dir, err) < 0)
		return -err->code;
	rc = gnutls_anon_allocate_server_credentials(&t->anon_server);
	if (rc < 0)
		return failed(err, rc, "Cannot allocate credentials");
	if (t->dh)
		gnutls_anon_set_server_dh_params(t->anon_server, t->dh);
	else
		gnutls_anon_set_server_known_dh_params(t->anon_server,
		    GNUTLS_SEC_PARAM_MEDIUM);
	return 0;
}

/* ---- all of it */

/*
 * GnuTLS has no anonymous key exchange in TLS 1.3.  With a key, where 256 bits
 * do not go, it would take ChaCha20 before AES-128, at a fifth of the speed of
 * processors that know AES; hence ChaCha20 last, and the server's order.
 */
static int load_priority(struct tls *t, const char *wanted, struct error *err)
{
	static const char *const more[] = {
		[CREDS_X509] = "",
		[CREDS_PSK] = ":+ECDHE-PSK:+DHE-PSK:+PSK",
		[CREDS_ANON] = ":+ANON-ECDH:+ANON-DH",
	};
	AUTO_FREE char *text = NULL;
	const char *at;
	int rc;

	if (asprintf(&text, "%s%s:-VERS-SSL3.0:-VERS-TLS1.0:-VERS-TLS1.1:"
	    "-VERS-DTLS-ALL%s", wanted ? wanted : "NORMAL", more[t->kind],
	    wanted ? "" : ":-CHACHA20-POLY1305:+CHACHA20-POLY1305:"
	    "%SERVER_PRECEDENCE") < 0) {
		text = NULL;
		return error_errno(err, ENOMEM, "credentials");
	}
	rc = gnutls_priority_init(&t->priority, text, &at);
	return rc < 0 ? error_set(err, EINVAL, "Unable to set TLS session "
	    "priority %s: %s", wanted ? wanted : "NORMAL",
	    gnutls_strerror(rc)) : 0;
}

static int load(struct tls *t, const struct opts *objects, const char *id,
    struct opts *o, struct error *err)
{
	static const char *const types[] = { "tls-creds-x509",
	    "tls-creds-psk", "tls-creds-anon", NULL };
	static const char *const ends[] = { "client", "server", NULL };
	const char *type = opts_take(o, "qom-type"), *dir;
	unsigned kind = 0, end = 0;
	int rc;

	while (types[kind] && (!type || strcmp(type, types[kind])))
		kind++;
	if (!types[kind])
		return error_set(err, EINVAL, "Failed to get TLS creds: "
		    "Object with id '%s' is not TLS credentials", id);
	t->kind = (enum creds_kind)kind;
	if ((rc = opts_take_enum(o, "endpoint", ends, &end, err)))
		return rc;
	if (end != t->server)
		return error_set(err, EINVAL, "Failed to get TLS creds: "
		    "Expected TLS credentials for a %s endpoint",
		    ends[t->server]);
	dir = opts_take(o, "dir");
	if (!dir && t->kind != CREDS_ANON)
		return error_set(err, EINVAL, "Missing 'dir' property value");
	rc = load_priority(t, opts_take(o, "priority"), err);
	if (rc)
		return rc;
	switch (t->kind) {
	case CREDS_X509:
		return load_x509(t, objects, o, dir, err);
	case CREDS_PSK:
		return load_psk(t, o, dir, err);
	case CREDS_ANON:
		return load_anon(t, dir, err);
	}
	return 0;
}

struct tls *creds_load(const struct opts *objects, const char *id,
    bool server, struct error *err)
{
	struct opts *o = object_opts(objects, id, err);
	struct tls *t = NULL;

	if (!o) {
		if (err->code == ENOENT)
			error_set(err, ENOENT, "Failed to get TLS creds: "
			    "No TLS credentials with id '%s'", id);
		return NULL;
	}
	t = calloc(1, sizeof(*t));
	if (!t) {
		error_errno(err, ENOMEM, "credentials");
	} else {
		t->server = server;
		if (load(t, objects, id, o, err) < 0) {
			tls_free(t);
			t = NULL;
		}
	}
	opts_free(o);
	return t;
}
#endif
