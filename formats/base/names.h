/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* names.h - plain paths and "scheme:rest" */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* The length of "scheme" in "scheme:rest", 0 for a plain path. */
size_t name_scheme_len(const char *name);
bool name_has_scheme(const char *name, const char *scheme);

/* A name for a message: what stands for a password in a URL in it is starred
 * out, in place. */
void name_hide_password(char *name);

/* The path in "file:path" or "path"; NULL for other schemes. */
const char *name_path(const char *name);

/* A copy of len bytes with %XX replaced (RFC 3986, 2.1), to be freed; NULL where
 * that is no text: an X that is no digit, %00, or no memory. */
char *name_unescape(const char *text, size_t len);

#endif
