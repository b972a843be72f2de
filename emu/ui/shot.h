/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shot.h - a picture of the screen as a file, or as text */
#ifndef UI_SHOT_H
#define UI_SHOT_H

#include <stdio.h>

#include "base/error.h"
#include "core/display.h"

/* png.c; a picture of no size is refused by the caller.  PNG is ENOTSUP in a
 * build without libpng. */
int shot_png(FILE *, const struct picture *, struct error *err);
int shot_ppm(FILE *, const struct picture *, struct error *err);

/* text.c: rows of UTF-8 without blanks at their ends. */
enum { TEXT_ROW = 256 * 3 + 1 };
void text_row(const struct picture *, unsigned row, char line[TEXT_ROW]);
/* A character of code page 437 as UTF-8 with its NUL; bytes without it. */
unsigned text_char(unsigned char c, char utf8[4]);
unsigned text_unicode(unsigned char c);

#endif
