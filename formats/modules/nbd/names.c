/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * names.c - names of NBD exports, and the keys they stand for
 *
 * Every spelling ends as the same keys (server.type, server.host, ...,
 * export), and only those are looked at when a server is opened.  The URIs
 * are those of the NBD project's doc/uri.md, without the parameters that name
 * local files: a name may come from a stranger, credentials come from
 * --object.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "base/names.h"
#include "remote.h"

#define DEFAULT_PORT "10809"
enum { EXPORT_NAME_MAX = 4096 };	/* the NBD document, "Terms" */

/* ---- from a name to keys */

static int no_url(const char *why, struct error *err)
{
	return error_set(err, EINVAL, "No valid URL specified: %s", why);
}

static int set_decoded(struct opts *keys, const char *key, const char *text,
    size_t len, struct error *err)
{
	AUTO_FREE char *value = name_unescape(text, len);

	if (!value)
		return no_url("a %XX in it is wrong", err);
	return opts_set(keys, key, value, err);
}

/* host, host:port, [address]:port */
static int parse_authority(const char *text, size_t len, const char *host_key,
    const char *port_key, const char *port, struct opts *keys,
    struct error *err)
{
	const char *end = text + len, *host_end = end, *colon;
	int rc;

	if (len && *text == '[') {
		text++;
		host_end = memchr(text, ']', (size_t)(end - text));
		if (!host_end || (host_end + 1 < end && host_end[1] != ':'))
			return no_url("no ] after the address", err);
		colon = host_end + 1 < end ? host_end + 1 : NULL;
	} else {
		colon = memchr(text, ':', len);
		if (colon)
			host_end = colon;
	}
	if (host_end == text)
		return no_url("it names no host", err);
	if ((rc = set_decoded(keys, host_key, text, (size_t)(host_end - text),
	    err)))
		return rc;
	if (colon && colon + 1 < end)
		return set_decoded(keys, port_key, colon + 1,
		    (size_t)(end - colon - 1), err);
	return port ? opts_set(keys, port_key, port, err) : 0;
}

static int parse_uri(const char *name, struct opts *keys, struct error *err)
{
	const char *rest = strstr(name, "://") + 3, *query, *path, *at;
	const char *transport = memchr(name, '+', (size_t)(rest - name));
	const char *socket = NULL;
	size_t len;
	int rc;

	if (!strncmp(name, "nbds", 4) &&
	    (rc = opts_set(keys, "tls", "on", err)))
		return rc;
	query = strchrnul(rest, '?');
	path = memchr(rest, '/', (size_t)(query - rest));
	if (!path)
		path = query;
	at = memchr(rest, '@', (size_t)(path - rest));
	if (at) {
		rc = set_decoded(keys, "tls-username", rest,
		    (size_t)(at - rest), err);
		if (rc)
			return rc;
		rest = at + 1;
	}
	if (*query) {
		query++;
		if (strncmp(query, "socket=", 7) || strchr(query, '&') ||
		    strchr(query, '#'))
			return no_url("only socket= may follow the '?'", err);
		socket = query + 7;
	}
	if (transport && !strncmp(transport, "+unix:", 6)) {
		if (!socket || !*socket)
			return no_url("socket= is missing", err);
		if (path != rest)
			return no_url("a unix socket is on no host", err);
		if ((rc = opts_set(keys, "server.type", "unix", err)) ||
		    (rc = set_decoded(keys, "server.path", socket,
		    strlen(socket), err)))
			return rc;
	} else if (socket) {
		return no_url("socket= is for nbd+unix", err);
	} else if (transport && !strncmp(transport, "+vsock:", 7)) {
		if ((rc = opts_set(keys, "server.type", "vsock", err)) ||
		    (rc = parse_authority(rest, (size_t)(path - rest),
		    "server.cid", "server.port", DEFAULT_PORT, keys, err)))
			return rc;
	} else if ((rc = opts_set(keys, "server.type", "inet", err)) ||
	    (rc = parse_authority(rest, (size_t)(path - rest), "server.host",
	    "server.port", DEFAULT_PORT, keys, err))) {
		return rc;
	}
	path += strspn(path, "/");
	len = strcspn(path, "?");
	return len ? set_decoded(keys, "export", path, len, err) : 0;
}

