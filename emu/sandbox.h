/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox.h - what is left to the process once the machine is built
 *
 * A guest that broke out of a device would be in this process.  So before the
 * first of its instructions the process gives away what it does not need any
 * more: to gain privileges, to open files, to make connections, to start
 * programs.  What is open stays open: disks, sockets, terminals.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>

#include "base/error.h"

enum { SANDBOX_DIRS = 64 };

struct sandbox {
	bool off;
	bool asked;	/* a build without seccomp is an error then */
	/* The monitor's commands open files (screendump, memsave, change):
	 * below these folders, which are open, and nowhere else. */
	int dir[SANDBOX_DIRS];
	unsigned dirs;
	bool files;
	bool removes;	/* sockets of ours and the pidfile go at the end,
			 * from these folders */
	bool network;	/* images on servers, sockets that connect again:
			 * connections may be made, and the system's files for
			 * that may be read */
	bool uring;	/* images without the host's cache: io_uring */
};

/* The folder of a file, or itself; what cannot be opened is left out, and the
 * root of everything, too. */
void sandbox_add(struct sandbox *, const char *path, bool is_folder);

/* For this thread and those it makes, the filter for all there are.  Closes
 * the folders. */
int sandbox_enter(struct sandbox *, struct error *err);

#endif
