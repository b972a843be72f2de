/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* opts.c - options by name, from key=value text and from JSON; sizes */
#include "base/opts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_JSONC
#include <json-c/json.h>
#endif

#include "base/auto.h"
#include "base/bytes.h"

/* Text may come from an image: bounds on what it makes us keep and search. */
enum { OPTS_MAX = 4096, KEY_MAX = 1023, JSON_MAX = 1 << 20, NEST_MAX = 64 };

struct entry {
	struct entry *older;	/* replaced, but somebody may have borrowed it */
	const char *value;	/* behind the key; NULL: null */
	bool used;
	char key[];
};

struct opts {
	struct entry **v;
	unsigned n, room;
};

struct opts *opts_new(void)
{
	return calloc(1, sizeof(struct opts));
}

void opts_free(struct opts *o)
{
	if (!o)
		return;
	for (unsigned i = 0; i < o->n; i++)
		for (struct entry *e = o->v[i], *older; e; e = older) {
			older = e->older;
			free(e);
		}
	free(o->v);
	free(o);
}

/* The place of the key; n when it is not there. */
static unsigned find(const struct opts *o, const char *key)
{
	unsigned i;

	for (i = 0; i < o->n && strcmp(o->v[i]->key, key); i++)
		;
	return i;
}

static bool make_room(struct opts *o)
{
	struct entry **v;

	if (o->n < o->room)
		return true;
	v = reallocarray(o->v, 2 * o->room + 8, sizeof(*v));
	if (!v)
		return false;
	o->v = v;
	o->room = 2 * o->room + 8;
	return true;
}

/* value is NULL for null */
static int put(struct opts *o, const char *key, const char *value,
    struct error *err)
{
	size_t key_size = strlen(key) + 1;
	size_t value_size = value ? strlen(value) + 1 : 0;
	unsigned i = find(o, key);
	struct entry *e;

	if (key_size > KEY_MAX + 1)
		return error_set(err, EINVAL, "option name '%.40s...' is "
		    "longer than %d bytes", key, KEY_MAX);
	if (i == OPTS_MAX)
		return error_set(err, E2BIG, "more than %d options", OPTS_MAX);
	e = make_room(o) ? malloc(sizeof(*e) + key_size + value_size) : NULL;
	if (!e)
		return error_errno(err, ENOMEM, "option '%s'", key);
	*e = (struct entry){ .older = i < o->n ? o->v[i] : NULL };
	memcpy(e->key, key, key_size);
	if (value)
		e->value = memcpy(e->key + key_size, value, value_size);
	o->v[i] = e;
	o->n += i == o->n;
	return 0;
}

int opts_set(struct opts *o, const char *key, const char *value,
    struct error *err)
{
	return put(o, key, value, err);
}

/* Copies up to a single comma, ",," as one; returns where it stopped. */
static const char *copy_value(char *to, const char *p)
{
	while (*p && (*p != ',' || p[1] == ',')) {
		p += *p == ',';
		*to++ = *p++;
	}
	*to = '\0';
	return p;
}

int opts_parse(struct opts *o, const char *text, const char *implied,
    struct error *err)
{
	size_t size = strlen(text) + 1;
	AUTO_FREE char *word = malloc(size);
	AUTO_FREE char *value = malloc(size);
	const char *p = text, *key, *val;

	if (!word || !value)
		return error_errno(err, ENOMEM, "option list");
	while (*p) {
		size_t len = strcspn(p, "=,");
		int ret;

		memcpy(word, p, len);
		word[len] = '\0';
		key = word;
		val = value;
		if (p[len] == '=') {
			p = copy_value(value, p + len + 1);
		} else if (p == text && implied) {
			p = copy_value(value, p);
			key = implied;
		} else if (!len) {
			return error_set(err, EINVAL,
			    "Invalid option list: %s", text);
		} else if (!strncmp(word, "no", 2)) {
			p += len;
			key = word + 2;
			val = "off";
		} else {
			p += len;
			val = "on";
		}
		ret = put(o, key, val, err);
		if (ret < 0)
			return ret;
		p += *p == ',';
	}
	return 0;
}

#ifdef HAVE_JSONC

