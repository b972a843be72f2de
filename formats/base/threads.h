/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* threads.h - as many workers as there are processors, small and bounded */
#ifndef BASE_THREADS_H
#define BASE_THREADS_H

#include <stddef.h>

enum { THREADS_MAX = 16 };

/* wanted, or one for each processor (at least 2) when it is 0; at most two for
 * each processor (or 8, for slow devices) and THREADS_MAX: more cost memory and
 * give nothing. */
unsigned threads_wanted(unsigned wanted);

/* Runs f on n arguments of "size" bytes each, one of them on this thread;
 * returns when all are done.  Where the system gives fewer threads, those
 * left out are not missed: the work is shared by who is there. */
void threads_run(unsigned n, void *(*f)(void *), void *args, size_t size);

#endif
