/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * error.h - one error convention
 *
 * A function that can fail returns 0 or -errno, takes "struct error *err"
 * last and fills it exactly when it returns negative.  err is never NULL.
 * The text is one line: lower case, no full stop, names the thing and its
 * value in the user's terms.  Nothing to free, nothing global.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <errno.h>

/* Refused by policy, not broken (H3): tools end with exit code 64. */
#define EREFUSED EKEYREJECTED

struct error {
	int code;		/* errno value, positive */
	char text[1024];
};

/* Sets code and text; returns -code, so that "return error_set(...)" works. */
int error_set(struct error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), cold));

/* The same, and ": <the system's words for code>" at the end. */
int error_errno(struct error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), cold));

/* Puts "<fmt>: " before the text on its way out; returns -err->code. */
int error_prefix(struct error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), cold));

#endif