static int put_number(struct opts *o, const char *key, struct json_object *v,
    struct error *err)
{
	const double exact = 1ull << 53;
	double d = json_object_get_double(v);
	const char *text;
	char whole[32];

	/* 1e2 and 100.0 are 100 */
	if (json_object_get_type(v) == json_type_double &&
	    d >= -exact && d <= exact && d == (double)(int64_t)d) {
		snprintf(whole, sizeof(whole), "%" PRId64, (int64_t)d);
		return put(o, key, whole, err);
	}
	text = json_object_to_json_string(v);
	if (!text)
		return error_errno(err, ENOMEM, "option '%s'", key);
	return put(o, key, text, err);
}

static int put_string(struct opts *o, const char *key, struct json_object *v,
    struct error *err)
{
	const char *text = json_object_get_string(v);

	if (!text)
		return error_errno(err, ENOMEM, "option '%s'", key);
	if (strlen(text) != (size_t)json_object_get_string_len(v))
		return error_set(err, EINVAL,
		    "option '%s' has a zero byte in its value", key);
	return put(o, key, text, err);
}

static int put_any(struct opts *, char *path, struct json_object *,
    struct error *);

/* path is a buffer of KEY_MAX + 1; the member's name is added, then taken
 * off again. */
static int put_member(struct opts *o, char *path, const char *name,
    struct json_object *v, struct error *err)
{
	size_t len = strlen(path), room = KEY_MAX + 1 - len;
	int n = snprintf(path + len, room, "%s%s", len ? "." : "", name);
	int ret = 0;

	if (n < 0 || (size_t)n >= room)
		ret = error_set(err, EINVAL, "option name '%.40s...' is "
		    "longer than %d bytes", path, KEY_MAX);
	else
		ret = put_any(o, path, v, err);
	path[len] = '\0';
	return ret;
}

static int put_object(struct opts *o, char *path, struct json_object *v,
    struct error *err)
{
	int ret;

