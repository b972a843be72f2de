/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device.h - talking to the kernel's nbd driver, in pieces a test can hold */
#ifndef NBD_DEVICE_H
#define NBD_DEVICE_H

#include <stdint.h>

#include "base/error.h"

struct device {
	uint32_t index;		/* of /dev/nbdN */
	uint64_t size;
	uint64_t flags;		/* transmission flags, as negotiated */
	int fd;			/* a socket on which they hold */
};

/* By generic netlink on the socket nl: asks and waits for the kernel's word. */
int device_attach(int nl, const struct device *, struct error *);
int device_detach(int nl, uint32_t index, struct error *);

/* N of a path that leads to /dev/nbdN. */
int device_index(const char *path, uint32_t *index, struct error *);

#endif
