/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * report.h - what a driver has to say of itself, as a tree
 *
 * info prints the same tree twice: as JSON with the keys as they are, as text
 * with spaces for dashes.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stdint.h>

enum report_type {
	REPORT_OBJECT, REPORT_LIST, REPORT_STR, REPORT_U64, REPORT_BOOL
};

struct report {
	enum report_type type;
	char *key;		/* NULL inside lists and at the top */
	char *str;
	uint64_t num;
	bool yes;
	bool failed;		/* no memory for a member */
	struct report *first, *last, *next; /* members, in order */
};

/* An object without members.  NULL: no memory. */
struct report *report_new(void);
void report_free(struct report *);	/* NULL is allowed */

/* Each adds a member and returns it; NULL parent or no memory: NULL, so that
 * only the end of a series needs a look (report_failed). */
struct report *report_object(struct report *parent, const char *key);
struct report *report_list(struct report *parent, const char *key);
struct report *report_str(struct report *parent, const char *key,
    const char *value);
struct report *report_u64(struct report *parent, const char *key,
    uint64_t value);
struct report *report_bool(struct report *parent, const char *key, bool value);

/* What info says of an image, for programs: the peer's keys in the peer's
 * order.  name is shown as its file name; children: with the files of the
 * image, as upstream shows them since 8.0.  report_json.c */
struct image;
struct image_info;
struct json;
void report_json(const struct image *, const struct image_info *,
    const char *name, bool children, struct json *);

/* Was anything lost on the way, here or below? */
bool report_failed(const struct report *);

#endif
