/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * curl.c - a file on a web server, http: or https:, as a read-only store
 *
 * Names and keys are those of the peer.  How ranges are fetched is in
 * curl/wire.c, when and how much in curl/blocks.c.  The URL is kept without
 * the user name and password in it: no message shows them.
 */
#include <curl/curl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "base/names.h"
#include "modules/curl/curl.h"
#include "store/protocol.h"

enum {
	READAHEAD = 256 << 10,
	READAHEAD_MIN = 4 << 10,	/* what asks for less gets this, */
	READAHEAD_MAX = 4 << 20,	/* and this who asks for more */
	TIMEOUT = 5,
	TIMEOUT_MAX = 10000,
};

/* ---- keys */

static int parse(const char *name, struct opts *keys, struct error *err)
{
	char scheme[8];
	size_t n = min64(name_scheme_len(name), sizeof(scheme) - 1);
	int rc;

	memcpy(scheme, name, n);
	scheme[n] = '\0';
	rc = opts_set(keys, "driver", scheme, err);
	return rc ? rc : opts_set(keys, "url", name, err);
}

static int copy_text(char **to, const char *text, struct error *err)
{
	if (text && !(*to = strdup(text)))
		return error_errno(err, ENOMEM, "opening");
	return 0;
}

static const char *object_value(const struct protocol_args *args,
    const char *id, const char *field)
{
	AUTO_FREE char *key = malloc(strlen(id) + strlen(field) + 2);

	if (!key || !args->objects)
		return NULL;
	stpcpy(stpcpy(stpcpy(key, id), "."), field);
	return opts_get(args->objects, key);
}

static int take_secret(struct opts *o, const struct protocol_args *args,
    const char *key, char **to, struct error *err)
{
	const char *id = opts_take(o, key), *type, *data;

	if (!id)
		return 0;
	type = object_value(args, id, "qom-type");
	data = object_value(args, id, "data");
	if (!type || strcmp(type, "secret") || !data)
		return error_set(err, EINVAL, "No secret with id '%s'", id);
	return copy_text(to, data, err);
}

/* Certificates of our own, in a folder as NBD has them. */
static int take_creds(struct opts *o, const struct protocol_args *args,
    struct wire_args *w, struct error *err)
{
	const char *id = opts_take(o, "tls-creds"), *type, *dir;
	const struct {
		const char *file;
		char **to;
	} files[] = { { "ca-cert.pem", &w->ca },
	    { "client-cert.pem", &w->cert }, { "client-key.pem", &w->key } };

	if (!id)
		return 0;
	type = object_value(args, id, "qom-type");
	dir = object_value(args, id, "dir");
	if (!type || strcmp(type, "tls-creds-x509") || !dir)
		return error_set(err, EINVAL,
		    "No TLS credentials (tls-creds-x509) with id '%s'", id);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char *path = malloc(strlen(dir) + strlen(files[i].file) + 2);

		if (!path)
			return error_errno(err, ENOMEM, "opening");
		stpcpy(stpcpy(stpcpy(path, dir), "/"), files[i].file);
		if (access(path, R_OK)) {
			free(path);
			if (i)		/* a client need not have one */
				continue;
			return error_errno(err, errno, "'%s' in '%s'",
			    files[i].file, dir);
		}
		*files[i].to = path;
	}
	if (!w->cert || !w->key) {	/* only together */
		free(w->cert);
		free(w->key);
		w->cert = w->key = NULL;
	}
	return 0;
}

static int take_part(CURLU *u, CURLUPart part, char **to, struct error *err)
{
	char *text = NULL;
	int rc = 0;

	if (curl_url_get(u, part, &text, part == CURLUPART_URL ? 0 :
	    CURLU_URLDECODE))
		return 0;	/* it has none */
	rc = copy_text(to, text, err);
	curl_free(text);
	return rc;
}

/* The URL, checked, and apart from it the credentials in it. */
static int take_url(struct opts *o, struct wire_args *w, struct error *err)
{
	const char *url = opts_take(o, "url"), *driver = opts_get(o, "driver");
	size_t n = url ? strcspn(url, ":") : 0;
	CURLU *u;
	int rc;

	if (!url)
		return error_set(err, EINVAL,
		    "curl block driver requires an 'url' option");
	if (strncmp(url + n, "://", 3) || (driver ? strlen(driver) != n ||
	    strncasecmp(url, driver, n) : strncasecmp(url, "http", n) &&
	    strncasecmp(url, "https", n)))
		return error_set(err, EINVAL, "%s curl driver cannot handle "
		    "the URL (does not start with '%s://')",
		    driver ? driver : "http", driver ? driver : "http");
	u = curl_url();
	if (!u)
		return error_errno(err, ENOMEM, "opening");
	if (curl_url_set(u, CURLUPART_URL, url, CURLU_URLENCODE |
	    CURLU_ALLOW_SPACE)) {
		curl_url_cleanup(u);
		return error_set(err, EINVAL, "the URL is malformed");
	}
	rc = take_part(u, CURLUPART_USER, &w->user, err);
	if (!rc)
		rc = take_part(u, CURLUPART_PASSWORD, &w->password, err);
	curl_url_set(u, CURLUPART_USER, NULL, 0);
	curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
	curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
	if (!rc)
		rc = take_part(u, CURLUPART_URL, &w->url, err);
	if (!rc && !w->url)
		rc = error_errno(err, ENOMEM, "opening");
	curl_url_cleanup(u);
	return rc;
}

