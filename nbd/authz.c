/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * authz.c - who may come in, by name
 *
 * The name is the distinguished name of a client's certificate or the user
 * name of its key.  authz-simple knows one name; authz-list has rules, the
 * first that matches decides, and a policy for the rest (deny); authz-list-file
 * has them in a JSON file, which is read again when it has changed: while it
 * cannot be read nobody comes in.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/opts.h"
#include "tls.h"

enum { RULES_LIMIT = 4096, FILE_LIMIT = 1 << 20 };

struct rule {
	char *match;
	bool allow, glob;
};

struct rules {
	struct rule *rule;
	unsigned count;
	bool allow;		/* whom no rule matches */
};

struct authz {
	struct rules rules;
	char *path;		/* of the file they are from, or NULL */
	bool refresh;
	struct stat seen;	/* what it was when it was read */
	pthread_mutex_t lock;	/* guards all of it when there is a path */
};

static void rules_fini(struct rules *r)
{
	while (r->count)
		free(r->rule[--r->count].match);
	free(r->rule);
	*r = (struct rules){ 0 };
}

/* ---- reading */

static const char *const policies[] = { "deny", "allow", NULL };

static int take_rule(struct rules *r, struct opts *o, unsigned n,
    struct error *err)
{
	static const char *const matchings[] = { "exact", "glob", NULL };
	struct rule *rule = &r->rule[n];
	unsigned policy = 0, glob = 0;
	const char *match;
	char key[64];
	int rc;

	snprintf(key, sizeof(key), "rules.%u.match", n);
	match = opts_take(o, key);
	if (!match)
		return error_set(err, EINVAL, "Parameter '%s' is missing",
		    key);
	snprintf(key, sizeof(key), "rules.%u.policy", n);
	if (!opts_has(o, key))
		return error_set(err, EINVAL, "Parameter '%s' is missing",
		    key);
	rc = opts_take_enum(o, key, policies, &policy, err);
	snprintf(key, sizeof(key), "rules.%u.format", n);
	if (rc || (rc = opts_take_enum(o, key, matchings, &glob, err)))
		return rc;
	rule->match = strdup(match);
	if (!rule->match)
		return error_errno(err, ENOMEM, "rules");
	rule->allow = policy;
	rule->glob = glob;
	r->count = n + 1;
	return 0;
}

static int take_rules(struct rules *r, struct opts *o, struct error *err)
{
	unsigned policy = 0, n = 0;
	char key[64];
	int rc;

	*r = (struct rules){ 0 };
	if ((rc = opts_take_enum(o, "policy", policies, &policy, err)))
		return rc;
	r->allow = policy;
	r->rule = calloc(RULES_LIMIT, sizeof(*r->rule));
	if (!r->rule)
		return error_errno(err, ENOMEM, "rules");
	while (!rc && n < RULES_LIMIT &&
	    (snprintf(key, sizeof(key), "rules.%u", n),
	    opts_has_prefix(o, key)))
		rc = take_rule(r, o, n++, err);
	if (!rc && opts_unused(o))
		rc = error_set(err, EINVAL, "Parameter '%s' is unexpected",
		    opts_unused(o));
	if (rc)
		rules_fini(r);
	return rc;
}

static char *read_text(FILE *f, const char *path, struct error *err)
{
	char *text = malloc(FILE_LIMIT + 1);
	size_t n;

	if (!text) {
		error_errno(err, ENOMEM, "'%s'", path);
		return NULL;
	}
	n = fread(text, 1, FILE_LIMIT + 1, f);
	if (!ferror(f) && n <= FILE_LIMIT && !memchr(text, '\0', n)) {
		text[n] = '\0';
		return text;
	}
	error_set(err, EINVAL, "Unable to read '%s': %s", path,
	    ferror(f) ? "input error" : n > FILE_LIMIT ? "too large" :
	    "not text");
	free(text);
	return NULL;
}

