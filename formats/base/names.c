/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* names.c - a colon before any slash makes a scheme */
#include "base/names.h"

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

const char *name_path(const char *name)
{
	size_t n = name_scheme_len(name);

	if (!n)
		return name;
	return name_has_scheme(name, "file") ? name + n + 1 : NULL;
}
