/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* names.c - a colon before any slash makes a scheme */
#include "base/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

size_t name_scheme_len(const char *name)
{
	size_t n = strcspn(name, ":/");

	return name[n] == ':' ? n : 0;
}

bool name_has_scheme(const char *name, const char *scheme)
{
	size_t n = name_scheme_len(name);

	return n == strlen(scheme) && !strncmp(name, scheme, n);
}

void name_hide_password(char *name)
{
	for (char *s = strstr(name, "://"); s; s = strstr(s, "://")) {
		size_t at = strcspn(s += 3, "/?#\"', \t"), from, len;

		while (at && s[at] != '@')
			at--;
		from = strcspn(s, ":") + 1;
		if (from >= at)
			continue;
		/* Not even its length. */
		len = at - from < 3 ? at - from : 3;
		memset(s + from, '*', len);
		memmove(s + from + len, s + at, strlen(s + at) + 1);
	}
}

const char *name_path(const char *name)
{
	size_t n = name_scheme_len(name);

	if (!n)
		return name;
	return name_has_scheme(name, "file") ? name + n + 1 : NULL;
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' :
	    isxdigit((unsigned char)c) ? tolower(c) - 'a' + 10 : -1;
}

char *name_unescape(const char *text, size_t len)
{
	char *s = malloc(len + 1), *to = s;
	int high, low;

	for (size_t i = 0; s && i < len; i++) {
		if (text[i] != '%') {
			*to++ = text[i];
			continue;
		}
		high = len - i > 2 ? hex_digit(text[i + 1]) : -1;
		low = len - i > 2 ? hex_digit(text[i + 2]) : -1;
		if (high < 0 || low < 0 || !(high | low)) {
			free(s);
			return NULL;
		}
		*to++ = (char)(high * 16 + low);
		i += 2;
	}
	if (s)
		*to = '\0';
	return s;
}