/* nbd:host:port, nbd:unix:path, each with :exportname=name */
static int parse_old(const char *name, struct opts *keys, struct error *err)
{
	const char *rest = name + 4, *export = strstr(rest, ":exportname=");
	const char *end = export ? export : rest + strlen(rest), *colon;
	AUTO_FREE char *address = strndup(rest, (size_t)(end - rest));
	int rc;

	if (!address)
		return error_errno(err, ENOMEM, "name");
	if (!*address)
		return error_set(err, EINVAL, "NBD server address missing");
	if (export && (rc = opts_set(keys, "export", export + 12, err)))
		return rc;
	if (!strncmp(address, "unix:", 5)) {
		if ((rc = opts_set(keys, "server.type", "unix", err)))
			return rc;
		return opts_set(keys, "server.path", address + 5, err);
	}
	colon = strrchr(address, ':');
	if (!colon || colon == address || !colon[1] || colon[-1] == ':')
		return error_set(err, EINVAL, "error parsing address '%s'",
		    address);
	if ((rc = opts_set(keys, "server.type", "inet", err)))
		return rc;
	return parse_authority(address, strlen(address), "server.host",
	    "server.port", NULL, keys, err);
}

int server_parse(const char *name, struct opts *keys, struct error *err)
{
	int rc = opts_set(keys, "driver", "nbd", err);

	if (rc)
		return rc;
	if (strstr(name, "://") == name + strcspn(name, ":"))
		return parse_uri(name, keys, err);
	if (!strncmp(name, "nbd:", 4))
		return parse_old(name, keys, err);
	return no_url("'//' is missing", err);
}

/* ---- from keys to a server */

static int missing(const char *key, struct error *err)
{
	return error_set(err, EINVAL, "Parameter '%s' is missing", key);
}

/* A copy of the key's value in *to, NULL where there is none. */
static int take_text(struct opts *keys, const char *key, char **to,
    struct error *err)
{
	const char *text = opts_take(keys, key);

	if (!text)
		return 0;
	free(*to);
	*to = strdup(text);
	return *to ? 0 : error_errno(err, ENOMEM, "%s", key);
}

/* The same, of a number of 32 bits. */
static int take_number(struct opts *keys, const char *key, char **to,
    struct error *err)
{
	uint64_t v = 0;
	int rc = take_text(keys, key, to, err);

	if (!rc && *to && !(rc = opts_take_u64(keys, key, &v, err)) &&
	    v > UINT32_MAX)
		return error_set(err, ERANGE, "%s is too large", key);
	return rc;
}

static int take_fd(struct server *s, struct opts *sub, struct error *err)
{
	const char *text = opts_take(sub, "str");
	char *end;
	long v;

	if (!text)
		return missing("str", err);
	v = strtol(text, &end, 10);
	if (end == text || *end || v < 0 || v > INT_MAX)
		return error_set(err, EINVAL, "'%s' is not the number of a "
		    "file descriptor", text);
	s->fd = fcntl((int)v, F_DUPFD_CLOEXEC, 3);
	if (s->fd < 0)
		return error_errno(err, errno, "file descriptor %ld", v);
	return asprintf(&s->address, "fd:%ld", v) < 0 ?
	    (s->address = NULL, error_errno(err, ENOMEM, "name")) : 0;
}

/* The address proper: its keys are in sub. */
static int take_address(struct server *s, struct opts *sub, struct error *err)
{
	static const char *const types[] = { "inet", "unix", "vsock", "fd",
	    NULL };
	const bool vsock = opts_has(sub, "cid");
	unsigned type = opts_has(sub, "path") ? SERVER_UNIX : vsock ?
	    SERVER_VSOCK : SERVER_INET;
	const char *unknown;
	int rc;

	if ((rc = opts_take_enum(sub, "type", types, &type, err)))
		return rc;
	s->type = type;
	switch (s->type) {
	case SERVER_INET:
		if ((rc = take_text(sub, "host", &s->host, err)) ||
		    (rc = take_text(sub, "port", &s->port, err)) ||
		    (rc = opts_take_bool(sub, "keep-alive", &s->keep_alive,
		    err)))
			return rc;
		if (!s->host || !s->port)
			return missing(s->host ? "port" : "host", err);
		break;
	case SERVER_VSOCK:
		if ((rc = take_number(sub, "cid", &s->host, err)) ||
		    (rc = take_number(sub, "port", &s->port, err)))
			return rc;
		if (!s->host || !s->port)
			return missing(s->host ? "port" : "cid", err);
		break;
	case SERVER_UNIX:
		if ((rc = take_text(sub, "path", &s->path, err)))
			return rc;
		if (!s->path)
			return missing("path", err);
		break;
	case SERVER_FD:
		if ((rc = take_fd(s, sub, err)))
			return rc;
		break;
	}
	unknown = opts_unused(sub);
	return unknown ? error_set(err, EINVAL, "Parameter 'server.%s' is "
	    "unexpected", unknown) : 0;
}

