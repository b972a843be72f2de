/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon.h - -daemonize and -pidfile */
#ifndef DAEMON_H
#define DAEMON_H

#include "base/error.h"

/* Goes on in a new process; the old one waits until daemon_ready() is called
 * there, or until it ends, whose exit code it takes.  Before threads are. */
int daemon_start(struct error *err);
/* Lets go of the terminal; nothing when daemon_start() was not called. */
int daemon_ready(struct error *err);

/* Writes the process's number and holds a lock on the file, which fails when
 * another process does. */
int pidfile_create(const char *path, struct error *err);
void pidfile_remove(void);	/* if there is one */

#endif
