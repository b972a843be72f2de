/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json.h - a streaming JSON writer
 *
 * Writes the layout programs compare byte by byte: four spaces a level,
 * "key": value, members one to a line, and the closing bracket on its own
 * line even when there are none; or everything on one line when not pretty.
 * Nothing is kept but the depth, so memory is constant whatever the length
 * of the output.  Strings are escaped as the peer does (control characters
 * and all but ASCII as \uXXXX in capitals, what is not UTF-8 as \uFFFD).
 *
 * Errors of the stream stay in the FILE (ferror); json_end tells.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	bool pretty;
	bool fresh;	/* no member yet in what was opened last */
	unsigned depth;
};

void json_init(struct json *, FILE *out, bool pretty);

/* key is NULL inside lists and at the top. */
void json_object(struct json *, const char *key);	/* opens { */
void json_list(struct json *, const char *key);		/* opens [ */
void json_close(struct json *, char bracket);		/* '}' or ']' */
void json_str(struct json *, const char *key, const char *value);
void json_u64(struct json *, const char *key, uint64_t value);
void json_bool(struct json *, const char *key, bool value);

/* A newline and a flush; 0, or -errno when anything could not be written. */
int json_end(struct json *);

#endif
