/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* img.h - the commands of cowbird-img, one file each */
#ifndef IMG_H
#define IMG_H

#include <stdio.h>

#include "cli/cli.h"

extern const struct cli_command cmd_bench, cmd_check, cmd_commit, cmd_compare,
    cmd_convert, cmd_create, cmd_dd, cmd_info, cmd_map, cmd_measure,
    cmd_rebase, cmd_resize;

/* Finds a format by name; prints what is wrong and returns NULL. */
const struct format *img_format(const struct cli *, const char *name);

/* create.c: the value of one -o, added to opts, which is made when NULL.
 * False: said what is wrong. */
bool img_options(const struct cli *, const char *text, struct opts **opts);
/* Does it ask for help ("help" or "?" as a word of it)? */
bool img_is_help(const char *text);
/* The options a format takes at creation, as the peer lists them: those of
 * the file are among them when there are operands. */
void img_create_help(const struct cli *, const struct format *);

/* One image as info shows it; as JSON: report_json(). */
struct img_report {
	struct image *image;
	struct image_info info;
};
/* The name of an image as it is shown: the file's, where that says it all. */
const char *img_name(const struct image *);
void report_text(const struct img_report *, FILE *);

#endif
