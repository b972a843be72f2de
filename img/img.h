/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* img.h - the commands of cowbird-img, one file each */
#ifndef IMG_H
#define IMG_H

#include <stdio.h>

#include "cli/cli.h"

extern const struct cli_command cmd_bench, cmd_check, cmd_commit, cmd_compare,
    cmd_convert, cmd_create, cmd_dd, cmd_info, cmd_map, cmd_measure,
    cmd_rebase, cmd_resize;

/* -o help: the options a format takes at creation, as the peer lists them.
 * create, convert, measure, ...: an option value of "help" or "?" asks. */
void img_create_help(const struct cli *, const struct format *);
/* Is "help" or "?" among the words of an -o value? */
bool img_is_help(const char *text);
/* Finds a format by name; prints what is wrong and returns NULL. */
const struct format *img_format(const struct cli *, const char *name);

/* One image as info shows it (report_text.c, report_json.c). */
struct json;
struct img_report {
	const char *name;	/* as given */
	const char *format;
	const struct image_info *info;
};
void report_text(const struct cli *, const struct img_report *, FILE *);
void report_json(const struct cli *, const struct img_report *, struct json *);

#endif
