/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* object.c - --object: secrets, TLS credentials, who may connect */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "cli/cli.h"

enum { SECRET_MAX = 64 << 10 };

static char *read_secret(const char *path, struct error *err)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t n = 0;

	if (!f) {
		error_errno(err, errno, "secret file '%s'", path);
		return NULL;
	}
	text = malloc(SECRET_MAX + 1);
	if (text)
		n = fread(text, 1, SECRET_MAX + 1, f);
	if (!text)
		error_errno(err, ENOMEM, "secret file '%s'", path);
	else if (ferror(f))
		error_errno(err, EIO, "secret file '%s'", path);
	else if (n > SECRET_MAX)
		error_set(err, EFBIG, "secret file '%s' is larger than %d "
		    "bytes", path, SECRET_MAX);
	else if (memchr(text, '\0', n))
		error_set(err, EINVAL, "secret file '%s' contains a zero byte",
		    path);
	else {
		text[n] = '\0';
		fclose(f);
		return text;
	}
	fclose(f);
	free(text);
	return NULL;
}

/* In place; white space between the groups is allowed. */
static int base64_decode(char *text, struct error *err)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0, have = 0, pad = 0, n = 0;
	char *out = text;

	for (const char *s = text; *s; s++) {
		const char *d = strchr(digits, *s);

		if (strchr(" \t\r\n", *s))
			continue;
		n++;
		if (*s == '=') {
			pad++;
			continue;
		}
		if (!d || pad)
			return error_set(err, EINVAL,
			    "secret is not base64 text");
		bits = bits << 6 | (unsigned)(d - digits);
		have += 6;
		if (have >= 8) {
			have -= 8;
			*out++ = (char)(bits >> have);
			if (!out[-1])
				return error_set(err, EINVAL,
				    "secret contains a zero byte");
		}
	}
	*out = '\0';
	if (n % 4 || pad > 2)
		return error_set(err, EINVAL, "secret is not base64 text");
	return 0;
}

/* Puts the contents of a secret into "data". */
static int take_secret(struct opts *o, struct error *err)
{
	static const char *const formats_known[] = { "raw", "base64", NULL };
	const char *data = opts_get(o, "data"), *file = opts_get(o, "file");
	AUTO_FREE char *value = NULL;
	unsigned format = 0;

	if (opts_take_enum(o, "format", formats_known, &format, err) < 0)
		return -err->code;
	if (data && file)
		return error_set(err, EINVAL,
		    "'file' and 'data' are mutually exclusive");
	if (!data && !file)
		return error_set(err, EINVAL,
		    "Either 'file' or 'data' must be provided");
	value = file ? read_secret(file, err) : strdup(data);
	if (!value)
		return file ? -err->code : error_errno(err, ENOMEM, "secret");
	if (format == 1 && base64_decode(value, err) < 0)
		return -err->code;
	return opts_set(o, "data", value, err);
}

/* What there is, and the keys of each. */
static const struct {
	const char *name;
	const char *keys[8];	/* "rules.": a list */
	int (*take)(struct opts *, struct error *);
} types[] = {
	{ "secret", { "data", "file", "format" }, take_secret },
	{ "tls-creds-x509", { "dir", "endpoint", "verify-peer", "priority",
	    "passwordid", "sanity-check" }, NULL },
	{ "tls-creds-psk", { "dir", "endpoint", "username", "priority" },
	    NULL },
	{ "tls-creds-anon", { "dir", "endpoint", "priority" }, NULL },
	{ "authz-simple", { "identity" }, NULL },
	{ "authz-list", { "policy", "rules." }, NULL },
	{ "authz-list-file", { "filename", "refresh" }, NULL },
};
enum { TYPES = sizeof(types) / sizeof(types[0]) };

static bool has_key(const char *const *keys, const char *key)
{
	for (; *keys; keys++) {
		size_t n = strlen(*keys);

		if (!strcmp(*keys, key) || ((*keys)[n - 1] == '.' &&
		    !strncmp(*keys, key, n)))
			return true;
	}
	return false;
}

static int take_object(struct cli *cli, struct opts *o, struct error *err)
{
	const char *type = opts_take(o, "qom-type"), *id, *key, *value;
	AUTO_FREE char *own_id = NULL;
	unsigned t = 0;
	int rc = 0;

	while (t < TYPES && (!type || strcmp(type, types[t].name)))
		t++;
	if (t == TYPES)
		return error_set(err, EINVAL,
		    "Parameter 'qom-type' does not accept value '%s'",
		    type ? type : "");
	id = opts_take(o, "id");
	if (!id)
		return error_set(err, EINVAL, "Parameter 'id' is missing");
	for (unsigned i = 0; opts_at(o, i, &key, &value); i++)
		if (strcmp(key, "qom-type") && strcmp(key, "id") &&
		    !has_key(types[t].keys, key))
			return error_set(err, EINVAL,
			    "Parameter '%s' is unexpected", key);
	if (types[t].take && (rc = types[t].take(o, err)))
		return rc;
	if (!cli->objects)
		cli->objects = opts_new();
	if (!cli->objects || asprintf(&own_id, "%s.qom-type", id) < 0)
		return error_errno(err, ENOMEM, "object");
	if (opts_has(cli->objects, own_id))
		return error_set(err, EEXIST, "object '%s' is already defined",
		    id);
	for (unsigned i = 0; !rc && opts_at(o, i, &key, &value); i++) {
		AUTO_FREE char *full = NULL;

		if (!value || !strcmp(key, "id"))
			continue;
		if (asprintf(&full, "%s.%s", id, key) < 0)
			return error_errno(err, ENOMEM, "object");
		rc = opts_set(cli->objects, full, value, err);
	}
	return rc;
}

bool cli_object(struct cli *cli, const char *text)
{
	struct opts *o = opts_new();
	struct error err;
	int ret;

	if (!o)
		ret = error_errno(&err, ENOMEM, "object");
	else if (*text == '{')
		ret = opts_parse_json(o, text, &err);
	else
		ret = opts_parse(o, text, "qom-type", &err);
	if (!ret)
		ret = take_object(cli, o, &err);
	opts_free(o);
	if (ret < 0)
		cli_error(cli, "%s", err.text);
	return !ret;
}
