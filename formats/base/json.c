/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json.c - writing JSON: commas and indentation, escapes, UTF-8 */
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { NOT_UTF8 = 0xfffd };

void json_init(struct json *j, FILE *out, bool pretty)
{
	*j = (struct json){ .out = out, .pretty = pretty, .fresh = true };
}

/* What a character becomes that may not stand for itself. */
static bool is_character(uint32_t c)
{
	return c <= 0x10ffff && (c & 0xfffff800) != 0xd800 &&
	    (c & 0xfffe) != 0xfffe && !(c >= 0xfdd0 && c <= 0xfdef);
}

/*
 * The next character of *text.  Whatever is wrong with a sequence (too short,
 * longer than needed, surrogates, noncharacters), it counts as one unknown
 * character, up to the byte that cannot belong to it.  The lengths 5 and 6
 * of old are known so that they too count as one.
 */
static uint32_t next_character(const char **text)
{
	static const uint32_t least[] = {
		0, 0, 0x80, 0x800, 0x10000, 0x110000, 0x110000
	};
	const unsigned char *p = (const unsigned char *)*text;
	unsigned len = *p < 0x80 ? 1 : *p < 0xc0 ? 0 : *p < 0xe0 ? 2 :
	    *p < 0xf0 ? 3 : *p < 0xf8 ? 4 : *p < 0xfc ? 5 : *p < 0xfe ? 6 : 0;
	uint32_t c = len == 1 ? *p : *p & (0x7fu >> len);
	unsigned n;

	for (n = 1; n < len && (p[n] & 0xc0) == 0x80; n++)
		c = c << 6 | (p[n] & 0x3f);
	*text += n;
	if (!len || n < len || c < least[len] || !is_character(c))
		return NOT_UTF8;
	return c;
}

static void put_escape(FILE *out, uint32_t c)
{
	static const char plain[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
	const char *at = c && c < 0x80 ? strchr(plain, (int)c) : NULL;

	if (at)
		fprintf(out, "\\%c", names[at - plain]);
	else if (c < 0x10000)
		fprintf(out, "\\u%04" PRIX32, c);
	else
		fprintf(out, "\\u%04" PRIX32 "\\u%04" PRIX32,
		    0xd800 + ((c - 0x10000) >> 10),
		    0xdc00 + ((c - 0x10000) & 0x3ff));
}

static void put_string(FILE *out, const char *text)
{
	putc('"', out);
	while (*text) {
		uint32_t c = next_character(&text);

		if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			putc((int)c, out);
		else
			put_escape(out, c);
	}
	putc('"', out);
}

static void put_line(struct json *j)
{
	putc('\n', j->out);
	for (unsigned i = 0; i < j->depth; i++)
		fputs("    ", j->out);
}

/* All that comes before a value. */
static void begin(struct json *j, const char *key)
{
	if (!j->fresh)
		putc(',', j->out);
	if (j->pretty && j->depth)
		put_line(j);
	else if (!j->fresh)
		putc(' ', j->out);
	j->fresh = false;
	if (key) {
		put_string(j->out, key);
		fputs(": ", j->out);
	}
}

static void open_bracket(struct json *j, const char *key, char bracket)
{
	begin(j, key);
	putc(bracket, j->out);
	j->depth++;
	j->fresh = true;
}

void json_object(struct json *j, const char *key)
{
	open_bracket(j, key, '{');
}

void json_list(struct json *j, const char *key)
{
	open_bracket(j, key, '[');
}

void json_close(struct json *j, char bracket)
{
	j->depth--;
	j->fresh = false;
	if (j->pretty)
		put_line(j);
	putc(bracket, j->out);
}

void json_str(struct json *j, const char *key, const char *value)
{
	begin(j, key);
	put_string(j->out, value);
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	begin(j, key);
	fprintf(j->out, "%" PRIu64, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	begin(j, key);
	fputs(value ? "true" : "false", j->out);
}

int json_end(struct json *j)
{
	putc('\n', j->out);
	if (fflush(j->out))
		return -errno;
	return ferror(j->out) ? -EIO : 0;
}