/* The file's rules instead of those there are. */
static int read_file(struct authz *a, struct error *err)
{
	AUTO_FREE char *text = NULL;
	struct opts *o = NULL;
	struct rules fresh;
	FILE *f = fopen(a->path, "re");
	int rc;

	rules_fini(&a->rules);
	if (!f)
		return error_errno(err, errno, "Unable to read '%s'",
		    a->path);
	if (fstat(fileno(f), &a->seen))
		memset(&a->seen, 0, sizeof(a->seen));
	text = read_text(f, a->path, err);
	fclose(f);
	if (!text)
		return -err->code;
	o = opts_new();
	rc = o ? opts_parse_json(o, text, err) :
	    error_errno(err, ENOMEM, "rules");
	if (!rc && !(rc = take_rules(&fresh, o, err)))
		a->rules = fresh;
	opts_free(o);
	return rc ? error_prefix(err, "'%s'", a->path) : 0;
}

/* ---- objects */

static int load(struct authz *a, struct opts *o, struct error *err)
{
	const char *type = opts_take(o, "qom-type"), *name;
	int rc;

	if (!strcmp(type, "authz-simple")) {
		name = opts_take(o, "identity");
		if (!name)
			return error_set(err, EINVAL,
			    "The 'identity' property must be set");
		a->rules.rule = calloc(1, sizeof(*a->rules.rule));
		if (!a->rules.rule || !(a->rules.rule->match = strdup(name)))
			return error_errno(err, ENOMEM, "rules");
		a->rules.rule->allow = true;
		a->rules.count = 1;
		return 0;
	}
	if (!strcmp(type, "authz-list"))
		return take_rules(&a->rules, o, err);
	name = opts_take(o, "filename");
	if (!name)
		return error_set(err, EINVAL, "filename not provided");
	a->refresh = true;
	rc = opts_take_bool(o, "refresh", &a->refresh, err);
	if (rc)
		return rc;
	a->path = strdup(name);
	if (!a->path)
		return error_errno(err, ENOMEM, "rules");
	return read_file(a, err);
}

struct authz *authz_new(const struct opts *objects, const char *id,
    struct error *err)
{
	struct opts *o = object_opts(objects, id, err);
	const char *type = o ? opts_get(o, "qom-type") : NULL;
	struct authz *a = NULL;

	if (!o) {
		error_prefix(err, "Failed to get TLS authorization");
		return NULL;
	}
	if (!type || strncmp(type, "authz-", 6))
		error_set(err, EINVAL, "Object with id '%s' is not an "
		    "authorization", id);
	else if (!(a = calloc(1, sizeof(*a))))
		error_errno(err, ENOMEM, "authorization");
	else {
		pthread_mutex_init(&a->lock, NULL);
		if (load(a, o, err)) {
			authz_free(a);
			a = NULL;
		}
	}
	opts_free(o);
	return a;
}

void authz_free(struct authz *a)
{
	if (!a)
		return;
	rules_fini(&a->rules);
	free(a->path);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

/* ---- asking */

/* "*" any characters, "?" one; names are short, and the last "*" alone is ever
 * tried again. */
static bool glob_match(const char *pattern, const char *s)
{
	const char *star = NULL, *from = NULL;

	while (*s) {
		if (*pattern == '*') {
			star = ++pattern;
			from = s;
		} else if (*pattern == '?' || *pattern == *s) {
			pattern++;
			s++;
		} else if (star) {
			pattern = star;
			s = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

static bool allowed(const struct rules *r, const char *name)
{
	for (unsigned i = 0; i < r->count; i++) {
		const struct rule *rule = &r->rule[i];

		if (rule->glob ? glob_match(rule->match, name) :
		    !strcmp(rule->match, name))
			return rule->allow;
	}
	return r->allow;
}

static bool has_changed(const struct authz *a)
{
	struct stat st;

	return stat(a->path, &st) || st.st_dev != a->seen.st_dev ||
	    st.st_ino != a->seen.st_ino || st.st_size != a->seen.st_size ||
	    st.st_mtim.tv_sec != a->seen.st_mtim.tv_sec ||
	    st.st_mtim.tv_nsec != a->seen.st_mtim.tv_nsec;
}

int authz_check(struct authz *a, const char *name, struct error *err)
{
	LOCKED(&a->lock);
	if (a->path && a->refresh && has_changed(a) && read_file(a, err) < 0) {
		/* Looked at again next time. */
		memset(&a->seen, 0, sizeof(a->seen));
		return -err->code;
	}
	if (allowed(&a->rules, name))
		return 0;
	return error_set(err, EACCES, "TLS authorization denied for %s", name);
}