	json_object_object_foreach(v, name, member) {
		ret = put_member(o, path, name, member, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int put_list(struct opts *o, char *path, struct json_object *v,
    struct error *err)
{
	size_t n = json_object_array_length(v);
	char name[24];
	int ret;

	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%zu", i);
		ret = put_member(o, path, name,
		    json_object_array_get_idx(v, i), err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int put_any(struct opts *o, char *path, struct json_object *v,
    struct error *err)
{
	switch (json_object_get_type(v)) {
	case json_type_null:
		return put(o, path, NULL, err);
	case json_type_boolean:
		return put(o, path, json_object_get_boolean(v) ? "on" : "off",
		    err);
	case json_type_int:
	case json_type_double:
		return put_number(o, path, v, err);
	case json_type_string:
		return put_string(o, path, v, err);
	case json_type_array:
		if (json_object_array_length(v))
			return put_list(o, path, v, err);
		break;
	case json_type_object:
		if (json_object_object_length(v))
			return put_object(o, path, v, err);
		break;
	}
	/* As a flat key it would vanish, and with it a mistake. */
	return error_set(err, EINVAL, "option '%s' is empty", path);
}

static void free_tokener(struct json_tokener **t)
{
	if (*t)
		json_tokener_free(*t);
}
static void free_object(struct json_object **v)
{
	json_object_put(*v);
}

/* Single quotes are taken as well as double ones: shells make people write
 * them, and the peer takes them. */
int opts_parse_json(struct opts *o, const char *json, struct error *err)
{
	__attribute__((cleanup(free_tokener)))
	struct json_tokener *t = json_tokener_new_ex(NEST_MAX);
	__attribute__((cleanup(free_object))) struct json_object *top = NULL;
	size_t len = strnlen(json, JSON_MAX + 1), used;
	enum json_tokener_error bad;
	char path[KEY_MAX + 1] = "";

	if (!t)
		return error_errno(err, ENOMEM, "JSON options");
	if (len > JSON_MAX)
		return error_set(err, E2BIG,
		    "JSON options are longer than %d bytes", JSON_MAX);
	top = json_tokener_parse_ex(t, json, (int)len);
	bad = json_tokener_get_error(t);
	if (bad == json_tokener_continue)
		return error_set(err, EINVAL, "Could not parse the JSON "
		    "options: JSON parse error, premature EOI");
	if (bad != json_tokener_success)
		return error_set(err, EINVAL, "Could not parse the JSON "
		    "options: JSON parse error, %s at byte %zu",
		    json_tokener_error_desc(bad),
		    json_tokener_get_parse_end(t));
	used = json_tokener_get_parse_end(t);
	if (json[used + strspn(json + used, " \t\r\n")])
		return error_set(err, EINVAL, "Could not parse the JSON "
		    "options: Expecting at most one JSON value");
	if (!json_object_is_type(top, json_type_object))
		return error_set(err, EINVAL, "Invalid JSON object given");
	return put_object(o, path, top, err);
}

#else

int opts_parse_json(struct opts *o, const char *json, struct error *err)
{
	return error_set(err, ENOTSUP, "this build does not read JSON");
}

#endif

const char *opts_get(const struct opts *o, const char *key)
{
	unsigned i = find(o, key);

	return i < o->n ? o->v[i]->value : NULL;
}

bool opts_has(const struct opts *o, const char *key)
{
	return find(o, key) < o->n;
}

bool opts_is_null(const struct opts *o, const char *key)
{
	unsigned i = find(o, key);

	return i < o->n && !o->v[i]->value;
}

/* What follows "prefix." in the key, or NULL. */
static const char *rest_of(const char *key, const char *prefix)
{
	size_t len = strlen(prefix);

	return !strncmp(key, prefix, len) && key[len] == '.' ?
	    key + len + 1 : NULL;
}

bool opts_has_prefix(const struct opts *o, const char *prefix)
{
	for (unsigned i = 0; i < o->n; i++)
		if (!strcmp(o->v[i]->key, prefix) ||
		    rest_of(o->v[i]->key, prefix))
			return true;
	return false;
}

const char *opts_take(struct opts *o, const char *key)
{
	unsigned i = find(o, key);

	if (i == o->n)
		return NULL;
	o->v[i]->used = true;
	return o->v[i]->value;
}

static bool one_of(const char *text, const char *const *names)
{
	while (*names && strcmp(text, *names))
		names++;
	return *names;
}

int opts_take_bool(struct opts *o, const char *key, bool *v,
    struct error *err)
{
	static const char *const yes[] = { "on", "yes", "true", "y", NULL };
	static const char *const no[] = { "off", "no", "false", "n", NULL };
	const char *text = opts_take(o, key);

	if (!text)
		return 0;
	if (!one_of(text, yes) && !one_of(text, no))
		return error_set(err, EINVAL,
		    "Parameter '%s' expects 'on' or 'off'", key);
	*v = one_of(text, yes);
	return 0;
}

int opts_take_size(struct opts *o, const char *key, uint64_t *v,
    struct error *err)
{
	const char *text = opts_take(o, key);

	if (!text || !size_parse(text, v, err))
		return 0;
	if (err->code == ERANGE)
		return error_set(err, EINVAL, "Value '%s' is out of range "
		    "for parameter '%s'", text, key);
	return error_set(err, EINVAL, "Parameter '%s' expects a "
	    "non-negative number below 2^64", key);
}

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t\n\v\f\r");
}

int opts_take_u64(struct opts *o, const char *key, uint64_t *v,
    struct error *err)
{
	const char *text = opts_take(o, key);
	unsigned long long n;
	char *end;

	if (!text)
		return 0;
	errno = 0;
	n = strtoull(text, &end, 0);
	if (end == text || *end || *skip_space(text) == '-')
		return error_set(err, EINVAL,
		    "Parameter '%s' expects a number", key);
	if (errno == ERANGE)
		return error_set(err, EINVAL, "Value '%s' is too large for "
		    "parameter '%s'", text, key);
	*v = n;
	return 0;
}

int opts_take_enum(struct opts *o, const char *key, const char *const *names,
    unsigned *v, struct error *err)
{
	const char *text = opts_take(o, key);

	if (!text)
		return 0;
	for (unsigned i = 0; names[i]; i++)
		if (!strcmp(text, names[i])) {
			*v = i;
			return 0;
		}
	return error_set(err, EINVAL,
	    "Parameter '%s' does not accept value '%s'", key, text);
}

struct opts *opts_take_sub(struct opts *o, const char *prefix)
{
	struct opts *sub = opts_new();
	struct error err;

	for (unsigned i = 0; sub && i < o->n; i++) {
		const char *rest = rest_of(o->v[i]->key, prefix);

		if (!rest)
			continue;
		o->v[i]->used = true;
		if (put(sub, rest, o->v[i]->value, &err) < 0) {
			opts_free(sub);
			sub = NULL;
		}
	}
	return sub;
}

const char *opts_unused(const struct opts *o)
{
	for (unsigned i = 0; i < o->n; i++)
		if (!o->v[i]->used)
			return o->v[i]->key;
	return NULL;
}

bool opts_at(const struct opts *o, unsigned i, const char **key,
    const char **value)
{
	if (i >= o->n)
		return false;
	*key = o->v[i]->key;
	*value = o->v[i]->value;
	return true;
}

/* ---- sizes */

/* The value of a digit in this base, or -1. */
static int digit(char c, unsigned base)
{
	unsigned v = c >= '0' && c <= '9' ? (unsigned)(c - '0') :
	    (c | 32) >= 'a' && (c | 32) <= 'f' ?
	    (unsigned)((c | 32) - 'a' + 10) : base;

	return v < base ? (int)v : -1;
}

/* The digits after the point; as many as a double keeps, and whether any of
 * them is not zero. */
static const char *parse_fraction(const char *p, double *fraction, bool *any)
{
	double scale = 1;

	for (; digit(*p, 10) >= 0; p++) {
		*any |= *p != '0';
		if (scale < 1e15) {
			*fraction = *fraction * 10 + digit(*p, 10);
			scale *= 10;
		}
	}
	*fraction /= scale;
	return p;
}

/*
 * As the peer reads sizes: spaces and a plus may come first, hexadecimal
 * takes no fraction, and a fraction that is not zero needs a unit to be a
 * fraction of.  Nothing depends on the locale.
 */
int size_parse(const char *text, uint64_t *bytes, struct error *err)
{
	static const char units[] = "bkmgtpe";
	const char *p = skip_space(text), *digits, *unit;
	unsigned base = 10, shift = 0;
	uint64_t whole = 0;
	double fraction = 0;
	bool any = false, fits = true;

	p += *p == '+';
	if (p[0] == '0' && (p[1] | 32) == 'x' && digit(p[2], 16) >= 0) {
		base = 16;
		p += 2;
	}
	for (digits = p; digit(*p, base) >= 0; p++)
		fits = fits && mul_ok(whole, base, &whole) &&
		    add_ok(whole, (uint64_t)digit(*p, base), &whole);
	if (p == digits)
		goto bad;
	if (*p == '.' && base == 10)
		p = parse_fraction(p + 1, &fraction, &any);
	unit = *p ? strchr(units, *p | 32) : NULL;
	if (unit) {
		shift = (unsigned)(unit - units) * 10;
		p++;
	}
	if (*p || (any && !shift))
		goto bad;
	if (!fits || !mul_ok(whole, 1ull << shift, &whole) ||
	    !add_ok(whole, (uint64_t)(fraction * (double)(1ull << shift) + .5),
	    &whole))
		return error_set(err, ERANGE, "more than 2^64 bytes");
	*bytes = whole;
	return 0;
bad:
	return error_set(err, EINVAL, "not a number of bytes, nor one with "
	    "k, M, G, T, P or E behind it");
}

/* A thousand of one unit is shown in the next, as the peer does it: 0.977 MiB
 * rather than 1000 KiB. */
const char *size_text(char buf[SIZE_TEXT], uint64_t bytes)
{
	static const char *const units[] = {
		"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"
	};
	double v = (double)bytes;
	unsigned i = 0;

	for (; v >= 1000 && i < ARRAY_LEN(units) - 1; i++)
		v /= 1024;
	snprintf(buf, SIZE_TEXT, "%.3g %s", v, units[i]);
	return buf;
}
