/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options.h - the command line */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "machine.h"

/*
 * Fills in config from the command line and opens its images.  -1: go on;
 * else all is said (help, or what is wrong) and this is the exit code; no
 * image is open then.
 */
int options_parse(struct machine_config *, int argc, char **argv);
/* Once the machine is gone: texts in the configuration are freed. */
void options_free(struct machine_config *);

#endif