/* host and port, or path, without "server."; the port may be left out. */
static int take_flat(struct server *s, struct opts *keys, struct error *err)
{
	int rc;

	if ((rc = take_text(keys, "host", &s->host, err)) ||
	    (rc = take_text(keys, "port", &s->port, err)) ||
	    (rc = take_text(keys, "path", &s->path, err)))
		return rc;
	if (s->host && s->path)
		return error_set(err, EINVAL,
		    "path and host may not be used at the same time");
	if (!s->host && !s->path)
		return error_set(err, EINVAL, s->port ?
		    "port may not be used without host" :
		    "NBD server address missing");
	s->type = s->path ? SERVER_UNIX : SERVER_INET;
	if (s->host && !s->port && !(s->port = strdup(DEFAULT_PORT)))
		return error_errno(err, ENOMEM, "port");
	return 0;
}

static int take_server(struct server *s, struct opts *keys, struct error *err)
{
	struct opts *sub;
	int rc;

	if (!opts_has_prefix(keys, "server"))
		return take_flat(s, keys, err);
	if (opts_has(keys, "host") || opts_has(keys, "path"))
		return error_set(err, EINVAL,
		    "Cannot use 'server' and path/host/port at the same time");
	sub = opts_take_sub(keys, "server");
	if (!sub)
		return error_errno(err, ENOMEM, "server");
	rc = take_address(s, sub, err);
	opts_free(sub);
	return rc;
}

/* ---- TLS */

/* "key" of the object, or NULL. */
static const char *of_object(const struct opts *objects, const char *id,
    const char *key)
{
	AUTO_FREE char *full = NULL;

	if (!objects || asprintf(&full, "%s.%s", id, key) < 0) {
		full = NULL;
		return NULL;
	}
	return opts_get(objects, full);
}

static int take_credentials(struct server *s, const char *id,
    const struct opts *objects, struct error *err)
{
	static const char *const cannot[] = { "priority", "passwordid" };
	const char *type = of_object(objects, id, "qom-type");
	const char *dir = of_object(objects, id, "dir");
	const char *text;

	if (!type)
		return error_set(err, EINVAL, "No TLS credentials with id '%s'",
		    id);
	if (strcmp(type, "tls-creds-x509") && strcmp(type, "tls-creds-psk"))
		return error_set(err, strcmp(type, "tls-creds-anon") ? EINVAL :
		    ENOTSUP, strcmp(type, "tls-creds-anon") ?
		    "Object with id '%s' is not TLS credentials" :
		    "anonymous TLS ('%s') is not supported for NBD", id);
	text = of_object(objects, id, "endpoint");
	if (text && strcmp(text, "client"))
		return error_set(err, EINVAL,
		    "Expecting TLS credentials with a client endpoint");
	for (unsigned i = 0; i < ARRAY_LEN(cannot); i++)
		if (of_object(objects, id, cannot[i]))
			return error_set(err, ENOTSUP, "'%s' of TLS "
			    "credentials is not supported for NBD", cannot[i]);
	if (!dir)
		return error_set(err, EINVAL,
		    "TLS credentials '%s' name no folder (dir)", id);
	if (!strcmp(type, "tls-creds-psk")) {
		text = of_object(objects, id, "username");
		free(s->tls_user);
		s->tls_user = strdup(text ? text : "qemu");
		if (asprintf(&s->tls_psk, "%s/keys.psk", dir) < 0)
			s->tls_psk = NULL;
		return s->tls_psk && s->tls_user ? 0 :
		    error_errno(err, ENOMEM, "TLS");
	}
	text = of_object(objects, id, "verify-peer");
	s->verify = !text || (strcmp(text, "off") && strcmp(text, "no") &&
	    strcmp(text, "false") && strcmp(text, "n"));
	s->tls_dir = strdup(dir);
	return s->tls_dir ? 0 : error_errno(err, ENOMEM, "TLS");
}

