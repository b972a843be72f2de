/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pattern.c - what is written, and what is expected to be read */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"

bool pattern_matches(const uint8_t *buf, size_t len, uint8_t byte)
{
	/* Once the first is right, all are if each equals its neighbour. */
	return !len || (*buf == byte && !memcmp(buf, buf + 1, len - 1));
}

/* What a short read means: the file ended, or an error. */
static bool pattern_error(const struct io *io, const char *file, FILE *f)
{
	const char *why = !f || ferror(f) ? strerror(errno) : "file is empty";

	complain(io, "%s: %s", file, why);
	if (f)
		fclose(f);
	return false;
}

bool pattern_load(const struct io *io, const char *file, uint8_t *buf,
    size_t len)
{
	FILE *f = fopen(file, "rbe");
	size_t n;

	if (!f)
		return pattern_error(io, file, f);
	n = fread(buf, 1, len, f);
	if (!n)
		return pattern_error(io, file, f);
	fclose(f);
	for (size_t more; n < len; n += more) {
		more = n < len - n ? n : len - n;
		memcpy(buf + n, buf, more);
	}
	return true;
}

void pattern_dump(const uint8_t *buf, size_t len, uint64_t off)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i += 16) {
		const size_t n = len - i < 16 ? len - i : 16;
		char text[16 * 4 + 2], *s = text, *chars = text + n * 3 + 1;

		for (size_t k = 0; k < n; k++) {
			const uint8_t b = buf[i + k];
			const bool plain = (b >= '0' && b <= '9') ||
			    (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z');

			*s++ = digits[b >> 4];
			*s++ = digits[b & 15];
			*s++ = ' ';
			*chars++ = plain ? (char)b : '.';
		}
		*s = ' ';
		*chars++ = '\n';
		printf("%08" PRIx64 ":  %.*s", off + i, (int)(chars - text),
		    text);
	}
}
