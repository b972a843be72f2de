/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list.c - what another server offers */
#include "tool.h"

int list_exports(const struct address *a, struct tls *tls,
    const char *hostname, struct error *err)
{
	return error_set(err, ENOTSUP, "listing is not there yet");
}