static int take_user(struct opts *o, const char *key, char **to,
    struct error *err)
{
	const char *name = opts_take(o, key);

	if (name) {
		free(*to);
		*to = NULL;
	}
	return copy_text(to, name, err);
}

static int take_keys(struct opts *o, const struct protocol_args *args,
    struct wire_args *w, uint64_t *readahead, struct error *err)
{
	const char *cookie = opts_take(o, "cookie");
	char *password = NULL;
	uint64_t timeout = TIMEOUT;
	int rc;

	*readahead = READAHEAD;
	w->verify = true;
	if ((rc = take_url(o, w, err)) ||
	    (rc = opts_take_size(o, "readahead", readahead, err)) ||
	    (rc = opts_take_u64(o, "timeout", &timeout, err)) ||
	    (rc = opts_take_bool(o, "sslverify", &w->verify, err)) ||
	    (rc = opts_take_bool(o, "force-range", &w->force_range, err)) ||
	    (rc = take_user(o, "username", &w->user, err)) ||
	    (rc = take_user(o, "proxy-username", &w->proxy_user, err)) ||
	    (rc = take_secret(o, args, "password-secret", &password, err)))
		return rc;
	if (password) {
		free(w->password);
		w->password = password;
	}
	if ((rc = take_secret(o, args, "proxy-password-secret",
	    &w->proxy_password, err)) ||
	    (rc = take_creds(o, args, w, err)))
		return rc;
	if (cookie && opts_has(o, "cookie-secret"))
		return error_set(err, EINVAL, "curl driver cannot handle both "
		    "cookie and cookie secret");
	if ((rc = cookie ? copy_text(&w->cookie, cookie, err) :
	    take_secret(o, args, "cookie-secret", &w->cookie, err)))
		return rc;
	if (w->cookie && strpbrk(w->cookie, "\r\n"))
		return error_set(err, EINVAL,
		    "the cookie has more than one line");
	if (!*readahead || *readahead % 512)
		return error_set(err, EINVAL, "HTTP readahead size %" PRIu64
		    " is not a multiple of 512", *readahead);
	*readahead = align_up(min64(max64(*readahead, READAHEAD_MIN),
	    READAHEAD_MAX), READAHEAD_MIN);
	if (!timeout || timeout > TIMEOUT_MAX)
		return error_set(err, EINVAL, "timeout %" PRIu64
		    " is not from 1 to %d seconds", timeout, TIMEOUT_MAX);
	w->timeout = (unsigned)timeout;
	return 0;
}

/* ---- the store */

static int curl_preadv(struct store *s, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	uint64_t size = store_size(s);

	for (int i = 0; i < n; i++) {
		uint8_t *buf = iov[i].iov_base;
		size_t len = iov[i].iov_len;
		size_t have = off < size ? min64(len, size - off) : 0;
		int rc = have ? blocks_read(s->state, buf, have, off, err) : 0;

		if (rc)
			return error_prefix(err, "reading '%s' at offset %"
			    PRIu64, s->name, off);
		memset(buf + have, 0, len - have);
		off += len;
	}
	return 0;
}

static int curl_close(struct store *s, struct error *err)
{
	blocks_free(s->state);
	return 0;
}

static const struct store_ops http_ops = {
	.name = "http", .preadv = curl_preadv, .close = curl_close,
};
static const struct store_ops https_ops = {
	.name = "https", .preadv = curl_preadv, .close = curl_close,
};

static struct store *curl_store_open(struct opts *o,
    const struct protocol_args *args, struct error *err)
{
	struct wire_args w = { 0 };
	struct wire *wire;
	struct store *s = NULL;
	uint64_t block, size = 0;
	uint8_t *first;

	if (take_keys(o, args, &w, &block, err))
		goto fail;
	if (args->writable) {
		error_set(err, EROFS, "curl block device does not support "
		    "writes");
		goto fail;
	}
	s = store_new(strncasecmp(w.url, "https", 5) ? &http_ops : &https_ops,
	    w.url);
	first = malloc(block);
	if (!s || !first) {
		free(first);
		error_errno(err, ENOMEM, "opening");
		goto fail;
	}
	wire = wire_open(&w, first, block, &size, err);
	if (!wire)
		free(first);
	else
		s->state = blocks_new(wire, size, (uint32_t)block, first, err);
	if (!s->state) {
		struct error ignored;

		store_close(s, &ignored);
		return NULL;
	}
	atomic_store(&s->size, size);
	return s;
fail:
	if (s) {
		struct error ignored;

		store_close(s, &ignored);
	}
	wire_args_fini(&w);
	return NULL;
}

static const char *const names[] = { "http", "https", NULL };

static const struct protocol curl_protocol = {
	.drivers = names,
	.schemes = names,
	.parse = parse,
	.open = curl_store_open,
};

MODULE(&curl_protocol);
