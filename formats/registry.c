/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* registry.c - the one list of formats */
#include "image.h"

extern const struct format format_raw, format_qcow2;

/* The order is that of probing and of lists shown to users. */
const struct format *const formats[] = {
	&format_raw,
	&format_qcow2,
	NULL
};

const struct format *format_find(const char *name)
{
	for (const struct format *const *f = formats; *f; f++)
		if (!strcmp((*f)->name, name))
			return *f;
	return NULL;
}
