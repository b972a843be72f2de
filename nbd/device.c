/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device.c - the kernel's client */
#include "tool.h"

int device_connect(const char *path, struct server *server, int *client_fd,
    struct error *err)
{
	return error_set(err, ENOTSUP, "devices are not there yet");
}

int device_disconnect(const char *path, struct error *err)
{
	return error_set(err, ENOTSUP, "devices are not there yet");
}
