/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * modes.h - the peers' words for how an image is opened
 *
 * The same words stand on command lines and in a node's options.  False: it is
 * no such word, and nothing is changed; what to say then is the caller's.
 */
#ifndef MODES_H
#define MODES_H

#include "image.h"

/* writeback, none, off, writethrough, directsync, unsafe */
bool mode_cache(const char *word, struct open_args *);
/* threads, native, io_uring: never AIO_ANY */
bool mode_aio(const char *word, enum file_aio *);
/* ignore, off, unmap, on */
bool mode_discard(const char *word, bool *unmap);
/* off, on, unmap */
bool mode_detect_zeroes(const char *word, enum detect_zeroes *);

#endif
