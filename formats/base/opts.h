/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * opts.h - options by name: key=value text, json: names, tables of options
 *
 * Everything a user may say about an image ends as a flat, ordered list of
 * dotted keys and text values: "driver=qcow2,file.filename=a.img",
 * json:{"driver":"qcow2","file":{"filename":"a.img"}} and -o cluster_size=4k
 * alike.  Whoever understands a key takes it; what nobody took is an error
 * the caller reports.  Lists appear as key.0, key.1, ...
 *
 * Threads: a struct opts belongs to one thread.  All strings returned are
 * borrowed from it and live as long as it does.
 */
#ifndef BASE_OPTS_H
#define BASE_OPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct opts;

struct opts *opts_new(void);		/* NULL: no memory */
void opts_free(struct opts *);		/* NULL is allowed */

/*
 * Adds "a=b,c=d,flag": ",," stands for a comma in a value; a word without
 * "=" is "on" (or "nofoo" -> foo=off where the word starts with "no" and no
 * implied key applies); the first word without "=" is the value of "implied"
 * when that is not NULL.  A key given again replaces the older value.
 */
int opts_parse(struct opts *, const char *text, const char *implied,
    struct error *);

/* Adds the members of a JSON object, nested ones as dotted keys; numbers and
 * booleans as text ("on"/"off"), null as a key without a value, which
 * opts_is_null() tells and opts_take() takes as if it were absent.  Empty
 * objects and lists are refused: as flat keys they would vanish.  At most 64
 * levels, 4096 options and 1 MiB.  ENOTSUP in a build without json-c. */
int opts_parse_json(struct opts *, const char *json, struct error *);

int opts_set(struct opts *, const char *key, const char *value,
    struct error *);
bool opts_has(const struct opts *, const char *key);	/* takes nothing */
const char *opts_get(const struct opts *, const char *key); /* takes nothing */
bool opts_is_null(const struct opts *, const char *key);
bool opts_has_prefix(const struct opts *, const char *prefix); /* "file" or "file.x" */

/* Take: the value and mark it used.  NULL, or 0 with *v unchanged, when the
 * key is absent.  Bad values are EINVAL in the peer's words. */
const char *opts_take(struct opts *, const char *key);
int opts_take_bool(struct opts *, const char *key, bool *v, struct error *);
int opts_take_size(struct opts *, const char *key, uint64_t *v,
    struct error *);
int opts_take_u64(struct opts *, const char *key, uint64_t *v,
    struct error *);
/* names ends with NULL; *v is the index. */
int opts_take_enum(struct opts *, const char *key, const char *const *names,
    unsigned *v, struct error *);

/* All of "prefix.rest" as a new set with keys "rest"; they count as taken.
 * An empty set when there is none.  NULL: no memory. */
struct opts *opts_take_sub(struct opts *, const char *prefix);

/* The first key nobody took, or NULL. */
const char *opts_unused(const struct opts *);

/* Walk in the order given: i from 0 until false. */
bool opts_at(const struct opts *, unsigned i, const char **key,
    const char **value);

/* ---- tables of options, for -o and -o help */

enum option_type { OPTION_STR, OPTION_BOOL, OPTION_SIZE, OPTION_NUMBER };

struct option {
	const char *name;	/* NULL ends a table */
	enum option_type type;
	const char *help;	/* the peer's words: programs show them */
	const char *value;	/* default as text, or NULL */
};

/* ---- sizes */

/* "64k", "1.5G", "0x1000", "12" -> bytes.  EINVAL or ERANGE; err's text is
 * only the reason. */
int size_parse(const char *text, uint64_t *bytes, struct error *);

/* "1 GiB", "196 KiB", "1.46 TiB", "512 B": three significant digits. */
enum { SIZE_TEXT = 32 };
const char *size_text(char buf[SIZE_TEXT], uint64_t bytes);

#endif
