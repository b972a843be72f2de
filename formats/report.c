/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report.c - building the tree of report.h */
#include "report.h"

#include <stdlib.h>
#include <string.h>

struct report *report_new(void)
{
	return calloc(1, sizeof(struct report));
}

void report_free(struct report *r)
{
	struct report *next;

	if (!r)
		return;
	for (struct report *m = r->first; m; m = next) {
		next = m->next;
		report_free(m);
	}
	free(r->key);
	free(r->str);
	free(r);
}

/* A member of the parent; key and str are copied where they are not NULL. */
static struct report *add(struct report *parent, enum report_type type,
    const char *key, const char *str)
{
	struct report *r;

	if (!parent)
		return NULL;
	r = report_new();
	if (r) {
		r->type = type;
		r->key = key ? strdup(key) : NULL;
		r->str = str ? strdup(str) : NULL;
	}
	if (!r || !r->key != !key || !r->str != !str) {
		report_free(r);
		parent->failed = true;
		return NULL;
	}
	if (parent->last)
		parent->last->next = r;
	else
		parent->first = r;
	parent->last = r;
	return r;
}

struct report *report_object(struct report *parent, const char *key)
{
	return add(parent, REPORT_OBJECT, key, NULL);
}

struct report *report_list(struct report *parent, const char *key)
{
	return add(parent, REPORT_LIST, key, NULL);
}

struct report *report_str(struct report *parent, const char *key,
    const char *value)
{
	return add(parent, REPORT_STR, key, value);
}

struct report *report_u64(struct report *parent, const char *key,
    uint64_t value)
{
	struct report *r = add(parent, REPORT_U64, key, NULL);

	if (r)
		r->num = value;
	return r;
}

struct report *report_bool(struct report *parent, const char *key, bool value)
{
	struct report *r = add(parent, REPORT_BOOL, key, NULL);

	if (r)
		r->yes = value;
	return r;
}

bool report_failed(const struct report *r)
{
	if (!r || r->failed)
		return true;
	for (const struct report *m = r->first; m; m = m->next)
		if (report_failed(m))
			return true;
	return false;
}
