/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * name.c - names as keys:
 * rbd:pool/[namespace/]image[@snapshot][:key=value]...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "modules/rbd/cluster.h"

/* The text up to an unescaped "stop" or the end, a backslash before any letter
 * taken away; *rest is behind the stop, NULL when there was none. */
static char *take_token(const char *text, char stop, const char **rest)
{
	char *token = malloc(strlen(text) + 1), *to = token;

	if (!token)
		return NULL;
	for (; *text && *text != stop; text++) {
		if (*text == '\\' && text[1])
			text++;
		*to++ = *text;
	}
	*to = '\0';
	*rest = *text ? text + 1 : NULL;
	return token;
}

/* The unescaped "c" in text before an unescaped "stop" (0: its end). */
static bool has_letter(const char *text, char c, char stop)
{
	for (; *text && *text != stop; text++) {
		if (*text == c)
			return true;
		if (*text == '\\' && text[1])
			text++;
	}
	return false;
}

/* Moves *text behind the token it begins with, which becomes the value of
 * key. */
static int take_part(const char **text, char stop, struct opts *o,
    const char *key, struct error *err)
{
	AUTO_FREE char *token = take_token(*text, stop, text);

	if (!token)
		return error_errno(err, ENOMEM, "options");
	if (!*token)
		return error_set(err, EINVAL, "the name has an empty %s", key);
	return opts_set(o, key, token, err);
}

/* key=value: id and conf are ours, all others the cluster's configuration;
 * they are passed on as "=key". */
static int take_setting(const char **text, struct opts *o, struct error *err)
{
	AUTO_FREE char *pair = take_token(*text, ':', text), *key = NULL;
	char *value = pair ? strchr(pair, '=') : NULL;

	if (!pair)
		return error_errno(err, ENOMEM, "options");
	if (!value || value == pair)
		return error_set(err, EINVAL,
		    "'%s' is not of the form KEY=VALUE", pair);
	*value++ = '\0';
	if (!strcmp(pair, "id"))
		return opts_set(o, "user", value, err);
	if (!strcmp(pair, "conf"))
		return opts_set(o, "conf", value, err);
	if (asprintf(&key, "=%s", pair) < 0) {
		key = NULL;
		return error_errno(err, ENOMEM, "options");
	}
	return opts_set(o, key, value, err);
}

int rbd_parse(const char *name, struct opts *o, struct error *err)
{
	const char *text = strchr(name, ':') + 1;
	bool has_snapshot;
	char stop;
	int rc;

	if (!has_letter(text, '/', ':'))
		return error_set(err, EINVAL, "'%s' is not of the form "
		    "rbd:POOL/[NAMESPACE/]IMAGE[@SNAPSHOT][:KEY=VALUE]...",
		    name);
	if ((rc = take_part(&text, '/', o, "pool", err)))
		return rc;
	has_snapshot = text && has_letter(text, '@', ':');
	stop = has_snapshot ? '@' : ':';
	if (text && has_letter(text, '/', stop) &&
	    (rc = take_part(&text, '/', o, "namespace", err)))
		return rc;
	if ((rc = take_part(&text, stop, o, "image", err)) ||
	    (has_snapshot && (rc = take_part(&text, ':', o, "snapshot", err))))
		return rc;
	while (text && *text)
		if ((rc = take_setting(&text, o, err)))
			return rc;
	return 0;
}