static int take_tls(struct server *s, struct opts *keys,
    const struct opts *objects, struct error *err)
{
	const char *id, *host;
	int rc;

	s->verify = true;
	if ((rc = opts_take_bool(keys, "tls", &s->tls, err)) ||
	    (rc = take_text(keys, "tls-username", &s->tls_user, err)))
		return rc;
	if (s->tls_user && !s->tls)
		return no_url("a user is for nbds", err);
	id = opts_take(keys, "tls-creds");
	if (id && (rc = take_credentials(s, id, objects, err)))
		return rc;
	s->tls |= id != NULL;
	host = opts_take(keys, "tls-hostname");
	if (host && !id)
		return error_set(err, EINVAL,
		    "tls-hostname may not be used without tls-creds");
	/* libnbd 1.14 holds a certificate against the name it connects to,
	 * and against no other. */
	if (host && !(s->type == SERVER_INET && !strcmp(host, s->host)))
		return error_set(err, ENOTSUP, "tls-hostname other than the "
		    "server's host is not supported");
	if (s->tls && !s->tls_psk && s->verify && s->type != SERVER_INET)
		return error_set(err, ENOTSUP, "No hostname for certificate "
		    "validation: use verify-peer=off, or PSK, where the "
		    "server is not reached by TCP");
	return 0;
}

/* ---- all of it */

static int name_it(struct server *s, struct error *err)
{
	const char *scheme = s->tls ? "nbds" : "nbd", *x = s->export;
	const char *slash = *x ? "/" : "";
	/* An IPv6 address in a URI. */
	bool v6 = s->type == SERVER_INET && strchr(s->host, ':');
	int n = 0;

	switch (s->type) {
	case SERVER_UNIX:
		n = asprintf(&s->name, "%s+unix://%s%s?socket=%s", scheme,
		    slash, x, s->path);
		s->address = strdup(s->path);
		break;
	case SERVER_INET:
	case SERVER_VSOCK:
		n = asprintf(&s->name, "%s%s://%s%s%s:%s%s%s", scheme,
		    s->type == SERVER_VSOCK ? "+vsock" : "", v6 ? "[" : "",
		    s->host, v6 ? "]" : "", s->port, slash, x);
		if (n >= 0 && asprintf(&s->address, "%s:%s", s->host,
		    s->port) < 0)
			s->address = NULL;
		break;
	case SERVER_FD:
		n = asprintf(&s->name, "%s:%s%s%s", scheme, s->address, slash,
		    x);
		break;
	}
	if (n < 0)
		s->name = NULL;
	return s->name && s->address ? 0 : error_errno(err, ENOMEM, "name");
}

static int take_seconds(struct opts *keys, const char *key, unsigned *v,
    struct error *err)
{
	uint64_t n = 0;
	int rc = opts_take_u64(keys, key, &n, err);

	if (!rc && n > UINT32_MAX / 1000)
		return error_set(err, ERANGE, "%s is at most %u seconds", key,
		    UINT32_MAX / 1000);
	*v = (unsigned)n;
	return rc;
}

int server_take(struct server *s, struct opts *keys,
    const struct protocol_args *args, struct error *err)
{
	int rc;

	*s = (struct server){ .fd = -1, .keep_alive = true };
	if ((rc = take_server(s, keys, err)) ||
	    (rc = take_text(keys, "export", &s->export, err)) ||
	    (rc = take_text(keys, "x-dirty-bitmap", &s->context, err)) ||
	    (rc = take_seconds(keys, "reconnect-delay", &s->reconnect_s,
	    err)) ||
	    (rc = take_seconds(keys, "open-timeout", &s->open_s, err)) ||
	    (rc = take_tls(s, keys, args->objects, err)))
		return rc;
	if (!s->export && !(s->export = strdup("")))
		return error_errno(err, ENOMEM, "export");
	if (strlen(s->export) > EXPORT_NAME_MAX)
		return error_set(err, ENAMETOOLONG, "export name too long to "
		    "send to server");
	if (s->context && strlen(s->context) > EXPORT_NAME_MAX)
		return error_set(err, ENAMETOOLONG, "x-dirty-bitmap query too "
		    "long to send to server");
	if (s->type == SERVER_FD && (s->reconnect_s || s->open_s))
		return error_set(err, EINVAL, "a connection that is given "
		    "cannot be made again: no reconnect-delay, no "
		    "open-timeout");
	return name_it(s, err);
}

void server_fini(struct server *s)
{
	char *texts[] = { s->host, s->port, s->path, s->export, s->context,
	    s->tls_dir, s->tls_psk, s->tls_user, s->address, s->name };

	for (unsigned i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
	if (s->fd >= 0)
		close(s->fd);
}
